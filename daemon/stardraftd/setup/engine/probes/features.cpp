// The x86 instruction sets that the processor has and the operating system has enabled, by ggml's names. Intel SDM,
// volume 1, chapter 13: the system says in XCR0 which registers it saves; bits 1-2 are AVX, bits 5-7 are AVX-512.
#include <cpuid.h>
#include <stdio.h>

int main() {
    unsigned a, b, c, d, b7 = 0, c7 = 0, a71 = 0, low = 0, high = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 1;
    const unsigned c1 = c;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        b7 = b, c7 = c;
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) a71 = a;
    }
    if (c1 >> 27 & 1) __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    const bool avx = (low & 6) == 6 && (c1 >> 28 & 1), avx512 = avx && (low & 0xe0) == 0xe0 && (b7 >> 16 & 1);
    const bool all512 = avx512 && (b7 >> 17 & 1) && (b7 >> 28 & 1) && (b7 >> 30 & 1) && (b7 >> 31 & 1);
    if (c1 >> 20 & 1) puts("SSE42");
    if (avx) puts("AVX");
    if (avx && (c1 >> 29 & 1)) puts("F16C");
    if (avx && (c1 >> 12 & 1)) puts("FMA");
    if (avx && (b7 >> 5 & 1)) puts("AVX2");
    if (b7 >> 8 & 1) puts("BMI2");
    if (avx && (a71 >> 4 & 1)) puts("AVX_VNNI");
    if (all512) puts("AVX512");
    if (all512 && (c7 >> 1 & 1)) puts("AVX512_VBMI");
    if (all512 && (c7 >> 11 & 1)) puts("AVX512_VNNI");
    if (all512 && (a71 >> 5 & 1)) puts("AVX512_BF16");
    return 0;
}
