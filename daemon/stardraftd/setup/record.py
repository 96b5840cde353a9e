"""What was set up, kept so that it can be taken back exactly: one record for each name, such as "helix".

In the state folder, under setup/: NAME.json with the changes in the order in which they were made, and the
files as they were before, in setup/before/. A file that the user has changed since is not touched.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from stardraftd.errors import PathError, StardraftError
from stardraftd.files import atomic
from stardraftd.files.atomic import now, write_json, write_whole
from stardraftd.paths import state_dir, tilde
from stardraftd.setup.changes import Change, change, read

_PRIVATE = 0o600


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file that was changed.

    before: where the file as it was is kept; "" if there was none. after: the sha256 of what was written.
    folders: those that were made for it, the deepest first.
    """

    path: str
    before: str
    before_sha256: str
    after: str
    at: str
    folders: list[str] = []


class Record(msgspec.Struct, frozen=True):
    entries: list[Entry] = []
    # What was done that is in no file, such as an extension that was installed: by the set-up's own name.
    done: list[str] = []


def folder() -> Path:
    """Where the records are; not created here."""
    return state_dir() / "setup"


def names() -> list[str]:
    """What is set up, by name."""
    return sorted(path.stem for path in folder().glob("*.json"))


def load(name: str) -> Record:
    """The record; an empty one if there is none. Raises PathError when it cannot be read."""
    path = _file(name)
    try:
        return msgspec.json.decode(atomic.read(path, own=True), type=Record)
    except FileNotFoundError:
        return Record()
    except (OSError, msgspec.MsgspecError) as error:
        raise PathError(
            f"The record of what was set up cannot be read: {tilde(path)}: {error}.",
            "Take the set-up back yourself, and remove that file.",
        ) from error


def apply(name: str, changes: Sequence[Change], done: Sequence[str] = ()) -> list[Path]:
    """Makes the changes, all or none, and remembers them. The files as they were, where they are kept.

    Raises PathError. `done` is remembered with them.
    """
    old = load(name)
    made: list[Change] = []
    entries: list[Entry] = []
    try:
        for one in changes:
            if one.is_needed:
                entries.append(_kept(name, one, len(old.entries) + len(entries)))
                one.write()
                made.append(one)
        _save(name, Record([*old.entries, *entries], [*old.done, *done]))
    except (StardraftError, OSError) as error:
        for one in reversed(made):
            one.reversed().write()
        for entry in entries:
            _forget(entry)
        if isinstance(error, StardraftError):
            raise
        raise PathError(
            f"What is changed cannot be remembered in {tilde(folder())}: {error.strerror or error}. "
            "Nothing was changed.",
            "Make room or fix the folder, or set STARDRAFT_STATE_DIR to another one.",
        ) from error
    return [Path(entry.before) for entry in entries if entry.before]


def undoing(name: str, path: Path | None = None) -> list[Change]:
    """The changes that take back what the record has, all of it or that of one file.

    Raises PathError when the user has changed a file since, or its old content is lost.
    """
    wanted: dict[Path, Change] = {}
    for entry in reversed(_entries(load(name), path)):
        file = Path(entry.path)
        planned = wanted.get(file) or Change(file, read(file), read(file))
        if _sha256(planned.after) != entry.after:
            raise _changed_since(entry)
        wanted[file] = Change(file, planned.before, _content_before(entry), _PRIVATE)
    return [change(one.path, one.after, one.mode) for one in wanted.values()]


def undo(name: str, changes: Sequence[Change], path: Path | None = None) -> None:
    """Makes the changes of `undoing`, and forgets what they took back. Raises PathError."""
    made: list[Change] = []
    try:
        for one in changes:
            one.write()
            made.append(one)
    except StardraftError:
        for one in reversed(made):
            one.reversed().write()
        raise
    forget(name, path)


def forget(name: str, path: Path | None = None) -> None:
    """Removes the record, and folders that were made for its files and are empty now."""
    record = load(name)
    gone = _entries(record, path)
    for entry in reversed(gone):
        for made in map(Path, entry.folders):
            try:
                made.rmdir()
            except OSError:
                break  # something else is in it by now
        _forget(entry)
    kept = [entry for entry in record.entries if entry not in gone]
    if kept:
        _save(name, Record(kept, record.done))
    else:
        _file(name).unlink(missing_ok=True)


def _entries(record: Record, path: Path | None) -> list[Entry]:
    return [entry for entry in record.entries if path is None or Path(entry.path) == path]


def _kept(name: str, one: Change, number: int) -> Entry:
    """Puts the file as it is into the state folder. Raises OSError."""
    place = ""
    if one.before is not None:
        kept = folder() / "before" / f"{name}-{number}-{one.path.name}"
        write_whole(kept, one.before)
        kept.chmod(_PRIVATE)
        place = str(kept)
    parents = [one.path.parent, *one.path.parent.parents]
    return Entry(
        str(one.path),
        place,
        _sha256(one.before),
        _sha256(one.after),
        now(),
        [str(parent) for parent in parents if not parent.exists()],
    )


def _content_before(entry: Entry) -> bytes | None:
    if not entry.before:
        return None
    content = read(Path(entry.before))
    if content is None or _sha256(content) != entry.before_sha256:
        raise PathError(
            f"{tilde(Path(entry.path))} as it was before is no longer in {tilde(Path(entry.before))}.",
            "Take the set-up back yourself: it is what speaks of stardraft.",
        )
    return content


def _changed_since(entry: Entry) -> PathError:
    file = tilde(Path(entry.path))
    hint = f"Take out what speaks of stardraft in {file}."
    if entry.before:
        hint += f"\nThe file as it was before the set-up: {tilde(Path(entry.before))}"
    return PathError(
        f"{file} has been changed since stardraft was set up in it ({entry.at}), so it is left as it is.",
        hint,
    )


def _save(name: str, record: Record) -> None:
    write_json(_file(name), record)


def _forget(entry: Entry) -> None:
    if entry.before:
        Path(entry.before).unlink(missing_ok=True)


def _file(name: str) -> Path:
    return folder() / f"{name}.json"


def _sha256(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()


def wrote(name: str, path: Path, text: str) -> bool:
    """Whether the whole file is what a set-up wrote, so that a newer one may take its place."""
    entries = [entry for entry in load(name).entries if Path(entry.path) == path]
    return bool(entries) and not entries[0].before and entries[-1].after == _sha256(text.encode())
