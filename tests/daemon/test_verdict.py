"""A build of llama.cpp is proved once on a processor, and what is broken in it is found and named.

The builds that are broken are the installed one with a kernel's machine code changed.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from stardraftd.errors import EngineBrokenError, EngineMissingError
from stardraftd.proof import identity as build_identity
from stardraftd.proof import verdict
from stardraftd.proof.identity import build_id, processor_id
from stardraftd.proof.verdict import MAX_VERDICTS, Verdict, prove, recall
from tests.support.broken_builds import CAN_PLANT, WHY_NOT, Plant, broken_build, unloadable_build
from tests.support.proved import give_verdict

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: pip install 'stardraft[engine]'")

can_plant = pytest.mark.skipif(not CAN_PLANT, reason=WHY_NOT)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of this test's own, in which nothing is known yet."""
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    return tmp_path / "state"


@pytest.fixture
def proved(state: Path) -> Verdict:
    """The good verdict on the installed build, in the state folder."""
    give_verdict(state)
    known = recall()
    assert known is not None
    return known


@pytest.fixture
def ran(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lines of the self-tests that ran: a Python that notes that it was started."""
    notes = state.parent / "ran"
    python = state.parent / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> "{notes}"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return notes


def test_the_installed_build_computes_what_it_should(proved: Verdict) -> None:
    assert proved.ok, proved.failure
    names = [check.name for check in proved.checks]
    assert {"a batch of 1, 1 thread", "a batch of 512, 1 thread", "giving up", "weights in Q4_K"} <= set(
        names
    )
    assert proved.error() is None
    for check in proved.checks:
        print(f"{check.device}: {check.name}: {check.detail}")


@can_plant
@pytest.mark.parametrize(
    ("symbol", "plant", "says"),
    [
        ("ggml_vec_dot_q8_0_q8_0", "illegal", ["SIGILL (4)", "an instruction that this processor"]),
        ("ggml_vec_dot_q8_0_q8_0", "returns", ["computes wrong results", "CPU: a batch of 1"]),
        ("ggml_vec_dot_q6_K_q8_K", "returns", ["computes wrong results", "weights in Q6_K"]),
        ("quantize_row_q8_K", "illegal", ["SIGILL (4)", "weights in Q2_K"]),
    ],
)
def test_a_broken_kernel_is_found_and_named(
    symbol: str, plant: Plant, says: list[str], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in broken_build(state.parent / "lib", symbol, plant).items():
        monkeypatch.setenv(name, value)
    found = prove()
    assert not found.ok
    assert not found.undecided
    for words in says:
        assert words in found.failure
    assert "stardraft setup engine" in found.hint
    assert isinstance(found.error(gpu_layers=0), EngineBrokenError)
    assert recall() == found


@can_plant
def test_a_kernel_that_hangs_is_given_up(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in broken_build(state.parent / "lib", "ggml_vec_dot_q8_0_q8_0", "hangs").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(verdict, "STARTS_A_CHECK_MAY_TAKE", 0.0)
    found = prove(check_timeout_s=3.0)
    assert "llama.cpp hangs on this computer" in found.failure
    assert "(CPU: a batch of 1" in found.failure
    assert "stardraft setup engine" in found.hint


@can_plant
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"\0ggml_set_rows\0", b"\0ggml_set_rowX\0", "The function ggml_set_rowX is missing"),
        (b"libggml-base.so", b"libggml-baXX.so", "the library libggml-baXX.so"),
        (b"GLIBC_2.14\0", b"GLIBC_9.14\0", "It needs the C library glibc 9.14 or newer, and this system has"),
    ],
)
def test_a_build_that_cannot_be_loaded_is_told_why_and_not_remembered(
    old: bytes, new: bytes, says: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing may be installed in the next minute."""
    for name, value in unloadable_build(state.parent / "lib", old, new).items():
        monkeypatch.setenv(name, value)
    found = prove()
    assert says in found.failure
    assert "stardraft setup engine" in found.hint
    assert isinstance(found.error(), EngineMissingError)
    assert recall() is None


@can_plant
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xf3\x00" + bytes(44), "was built for riscv64"),
        (b"\x7fELF", "is not a library"),
    ],
)
def test_a_build_from_a_computer_of_another_kind_is_named(
    content: bytes, says: str, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state.parent / "lib"
    folder.mkdir()
    (folder / "libllama.so").write_bytes(content)
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(folder))
    found = prove()
    assert says in found.failure
    assert str(folder) in found.failure


