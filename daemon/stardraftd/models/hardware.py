"""How much memory there is for a model: the computer's, a container's, and that of its GPUs.

Read from the operating system; what llama.cpp says of devices is handed in, for only an engine process may
ask it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60  # cgroup v1 writes a number near 2**63 for "no limit"


class Gpu(Struct, frozen=True):
    """A device that layers can be put on. `unified`: its memory is the computer's own."""

    name: str
    description: str
    free_bytes: int
    total_bytes: int
    unified: bool = False


class Capacity(Struct, frozen=True, kw_only=True):
    """The memory there is.

    ram_free_bytes:  free, or held by caches that give way; at most what the container's limit leaves.
    engine_ram_bytes, engine_vram_bytes: what a running engine holds. It would be replaced, so it counts as
                     free, and is part of the numbers above and of `vram_free_bytes`.
    limited:         a container's limit is lower than what the computer has.
    devices_known:   whether llama.cpp could be asked. If not, there may be GPUs that are not listed.
    """

    ram_free_bytes: int
    ram_total_bytes: int
    gpus: tuple[Gpu, ...] = ()
    engine_ram_bytes: int = 0
    engine_vram_bytes: int = 0
    limited: bool = False
    devices_known: bool = True

    @property
    def vram_free_bytes(self) -> int:
        if not self.gpus:
            return 0
        free = sum(gpu.free_bytes for gpu in self.gpus) + self.engine_vram_bytes
        return min(free, sum(gpu.total_bytes for gpu in self.gpus))

    @property
    def unified(self) -> bool:
        return any(gpu.unified for gpu in self.gpus)


def room(gpus: Sequence[Gpu] | None, *, engine_ram_bytes: int = 0, engine_vram_bytes: int = 0) -> Capacity:
    """The memory of this computer now. `gpus` is None when llama.cpp could not be asked.

    Where there are GPUs of their own, llama.cpp leaves those alone that share the computer's memory.
    """
    import psutil

    own = tuple(gpu for gpu in gpus or () if not gpu.unified)
    memory = psutil.virtual_memory()
    free, total, limited = memory.available, memory.total, False
    for limit, used in cgroup_limits():
        if limit < total:
            total, limited = limit, True
        free = min(free, max(limit - used, 0))
    return Capacity(
        ram_free_bytes=min(free + engine_ram_bytes, total),
        ram_total_bytes=total,
        gpus=own or tuple(gpus or ())[:1],
        engine_ram_bytes=engine_ram_bytes,
        engine_vram_bytes=engine_vram_bytes,
        limited=limited,
        devices_known=gpus is not None,
    )


def cgroup_limits(own: Path = OWN_CGROUP, mounted: Path = CGROUPS) -> Iterator[tuple[int, int]]:
    """Limit and use in bytes of every control group above this process that has a limit; caches are free.

    Both versions are read, and none is there outside of Linux. Inside a container its own group often is the
    root of what is mounted, whatever /proc says.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in own.read_text(encoding="utf-8").splitlines():
            number, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if number == "0" and not controllers:
                yield from _limits(
                    mounted, path, "memory.max", "memory.current", ("inactive_file", "active_file")
                )
            elif "memory" in controllers.split(","):
                yield from _limits(
                    mounted / "memory",
                    path,
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    ("total_inactive_file", "total_active_file"),
                )


def _limits(
    mounted: Path, path: str, limit_name: str, used_name: str, caches: tuple[str, ...]
) -> Iterator[tuple[int, int]]:
    folder = mounted / path.lstrip("/")
    for group in (folder, *folder.parents):
        if group == mounted or mounted in group.parents:
            limit = _number(group / limit_name)
            used = _number(group / used_name)
            if limit is not None and used is not None and limit < _UNLIMITED:
                yield limit, max(used - _cached(group / "memory.stat", caches), 0)


def _number(file: Path) -> int | None:
    """The number in a file; None for "max", and where there is no such file."""
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _cached(file: Path, names: tuple[str, ...]) -> int:
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name in names:
                total += int(value)
    return total
