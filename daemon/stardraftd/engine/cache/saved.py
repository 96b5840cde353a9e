"""Sequences of files on disk: written when the model leaves memory, read when it is back.

One file a sequence. Its name is a hash of the model's fingerprint and the document's name, so that the folder
tells no paths; its contents are a user's source, so the folder is theirs alone (0700, files 0600).

    magic, version      8 bytes
    length of the head  4 bytes, big-endian
    head                msgpack (`_Head`)
    checksum            sha256 of the head and of all that follows the checksum
    tokens, state       int32 little-endian; llama.cpp's own format

A file that is not as it must be is deleted and never handed out. Bounded in bytes and in days, over the
sequences of all models: what was used longest ago goes first.
"""

import hashlib
import logging
import os
import stat
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

MAGIC = b"SDSEQ\0\0\2"
MAX_HEAD_BYTES = 4096
CHECKSUM_BYTES = 32
MAX_TOKENS = 1 << 20
SUFFIX = ".sequence"
TEMPORARY_SUFFIX = ".new"
STALE_TEMPORARY_S = 3600.0
N_BLOCKS, BLOCK_BYTES = 64, 4096

# Without O_NONBLOCK, opening a pipe that somebody put in a file's place would wait for a writer.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN_FLAGS |= getattr(os, "O_BINARY", 0)

T = TypeVar("T")


class SavedSequence(Struct, frozen=True):
    """A sequence as it was saved; `state` is llama.cpp's, the first `n_exact` of its tokens are exact."""

    key: str
    tokens: "array[int]"
    n_exact: int
    state: bytes


