"""A place of its own for the daemon under test: nothing of the user's own stardraft is seen or touched."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from stardraftd.protocol.http import PROTOCOL
from tests.support.processes import run_to_end
from tests.support.proved import give_verdict
from tests.support.waiting import seconds, wait_until
from tests.support.witness import witness

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


def processes_of(home: Mapping[str, str]) -> list[psutil.Process]:
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
    # What the model says is what most tests are about; those of echo switch it on.
    home["STARDRAFT_EDITOR_ECHO"] = "off"
    # The built-in model's steps are so short that on a busy machine any spinning costs more than they do.
    home["GOMP_SPINCOUNT"] = "0"
    give_verdict(folder / "state")
    home["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), home.get("PATH", "")])
    try:
        with witness("the home", lambda: seen_in(home)):
            yield home
    finally:
        left = stop_everything(home)
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
    if asked_to_stop(Path(home["STARDRAFT_RUNTIME_DIR"]) / f"stardraft-{PROTOCOL}.sock"):
        return kill_left(lambda: processes_of(home))
    return stop_daemon([sys.executable, "-m", "stardraftd"], home, lambda: processes_of(home))


def asked_to_stop(socket: Path) -> bool:
    """Whether a daemon at that Unix socket has heard `stop --now`: without the process that a command is."""
    if not socket.is_socket():
        return False
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), timeout=seconds(10)) as http:
            return http.post("http://stardraft/v1/stop", json={"drain": False}).is_success
    except httpx.HTTPError:
        return False


def stop_daemon(
    program: Sequence[str], environment: Mapping[str, str], processes: Callable[[], list[psutil.Process]]
) -> list[str]:
    """`daemon stop --now` of that program. What of `processes` is still there then is killed, and named."""
    with suppress(AssertionError):  # who is still there then is named below
        run_to_end([*program, "daemon", "stop", "--now"], env=environment, idle_s=LEAVING_S)
    return kill_left(processes)


def kill_left(processes: Callable[[], list[psutil.Process]]) -> list[str]:
    """Waits for them to leave. Those that do not are killed, and named."""
    leaving = processes()  # looked for once: that reads the environment of every process there is
    with suppress(AssertionError):
        wait_until(lambda: not [it for it in leaving if is_alive(it)], LEAVING_S)
    left = []
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            left.append(f"{process.pid} {' '.join(process.cmdline())}")
            process.kill()
    return left


def command_of(process: psutil.Process) -> list[str]:
    """The words that it was started with; none when it has ended meanwhile."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def seen_in(home: Mapping[str, str]) -> str:
    """What a failed test of a home has to know: which processes run in it, and how the daemon's log ends."""
    said = []
    for process in processes_of(home):
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())[:200]
            said.append(f"{process.pid} {process.status()} {sum(process.cpu_times()[:2]):.1f} s: {words}")
    return "\n".join([*said, end_of_log(Path(home["STARDRAFT_STATE_DIR"]) / "logs" / "daemon.log")])


def end_of_log(log: Path) -> str:
    """The last lines of a daemon's log."""
    if log.is_file():  # or a device: the tests of a full disk put one in its place
        with suppress(OSError):
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-LOG_LINES_SHOWN:])
    return "no log"
