// AMX as llama.cpp uses it (ggml/src/ggml-cpu/amx): a tile configuration on the stack, loaded, then tiles multiplied.
// GCC before 13.2.1 drops all but the first eight bytes of that configuration, and the next instruction is illegal.
// Ends with 0: right; 1: wrong numbers; 10: compiled without AMX; 11: the system does not let programs use it.
#if defined(__AMX_INT8__) && defined(__AVX512VNNI__) && defined(__linux__)
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct Configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t colsb[16];
    uint8_t rows[16];
};

static __attribute__((noinline)) void configure() {
    Configuration tiles;
    memset(&tiles, 0, sizeof tiles);
    tiles.palette = 1;
    for (int i = 0; i < 3; ++i) {
        tiles.rows[i] = 16;
        tiles.colsb[i] = 64;
    }
    _tile_loadconfig(&tiles);
}

int main() {
    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* XTILEDATA */)) return 11;
    static int8_t a[16 * 64], b[16 * 64];
    static int32_t c[16 * 16];
    memset(a, 1, sizeof a);
    memset(b, 2, sizeof b);
    configure();
    _tile_zero(0);
    _tile_loadd(1, a, 64);
    _tile_loadd(2, b, 64);
    _tile_dpbssd(0, 1, 2);
    _tile_stored(0, c, 64);
    _tile_release();
    for (int i = 0; i < 16 * 16; ++i)
        if (c[i] != 128) return 1;
    return 0;
}
#else
int main() { return 10; }
#endif
