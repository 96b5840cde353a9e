"""The files that a repository tracks, from its index: what is tracked is not ignored, whatever the patterns
say.

Git itself is not asked: it may not be installed. The format: https://git-scm.com/docs/index-format,
versions 2 to 4, split indexes with their shared part, and sparse ones (a folder stands for all that is in
it).
"""

import struct
from collections.abc import Callable

from msgspec import Struct

# A file's bytes; None when there is none or it is too large.
ReadBytes = Callable[[str], bytes | None]
MAX_INDEX_BYTES = 64 * 1024 * 1024
_ENTRY_BYTES = 42  # fixed part before the path, but for the object's name
_SPARSE_FOLDER = 0o040000


class Tracked(Struct, frozen=True):
    """Paths relative to the repository's top, with "/". folders: those that hold a tracked file.
    whole: folders of a sparse index, of which everything is tracked."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()

    def has(self, path: str, *, is_folder: bool) -> bool:
        """Whether a file is tracked, or a folder holds a tracked file."""
        if path in (self.folders if is_folder else self.files):
            return True
        while self.whole and "/" in path:
            path = path.rpartition("/")[0]
            if path in self.whole:
                return True
        return False


def read_tracked(
    store: str, read: ReadBytes, tick: Callable[[], None] = lambda: None, *, hash_bytes: int = 20
) -> Tracked:
    """What a store's index lists; nothing when there is no index, or it is damaged or of a newer version.

    tick: called every few entries: an index can have hundreds of thousands. hash_bytes: of an object's name,
    20 or, in a repository with SHA-256, 32.
    """
    data = read(f"{store}/index")
    try:
        paths, shared, gone = _read_index(data, tick, hash_bytes) if data else ([], "", frozenset())
        if shared:
            base = read(f"{store}/sharedindex.{shared}")
            first, _, _ = _read_index(base, tick, hash_bytes) if base else ([], "", frozenset())
            paths += [path for number, path in enumerate(first) if number not in gone]
    except (struct.error, ValueError, IndexError):
        return Tracked()
    files = frozenset(path for path in paths if path and not path.endswith("/"))
    whole = frozenset(path[:-1] for path in paths if path.endswith("/"))
    folders: set[str] = set(whole)
    for path in (*files, *whole):
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
        tick()
    return Tracked(files, frozenset(folders), whole)


def _read_index(
    data: bytes, tick: Callable[[], None], hash_bytes: int
) -> tuple[list[str], str, frozenset[int]]:
    """The paths; the name of the shared part, if there is one, and which of its entries are gone."""
    signature, version, n_entries = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("not an index that is known here")
    paths: list[str] = []
    at, before = 12, b""
    for number in range(n_entries):
        (flags,) = struct.unpack_from(">H", data, at + 40 + hash_bytes)
        begin = at + _ENTRY_BYTES + hash_bytes + (2 if version > 2 and flags & 0x4000 else 0)
        if version == 4:
            n_dropped, begin = _variable(data, begin)
            end = data.index(b"\0", begin)
            before = before[: len(before) - n_dropped] + data[begin:end]
            at = end + 1
        else:
            end = data.index(b"\0", begin)
            before = data[begin:end]
            at += (end - at + 8) & ~7
        paths.append(before.decode("utf-8", "surrogateescape"))
        if number % 64 == 0:
            tick()
    return (paths, *_shared_part(data, at, hash_bytes))


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, as pack files have it, and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1


def _shared_part(data: bytes, at: int, hash_bytes: int) -> tuple[str, frozenset[int]]:
    """From the extension "link": a checksum, and bitmaps of the entries that are deleted and replaced."""
    while at + 8 <= len(data) - hash_bytes:
        name, size = struct.unpack_from(">4sI", data, at)
        at += 8
        if name == b"link":
            shared = data[at : at + hash_bytes].hex()
            if not shared.strip("0"):
                return "", frozenset()
            return shared, _bits(data, at + hash_bytes, at + size) if size > hash_bytes else frozenset()
        at += size
    return "", frozenset()


def _bits(data: bytes, at: int, end: int) -> frozenset[int]:
    """Which bits a compressed bitmap (EWAH) has: runs of equal words, and words as they are."""
    if at + 8 > end:
        return frozenset()
    _n_bits, n_words = struct.unpack_from(">II", data, at)
    words = struct.unpack_from(f">{n_words}Q", data, at + 8)
    found: set[int] = set()
    word = position = 0
    while word < n_words:
        marker = words[word]
        word += 1
        n_equal, n_plain = (marker >> 1) & 0xFFFF_FFFF, marker >> 33
        if marker & 1:
            found.update(range(position * 64, min((position + n_equal) * 64, _n_bits)))
        position += n_equal
        for plain in words[word : word + n_plain]:
            found.update(position * 64 + bit for bit in range(64) if plain >> bit & 1)
            position += 1
        word += n_plain
    return frozenset(found)
