"""What becomes of a suggestion is seen in its document, or said by the editor; and counted once."""

import sqlite3
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_lsp.stats.edits import Edit
from stardraft_lsp.stats.recorder import Recorder
from stardraftd.protocol.completion import Figures

CASES = tomllib.loads(Path("tests/data/lsp/stats/scenarios.toml").read_text(encoding="utf-8"))["case"]
URI = "file:///hidden-project/hidden_name.py"
FIGURES = Figures(
    model="m",
    device="CPU",
    layout="psm",
    n_prompt=100,
    n_reused=90,
    n_evaluated=10,
    n_generated=8,
    prefill_ms=20.0,
    decode_ms=30.0,
    first_token_ms=25.0,
    total_ms=51.0,
    queue_ms=1.0,
)


class Editor:
    """One document in one editor, its cursor, and a recorder that it talks to. Time passes when told."""

    def __init__(self, file: Path, before: str = "", *, enabled: bool = True) -> None:
        self.file = file
        self.now_s = 1000.0
        self.text = f"def f():\n    {before}\n"
        self.cursor = len(self.text) - 1
        self.shown: list[str] = []
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.recorder = Recorder(
            file,
            editor="Test",
            text_of=lambda uri: self.text if uri == URI else None,
            later=lambda after_s, call: self.due.append((self.now_s + after_s, call)),
            clock_s=lambda: self.now_s,
            wall_s=lambda: 1_900_000_000.0 + self.now_s,
            enabled=enabled,
        )

    def show(self, text: str, lead: str = "") -> None:
        self.shown.append(f"id-{len(self.shown)}")
        self.recorder.shown(
            self.shown[-1], uri=URI, language="python", text=text, offset=self.cursor, lead=lead
        )

    def replace(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self.recorder.edited(URI, Edit(start, end, text))

    def insert(self, text: str) -> None:
        self.replace(self.cursor, self.cursor, text)
        self.cursor += 1 if text in ("()", "[]") else len(text)

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.due and min(self.due, key=lambda due: due[0])[0] <= end_s:
            self.due.sort(key=lambda due: due[0])
            self.now_s, call = self.due.pop(0)
            call()
        self.now_s = end_s

    def do(self, what: str, value: object = None) -> None:
        match what, value:
            case "insert", str(text):
                self.insert(text)
            case "keys", str(text):
                for key in text:
                    self.insert(key)
            case "backspace", int(n):
                self.cursor -= n
                self.replace(self.cursor, self.cursor + n, "")
            case "above", str(text):
                self.cursor += len(text)
                self.replace(0, 0, text)
            case "word", str(text):
                start = self.text.rindex(" ", 0, self.cursor) + 1
                self.replace(start, self.cursor, text)
            case "shown", str(text):
                self.show(text)
            case "accepted", None:
                self.recorder.accepted(self.shown[-1])
            case "rejected", None:
                self.recorder.rejected(self.shown[-1])
            case "part", int(n):
                self.recorder.partially_accepted(self.shown[-1], n)
            case "close", None:
                self.recorder.closed(URI)
            case _:
                raise AssertionError(f"there is no step {what} {value!r}")

    def rows(self, table: str = "suggestions") -> list[sqlite3.Row]:
        self.recorder.flush()
        connection = sqlite3.connect(self.file)
        connection.row_factory = sqlite3.Row
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        connection.close()
        return rows


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    return Editor(tmp_path / "stats.sqlite")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_becomes_of_a_suggestion(case: dict[str, object], tmp_path: Path) -> None:
    editor = Editor(tmp_path / "stats.sqlite", str(case.get("before", "")))
    editor.show(str(case["suggestion"]))
    steps = case["steps"]
    assert isinstance(steps, list)
    for what, *values in steps:
        editor.do(what, *values)
    row = editor.rows()[0]
    expected = case["expected"]
    assert isinstance(expected, dict)
    assert {name: row[name] for name in expected} == expected
    assert row["accepted_chars"] + row["typed_chars"] <= row["n_chars"]


def test_a_selected_entry_that_is_repeated_is_no_part_of_the_suggestion(editor: Editor) -> None:
    editor.insert("pr")
    editor.cursor -= 2
    editor.show("(x)", lead="print")
    editor.recorder.partially_accepted("id-0", len("print(x"))
    editor.replace(editor.cursor, editor.cursor + 2, "print(x)")
    (row,) = editor.rows()
    assert (row["outcome"], row["n_chars"], row["accepted_chars"]) == ("accepted", 3, 3)


def test_a_selected_entry_is_accepted_with_what_follows_it(editor: Editor) -> None:
    editor.insert("pr")
    editor.cursor -= 2
    editor.show("(x)", lead="print")
    editor.replace(editor.cursor, editor.cursor + 2, "print(x)")
    assert editor.rows()[0]["outcome"] == "accepted"


def test_what_stays_of_an_accepted_text_is_looked_at_three_times(editor: Editor) -> None:
    editor.show("total = price + tax")
    editor.insert("total = price + tax")
    editor.wait(29)
    assert editor.rows()[0]["kept_30s"] is None
    editor.wait(2)
    start = editor.text.index(" + tax")
    editor.replace(start, start + len(" + tax"), "")
    editor.wait(100)
    editor.replace(0, 0, "# moved down\n")
    start = editor.text.index("total = price")
    editor.replace(start, start + len("total = price"), "")
    editor.wait(1000)
    (row,) = editor.rows()
    assert (row["kept_30s"], row["kept_120s"], row["kept_600s"]) == (1.0, 0.6, 0.0)


def test_one_timer_waits_however_many_texts_are_followed(editor: Editor) -> None:
    for number in range(20):
        editor.show(f"added_{number}()")
        editor.recorder.accepted(editor.shown[-1])
        editor.insert(f"added_{number}()")
        editor.wait(7)
        assert len(editor.due) <= 2, "a new one, when it is due before the one that waits"
    editor.wait(700)
    assert not editor.due
    assert all(row["kept_600s"] is not None for row in editor.rows())


def test_a_word_that_was_accepted_is_followed_as_well(editor: Editor) -> None:
    editor.show("return value")
    editor.insert("return")
    editor.insert(";")
    editor.wait(31)
    editor.replace(editor.cursor - 7, editor.cursor, "")
    editor.wait(600)
    (row,) = editor.rows()
    assert (row["kept_30s"], row["kept_120s"], row["kept_600s"]) == (1.0, 0.0, 0.0)


def test_an_acceptance_that_the_editor_changed_is_followed_where_it_stands(editor: Editor) -> None:
    editor.show("if x:\n        pass")
    editor.insert("if x:\n\tpass")
    editor.recorder.accepted("id-0")
    editor.wait(31)
    assert editor.rows()[0]["kept_30s"] == 1.0


def test_nothing_is_known_of_what_stays_in_a_closed_document(editor: Editor) -> None:
    editor.show("return 1")
    editor.insert("return 1")
    editor.wait(40)
    editor.recorder.closed(URI)
    editor.wait(1000)
    (row,) = editor.rows()
    assert (row["kept_30s"], row["kept_120s"], row["kept_600s"]) == (1.0, None, None)


def test_what_was_typed_is_not_followed(editor: Editor) -> None:
    editor.show("ok")
    editor.do("keys", "ok")
    editor.wait(1000)
    assert editor.rows()[0]["kept_30s"] is None


def test_what_a_generation_cost_stands_with_its_suggestion(editor: Editor) -> None:
    editor.recorder.figures("id-0", FIGURES, n_chunks=4, n_chunks_reused=3)
    editor.show("return 1")
    editor.recorder.rejected("id-0")
    (row,) = editor.rows()
    for name in (
        "queue_ms",
        "prefill_ms",
        "decode_ms",
        "first_token_ms",
        "total_ms",
        "n_reused",
        "n_evaluated",
    ):
        assert row[name] == getattr(FIGURES, name)
    assert (row["n_chunks"], row["n_chunks_reused"]) == (4, 3)


def test_a_line_that_went_on_as_a_block_cost_both(editor: Editor) -> None:
    editor.recorder.figures("id-0", FIGURES, n_chunks=4, n_chunks_reused=3)
    editor.recorder.figures("id-0", FIGURES, n_chunks=4, n_chunks_reused=4)
    editor.show("if a:\n    b()")
    editor.recorder.rejected("id-0")
    (row,) = editor.rows()
    assert row["n_generated"] == 2 * FIGURES.n_generated
    assert row["total_ms"] == 2 * FIGURES.total_ms
    assert row["first_token_ms"] == FIGURES.first_token_ms
    assert (row["n_chunks"], row["n_chunks_reused"]) == (4, 3)


def test_a_cost_that_comes_after_the_showing_counts_as_well(editor: Editor) -> None:
    editor.show("return 1")
    editor.recorder.figures("id-0", FIGURES)
    editor.recorder.rejected("id-0")
    assert editor.rows()[0]["n_generated"] == 8


def test_generations_that_nobody_saw_are_counted_by_day_and_reason(editor: Editor) -> None:
    editor.recorder.figures("seen by none", FIGURES, language="go")
    editor.recorder.figures("filtered", FIGURES, language="go")
    editor.recorder.silent("nothing_to_suggest", "go", identity="filtered")
    editor.recorder.silent("superseded", "go", n_generated=5)
    editor.recorder.silent("superseded", "go", n_generated=6)
    editor.recorder.close()
    rows = {row["reason"]: (row["n"], row["n_generated"]) for row in editor.rows("silences")}
    assert rows == {"nothing_to_suggest": (1, 8), "superseded": (2, 11), "unseen": (1, 8)}


def test_neither_text_nor_path_is_written(editor: Editor) -> None:
    editor.recorder.figures("id-0", FIGURES)
    editor.show("my_password = 'hunter2'")
    editor.insert("my_password = 'hunter2'")
    editor.wait(1000)
    editor.recorder.silent("failed", "python")
    (row,) = editor.rows()
    assert row["kept_600s"] == 1.0
    content = editor.file.read_bytes().lower()
    for secret in (b"password", b"hunter2", b"hidden", b"def f", b"file:"):
        assert secret not in content
    assert len(row["document"]) == 16


def test_the_same_document_has_another_name_in_another_file(tmp_path: Path) -> None:
    names = []
    for name in ("a", "b"):
        editor = Editor(tmp_path / name)
        editor.show("x")
        editor.do("rejected")
        names.append(editor.rows()[0]["document"])
    assert names[0] != names[1]


def test_odd_names_are_stored_as_plain_ones(tmp_path: Path) -> None:
    editor = Editor(tmp_path / "stats.sqlite")
    editor.recorder.silent("x" * 500, "py\x1b[31mthon\n")
    (row,) = editor.rows("silences")
    assert (row["language"], len(row["reason"])) == ("py[31mthon", 64)


def test_switched_off_it_writes_nothing_and_makes_no_file(tmp_path: Path) -> None:
    editor = Editor(tmp_path / "stats.sqlite", enabled=False)
    editor.recorder.figures("id-0", FIGURES)
    editor.show("return 1")
    editor.insert("return 1")
    editor.do("accepted")
    editor.recorder.silent("failed")
    editor.recorder.close()
    assert not editor.file.exists()


def test_switched_off_while_it_runs_it_forgets_what_was_open(editor: Editor) -> None:
    editor.show("return 1")
    editor.recorder.enabled = False
    editor.recorder.enabled = True
    editor.insert("return 1")
    editor.do("accepted")
    editor.recorder.close()
    assert not editor.file.exists()


def test_words_about_what_is_not_known_are_passed_over(editor: Editor) -> None:
    editor.recorder.accepted("none")
    editor.recorder.partially_accepted("none", 5)
    editor.recorder.rejected("none")
    editor.recorder.closed("file:///none")
    editor.recorder.edited("file:///none", Edit(0, 0, "x"))
    editor.show("a")
    editor.recorder.partially_accepted("id-0", 10**9)
    editor.do("close")
    assert editor.rows()[0]["accepted_chars"] == 1


def test_memory_does_not_grow_with_what_is_never_settled(editor: Editor) -> None:
    for number in range(2000):
        editor.recorder.figures(f"unshown-{number}", FIGURES)
        editor.show(f"suggestion {number}")
    recorder = editor.recorder
    assert len(recorder._known) <= 256
    assert len(recorder._unshown) <= 64
    assert len(recorder._open) == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("replace"), st.integers(-6, 6), st.integers(0, 4), st.text("ab(\n", max_size=4)),
        st.tuples(st.just("type"), st.integers(1, 6)),
        st.tuples(st.just("shown"), st.text("ab(\n", min_size=1, max_size=8)),
        st.tuples(st.just("part"), st.integers(0, 9)),
        st.tuples(st.just("accepted")),
        st.tuples(st.just("rejected")),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_is_typed_and_said_what_is_followed_is_where_it_is_said_to_be(
    steps: list[tuple[Any, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(Path(folder) / "stats.sqlite")
        editor.show("ab(a\nb")
        n_shown = 1
        for what, *values in steps:
            suggestion = editor.recorder._open.get(URI)
            if what == "replace":
                at, length, text = values
                place = suggestion.place if suggestion is not None else editor.cursor
                start = min(max(place + at, 0), len(editor.text))
                end = min(start + length, len(editor.text))
                editor.replace(start, end, text)
                editor.cursor = start + len(text)
            elif what == "type" and suggestion is not None:
                editor.cursor = suggestion.place
                editor.insert(suggestion.rest[: values[0]])
            elif what == "shown":
                n_shown += 1
                editor.show(values[0])
            elif what != "type":
                editor.do(what, *values)
            suggestion = editor.recorder._open.get(URI)
            if suggestion is not None:
                done = suggestion.text[: suggestion.done]
                assert editor.text[suggestion.origin :].startswith(done)
                assert 0 <= suggestion.done <= len(suggestion.text)
                assert suggestion.typed >= 0 <= suggestion.accepted
                assert suggestion.accepted + suggestion.typed >= suggestion.done
        editor.recorder.close()
        rows = editor.rows()
        assert len(rows) <= n_shown
        assert rows
        for row in rows:
            assert row["accepted_chars"] + row["typed_chars"] <= row["n_chars"]
            assert (row["outcome"] in ("accepted", "partial")) == (row["accepted_chars"] > 0)
