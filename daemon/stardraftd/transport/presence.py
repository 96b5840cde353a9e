"""Which process is the daemon, found out without its help: it may be stopped, or hang, or have lost its
lock's file.

The daemon writes a record of itself beside its socket. A record counts for as long as the process lives that
it names, by number and by when it began. It is a witness beside the lock: each of the two files may be
deleted by something that cleans up, and a daemon that is there must still be found, and named.
"""

import contextlib
import os
import shlex

import msgspec

from stardraftd.errors import DaemonHungError
from stardraftd.files import atomic
from stardraftd.paths import lock_path, record_path
from stardraftd.protocol.http import Record, record_decoder

MAX_RECORD_BYTES = 4096
# The operating system tells when a process began by the wall clock, which may have been set a little since.
SAME_START_S = 5.0


def write_record(record: Record) -> None:
    """Says who the daemon is. The caller holds the daemon's lock. Raises OSError."""
    path = record_path()
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.write_bytes(msgspec.json.encode(record))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def own_record(version: str, prefix: str) -> Record:
    """The record of this process."""
    import psutil

    return Record(os.getpid(), psutil.Process().create_time(), version, prefix)


def remove_record() -> None:
    """Takes this process's record away; another's stays."""
    found = _read()
    if found is not None and found.pid == os.getpid():
        record_path(create=False).unlink(missing_ok=True)


def recorded() -> Record | None:
    """The record of the daemon, if its process lives. Raises PathError."""
    import psutil

    found = _read()
    if found is None:
        return None
    with contextlib.suppress(psutil.Error, OSError, ValueError, OverflowError):
        process = psutil.Process(found.pid)
        began_then = abs(process.create_time() - found.started) <= SAME_START_S
        if began_then and process.status() != psutil.STATUS_ZOMBIE:
            return found
    return None


def is_stopped() -> bool:
    """Whether the daemon's process is there, and does not run: SIGSTOP, or Ctrl-Z in its terminal."""
    import psutil

    found = recorded()
    if found is None:
        return False
    with contextlib.suppress(psutil.Error):
        status = psutil.Process(found.pid).status()
        return status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    return False


def hung_error(waited_s: float) -> DaemonHungError:
    """What to tell of a daemon that holds its place and does not answer."""
    found = recorded()
    who = f"The daemon (pid {found.pid})" if found else "The daemon"
    # Without a record nothing here knows which process to end; what has the lock's file open is it.
    command = "stardraft daemon stop" if found else f"fuser -k {shlex.quote(str(lock_path(create=False)))}"
    force = f"To end it by force: {command}"
    if found and is_stopped():
        return DaemonHungError(
            f"{who} does not answer: its process is stopped (by Ctrl-Z in its terminal, or SIGSTOP).",
            f"To let it go on: kill -CONT {found.pid}\n{force}",
        )
    return DaemonHungError(f"{who} has not answered for {waited_s:.0f} s: it hangs.", force)


def _read() -> Record | None:
    try:
        return record_decoder.decode(atomic.read(record_path(create=False), MAX_RECORD_BYTES, own=True))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # none was written, or it is being replaced, or something else stands in its place
