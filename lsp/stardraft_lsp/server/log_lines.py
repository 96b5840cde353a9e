"""The language server's log: one line a record, none of it anybody's source, and no flood of them.

The log goes to the editor, which often keeps it. What an exception says may quote what it was about, and what
it was about may be a document: so of an exception its type and the places that it came through are written,
not its words. Many records that are alike (a client that sends rubbish) are counted after the first few.
"""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType

# Of records from the same place in the code, within this time.
MAX_ALIKE, ALIKE_S = 5, 60.0
_MAX_PLACES = 6


class OneLine(logging.Formatter):
    """Writes a record as one line. Of what libraries say only the first line counts."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        first, _, rest = line.partition("\n")
        exception = self._exception(record)
        return f"{first}{' ...' if rest and not exception else ''}{exception}"

    def formatException(self, ei: object) -> str:  # noqa: ARG002, N802 - logging's own name and form
        return ""

    def formatStack(self, stack_info: str) -> str:  # noqa: ARG002, N802
        return ""

    def _exception(self, record: logging.LogRecord) -> str:
        if not record.exc_info or record.exc_info[0] is None:
            return ""
        return f": {described(record.exc_info[0], record.exc_info[2])}"


class FewAlike(logging.Filter):
    """Lets MAX_ALIKE records from one place of the code pass in ALIKE_S seconds; the next says how many more
    there were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, int], tuple[float, int]] = {}  # since when, and how many

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:  # who asks for these wants all of them
            return True
        place, now = (record.pathname, record.lineno), self._clock()
        with self._lock:
            since, n_alike = self._seen.get(place, (now, 0))
            if now - since > ALIKE_S:
                if n_alike > MAX_ALIKE:
                    record.msg = f"{record.getMessage()} ({n_alike - MAX_ALIKE} more like it before)"
                    record.args = ()
                since, n_alike = now, 0
            self._seen[place] = since, n_alike + 1
            if n_alike + 1 == MAX_ALIKE:
                record.msg, record.args = f"{record.getMessage()} (more like it are counted)", ()
        return n_alike < MAX_ALIKE


def described(kind: type[BaseException], trace: TracebackType | None) -> str:
    """An exception without its words: its type, and where it came from, innermost first."""
    frames = traceback.extract_tb(trace)[-_MAX_PLACES:]
    places = " < ".join(
        f"{frame.filename.rpartition('site-packages')[2]}:{frame.lineno}" for frame in reversed(frames)
    )
    return f"{kind.__name__} at {places}" if places else kind.__name__


def log_uncaught() -> None:
    """Has what nobody catches, in any thread, logged in this way too."""
    log = logging.getLogger("stardraft_lsp")

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("a mistake that ends the server", exc_info=(kind, error, trace))

    def uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
        log.error("a mistake that ends a thread: %s", described(found.exc_type, found.exc_traceback))

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
