"""The thread that writes: facts are gathered for a second and written in one short transaction.

Nobody waits for it. When the file is locked by another editor's server for long, full or gone, facts are
given up rather than gathered without bound, and the user is told once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from stardraft_lsp.stats.facts import Fate, Look, Silence
from stardraft_lsp.stats.store import StatsError, Store
from stardraft_lsp.status import SILENCE_TEXTS
from stardraftd.errors import StardraftError
from stardraftd.logs import last_silence
from stardraftd.logs.last_silence import LastSilence

Fact = Fate | Look | Silence

GATHER_S = 1.0
MAX_WAITING = 5000
MAX_TRIES = 3
CLOSE_S = 2.0


class Writer:
    """Facts in, rows out.

    Invariant: `_waiting` has at most MAX_WAITING facts; only the thread touches the file.
    """

    def __init__(self, file: Path, editor: str, tell: Callable[[StardraftError], None]) -> None:
        self._store = Store(file, editor)
        self._folder, self._editor = file.parent, editor
        self._tell = tell
        self._condition = threading.Condition()
        self._waiting: list[Fact] = []
        self._thread: threading.Thread | None = None
        self._is_writing = False
        self._hurry = False
        self._ended = False
        self._gave_up = False
        self._told: set[str] = set()

    def put(self, fact: Fact) -> None:
        """Takes over a fact. Does not wait for the file."""
        with self._condition:
            if self._ended or self._gave_up or len(self._waiting) >= MAX_WAITING:
                return
            self._waiting.append(fact)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stardraft-stats", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._condition.notify_all()

    def flush(self, timeout_s: float | None = None) -> None:
        """Returns when nothing waits to be written any more, or after the time."""
        with self._condition:
            self._hurry = True
            self._condition.notify_all()
            self._condition.wait_for(self._is_idle, timeout_s)
            self._hurry = False

    def close(self) -> None:
        """Writes what waits, for CLOSE_S at most, and ends the thread."""
        self.flush(CLOSE_S)
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def _is_idle(self) -> bool:
        return self._thread is None or not (self._waiting or self._is_writing)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    return
                self._condition.wait_for(lambda: self._hurry or self._ended, GATHER_S)
                facts, self._waiting = self._waiting, []
                self._is_writing = True
            self._write(facts)
            with self._condition:
                self._is_writing = False
                self._condition.notify_all()

    def _write(self, facts: list[Fact]) -> None:
        for _try in range(MAX_TRIES):
            try:
                mended = self._store.write(facts)
            except StatsError as error:
                self._say(error)
                if not error.may_pass:
                    with self._condition:
                        self._gave_up = True
                        self._waiting.clear()
                    return
            else:
                if mended is not None:
                    self._say(mended)
                self._keep_last_silence(facts)
                return

    def _keep_last_silence(self, facts: Sequence[Fact]) -> None:
        """Keeps why the last question brought nothing, where that is for a user, for `stardraft status`."""
        reasons = [
            fact.reason for fact in facts if isinstance(fact, Silence) and fact.reason in SILENCE_TEXTS
        ]
        if reasons and (sentence := SILENCE_TEXTS[reasons[-1]]):
            with suppress(OSError):  # the status then has an older one
                last_silence.keep(LastSilence(reasons[-1], sentence, self._editor, time.time()), self._folder)

    def _say(self, error: StardraftError) -> None:
        if error.message not in self._told:
            self._told.add(error.message)
            self._tell(error)
