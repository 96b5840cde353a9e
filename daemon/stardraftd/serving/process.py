"""The daemon process's life: take the lock, listen, tell the starter, serve, leave nothing behind.

`python -m stardraftd.serving.process` is what a front end starts; `stardraft daemon run` is the same in the
foreground, and what a service manager starts. Exactly one daemon holds the lock beside the socket. Whoever
loses that race says so to its starter and ends: for the starter that is success.

With a service manager's socket (activation.py) the race is won already: front ends come here, and a daemon
that still holds the lock has lost its place, sees it, and leaves. That is waited for.
"""

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence

import filelock
import msgspec
import uvicorn
from starlette.types import ASGIApp

from stardraftd import __version__
from stardraftd.api.app import build_app, refusing_app
from stardraftd.api.connections import limited_protocol, raise_descriptor_limit
from stardraftd.config import Config, load_config
from stardraftd.config.watching import ConfigWatcher
from stardraftd.errors import ConfigError, DaemonFailedError, DaemonStartError, PathError, StardraftError
from stardraftd.limits import DRAIN_S
from stardraftd.logs import handler as logs
from stardraftd.models.store import Entry, Store
from stardraftd.models.watch import ModelsWatcher
from stardraftd.paths import config_path, lock_path, log_path
from stardraftd.protocol.http import ErrorBody, StartReport
from stardraftd.serving.service import Service, log_outdated
from stardraftd.signals import begin_with_plain_signals
from stardraftd.transport.activation import Notifier, inherited_socket
from stardraftd.transport.endpoint import Listener, file_identity, has_a_manager, listen, take_over
from stardraftd.transport.presence import own_record, recorded, remove_record, write_record

log = logging.getLogger("stardraftd.serving.process")  # also when this module is run as __main__

EXIT_OK = 0
EXIT_CANNOT_START = 1
HOUSEKEEPING_S = 2.0
CLOSING_S = 2.0
# A front end that asks whether a daemon holds the lock (endpoint.is_served) has it for an instant.
RACE_S = 0.5
# Longer than a daemon needs to see that its socket was replaced.
SUCCESSION_S = 20.0
REFUSING_S = 3.0


def run(overrides: Sequence[str] = (), *, foreground: bool = True) -> int:
    """Serves until stopped. Returns the exit status; raises StardraftError in the foreground only."""
    faulthandler.enable()
    # Whoever runs it in the foreground may have meant it: `nohup stardraft daemon run`, or a shell's `&`.
    begin_with_plain_signals(keep=("SIGHUP", "SIGINT") if foreground else ())
    notifier = Notifier(os.environ)
    try:
        handed = inherited_socket()
        with contextlib.ExitStack() as held:
            taken = None if handed is None else take_over(held.enter_context(handed))
            try:
                return _serve(overrides, taken, notifier, foreground)
            except StardraftError as error:
                if taken is not None and not isinstance(error, DaemonFailedError):
                    asyncio.run(_refuse(taken, error))
                raise
    except StardraftError as error:
        if foreground:
            raise
        _report(StartReport("failed", os.getpid(), error=ErrorBody.of(error)))
        return EXIT_CANNOT_START


def _serve(overrides: Sequence[str], taken: Listener | None, notifier: Notifier, foreground: bool) -> int:
    """`run`, at the service manager's socket if it was `taken` over. Raises StardraftError."""
    config = load_config(overrides=overrides)
    with contextlib.ExitStack() as held:
        lock = _lock(SUCCESSION_S if taken else RACE_S)
        try:
            held.enter_context(lock)
        except filelock.Timeout:
            return _already_running(foreground, waited=taken is not None)
        except OSError as error:
            raise PathError(
                f"The daemon's lock {lock.lock_file} cannot be made: {error.strerror or error}.",
                "Set STARDRAFT_RUNTIME_DIR to a folder of your own that can be written to.",
            ) from error
        if taken is None and has_a_manager():
            return _left_to_the_manager(foreground)
        listener = taken or listen(config.daemon.transport)
        held.callback(listener.withdraw)
        held.callback(remove_record)
        _keep_record()  # before anything that may hang: what hangs can be named then, and ended
        # What is written to the standard error stream a service manager keeps, without our limits and
        # where others may read it: the log stays in its one place.
        on_terminal = foreground and taken is None
        handler = logs.configure(config.daemon.log_level, log_path(), stderr=on_terminal)
        held.callback(logs.close)
        process = _Process(
            config, overrides, listener, lock, handler, notifier=notifier, foreground=foreground
        )
        asyncio.run(process.serve())
        if process.problem:
            raise DaemonFailedError(process.problem, "stardraft daemon logs tells where it went wrong.")
    return EXIT_OK


