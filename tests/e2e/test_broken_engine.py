"""A build of llama.cpp that does not work here: one clear error for a request, and no engine dies again."""

from pathlib import Path

import pytest

from stardraftd.client import DaemonClient
from stardraftd.protocol.completion import Failed, Loading
from tests.cli.program import stardraft
from tests.e2e.conftest import request
from tests.support.broken_builds import CAN_PLANT, WHY_NOT, Plant, broken_build
from tests.support.streams import collect, only

pytestmark = pytest.mark.skipif(not CAN_PLANT, reason=WHY_NOT)

KERNEL = "ggml_vec_dot_q8_0_q8_0"


@pytest.fixture
def broken(in_home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home in which the engine meets an instruction that no processor has."""
    plant: Plant = "illegal"
    for name, value in broken_build(tmp_path / "lib", KERNEL, plant).items():
        monkeypatch.setenv(name, value)
        in_home[name] = value
    return in_home


async def test_a_request_is_told_what_is_wrong_and_no_engine_is_started(broken: dict[str, str]) -> None:
    async with DaemonClient("test") as client:
        events = await collect(client.complete(request()))
        last = events[-1]
        assert isinstance(last, Failed)
        assert last.code == "engine_broken"
        assert "SIGILL" in last.message
        assert "a batch of 1" in last.message
        assert "stardraft setup engine" in last.hint
        assert any(event.checking for event in only(Loading, events))
        again = await collect(client.complete(request(document="another")))
        assert isinstance(again[-1], Failed)
        assert again[-1].code == "engine_broken"
        status = await client.status()
        assert (status.engine, status.engine_restarts, status.engine_pid) == ("failed", 0, None)
        assert not status.checking_engine
        assert any("SIGILL" in problem for problem in status.problems)


def test_the_doctor_believes_the_self_test_and_not_the_list_of_features(broken: dict[str, str]) -> None:
    said = stardraft(broken, "doctor")
    assert said.returncode == 1
    (engine,) = [line for line in said.stdout.splitlines() if " engine " in line[:24]]
    assert engine.startswith("problem")
    assert "SIGILL (4)" in engine
    assert "stardraft setup engine" in said.stdout
    assert "ok      backends" not in said.stdout
