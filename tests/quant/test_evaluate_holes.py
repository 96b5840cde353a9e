"""Holes in one's own files: the answer is gone from what is shown, and the same seed makes the same holes."""

from pathlib import Path

import pytest

from stardraft_quant.code.document import Document
from stardraft_quant.code.files import code_files
from stardraft_quant.evaluate.holes import MAX_HOLE_CHARS, MIN_PER_LANGUAGE, punch, shares
from stardraft_quant.evaluate.tasks import Task
from stardraftd.errors import RequestError

DAEMON = Path(__file__).parents[2] / "daemon/stardraftd/engine"


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return code_files([DAEMON])


@pytest.fixture(scope="module")
def tasks(documents: list[Document]) -> tuple[Task, ...]:
    return punch(documents, 60, 0, with_chunks=True).tasks


def test_the_pieces_of_a_task_are_its_file(documents: list[Document], tasks: tuple[Task, ...]) -> None:
    texts = {document.path: document.text for document in documents}
    assert len(tasks) == 60
    for task in tasks:
        assert task.prefix + task.expected + task.suffix in texts[task.path]


def test_a_hole_is_the_rest_of_a_line_or_all_of_it_behind_the_indentation(tasks: tuple[Task, ...]) -> None:
    for task in tasks:
        before = task.prefix.rpartition("\n")[2]
        assert bool(before.strip()) == (task.kind == "rest-of-line")
        assert not task.suffix or task.suffix.startswith("\n")
        assert "\n" not in task.expected
        assert len("".join(task.expected.split())) >= 3
        assert len(before + task.expected) <= MAX_HOLE_CHARS + len(before)
    kinds = [task.kind for task in tasks]
    assert kinds.count("rest-of-line") == kinds.count("whole-line") == 30


def test_names_say_the_place(documents: list[Document], tasks: tuple[Task, ...]) -> None:
    texts = {document.path: document.text for document in documents}
    for task in tasks:
        path, line, column = task.name.split(":")
        assert texts[path].split("\n")[int(line) - 1][int(column) - 1 :] == task.expected


def test_no_place_is_taken_twice(tasks: tuple[Task, ...]) -> None:
    assert len({task.name.rpartition(":")[0] for task in tasks}) == len(tasks)


def test_the_seed_decides(documents: list[Document], tasks: tuple[Task, ...]) -> None:
    assert punch(documents, 60, 0, with_chunks=True).tasks == tasks
    assert punch(documents, 60, 1, with_chunks=True).tasks != tasks


def test_context_does_not_move_the_holes(documents: list[Document], tasks: tuple[Task, ...]) -> None:
    bare = punch(documents, 60, 0, with_chunks=False).tasks
    assert [task.name for task in bare] == [task.name for task in tasks]
    assert not any(task.chunks for task in bare)


def test_chunks_are_of_other_files(tasks: tuple[Task, ...]) -> None:
    assert all(task.chunks for task in tasks)
    assert all(chunk.path != task.path for task in tasks for chunk in task.chunks)


def test_the_likest_piece_of_the_repository_stands_last(tmp_path: Path) -> None:
    here = (
        "def total_price(basket, discount):\n    price_sum = 0\n    return price_sum * discount\n"
        + "\n" * 200
    )
    (tmp_path / "here.py").write_text(here)
    (tmp_path / "near.py").write_text(
        "def price_list(basket, discount, price_sum):\n    return []\n" + "\n" * 200
    )
    (tmp_path / "far.py").write_text(
        "def walk(folder, discount, suffix, pattern, depth):\n    pass\n" + "\n" * 200
    )
    found = punch(code_files([tmp_path]), 100, 0, with_chunks=True).tasks
    chunks = [chunk.path for task in found if task.path == "here.py" for chunk in task.chunks[-1:]]
    assert chunks
    assert set(chunks) == {"near.py"}


def test_comments_and_lone_brackets_get_no_holes(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("// a comment\n}\n\n)];\n" * 80 + "const answer = 42;\n")
    (task,) = punch(code_files([tmp_path]), 10, 0, with_chunks=False).tasks
    assert "const answer = 42;".endswith(task.expected)
    (tmp_path / "a.js").write_text("// a comment\n}\n" * 80)
    with pytest.raises(RequestError, match="No line"):
        punch(code_files([tmp_path]), 10, 0, with_chunks=False)


def test_each_language_has_its_share_but_ten_at_least() -> None:
    assert shares({"go": 300, "python": 700}, 100) == {"go": 30, "python": 70}
    assert shares({"go": 5, "python": 900}, 100) == {"go": 5, "python": 95}
    assert shares({"go": 40, "python": 9000}, 100) == {"go": MIN_PER_LANGUAGE, "python": 90}
    assert shares({"go": 3, "python": 4}, 100) == {"go": 3, "python": 4}
    assert sum(shares({"go": 50, "java": 50, "python": 50}, 7).values()) == 7
