"""`stardraft eval` with the built-in model, on few places: what it asks, says, writes and refuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from stardraft_quant.evaluate import evaluate
from stardraft_quant.evaluate.chart import draw
from stardraft_quant.evaluate.cli import INTERRUPTED, _show
from stardraft_quant.evaluate.datasets import read
from stardraft_quant.evaluate.generate import Answerer, opened
from stardraft_quant.evaluate.report import Report, render, report_of, to_json
from stardraft_quant.evaluate.running import arms, measure
from stardraft_quant.evaluate.tasks import Arm, Item, Run, Task
from stardraft_quant.shared.chart_file import check_chart
from stardraft_quant.shared.unfinished import write_whole
from stardraftd.errors import ModelNotFoundError, PathError, RequestError, StardraftError
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import ContextChunk

DATA = Path(__file__).parents[1] / "data/evaluate"
DAEMON = Path(__file__).parents[2] / "daemon/stardraftd/engine"
SMALL = ("--threads", "1", "--window", "256", "--max-tokens", "8")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(evaluate, arguments)


def report(*arguments: str) -> dict[str, Any]:
    """What a command writes as JSON."""
    done = run(*arguments, *SMALL, "--json", "-")
    assert done.exit_code == 0, done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(*arguments: str) -> StardraftError:
    error = run(*arguments).exception
    assert isinstance(error, StardraftError), error
    assert error.hint
    return error


@pytest.fixture(scope="module")
def answerer() -> Any:
    with opened(builtin_model_path(), window=256, threads=1) as found:
        yield found


@pytest.fixture(scope="module")
def holes() -> dict[str, Any]:
    return report("holes", str(DAEMON), "--items", "6", "--context", "all")


TASK = Task(
    number=0,
    name="a.py:3:12",
    kind="rest-of-line",
    language="python",
    path="a.py",
    repository="shop",
    chunks=(ContextChunk("b.py", "def price(book):\n    return book.price\n"),),
    prefix="def total(books):\n    out = 0\n    return ",
    suffix="\n",
    expected="out",
)


# --- what the engine is asked ----------------------------------------------------------------------------


def test_path_and_repository_are_shown_where_an_arm_says_so(answerer: Answerer) -> None:
    answers = {
        context: answerer.answer(TASK, Arm(context, "psm"), mode="line", max_tokens=4)
        for context in ("none", "path", "repo")
    }
    assert answers["none"].n_prompt < answers["path"].n_prompt < answers["repo"].n_prompt
    assert answers["none"].n_context == answers["path"].n_context == 0
    assert answers["repo"].n_context > 0


def test_an_answer_does_not_depend_on_what_was_asked_before(answerer: Answerer) -> None:
    def ask() -> object:
        answer = answerer.answer(TASK, Arm("path", "spm"), mode="free", max_tokens=12)
        return msgspec.structs.replace(answer, total_ms=0.0)

    first = ask()
    answerer.answer(TASK, Arm("repo", "psm"), mode="line", max_tokens=4)
    assert ask() == first


def test_each_token_has_its_log_probability_and_an_answer_its_end(answerer: Answerer) -> None:
    answer = answerer.answer(TASK, Arm("path", "spm"), mode="free", max_tokens=5)
    assert answer.ended in ("end", "max_tokens")
    assert len(answer.tokens) == 5 or answer.ended == "end"
    assert all(token.logprob <= 0 for token in answer.tokens)
    assert answer.layout == "spm"


# --- holes -----------------------------------------------------------------------------------------------


def test_every_place_is_asked_in_every_way(holes: dict[str, Any]) -> None:
    items = holes["run"]["items"]
    asked = [(item["task"], item["context"], item["layout"]) for item in items]
    assert len(set(asked)) == len(asked) == 6 * 3 * 2
    assert {item["kind"] for item in items} == {"rest-of-line", "whole-line"}
    assert all(item["tokens"] for item in items if item["text"])
    assert len(holes["arms"]) == 6
    assert holes["run"]["model"]["toy"] is True


def test_the_same_seed_gives_the_same_answers(holes: dict[str, Any]) -> None:
    again = report("holes", str(DAEMON), "--items", "6", "--context", "all")
    for one in (holes, again):
        for item in one["run"]["items"]:
            item["total_ms"] = 0.0
    assert again["run"]["items"] == holes["run"]["items"]


def test_the_engine_plans_by_itself_with_auto() -> None:
    items = report("holes", str(DAEMON), "--items", "2", "--layout", "auto")["run"]["items"]
    assert [item["layout"] for item in items] == ["auto", "auto"]
    assert {item["used_layout"] for item in items} <= {"psm", "spm"}


def test_a_person_reads_scores_endings_costs_and_the_comparison() -> None:
    done = run("holes", str(DAEMON), "--items", "4", *SMALL)
    assert done.exit_code == 0
    told = done.stdout
    for words in ("stardraft-tiny", "first line exact", "rest-of-line (2)", "How the generations ended"):
        assert words in told
    for words in ("PSM", "SPM v2", "generated tokens", "p by chance"):
        assert words in told


def test_a_model_without_separators_is_shown_no_repository_and_it_says_so(tmp_path: Path) -> None:
    data = builtin_model_path().read_bytes()
    for name in (b"<file_sep>", b"ggml.fim_sep_token_id"):  # written otherwise, in as many bytes
        assert data.count(name) == 1
        data = data.replace(name, name.replace(b"sep", b"sop"))
    model = tmp_path / "plain.gguf"
    model.write_bytes(data)
    options = ("--items", "2", "--context", "repo", "--layout", "psm", "--model", str(model))
    found = report("holes", str(DAEMON), *options)
    assert {item["context"] for item in found["run"]["items"]} == {"path"}
    assert any("no separator between files" in note for note in found["run"]["notes"])


# --- sets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["santacoder.jsonl", "humaneval.jsonl", "safim.jsonl"])
def test_a_set_is_answered_in_both_layouts(name: str) -> None:
    found = report("dataset", str(DATA / name))
    tasks = read(DATA / name).tasks
    assert [(item["name"], item["layout"]) for item in found["run"]["items"]] == [
        (task.name, layout) for task in tasks for layout in ("psm", "spm")
    ]
    assert all(item["whole"] is None for item in found["run"]["items"])


def test_skipped_lines_are_told() -> None:
    notes = report("dataset", str(DATA / "damaged.jsonl"))["run"]["notes"]
    assert any(
        "5 lines of the file were not used" in note and "line 4: it has no field" in note for note in notes
    )


@pytest.mark.skipif(sys.platform == "win32", reason="programs are run on Linux and macOS only")
def test_programs_run_only_when_asked_and_it_says_so() -> None:
    done = run("dataset", str(DATA / "humaneval.jsonl"), "--execute", "--layout", "psm", *SMALL)
    assert done.exit_code == 0, done.exception
    assert "executes programs that the model wrote" in done.stderr
    assert "passes, all of it" in done.stdout
    assert "model output was executed" in done.stdout
    assert "executes" not in run("dataset", str(DATA / "humaneval.jsonl"), "--items", "1", *SMALL).output


@pytest.mark.skipif(sys.platform == "win32", reason="programs are run on Linux and macOS only")
def test_a_test_that_the_sets_own_solution_fails_does_not_count(tmp_path: Path) -> None:
    good, other = (json.loads(line) for line in (DATA / "humaneval.jsonl").read_text().splitlines())
    other["test"] = "def check(candidate):\n    assert False\n"
    file = tmp_path / "set.jsonl"
    file.write_text(f"{json.dumps(good)}\n{json.dumps(other)}\n")
    found = report("dataset", str(file), "--execute", "--layout", "spm")["run"]
    assert [item["whole"] is not None for item in found["items"]] == [True, False]
    assert any("1 tests do not count" in note and "Own/1" in note for note in found["notes"])


def test_only_sets_with_tests_can_be_executed() -> None:
    assert "safim" in str(refused("dataset", str(DATA / "safim.jsonl"), "--execute"))


# --- interrupted -----------------------------------------------------------------------------------------


def interrupted_after(n: int, answerer: Answerer) -> Run:
    tasks = [msgspec.structs.replace(TASK, number=number) for number in range(5)]

    def on_item(n_done: int) -> None:
        if n_done == n:
            raise KeyboardInterrupt

    wanted = arms("both", "path")
    found = measure(tasks, wanted, answerer, mode="line", max_tokens=2, on_item=on_item)
    return a_run(found.items, interrupted=found.interrupted, answerer=answerer)


def a_run(items: tuple[Item, ...], *, interrupted: bool, answerer: Answerer) -> Run:
    return Run(
        version="0",
        source="here",
        model=answerer.info,
        mode="line",
        window=256,
        max_tokens=2,
        seed=0,
        arms=tuple(arms("both", "path")),
        n_tasks=5,
        tasks_in_all=5,
        interrupted=interrupted,
        notes=(),
        items=items,
    )


def told_by(found: Report) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render(found))
    return captured.get()


def test_ctrl_c_keeps_what_was_measured_in_all_ways(answerer: Answerer, tmp_path: Path) -> None:
    found = interrupted_after(5, answerer)
    assert found.interrupted
    assert [item.task for item in found.items] == [0, 0, 1, 1]
    assert "what 2 of 5 tasks came to" in told_by(report_of(found))
    with pytest.raises(typer.Exit) as left:
        _show(found, tmp_path / "out.json", None)
    assert left.value.exit_code == INTERRUPTED
    assert json.loads((tmp_path / "out.json").read_text())["run"]["interrupted"] is True


def test_ctrl_c_before_anything_was_measured_says_so(answerer: Answerer) -> None:
    assert "what 0 of 5 tasks came to" in told_by(report_of(interrupted_after(1, answerer)))


# --- files -----------------------------------------------------------------------------------------------


def test_json_is_written_whole_or_not_at_all(tmp_path: Path, answerer: Answerer) -> None:
    data = to_json(report_of(interrupted_after(4, answerer)))
    write_whole(tmp_path / "a.json", data)
    assert msgspec.json.decode(data, type=Report).run.n_tasks == 5
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(PathError):
        write_whole(tmp_path / "folder.json", data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "folder.json"]


def test_a_chart_is_svg_or_png_and_the_same_for_the_same_figures(tmp_path: Path, answerer: Answerer) -> None:
    found = report_of(interrupted_after(4, answerer))
    for name in ("a.svg", "b.svg", "c.png"):
        draw(found, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RequestError, match="cannot be written as"):
        check_chart(tmp_path / "d.pdf")


# --- refused ---------------------------------------------------------------------------------------------


def test_what_cannot_work_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none" / "out.json")
    assert "no folder" in str(refused("holes", str(DAEMON), "--json", nowhere))
    assert "cannot be written" in str(refused("holes", str(DAEMON), "--chart", "x.pdf"))
    assert isinstance(
        refused("holes", str(DAEMON), "--model", str(tmp_path / "none.gguf")), ModelNotFoundError
    )
    assert "There is no" in str(refused("holes", str(tmp_path / "none")))
    (tmp_path / "empty").mkdir()
    assert "no source code" in str(refused("holes", str(tmp_path / "empty")))


@pytest.mark.parametrize("command", ["holes", "dataset"])
def test_help_is_there_without_anything_heavy(command: str) -> None:
    program = (
        "import sys; from typer.testing import CliRunner; from stardraft_quant.evaluate import evaluate; "
        f"done = CliRunner().invoke(evaluate, [{command!r}, '--help']); print(done.stdout); "
        "print(sorted({'llama_cpp', 'numpy', 'matplotlib', 'gguf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Examples:" in done.stdout
    assert done.stdout.strip().endswith("[]")
