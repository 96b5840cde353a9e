"""The status as a user reads it: what was planned, what was measured, what is done in advance."""

import msgspec
import pytest

from stardraftd.cli.daemon.status_table import rows
from stardraftd.cli.output.wording import plan_line
from stardraftd.protocol.completion import Figures, PlanKind, Speeds
from stardraftd.protocol.http import BackgroundState, Status

SPEEDS = Speeds(
    batch_ms=((1, 59.2), (2, 89.0), (64, 1021.0)),
    cell_us=10.0,
    calibrated=True,
    n_predictions=21,
    error=0.14,
    n_cells=8192,
    n_cells_used=1234,
    n_window=1024,
    speculates=False,
)
FIGURES = Figures(
    model="StarCoder2-3B",
    device="CPU",
    layout="psm",
    n_prompt=300,
    n_reused=276,
    n_evaluated=24,
    n_generated=8,
    prefill_ms=433.0,
    decode_ms=420.0,
    first_token_ms=434.0,
    total_ms=860.0,
    kind="anchored",
    predicted_ms=412.0,
)
STATUS = Status(
    version="0.1.0",
    protocol=1,
    pid=4321,
    uptime_s=61.0,
    endpoint="stardraft-1.sock",
    engine="ready",
    engine_pid=4322,
    engine_restarts=0,
    model_path="model.gguf",
    model=None,
    loading_fraction=None,
    sessions=1,
    n_running=0,
    n_waiting=0,
    completed=3,
    cancelled=1,
    failed=0,
    tokens_evaluated=24,
    tokens_reused=276,
    tokens_generated=8,
    daemon_resident_bytes=40_000_000,
    engine_resident_bytes=2_000_000_000,
    config_path="config.toml",
    log_path="daemon.log",
    last_figures=FIGURES,
    tokens_evaluated_in_background=5678,
    tokens_generated_in_background=90,
    speeds=SPEEDS,
)


def row(label: str, **changes: object) -> str:
    return dict(rows(msgspec.structs.replace(STATUS, **changes)))[label]


def test_an_engine_that_is_being_checked_says_so() -> None:
    assert row("engine", engine="loading", checking_engine=True).startswith("checking the engine")
    assert row("engine", engine="loading", checking_engine=False).startswith("loading the model")


def test_speeds_are_told_with_how_well_they_predict() -> None:
    assert row("speed") == (
        "a token takes 59 ms; 64 at once 1.0 s; predictions are off by 14% (median of 21); "
        "guessing ahead does not pay here"
    )


def test_what_was_not_measured_is_not_told() -> None:
    speeds = msgspec.structs.replace(SPEEDS, batch_ms=((2, 89.0),), n_predictions=0, speculates=True)
    assert row("speed", speeds=speeds) == "guessing ahead pays here"
    assert not {"speed", "cache"} & dict(rows(msgspec.structs.replace(STATUS, speeds=None))).keys()


def test_the_cache_is_told_in_tokens() -> None:
    told = row("cache")
    assert "8,192 tokens" in told
    assert "1,024 of one file" in told
    assert "1,234 in use" in told


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("idle", "nothing to prepare; "),
        ("working", "preparing; "),
        ("waiting", "waiting for a request to end; "),
        ("off", "off (completion.background); "),
        ("on_battery", "off while on battery (completion.background); "),
    ],
)
def test_work_in_advance_is_told_with_what_it_came_to(state: BackgroundState, words: str) -> None:
    assert row("ahead", background=state) == (f"{words}5,678 tokens read and 90 generated in the background")


def test_tokens_are_told_in_sums_of_their_parts() -> None:
    assert row("tokens", tokens_recalled=3) == (
        "prompts 300 (24 evaluated, 276 reused: 92%); 8 generated (3 from memory)"
    )


def test_the_last_plan_stands_below_the_last_completion() -> None:
    told = list(rows(STATUS))
    place = [label for label, _ in told].index("last")
    assert "prompt 300 tokens (24 evaluated, 276 reused)" in told[place][1]
    assert told[place + 1] == (
        "",
        "plan: read from the file's own cache, with a short suffix; predicted 412 ms, took 433 ms",
    )


def plan(**changes: object) -> str:
    return plan_line(msgspec.structs.replace(FIGURES, **changes))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("recalled", "generated before it was asked for"),
        ("kept", "went on with the prompt of before"),
        ("window", "read a window around the cursor"),
    ],
)
def test_each_kind_of_plan_has_its_words(kind: PlanKind, words: str) -> None:
    assert plan(kind=kind, predicted_ms=0.0) == f"plan: {words}"


def test_spm_is_gone_on_with_when_most_of_it_is_cached() -> None:
    assert "went on" in plan(kind="spm", n_reused=290, n_evaluated=10)
    assert "suffix in front" in plan(kind="spm", n_reused=10, n_evaluated=290)


def test_a_stale_plan_says_so() -> None:
    assert "older than the text" in plan(stale=True)
    assert "older" not in plan(stale=False)
