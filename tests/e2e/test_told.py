"""What was planned for a completion, and what it came to: the log tells it at `debug`, and the status."""

import json
from pathlib import Path

import pytest

from stardraftd.client import DaemonClient
from stardraftd.protocol.completion import Plan
from tests.e2e.conftest import PREFIX, request
from tests.support.streams import collect, only


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_the_plan_is_in_the_log_for_those_who_debug(
    in_home: dict[str, str], monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("STARDRAFT_DAEMON_LOG_LEVEL", level)
    async with DaemonClient("test") as client:
        (plan,) = only(Plan, await collect(client.complete(request())))
    log = Path(in_home["STARDRAFT_STATE_DIR"]) / "logs" / "daemon.log"
    text = log.read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    logged = [record for record in records if record["event"] == "plan"]
    if level != "debug":
        assert not logged
        return
    (record,) = logged
    assert record["client"] == "test"
    assert record["kind"] == plan.kind
    assert record["n_evaluated"] == plan.n_evaluated
    assert record["predicted_ms"] == plan.predicted_ms
    assert json.dumps(PREFIX)[1:-1] not in text


async def test_the_status_has_the_last_plan_and_what_was_measured(client: DaemonClient) -> None:
    (plan,) = only(Plan, await collect(client.complete(request())))
    status = await client.status()
    assert status.last_figures is not None
    assert (status.last_figures.kind, status.last_figures.stale) == (plan.kind, plan.stale)
    assert status.last_figures.predicted_ms == plan.predicted_ms > 0
    assert status.speeds is not None
    assert status.speeds.batch_ms
    assert status.speeds.n_window > 0
