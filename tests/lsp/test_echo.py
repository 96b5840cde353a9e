"""What your own code says comes next: what is alike, what is put to a vote, and what is never proposed."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.echo.blocks import following
from stardraft_lsp.echo.code import Code, LiveCode, Source
from stardraft_lsp.echo.habits import LineEnds
from stardraft_lsp.echo.lexemes import LINE_END, Lexicon, lexemes_of, words_of
from stardraft_lsp.echo.memory import Memory
from stardraft_lsp.echo.nearby import by_distance
from stardraft_lsp.echo.voting import climb

URI = "file:///w/app.py"
LOAD = """\
def load_config(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_config(file.read(), strict=strict)
"""


def guesses(text: str, *, near: Sequence[str] = (), others: Sequence[str] = ()) -> list[str]:
    """The texts for the place that `|` marks, the surest first. near: files of the same folder."""
    memory = Memory()
    return [guess.text for guess in _guesses(memory, text, near, others)]


def _guesses(memory: Memory, text: str, near: Sequence[str] = (), others: Sequence[str] = ()) -> list:  # type: ignore[type-arg]
    before, _, behind = text.partition("|")
    memory.opened(URI, before + behind)
    for number, other in enumerate(others):
        memory.opened(f"file:///w/open{number}.py", other)
    memory.read(
        URI,
        [Code.of(memory.lexicon, f"file:///w/near{number}.py", one) for number, one in enumerate(near)],
        [],
    )
    uris = [f"file:///w/open{number}.py" for number in range(len(others))]
    return memory.guess(URI, before + behind, len(before), uris)


@pytest.mark.parametrize(
    ("text", "near", "expected"),
    [
        (
            "def load_state(path, *, strict=False):\n    with|",
            [LOAD],
            ' open(path, encoding="utf-8") as file:',
        ),
        (
            "def load_state(path, *, strict=False):\n    with op|",
            [LOAD],
            'en(path, encoding="utf-8") as file:',
        ),
        (
            "def load_state(path, *, strict=False):\n    |",
            [LOAD],
            'with open(path, encoding="utf-8") as file:',
        ),
        ("x = registry.|", ["y = registry.lookup(name)\n"], "lookup(name)"),
        ("x = |", ["x = compute(1)\n"], "compute(1)"),
        ("x =|", ["x = compute(1)\n"], " compute(1)"),
        ("\tif (a|", ["\tif (argc < 2) {\n\t\treturn 1;\n\t}\n"], "rgc < 2) {"),
    ],
)
def test_the_rest_of_a_line_that_begins_like_another_one(text: str, near: list[str], expected: str) -> None:
    assert guesses(text, near=near)[0] == expected


def test_names_at_hand_are_put_in_the_place_of_the_names_there() -> None:
    text = "self.height = height\nself.width = |"
    assert "width" in guesses(text)
    text = """
def save_users(users):
    with lock:
        store.write(users)

def save_items(items):
    with lock:
        store.|
"""
    assert guesses(text)[0] == "write(items)"


def test_that_the_line_ends_is_a_guess_like_any_other() -> None:
    text = "a = 1\nfoo(a)\nb = 2\nfoo(b)\nc = 3\nfoo(c)|"
    assert guesses(text)[0] == ""


def test_what_stands_below_the_cursor_counts_and_the_cursors_own_line_does_not() -> None:
    assert guesses("frob|\n\nfrobnicate(left, right)\n")[0] == "nicate(left, right)"
    assert guesses("frobnicate(left, right|)\n") == []


def test_other_open_documents_count_where_they_may_be_read() -> None:
    assert guesses("frob|\n", others=["x = 1\nfrobnicate(left)\n"])[0] == "nicate(left)"
    memory = Memory()
    memory.opened("file:///w/open.py", "frobnicate(left)\n")
    memory.opened(URI, "frob\n")
    assert memory.guess(URI, "frob\n", 4) == []


def test_a_line_is_not_said_again_right_below_itself() -> None:
    assert guesses("x = 1\nhandle_it(one)\nprint(one)\nhand|\n") == ["le_it(one)"]
    assert guesses("x = 1\nhandle_it(one)\nhand|\n") == []


def test_what_agrees_less_is_weighed_too() -> None:
    longer, shorter = "with lock:\n    total = add(a)\n", "if a:\n    total = sub(a)\n"
    text = f"{shorter}\n{longer}\nwith lock:\n    total = |"
    assert {*guesses(text)} >= {"add(a)", "sub(a)"}


def test_how_a_document_ends_its_lines_is_counted() -> None:
    lexicon = Lexicon()
    live = LiveCode(lexicon, URI, "if a:\nif b:\ncall(a);\ncall(b);\nif c {\nif d:\n")
    live.read(1_000, besides=4)
    ends = LineEnds(lexicon, *live.around(4, 9, 9))
    assert ends.of_same_beginning("if", ":") > ends.of_same_beginning("call", ":")
    assert ends.of_same_beginning("call", ";") > ends.of_all(";")
    assert ends.of_all("{") == ends.of_all("}") < ends.of_all(";")


def test_a_lines_words_are_counted_as_whole_lines_of_the_document() -> None:
    memory = Memory()
    text = "import os\nimport os.path\n    import os\n\nimport os\nx = 1\n"
    memory.opened(URI, text)
    spot, *_ = memory.look(URI, text, len(text))
    assert [spot.n_own(words_of(line)) for line in ("import os.path", "import os", "os", "unknown")] == [
        1,
        2,
        0,
        0,
    ]


def test_what_was_just_removed_is_not_proposed() -> None:
    memory = Memory()
    old = "import os\n\nresult = legacy_call(a, b)\n\nresult = other(a)\n"
    memory.opened(URI, old)
    memory.catch_up(URI, 1_000)
    text = "import os\n\nresult = l\n\nresult = other(a)\n"
    memory.changed(URI, [(2, 0, 0)], text)
    assert "egacy_call(a, b)" not in [
        guess.text for guess in memory.guess(URI, text, len("import os\n\nresult = l"))
    ]
    memory.changed(URI, [(2, 0, 0)], old)  # undone
    memory.changed(URI, [(5, 0, 1)], old + "\nresult = l")
    texts = [guess.text for guess in memory.guess(URI, old + "\nresult = l", len(old + "\nresult = l"))]
    assert "egacy_call(a, b)" in texts


SECRET = 'API_KEY = "sk_live_' + "4eC39HqLyjWDarjtT1zdp7dc" + '"'


def test_a_line_with_a_secret_is_proposed_from_nowhere() -> None:
    for text, near, others in (
        ("API|", [f"x = 1\n{SECRET}\n"], []),
        ("API|", [], [f"x = 1\n{SECRET}\n"]),
        (f"{SECRET}\nx = 1\nAPI|", [], []),
    ):
        assert guesses(text, near=near, others=others) == []


NAMED_ABOVE = "- name: DB_PASSWORD\n  value: fJ3k9ZpX2vB\n"
HERE = "- name: OTHER\n  val|"


@pytest.mark.parametrize("lead", [0, 28, 30, 31, 32])
def test_a_line_that_the_one_above_makes_a_secret_is_proposed_from_nowhere(lead: int) -> None:
    kept = "x: 1\n" * lead + NAMED_ABOVE
    for text, near, others in ((HERE, [kept], []), (HERE, [], [kept]), (f"{kept}{HERE}", [], [])):
        assert guesses(text, near=near, others=others) == []
    assert guesses(HERE, near=[kept.replace("DB_PASSWORD", "DB_HOST")]) == ["ue: fJ3k9ZpX2vB"]


def test_a_line_becomes_a_secret_when_the_one_above_does() -> None:
    memory = Memory()
    for named, expected in (("DB_HOST", 1), ("DB_PASSWORD", 0), ("DB_HOST", 1)):
        text = NAMED_ABOVE.replace("DB_PASSWORD", named) + HERE.removesuffix("|")
        if URI in memory:
            memory.changed(URI, [(0, 0, 0)], text)
        else:
            memory.opened(URI, text)
        assert len(memory.guess(URI, text, len(text))) == expected


def test_lines_after_a_secret_are_still_told_by_their_own_number() -> None:
    (guess, *_) = _guesses(Memory(), f"{SECRET}\n\nfrobnicate(1)\n\nfrob|\n")
    assert (guess.origin.line, guess.origin.text) == (2, "frobnicate(1)")


def test_a_guess_says_where_it_was_seen() -> None:
    (guess, *_) = _guesses(Memory(), "def f():\n    with op|", near=[LOAD])
    assert (guess.origin.uri, guess.origin.line) == ("file:///w/near0.py", 1)
    assert guess.origin.text == LOAD.split("\n")[1]
    (guess, *_) = _guesses(Memory(), "\n\nfrobnicate(1)\n\nfrob|\n")
    assert (guess.origin.uri, guess.origin.line) == (URI, 2)


def test_the_lines_behind_it_are_said_too_where_two_places_agree_on_them() -> None:
    block = "if not path.exists():\n    log.warning(path)\n    return None\n"
    body = "".join(f"    {line}\n" for line in block.splitlines())
    code = f"def a(path):\n{body}def b(path):\n{body}"
    (guess, *_) = _guesses(Memory(), "def c(path):\n    if not|", near=[code])
    assert guess.text == " path.exists():"
    lines = following(guess.candidate, "    ", 5)
    assert lines == "\n        log.warning(path)\n        return None"
    assert following(guess.candidate, "\t", 1) == "\n\t    log.warning(path)"
    (alone, *_) = _guesses(Memory(), "def c(path):\n    if not|", near=[f"def a(path):\n    {block}"])
    assert following(alone.candidate, "    ", 5) == ""


# --- reading -----------------------------------------------------------------------------------------------


@given(st.text())
def test_any_text_is_read_and_its_lexemes_stand_where_they_say(line: str) -> None:
    found = lexemes_of(line)
    assert [line[one.start : one.end] for one in found] == [one.text for one in found] == words_of(line)
    Code.of(Lexicon(), URI, line)


LINES = st.lists(
    st.sampled_from(["", "  ", "a = 1", "    b = c(d)", "\treturn", "}", "é = ü(1)"]), max_size=8
)


@given(LINES, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), LINES), max_size=6))
def test_a_document_that_is_edited_is_read_as_if_it_had_been_opened_so(
    lines: list[str], edits: list[tuple[int, int, list[str]]]
) -> None:
    lexicon = Lexicon()
    now = lines or [""]
    live = LiveCode(lexicon, URI, "\n".join(now))
    for at, n_old, new in edits:
        first = min(at, len(now) - 1)
        n_removed = min(n_old, len(now) - 1 - first)
        put = new or [""]
        now = [*now[:first], *put, *now[first + n_removed + 1 :]]
        live.change([(first, n_removed, len(put) - 1)], "\n".join(now))
        if len(put) % 2:
            assert live.read(1_000)
    assert live.read(1_000)
    fresh = LiveCode(lexicon, URI, "\n".join(now))
    assert fresh.read(1_000)
    found, expected = live.part(0, len(now)), fresh.part(0, len(now))
    # How a line is indented against the one above is not read again when only that one changes.
    assert [part.strip("\x02\x03\x04") for part in found.code.split(LINE_END)] == [
        part.strip("\x02\x03\x04") for part in expected.code.split(LINE_END)
    ]
    assert found.lines == expected.lines


def test_a_position_in_the_code_is_of_its_line() -> None:
    lexicon = Lexicon()
    texts = ["a = 1\n\n  \nb = 2\n", "c\n", "", "d = 4\n\ne = 5"]
    source = Source.of([Code.of(lexicon, f"{n}", text) for n, text in enumerate(texts)], 1.0, "near")
    for word, uri, line in (("a", "0", 0), ("b", "0", 3), ("c", "1", 0), ("d", "3", 0), ("e", "3", 2)):
        origin = source.origin(source.code.index(lexicon.number(word)))
        assert (origin.uri, origin.line) == (uri, line)


def test_the_longest_match_is_found_by_a_few_searches() -> None:
    searched: list[int] = []

    def find(n: int) -> list[tuple[Source, int]]:
        searched.append(n)
        return [(Source.of([], 1.0, "own"), n)] if n <= 7 else []

    assert climb(20, (1, 2, 3, 4, 5, 6, 8, 12, 16), 4, find)[0] == 6
    assert len(searched) <= 4
    assert climb(3, (1, 2, 3, 4), 4, find)[0] == 3
    assert climb(0, (1, 2), 4, find) == (0, [])


def test_the_nearest_files_come_first() -> None:
    others = ["/w/a/b/x.py", "/w/a/y.py", "/w/z.py", "/w/a/b/c/v.py", "/w/q/r/s.py"]
    random.Random(3).shuffle(others)
    found = by_distance("/w/a/b/app.py", [*others, "/w/a/b/app.py"])
    assert found[0] == (0, "/w/a/b/x.py")
    assert [steps for steps, _ in found] == sorted(steps for steps, _ in found)
    assert found[-1][1] == "/w/q/r/s.py"
