"""Programs that mean harm, in the sandbox: none of them passes, and none of them gets out."""

import os
import sys
from pathlib import Path

import pytest

from stardraft_quant.evaluate.datasets import read
from stardraft_quant.evaluate.sandbox import Sandbox
from stardraft_quant.evaluate.tasks import Verdict
from stardraftd.errors import RequestError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="programs are run on Linux and macOS only")

DATA = Path(__file__).parents[1] / "data/evaluate"
SOLUTION = "def f(x):\n    return x + 1\n"
TEST = "def check(candidate):\n    assert candidate(2) == 3\n    assert candidate(3) == 4\n"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox(timeout_s=20)


def verdict(sandbox: Sandbox, program: str, *, solution: str = SOLUTION, test: str = TEST) -> Verdict:
    return sandbox.run(program, solution=solution, test=test, entry_point="f")


def needs(sandbox: Sandbox, guard: str) -> None:
    if guard not in sandbox.guards:
        assert sandbox.missing, "what a system does not give must be said"
        pytest.skip(f"this system has no guard of {guard}")


VALUES = [
    "None", "True", "-(10 ** 30)", "1.5", "float('inf')", "2j", "'ü\\ud800'", "b'\\0'", "(1, [2])",
    "{1: {2}}", "frozenset('a')", "set()", "{(1, 'a'): None}",
]  # fmt: skip


# --- right and wrong -------------------------------------------------------------------------------------


def test_a_right_program_passes_and_a_wrong_one_does_not(sandbox: Sandbox) -> None:
    assert verdict(sandbox, SOLUTION) == Verdict(True)
    assert verdict(sandbox, "def f(x):\n    return x\n") == Verdict(False, "AssertionError")


def test_a_program_that_is_no_python_or_lacks_the_function_fails(sandbox: Sandbox) -> None:
    assert verdict(sandbox, "def f(x:\n").reason == "SyntaxError"
    assert verdict(sandbox, "g = 1\n").reason == "KeyError"


def test_each_task_of_a_set_passes_with_its_own_solution(sandbox: Sandbox) -> None:
    for task in read(DATA / "humaneval.jsonl").tasks:
        assert task.program is not None
        whole = task.prefix + task.expected + task.suffix
        found = sandbox.run(
            whole, solution=whole, test=task.program.test, entry_point=task.program.entry_point
        )
        assert found == Verdict(True), task.name


@pytest.mark.parametrize(
    "value",
    VALUES,
)
def test_plain_data_comes_back_as_it_went(sandbox: Sandbox, value: str) -> None:
    test = (
        f"def check(candidate):\n    found = candidate({value})\n"
        f"    assert (found, type(found)) == ({value}, type({value}))\n"
    )
    assert verdict(sandbox, "def f(x):\n    return x\n", test=test) == Verdict(True)


def test_a_raised_exception_is_raised_in_the_test(sandbox: Sandbox) -> None:
    test = (
        "def check(candidate):\n    try:\n        candidate(1)\n"
        "    except ZeroDivisionError:\n        return\n    assert False\n"
    )
    assert verdict(sandbox, "def f(x):\n    return x / 0\n", test=test) == Verdict(True)
    assert verdict(sandbox, "def f(x):\n    return x\n", test=test) == Verdict(False, "AssertionError")


def test_a_broken_set_is_not_the_models_failure(sandbox: Sandbox) -> None:
    with pytest.raises(RequestError, match="broken: NameError"):
        verdict(sandbox, SOLUTION, test="nonsense\n")


# --- cheating --------------------------------------------------------------------------------------------

CHEATS = {
    "leaves before the test": "import sys\nsys.exit(0)\n",
    "leaves at once": "import os\nos._exit(0)\n",
    "leaves in the test": "import sys\ndef f(x):\n    sys.exit(0)\n",
    "leaves in the test at once": "import os\ndef f(x):\n    os._exit(0)\n",
    "is equal to everything": "class All(int):\n    def __eq__(self, other):\n        return True\n"
    "def f(x):\n    return All(0)\n",
    "says that it passed": "def f(x):\n    print('passed')\n    return None\n",
    "finds a token": "import gc, os, sys\n"
    "def f(x):\n"
    "    seen = [*sys.argv, *os.environ.values(), *(str(o) for o in gc.get_objects() if type(o) is dict)]\n"
    "    frame = sys._getframe()\n"
    "    while frame:\n"
    "        seen.append(str(frame.f_locals))\n"
    "        frame = frame.f_back\n"
    "    return 3 if any('token' in one and 'verdict' in one for one in seen) else 0\n",
    "writes a verdict everywhere": "import os, json\n"
    "body = json.dumps({'verdict': 'passed', 'token': ''}).encode()\n"
    "def f(x):\n"
    "    for fd in range(64):\n"
    "        try:\n"
    "            os.write(fd, len(body).to_bytes(4, 'big') + body)\n"
    "        except OSError:\n"
    "            pass\n"
    "    return 0\n",
    "takes the assertions away": "import builtins\nbuiltins.AssertionError = KeyError\n"
    "builtins.check = lambda c: None\ndef f(x):\n    return 0\n",
}


