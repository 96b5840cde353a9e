"""Traces of editing give exactly the text they say, and are what an editor and a user do."""

import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stardraft_quant.bench.typing.make_traces import main
from stardraft_quant.bench.typing.traces import (
    Event,
    Trace,
    TraceError,
    bundled_traces,
    check_trace,
    encode_trace,
    load_trace,
    replay,
)
from stardraft_quant.bench.typing.typist import make_trace

BEFORE = (
    "import sys\n\n\ndef first(items):\n    return items[0]\n\n\ndef last(items):\n    return items[-1]\n"
)
AFTER = (
    "import sys\n\n\ndef first(items):\n    return items[0]\n\n\n"
    "def names(items, upper=True):\n    found = [item.name for item in items]\n\n"
    '    print("those that are named", len(found), file=sys.stderr)\n'
    "    if upper:\n        found = [name.upper() for name in found]\n    return found\n\n\n"
    "def last(items):\n    return items[len(items) - 1]\n"
)
MAX_BUNDLED_BYTES = 60_000


# Of the characters that the editor and the typist have opinions about.
CODE = st.text(alphabet="ab:_ \n()[]{}\"'\\,é𝔘", max_size=120)
LINES = st.lists(
    st.sampled_from(
        [
            "def f(a, b):\n",
            "    return [a for a in b]\n",
            "        x = call(\n",
            "        )\n",
            "\n",
            "  odd = 'it''s'\n",
            '    """Doc."""\n',
            "    result = compute_total(items, key=lambda item: item.price)\n",
            "tail",
            "    \n",
        ]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(before=CODE | LINES, after=CODE | LINES, seed=st.integers(0, 99))
def test_typing_an_edit_again_gives_exactly_the_edited_text(before: str, after: str, seed: int) -> None:
    if before == after:
        with pytest.raises(TraceError):
            make_trace(before, after, "equal", seed)
        return
    trace = make_trace(before, after, "random", seed)
    assert replay(trace) == after
    times = [event.t_ms for event in trace.events]
    assert times == sorted(times)
    decoded = msgspec.json.decode(encode_trace(trace), type=Trace)
    assert decoded == trace


def test_the_seed_decides_a_trace() -> None:
    one, same, other = (make_trace(BEFORE, AFTER, "t", seed) for seed in (1, 1, 2))
    assert one == same != other
    assert replay(other) == AFTER


def test_brackets_are_closed_and_typed_over_and_lines_indented_as_the_editor_does() -> None:
    trace = make_trace("", "if f(x):\n    y = 1\nz", "t", 3)
    opened = next(event for event in trace.events if event.is_auto_closed)
    assert (opened.insert, opened.cursor_after) == ("()", opened.at + 1)
    typed_over = [event for event in trace.events if event.kind == "key" and event.remove]
    assert [(event.remove, event.insert) for event in typed_over] == [(1, ")")]
    first, second = [event for event in trace.events if event.kind == "newline"]
    assert (first.insert, second.insert) == ("\n    ", "\n    ")  # the second is taken back by hand
    after_second = trace.events[trace.events.index(second) + 1]
    assert (after_second.kind, after_second.remove) == ("delete", 4)


def test_bundled_traces_are_sound_and_one_is_of_about_a_thousand_tokens_with_all_kinds() -> None:
    paths = bundled_traces()
    assert 4 <= len(paths) <= 6
    traces = [load_trace(path) for path in paths]  # its check compares the end with the recorded sum
    assert all(path.stat().st_size <= MAX_BUNDLED_BYTES for path in paths)
    small = [trace for trace in traces if 3500 <= len(trace.text.encode()) <= 4500]
    assert small
    assert {event.kind for event in small[0].events} >= {"key", "newline", "delete", "jump", "accept"}
    assert any(event.is_auto_closed for event in small[0].events)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (Event(t_ms=20, kind="key", at=99, insert="x"), "event 1 (key) is at 99"),
        (Event(t_ms=5, kind="key", at=0, insert="x"), "event 1 (key) is at 5 ms, before"),
        (Event(t_ms=20, kind="delete", at=2, remove=5), "event 1 (delete) removes 5 characters"),
        (Event(t_ms=20, kind="jump", at=0, insert="x"), "event 1 (jump) changes the text"),
        (Event(t_ms=20, kind="newline", at=0, insert="x"), "does not insert a line end"),
        (Event(t_ms=20, kind="key", at=0, insert="x", cursor=77), "leaves the cursor at 77"),
        (Event(t_ms=20, kind="key", at=0, insert="y"), "sha256"),
    ],
)
def test_a_wrong_event_is_named(event: Event, told: str) -> None:
    sound = make_trace("abc", "abcx", "t", 0)
    first = Event(t_ms=10, kind="jump", at=0)
    with pytest.raises(TraceError) as raised:
        check_trace(msgspec.structs.replace(sound, events=(first, event)), "t.json")
    assert told in raised.value.message


def test_a_file_that_is_no_trace_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"name": "t", "events": [{"t_ms": "soon"}]}')
    for wrong in (path, tmp_path / "missing.json"):
        with pytest.raises(TraceError, match=wrong.name):
            load_trace(wrong)


def test_the_command_makes_a_trace_of_two_files_and_of_a_function(tmp_path: Path) -> None:
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    before.write_text(BEFORE)
    after.write_text(AFTER)
    assert main(["--out", str(tmp_path / "out"), str(before), str(after)]) == 0
    assert replay(load_trace(tmp_path / "out" / "after.json")) == AFTER
    assert main(["--out", str(tmp_path / "out"), "--retype", "names", str(after)]) == 0
    retyped = load_trace(tmp_path / "out" / "after-names.json")
    assert "def names" not in retyped.text
    assert replay(retyped) == AFTER
    with pytest.raises(SystemExit) as raised:
        main(["--out", str(tmp_path / "out"), "--retype", "absent", str(after)])
    assert raised.value.code == 1


def test_commits_become_traces(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    for text in (BEFORE, AFTER, AFTER + "\n"):  # the last commit has too little to type
        (tmp_path / "shelf.py").write_text(text)
        git("add", "shelf.py")
        git("commit", "-m", "Names")
    assert main(["--out", str(tmp_path / "out"), "--commits", str(tmp_path)]) == 0
    (path,) = (tmp_path / "out").iterdir()
    trace = load_trace(path)
    assert (trace.text, replay(trace)) == (BEFORE, AFTER)
    assert "Names" in trace.source
