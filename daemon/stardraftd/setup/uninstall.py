"""What stardraft has put on this computer besides its package: found, sized, and removed.

Only files whose names are ours are taken, at the places where stardraft puts them. No symbolic link is
followed: one that has our name is removed itself, what it leads to stays. A folder goes when nothing is left
in it; what is left is named. Editors' set-ups and the service are taken back by what wrote them, not here.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from stardraftd import paths
from stardraftd.builds import chosen as engine_build
from stardraftd.errors import StardraftError
from stardraftd.models.store import Store
from stardraftd.setup import completions, record
from stardraftd.setup.engine.places import cache_root

RECORDS = "records of what was set up"


@dataclass(frozen=True)
class Part:
    """One kind of thing. folders: the ones to remove when they are empty, the deepest first.

    foreign: what lies between our files, and stays. lines: of the user's own files, those that lead to ours.
    """

    title: str
    place: Path
    files: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()
    foreign: tuple[Path, ...] = ()
    lines: tuple[tuple[Path, str], ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(_size(file) for file in self.files)


@dataclass(frozen=True)
class Removed:
    """What became of it: bytes that are free now, and what could not be removed, with the reason."""

    size_bytes: int = 0
    failed: tuple[tuple[Path, str], ...] = ()


@dataclass
class _Ours:
    """A folder of ours while it is looked through: names are regular expressions."""

    place: Path
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)

    def take(
        self, folder: Path, files: str = "", below: Mapping[str, str] = MappingProxyType({}), whole: str = ""
    ) -> None:
        """Sorts what is in `folder`. below: folders in it with their files; whole: folders taken wholly."""
        for entry in _entries(folder):
            is_folder = entry.is_dir(follow_symlinks=False)
            path = Path(entry.path)
            if is_folder and whole and re.fullmatch(whole, entry.name):
                self._take_whole(path)
            elif is_folder and entry.name in below:
                self.take(path, below[entry.name])
            elif not is_folder and files and re.fullmatch(files, entry.name):
                self.files.append(path)
            else:
                self.foreign.append(path)
        if _is_real_folder(folder):
            self.folders.append(folder)

    def _take_whole(self, folder: Path) -> None:
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                self._take_whole(Path(entry.path))
            else:
                self.files.append(Path(entry.path))
        self.folders.append(folder)

    def part(self, title: str) -> Part:
        return Part(title, self.place, tuple(self.files), tuple(self.folders), tuple(self.foreign))


def parts(*, purge: bool) -> list[Part]:
    """What is there now; with `purge` also models and the configuration. Raises PathError.

    The folder of the socket need not be safe to use for being removed from.
    """
    found = [_runtime(), *_state(), _engines(), _built(), *_completions()]
    found += _kept() if purge else [_left_of_models()]
    # On some systems these lie in one folder: what is another part's is not foreign.
    known = {paths.state_dir(), paths.models_dir(), paths.config_path()}
    found = [
        replace(part, foreign=tuple(path for path in part.foreign if path not in known)) for part in found
    ]
    return [part for part in found if part.files or part.folders or part.foreign or part.lines]


def remove(part: Part) -> Removed:
    """Removes a part's files, and its folders as far as they are empty then. Raises nothing."""
    size_bytes = 0
    failed: list[tuple[Path, str]] = []
    for file in part.files:
        size = _size(file)
        try:
            file.unlink()
            size_bytes += size
        except FileNotFoundError:
            pass
        except OSError as error:
            failed.append((file, error.strerror or str(error)))
    for file, line in part.lines:
        try:
            completions.without_line(file, line)
        except OSError as error:
            failed.append((file, f"the line {line} is to be taken out, and {error.strerror or error}"))
    for folder in part.folders:
        with suppress(OSError):  # something is left in it
            folder.rmdir()
    return Removed(size_bytes, tuple(failed))


def _runtime() -> Part:
    try:
        folder = paths.runtime_dir(create=False)
    except StardraftError:  # it is another's, or open to others: not ours to clean
        return Part("the daemon's socket and lock", Path())
    ours = _Ours(folder)
    ours.take(folder, r"stardraft-\d+\.(sock|lock|start|json|(daemon\.)?(json|\d+))")
    return ours.part("the daemon's socket and lock")


