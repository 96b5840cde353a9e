"""The daemon's log: one JSON object a line, in a file of limited size that is put aside when it is full.

    {"time": "2025-01-31T09:30:00.123Z", "level": "info", "logger": "stardraftd.api.app",
     "event": "model loaded", "load_ms": 812, "exception": "Traceback ..."}

Modules log through `logging.getLogger(__name__)`: the message is the event, `extra={...}` its fields. The
rule for all of them: a user's source text, or what is made from it, is logged at `debug` and at no other
level.

The log must never be the reason why a daemon fails. When it cannot be written (a full disk, a folder that is
read-only) the handler says so once, in `LogHandler.problem`, tries again with each line, and sends warnings
to the standard error stream meanwhile. Only one process may write a log: the engine's lines come through
the daemon.
"""

import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stardraftd.files import atomic
from stardraftd.logs.reader import follow, read_tail, render
from stardraftd.paths import tilde

__all__ = ["LogHandler", "close", "configure", "follow", "read_tail", "render"]

# What the standard library puts into every record; whatever else is there came by `extra`.
_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OWN_FIELDS = frozenset({"time", "level", "logger", "event", "exception", "stack"})
# Of one place in the program, so many warnings or errors are written in so many seconds; the rest is counted.
BURST = 20
BURST_S = 60.0


# 20 MB in all: weeks of a daemon's life at `info`, and little enough that nobody looks for it.
MAX_BYTES = 5_000_000
BACKUPS = 3


def configure(
    level: str, path: Path, *, stderr: bool, max_bytes: int = MAX_BYTES, backups: int = BACKUPS
) -> "LogHandler":
    """Sends this process's log to `path`; called again, it applies the new settings without losing a line.

    level:     debug, info, warning or error; other packages than ours are heard from `warning` on.
    max_bytes: size at which the file is put aside as PATH.1, PATH.2 ...
    backups:   how many of those are kept.
    stderr:    readable lines go to the standard error stream too.
    """
    root = logging.getLogger()
    handler = next((known for known in root.handlers if isinstance(known, LogHandler)), None)
    if handler is None:
        handler = LogHandler()
        root.addHandler(handler)
    handler.apply(path=path, max_bytes=max_bytes, backups=backups, stderr=stderr)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(number, logging.WARNING))
    for package in ("stardraftd", "stardraft_lsp"):
        logging.getLogger(package).setLevel(number)
    return handler


def close() -> None:
    """Ends what `configure` began."""
    root = logging.getLogger()
    for handler in [known for known in root.handlers if isinstance(known, LogHandler)]:
        root.removeHandler(handler)
        handler.close()


@dataclass
class _Burst:
    """Lines of one place in the program since a moment (seconds of the epoch)."""

    began_s: float
    n_lines: int = 0


