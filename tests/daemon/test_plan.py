"""What fits: grades, places, speeds and their source, and which choice is advised for which computer."""

import json
from pathlib import Path

import pytest

from stardraftd.engine.plan.speeds import SpeedModel, remember
from stardraftd.models.hardware import Capacity, Gpu, cgroup_limits, room
from stardraftd.models.plan import (
    FITS_WELL,
    TIGHT,
    Candidate,
    Plan,
    Row,
    Speeds,
    graded,
    greatest_that,
    local,
    plan,
    published,
    rows,
    settings,
)
from stardraftd.models.throughput import (
    DEPTH_TOKENS,
    Measured,
    gpu_bytes_per_s,
    measured_pace,
    measurements,
    proven_bytes_per_s,
    reading_bytes_per_s,
)
from stardraftd.paths import builtin_model_path
from tests.support.tiny_models import write_hybrid_model

GB = 10**9
THREE_B = list(published(("starcoder2-3b",)))
ALL = list(published())
SLOW_RAM = Speeds(ram_bytes_per_s=30 * GB, vram_bytes_per_s=None)
FAST_GPU = Speeds(ram_bytes_per_s=30 * GB, vram_bytes_per_s=1000 * GB)


def with_ram(gigabytes: float) -> Capacity:
    return Capacity(ram_free_bytes=int(gigabytes * GB), ram_total_bytes=64 * GB)


def with_gpu(vram: float, ram: float = 24.0, *, unified: bool = False) -> Capacity:
    gpu = Gpu("GPU0", "a GPU", int(vram * GB), int(vram * GB), unified)
    return Capacity(ram_free_bytes=int(ram * GB), ram_total_bytes=64 * GB, gpus=(gpu,))


def planned(candidates: list[Candidate], here: Capacity, speeds: Speeds) -> Plan:
    return plan(rows(candidates, here, speeds), here, speeds)


def advised(result: Plan) -> Row:
    assert result.advised is not None, result.reason
    return result.rows[result.advised]


# --- grades and places ---------------------------------------------------------------------------------


def test_the_grade_follows_the_share_of_the_free_memory() -> None:
    row = rows(THREE_B[:1], with_ram(24), SLOW_RAM)[0]
    needed = row.need.ram_bytes / GB
    assert graded(row.need, with_ram(needed / (FITS_WELL - 0.01))) == ("fits well", "")
    assert graded(row.need, with_ram(needed / (FITS_WELL + 0.01))) == ("tight", "RAM")
    assert graded(row.need, with_ram(needed / (TIGHT + 0.01))) == ("does not fit", "RAM")


def test_layers_go_to_the_gpu_as_far_as_they_fit() -> None:
    def places(vram: float) -> list[str]:
        return [row.placement for row in rows(THREE_B, with_gpu(vram), FAST_GPU)]

    assert set(places(16)) == {"GPU"}
    assert places(4)[0] == "GPU"
    assert places(4)[-1] == "split"  # F16
    assert set(places(0.3)) == {"CPU"}


def test_a_split_uses_as_many_layers_as_fit_well() -> None:
    here = with_gpu(1.5)
    row = rows(THREE_B[:1], here, FAST_GPU)[0]
    assert row.placement == "split"
    assert 1 < row.gpu_layers < row.layers
    assert row.vram_bytes <= FITS_WELL * here.vram_free_bytes
    assert settings(row) == [f"model.gpu_layers = {row.gpu_layers}"]


def test_unified_memory_is_counted_once_for_both() -> None:
    free = with_gpu(16, ram=16, unified=True)
    assert rows(THREE_B[:1], free, FAST_GPU)[0].grade == "fits well"
    # The GPU's budget would do, but what the computer has free would not.
    short = with_gpu(16, ram=2.4, unified=True)
    assert rows(THREE_B[:1], short, FAST_GPU)[0].grade == "does not fit"


def test_every_placement_is_listed_when_asked_for() -> None:
    found = rows(
        THREE_B[:1],
        with_gpu(1.5),
        FAST_GPU,
        contexts=(2048, 4096),
        kv_types=("f16", "q8_0"),
        every_placement=True,
    )
    assert len(found) == 2 * 2 * 3
    assert {row.placement for row in found} == {"GPU", "split", "CPU"}


@pytest.mark.parametrize(("limit", "expected"), [(0, 0), (1, 1), (7, 7), (10, 10), (99, 10)])
def test_the_greatest_number_that_holds_is_found(limit: int, expected: int) -> None:
    assert greatest_that(lambda n: n <= limit, 1, 10) == expected


# --- speed ---------------------------------------------------------------------------------------------