def _state() -> list[Part]:
    """The state folder, by what a user may want to know of; the folder itself goes with the last part."""
    folder = paths.state_dir()
    engine = _Ours(folder / "engine")
    engine.take(
        engine.place,
        _written(r"(speeds|verdicts|libraries)\.json") + r"|verdicts\.json\.lock",
        {"sequences": r"[0-9a-f]+\.sequence|tmp\w+\.new|\w+\.new"},
    )
    logs = _Ours(folder / "logs")
    logs.take(logs.place, r"(daemon|service)\.log(\.\d+)?")
    setups = _Ours(folder / "setup")
    setups.take(setups.place, _written(r"[\w-]+\.json"), {"before": r"[\w-]+-\d+-.+"})
    rest = _Ours(folder)
    rest.take(folder, r"stats\.sqlite([.-].*)?|" + _written(r"licenses\.json|last-silence\.json|said-[\w-]+"))
    handled = {engine.place, logs.place, setups.place}
    rest.foreign = [path for path in rest.foreign if path not in handled or path.is_symlink()]
    return [
        engine.part("what the model has read of open files, measured speeds, the engine's tests"),
        logs.part("logs"),
        setups.part(RECORDS),
        rest.part("statistics of suggestions, licenses agreed to"),
    ]


def _engines() -> Part:
    folder = engine_build.engines_dir()
    ours = _Ours(folder)
    ours.take(folder, r"lock", whole=r"builds|chosen|libraries-\d+\.\d+|unfinished-\w+")
    return ours.part("engines built for this computer")


def _built() -> Part:
    """The cache of builds; its folder has nothing else in it."""
    root = cache_root()
    ours = _Ours(root)
    ours.take(root, whole="engine")
    return ours.part("what engines were built from")


def _completions() -> Iterator[Part]:
    for file in completions.files():
        mine = (file.parent,) if file.parent.name == ".bash_completions" else ()
        yield Part("shell completions", file, (file,), mine)
    for file, line in completions.lines():
        yield Part("the line that reads shell completions", file, lines=((file, line),))


def _left_of_models() -> Part:
    """What nobody needs where models stay: locks of downloads that are finished, folders that are empty."""
    folder = paths.models_dir()
    unfinished = folder / ".unfinished"
    locks = tuple(path for path in _listed(unfinished) if path.suffix == ".lock")
    if set(_listed(folder)) <= {unfinished} and set(_listed(unfinished)) <= set(locks):
        return Part("the empty folder of models", folder, locks, _folders_of_models(folder))
    return Part("locks of downloads", unfinished, locks, (unfinished,) if locks else ())


def _folders_of_models(folder: Path) -> tuple[Path, ...]:
    above = (folder.parent,) if folder.parent.name == paths.APP else ()
    return tuple(path for path in (folder / ".unfinished", folder, *above) if _is_real_folder(path))


def _kept() -> list[Part]:
    """What stays but for `purge`."""
    return [_models(), _configuration()]


def stays() -> list[str]:
    """The titles of what is there, and stays but for `purge`."""
    return [part.title for part in _kept() if part.files]


def _models() -> Part:
    """Models that stardraft fetched or made. A file that a user put there has no record, and stays."""
    folder = paths.models_dir()
    ours = _Ours(folder)
    ours.take(folder, r"(?!)", whole=r"\.unfinished")
    with suppress(StardraftError):
        for entry in Store(folder).entries():
            path = Path(entry.path)
            if entry.record is not None:
                ours.files.append(path)
        ours.files += Store(folder).records()
    ours.files += [path for path in ours.foreign if re.fullmatch(r"\..+\.json\.\d+", path.name)]  # cut off
    ours.foreign = [path for path in ours.foreign if path not in ours.files]
    ours.folders += [path for path in _folders_of_models(folder) if path not in ours.folders]
    return ours.part("models")


def _configuration() -> Part:
    path = paths.config_path()
    if not os.path.lexists(path):
        return Part("the configuration", path)
    # The folder is ours if the file is where stardraft itself would put it.
    folders = (path.parent,) if path.parent.name == paths.APP else ()
    ours = re.compile(_written(re.escape(path.name)))
    listed = _listed(path.parent) if folders else [path]
    files = tuple(one for one in listed if ours.fullmatch(one.name))
    foreign = tuple(one for one in listed if one not in files)
    return Part("the configuration", path, files, folders, foreign)


def _written(names: str) -> str:
    """The names of files that files/atomic.py writes, and of what is left where that was ended half way."""
    return rf"(?:{names})|\.(?:{names})\.\d+"


def set_ups() -> list[str]:
    """The editors that `stardraft setup` has set up, by name."""
    from stardraftd.setup.service import RECORD

    return [name for name in record.names() if name != RECORD]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where it is missing, unreadable or a link."""
    if not _is_real_folder(folder):
        return
    with suppress(OSError), os.scandir(folder) as found:
        yield from sorted(found, key=lambda entry: entry.name)


def _listed(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder)]


def _is_real_folder(folder: Path) -> bool:
    try:
        return stat.S_ISDIR(folder.lstat().st_mode)
    except OSError:
        return False


def _size(file: Path) -> int:
    try:
        info = file.lstat()
    except OSError:
        return 0
    return info.st_size if stat.S_ISREG(info.st_mode) else 0
