"""`stardraft bench speed`: what it reports and refuses. Never how fast anything is."""

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import psutil
import pytest
from rich.console import Console

from stardraft_quant.bench.chart import draw
from stardraft_quant.bench.contention import watch_others
from stardraft_quant.bench.llama_bench import BenchSettings, LlamaBench
from stardraft_quant.bench.measuring import Decode, Prefill
from stardraft_quant.bench.speed import (
    N_DECODED,
    N_PREFILLS,
    ROOM,
    SpeedOptions,
    SpeedReport,
    Spread,
    run_speed,
    spread,
)
from stardraft_quant.bench.speed_process import Measurer
from stardraft_quant.bench.speed_table import printable, render
from stardraft_quant.shared.chart_file import check_chart
from stardraftd.errors import (
    EngineCrashedError,
    EngineError,
    EngineLoadError,
    ModelFormatError,
    ModelNotFoundError,
    RequestError,
    StardraftError,
)
from stardraftd.protocol.engine import EngineSettings
from tests.cli.program import stardraft
from tests.support.llama_bench import OLD_HELP, StandIn
from tests.support.processes import finish, run_to_end
from tests.support.tiny_models import BUILT_IN, random_model

DEPTHS = (0, 7)


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return stardraft({**os.environ, **environment}, "bench", *arguments)


def settings(**changes: object) -> EngineSettings:
    return msgspec.structs.replace(EngineSettings(model_path=str(random_model()), threads=1), **changes)


