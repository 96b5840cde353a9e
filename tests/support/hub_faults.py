"""What can go wrong between a program and the Hub, as data: which requests are hit, how often, and how.

Here are the faults and the rule that matches them to requests; tests ask for them at the Hub (`hub.cut(...)`,
`hub.hold(...)`). They are applied in `hub.py` (another answer) and in `hub_http.py` (the sending).
"""

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

F = TypeVar("F", bound="Fault")


class Body(Protocol):
    """The bytes of an answer: how many, and what stands where."""

    size: int

    def read(self, offset: int, n_bytes: int) -> bytes: ...


class Content:
    """A file's bytes, from memory or from disk. A file on disk may be larger than memory."""

    def __init__(self, source: bytes | Path) -> None:
        self._source = source
        self.size = source.stat().st_size if isinstance(source, Path) else len(source)

    def read(self, offset: int, n_bytes: int) -> bytes:
        if isinstance(self._source, bytes):
            return self._source[offset : offset + n_bytes]
        with self._source.open("rb") as file:
            file.seek(offset)
            return file.read(n_bytes)


@dataclass(eq=False)
class Fault:
    """One thing that goes wrong. `pattern` is the end of a path (a file's name), or a glob over all of it."""

    pattern: str
    times: int | None = 1
    """How many requests are hit; None: all of them, until the fault is mended."""
    method: str | None = None
    """GET, HEAD or POST; None: any."""
    server: str | None = None
    """`hub` or `cdn`, where large files are; None: either."""
    n_hits: int = 0

    def matches(self, method: str, server: str, path: str) -> bool:
        """Whether this request is hit, so far as its outside tells."""
        if self.method not in (None, method) or self.server not in (None, server):
            return False
        if self.times is not None and self.n_hits >= self.times:
            return False
        return path.endswith("/" + self.pattern) or fnmatch.fnmatchcase(path, self.pattern)


@dataclass(eq=False)
class Refusal(Fault):
    """An error instead of an answer: 401, 403, 404, 429, 503, ..."""

    status: int = 503
    code: str = ""
    """The X-Error-Code, which the Hub's client turns into a class: RepoNotFound, EntryNotFound, ..."""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class Redirect(Fault):
    """An answer that sends the client elsewhere."""

    to: str = ""


@dataclass(eq=False)
class Lie(Fault):
    """The healthy answer, changed: by someone who stands in the Hub's place and means ill."""

    change: Callable[[Any], Any] = lambda answer: answer
    """Of an answer in JSON: gets what it says, returns what is said instead (bytes are sent as they are)."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class RangeIgnored(Fault):
    """A whole file with 200, although a part of it was asked for; a caching proxy may do so."""


@dataclass(eq=False)
class BodyFault(Fault):
    """A fault in the bytes of a file, so only an answer that has them is hit: a GET with 200 or 206."""


@dataclass(eq=False)
class Cut(BodyFault):
    """The connection ends after so many bytes of the body: in peace (FIN), or with a reset (RST)."""

    after_bytes: int = 0
    reset: bool = False


@dataclass(eq=False)
class Endless(Fault):
    """A body that does not end, whatever the answer is, and whose length is not told."""

    block: bytes = b" " * 65536


class Reshaping(BodyFault):
    """Another body than the true one is sent."""

    def body(self, body: Body) -> Body:
        raise NotImplementedError


@dataclass(eq=False)
class Corruption(Reshaping):
    """Some bytes are wrong, the size is right. Positions are the file's, also in an answer to a Range."""

    offset: int = 0
    n_bytes: int = 1

    def body(self, body: Body) -> Body:
        return Corrupted(body, self.offset, self.offset + self.n_bytes)


@dataclass(eq=False)
class Resizing(Reshaping):
    """The file has another size than its metadata says: cut short, or with zeros behind."""

    size_bytes: int = 0

    def body(self, body: Body) -> Body:
        return Resized(body, self.size_bytes)


@dataclass(eq=False)
class Hold(BodyFault):
    """A transfer stands still after so many bytes of the body until the test lets it go on.

    With `after_bytes=0` nothing has been sent at all, not even the status.
    """

    after_bytes: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a request stands at this point; its bytes so far are on the wire."""
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Lets whoever stands here go on, and whoever comes later pass."""
        self._released.set()

    def stand(self) -> None:
        """The server's side: says that it is here, and waits."""
        self.reached.set()
        self._released.wait()


class Corrupted:
    """A body whose bytes in [start, end) are inverted."""

    def __init__(self, body: Body, start: int, end: int) -> None:
        self._body, self._start, self._end = body, start, end
        self.size = body.size

    def read(self, offset: int, n_bytes: int) -> bytes:
        data = bytearray(self._body.read(offset, n_bytes))
        for position in range(max(self._start - offset, 0), min(self._end - offset, len(data))):
            data[position] ^= 0xFF
        return bytes(data)


class Resized:
    """A body of another size."""

    def __init__(self, body: Body, size: int) -> None:
        self._body = body
        self.size = size

    def read(self, offset: int, n_bytes: int) -> bytes:
        n_bytes = max(min(n_bytes, self.size - offset), 0)
        return self._body.read(offset, n_bytes).ljust(n_bytes, b"\0")


class Faults:
    """The faults that wait for their requests. Several threads ask at once."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: F) -> F:
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, kind: type[F], method: str, server: str, path: str) -> list[F]:
        """The faults of a kind that hit this request, one of each class; that uses up one of their times.

        Of several of one class the oldest is the one, so that they can be asked for as a sequence.
        """
        found: dict[type[Fault], F] = {}
        with self._lock:
            for fault in self._faults:
                if isinstance(fault, kind) and fault.matches(method, server, path):
                    found.setdefault(type(fault), fault)
            for fault in found.values():
                fault.n_hits += 1
        return list(found.values())

    def mend(self) -> None:
        """Forgets all faults. Transfers that were held go on."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault in faults:
            if isinstance(fault, Hold):
                fault.release()