class LogHandler(logging.Handler):
    """Writes records to a file, and survives when it cannot.

    The standard library's rotating handler is not used: after a failed write its buffer keeps the lines and
    writes them torn, and without backups its file grows forever. Here each line is one unbuffered write.

    problem: a sentence for a user while the log cannot be written, else None. Any thread may read it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problem: str | None = None
        self._path = Path(os.devnull)
        self._max_bytes = 0
        self._backups = 0
        self._stderr = False
        self._file: int | None = None
        self._torn = False
        self._lost = 0
        self._bursts: dict[object, _Burst] = {}

    def apply(self, *, path: Path, max_bytes: int, backups: int, stderr: bool) -> None:
        """New settings, from the next line on."""
        self.acquire()
        try:
            if path != self._path:
                self._close_file()
                self.problem = None
            self._path = path
            self._max_bytes = max_bytes
            self._backups = backups
            self._stderr = stderr
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if (record.levelno or 0) >= logging.WARNING and self._is_surplus(record):
                return
            line = _line(record)
        except Exception:  # noqa: BLE001 - a message that does not fit its arguments: the library's own way to say so
            self.handleError(record)
            return
        try:
            self._write(line)
        except OSError as error:
            self._lost += 1
            self._close_file()
            reason = error.strerror or str(error)
            self.problem = f"The log {tilde(self._path)} cannot be written: {reason}."
        if self._stderr or (self.problem and record.levelno >= logging.WARNING):
            _to_stderr(line)

    def close(self) -> None:
        self.acquire()
        try:
            self._close_file()
        finally:
            self.release()
        super().close()

    def _is_surplus(self, record: logging.LogRecord) -> bool:
        """Whether too many like it were written just now: who can cause an error may cause a million."""
        kind = record.exc_info[0] if record.exc_info else None
        burst = self._bursts.setdefault((record.pathname, record.lineno, kind), _Burst(record.created))
        if record.created - burst.began_s > BURST_S or record.created < burst.began_s:
            if burst.n_lines > BURST:
                record.left_out = burst.n_lines - BURST
            burst.began_s, burst.n_lines = record.created, 0
        burst.n_lines += 1
        if burst.n_lines == BURST:
            record.more = f"of these no more are written for {BURST_S:.0f} s"
        return burst.n_lines > BURST

    def _write(self, line: bytes) -> None:
        """Raises OSError; then the line is lost."""
        file = self._ready_file(len(line))
        if self._lost:
            self._write_all(file, _lost_line(self._lost))
        self._lost, self.problem = 0, None
        self._write_all(file, line)

    def _write_all(self, file: int, line: bytes) -> None:
        data = b"\n" + line if self._torn else line
        written = 0
        try:
            while written < len(data):
                written += os.write(file, data[written:])
        finally:
            if written:
                # A disk that is all but full takes the beginning of a line: the next one starts on its own.
                self._torn = written < len(data)

    def _ready_file(self, size: int) -> int:
        """The open file with room for `size` more bytes."""
        file = self._open_file()
        info = os.fstat(file)
        if info.st_size > 0 and info.st_size + size > self._max_bytes:
            self._close_file()
            self._put_aside()
            file = self._open_file()
        return file

    def _open_file(self) -> int:
        """The file that stands at the path now: someone may have removed or moved the one that was opened."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._path.lstat(), os.fstat(self._file)):
                    return self._file
            self._close_file()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = atomic.open_file(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, own=True)
        if os.fstat(self._file).st_mode & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(self._file, 0o600)
        return self._file

    def _put_aside(self) -> None:
        """PATH becomes PATH.1, that PATH.2 ...; what is beyond the number of backups is removed."""
        surplus = max(1, self._backups)
        while (file := self._backup(surplus)).exists():
            file.unlink()
            surplus += 1
        for number in range(self._backups - 1, 0, -1):
            if self._backup(number).exists():
                self._backup(number).replace(self._backup(number + 1))
        if self._backups:
            self._path.replace(self._backup(1))
        else:
            os.truncate(self._path, 0)

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a network disk may tell only now that it was full
                os.close(file)


def _line(record: logging.LogRecord) -> bytes:
    """A record as it stands in the file. A field of `extra` whose name is taken gets a "_" behind it."""
    extra = {key: value for key, value in vars(record).items() if key not in _RECORD_FIELDS}
    fields: dict[str, Any] = {
        "time": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage(),
        **{f"{key}_" if key in _OWN_FIELDS else key: value for key, value in extra.items()},
    }
    if record.exc_info:
        fields["exception"] = logging.Formatter().formatException(record.exc_info)
    if record.stack_info:
        fields["stack"] = record.stack_info
    # ASCII alone: file names may hold bytes that are no UTF-8 (lone surrogates), and `default` takes paths.
    return json.dumps(fields, default=str).encode("ascii") + b"\n"


def _lost_line(lost: int) -> bytes:
    record = logging.LogRecord(
        __name__, logging.WARNING, "", 0, "lines are missing here: the log could not be written", None, None
    )
    record.lost = lost
    return _line(record)


def _to_stderr(line: bytes) -> None:
    # There may be no such stream, or nobody at its other end: the log's last resort has none of its own.
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(render(line.decode("ascii")) + "\n")
            sys.stderr.flush()
