"""The model's file as whoever starts engines sees it: how large it is, and whether it is still the same."""

from pathlib import Path

import psutil

from stardraftd.protocol.engine import EngineSettings

# What an engine takes beside its file, at most: KV cache (0.7 GB for 8,192 cells of a 15B), buffers, Python.
BESIDE_BYTES = 1_500_000_000
BESIDE_FACTOR = 1.1


def size_bytes(settings: EngineSettings) -> int:
    """The file's size; 0 where there is none, which the engine tells."""
    try:
        return Path(settings.model_path).stat().st_size
    except OSError:
        return 0


def fits_into_memory(settings: EngineSettings) -> bool:
    """Whether an engine with it fits into the memory that is free now."""
    return bool(psutil.virtual_memory().available > size_bytes(settings) * BESIDE_FACTOR + BESIDE_BYTES)


def signature_of(settings: EngineSettings) -> object:
    """What a failed load depends on: settings, and the file as it is."""
    try:
        info = Path(settings.model_path).stat()
    except OSError:
        return (settings, None)
    return (settings, (info.st_ino, info.st_size, info.st_mtime_ns))
