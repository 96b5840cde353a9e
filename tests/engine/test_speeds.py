"""What is predicted follows what was measured, and what was measured is remembered."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraftd.engine.plan.speeds import MIN_WINDOW, SpeedModel, remember, remembered

CURVE = ((1, 50.0), (4, 130.0), (16, 300.0), (128, 1800.0))
costs = st.dictionaries(st.integers(1, 600), st.floats(0.01, 1e5), min_size=1, max_size=9)


@given(costs, st.integers(1, 700), st.integers(1, 700))
def test_more_tokens_never_cost_less(measured: dict[int, float], one: int, other: int) -> None:
    speeds = SpeedModel(tuple(measured.items()))
    few, many = sorted((one, other))
    assert speeds.decode_ms(few, 0) <= speeds.decode_ms(many, 0) * (1 + 1e-9)


@pytest.mark.parametrize(("n", "ms"), [(1, 50.0), (4, 130.0), (10, 215.0), (72, 1050.0)])
def test_between_two_measurements_is_a_straight_line(n: int, ms: float) -> None:
    assert SpeedModel(CURVE, cell_us=0.0).decode_ms(n, 0) == pytest.approx(ms)


def test_a_prompt_costs_its_batches() -> None:
    speeds = SpeedModel(CURVE, cell_us=0.0)
    assert speeds.prefill_ms(300, 0, 128) == pytest.approx(2 * 1800.0 + speeds.decode_ms(44, 0))
    assert speeds.prefill_ms(0, 0, 128) == 0


def test_cells_in_use_cost_too() -> None:
    speeds = SpeedModel(CURVE, cell_us=10.0)
    assert speeds.decode_ms(1, 1000) == pytest.approx(60.0)


def test_predictions_come_nearer_to_what_happens_and_their_error_is_known() -> None:
    speeds = SpeedModel(CURVE, cell_us=0.0)
    for _ in range(60):
        speeds.took(speeds.decode_ms(1, 0), 100.0)
    assert speeds.decode_ms(1, 0) == pytest.approx(100.0, rel=0.05)
    assert speeds.n_predictions == 60
    assert 0 < speeds.error < 0.5


def test_the_price_of_a_cell_is_learnt_from_tokens_at_different_depths() -> None:
    speeds = SpeedModel(CURVE)
    for i in range(64):
        depth = 200 if i % 2 else 2200
        speeds.token_took(depth, 50.0 + depth * 0.004)
    assert speeds.cell_us == pytest.approx(4.0, rel=0.1)


@given(st.floats(0.001, 1e4), st.floats(0.0001, 1e4), st.integers(16, 16_384))
def test_a_window_is_within_its_bounds(token_ms: float, cell_us: float, n_most: int) -> None:
    n = SpeedModel(((1, token_ms),), cell_us=cell_us).window(n_most)
    assert min(MIN_WINDOW, n_most) <= n <= n_most


def test_dear_cells_make_a_small_window() -> None:
    assert SpeedModel(CURVE, cell_us=20.0).window(4096) < SpeedModel(CURVE, cell_us=5.0).window(4096)


def test_what_was_measured_is_remembered_for_its_key_alone(tmp_path: Path) -> None:
    file = tmp_path / "engine" / "speeds.json"
    remember(file, "a", SpeedModel(CURVE, cell_us=3.0))
    remember(file, "b", SpeedModel(((1, 2.0),)))
    found = remembered(file, "a")
    assert found.curve == CURVE
    assert found.cell_us == 3.0
    assert remembered(file, "b").curve == ((1, 2.0),)
    assert remembered(file, "c").curve == ()
    assert [path.name for path in file.parent.iterdir()] == [file.name], "no temporary file is left"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"format": 99, "speeds": {}}',
        b'{"format": 1, "speeds": {"a": {"curve": [[1, "x"]]}}}',
        b'{"format": 1, "speeds": {"a": 3}}',
        b"[" * 200_000,
        b'{"format": 1, "speeds": {"a": ' + b"[" * 200_000,
        b'{"format": 1, "speeds": {"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"format": 1, "speeds": {"a": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}}",
        b'{"format": 1, "speeds": {"a": {"curve": [[1, 2.0]], "cell_us": -1}}}',
        b'{"format": 1, "speeds": {"a": {"curve": [[1, 2.0]], "cell_us": 1e300}}}',
        b'{"format": 1, "speeds": {}}' + b" " * 2_000_000,
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_damaged_file_is_told_of_and_measured_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "speeds.json"
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert remembered(file, "a").curve == ()
    assert caplog.records
    remember(file, "a", SpeedModel(CURVE))
    assert remembered(file, "a").curve == CURVE


@pytest.mark.parametrize(
    "entry", ["[1, 1e300]", "[1, -3.0]", "[0, 1.0]", "[-1, 1.0]", "[99999999999999, 1.0]"]
)
def test_a_measurement_that_cannot_be_is_left_out(entry: str, tmp_path: Path) -> None:
    file = tmp_path / "speeds.json"
    file.write_text(
        f'{{"format": 1, "speeds": {{"a": {{"curve": [[4, 9.0], {entry}], "cell_us": 1.0}}}}}}',
        encoding="ascii",
    )
    assert remembered(file, "a").curve == ((4, 9.0),)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    remember(tmp_path / "file" / "speeds.json", "a", SpeedModel(CURVE))
    assert "not kept" in caplog.text
