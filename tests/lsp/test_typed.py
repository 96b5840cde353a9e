"""What is left of a suggestion whose beginning was typed: letter by letter what it would have given."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stardraft_lsp.session.cache import CachedSuggestion, SuggestionCache
from stardraft_lsp.session.typed import Typed, possibly_typed, typed_between

TEXTS = st.text("ab(){}'\n", max_size=12)


@given(TEXTS, TEXTS, TEXTS, st.data())
def test_a_rest_gives_the_text_that_the_suggestion_would_have_given(
    before: str, behind: str, suggestion: str, data: st.DataObject
) -> None:
    text = suggestion[: data.draw(st.integers(0, len(suggestion)))]
    closer = data.draw(st.sampled_from(["", ")", "}", "'", "})"]))
    document = before + text + closer + behind
    typed = typed_between(before, behind, document, len(before + text))
    assume(typed is not None)
    assert typed == Typed(text, closer)
    assert typed in possibly_typed(before, behind, document)
    rest = typed.rest(suggestion)
    if rest is not None:
        assert before + text + rest + closer + behind == before + suggestion + behind


@given(TEXTS, st.integers(0, 12), st.sampled_from(["", ")", "'", "})", "'''"]))
@example("(bar)", 1, ")")
@example("'''doc'''", 3, "'''")
def test_what_grew_is_the_beginning_of_what_is_left_until_it_departs(
    suggestion: str, n_typed: int, closer: str
) -> None:
    typed = Typed(suggestion[:n_typed], closer)
    rest = typed.rest(suggestion)
    assume(rest is not None)
    assert closer or rest == suggestion[n_typed:]
    for n in range(n_typed + 1, len(suggestion) + 1):
        shown = typed.shown(suggestion[:n])
        if shown is None:
            assert closer, "without a closer nothing departs"
            break
        assert rest is not None
        assert rest.startswith(shown)


@pytest.mark.parametrize(
    ("before", "behind", "text", "offset"),
    [
        ("x = ", "\n", "x = foo\n", 3),  # the cursor is before the place
        ("x = ", "\n", "y = foo\n", 7),  # something before it changed
        ("x = ", "\n", "x = foo;", 7),  # something behind it changed
        ("x = ", "\n", "x =\n", 3),  # something was deleted
        ("x = ", "\n", "x = foo)\n", 7),  # nothing was opened that this could close
        ("x = ", "\n", "x = (a\n", 5),  # no closer
    ],
)
def test_other_changes_are_not_taken_for_typing(before: str, behind: str, text: str, offset: int) -> None:
    assert typed_between(before, behind, text, offset) is None


def rest_of(made: CachedSuggestion | None) -> str:
    assert made is not None
    return made.text


def test_a_line_end_is_typed_as_the_document_has_it() -> None:
    assert typed_between("f():", "", "f():\r\n  ", 8) == Typed("\n  ")


def test_the_suggestion_ends_before_the_closer_that_the_editor_typed() -> None:
    cache = SuggestionCache()
    cache.put("a", CachedSuggestion("foo", "\n", "(bar)"))
    assert rest_of(cache.find("a", "foo(", ")\n")) == "bar"
    assert rest_of(cache.find("a", "foo(b", ")\n")) == "ar"
    assert cache.find("a", "foo(bar", ")\n") is None
    assert cache.find("a", "foo(", "]\n") is None
    cache.put("a", CachedSuggestion("foo", "\n", "(bar).baz"))
    assert cache.find("a", "foo(", ")\n") is None, "behind the closer it cannot be put"
    assert rest_of(cache.find("a", "foo(bar).", "\n")) == "baz"
    cache.put("b", CachedSuggestion("x = ", "", '"two"'))
    assert rest_of(cache.find("b", 'x = "', '"')) == "two"
