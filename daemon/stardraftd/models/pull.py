"""A model, from wherever it is, into the store: license, room, transfer, checksum, check, and then its name.

Every step before the last leaves the store as it was. What has been transferred is kept between attempts, by
its checksum, so it can never be continued with another file's bytes.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from stardraftd.console.prose import counted
from stardraftd.errors import LicenseError, ModelDownloadError, ModelError, PathError, RequestError
from stardraftd.files.atomic import now
from stardraftd.gguf.header import FILE_TYPES
from stardraftd.installed import how_to_add
from stardraftd.models import hub
from stardraftd.models.catalogue import DEFAULT_QUANTIZATION, CatalogueModel, Named, OnHub
from stardraftd.models.hub import Listing, ModelNotThereError, RemoteFile
from stardraftd.models.licenses import LICENSES, License, agree, agreements
from stardraftd.models.store import Entry, Record, Store, check
from stardraftd.paths import tilde

# Who can make a model from original weights announces it under this group: `stardraft_quant` does.
BUILDERS = "stardraft.builders"
_COPY_BYTES = 8 << 20
_SHOWN_NAMES, _SHOWN_CHARACTERS = 20, 200
# Of a repository of original weights, what the conversion reads.
_SOURCE_FILES = frozenset({
    "added_tokens.json", "config.json", "generation_config.json", "merges.txt", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json", "vocab.json",
})  # fmt: skip


class Report(Protocol):
    """Who is told how it goes."""

    def stage(self, what: str, total_bytes: int) -> None:
        """A new piece of work begins; 0 bytes are not known."""

    def advance(self, done_bytes: int) -> None:
        """So much of the present piece is done."""

    def notice(self, text: str) -> None:
        """Something that a user should know."""


class PullOptions(Struct, frozen=True, kw_only=True):
    """What is wanted.

    from_source: take the original weights and quantize them here, even where a ready file is to be had.
    name:        under which name it is kept; "" takes the file's.
    replace:     fetch it again although it is here.
    """

    model: Named
    quantization: str = DEFAULT_QUANTIZATION
    from_source: bool = False
    name: str = ""
    replace: bool = False


class Pulled(Struct, frozen=True):
    """The model, and whether it was here already."""

    entry: Entry
    was_here: bool


class Builder(Protocol):
    """Makes a GGUF of original weights. Raises ModelError; leaves no half file."""

    def __call__(
        self,
        checkpoint: Path,
        out: Path,
        *,
        quantization: str,
        source: str,
        revision: str,
        license: str,
        on_stage: Callable[[str, int], None],
        on_progress: Callable[[int], None],
    ) -> None: ...


def pull(options: PullOptions, store: Store, report: Report, accepts: Callable[[License], bool]) -> Pulled:
    """Gets a model. `accepts` is asked about a license that has not been agreed to.

    Raises ModelError (ModelDownloadError, LicenseError, ...), PathError, RequestError.
    """
    name = options.name or _default_name(options)
    store.path_of(name)
    if isinstance(options.model, CatalogueModel) and options.quantization not in FILE_TYPES.values():
        raise RequestError(
            f"There is no quantization {options.quantization}.",
            "Q4_K_M is small and good, Q8_0 nearly exact.",
        )

    def wait() -> None:
        report.notice(f"Another process is getting {name}; waiting for it.")

    with store.working_on(name, wait):
        if not options.replace and (entry := _here(store, name)) is not None:
            _refuse_another(entry, options)
            return Pulled(entry, was_here=True)
        return Pulled(_Pull(options, name, store, report, accepts).run(), was_here=False)


def _default_name(options: PullOptions) -> str:
    match options.model:
        case CatalogueModel() as known:
            return Path(known.file_name(options.quantization)).stem
        case OnHub() as file:
            return Path(file.file).stem
        case Path() as path:
            return path.stem


def _here(store: Store, name: str) -> Entry | None:
    path = store.path_of(name)
    return next((entry for entry in store.entries() if entry.path == str(path)), None)


def _refuse_another(entry: Entry, options: PullOptions) -> None:
    """A name that is taken must not pass for what was asked for."""
    if entry.problem:
        raise ModelError(
            f"{entry.name} is here, but cannot be used: {entry.problem}",
            f"Fetch it again: give --replace. Or remove it: stardraft model remove {entry.name}",
        )
    match options.model:
        case OnHub(repository=repository):
            wanted = repository
        case Path() as path:
            wanted = str(_absolute(path))
        case _:
            return
    if entry.record is not None and entry.record.source != wanted:
        raise RequestError(
            f"There is a model {entry.name} already, from {entry.record.source}.",
            "Give the new one a name of its own with --name, or replace it with --replace.",
        )


@dataclass(frozen=True)
class _Pull:
    """One pull at work, with the name's lock held."""

    options: PullOptions
    name: str
    store: Store
    report: Report
    accepts: Callable[[License], bool]

    def run(self) -> Entry:
        match self.options.model:
            case CatalogueModel() as known:
                return self._known(known)
            case OnHub() as file:
                if self.options.from_source:
                    raise RequestError(f"{file} is a ready file.", "Leave --from-source out.")
                found = hub.listing(file.repository, file.revision)
                self._settle_license(found.license, str(file))
                return self._ready(found, file.file, found.license)
            case Path() as path:
                return self._copy(_absolute(path))

    def _known(self, known: CatalogueModel) -> Entry:
        self._settle_license(known.license, known.name)
        quantization = self.options.quantization
        if not self.options.from_source:
            for repository in known.ready:
                try:
                    found = hub.listing(repository, "main")
                    return self._ready(found, known.file_name(quantization), known.license)
                except ModelNotThereError as error:
                    self.report.notice(f"{error.message} Looking further.")
            self.report.notice(
                f"There is no ready {quantization} of {known.name}: it is made here, from the original "
                f"weights of {known.source}."
            )
        return self._build(known)

    def _settle_license(self, key: str, model: str) -> None:
        """Asks for agreement where it is needed and not given yet. Raises LicenseError when it is refused."""
        license = LICENSES.get(key)
        if license is None:
            said = f"is under the license {key!r}, as its page says" if key else "does not say its license"
            self.report.notice(f"{model} {said}. Whether you may use it is yours to find out.")
        elif license.key not in agreements():
            if not self.accepts(license):
                raise LicenseError(
                    f"{model} is under the {license.name} license, which has not been accepted.",
                    "Read it with `stardraft model license`, then accept it there or with --accept-license.",
                )
            agree(license, model)

    def _ready(self, found: Listing, file_name: str, license: str) -> Entry:
        """A ready GGUF of a repository. Raises ModelNotThereError when it has no such file."""
        file = found.find(file_name) or _alike(found, file_name)
        if file is None:
            there = [file.name for file in found.files if file.name.endswith(".gguf")]
            raise ModelNotThereError(f"{found.repository} has no {file_name}.", f"It has {_some_of(there)}.")
        path = self._fetch(file)
        record = Record(
            how="downloaded",
            source=found.repository,
            file=file.name,
            revision=found.revision,
            sha256=file.sha256 or hub.hash_file(path, hashlib.sha256()),
            size_bytes=file.size_bytes,
            license=license,
            added_at=now(),
        )
        self.report.stage(f"Checking {file.name}", 0)
        return self.store.land(path, self.name, record)

    def _fetch(self, file: RemoteFile, folder: str = "") -> Path:
        """Brings one file: what an earlier attempt left is continued, a copy in the Hub's cache is taken."""
        store, report = self.store, self.report
        name = Path(file.name).name if folder else f"{file.sha256 or file.git_sha1}.part"
        path = store.unfinished(folder, name) if folder else store.unfinished(name)
        there = path.stat().st_size if path.exists() else 0
        store.require_room(max(0, file.size_bytes - there), file.name)
        report.stage(f"Downloading {file.name}", file.size_bytes)
        cached = hub.in_cache(file.repository, file.revision, file.name) if there < file.size_bytes else None
        if cached is not None and cached.stat().st_size == file.size_bytes:
            report.notice(f"{file.name} is in the cache of huggingface_hub: nothing is downloaded.")
            _copy_bytes(cached, path, report)
            hub.verify(file, path)
        else:
            hub.download(file, path, report.advance, report.notice)
        return path

    def _copy(self, source: Path) -> Entry:
        license = check(source).text("general.license")
        self._settle_license(license, source.name)
        size_bytes = source.stat().st_size
        self.store.require_room(size_bytes, source.name)
        self.report.stage(f"Copying {source.name}", size_bytes)
        copy = self.store.unfinished(f"{self.name}.{os.getpid()}.copy")
        try:
            _copy_bytes(source, copy, self.report)
            record = Record(
                how="copied",
                source=str(source),
                sha256=hub.hash_file(copy, hashlib.sha256()),
                size_bytes=size_bytes,
                license=license,
                added_at=now(),
            )
            return self.store.land(copy, self.name, record)
        finally:
            copy.unlink(missing_ok=True)

    def _build(self, known: CatalogueModel) -> Entry:
        """From the original weights: download, convert, quantize."""
        build, store, report = _builder(), self.store, self.report
        found = hub.listing(known.source, known.revision)
        files = [file for file in found.files if _is_source(file.name)]
        weights = sum(file.size_bytes for file in files)
        if not any(file.name.endswith(".safetensors") for file in files):
            raise ModelDownloadError(
                f"{known.source} has no weights in safetensors.",
                "Give a ready GGUF instead: a path, or OWNER/REPOSITORY:FILE.gguf.",
            )
        folder = f"{found.repository.replace('/', '--')}@{found.revision[:12]}"
        checkpoint = store.unfinished(folder, "x").parent
        there = sum(path.stat().st_size for path in checkpoint.iterdir())
        # The weights as they are, the same again as 16-bit GGUF, and the result, which is smaller.
        what = f"Making {self.name} from the original weights"
        store.require_room(max(0, weights - there) + 2 * weights, what)
        for file in sorted(files, key=lambda file: file.size_bytes):
            if not _is_whole(file, checkpoint / file.name):
                self._fetch(file, folder)
        made = store.unfinished(f"{self.name}.made.gguf")
        build(
            checkpoint,
            made,
            quantization=self.options.quantization,
            source=found.repository,
            revision=found.revision,
            license=known.license,
            on_stage=report.stage,
            on_progress=report.advance,
        )
        report.stage(f"Checking {self.name}", 0)
        record = Record(
            how="quantized",
            source=found.repository,
            revision=found.revision,
            sha256=hub.hash_file(made, hashlib.sha256()),
            size_bytes=made.stat().st_size,
            license=known.license,
            added_at=now(),
        )
        entry = store.land(made, self.name, record)
        shutil.rmtree(checkpoint, ignore_errors=True)
        return entry


