"""What is sent for the model to verify: guesses, and what follows them in the user's own code."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.echo.code import Code
from stardraft_lsp.echo.drafts import MAX_DRAFTS, drafts
from stardraft_lsp.echo.memory import Memory
from stardraftd.limits import MAX_DRAFT_CHARACTERS
from stardraftd.protocol.completion import Draft
from stardraftd.protocol.http import CompletionRequest, request_decoder

URI = "file:///w/app.py"
LOAD = """\
def load_config(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_config(file.read(), strict=strict)


def next_one():
    pass
"""


def sent(text: str, near: Sequence[str], only_in: str | None = None) -> tuple[Draft, ...]:
    """The drafts for the place that `|` marks. near: files of the same folder."""
    memory = Memory()
    before, _, behind = text.partition("|")
    memory.opened(URI, before + behind)
    codes = [Code.of(memory.lexicon, f"file:///w/near{number}.py", one) for number, one in enumerate(near)]
    memory.read(URI, codes, [])
    found = memory.guess(URI, before + behind, len(before))
    return drafts(before.rpartition("\n")[2], found, only_in)


def test_a_draft_goes_on_where_the_guess_ends_and_says_what_stands_before_it() -> None:
    (draft, *_) = sent("def load_state(path, *, strict=False):\n    with op|", [LOAD])
    assert draft.before == "\ndef load_config(path, *, strict=False):\n    with op"
    assert draft.text.startswith('en(path, encoding="utf-8") as file:\n        return parse_config(')
    assert "def next_one():" in draft.text


def test_what_follows_is_indented_as_it_would_be_here() -> None:
    (draft, *_) = sent("class A:\n    def load_state(path, *, strict=False):\n        with op|", [LOAD])
    assert draft.text.split("\n")[1] == "            return parse_config(file.read(), strict=strict)"
    (draft, *_) = sent("\twith op|", [LOAD])
    assert draft.text.split("\n")[1] == "\t    return parse_config(file.read(), strict=strict)"
    assert draft.text.split("\n")[2:5] == ["", "", "def next_one():"]


def test_names_are_those_at_hand_in_what_follows_too() -> None:
    near = "def area(self):\n    self.width = width\n    check(self.width)\n"
    found = sent("def area(self):\n    self.height = |", [near])
    assert any(draft.text.startswith("height\n    check(self.height)") for draft in found), found


def test_where_other_files_may_not_be_shown_only_the_document_itself_is() -> None:
    text = "def load_state(path, *, strict=False):\n    with open(path) as state:\n\nwith op|"
    assert any("parse_config" in draft.text for draft in sent(text, [LOAD]))
    own = sent(text, [LOAD], URI)
    assert own
    assert not any("parse_config" in draft.text + draft.before for draft in own)


SECRET = 'API_KEY = "sk_live_' + "4eC39HqLyjWDarjtT1zdp7dc" + '"'


@pytest.mark.parametrize("near", [True, False], ids=["in a file", "in the document"])
def test_no_line_with_a_secret_is_sent(near: bool) -> None:
    lines = f"import os\nopen_all(1)\none()\n{SECRET}\ntwo()\nopen_all(2)\n"
    found = sent("import os\nopen_|", [lines]) if near else sent(f"{lines}open_|", [])
    (draft, *_) = [draft for draft in found if draft.text.startswith("all(1)")]
    assert "\nopen_all(2)" in draft.text
    assert not any("sk_live" in draft.text + draft.before for draft in found)


def test_below_a_secret_a_line_is_still_the_line_that_it_is() -> None:
    """A line with a secret has no code; those below it were taken for the ones above them."""
    memory = Memory()
    text = f"{SECRET}\nfirst_thing(alpha)\n\nfirst_"
    memory.opened(URI, text)
    (guess, *_) = memory.guess(URI, text, len(text))
    assert (guess.text, guess.origin.line) == ("thing(alpha)", 1)


@given(st.text(st.characters(), max_size=60), st.text(st.characters(), max_size=300))
def test_whatever_stands_there_can_be_sent_and_is_bounded(line: str, near: str) -> None:
    for text in (near, "\n".join((line, near, line + near) * 30), (line + near) * 200):
        found = sent(f"{near}\n{line}|", [text])
        assert len(found) <= MAX_DRAFTS
        assert len(set(found)) == len(found)
        request = CompletionRequest(document="a", prefix="", drafts=found)
        assert request_decoder.decode(msgspec.json.encode(request)).drafts == found
        assert all(max(len(draft.text), len(draft.before)) <= MAX_DRAFT_CHARACTERS for draft in found)
