"""The daemon asks for a verdict before it loads a model: once, and in a process that it can end.

The process is a stand-in for Python that answers as `python -m stardraftd.proof.verdict --json` does.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from stardraftd.backends.proving import EngineProof
from stardraftd.errors import EngineBrokenError
from stardraftd.proof.identity import build_id, processor_id
from stardraftd.proof.verdict import Verdict
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder that takes nothing, and a build of one file."""
    (tmp_path / "file").write_text("")
    (tmp_path / "libllama.so").write_text("")
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "file" / "state"))
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))


def python_that(does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a script in the place of Python. It notes each start in the file returned."""
    notes, script = tmp_path / "starts", tmp_path / "python"
    script.write_text(f'#!/bin/sh\necho $$ >> "{notes}"\n{does}\n')
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return notes


def answering(verdict: Verdict) -> str:
    return f"echo '{msgspec.json.encode(verdict).decode()}'"


def verdict(**fields: object) -> Verdict:
    return Verdict(build=build_id(), processor=processor_id(), **fields)  # type: ignore[arg-type]


async def test_a_good_verdict_that_cannot_be_kept_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = python_that(answering(verdict(ok=True)), tmp_path, monkeypatch)
    told: list[str] = []
    proof = EngineProof(lambda: told.append(f"checking: {proof.is_checking}"))
    for _ in range(3):
        await proof.require(-1, lambda: told.append("it takes a proof"))
    assert told == ["it takes a proof", "checking: True", "checking: False"]
    assert len(starts.read_text().split()) == 1


async def test_a_bad_verdict_is_the_requests_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = verdict(ok=False, failure="It computes wrong results.", hint="stardraft setup engine")
    python_that(answering(bad), tmp_path, monkeypatch)
    with pytest.raises(EngineBrokenError, match="wrong results") as raised:
        await EngineProof(lambda: None).require(0, lambda: None)
    assert raised.value.hint == "stardraft setup engine"


@pytest.mark.parametrize("does", ["exit 1", "echo nonsense", "kill -9 $$"])
async def test_no_answer_keeps_no_model_from_being_loaded(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine then says itself what is wrong."""
    python_that(does, tmp_path, monkeypatch)
    await EngineProof(lambda: None).require(-1, lambda: None)


async def test_a_proof_is_ended_with_whoever_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = python_that("sleep 600 & wait", tmp_path, monkeypatch)
    proof = EngineProof(lambda: None)
    waiting = asyncio.create_task(proof.require(-1, lambda: None))
    pid = int(await asyncio.to_thread(wait_until, lambda: starts.exists() and starts.read_text().strip()))
    family = await asyncio.to_thread(wait_until, lambda: psutil.Process(pid).children())
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert not proof.is_checking
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert (len(gone), alive) == (1, [])