def test_without_a_measurement_the_speed_is_the_bound_of_the_memory() -> None:
    row = rows(THREE_B[:1], with_ram(24), SLOW_RAM)[0]
    read = THREE_B[0].weights.total_bytes + 30_720 * DEPTH_TOKENS
    assert row.pace is not None
    assert row.pace.source == "bound"
    assert row.pace.tokens_per_s == pytest.approx(30 * GB / read)


def test_what_an_engine_measured_is_taken_and_called_so(tmp_path: Path) -> None:
    speeds = SpeedModel([(1, 50.0), (8, 200.0)], cell_us=10.0)
    size = THREE_B[0].file_bytes + 3000  # another tool's metadata
    remember(tmp_path / "speeds.json", f"a 3B|{size}|CPU|0|2|f16|auto|512|AVX2 = 1 | FMA = 1", speeds)
    found = measurements(tmp_path)
    assert found == (Measured("a 3B", size, "CPU", 0, "f16", 50.0, 10.0),)
    by_quantization = {
        row.quantization: row.pace
        for row in rows(THREE_B, with_ram(24), Speeds(measured=found, ram_bytes_per_s=30 * GB))
    }
    four, eight = by_quantization["Q4_K_M"], by_quantization["Q8_0"]
    assert four is not None
    assert eight is not None
    assert four.source == "measured"
    assert four.tokens_per_s == pytest.approx(1000 / (50 + 10.24))
    assert eight.source == "bound"


@pytest.mark.parametrize(("kv_type", "gpu_layers"), [("q8_0", 0), ("f16", 31)])
def test_a_measurement_of_another_way_to_run_it_is_not_taken(kv_type: str, gpu_layers: int) -> None:
    known = [Measured("a 3B", 1000, "CPU", 0, "f16", 50.0, 0.0)]
    found = measured_pace(
        known,
        file_bytes=1000,
        kv_type=kv_type,  # type: ignore[arg-type]
        gpu_layers=gpu_layers,
        layers=30,
    )
    assert found is None


@pytest.mark.parametrize(
    "content", ["", "{", '{"format": 1}', '{"format": 1, "speeds": {"x": {"curve": []}}}', "[]"]
)
def test_an_unreadable_file_of_speeds_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "speeds.json").write_text(content, encoding="utf-8")
    assert measurements(tmp_path) == ()
    assert measurements(tmp_path / "missing") == ()


def test_the_memory_is_at_least_as_fast_as_an_engine_has_read_it() -> None:
    known = [
        Measured("large", 2 * GB, "CPU", 0, "f16", 50.0, 0.0),
        Measured("in the cache", 20_000_000, "CPU", 0, "f16", 0.1, 0.0),
        Measured("on a GPU", 2 * GB, "GPU0", 30, "f16", 5.0, 0.0),
    ]
    assert proven_bytes_per_s(known) == pytest.approx(40 * GB)
    assert proven_bytes_per_s([]) == 0


def test_reading_memory_is_timed() -> None:
    assert 0.01 * GB < reading_bytes_per_s(1) < 10_000 * GB


@pytest.mark.parametrize(
    ("description", "gigabytes"),
    [
        ("NVIDIA GeForce RTX 4090", 1008),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 576),
        ("NVIDIA L4", 300),
        ("NVIDIA L40S", 864),
        ("NVIDIA H100 80GB HBM3", 3350),
        ("Apple M1", 68),
        ("Apple M3 Max", 400),
        ("NVIDIA GeForce GTX 1060", None),
        ("Apple M10", None),
    ],
)
def test_known_gpus_are_told_from_others_of_like_name(description: str, gigabytes: int | None) -> None:
    assert gpu_bytes_per_s(description) == (None if gigabytes is None else gigabytes * GB)


def test_a_gpu_of_unknown_speed_gets_no_number() -> None:
    assert rows(THREE_B[:1], with_gpu(16), SLOW_RAM)[0].pace is None


# --- advice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "speeds", "model", "quantization", "placement"),
    [
        (with_ram(24), SLOW_RAM, "starcoder2-3b", "Q4_K_M", "CPU"),
        (with_ram(3), SLOW_RAM, "starcoder2-3b", "Q4_K_M", "CPU"),  # tight
        (with_gpu(24), FAST_GPU, "starcoder2-15b", "Q8_0", "GPU"),
        (with_gpu(8), FAST_GPU, "starcoder2-7b", "Q5_K_M", "GPU"),
        (with_gpu(4), FAST_GPU, "starcoder2-3b", "Q6_K", "GPU"),
        (with_gpu(24), SLOW_RAM, "starcoder2-3b", "Q4_K_M", "GPU"),  # of unknown speed
    ],
)
def test_the_largest_that_is_fast_enough_is_advised_or_else_the_fastest(
    here: Capacity, speeds: Speeds, model: str, quantization: str, placement: str
) -> None:
    row = advised(planned(ALL, here, speeds))
    assert (row.model, row.quantization, row.placement) == (model, quantization, placement)


