"""How fast a model writes here: what was measured with it, or else the bound that memory sets.

Each token has to read all weights and the keys and values of all tokens before it, so no computer writes
faster than its memory reads. A measurement is one that the engine made when it loaded the model (or a random
one of its shape) on this computer; which of the two a number is goes with it wherever it is shown.
"""

import ctypes
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from stardraftd.measurements import CELL_SHARE, SPEEDS_FILE, Key, measured
from stardraftd.models.memory import KvType

# The tokens that stand in the cache when a speed is told: a usual prompt.
DEPTH_TOKENS = 1024

_READ_BYTES = 64 << 20  # for each thread twice: more than the caches of most processors hold
_CHUNK_BYTES = 4 << 20  # so short that another program does not interrupt every one
_READ_S = 0.3
_NOT_CACHED_BYTES = 1_200_000_000  # the greatest last-level cache of a server is 1,152 MB
_SAME_SIZE = (
    0.005  # metadata differ between a published file and a random model; quantizations by 10 % and more
)

# GB/s, as the makers state them; a part of the device's name, the longer one first where one begins another.
_KNOWN_GPUS: tuple[tuple[str, float], ...] = (
    ("H200", 4800),
    ("H100 PCIe", 2039),
    ("H100", 3350),
    ("A100-SXM4-80GB", 2039),
    ("A100 80GB", 1935),
    ("A100", 1555),
    ("L40S", 864),
    ("L40", 864),
    ("L4", 300),
    ("A10G", 600),
    ("A10", 600),
    ("V100", 900),
    ("Tesla T4", 320),
    ("RTX 5090", 1792),
    ("RTX 5080", 960),
    ("RTX 5070 Ti", 896),
    ("RTX 5070", 672),
    ("RTX 5060", 448),
    ("RTX 4090 Laptop", 576),
    ("RTX 4090", 1008),
    ("RTX 4080 Laptop", 432),
    ("RTX 4080 SUPER", 736),
    ("RTX 4080", 717),
    ("RTX 4070 Laptop", 256),
    ("RTX 4070 Ti SUPER", 672),
    ("RTX 4070", 504),
    ("RTX 4060 Ti", 288),
    ("RTX 4060 Laptop", 256),
    ("RTX 4060", 272),
    ("RTX 3090 Ti", 1008),
    ("RTX 3090", 936),
    ("RTX 3080 Ti", 912),
    ("RTX 3080", 760),
    ("RTX 3070", 448),
    ("RTX 3060 Ti", 448),
    ("RTX 3060", 360),
    ("RX 7900 XTX", 960),
    ("RX 7900 XT", 800),
    ("RX 7800 XT", 624),
    ("RX 6900 XT", 512),
    ("RX 6800", 512),
    ("Arc A770", 560),
    ("Arc B580", 456),
    ("M1 Ultra", 800),
    ("M1 Max", 400),
    ("M1 Pro", 200),
    ("M1", 68),
    ("M2 Ultra", 800),
    ("M2 Max", 400),
    ("M2 Pro", 200),
    ("M2", 100),
    ("M3 Ultra", 819),
    ("M3 Max", 400),
    ("M3 Pro", 150),
    ("M3", 100),
    ("M4 Max", 546),
    ("M4 Pro", 273),
    ("M4", 120),
)


class Pace(Struct, frozen=True):
    """Tokens a second, one after the other, and where the number is from."""

    tokens_per_s: float
    source: Literal["measured", "bound"]


class Measured(Struct, frozen=True):
    """One entry of the engine's file of speeds: of which file, how it was run, and a token's time."""

    model: str
    size_bytes: int
    device: str
    gpu_layers: int
    kv_type: str
    token_ms: float
    cell_us: float

    def tokens_per_s(self, depth_tokens: int = DEPTH_TOKENS) -> float:
        return 1000 / (self.token_ms + self.cell_us / 1000 * depth_tokens)

    @property
    def read_bytes_per_s(self) -> float:
        """How fast the weights were read, at the least."""
        return self.size_bytes / self.token_ms * 1000


