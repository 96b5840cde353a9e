"""The published sets' formats, on small files of our own; a new case is a new line in tests/data/evaluate."""

import gzip
from pathlib import Path

import pytest

from stardraft_quant.evaluate.datasets import choose, read
from stardraft_quant.evaluate.tasks import DatasetKind
from stardraftd.errors import RequestError

DATA = Path(__file__).parents[1] / "data/evaluate"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("santacoder.jsonl", "santacoder-fim"),
        ("humaneval.jsonl", "humaneval-infilling"),
        ("safim.jsonl", "safim"),
    ],
)
def test_the_fields_say_which_set_it_is(name: str, kind: DatasetKind) -> None:
    found = read(DATA / name)
    assert found.kind == kind
    assert found.problems == ()
    assert found == read(DATA / name, kind)
    assert [task.number for task in found.tasks] == list(range(len(found.tasks)))


def test_a_line_end_at_the_end_of_a_hole_stands_behind_it_as_in_an_editor() -> None:
    task = read(DATA / "santacoder.jsonl").tasks[0]
    assert task.expected == "        self.books.append(book)"
    assert task.suffix == "\n        return self\n"
    assert (task.name, task.language) == ("shelf_1_py", "python")


def test_the_parts_of_a_humaneval_task_are_its_program() -> None:
    task = read(DATA / "humaneval.jsonl").tasks[0]
    names: dict[str, object] = {}
    assert task.program is not None
    exec(task.prefix + task.expected + task.suffix + task.program.test, names)
    names["check"](names[task.program.entry_point])  # type: ignore[operator]


def test_safim_is_split_at_its_placeholder_with_plain_line_ends() -> None:
    java, python = read(DATA / "safim.jsonl").tasks
    assert java.prefix.endswith("for (")
    assert java.suffix.startswith(") s += x;\n")
    assert "\r" not in java.prefix + java.suffix
    assert (java.language, java.expected) == ("java", "int x : xs")
    assert (python.prefix[-7:], python.expected) == ("text = ", "json.dumps(data)")


def test_lines_that_are_not_as_they_should_be_are_named_and_the_others_used() -> None:
    found = read(DATA / "damaged.jsonl")
    assert [task.name for task in found.tasks] == ["good_py"]
    told = {problem.line: problem.reason for problem in found.problems}
    assert list(told) == [3, 4, 5, 6, 7]
    assert "not JSON" in told[3]
    assert told[4] == "it has no field suffix"
    assert told[5] == "it is not a JSON object"
    assert told[6] == "there is nothing to be filled in"
    assert told[7] == "it has no text in prompt"


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    packed = tmp_path / "set.jsonl"
    packed.write_bytes(gzip.compress((DATA / "safim.jsonl").read_bytes()))
    assert read(packed) == read(DATA / "safim.jsonl")
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(RequestError, match="damaged gzip"):
        read(packed)


def test_a_file_that_is_no_set_says_which_there_are(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"question": "?"}\n')
    with pytest.raises(RequestError, match="none of the sets") as error:
        read(file)
    assert "canonical_solution" in error.value.hint
    with pytest.raises(RequestError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_a_set_of_another_kind_than_named_says_what_is_missing() -> None:
    with pytest.raises(RequestError, match="Line 1: it has no field"):
        read(DATA / "santacoder.jsonl", "safim")


def test_a_placeholder_must_be_there_once(tmp_path: Path) -> None:
    file = tmp_path / "safim.jsonl"
    file.write_text('{"lang": "python", "eval_prompt": "x = 1", "ground_truth": "1"}\n')
    with pytest.raises(RequestError, match="0 times, not once"):
        read(file)


def test_some_tasks_are_chosen_by_seed_in_their_order() -> None:
    tasks = read(DATA / "santacoder.jsonl").tasks
    assert choose(tasks, 0, 0) == choose(tasks, 99, 0) == tasks
    two = choose(tasks, 2, 3)
    assert two == choose(tasks, 2, 3)
    assert [task.number for task in two] == sorted(task.number for task in two)
    assert len({choose(tasks, 1, seed)[0].name for seed in range(20)}) > 1