def told_by(report: SpeedReport) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(report))
    return captured.get()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    if os.name != "posix":
        pytest.skip("a script is no program here")
    return StandIn(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What `report` told while it was made."""
    return []


@pytest.fixture(scope="module")
def report(stand_in: StandIn, told: list[str]) -> SpeedReport:
    """A random model at two small depths, with a peer."""
    options = SpeedOptions(model=random_model(), depths=DEPTHS, threads=1, runs=2, peer=stand_in.path)
    return run_speed(options, told.append)


# --- what is reported ------------------------------------------------------------------------------------


def spreads(report: SpeedReport) -> list[Spread]:
    sides = [*report.depths, *(report.peer.depths if report.peer else ())]
    found = [one.decode_tokens_per_s for one in sides]
    found += [prefill.tokens_per_s for one in sides for prefill in one.prefill]
    found += [one.python_ms for one in report.overheads]
    found += [one.ms for one in report.batches]
    found += [one.ours_to_theirs for one in (report.peer.ratios if report.peer else ())]
    return found


def test_every_depth_has_all_its_figures(report: SpeedReport) -> None:
    assert tuple(one.depth for one in report.depths) == DEPTHS
    assert tuple(one.depth for one in report.overheads) == DEPTHS
    for one in report.depths:
        assert tuple(prefill.n_tokens for prefill in one.prefill) == N_PREFILLS


def test_medians_lie_between_the_least_and_the_greatest(report: SpeedReport) -> None:
    for one in spreads(report):
        assert 0 < one.least <= one.median <= one.greatest
        assert one.n >= 1


def test_a_spread_is_of_what_was_measured() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == Spread(median=2.5, least=1.0, greatest=10.0, n=4)


def test_each_decoded_token_has_its_overhead(report: SpeedReport) -> None:
    for speed, overhead in zip(report.depths, report.overheads, strict=True):
        assert overhead.python_ms.n == speed.decode_tokens_per_s.n * N_DECODED
        assert overhead.percent == pytest.approx(overhead.python_ms.median * 100 / overhead.decode_ms)


def test_the_batch_curve_goes_from_one_token_to_a_micro_batch(report: SpeedReport) -> None:
    sizes = [one.n_tokens for one in report.batches]
    assert sizes[0] == 1
    assert sizes[-1] == report.batch_tokens == EngineSettings(model_path="").batch_tokens
    assert all(smaller < larger for smaller, larger in pairwise(sizes))


def test_it_names_what_was_measured_and_how(report: SpeedReport) -> None:
    assert report.path == str(random_model())
    assert report.threads == 1
    assert report.device
    assert "F32" in report.description
    assert report.system_info
    assert report.flash_attention == ("auto" if report.gpu_layers else "off")


def test_memory_adds_up(report: SpeedReport) -> None:
    memory = report.memory
    assert 0 < memory.weights_bytes < report.size_bytes
    assert 0 < memory.started_bytes < memory.resident_bytes
    if report.gpu_layers:
        assert memory.beyond_bytes is None
    else:
        assert memory.beyond_bytes == memory.resident_bytes - memory.weights_bytes - memory.kv_bytes


def test_a_report_is_json_and_back(report: SpeedReport) -> None:
    assert msgspec.json.decode(msgspec.json.encode(report), type=SpeedReport) == report


def test_a_person_reads_all_of_it(report: SpeedReport) -> None:
    told = told_by(report)
    for wanted in (report.model, report.device, report.description, "prefill 512", "llama-bench abc123 (7)"):
        assert wanted in told
    for title in ("Speed after", "Beside", "One decode", "Memory"):
        assert title in told


def test_without_a_peer_there_is_no_table_of_it(report: SpeedReport) -> None:
    assert "Beside" not in told_by(msgspec.structs.replace(report, peer=None))


def test_a_busy_computer_is_told(report: SpeedReport) -> None:
    assert 0 <= report.busy_cores <= (os.cpu_count() or 1)
    assert "other programs kept 1.5 cores" in told_by(msgspec.structs.replace(report, busy_cores=1.5))
    assert "other programs" not in told_by(msgspec.structs.replace(report, busy_cores=0.0))


def test_what_others_do_is_seen() -> None:
    """A child that still runs is another program, unless it is the one that measures."""
    waits = "input()"
    works = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        subprocess.Popen([sys.executable, "-c", waits], **pipes) as idle,
        subprocess.Popen([sys.executable, "-c", works], **pipes) as other,
    ):
        n_busy_cores = watch_others(idle.pid)
        assert other.stdout is not None
        other.stdout.readline()
        assert n_busy_cores() > 0
        for process in (idle, other):
            finish(process, b"\n")


def test_a_models_name_cannot_move_the_cursor() -> None:
    assert printable("a\x1b[2Jb\u202ec\n") == "a\\x1b[2Jb\\u202ec\n"


# --- the process that measures ---------------------------------------------------------------------------


def test_it_runs_in_the_engines_environment_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with Measurer(settings(), lambda fraction: None) as measurer:
        process = psutil.Process(measurer.pid)
        if sys.platform == "linux":
            assert process.environ()["GOMP_SPINCOUNT"] == "10000"
    assert not process.is_running()


def test_repetitions_end_with_their_number_or_their_time() -> None:
    with Measurer(settings(), lambda fraction: None) as measurer:
        many = Prefill(depth=0, n_tokens=2, n_times=4, budget_ms=1e9)
        assert len(measurer.prefill_ms(many)) == 4
        assert len(measurer.prefill_ms(msgspec.structs.replace(many, budget_ms=0))) == 1
        decoded = measurer.decode_ms(Decode(depth=3, n_tokens=5, n_times=2, budget_ms=1e9))
        assert [len(times) for times in decoded.token_ms] == [5, 5]
        for whole, native in zip(decoded.token_ms, decoded.native_ms, strict=True):
            assert all(0 < inside < of for inside, of in zip(native, whole, strict=True))


def test_depths_may_come_in_any_order() -> None:
    cells = 600
    with Measurer(settings(context_tokens=cells), lambda fraction: None) as measurer:
        for depth in (400, 0, 500, 20, 500):  # were anything left behind, the cells would not be enough
            assert measurer.prefill_ms(Prefill(depth=depth, n_tokens=64, n_times=2, budget_ms=1e9))


def test_a_decode_without_room_is_an_error_of_the_engine() -> None:
    question = Prefill(depth=512, n_tokens=64, n_times=1, budget_ms=1)
    with (
        Measurer(settings(context_tokens=512), lambda fraction: None) as measurer,
        pytest.raises(EngineError, match="could not decode") as caught,
    ):
        measurer.prefill_ms(question)
    assert "--context-tokens" in caught.value.hint


def test_the_loading_is_told() -> None:
    fractions: list[float] = []
    Measurer(settings(), fractions.append).close()
    assert fractions == sorted(fractions)
    assert fractions[-1] > 0.9


def test_a_process_that_is_killed_is_told_with_its_signal() -> None:
    with Measurer(settings(), lambda fraction: None) as measurer:
        psutil.Process(measurer.pid).kill()
        with pytest.raises(EngineCrashedError, match=r"SIGKILL|status") as caught:
            measurer.prefill_ms(Prefill(depth=0, n_tokens=1, n_times=1, budget_ms=1))
    assert "Somebody or something ended it" in caught.value.message
    assert caught.value.hint


# --- what is refused -------------------------------------------------------------------------------------


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.gguf"
    with pytest.raises(ModelNotFoundError, match=r"none\.gguf"):
        run_speed(SpeedOptions(model=missing))


def test_what_is_no_model_is_the_engines_own_error(tmp_path: Path) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    with pytest.raises(ModelFormatError):
        run_speed(SpeedOptions(model=text))


def test_a_model_larger_than_free_memory_is_not_loaded(tmp_path: Path) -> None:
    huge = tmp_path / "huge.gguf"
    with huge.open("wb") as file:
        file.truncate(psutil.virtual_memory().total * 2)  # a hole: it takes no space on the disk
    with pytest.raises(EngineLoadError, match="memory are free"):
        run_speed(SpeedOptions(model=huge, gpu_layers=0))


def test_a_depth_beyond_the_window_is_refused_with_the_greatest_that_fits() -> None:
    with pytest.raises(RequestError, match="the model's window has 2,048 tokens") as caught:
        run_speed(SpeedOptions(model=BUILT_IN, depths=(0, 2048)))
    assert f"{2048 - ROOM:,}" in caught.value.hint


def test_a_depth_beyond_the_cells_is_refused_with_what_to_give() -> None:
    with pytest.raises(RequestError, match="the KV cache has 1,024 tokens") as caught:
        run_speed(SpeedOptions(model=random_model(), depths=(1000,), context_tokens=1024))
    assert "--context-tokens" in caught.value.hint


def test_a_cache_without_room_to_measure_in_is_refused() -> None:
    with pytest.raises(RequestError, match="512 tokens are decoded at once"):
        run_speed(SpeedOptions(model=random_model(), context_tokens=256))


# --- the peer --------------------------------------------------------------------------------------------


def test_the_two_sides_take_turns(report: SpeedReport, told: list[str]) -> None:
    turns = [line.rsplit(": ", 1)[1] for line in told if line.startswith("depth")]
    assert turns == ["stardraft", "llama-bench"] * 4


def test_the_peer_gets_the_settings_that_we_measured_with(stand_in: StandIn, report: SpeedReport) -> None:
    call = stand_in.calls[0]
    assert call["-m"] == str(random_model())
    assert call["-t"] == "1"
    assert call["-b"] == call["-ub"] == "512"
    assert call["-ctk"] == call["-ctv"] == "f16"
    assert call["-p"] == "512,64"
    assert call["-fa"] == report.flash_attention
    assert {one["-d"] for one in stand_in.calls} == {"0", "7"}
    if not report.gpu_layers:
        assert (call["-ngl"], call["-lm"]) == ("0", "none")


def test_ratios_are_ours_over_theirs(report: SpeedReport) -> None:
    assert report.peer is not None
    assert len(report.peer.ratios) == len(DEPTHS) * (len(N_PREFILLS) + 1)
    ours = {one.depth: one.decode_tokens_per_s for one in report.depths}
    for ratio in report.peer.ratios:
        assert ratio.ours_to_theirs.n == report.runs
        if ratio.n_tokens == 0:
            assert ratio.ours_to_theirs.least >= ours[ratio.depth].least / 100
            assert ratio.ours_to_theirs.greatest <= ours[ratio.depth].greatest / 100


def their_settings() -> BenchSettings:
    return BenchSettings(
        model=random_model(), threads=1, n_batch=512, kv_type="f16", flash_attention="off", gpu_layers=0
    )


@pytest.mark.skipif(os.name != "posix", reason="a script is no program here")
def test_an_older_llama_bench_gets_its_own_options(tmp_path: Path) -> None:
    older = StandIn(tmp_path, help_text=OLD_HELP)
    LlamaBench(older.path).measure(their_settings(), depth=0, n_prompts=(64,), n_gen=2, n_times=1)
    assert (older.calls[0]["-fa"], older.calls[0]["-mmp"]) == ("0", "0")


@pytest.mark.skipif(os.name != "posix", reason="a script is no program here")
def test_a_peer_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="failed to load model"):
        LlamaBench(StandIn(tmp_path, fails=True).path).measure(
            their_settings(), depth=0, n_prompts=(64,), n_gen=2, n_times=1
        )


def test_what_is_no_llama_bench_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be run"):
        run_speed(SpeedOptions(model=random_model(), peer=tmp_path / "missing"))
    with pytest.raises(RequestError, match="is not a llama-bench"):
        run_speed(SpeedOptions(model=random_model(), peer=Path(sys.executable)))


# --- the picture -----------------------------------------------------------------------------------------


def test_a_chart_is_drawn_as_its_suffix_says(report: SpeedReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(report, tmp_path / "speed.PNG")
    assert (tmp_path / "speed.PNG").read_bytes().startswith(b"\x89PNG")
    draw(report, tmp_path / "speed.svg")
    assert ElementTree.parse(tmp_path / "speed.svg").getroot().tag.endswith("svg")


def test_the_same_figures_make_the_same_chart(report: SpeedReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(report, tmp_path / "one.svg")
    draw(report, tmp_path / "two.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_name_that_looks_like_a_formula_is_drawn(report: SpeedReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    draw(msgspec.structs.replace(report, model="a$b_{$\x1b"), tmp_path / "speed.svg")
    assert (tmp_path / "speed.svg").stat().st_size > 0


@pytest.mark.parametrize("name", ["speed.jpg", "speed", "svg"])
def test_another_suffix_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written") as caught:
        check_chart(tmp_path / name)
    assert ".svg or .png" in caught.value.hint


def test_a_chart_in_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StardraftError, match="no folder"):
        check_chart(tmp_path / "missing" / "speed.svg")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None; from stardraftd.cli.edge import run; "
        f"sys.exit(run(['bench', 'speed', '--chart', {str(tmp_path / 'speed.svg')!r}]))"
    )
    done = run_to_end([sys.executable, "-c", program], text=True, idle_s=60)
    assert done.returncode == 1
    assert '.[bench]"' in done.stderr
    assert not (tmp_path / "speed.svg").exists()


# --- the command line ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), ("speed",), ("typing",)])
def test_help_is_there(command: Sequence[str]) -> None:
    done = bench(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stderr == ""


def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    chart = tmp_path / "speed.svg"
    small = ("--model", str(random_model()), "--depths", "0", "--runs", "1", "--threads", "1")
    done = bench("speed", *small, "--json", "--chart", str(chart))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = msgspec.json.decode(done.stdout, type=SpeedReport, strict=True)
    assert [one.depth for one in found.depths] == [0]
    assert found.peer is None
    assert chart.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("speed", "--depths", "0,many"), 2, '"many" in --depths'),
        (("speed", "--depths", ""), 2, "--depths"),
        (("speed", "--depths", "-1"), 2, "--depths"),
        (("speed", "--chart", "speed.jpg"), 2, ".svg or .png"),
        (("speed", "--model", "missing.gguf"), 2, "There is no model file"),
        (("speed", "--depths", "99999"), 2, "the model's window"),
        (("typing", "--peer", "llama-server"), 2, "names no peer"),
        (("typing", "--model", "missing.gguf"), 2, "There is no model file"),
    ],
)
def test_what_is_wrong_is_said_once(arguments: Sequence[str], code: int, said: str) -> None:
    done = bench(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_the_command_line_needs_neither_llama_cpp_nor_matplotlib() -> None:
    program = (
        "import sys; import stardraft_quant.bench.speed, stardraft_quant.bench.chart, "
        "stardraft_quant.bench.speed_table, stardraft_quant.bench.cli; "
        "print(sorted({'llama_cpp', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
