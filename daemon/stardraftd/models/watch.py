"""Notices models that appear in the folder of models, change there, or go.

A file that is being copied in changes many times a second and is no whole model yet; it is looked at when it
has been quiet for a moment, and again after every later change.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stardraftd.errors import StardraftError
from stardraftd.models.store import Entry, Store

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

log = logging.getLogger(__name__)

_SUFFIXES = (".gguf", ".json")
_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})


class ModelsWatcher:
    """Calls `on_change` with what is in the store: once at the start, and after each change.

    `on_change` runs in the watcher's own thread. `start` never raises: a folder that cannot be watched is
    logged, and the models are then those of the start.
    """

    def __init__(
        self, store: Store, on_change: Callable[[list[Entry]], None], *, quiet_s: float = 0.5
    ) -> None:
        self._store = store
        self._on_change = on_change
        self._quiet_s = quiet_s
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="models-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the watching; when this returns no callback is running."""
        self._stopped.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        watcher = self

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: "FileSystemEvent") -> None:
                paths = (str(event.src_path), str(event.dest_path))
                if event.event_type in _CHANGES and any(path.endswith(_SUFFIXES) for path in paths):
                    watcher._changed.set()

        observer = Observer()
        try:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            observer.schedule(Handler(), str(self._store.folder))
            observer.start()
        except OSError as error:
            log.warning("the folder of models cannot be watched: %s", error)
        self._look()
        while not self._stopped.is_set():
            self._changed.wait()
            while not self._stopped.is_set():
                self._changed.clear()
                if not self._changed.wait(self._quiet_s):
                    self._look()
                    break
        if observer.is_alive():
            observer.stop()
            observer.join()

    def _look(self) -> None:
        try:
            self._on_change(self._store.entries())
        except StardraftError as error:
            log.warning("the models cannot be listed: %s", error)
        except Exception:
            log.exception("applying a change of the models failed")
