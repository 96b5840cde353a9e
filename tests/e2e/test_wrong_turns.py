"""A new user's wrong turns: each ends in one sentence that says what to do, and in no traceback."""

import ctypes
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stardraftd.paths import builtin_model_path
from stardraftd.protocol.http import PROTOCOL
from tests.cli.program import COMMAND, DEMO, stardraft
from tests.editors.neovim import Neovim, find_neovim
from tests.editors.neovim_plugin import FLOATING
from tests.support.editor import editing
from tests.support.home import write_config
from tests.support.processes import run_to_end
from tests.support.waiting import wait_until

PLACE = f"{DEMO}:54:15"
ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120

posix_only = pytest.mark.skipif(os.name == "nt", reason="file modes and shell scripts of POSIX")
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux's capabilities and locks")


def told(result: subprocess.CompletedProcess[str], *words: str, status: int = 1) -> str:
    """What a user reads on stderr: a sentence, what to do below it, and every one of `words`."""
    assert result.returncode == status, result
    sentence, *hints = result.stderr.splitlines()
    assert sentence.startswith("stardraft: "), result.stderr
    assert sentence.endswith((".", "?")), sentence
    assert hints, f"it says nothing of what to do: {sentence}"
    assert all(hint.startswith("  ") for hint in hints)
    assert "Traceback" not in result.stderr
    assert "should not have" not in result.stderr, "the sentence for mistakes in stardraft itself"
    for word in words:
        assert word in result.stderr, f"{word!r} is not in {result.stderr}"
    return result.stderr