def _some_of(names: Sequence[str]) -> str:
    """The first names of a list that anybody may have written, and how many more there are."""
    shown = ", ".join(name[:_SHOWN_CHARACTERS] for name in names[:_SHOWN_NAMES])
    n_more = len(names) - _SHOWN_NAMES
    return f"{shown}, and {counted(n_more, 'more', 'more')}" if n_more > 0 else shown or "no GGUF files"


def _alike(found: Listing, file_name: str) -> RemoteFile | None:
    """The file whose name differs in capitals only, as some repositories have it."""
    return next((file for file in found.files if file.name.lower() == file_name.lower()), None)


def _copy_bytes(source: Path, target: Path, report: Report) -> None:
    done = 0
    try:
        with source.open("rb") as read, target.open("wb") as write:
            while chunk := read.read(_COPY_BYTES):
                done += write.write(chunk)
                report.advance(done)
    except OSError as error:
        raise PathError(
            f"{tilde(source)} could not be copied to {tilde(target.parent)}: {error.strerror}.",
            "Free some space, or name a folder on another disk with STARDRAFT_MODELS_DIR.",
        ) from error


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _is_source(name: str) -> bool:
    return not any(char in name for char in "/:") and (  # nor a drive of Windows
        name in _SOURCE_FILES or name.endswith((".safetensors", ".safetensors.index.json"))
    )


def _is_whole(file: RemoteFile, path: Path) -> bool:
    """Whether an earlier attempt brought this file; its checksum is looked at again."""
    if not path.exists() or path.stat().st_size != file.size_bytes:
        return False
    try:
        hub.verify(file, path)
    except ModelDownloadError:
        return False
    return True


def _builder() -> Builder:
    for entry in entry_points(group=BUILDERS):
        try:
            found: Builder = entry.load()
        except ImportError as error:
            raise ModelError(
                f"Making a model from original weights needs more than the base installation: {error}.",
                how_to_add("quant"),
            ) from error
        return found
    raise ModelError(
        "This installation has no program that makes models from original weights.",
        how_to_add("quant"),
    )
