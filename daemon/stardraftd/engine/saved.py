"""Sequences of files on disk: written when the model leaves memory, read when it is back.

One file a sequence. Its name is a hash of the model's fingerprint and the document's name, so that the folder
tells no paths; its contents are a person's source, so the folder is theirs alone (0700, files 0600).

    magic, version      8 bytes
    length of the head  4 bytes, big-endian
    head                msgpack (`_Head`), with the sha256 of all that follows it
    tokens, state       int32 little-endian; llama.cpp's own format

A file that is not as it must be is deleted and never handed out. Bounded in bytes and in days, over the
sequences of all models: what was used longest ago goes first.
"""

import hashlib
import logging
import os
import stat
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

MAGIC = b"SDSEQ\0\0\1"
MAX_HEAD_BYTES = 4096
MAX_TOKENS = 1 << 20
SUFFIX = ".sequence"
STALE_TEMPORARY_S = 3600.0
N_BLOCKS, BLOCK_BYTES = 64, 4096


class SavedSequence(Struct, frozen=True):
    """A sequence as it was saved; `state` is llama.cpp's, `n_exact` of its tokens are exact."""

    key: str
    tokens: "array[int]"
    n_exact: int
    state: bytes


class _Head(Struct, frozen=True, array_like=True):
    fingerprint: str
    key_hash: str
    n_tokens: int
    n_exact: int
    n_state_bytes: int
    sha256: bytes