async def _refuse(listener: Listener, error: StardraftError) -> None:
    """Answers whoever a service manager has waiting with the reason why there is no daemon.

    Long enough that the manager, which starts the next one as soon as somebody knocks again, does not give
    the service up (systemd does after five starts in ten seconds).
    """
    http = _Http(_http_settings(refusing_app(error)))
    serving = asyncio.create_task(http.serve(sockets=[listener.socket]))
    await asyncio.sleep(REFUSING_S)
    http.should_exit = True
    await serving


def _http_settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=limited_protocol(raise_descriptor_limit()),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        backlog=512,
        timeout_keep_alive=600,
        timeout_graceful_shutdown=int(CLOSING_S),
        server_header=False,
        date_header=False,
    )


def _lock(timeout_s: float) -> filelock.BaseFileLock:
    return filelock.FileLock(lock_path(), timeout=timeout_s, thread_local=False)


class _Process:
    """One serving daemon.

    Invariant: the lock is held for as long as front ends are served here; the place is given up first.

    problem: why it left, if that was not because it was told to: something that must live had ended.
    """

    def __init__(
        self,
        config: Config,
        overrides: Sequence[str],
        listener: Listener,
        lock: filelock.BaseFileLock,
        handler: logs.LogHandler,
        *,
        notifier: Notifier,
        foreground: bool,
    ) -> None:
        self._overrides = tuple(overrides)
        self._listener = listener
        self._lock = lock
        self._notifier = notifier
        self._foreground = foreground
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()  # running completions are not waited for any longer
        self._lock_identity = file_identity(lock_path())
        self.problem = ""
        self._service = Service(
            config=config,
            endpoint=str(listener.endpoint),
            on_stop=self._begin_stop,
            log_handler=handler,
        )
        self._http = _Http(_http_settings(build_app(self._service, listener.endpoint)))

    async def serve(self) -> None:
        service = self._service
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            _on_signal(loop, name, lambda: service.stop(drain=False))

        def on_change(news: Config | ConfigError) -> None:  # in the watcher's thread
            with contextlib.suppress(RuntimeError):  # the loop is closed: too late to matter
                loop.call_soon_threadsafe(service.reconfigure, news)

        watcher = ConfigWatcher(
            config_path(),
            lambda: load_config(overrides=self._overrides),
            on_change,
            current=service.config,
        )

        def on_models(entries: list[Entry]) -> None:  # in the other watcher's thread
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(service.models_changed, entries)

        models_watcher = ModelsWatcher(Store(), on_models)
        try:
            watcher.start()
        except ConfigError as error:
            service.reconfigure(error)
        models_watcher.start()
        log_outdated(service.config)
        log.info("listening", extra={"endpoint": str(self._listener.endpoint), "pid": os.getpid()})
        serving = asyncio.create_task(self._http.serve(sockets=[self._listener.socket]), name="HTTP server")
        # Each of them must live: without one of them the daemon would be there, and deaf.
        vital = [
            serving,
            asyncio.create_task(service.scheduler.run(), name="scheduler"),
            asyncio.create_task(service.prefetcher.run(), name="prefetcher"),
            asyncio.create_task(service.watch_idleness(HOUSEKEEPING_S), name="watch of idleness"),
            asyncio.create_task(self._watch_place(), name="watch of the socket"),
        ]
        for task in vital:
            task.add_done_callback(self._vital_ended)
        self._tell_starter()
        try:
            await self._stopping.wait()
            await self._drained()
        finally:
            watcher.stop()
            models_watcher.stop()
            await service.close()
            self._http.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            for task in vital:
                task.cancel()
            await asyncio.gather(*vital, return_exceptions=True)
            log.info("ended", extra={"pid": os.getpid()})

    async def _drained(self) -> None:
        """Running completions were finished, if they were to be and took no longer than they may."""
        service = self._service
        waiting = [
            asyncio.create_task(service.scheduler.drained()),
            asyncio.create_task(self._hurry.wait()),
        ]
        await asyncio.wait(waiting, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _vital_ended(self, task: "asyncio.Task[None]") -> None:
        """A task that must live has ended: the daemon ends too, and the next request starts one that
        works."""
        if self._stopping.is_set():
            return
        error = None if task.cancelled() else task.exception()
        why = f"{type(error).__name__}: {error}" if error else "it returned"
        self.problem = f"The daemon's {task.get_name()} ended ({why}), so the daemon ends."
        log.critical(self.problem, exc_info=error)
        self._service.stop(drain=False)

    def _begin_stop(self, drain: bool) -> None:
        """From here on a new daemon may take the place: the file first, then the lock."""
        if not drain:
            self._hurry.set()
        if self._stopping.is_set():
            return
        self._notifier.stopping()
        self._listener.withdraw()
        if self._listener.is_managed:
            # Whoever connects from now on waits in the manager's queue, for the next daemon.
            self._http.stop_accepting()
        remove_record()
        self._lock.release(force=True)
        self._stopping.set()

    async def _watch_place(self) -> None:
        """Leaves when front ends no longer find this daemon: its socket's file was removed or replaced.

        The other two files only say that it is there. Whoever deleted them gets them back.
        """
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            if self._stopping.is_set():
                return
            if not self._listener.in_place:
                log.warning("the socket's file is gone or is another's; leaving")
                self._service.stop(drain=True)
                return
            if not self._keep_lock():
                log.warning("another daemon holds the lock; leaving")
                self._service.stop(drain=True)
                return
            _keep_record()

    def _keep_lock(self) -> bool:
        """Locks the lock's file again if somebody deleted or replaced it. False when another daemon was
        faster."""
        if file_identity(lock_path(create=False)) == self._lock_identity:
            return True
        log.warning("the lock's file is gone; making it again")
        self._lock.release(force=True)
        try:
            self._lock.acquire(timeout=RACE_S)
        except (filelock.Timeout, OSError):
            return False
        self._lock_identity = file_identity(lock_path(create=False))
        return True

    def _tell_starter(self) -> None:
        self._notifier.ready("serving; what it does says: stardraft daemon logs")
        if self._foreground:
            return
        _report(StartReport("listening", os.getpid(), str(self._listener.endpoint)))


class _Http(uvicorn.Server):
    """uvicorn without its signal handlers: this process's life is not the HTTP server's to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop_accepting(self) -> None:
        """Closes this process's end of the listening socket; connections that are open go on."""
        for server in getattr(self, "servers", ()):
            server.close()


def _keep_record() -> None:
    """This daemon is on record. That it cannot be written costs a name in a sentence, and nothing else."""
    found = recorded()
    if found is None or found.pid != os.getpid():
        try:
            write_record(own_record(__version__, sys.prefix))
        except OSError as error:
            log.warning("the daemon's record cannot be written", extra={"reason": str(error)})


def _on_signal(loop: asyncio.AbstractEventLoop, name: str, action: Callable[[], None]) -> None:
    number = getattr(signal, name, None)  # there is no SIGHUP on Windows
    if number is None or signal.getsignal(number) is signal.SIG_IGN:
        return
    try:
        loop.add_signal_handler(number, action)
    except NotImplementedError:  # Windows
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(action))


def _already_running(foreground: bool, *, waited: bool) -> int:
    if waited:
        raise DaemonStartError(
            "The service manager has the daemon's place, but another daemon holds the lock "
            f"{lock_path()} and has not left within {SUCCESSION_S:.0f} s.",
            f"To end it by force: fuser -k {lock_path()}",
        )
    if foreground:
        raise StardraftError(
            "Another stardraft daemon is running.",
            "`stardraft daemon stop` ends it; `stardraft status` shows it.",
        )
    _report(StartReport("already_running"))
    return EXIT_OK


def _left_to_the_manager(foreground: bool) -> int:
    """A service manager listens, and starts the daemon: for a front end that wants one, all is well."""
    if foreground:
        raise StardraftError(
            "A service listens for the daemon, and starts it when it is needed.",
            "`stardraft setup service --undo` ends that; then you can run the daemon here.",
        )
    _report(StartReport("already_running"))
    return EXIT_OK


def _report(report: StartReport) -> None:
    """Writes the line to the starter's pipe and closes it: nothing of the starter is held any longer."""
    with contextlib.suppress(OSError):
        os.write(1, msgspec.json.encode(report) + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], foreground=False))