@pytest.mark.parametrize("program", CHEATS.values(), ids=CHEATS.keys())
def test_a_program_that_cheats_does_not_pass(sandbox: Sandbox, program: str) -> None:
    found = verdict(sandbox, program)
    assert not found.passed
    assert found.reason


# --- harm ------------------------------------------------------------------------------------------------


def test_an_endless_loop_ends_when_its_time_is_over() -> None:
    found = verdict(Sandbox(timeout_s=1), "def f(x):\n    while True:\n        pass\n")
    assert found == Verdict(False, "took longer than 1 s")


def test_a_program_that_ends_its_own_answering_ends_with_its_time() -> None:
    program = "import time\ndef f(x):\n    time.sleep(1000)\n"
    assert verdict(Sandbox(timeout_s=1), program).reason == "took longer than 1 s"


def test_too_much_memory_is_refused(sandbox: Sandbox) -> None:
    needs(sandbox, "memory")
    assert (
        verdict(sandbox, "def f(x):\n    return len(bytearray(10 ** 10)) * 0 + 3\n").reason == "MemoryError"
    )


@pytest.mark.parametrize(
    "start",
    [
        "os.fork()",
        "threading.Thread(target=print).start()",
        "subprocess.run(['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
    ],
)
def test_no_process_can_be_started(sandbox: Sandbox, start: str) -> None:
    needs(sandbox, "processes")
    program = f"import os, subprocess, threading\ndef f(x):\n    {start}\n    return x + 1\n"
    assert not verdict(sandbox, program).passed


HARM = {
    "makes": "open({new!r}, 'w')",
    "truncates": "open({old!r}, 'w')",
    "appends": "open({old!r}, 'a').write('x')",
    "removes": "os.remove({old!r})",
    "renames": "os.rename({old!r}, {new!r})",
    "makes a folder": "os.mkdir({new!r})",
    "links": "os.symlink('/', {new!r})",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_no_file_can_be_changed(sandbox: Sandbox, tmp_path: Path, harm: str) -> None:
    needs(sandbox, "files")
    tmp_path.chmod(0o777)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("precious")
    old.chmod(0o666)
    line = harm.format(old=str(old), new=str(new))
    found = verdict(sandbox, f"import os\ndef f(x):\n    {line}\n    return x + 1\n")
    assert found.reason in ("PermissionError", "OSError")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert old.read_text() == "precious"


def test_much_output_is_nobodys(sandbox: Sandbox) -> None:
    program = "def f(x):\n    for _ in range(200):\n        print('x' * 10 ** 5)\n    return x + 1\n"
    assert verdict(sandbox, program) == Verdict(True)
    assert not verdict(sandbox, "def f(x):\n    return 'x' * (2 << 20)\n").passed


def test_nonsense_instead_of_an_answer_fails(sandbox: Sandbox) -> None:
    spray = (
        "import os\nfor fd in range(3, 20):\n"
        "    try:\n        os.write(fd, {data})\n    except OSError:\n        pass\n"
    )
    for data in ("b'\\xff' * 100", "b'\\0\\0\\0\\2{]'", "b'\\0\\0\\0\\2[]'"):
        assert not verdict(sandbox, spray.format(data=data) + SOLUTION).passed


def test_the_network_is_out_of_reach(sandbox: Sandbox) -> None:
    needs(sandbox, "network")
    program = (
        "import socket\n"
        "def f(x):\n"
        "    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
        "        s.connect(('192.0.2.1', 53))\n"
        "    return x + 1\n"
    )
    assert verdict(sandbox, program).reason == "OSError"


def test_nothing_of_the_environment_is_seen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "1")
    program = "import os\ndef f(x):\n    return x + 1 if 'SECRET_OF_MINE' not in os.environ else 0\n"
    assert verdict(sandbox, program) == Verdict(True)


def test_other_processes_are_out_of_sight(sandbox: Sandbox) -> None:
    needs(sandbox, "others")
    program = f"import os\ndef f(x):\n    os.kill({os.getpid()}, 0)\n    return x + 1\n"
    assert verdict(sandbox, program).reason in ("ProcessLookupError", "PermissionError")


def test_what_holds_and_what_does_not_is_all_said(sandbox: Sandbox) -> None:
    assert sandbox.walls
    assert not set(sandbox.walls) & set(sandbox.missing)
    if sys.platform == "linux":
        assert "memory" in sandbox.guards


def test_without_namespaces_the_other_walls_hold_and_the_network_is_said_to_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    bare = Sandbox(timeout_s=20)
    assert "the network is cut off" in bare.missing
    assert verdict(bare, SOLUTION) == Verdict(True)
    assert not verdict(bare, "import os\nos._exit(0)\n").passed
    if "files" in bare.guards:
        assert verdict(bare, "def f(x):\n    open('here', 'w')\n    return 3\n").reason == "PermissionError"