class _Head(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    fingerprint: str
    key_hash: str
    n_tokens: int
    n_exact: int
    n_state_bytes: int


class _Begun(Struct, frozen=True):
    """A file that was read up to its tokens; `encoded_head` is what the checksum covers of it so far."""

    head: _Head
    encoded_head: bytes
    checksum: bytes


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with a file."""


def fingerprint(model_path: Path, header_bytes: int, settings: str) -> str:
    """What a saved sequence is valid for: the model's header and samples of its weights, and `settings`.

    The header is the first `header_bytes` (metadata and tensor infos); the samples are 64 evenly spaced
    blocks of 4,096 bytes, the last of which ends the file. The whole file is not read: hashing 3 GB takes
    seconds at every loading, and another training or quantization of a model changes practically all of its
    weights.
    Raises OSError when the file cannot be read.
    """
    digest = hashlib.sha256(settings.encode("utf-8", "surrogatepass"))
    with model_path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        digest.update(f"\n{header_bytes} {size_bytes}\n".encode())
        file.seek(0)
        digest.update(file.read(header_bytes))
        last = max(header_bytes, size_bytes - BLOCK_BYTES)
        for i in range(N_BLOCKS):
            file.seek(header_bytes + (last - header_bytes) * i // (N_BLOCKS - 1))
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


class SavedSequences:
    """The saved sequences of one model in a folder that other models may share.

    No method raises for the disk's sake: what cannot be written is not saved, and the log says why. The
    folder is used only if it is a directory itself (no symbolic link) that this user owns and nobody else may
    write.
    """

    def __init__(self, folder: Path, fingerprint: str, *, max_bytes: int, max_days: float) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._max_bytes = max_bytes
        self._max_age_s = max_days * 86400

    def put(self, key: str, tokens: "array[int]", n_exact: int, state: bytes | memoryview) -> bool:
        """Saves a sequence in place of an older one of that key. False when it was not, and the older stays.

        `n_exact` is at most the number of tokens. Whatever was used longest ago makes room.
        """
        parts = self._encoded(key, tokens, n_exact, memoryview(state))
        if len(tokens) > MAX_TOKENS or sum(memoryview(part).nbytes for part in parts) > self._max_bytes:
            return False
        path = self._path(key)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _verify_own(self._folder)
            _close_to_others(self._folder)
            _replace(path, parts)
        except OSError as error:
            log.warning("a file's sequence was not saved: %s", error)
            return False
        self.prune()
        return os.path.lexists(path)

    def find(self, key: str) -> SavedSequence | None:
        """The saved sequence of a key; it counts as used now."""
        found = self._read(key, lambda file, begun: _read_rest(file, begun, key))
        if found is not None:
            with suppress(OSError):  # a read-only disk: it is as good, only older
                os.utime(self._path(key), ns=_now())
        return found

    def tokens_of(self, key: str) -> "array[int] | None":
        """The tokens of a saved sequence; its state is not read. Whether they are undamaged, `find` tells."""
        return self._read(key, lambda file, begun: _from_little_endian(_read_tokens(file, begun.head)))

    def prune(self) -> None:
        """Deletes what is too old, and what was used longest ago until the rest is small enough."""
        now = time.time()
        n_bytes = 0
        for path, info in self._files():
            n_bytes += info.st_size
            if n_bytes > self._max_bytes or now - info.st_mtime > self._max_age_s:
                _remove(path)
        for path, info in self._entries(TEMPORARY_SUFFIX):
            if now - info.st_mtime > STALE_TEMPORARY_S:
                _remove(path)

    def clear(self) -> None:
        """Deletes all saved sequences, those of other models and what is being written too."""
        for path, _ in self._entries(SUFFIX, TEMPORARY_SUFFIX):
            _remove(path)

    def _path(self, key: str) -> Path:
        return self._folder / (_hash(f"{self._fingerprint}\n{key}") + SUFFIX)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """All saved sequences, used last first."""
        return sorted(self._entries(SUFFIX), key=lambda entry: -entry[1].st_mtime_ns)

    def _entries(self, *suffixes: str) -> list[tuple[Path, os.stat_result]]:
        """What is in the folder under such names; nothing where the folder is missing or refused."""
        found = []
        with suppress(OSError):
            _verify_own(self._folder)
            for path in self._folder.iterdir():
                if path.suffix in suffixes:
                    with suppress(FileNotFoundError):  # another engine was faster
                        found.append((path, path.lstat()))
        return found

    def _encoded(
        self, key: str, tokens: "array[int]", n_exact: int, state: memoryview
    ) -> list[bytes | memoryview]:
        body = _little_endian(tokens)
        head = msgspec.msgpack.encode(
            _Head(self._fingerprint, _hash(key), len(tokens), n_exact, state.nbytes)
        )
        return [MAGIC, len(head).to_bytes(4, "big"), head, _checksum(head, body, state), body, state]

    def _read(self, key: str, read: Callable[[BinaryIO, _Begun], T]) -> T | None:
        """What `read` makes of the key's file; None where there is none, or none that is as it must be."""
        path = self._path(key)
        try:
            with _open(path) as file:
                return read(file, self._begin(file, key))
        except FileNotFoundError:
            return None
        except _Damaged as damage:
            log.warning("a saved sequence was deleted: %s (%s)", damage, path.name)
            _remove(path)
        except OSError as error:
            log.warning("a saved sequence cannot be read: %s", error)
        return None

    def _begin(self, file: BinaryIO, key: str) -> _Begun:
        """Reads up to the tokens. What is behind has the sizes that the head says: they can be allocated."""
        start = file.read(len(MAGIC) + 4)
        n_head = int.from_bytes(start[len(MAGIC) :], "big")
        if len(start) < len(MAGIC) + 4 or start[: len(MAGIC)] != MAGIC or n_head > MAX_HEAD_BYTES:
            raise _Damaged("it does not begin as one")
        encoded = file.read(n_head)
        head = _decoded(encoded)
        if (head.fingerprint, head.key_hash) != (self._fingerprint, _hash(key)):
            raise _Damaged("it is another model's or another document's")
        sizes_hold = 0 <= head.n_exact <= head.n_tokens <= MAX_TOKENS and head.n_state_bytes >= 0
        n_bytes = len(start) + n_head + CHECKSUM_BYTES + head.n_tokens * 4 + head.n_state_bytes
        if not sizes_hold or os.fstat(file.fileno()).st_size != n_bytes:
            raise _Damaged("its size is not what its head says")
        return _Begun(head, encoded, file.read(CHECKSUM_BYTES))


def _decoded(encoded_head: bytes) -> _Head:
    try:
        return msgspec.msgpack.decode(encoded_head, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Damaged(f"its head is unreadable: {error}") from error


def _read_tokens(file: BinaryIO, head: _Head) -> bytes:
    body = file.read(head.n_tokens * 4)
    if len(body) != head.n_tokens * 4:
        raise _Damaged("it became shorter while it was read")
    return body


def _read_rest(file: BinaryIO, begun: _Begun, key: str) -> SavedSequence:
    body = _read_tokens(file, begun.head)
    state = file.read(begun.head.n_state_bytes)
    if _checksum(begun.encoded_head, body, state) != begun.checksum:
        raise _Damaged("its checksum is wrong")
    return SavedSequence(key, _from_little_endian(body), begun.head.n_exact, state)


def _replace(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Writes a file under another name, then gives it its own: it is there whole or not at all."""
    # mkstemp: mode 0600 whatever the umask, and a name of its own for each of several writers.
    descriptor, name = tempfile.mkstemp(TEMPORARY_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
        # The system's own stamps are so coarse that what is written in a row has the same.
        os.utime(name, ns=_now())
        Path(name).replace(path)
    except BaseException:
        _remove(Path(name))
        raise


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _open(path: Path) -> BinaryIO:
    """Opens a saved sequence; what is not a file that only this user may write is _Damaged."""
    _verify_own(path.parent)
    if _is_own(path.lstat(), stat.S_ISREG):
        descriptor = os.open(path, _OPEN_FLAGS)
        if _is_own(os.fstat(descriptor), stat.S_ISREG):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    raise _Damaged("it is not a file, or others than this user can write it")


def _verify_own(folder: Path) -> None:
    """PermissionError where somebody else may have put there what is read, or FileNotFoundError."""
    if not _is_own(folder.lstat(), stat.S_ISDIR):
        raise PermissionError(f"{folder} is a link, or not a folder that only this user may write")


def _close_to_others(folder: Path) -> None:
    if os.name == "posix" and folder.lstat().st_mode & 0o077:
        folder.chmod(0o700)


def _is_own(info: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is of the right kind, this user's, and nobody else may write it."""
    if not is_kind(info.st_mode):
        return False
    return os.name != "posix" or (info.st_uid == os.getuid() and not info.st_mode & 0o022)


def _now() -> tuple[int, int]:
    """For `os.utime`: read and changed now."""
    now_ns = time.time_ns()
    return now_ns, now_ns


def _checksum(encoded_head: bytes, body: bytes, state: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(encoded_head)
    digest.update(body)
    digest.update(state)
    return digest.digest()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _little_endian(tokens: "array[int]") -> bytes:
    copy = array("i", tokens)
    if sys.byteorder == "big":
        copy.byteswap()
    return copy.tobytes()


def _from_little_endian(body: bytes) -> "array[int]":
    tokens = array("i")
    tokens.frombytes(body)
    if sys.byteorder == "big":
        tokens.byteswap()
    return tokens
