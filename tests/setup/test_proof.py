"""What the self-test says of a build is believed, and only that."""

from pathlib import Path

import pytest

from stardraftd.errors import EngineBuildError
from stardraftd.setup.engine.climbing import Proof, prove, read_proof


def test_a_build_that_passes_works() -> None:
    assert read_proof(b'a line before\n{"ok": true, "failure": ""}\n', b"", 0).works


def test_a_build_that_fails_is_told_in_the_self_tests_words() -> None:
    told = b'{"ok": false, "failure": "It was ended by SIGILL (4).", "hint": "Do that."}'
    assert read_proof(told, b"", 1) == Proof(False, "It was ended by SIGILL (4).", "Do that.")


def test_no_verdict_is_no_reason_to_build_another() -> None:
    told = b'{"ok": false, "undecided": true, "failure": "Memory ran out.", "hint": "Close programs."}'
    with pytest.raises(EngineBuildError, match="Memory ran out") as raised:
        read_proof(told, b"", 1)
    assert raised.value.hint == "Close programs."


@pytest.mark.parametrize("stdout", [b"", b"nonsense", b"[]", b'{"failure": "x"}', b'"text"'])
def test_a_self_test_that_says_nothing_is_an_error_and_no_failure_of_the_build(stdout: bytes) -> None:
    with pytest.raises(EngineBuildError, match="status 3 and said: no such module"):
        read_proof(stdout, b"first\nno such module\n", 3)


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineBuildError, match="cannot be run"):
        prove(tmp_path / "python")