class _Damaged(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with a file."""


def fingerprint(model_path: Path, header_bytes: int, settings: str) -> str:
    """What a saved sequence is valid for: the model's header and samples of its weights, and `settings`.

    The whole file is not read: hashing 3 GB takes seconds at every loading. Two models that differ in
    neither header, size nor any of 64 blocks of weights were not met with honest means.
    """
    digest = hashlib.sha256(settings.encode())
    with model_path.open("rb") as file:
        digest.update(file.read(header_bytes))
        size = file.seek(0, os.SEEK_END)
        digest.update(str(size).encode())
        for i in range(N_BLOCKS):
            file.seek(header_bytes + (size - header_bytes) * i // N_BLOCKS)
            digest.update(file.read(BLOCK_BYTES))
    return digest.hexdigest()


class SavedSequences:
    """The saved sequences of one model in a folder that other models may share.

    No method raises for the disk's sake: what cannot be written is not saved, and the log says why.
    """

    def __init__(self, folder: Path, fingerprint: str, *, max_bytes: int, max_days: float) -> None:
        self._folder = folder
        self._fingerprint = fingerprint
        self._max_bytes = max_bytes
        self._max_age_s = max_days * 86400

    def put(self, key: str, tokens: "array[int]", n_exact: int, state: bytes | memoryview) -> bool:
        """Saves a sequence in place of an older one of that key. False when it was not."""
        body = _little_endian(tokens)
        if len(body) + len(state) + MAX_HEAD_BYTES > self._max_bytes:
            return False
        digest = hashlib.sha256(body)
        digest.update(state)
        head = msgspec.msgpack.encode(
            _Head(self._fingerprint, _hash(key), len(tokens), n_exact, len(state), digest.digest())
        )
        path = self._path(key)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_private(self._folder.lstat(), stat.S_ISDIR):
                log.warning("%s is not a folder of this user alone; nothing is saved there", self._folder)
                return False
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for part in (MAGIC, len(head).to_bytes(4, "big"), head, body, state):
                    file.write(part)
            temporary.replace(path)
        except OSError as error:
            log.warning("a file's sequence was not saved: %s", error)
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return False
        self.prune()
        return path.exists()

    def find(self, key: str) -> SavedSequence | None:
        """The saved sequence of a key; it counts as used now."""
        path = self._path(key)
        try:
            with _open(path) as file:
                head = self._read_head(file, key)
                body, state = _read_body(file, head)
            os.utime(path)
        except FileNotFoundError:
            return None
        except _Damaged as damage:
            self._delete(path, str(damage))
            return None
        except OSError as error:
            log.warning("a saved sequence cannot be read: %s", error)
            return None
        return SavedSequence(key, _from_little_endian(body), head.n_exact, state)

    def tokens_of(self, key: str) -> "array[int] | None":
        """The tokens of a saved sequence, without its state; whether they are undamaged, `find` tells."""
        path = self._path(key)
        try:
            with _open(path) as file:
                head = self._read_head(file, key)
                body = file.read(head.n_tokens * 4)
        except FileNotFoundError:
            return None
        except _Damaged as damage:
            self._delete(path, str(damage))
            return None
        except OSError as error:
            log.warning("a saved sequence cannot be read: %s", error)
            return None
        return _from_little_endian(body)

    def prune(self) -> None:
        """Deletes what is too old, and what was used longest ago until the rest is small enough."""
        now = time.time()
        n_bytes = 0
        for path, info in self._files():
            n_bytes += info.st_size
            if n_bytes > self._max_bytes or now - info.st_mtime > self._max_age_s:
                n_bytes -= info.st_size
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Deletes all saved sequences, those of other models too."""
        for path, _ in self._files():
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / (_hash(f"{self._fingerprint}\n{key}") + SUFFIX)

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        """All saved sequences, used last first. Left-overs of writers that died are removed on the way."""
        found = []
        try:
            entries = list(os.scandir(self._folder))
        except OSError:
            return []
        for entry in entries:
            with suppress(OSError):
                info = entry.stat(follow_symlinks=False)
                if entry.name.endswith(SUFFIX):
                    found.append((Path(entry.path), info))
                elif entry.name.endswith(".new") and time.time() - info.st_mtime > STALE_TEMPORARY_S:
                    Path(entry.path).unlink(missing_ok=True)
        return sorted(found, key=lambda item: -item[1].st_mtime_ns)

    def _read_head(self, file: BinaryIO, key: str) -> _Head:
        info = os.fstat(file.fileno())
        if not _is_private(info, stat.S_ISREG):
            raise _Damaged("others than this user can write it")
        start = file.read(len(MAGIC) + 4)
        n_head = int.from_bytes(start[len(MAGIC) :], "big")
        if len(start) < len(MAGIC) + 4 or start[: len(MAGIC)] != MAGIC or n_head > MAX_HEAD_BYTES:
            raise _Damaged("it does not begin as one")
        try:
            head = msgspec.msgpack.decode(file.read(n_head), type=_Head)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _Damaged(f"its head is unreadable: {error}") from error
        if (head.fingerprint, head.key_hash) != (self._fingerprint, _hash(key)):
            raise _Damaged("it is another model's or document's")
        sizes_hold = 0 <= head.n_exact <= head.n_tokens <= MAX_TOKENS and head.n_state_bytes >= 0
        if not sizes_hold or info.st_size != len(start) + n_head + head.n_tokens * 4 + head.n_state_bytes:
            raise _Damaged("its size is not what its head says")
        return head

    def _delete(self, path: Path, why: str) -> None:
        log.warning("a saved sequence was deleted: %s (%s)", why, path.name)
        with suppress(OSError):
            path.unlink(missing_ok=True)


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW), "rb")


def _read_body(file: BinaryIO, head: _Head) -> tuple[bytes, bytes]:
    body = file.read(head.n_tokens * 4)
    state = file.read(head.n_state_bytes)
    digest = hashlib.sha256(body)
    digest.update(state)
    if digest.digest() != head.sha256:
        raise _Damaged("its checksum is wrong")
    return body, state


def _is_private(info: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """Whether it is of the right kind, this user's, and nobody else may write it."""
    if not is_kind(info.st_mode):
        return False
    return os.name != "posix" or (info.st_uid == os.getuid() and not info.st_mode & 0o022)


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
