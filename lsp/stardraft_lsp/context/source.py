"""What the other files have to say, made ready before it is asked for: the context room's one way in.

All of it happens in one background thread (gathering.py). The editor's thread only puts messages into a
queue, and takes out what is ready (known.py).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from stardraft_lsp.context.access.disk import Disk, Filesystem, PatientDisk
from stardraft_lsp.context.choice.candidates import Declared, QuestionPlace
from stardraft_lsp.context.index.chunking import Chunker
from stardraft_lsp.context.index.definitions import Outliner
from stardraft_lsp.context.index.watching import Watching
from stardraft_lsp.context.settings import ContextSettings
from stardraft_lsp.context.shared import ContextStatus, Edit, SharedState, WhyNot
from stardraft_lsp.context.worker import ContextWorker
from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.text.uris import local_path
from stardraftd.protocol.completion import ContextChunk

log = logging.getLogger(__name__)

_MAX_MISTAKES = 100
_ENDING_S = 2.0


class ContextSource:
    """Chunks of other files for the prompts of one editor's documents.

    Every method may be called from the editor's thread and returns within microseconds, but `stop` and
    `wait_until_idle`. Nothing is ever raised for what the disk does.

    on_prepared: called in the background thread with a document's URI when its chunks are others than before.
    on_judged: called there with a document's URI when `why_not` of it is another than before.
    on_scanned: called there when the workspace has been read, with what was left out.
    disk, chunker, outliner, clock: the doors to the machine and to the syntax room; they have defaults.
    open_chunker: cuts open documents; the others' where there is none.

    Invariants: what `chunks_for` returns came through allowed.py after the last change to what it allows
    that was known then; a document with a reason in `why_not` has no chunks.
    """

    def __init__(
        self,
        roots: Sequence[str],
        settings: ContextSettings = ContextSettings(),  # noqa: B008 - frozen
        *,
        on_prepared: Callable[[str], None] = lambda _uri: None,
        on_judged: Callable[[str], None] = lambda _uri: None,
        on_scanned: Callable[[ContextStatus], None] = lambda _status: None,
        disk: Filesystem | None = None,
        chunker: Chunker | None = None,
        open_chunker: Chunker | None = None,
        outliner: Outliner | None = None,
        clock: Callable[[], float] = time.monotonic,
        watch: bool = True,
    ) -> None:
        self._shared = SharedState(on_judged)
        self._disk = PatientDisk(disk or Disk(), settings.io_timeout_s)
        self._watching = Watching(self._noticed) if watch else None
        self._memory = Memory()
        self._worker = ContextWorker(
            self._shared,
            settings,
            self._disk,
            self._watching,
            clock,
            chunker=chunker,
            open_chunker=open_chunker,
            outliner=outliner,
            on_prepared=on_prepared,
            on_scanned=on_scanned,
            memory=self._memory,
        )
        self._messages: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(tuple(roots),), name="context", daemon=True)
        self._idle = threading.Event()
        self._counting = threading.Lock()  # held for the time of an addition
        self._n_sent = self._n_done = 0
        self._n_mistakes = 0

    # --- the editor's thread -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to read the workspace."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, within two seconds or without waiting for it any longer."""
        if self._watching is not None:
            self._watching.stop()
        self._messages.put(None)
        if self._thread.is_alive():
            self._thread.join(_ENDING_S)

    def document_opened(self, uri: str, text: str) -> None:
        path = local_path(uri)
        self._shared.add(uri, text)
        self._memory.opened(uri, text)
        self._send(lambda: self._worker.opened(uri, path, text))

    def document_changed(self, uri: str, text: str, edits: Sequence[Edit] | None = None) -> None:
        """edits: what changed, in its order; None when the whole text is new."""
        self._shared.look_for_key(uri, text)
        self._memory.changed(uri, edits, text)
        self._send(lambda: self._worker.edited(uri, text, edits))

    def document_viewed(self, uri: str, line: int) -> None:
        """The cursor is there, or the document was focused."""
        self._send(lambda: self._worker.viewed(uri, line))

    def document_closed(self, uri: str) -> None:
        self._shared.remove(uri)
        self._memory.closed(uri)
        self._send(lambda: self._worker.closed(uri))

    def files_changed(self, paths: Sequence[str]) -> None:
        """Files or folders were created, changed or deleted on disk; from any thread."""
        self._send(lambda: self._worker.changed(paths))

    def folders_changed(self, roots: Sequence[str]) -> None:
        """The workspace has these folders now."""
        self._send(lambda: self._worker.begin(tuple(roots)))

    def prepare(self, place: QuestionPlace) -> None:
        """Chunks for this place are to be made ready; the newest place of a document counts.

        To be called when the cursor rests, not at each key: chunks that change cost the engine a prefill.
        """
        self._send(lambda: self._worker.want(place))

    def declared(self, uri: str, places: Sequence[Declared]) -> None:
        """The editor said where names of a document are declared; its chunks are made ready anew."""
        self._send(lambda: self._worker.declared(uri, tuple(places)))

    def chunks_for(self, uri: str) -> tuple[ContextChunk, ...]:
        """What is ready for a document, in the order of the prompt."""
        return self._shared.chunks(uri)

    def read_on(self, uri: str, budget_ms: float) -> bool:
        """Reads an open document's lines for `guesses`, while nobody waits; whether all of them are read."""
        return self._memory.catch_up(uri, budget_ms)

    def guesses(self, uri: str, text: str, offset: int) -> list[Guess]:
        """What the user's own code says may come next at an offset, the surest first. A few milliseconds."""
        if uri not in self._memory:
            return []
        return self._memory.guess(uri, text, offset, self._shared.readable_beside(uri))

    def why_not(self, uri: str) -> WhyNot:
        """Why a document is not to be completed at all; "" when it is."""
        return self._shared.why_not(uri)

    @property
    def status(self) -> ContextStatus:
        return self._shared.status

    @property
    def is_idle(self) -> bool:
        """Whether all that was said is done, and nothing more is to be read."""
        return self._idle.is_set()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Waits until there is nothing to do; False when that took longer. Not for the editor's thread."""
        return self._idle.wait(timeout_s)

    def _send(self, message: Callable[[], None]) -> None:
        with self._counting:
            self._n_sent += 1
            self._idle.clear()
        self._messages.put(message)

    def _noticed(self, path: str) -> None:
        self.files_changed((path,))

    # --- the background thread ------------------------------------------------------------------------------

    def _run(self, roots: tuple[str, ...]) -> None:
        self._worker.begin(roots)
        is_running, has_work = True, True
        while is_running:
            try:
                message = self._messages.get(
                    block=not has_work, timeout=None if has_work else self._worker.patience_s()
                )
            except queue.Empty:
                has_work = self._guarded(self._step)
                continue
            is_running = message is not None
            if message is not None:
                self._guarded(message)
                self._n_done += 1
            has_work = True
        self._disk.close()

    def _guarded(self, work: Callable[[], bool | None]) -> bool:
        """Does some work. A mistake in it costs context and is told in the log; suggestions go on."""
        try:
            return bool(work())
        except Exception:
            log.exception("context from other files: a step failed")
            self._worker.give_up()
            self._n_mistakes += 1
            return self._n_mistakes < _MAX_MISTAKES  # after these it only works when it is told something

    def _step(self) -> bool:
        if self._worker.step():
            return True
        if self._worker.is_done:
            with self._counting:
                if self._n_done == self._n_sent:
                    self._idle.set()
        return False
