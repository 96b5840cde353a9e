"""The file of speeds that engines measured on this computer: what they hold for, and how they are kept.

An engine writes it when it has measured (`stardraftd.engine.plan.calibration`) and reads its own entry back;
how fast a model would be before it is here is told from all of them (`stardraftd.models.pace`). This is the
one place that knows the file's format and its keys.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from msgspec import Struct

from stardraftd.files import atomic
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.engine import EngineSettings

log = logging.getLogger(__name__)

SPEEDS_FILE = "speeds.json"
# Without a measurement: what a cell adds to one token, relative to that token's time (StarCoder2-3B, CPU).
CELL_SHARE = 0.25 / 1024
# 32 entries of nine sizes are 10 KB.
MAX_FILE_BYTES = 1_000_000
MAX_ENTRIES = 32
MAX_BATCH = 1 << 20
# A quarter of an hour: what was measured as longer is damage, and would make the daemon's patience endless.
MAX_DECODE_MS = 900_000.0
_FORMAT: Literal[1] = 1


class _File(Struct):
    format: Literal[1]
    speeds: dict[str, Any]


class _Entry(Struct):
    curve: list[tuple[int, float]]
    cell_us: float | None = None


class Key(Struct, frozen=True, kw_only=True):
    """What measured speeds hold for: the model's shape and quantization, and all that runs it."""

    name: str
    size_bytes: int
    device: str
    gpu_layers: int
    threads: int
    kv_type: str
    flash_attention: str
    batch_tokens: int
    system_info: str

    @classmethod
    def of(cls, info: ModelInfo, settings: EngineSettings) -> Self:
        return cls(
            name=info.name,
            size_bytes=info.size_bytes,
            device=info.device,
            gpu_layers=info.gpu_layers,
            threads=info.threads,
            kv_type=settings.kv_type,
            flash_attention=settings.flash_attention,
            batch_tokens=settings.batch_tokens,
            system_info=info.system_info,
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The key that a text is; None for one of another kind, as with a bar in the model's name."""
        *parts, rest = text.split("|", len(cls.__struct_fields__) - 1)
        values = dict(zip(cls.__struct_fields__, (*parts, rest), strict=False))
        try:
            return msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError:
            return None

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return "|".join(str(part) for part in msgspec.structs.astuple(self))


class Measured(Struct, frozen=True):
    """curve: (tokens, milliseconds) of one decode of so many tokens. cell_us: what each cell of the cache
    adds to a token; None where that was not measured."""

    curve: tuple[tuple[int, float], ...]
    cell_us: float | None = None


def measured(file: Path) -> Mapping[str, Measured]:
    """All that was measured, by the keys' texts, the latest last; an entry that is damaged is left out."""
    found = {key: _measured(entry) for key, entry in _read(file).items()}
    if None in found.values():
        log.warning("unreadable speeds in %s; they are measured anew", file)
    return {key: one for key, one in found.items() if one is not None}


def keep(file: Path, key: str, speeds: Measured) -> None:
    """Keeps what was measured, for the next time that this model is loaded. Failing to is no error."""
    entries = _read(file)
    entries.pop(key, None)
    entries[key] = {"curve": list(speeds.curve), "cell_us": speeds.cell_us}
    content = _File(_FORMAT, dict(list(entries.items())[-MAX_ENTRIES:]))
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.write_whole(file, msgspec.json.encode(content))
    except OSError as error:
        log.warning("the measured speeds were not kept: %s", error)


def _measured(raw: Any) -> Measured | None:
    try:
        entry = msgspec.convert(raw, _Entry)
    except (msgspec.ValidationError, OverflowError):
        return None
    cell_us = entry.cell_us
    if cell_us is not None and not 0 <= cell_us <= MAX_DECODE_MS:  # not a number is not in there either
        return None
    curve = tuple((n, ms) for n, ms in entry.curve if 0 < n <= MAX_BATCH and 0 < ms <= MAX_DECODE_MS)
    return Measured(curve, cell_us)


def _read(file: Path) -> dict[str, Any]:
    """The entries as they were written. Whatever else stands in the file's place is told of, and is none."""
    try:
        return dict(msgspec.json.decode(atomic.read(file, MAX_FILE_BYTES, own=True), type=_File).speeds)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        log.warning("unreadable file of measured speeds: %s (%s)", file, error)
        return {}