def test_nothing_is_advised_where_nothing_fits_and_it_is_said_what_is_missing() -> None:
    result = planned(ALL, with_ram(1), SLOW_RAM)
    assert result.advised is None
    assert result.command == ""
    assert "starcoder2-3b in Q4_K_M" in result.reason
    assert "2.7 GB" in result.reason


def test_the_default_context_is_advised_if_it_fits_and_a_smaller_one_if_not() -> None:
    def context(ram: float) -> int:
        here = with_ram(ram)
        found = rows(THREE_B, here, SLOW_RAM, contexts=(2048, 4096, 8192, 16384), kv_types=("f16",))
        return advised(plan(found, here, SLOW_RAM)).context_tokens

    assert context(24) == 8192
    assert context(3) == 4096


def test_the_built_in_model_is_advised_only_where_nothing_else_is_asked_about() -> None:
    toy = local(builtin_model_path())
    assert advised(planned([*THREE_B, toy], with_ram(24), SLOW_RAM)).model == "starcoder2-3b"
    assert advised(planned([toy], with_ram(24), SLOW_RAM)).path == str(builtin_model_path())


def test_the_command_gets_what_is_advised() -> None:
    assert (
        planned(THREE_B, with_ram(24), SLOW_RAM).command
        == "stardraft model pull starcoder2-3b --quant Q4_K_M --use"
    )
    toy = local(builtin_model_path())
    assert planned([toy], with_ram(24), SLOW_RAM).command == f"stardraft model use {builtin_model_path()}"


# --- the memory that is there --------------------------------------------------------------------------


def test_what_a_running_engine_holds_counts_as_free() -> None:
    without = room(())
    assert room((), engine_ram_bytes=without.ram_total_bytes).ram_free_bytes == without.ram_total_bytes
    gpu = Gpu("GPU0", "a GPU", 1 * GB, 8 * GB)
    assert room((gpu,), engine_vram_bytes=3 * GB).vram_free_bytes == 4 * GB
    assert room((gpu,), engine_vram_bytes=9 * GB).vram_free_bytes == 8 * GB


def test_a_gpu_of_its_own_is_taken_before_one_that_shares_the_memory() -> None:
    shared, own = Gpu("GPU0", "shared", GB, GB, unified=True), Gpu("GPU1", "own", GB, GB)
    assert room((shared, own)).gpus == (own,)
    assert room((shared,)).gpus == (shared,)
    assert not room(None).devices_known


def test_the_limits_of_all_control_groups_above_are_read(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/user/app\n", encoding="utf-8")
    mounted = tmp_path / "cgroup"
    app = mounted / "user" / "app"
    app.mkdir(parents=True)
    (app / "memory.max").write_text("max\n", encoding="utf-8")
    (app / "memory.current").write_text("100\n", encoding="utf-8")
    (app.parent / "memory.max").write_text("5000\n", encoding="utf-8")
    (app.parent / "memory.current").write_text("3000\n", encoding="utf-8")
    stat = "anon 1500\nfile 1500\ninactive_file 1000\nactive_file 400\n"
    (app.parent / "memory.stat").write_text(stat, encoding="utf-8")
    assert list(cgroup_limits(own, mounted)) == [(5000, 1600)]


def test_the_first_version_of_control_groups_is_read_too(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("5:cpu,memory:/docker/abc\n3:pids:/\n", encoding="utf-8")
    memory = tmp_path / "memory"
    memory.mkdir()  # as in a container: its own group is what is mounted
    (memory / "memory.limit_in_bytes").write_text("4000\n", encoding="utf-8")
    (memory / "memory.usage_in_bytes").write_text("2500\n", encoding="utf-8")
    (memory / "memory.stat").write_text("total_inactive_file 500\n", encoding="utf-8")
    assert list(cgroup_limits(own, tmp_path)) == [(4000, 2000)]
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n", encoding="utf-8")
    assert list(cgroup_limits(own, tmp_path)) == []


def test_a_plan_is_json_for_machines() -> None:
    import msgspec

    result = planned(THREE_B, with_gpu(4), FAST_GPU)
    read = json.loads(msgspec.json.encode(result))
    assert read["rows"][read["advised"]]["pace"]["source"] == "bound"


def test_what_a_key_costs_is_known_from_the_file(tmp_path: Path) -> None:
    hybrid = local(write_hybrid_model(tmp_path / "hybrid.gguf", vocabulary=320, layers=1))
    assert not hybrid.can_cut
    assert local(builtin_model_path()).can_cut