def measurements(cache_folder: Path) -> tuple[Measured, ...]:
    """What engines measured on this computer, the latest last; nothing where there is no readable file."""
    found: list[Measured] = []
    for text, speeds in measured(cache_folder / SPEEDS_FILE).items():
        key = Key.read(text)
        token_ms = dict(speeds.curve).get(1, 0.0)
        if key is not None and token_ms > 0:
            cell_us = token_ms * CELL_SHARE * 1000 if speeds.cell_us is None else speeds.cell_us
            found.append(
                Measured(key.name, key.size_bytes, key.device, key.gpu_layers, key.kv_type, token_ms, cell_us)
            )
    return tuple(found)


def measured_pace(
    known: Sequence[Measured], *, file_bytes: int, kv_type: KvType, gpu_layers: int, layers: int
) -> Pace | None:
    """The latest measurement of a file of this size that was run this way. The engine tells 1 to `layers`
    layers, where the plan also counts the output as one."""
    for one in reversed(known):
        same_size = abs(one.size_bytes - file_bytes) <= _SAME_SIZE * file_bytes
        if same_size and one.kv_type == kv_type and one.gpu_layers == min(gpu_layers, layers):
            return Pace(one.tokens_per_s(), "measured")
    return None


def proven_bytes_per_s(known: Sequence[Measured]) -> float:
    """How fast engines on the CPU have read memory here, by models that no cache holds; 0 without any."""
    return max(
        (one.read_bytes_per_s for one in known if not one.gpu_layers and one.size_bytes > _NOT_CACHED_BYTES),
        default=0.0,
    )


def bound(
    *,
    ram_bytes: float,
    vram_bytes: float,
    ram_bytes_per_s: float | None,
    vram_bytes_per_s: float | None,
) -> Pace | None:
    """The most tokens a second with so many bytes read for each; None where a memory's speed is not known."""
    seconds = 0.0
    for n_bytes, speed in ((ram_bytes, ram_bytes_per_s), (vram_bytes, vram_bytes_per_s)):
        if n_bytes > 0:
            if not speed:
                return None
            seconds += n_bytes / speed
    return Pace(1 / seconds, "bound") if seconds else None


def gpu_bytes_per_s(description: str) -> float | None:
    """A known GPU's memory bandwidth as its maker states it; None for others."""
    for name, gigabytes in _KNOWN_GPUS:
        start = description.find(name)
        before, after = description[start - 1 : start], description[start + len(name) :][:1]
        if start >= 0 and not (before.isalnum() or after.isalnum()):
            return gigabytes * 1e9
    return None


def reading_bytes_per_s(n_threads: int) -> float:
    """How fast this computer's memory is read now, by so many threads at once: 0.3 s, and 128 MB for each.

    libc compares equal blocks: that writes nothing, reads two streams as fast as memory gives them, and
    ctypes lets go of the interpreter meanwhile. Each thread's best chunk counts, for other programs run too.
    Where they use the memory all the time, less comes out than the computer could do: see `busy_share`.
    """
    compare = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).memcmp
    compare.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    compare.restype = ctypes.c_int
    best = [0.0] * max(n_threads, 1)
    # Written, not only asked for: untouched pages are all the same one of zeros.
    blocks = [(bytearray(b"\1") * _READ_BYTES, bytearray(b"\1") * _READ_BYTES) for _ in best]
    starts = threading.Barrier(len(best))

    def read(index: int) -> None:
        one, other = (ctypes.addressof(ctypes.c_char.from_buffer(block)) for block in blocks[index])
        starts.wait()
        deadline = time.perf_counter() + _READ_S
        offset = 0
        while (started := time.perf_counter()) < deadline:
            compare(one + offset, other + offset, _CHUNK_BYTES)
            best[index] = max(best[index], 2 * _CHUNK_BYTES / (time.perf_counter() - started))
            offset = (offset + _CHUNK_BYTES) % _READ_BYTES

    threads = [threading.Thread(target=read, args=(index,)) for index in range(len(best))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(best)


def busy_share() -> float:
    """The part of all processor time that programs use now, 0 to 1; this process waits 0.1 s meanwhile."""
    import psutil

    return float(psutil.cpu_percent(interval=0.1)) / 100
