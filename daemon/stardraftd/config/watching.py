"""Notices changes of the configuration file while the daemon runs.

What is watched are folders, not the file: most editors write a new file and rename it over the old one,
and a watch of the old one would wait forever. Three folders matter: the file's own (or, before it is
created, the nearest one above that exists), the folder above that, which tells when it is moved or removed,
and the folder of the real file where the configuration is a symbolic link into a collection of dotfiles.

A bad edit is reported and changes nothing: the configuration in force stays in force.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stardraftd.config.loading import Config
from stardraftd.errors import ConfigError
from stardraftd.paths import tilde

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

# "opened" and "closed_no_write" are left out: reading the file would wake the watcher that read it.
_CHANGES = frozenset({"created", "modified", "moved", "deleted", "closed", "attrib"})


class ConfigWatcher:
    """Calls `on_change` with each new configuration, or with the ConfigError of a wrong one.

    `load` and `on_change` run in the watcher's own thread: an asyncio program hops to its loop with
    `loop.call_soon_threadsafe`. Calls never overlap. There is none for an edit without effect, and none for
    the same error twice; after an error there is always one when the file is right again.

    `current` is the configuration in force; without it, it is loaded at the start. `start` and `stop` may be
    called from any thread, `stop` also from `on_change` and more than once; a stopped watcher stays so.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[], Config],
        on_change: Callable[[Config | ConfigError], None],
        *,
        current: Config | None = None,
        debounce_s: float = 0.1,
    ) -> None:
        self._path = path.absolute()
        self._load = load
        self._on_change = on_change
        self._debounce_s = debounce_s
        self._last: Config | ConfigError | None = current
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._observer: BaseObserver | None = None
        self._watched: frozenset[_Watch] = frozenset()
        self._folders_moved = True
        self._thread = threading.Thread(target=self._run, name="config-watcher", daemon=True)

    def start(self) -> None:
        """Begins to watch. Raises ConfigError where the system refuses, as when its watches are used up."""
        # Here, because most programs that read the configuration never watch it.
        from watchdog.observers import Observer

        try:
            self._observer = Observer()
            self._observer.start()
            self._watch_folders()
        except OSError as error:
            self._stop_observer()
            raise self._cannot_watch(error) from error
        if self._last is None:
            self._last = self._read()
        # What changed between the reading of `current` and the first watch is found by looking once more.
        self._changed.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends the watching. When this returns no callback is running, except the one that called it."""
        self._stopped.set()
        self._changed.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while self._wait_for_quiet():
            try:
                self._watch_folders()  # before reading: what changes after it is noticed again
                found = self._read()
            except OSError as error:
                found = self._cannot_watch(error)
            if self._is_news(found):
                self._last = found
                try:
                    self._on_change(found)
                except Exception:
                    log.exception("applying a change of the configuration failed")
        self._stop_observer()

    def _wait_for_quiet(self) -> bool:
        """Waits for a change, and then until the writing is over, at most a second. False: stopped."""
        self._changed.wait()
        deadline = time.monotonic() + max(1.0, self._debounce_s)
        while not self._stopped.is_set():
            self._changed.clear()
            if not self._changed.wait(self._debounce_s) or time.monotonic() > deadline:
                break
        return not self._stopped.is_set()

    def _read(self) -> Config | ConfigError:
        try:
            return self._load()
        except ConfigError as error:
            return error

    def _is_news(self, found: Config | ConfigError) -> bool:
        last = self._last
        if isinstance(found, Config) and isinstance(last, Config):
            return not found.same_settings(last)
        if isinstance(found, ConfigError) and isinstance(last, ConfigError):
            return found.message != last.message
        return True

    def _watch_folders(self) -> None:
        """Watches the folders that matter now. Raises OSError."""
        wanted = frozenset(_watches(self._path))
        observer = self._observer
        if observer is None or (wanted == self._watched and not self._folders_moved):
            return
        self._folders_moved = False
        # All of them anew: the watch of a folder that was removed and made again is dead, and does not tell.
        observer.unschedule_all()
        self._watched = wanted
        handler = self._handler()
        for folder in {watch.folder for watch in wanted}:
            try:
                observer.schedule(handler, str(folder))
            except OSError:
                # The folder above may be closed to us, as /home sometimes is: the file's own is enough.
                if any(watch.folder == folder and watch.is_needed for watch in wanted):
                    raise

    def _handler(self) -> "FileSystemEventHandler":
        from watchdog.events import FileSystemEventHandler

        watcher = self

        class Handler(FileSystemEventHandler):
            def dispatch(self, event: "FileSystemEvent") -> None:
                watcher._notice(event)

        return Handler()

    def _notice(self, event: "FileSystemEvent") -> None:
        """Called in the observer's thread. Names are compared, not paths: macOS reports resolved ones."""
        if event.event_type not in _CHANGES:
            return
        names = {Path(os.fsdecode(path)).name for path in (event.src_path, event.dest_path) if path}
        matter = [watch for watch in self._watched if watch.name in names]
        if any(watch.is_folder for watch in matter):
            self._folders_moved = True
        if matter and not (event.event_type == "modified" and event.is_directory):
            self._changed.set()

    def _stop_observer(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            observer.stop()
            observer.join()

    def _cannot_watch(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"Changes of {tilde(self._path)} are not noticed: {error.strerror or error}.",
            "Restart the daemon after a change: stardraft daemon restart",
        )


class _Watch(NamedTuple):
    """A folder to watch, and the name in it that matters.

    is_folder: what has the name is a folder on the way to the file, not the file.
    is_needed: without this watch changes go unnoticed.
    """

    folder: Path
    name: str
    is_folder: bool
    is_needed: bool


def _watches(path: Path) -> Iterator[_Watch]:
    files = {path}
    with suppress(OSError, RuntimeError):  # a link that leads back to itself: reading it says so
        files.add(path.resolve())
    for file in files:
        folder = next(parent for parent in file.parents if parent.is_dir() or parent == parent.parent)
        yield _Watch(folder, file.relative_to(folder).parts[0], folder != file.parent, is_needed=True)
        if folder != folder.parent:
            yield _Watch(folder.parent, folder.name, is_folder=True, is_needed=False)
