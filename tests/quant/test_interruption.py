"""However a command is ended, nothing of it stays: no daemon, engine, server, measuring process or folder."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraft_quant.bench.typing.traces import encode_trace
from stardraft_quant.bench.typing.typist import make_trace
from tests.support.home import isolated_home
from tests.support.llama_server import write_program
from tests.support.tiny_models import write_tiny_model
from tests.support.waiting import seconds, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and terminals are POSIX's")

HISTORY = Path(__file__).parents[1] / "data/evaluate/history.bundle"
MARK = "INTERRUPTED_BY_A_TEST"  # in the environment of all that a command starts


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf", dtype="F16", context=2048)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where the command makes its temporary folders; a socket's path in them must be short."""
    folder = Path(tempfile.mkdtemp(prefix="sd-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def environment(temporary: Path) -> Iterator[dict[str, str]]:
    with isolated_home() as home:
        yield {**home, MARK: str(temporary), "TMPDIR": str(temporary)}


def started(folder: Path) -> list[str]:
    """The command lines of what runs with the mark of this folder, the command itself included."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def is_loaded(pid: int, library: str) -> bool:
    with suppress(psutil.Error, AttributeError):  # macOS does not tell
        return any(library in one.path for one in psutil.Process(pid).memory_maps())
    return False


def by_signal(number: signal.Signals) -> Callable[[dict[str, str], list[str]], tuple[int, Callable[[], int]]]:
    """Runs a command in a group of its own, all of which gets the signal, as from a shell or `timeout`."""

    def run(environment: dict[str, str], command: list[str]) -> tuple[int, Callable[[], int]]:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

        def end() -> int:
            os.killpg(process.pid, number)
            return process.wait(60)

        return process.pid, end

    return run


def by_closed_terminal(environment: dict[str, str], command: list[str]) -> tuple[int, Callable[[], int]]:
    """Runs a command at a terminal of its own, which is closed."""
    terminal, name = os.openpty()
    at_terminal = ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(name), *command]
    process = subprocess.Popen(at_terminal, env=environment, start_new_session=True)
    os.close(name)

    def end() -> int:
        os.close(terminal)
        return process.wait(60)

    return process.pid, end


WAYS = {
    "Ctrl-C": by_signal(signal.SIGINT),
    "timeout, kill": by_signal(signal.SIGTERM),
    "SIGHUP": by_signal(signal.SIGHUP),
    "closed terminal": by_closed_terminal,
}
STARDRAFT = [sys.executable, "-P", "-m", "stardraftd"]


@pytest.mark.parametrize("way", WAYS)
def test_of_a_typing_benchmark_nothing_stays(
    way: str, environment: dict[str, str], temporary: Path, model: Path, tmp_path: Path
) -> None:
    trace, notes = tmp_path / "short.json", tmp_path / "notes"
    trace.write_bytes(encode_trace(make_trace("a = 1\n", "a = 1\nb = 2\n", "short", 0)))
    peer = f"llama-server={write_program(tmp_path)}"
    environment |= {"LLAMA_SERVER_NOTES": str(notes), "LLAMA_SERVER_HANGS": "1"}
    command = ["bench", "typing", "--model", str(model), "--trace", str(trace), "--peer", peer]
    _pid, end = WAYS[way](environment, [*STARDRAFT, *command])
    wait_until(notes.exists, what="both sides are under way")
    running = " ".join(started(temporary))
    for name in ("stardraftd.serving.process", "stardraftd.engine", "stardraft_lsp", "llama-server"):
        assert name in running
    assert end() != 0
    assert started(temporary) == []
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "child"),
    [
        (["bench", "speed", "--model", "{model}", "--runs", "1000"], "stardraft_quant.bench.measuring"),
        (
            ["quant", "imatrix", "{model}", "{out}", "--text", "{text}"],
            "stardraft_quant.imatrix.process",
        ),
        (["eval", "holes", "{sources}", "--model", "{model}", "--items", "100000"], "libllama"),
        (["eval", "history", "{history}", "--source", "echo", "--items", "0"], "stardraft_lsp"),
    ],
    ids=["bench speed", "quant imatrix", "eval holes", "eval history"],
)
def test_of_other_commands_nothing_stays(
    command: list[str], child: str, environment: dict[str, str], temporary: Path, model: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("def total(items):\n    return sum(items)\n" * 20_000)
    history = tmp_path / "history"
    if "{history}" in command:
        subprocess.run(["git", "clone", "--quiet", HISTORY, history], check=True)
    sources = Path(__file__).parents[2] / "quant"
    named = {"model": model, "text": text, "out": tmp_path / "out.gguf", "sources": sources}
    filled = [part.format(**named, history=history) for part in command]
    pid, end = by_signal(signal.SIGTERM)(environment, [*STARDRAFT, *filled])
    wait_until(
        lambda: any(child in line for line in started(temporary)) or is_loaded(pid, child),
        what=f"{child} is at work",
    )
    assert end() != 0
    assert started(temporary) == []
    assert list(temporary.iterdir()) == []
    assert not list(tmp_path.glob("out*"))


INTERRUPTED_WHILE_IT_STARTS = """
import os, signal, sys, time
from stardraft_quant.interruption import begin, ended_like_ctrl_c
with ended_like_ctrl_c():
    begin(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        preexec_fn=lambda: (os.kill(os.getppid(), signal.SIGTERM), time.sleep(0.2)),
    )
    print("went on")
"""


def test_a_process_that_is_being_started_is_ended_too(environment: dict[str, str], temporary: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IT_STARTS]
    done = subprocess.run(
        command, check=False, env=environment, capture_output=True, encoding="utf-8", timeout=seconds(60)
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "KeyboardInterrupt" in done.stderr
    assert started(temporary) == []
