"""The folder of models: one GGUF each, and beside it a record of where it came from.

    starcoder2-3b-Q4_K_M.gguf       a model; its name is the file's without the ending
    starcoder2-3b-Q4_K_M.json       its record; a model that a user put there has none
    .unfinished/                    what is being downloaded or made; nothing in it is ever taken for a model

A model appears under its name in one step, complete and checked. Locks are held by whoever works on a name,
so that two who want the same model do the work once.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import filelock
import msgspec
from msgspec import Struct

from stardraftd.errors import ModelError, ModelNotFoundError, PathError, RequestError
from stardraftd.files import atomic
from stardraftd.files.atomic import write_json
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import Header, read_header
from stardraftd.models import BUILT_IN
from stardraftd.models.catalogue import KNOWN
from stardraftd.paths import BUILTIN_MODEL, builtin_model_path, models_dir, tilde

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_UNFINISHED = ".unfinished"
# Left free on the disk: a full disk hurts more than a missing model.
SPARE_BYTES = 500_000_000
MAX_RECORD_BYTES = 1_000_000


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a model came from.

    how:        downloaded as it is, made here from the original weights, or copied from a path.
    source:     the repository on the Hub, or the path; `file` in it; `revision` the commit, 40 digits.
    sha256:     of the model's file.
    """

    how: Literal["downloaded", "quantized", "copied"]
    source: str
    file: str = ""
    revision: str = ""
    sha256: str
    size_bytes: int
    license: str = ""
    added_at: str


class Entry(Struct, frozen=True):
    """A model in the folder. `problem` says why it cannot be used; `quantization` is "" then."""

    name: str
    path: str
    size_bytes: int
    quantization: str = ""
    title: str = ""
    record: Record | None = None
    problem: str = ""


