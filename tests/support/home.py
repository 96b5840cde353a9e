"""A place of its own for the daemon under test: nothing of the person's own stardraft is seen or touched."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.waiting import wait_until

FOLDERS = {
    "STARDRAFT_CONFIG": "config.toml",
    "STARDRAFT_STATE_DIR": "state",
    "STARDRAFT_RUNTIME_DIR": "run",
    "STARDRAFT_MODELS_DIR": "models",
    "STARDRAFT_ENGINES_DIR": "engines",
    "STARDRAFT_CACHE_DIR": "cache",
}
# A stop has 20 s until it is forced, and on a busy computer it needs some of them.
LEAVING_S = 30.0
LOG_LINES_SHOWN = 60


def processes_of(home: dict[str, str]) -> list[psutil.Process]:
    """The running processes that were started in this home, found by their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            theirs = process.environ().get("STARDRAFT_RUNTIME_DIR")
            if theirs == home["STARDRAFT_RUNTIME_DIR"] and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def isolated_home() -> Iterator[dict[str, str]]:
    """The environment for programs under test. The daemon is stopped at the end; what stays is an error."""
    # A socket's path is short by law (104 bytes on macOS), which pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    home = {name: value for name, value in os.environ.items() if not name.startswith("STARDRAFT_")}
    home |= {variable: str(folder / name) for variable, name in FOLDERS.items()}
    # The built-in model's steps are so short that on a busy machine any spinning costs more than they do.
    home["GOMP_SPINCOUNT"] = "0"
    home["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), home.get("PATH", "")])
    try:
        yield home
    finally:
        left = stop_everything(home)
        show_log(folder / "state" / "logs" / "daemon.log")
        shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"these outlived the daemon's stop: {left}"


def write_config(home: dict[str, str], text: str) -> Path:
    """Writes the configuration file of a home, in one step, as editors do."""
    path = Path(home["STARDRAFT_CONFIG"])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def stop_everything(home: dict[str, str]) -> list[str]:
    """Asks the daemon to stop. What is still there after that is killed, and named in the answer."""
    if not processes_of(home):
        return []
    return stop_daemon([sys.executable, "-m", "stardraftd"], home, lambda: processes_of(home))


def stop_daemon(
    program: Sequence[str], environment: Mapping[str, str], processes: Callable[[], list[psutil.Process]]
) -> list[str]:
    """`daemon stop --now` of that program. What of `processes` is still there then is killed, and named."""
    with suppress(subprocess.TimeoutExpired):  # who is still there then is named below
        subprocess.run(
            [*program, "daemon", "stop", "--now"],
            env=environment,
            capture_output=True,
            timeout=LEAVING_S,
            check=False,
        )
    return kill_left(processes)


def kill_left(processes: Callable[[], list[psutil.Process]]) -> list[str]:
    """Waits for them to leave. Those that do not are killed, and named."""
    with suppress(AssertionError):
        wait_until(lambda: not processes(), LEAVING_S)
    left = []
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            left.append(f"{process.pid} {' '.join(process.cmdline())}")
            process.kill()
    return left


def show_log(log: Path) -> None:
    """The end of the daemon's log, which pytest shows under a test that failed."""
    if not log.is_file():
        return  # or a device: the tests of a full disk put one in its place
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(*lines[-LOG_LINES_SHOWN:], sep="\n")
