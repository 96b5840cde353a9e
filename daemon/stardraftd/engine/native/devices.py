"""Which devices llama.cpp can compute on here: its own list, through libggml, which has no bindings."""

import contextlib
import ctypes
from typing import Any, Literal

import psutil
from msgspec import Struct

from stardraftd.engine.native.backend import ggml

DeviceType = Literal["cpu", "gpu", "integrated_gpu", "accelerator", "other"]
_TYPES: tuple[DeviceType, ...] = ("cpu", "gpu", "integrated_gpu", "accelerator")  # ggml-backend.h


class Device(Struct, frozen=True):
    """A device as ggml names it ("CUDA0", "Metal", "CPU"); memory in bytes, 0 where it does not say."""

    name: str
    description: str
    type: DeviceType
    memory_free_bytes: int
    memory_total_bytes: int

    @property
    def offloads(self) -> bool:
        """Whether a model's layers can be put here."""
        return self.type in ("gpu", "integrated_gpu")


def devices() -> list[Device]:
    """All devices of this build, the CPU included. The backends must be open (`backend.open_backend`)."""
    count = _function("ggml_backend_dev_count", ctypes.c_size_t)
    get = _function("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
    return [_describe(get(index)) for index in range(count())]


def offload_devices() -> list[Device]:
    """The devices that layers can be offloaded to."""
    return [device for device in devices() if device.offloads]


def physical_cores() -> int:
    """Cores that this process may use: hyper-threads of one core share what the matrix product needs."""
    physical = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    with contextlib.suppress(AttributeError, OSError):  # no affinity on macOS
        return max(1, min(physical, len(psutil.Process().cpu_affinity() or [0] * physical)))
    return physical


def _describe(handle: int) -> Device:
    name = _function("ggml_backend_dev_name", ctypes.c_char_p, ctypes.c_void_p)
    description = _function("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
    kind = _function("ggml_backend_dev_type", ctypes.c_int, ctypes.c_void_p)(handle)
    size = ctypes.POINTER(ctypes.c_size_t)
    memory = _function("ggml_backend_dev_memory", None, ctypes.c_void_p, size, size)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    memory(handle, ctypes.byref(free), ctypes.byref(total))
    return Device(
        name=name(handle).decode("utf-8", "replace"),
        description=description(handle).decode("utf-8", "replace"),
        type=_TYPES[kind] if 0 <= kind < len(_TYPES) else "other",
        memory_free_bytes=free.value,
        memory_total_bytes=total.value,
    )


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = ggml[name]
    function.restype = result
    function.argtypes = list(arguments)
    return function
