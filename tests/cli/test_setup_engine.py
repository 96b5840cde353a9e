"""`stardraft setup engine`: what works is used, what does not leaves everything as it was.

The build itself takes no time: its tools are small programs, and the libraries that they "build" are those
that the tests' own engine has, or none that could be loaded.
"""

import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from stardraftd.files import lock
from tests.cli.program import COMMAND, stardraft
from tests.support.build_tools import asked, put_source, put_tools
from tests.support.home import is_alive
from tests.support.waiting import seconds, wait_until

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the tools are shell scripts"),
    pytest.mark.skipif(
        importlib.util.find_spec("llama_cpp") is None, reason='pip install "stardraft[engine]"'
    ),
]


@pytest.fixture
def computer(home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A home with tools for a build, and the tests' own engine as what comes of it."""
    spec = importlib.util.find_spec("llama_cpp")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    own = put_tools(tmp_path)
    put_source(Path(home["STARDRAFT_CACHE_DIR"]) / "engine", package)
    libraries = Path(own["FAKE_LIBRARIES"])
    for file in libraries.iterdir():
        file.unlink()
    for file in (package / "lib").iterdir():
        (libraries / file.name).symlink_to(file)
    return {**home, **own, "HOME": str(tmp_path)}


def used(computer: dict[str, str]) -> str:
    """Where the engine of this installation has its libraries."""
    code = "import stardraftd.engine, llama_cpp; print(llama_cpp.__file__)"
    command = [COMMAND[0], "-c", code]
    return subprocess.run(command, env=computer, capture_output=True, text=True, check=True).stdout.strip()


def test_a_build_that_works_is_used_and_can_be_taken_back(computer: dict[str, str]) -> None:
    before = used(computer)
    done = stardraft(computer, "setup", "engine", "--yes")
    assert done.returncode == 0, done.stderr
    assert "It works, and is used from now on" in done.stdout
    assert used(computer).startswith(computer["STARDRAFT_ENGINES_DIR"])
    undone = stardraft(computer, "setup", "engine", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert used(computer) == before
    assert not list(Path(computer["STARDRAFT_ENGINES_DIR"], "builds").iterdir())


def test_what_does_not_work_is_followed_by_the_next_step(computer: dict[str, str]) -> None:
    done = stardraft({**computer, "FAKE_BROKEN": "GGML_NATIVE=ON"}, "setup", "engine", "--yes")
    assert done.returncode == 0, done.stderr
    assert "It does not work here" in done.stderr
    assert "One step down" in done.stderr
    assert "(enabled)" in done.stdout
    assert len(list(Path(computer["STARDRAFT_ENGINES_DIR"], "builds").iterdir())) == 1, (
        "the broken one is gone"
    )


def test_where_nothing_works_the_engine_that_was_used_stays(computer: dict[str, str]) -> None:
    before = used(computer)
    done = stardraft({**computer, "FAKE_BROKEN": "GGML"}, "setup", "engine", "--yes")
    assert done.returncode == 1
    assert "No build of llama.cpp works on this computer" in done.stderr
    assert "native: " in done.stderr
    assert used(computer) == before
    assert not list(Path(computer["STARDRAFT_ENGINES_DIR"], "builds").iterdir())


def test_what_does_not_compile_is_followed_by_the_next_step_too(computer: dict[str, str]) -> None:
    done = stardraft({**computer, "FAKE_NINJA": "fail"}, "setup", "engine", "--yes")
    assert done.returncode == 1
    assert "It does not compile (ggml.c:1: error: it cannot be); one step down." in done.stderr
    assert "Everything it said is in" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda it: it.name)
def test_an_interruption_leaves_the_engine_that_was_used(
    computer: dict[str, str], number: signal.Signals
) -> None:
    before = used(computer)
    with subprocess.Popen(
        [*COMMAND, "setup", "engine", "--yes"],
        env={**computer, "FAKE_NINJA": "wait"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        work = Path(computer["STARDRAFT_CACHE_DIR"], "engine", "work")
        wait_until(lambda: bool(list(work.glob("build-*/ninja.pid"))))
        ninja = psutil.Process(int(next(work.glob("build-*/ninja.pid")).read_text()))
        process.send_signal(number)
        process.communicate(timeout=seconds(60))
    assert process.returncode == 130
    wait_until(lambda: not is_alive(ninja))
    assert used(computer) == before
    done = stardraft(computer, "setup", "engine", "--yes")
    assert done.returncode == 0, done.stderr


def test_it_is_shown_and_asked_about_first(computer: dict[str, str]) -> None:
    shown = stardraft(computer, "setup", "engine", "--print")
    assert shown.returncode == 0
    assert "1. For this processor" in shown.stdout
    assert "2. if that does not work here" in shown.stdout
    refused = stardraft(computer, "setup", "engine")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert not asked(computer, "ninja")


def test_a_toolkit_that_is_missing_is_named(computer: dict[str, str]) -> None:
    nowhere = {**computer, "ROCM_PATH": computer["HOME"]}
    done = stardraft(nowhere, "setup", "engine", "--backend", "hip", "--yes")
    assert done.returncode == 1
    assert "cannot be made here" in done.stderr
    assert "hipcc" in done.stderr
    assert not asked(computer, "ninja")


def test_what_is_no_backend_is_answered_with_those_that_are(home: dict[str, str]) -> None:
    done = stardraft(home, "setup", "engine", "--backend", "abacus")
    assert done.returncode == 2
    assert "auto, cpu, cuda, metal, vulkan, hip" in done.stderr


def test_without_a_compiler_nothing_is_begun(home: dict[str, str], tmp_path: Path) -> None:
    done = stardraft({**home, "PATH": str(tmp_path)}, "setup", "engine", "--yes")
    assert done.returncode == 1
    assert "sudo apt install g++" in done.stderr
    assert not Path(home["STARDRAFT_ENGINES_DIR"]).exists()


def test_nothing_to_take_back_is_said(home: dict[str, str]) -> None:
    done = stardraft(home, "setup", "engine", "--undo")
    assert done.returncode == 0
    assert "nothing to take back" in done.stdout


def test_two_at_a_time_do_not_remove_each_others_build(computer: dict[str, str]) -> None:
    waiting = [*COMMAND, "setup", "engine", "--yes"]
    engines = Path(computer["STARDRAFT_ENGINES_DIR"])
    with (
        lock.held(_made(engines) / "lock"),
        subprocess.Popen(
            waiting, env=computer, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        assert "is at work: waiting for it" in process.stderr.readline()
        assert not asked(computer, "ninja")
        process.kill()
        process.communicate()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_named(computer: dict[str, str], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = stardraft(
        {**computer, "STARDRAFT_ENGINES_DIR": str(closed / "engines")}, "setup", "engine", "--yes"
    )
    assert done.returncode == 1
    assert f"cannot be put into {closed}" in done.stderr


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
