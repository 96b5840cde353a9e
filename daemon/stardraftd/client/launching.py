"""Starting the daemon when there is none: one process wins, however many front ends want one at once.

Front ends queue at a lock of their own, so fifty editors opened together start one process, not fifty of
which forty-nine give up. The daemon is executed afresh, never forked, and reports in one line on a pipe
whether it listens; what it wrote to its standard error is shown when it does not get that far.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import filelock
import msgspec

from stardraftd.errors import DaemonStartError
from stardraftd.paths import lock_path, log_path, runtime_dir
from stardraftd.protocol.http import StartReport
from stardraftd.transport import activation
from stardraftd.transport.endpoint import accepts, find, is_served

START_TIMEOUT_S = 20.0
# Longer than a start may take: whoever waits here then finds the daemon that the first one started.
QUEUE_TIMEOUT_S = 30.0

PATH_VARIABLES = {
    "STARDRAFT_CONFIG",
    "STARDRAFT_STATE_DIR",
    "STARDRAFT_RUNTIME_DIR",
    "STARDRAFT_MODELS_DIR",
    "STARDRAFT_ENGINES_DIR",
    "STARDRAFT_ENGINE_BUILD",
    "STARDRAFT_MODEL_PATH",
}


def ensure_daemon(overrides: Sequence[str] = ()) -> None:
    """Returns when a daemon listens; starts one with `overrides` if need be. Blocks: call it in a thread.

    Raises what the daemon reports (ConfigError, PathError, ...), PathError when the runtime folder cannot be
    used, DaemonStartError when the daemon ends or stays silent.
    """
    path = lock_path().with_suffix(".start")
    try:
        with filelock.FileLock(path, timeout=QUEUE_TIMEOUT_S):
            endpoint = find()
            if endpoint is None or not accepts(endpoint) or (endpoint.port and not is_served()):
                start_daemon(overrides)
    except filelock.Timeout:
        raise DaemonStartError(
            f"Another front end has been starting the daemon for over {QUEUE_TIMEOUT_S:.0f} s.",
            "Try again; if it stays so, `stardraft daemon logs` may tell why.",
        ) from None
    except OSError as error:
        raise DaemonStartError(
            f"The runtime folder {runtime_dir()} cannot be written to: {error.strerror or error}.",
            "Set STARDRAFT_RUNTIME_DIR to a folder of your own that can be written to.",
        ) from error


def start_daemon(overrides: Sequence[str] = ()) -> StartReport:
    """Starts a daemon with `overrides` ("section.key=value") and waits until it listens.

    Losing the race against another one is success. Raises the error that the daemon reports, or
    DaemonStartError when it ends or stays silent.
    """
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stardraftd.serving.process", *overrides],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=Path(sys.executable).anchor,
            env=_environment(),
            start_new_session=os.name == "posix",
            creationflags=_creation_flags(),
        )
        assert process.stdout is not None
        line = _read_line(process.stdout, START_TIMEOUT_S)
        if not line:
            raise _silent(process, stderr)
    # The daemon may outlive this process, or end before it: then it must not stay behind as a zombie.
    threading.Thread(target=process.wait, daemon=True, name="daemon-reaper").start()
    try:
        report = msgspec.json.decode(line, type=StartReport)
    except msgspec.DecodeError as error:
        raise DaemonStartError(f"The daemon answered its starter with {line[:200]!r}.") from error
    if report.error is not None:
        raise report.error.exception()
    return report


def _read_line(pipe: IO[bytes], timeout_s: float) -> bytes:
    """One line from a pipe, b"" at its end or when the time is over."""
    lines: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            lines.append(pipe.readline())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(timeout_s)
    if not reader.is_alive():
        pipe.close()
    return lines[0] if lines else b""


def _silent(process: "subprocess.Popen[bytes]", stderr: IO[bytes]) -> DaemonStartError:
    status = process.poll()
    if status is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(timeout=0.5)
    stderr.seek(0)
    words = stderr.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
    said = f' It last said: "{words[-1].strip()}".' if words else ""
    what = (
        f"did not report within {START_TIMEOUT_S:.0f} s"
        if status is None
        else f"ended with status {status} before it listened"
    )
    return DaemonStartError(
        f"The daemon {what}.{said}",
        f"`stardraft daemon run` runs it in the foreground and shows all of it; its log is {log_path()}.",
    )


def _environment() -> dict[str, str]:
    """This process's environment; the daemon has no working directory, so paths in it are made absolute."""
    # What a service manager told this front end is not the daemon's.
    environment = {name: value for name, value in os.environ.items() if name not in activation.VARIABLES}
    for name in PATH_VARIABLES & environment.keys():
        if environment[name]:
            environment[name] = str(Path(environment[name]).expanduser().absolute())
    return environment


def _creation_flags() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return 0