def obeying_modes(home: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`stardraft` for whom file modes hold, even if root runs the tests."""
    command = [*COMMAND, *arguments]
    return run_to_end(command, env=home, text=True, preexec_fn=_drop_rights, idle_s=TIMEOUT_S)


def _drop_rights() -> None:
    """Gives up root's right to read and write everything (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    pr_capbset_drop = 24
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(pr_capbset_drop, capability, 0, 0, 0)


# --- no model ------------------------------------------------------------------------------------


def test_a_configured_model_that_is_not_there(home: dict[str, str]) -> None:
    write_config(home, "[model]\npath = '/nowhere/model.gguf'\n")
    told(stardraft(home, "complete", PLACE), "/nowhere/model.gguf", "model.path", "built-in model")


@pytest.mark.parametrize(
    "command", [("complete", "--model", "starcoder2-3b", PLACE), ("model", "use", "nosuch")]
)
def test_a_model_that_was_never_got(home: dict[str, str], command: tuple[str, ...]) -> None:
    told(stardraft(home, *command), "There is no model", "stardraft model ", status=2)


def test_a_model_that_nobody_knows(home: dict[str, str]) -> None:
    told(stardraft(home, "model", "pull", "starcodr"), "starcodr", "starcoder2-3b", status=2)


# --- no engine, no compiler ----------------------------------------------------------------------


@pytest.fixture
def without_engine(home: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An installation without llama.cpp: what stands under its name says what Python says without it."""
    stand_in = tmp_path / "llama_cpp"
    stand_in.mkdir()
    (stand_in / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'llama_cpp'\")\n")
    found_first = [str(tmp_path), *filter(None, [home.get("PYTHONPATH")])]
    return home | {"PYTHONPATH": os.pathsep.join(found_first)}


def test_a_missing_engine_is_told_with_the_command_that_adds_it(without_engine: dict[str, str]) -> None:
    told(stardraft(without_engine, "complete", PLACE), "engine is not installed", "stardraft setup engine")


async def test_an_editor_is_told_once_that_the_engine_is_missing_and_how_to_add_it(
    without_engine: dict[str, str],
) -> None:
    uri = "file:///shop/till.py"
    async with editing(without_engine) as editor:
        editor.open(uri, "class Counter:\n    def \n")
        for kind in (2, 1):
            answer = await editor.answer(editor.ask(uri, 1, 8, context={"triggerKind": kind}))
            assert not answer["result"]["items"]
        status = await editor.until_told("stardraft/status", lambda told: told["state"] == "error")
        (popped_up,) = editor.told("window/showMessage")
    for sentence in (status["message"], popped_up["message"]):
        assert "The engine is not installed" in sentence
        assert "stardraft setup engine" in sentence
        assert "Traceback" not in sentence


@posix_only
def test_neovim_without_any_plugin_shows_that_the_engine_is_missing(
    without_engine: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "till.py"
    with Neovim(find_neovim(), without_engine, tmp_path, ROOT / "packaging/neovim/stardraft.lua") as neovim:
        neovim.open(file)
        neovim.keys("iclass Counter:")
        said = wait_until(lambda: neovim.call("nvim_exec2", "messages", {"output": True})["output"])
        neovim.keys("<Esc>")
        neovim.call("nvim_command", "StardraftStatus")
        status = " ".join(neovim.lua(FLOATING))
    assert "The engine is not installed" in said
    assert "stardraft setup engine" in status, "a line has no room for what to do; the status has"
    assert "Traceback" not in said + status


@posix_only
def test_without_a_compiler_the_doctor_names_the_package_to_install(
    without_engine: dict[str, str], tmp_path: Path
) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()
    report = stardraft(without_engine | {"PATH": str(nothing)}, "doctor", "--json")
    assert report.returncode == 1
    checks = json.loads(report.stdout)["checks"]
    (engine,) = [check for check in checks if check["name"] == "engine"]
    assert engine["state"] == "problem"
    assert "no C++ compiler" in engine["hint"]
    assert "sudo apt install g++" in engine["hint"]
    assert [check["name"] for check in checks if check["state"] == "problem"] == ["engine"], "it is said once"


@posix_only
def test_without_a_compiler_make_says_so_before_pip_is_started(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CXX"} | {
        "PATH": str(tmp_path),
        "STARDRAFT_CACHE_DIR": str(tmp_path / "cache"),
    }
    result = subprocess.run(
        [sys.executable, "-B", "packaging/setup_venv.py", str(tmp_path / "venv"), "engine"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("llama.cpp is built from source, and no C++ compiler is here")
    assert "sudo apt install g++" in result.stderr
    assert "Traceback" not in result.stderr


# --- an editor that is too old -------------------------------------------------------------------


def with_neovim(home: dict[str, str], folder: Path, version: str) -> dict[str, str]:
    """A user's own home, with a Neovim that says it is of that version."""
    neovim = folder / "bin" / "nvim"
    neovim.parent.mkdir()
    neovim.write_text(f"#!/bin/sh\necho NVIM v{version}\n")
    neovim.chmod(0o755)
    return home | {
        "PATH": f"{neovim.parent}{os.pathsep}{home['PATH']}",
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
    }


@posix_only
@pytest.mark.parametrize(
    ("version", "way_out"), [("0.7.2", "Update Neovim"), ("0.9.5", "Update Neovim"), ("0.11.4", "plugin")]
)
def test_an_old_neovim_is_not_set_up_for_what_it_cannot_do(
    home: dict[str, str], tmp_path: Path, version: str, way_out: str
) -> None:
    person = with_neovim(home, tmp_path, version)
    told(stardraft(person, "setup", "nvim", "--yes"), version.rpartition(".")[0], "no inline", way_out)
    assert not (tmp_path / ".config").exists()


@posix_only
def test_an_old_neovim_is_told_what_it_lacks(home: dict[str, str], tmp_path: Path) -> None:
    report = stardraft(with_neovim(home, tmp_path, "0.9.5"), "doctor", "--json")
    (found,) = [check for check in json.loads(report.stdout)["checks"] if "NVIM v0.9.5" in check["message"]]
    assert "too old" in found["message"]
    assert "Update Neovim" in found["hint"]


# --- somebody else's port, another version's daemon ----------------------------------------------


@contextmanager
def another_program() -> Iterator[int]:
    """A web server that has nothing to do with stardraft; its port."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@linux_only
def test_a_port_that_another_program_has_taken_since_is_left_to_it(home: dict[str, str]) -> None:
    write_config(home, "[daemon]\ntransport = 'tcp'\n")
    assert stardraft(home, "complete", PLACE).returncode == 0
    address = Path(home["STARDRAFT_RUNTIME_DIR"]) / f"stardraft-{PROTOCOL}.json"
    left_behind = json.loads(address.read_bytes())
    assert stardraft(home, "daemon", "stop").returncode == 0
    with another_program() as port:
        # As after a crash: the address is still there, and the port has been given to somebody else.
        address.write_text(json.dumps(left_behind | {"port": port}))
        address.chmod(0o600)
        result = stardraft(home, "complete", PLACE)
        assert result.returncode == 0, result.stderr
        assert json.loads(address.read_bytes())["port"] != port


DAEMON_OF_VERSION = """
import sys, stardraftd, stardraftd.serving.service as service
stardraftd.__version__ = service.__version__ = sys.argv.pop()
from stardraftd.serving.process import run
raise SystemExit(run([], foreground=False))
"""


@contextmanager
def daemon_of_version(home: dict[str, str], version: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running daemon that says it is of that version."""
    with subprocess.Popen(
        [sys.executable, "-c", DAEMON_OF_VERSION, version],
        env=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as daemon:
        assert daemon.stdout is not None
        assert b'"listening"' in daemon.stdout.readline()
        yield daemon


def check_of_daemon(home: dict[str, str]) -> dict[str, str]:
    """What `stardraft doctor` says of the daemon."""
    checks = json.loads(stardraft(home, "doctor", "--json").stdout)["checks"]
    (found,) = [check for check in checks if check["name"] == "daemon"]
    return dict(found)


@posix_only
def test_a_daemon_of_a_newer_version_serves_and_is_told_of(home: dict[str, str]) -> None:
    with daemon_of_version(home, "9.9.9") as newer:
        assert stardraft(home, "complete", PLACE).returncode == 0
        assert newer.poll() is None
        found = check_of_daemon(home)
        assert "version 9.9.9" in found["message"]
        assert "update or remove the older one" in found["hint"]
        assert stardraft(home, "daemon", "stop", "--now").returncode == 0


@posix_only
def test_a_daemon_of_an_older_version_is_told_of_and_replaced(home: dict[str, str]) -> None:
    with daemon_of_version(home, "0.0.1") as old:
        found = check_of_daemon(home)
        assert "version 0.0.1" in found["message"]
        assert "stardraft daemon restart" in found["hint"]
        result = stardraft(home, "complete", PLACE)
        assert result.returncode == 0, result.stderr
        wait_until(lambda: old.poll() is not None)


# --- no permission to write ----------------------------------------------------------------------


@linux_only
def test_a_folder_of_models_that_cannot_be_written_to(home: dict[str, str]) -> None:
    folder = Path(home["STARDRAFT_MODELS_DIR"])
    folder.mkdir()
    folder.chmod(0o500)
    result = obeying_modes(home, "model", "pull", str(builtin_model_path()))
    told(result, str(folder), "Permission denied", "STARDRAFT_MODELS_DIR")


@linux_only
def test_a_configuration_that_cannot_be_written_to(home: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "config.toml").write_text(f"[model]\npath = '{builtin_model_path()}'\n")
    folder.chmod(0o500)
    result = obeying_modes(
        home | {"STARDRAFT_CONFIG": str(folder / "config.toml")}, "model", "use", "built-in"
    )
    told(result, "config.toml", "Permission denied")


@linux_only
def test_an_editor_s_configuration_that_cannot_be_written_to(home: dict[str, str], tmp_path: Path) -> None:
    person = with_neovim(home, tmp_path, "0.12.4")
    (tmp_path / ".config").mkdir(mode=0o500)
    result = obeying_modes(person, "setup", "nvim", "--yes")
    told(result, "stardraft.lua cannot be written: Permission denied.", "--path", "--print")


@posix_only
def test_a_configuration_that_is_a_folder(home: dict[str, str]) -> None:
    Path(home["STARDRAFT_CONFIG"]).mkdir(parents=True)
    told(stardraft(home, "complete", PLACE), "it is a directory", "STARDRAFT_CONFIG")


@linux_only
def test_a_runtime_folder_that_cannot_be_made(home: dict[str, str], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    result = obeying_modes(home | {"STARDRAFT_RUNTIME_DIR": str(closed / "run")}, "complete", PLACE)
    told(result, "cannot be created", "Permission denied", "STARDRAFT_RUNTIME_DIR")


@linux_only
def test_a_state_folder_that_cannot_be_written_to_costs_no_completion_and_is_told(
    home: dict[str, str], tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    inside = home | {"STARDRAFT_STATE_DIR": str(closed / "state")}
    assert obeying_modes(inside, "complete", PLACE).returncode == 0
    report = obeying_modes(inside, "doctor", "--json")
    checks = json.loads(report.stdout)["checks"]
    (found,) = [check for check in checks if check["name"] == "state folder"]
    assert found["state"] == "warning"
    assert str(closed) in found["message"]
    assert "STARDRAFT_STATE_DIR" in found["hint"]