class Store:
    """The folder; it is made when something is put into it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or models_dir()

    def entries(self) -> list[Entry]:
        """All models here by name, also those that cannot be used. Raises PathError."""
        try:
            paths = sorted(path for path in self.folder.glob("*.gguf") if not path.name.startswith("."))
        except OSError as error:
            raise PathError(
                f"The models in {tilde(self.folder)} cannot be listed: {error.strerror}.",
                "Make that folder readable, or name another with STARDRAFT_MODELS_DIR.",
            ) from error
        return [self._entry(path) for path in paths]

    def find(self, name: str) -> Entry:
        """The model of that name (".gguf" may be left out) or title, or the only one whose name begins so.

        Raises ModelNotFoundError, or RequestError where several begin so.
        """
        entries = self.entries()
        wanted = name.removesuffix(".gguf").lower()
        exact = [entry for entry in entries if entry.name.lower() == wanted]
        titled = [entry for entry in entries if entry.title.lower() == name.lower()]
        found = exact or titled or [entry for entry in entries if entry.name.lower().startswith(wanted)]
        if not found and _is_built_in(wanted):
            raise ModelNotFoundError(
                "The built-in model is a part of stardraft: it is not in the folder of models.",
                "It goes with stardraft itself: stardraft uninstall",
            )
        if not found:
            known = ", ".join([BUILT_IN, *(entry.name for entry in entries)])
            raise ModelNotFoundError(
                f"There is no model {name} here. Here: {known}.",
                f"To get it: stardraft model pull {name}"
                if wanted in KNOWN
                else "stardraft model list shows all.",
            )
        if len(found) > 1:
            raise RequestError(
                f"{name} could be {' or '.join(entry.name for entry in found)}.", "Write the whole name."
            )
        return found[0]

    def file_of(self, name: str) -> Path:
        """The absolute path of the model or file that a user names. Raises what `find` raises.

        Every name that is shown for a model will do: the file's, its title, the built-in one's.
        """
        path = Path(name).expanduser()
        if "/" in name or "\\" in name or path.is_file():
            return path.absolute()
        if name == BUILT_IN:
            return builtin_model_path()
        try:
            return Path(self.find(name).path)
        except ModelNotFoundError:
            if _is_built_in(name.lower().removesuffix(".gguf")):
                return builtin_model_path()
            if path.suffix.lower() == ".gguf":
                return path.absolute()  # a file's name: whoever opens it says where there is none
            raise

    def path_of(self, name: str) -> Path:
        """Where the model of that name is, or will be. Raises RequestError for a name that cannot be one."""
        if not _NAME.fullmatch(name):
            raise RequestError(
                f"{name!r} cannot be a model's name.", "Use letters, digits, and . _ + - between them."
            )
        return self.folder / f"{name}.gguf"

    def unfinished(self, *parts: str) -> Path:
        """A place for what is not a model yet; its folder is made. Raises PathError."""
        path = self.folder.joinpath(_UNFINISHED, *parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PathError(
                f"The folder of models {tilde(self.folder)} cannot be written: {error.strerror}.",
                "Make it writable, or name another with STARDRAFT_MODELS_DIR.",
            ) from error
        return path

    @contextmanager
    def working_on(self, name: str, on_wait: Callable[[], None]) -> Iterator[None]:
        """Holds the lock of a name; `on_wait` is called once if another process holds it."""
        lock = filelock.FileLock(self.unfinished(f"{name}.lock"))
        try:
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                on_wait()
                lock.acquire()
        except OSError as error:
            raise PathError(
                f"The folder of models {tilde(self.folder)} cannot be locked: {error}.",
                "Name another with STARDRAFT_MODELS_DIR, on a disk of this computer.",
            ) from error
        try:
            yield
        finally:
            lock.release()

    def require_room(self, size_bytes: int, what: str) -> None:
        """Raises PathError unless so much fits beside what is there, with some to spare."""
        folder = self.unfinished("x").parent
        free = shutil.disk_usage(folder).free
        if free < size_bytes + SPARE_BYTES:
            raise PathError(
                f"{what} needs {size_bytes / 1e9:.1f} GB, and the disk of {tilde(self.folder)} has "
                f"{free / 1e9:.1f} GB free ({SPARE_BYTES / 1e9:.1f} GB are left alone).",
                "Free some space, or name a folder on another disk with STARDRAFT_MODELS_DIR.",
            )

    def land(self, file: Path, name: str, record: Record) -> Entry:
        """Makes the finished `file` a model of this folder, or removes it when it is not one.

        Raises ModelError for a file that cannot be used here.
        """
        target = self.path_of(name)
        try:
            check(file)
        except ModelError:
            file.unlink(missing_ok=True)
            raise
        with file.open("rb+") as done:
            os.fsync(done.fileno())
        # The record first: a record without a model is nothing, a model without its record is a stranger.
        write_json(self._record_path(target), record)
        file.replace(target)
        with suppress(OSError):
            folder = os.open(self.folder, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
        return self._entry(target)

    def remove(self, entry: Entry) -> None:
        """Deletes a model and its record. Raises PathError when the system refuses."""
        path = Path(entry.path)
        try:
            path.unlink(missing_ok=True)
            self._record_path(path).unlink(missing_ok=True)
        except OSError as error:
            raise PathError(
                f"{tilde(path)} cannot be deleted: {error.strerror}.", "Delete the file yourself."
            ) from error

    def records(self) -> list[Path]:
        """The records here, also those whose model is gone or another one now. Raises OSError."""
        return [path for path in sorted(self.folder.glob("*.json")) if _read_record(path) is not None]

    def leftovers(self) -> list[Path]:
        """Unfinished downloads and sources, without the locks."""
        folder = self.folder / _UNFINISHED
        if not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix != ".lock")

    def clear_leftovers(self) -> int:
        """Deletes what is unfinished; returns how many bytes that was."""
        freed = 0
        for path in self.leftovers():
            freed += size_of(path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        self._clear_locks()
        return freed

    def _clear_locks(self) -> None:
        """Deletes the locks that nobody holds, and their folder if nothing is left in it."""
        folder = self.folder / _UNFINISHED
        for path in folder.glob("*.lock"):
            with suppress(OSError, filelock.Timeout), filelock.FileLock(path, timeout=0):
                path.unlink()
        with suppress(OSError):
            folder.rmdir()

    def _entry(self, path: Path) -> Entry:
        size_bytes = path.stat().st_size if path.exists() else 0
        record = self._record(path, size_bytes)
        try:
            header = check(path)
        except ModelError as error:
            return Entry(path.stem, str(path), size_bytes, record=record, problem=error.message)
        return Entry(
            name=path.stem,
            path=str(path),
            size_bytes=size_bytes,
            quantization=header.file_type,
            title=header.name,
            record=record,
        )

    def _record_path(self, path: Path) -> Path:
        return path.with_suffix(".json")

    def _record(self, path: Path, size_bytes: int) -> Record | None:
        """The record of this very file: of another one that was put in its place it says nothing."""
        record = _read_record(self._record_path(path))
        return record if record is not None and record.size_bytes == size_bytes else None


def _read_record(file: Path) -> Record | None:
    try:
        return msgspec.json.decode(atomic.read(file, MAX_RECORD_BYTES), type=Record)
    except (OSError, ValueError, RecursionError):  # msgspec's own are ValueErrors
        return None


def _is_built_in(wanted: str) -> bool:
    """Whether it is a name of the built-in model, whose file and its title have names, too."""
    return wanted == BUILT_IN or (wanted != "" and BUILTIN_MODEL.lower().startswith(wanted))


def check(path: Path) -> Header:
    """Reads the header of a model and its fill-in-the-middle tokens. Raises ModelError."""
    header = read_header(path)
    fim_tokens(header)
    return header


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if path.is_dir():
        return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