def test_a_self_test_that_somebody_ends_says_nothing_of_the_build(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = state.parent / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    found = prove()
    assert (found.ok, found.undecided, found.error()) == (False, True, None)
    assert "SIGKILL" in found.failure
    assert recall() is None


def test_a_verdict_is_remembered_and_given_again_only_when_asked_for(proved: Verdict, ran: Path) -> None:
    assert prove() == proved
    assert not ran.exists()
    again = prove(again=True)
    assert again.ok
    assert again.at > proved.at
    assert len(ran.read_text().splitlines()) == 1


def test_several_that_start_at_once_prove_once(state: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "stardraftd.proof.verdict", "--json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    verdicts = [json.loads(process.communicate()[0]) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert len({one["at"] for one in verdicts}) == 1


def test_another_processor_or_build_has_no_verdict(proved: Verdict, state: Path, tmp_path: Path) -> None:
    file = state / "engine" / verdict.VERDICTS_FILE
    for carried in ({"processor": "another"}, {"build": "another"}):
        file.write_bytes(msgspec.json.encode([msgspec.structs.replace(proved, **carried)]))
        assert recall() is None
    file.write_bytes(msgspec.json.encode([proved]))
    assert recall() == proved


def test_a_verdict_of_an_older_version_does_not_count(proved: Verdict, state: Path) -> None:
    file = state / "engine" / verdict.VERDICTS_FILE
    file.write_bytes(msgspec.json.encode([msgspec.structs.replace(proved, by="0.0.1")]))
    assert recall() is None


def test_a_bad_verdict_counts_for_some_minutes_only(proved: Verdict, state: Path) -> None:
    file = state / "engine" / verdict.VERDICTS_FILE
    bad = msgspec.structs.replace(proved, ok=False, failure="It is broken.", at=time.time())
    file.write_bytes(msgspec.json.encode([bad]))
    assert recall() == bad
    file.write_bytes(msgspec.json.encode([msgspec.structs.replace(bad, at=bad.at - verdict.FAILED_FOR_S)]))
    assert recall() is None


def test_a_gpu_that_fails_is_no_reason_against_the_cpu(proved: Verdict) -> None:
    gpu = msgspec.structs.replace(proved, ok=False, failure="It is broken.", on_gpu_only=True)
    assert gpu.error(gpu_layers=0) is None
    assert gpu.error(gpu_layers=-1) is not None


@pytest.mark.parametrize("content", [b"", b"{", b'[{"ok": "yes"}]', b"\xff\xfe", b"[]"])
def test_a_damaged_store_is_no_verdict_and_no_error(content: bytes, proved: Verdict, state: Path) -> None:
    (state / "engine" / verdict.VERDICTS_FILE).write_bytes(content)
    (state / "engine" / build_identity.HASHES_FILE).write_bytes(content)
    assert recall() is None
    verdict._keep(proved)
    assert recall() == proved


def test_a_store_does_not_grow_without_end(proved: Verdict, state: Path) -> None:
    for i in range(MAX_VERDICTS + 5):
        verdict._keep(msgspec.structs.replace(proved, build=str(i)))
    kept = json.loads((state / "engine" / verdict.VERDICTS_FILE).read_bytes())
    assert len(kept) == MAX_VERDICTS
    assert kept[0]["build"] == str(MAX_VERDICTS + 4)


def test_a_state_folder_that_takes_nothing_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "file" / "state"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert recall() is None
    assert prove().undecided


def test_libraries_are_read_once_and_again_when_they_change(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libllama.so"
    library.write_bytes(b"one")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    first = build_id()
    known = (state / "engine" / build_identity.HASHES_FILE).read_bytes()
    assert build_id() == first
    (tmp_path / "new").write_bytes(b"two")
    (tmp_path / "new").replace(library)
    assert build_id() != first
    assert (state / "engine" / build_identity.HASHES_FILE).read_bytes() != known
    # What is remembered is believed: with the old hash under the new file's identity the old name is back.
    info, digest = library.stat(), json.loads(known)[str(library)][3]
    entry = {str(library): [info.st_size, info.st_mtime_ns, info.st_ino, digest]}
    (state / "engine" / build_identity.HASHES_FILE).write_text(json.dumps(entry))
    assert build_id() == first


def test_the_same_build_in_another_folder_is_the_same(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        (folder / "libllama.so").write_bytes(b"one")
        (folder / "libggml-cpu-haswell.so").write_bytes(b"two")
        monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(folder))
        names.append(build_id())
    (tmp_path / "b" / "libggml-cpu-haswell.so").write_bytes(b"2wo")
    names.append(build_id())
    assert names[0] == names[1] != names[2]


def test_a_processors_name_stands_still() -> None:
    assert processor_id() == processor_id()


def test_a_home_without_an_engine_is_told_how_to_get_one(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path / "nothing"))
    with pytest.raises(EngineMissingError, match="there is no library in"):
        recall()
    said = subprocess.run(
        [sys.executable, "-P", "-m", "stardraftd.proof.verdict"], capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert said.stdout.startswith("The engine is not installed")
    assert "stardraft setup engine" in said.stdout
    assert len(said.stdout.splitlines()) == 1
    assert said.stderr == ""


def test_one_line_tells_what_was_found(proved: Verdict) -> None:
    said = subprocess.run(
        [sys.executable, "-P", "-m", "stardraftd.proof.verdict"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert len(said.stdout.splitlines()) == 1
    assert "computes what it should on this computer" in said.stdout


def test_the_verdict_needs_no_llama_cpp_in_its_own_process() -> None:
    code = (
        "import sys, stardraftd.backends.proving\n"
        "sys.exit(not {'llama_cpp', 'numpy'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
