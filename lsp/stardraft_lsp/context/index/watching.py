"""Noticing what changes on disk, by watchdog; what it cannot watch is found by the next scan.

The system's recursive watch walks a whole tree, so it is not let near what is left out: each folder directly
below a workspace's is watched for itself, if it may be read at all, and a workspace with too many folders or
with one that hangs is not watched. Events are only passed on; what they mean is decided in gathering.py.
"""

# ruff: noqa: PTH119 - paths are strings here: there are many, and a Path costs microseconds

import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from stardraft_lsp.context.access.ignore import IGNORE_FILES
from stardraft_lsp.context.access.kinds import family_of

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed"})
# Each is a thread or two; a workspace with more folders at its top is seen by scans only.
MAX_WATCHES = 24


class Watching:
    """Calls `on_change` with the paths of files and folders that changed, in a thread of its own.

    `watch` may be called again when folders have come. It does its work in another thread: even asking the
    system to watch a folder can hang. `stop` may be called from any thread.
    """

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._observer: BaseObserver | None = None
        self._watched: set[str] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def watch(self, roots: Iterable[str], below: Iterable[str]) -> bool:
        """Watches `roots` themselves and all under the folders `below`; False when that is too many."""
        wanted = [(root, False) for root in roots] + [(folder, True) for folder in below]
        new = [(folder, deep) for folder, deep in wanted if folder not in self._watched]
        if len(self._watched) + len(new) > MAX_WATCHES:
            return False
        self._watched.update(folder for folder, _ in new)
        if new:
            threading.Thread(target=self._schedule, args=(new,), name="context-watch", daemon=True).start()
        return True

    def stop(self) -> None:
        """No event is passed on after this."""
        self._stopped = True
        threading.Thread(target=self._stop, name="context-watch-stop", daemon=True).start()

    def _stop(self) -> None:
        with self._lock:
            if self._observer is not None:
                self._observer.stop()
                self._observer = None

    def _schedule(self, folders: list[tuple[str, bool]]) -> None:
        from watchdog.events import FileSystemEventHandler
        from watchdog.observers import Observer

        seen = self._seen

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: "FileSystemEvent") -> None:
                seen(event)

        with self._lock:
            if self._stopped:
                return
            try:
                if self._observer is None:
                    self._observer = Observer()
                    self._observer.start()
                for folder, deep in folders:
                    self._observer.schedule(Handler(), folder, recursive=deep)
            except OSError as error:  # watches used up, or the folder is gone: scans find changes, later
                log.info("not all folders are watched: %s", error)

    def _seen(self, event: "FileSystemEvent") -> None:
        if self._stopped or event.event_type not in _CHANGES:
            return
        if event.is_directory and event.event_type == "modified":
            return  # what changed in it has its own event
        for raw in (event.src_path, event.dest_path):
            path = os.fsdecode(raw) if raw else ""
            if path and (event.is_directory or family_of(path) or os.path.basename(path) in IGNORE_FILES):
                self._on_change(path)
