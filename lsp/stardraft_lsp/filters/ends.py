"""How a suggestion ends: at something whole, without white space, and long enough to be worth a key.

What is taken back here is taken back at the end of a generation only.
"""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.columns import leading
from stardraftd.lexing.lines import last_word
from stardraftd.patterns import linear

MIN_VISIBLE = 2  # accepting costs one key: a single character is typed as quickly
_JOINS = "([{,=+*/<>&|.:!-"  # what cannot be a text's end
_ENDS = "_)]}\"'`;"  # what a whole part of a line may end with, but for words
# With these an end was taken off that stands behind the cursor.
_TAKEN_OFF = frozenset(("repeats_rest", "covers_rest"))
_OPENING_WORDS = ("do", "then")
_STATEMENT = linear(
    r"\s*(?:if|for|while|with|def|class|else|elif|try|switch|match|fn|func|function|impl|struct|enum|unless|until|case"
    r"|catch|except|finally|do|begin|async|public|private|protected|static|interface|namespace|module|describe|it)\b"
)


def half_word(draft: Draft, _around: Around) -> Draft:
    """What was ended in the middle goes back to its last whole line; a single line to its last whole word."""
    if draft.ended != "cut" or not draft.text:
        return draft
    text = draft.text
    end = text.rfind("\n")
    if end >= 0 and text[:end].strip():
        return draft.trimmed(len(text[:end].rstrip()), "half_word")
    kept = text.rstrip()
    whole = kept.rstrip(_JOINS) if kept[-1:] in _JOINS else _without_word(kept)
    return draft.trimmed(len(whole.rstrip()), "half_word") if len(whole) < len(kept) else draft


def _without_word(text: str) -> str:
    """A text without its last word, and without what joined that to the one before: `foo` of `foo.ba`."""
    before = text[: len(text) - _n_word_characters(text)]
    if before == text:
        return text
    joined = before.rstrip()
    start = len(joined)
    while start > 0 and not (
        joined[start - 1].isalnum() or joined[start - 1].isspace() or joined[start - 1] in _ENDS
    ):
        start -= 1
    return joined[:start] if start < len(joined) and joined[:start].strip() else before


def _n_word_characters(text: str) -> int:
    n = 0
    while n < len(text) and (text[-1 - n].isalnum() or text[-1 - n] == "_"):
        n += 1
    return n


def dangling(draft: Draft, around: Around) -> Draft:
    """Without a last line that opens a statement of which nothing follows."""
    text = draft.text
    if not draft.ended or "\n" not in text.strip():
        return draft
    kept = text.rstrip()
    while "\n" in kept:
        start = kept.rfind("\n") + 1
        last = kept[start:]
        if not _is_opened(last) or not (_STATEMENT.match(last) or last.rstrip().endswith("{")):
            break
        below = around.below[0] if around.below else ""
        if around.columns(leading(below)) > around.columns(leading(last)):
            break  # the file goes on inside of it
        above = kept[: start - 1].rstrip()
        if not above.strip():
            break
        kept = above
    return draft if kept == text.rstrip() else draft.trimmed(len(kept), "dangling")


def _is_opened(line: str) -> bool:
    """Whether a line ends with what opens a block."""
    code = line.rstrip()
    return code.endswith(("{", "(", "[", ":", "=>", "->")) or last_word(code) in _OPENING_WORDS


def trailing_space(draft: Draft, around: Around) -> Draft:
    """No white space at the end of a line, nor of the text unless code follows at once."""
    text = draft.text
    kept = text.rstrip()
    n_spaces = len(text) - len(kept)
    if not n_spaces:
        return _inner_space(draft)
    white = text[len(kept) :]
    if not draft.ended:
        return _inner_space(draft.held(len(kept)))
    is_before_rest = around.rest and not around.rest[0].isspace() and not draft.replaces
    if is_before_rest and ("\n" not in white or _TAKEN_OFF & {*draft.why}):
        return _inner_space(draft)  # `a + ` before `b`; and a closer on a line of its own, which stands there
    return _inner_space(draft.trimmed(len(kept), "trailing_space"))


def _inner_space(draft: Draft) -> Draft:
    text = draft.text
    if " \n" not in text and "\t\n" not in text:
        return draft
    lines = text.split("\n")
    bare = "\n".join([*(line.rstrip(" \t") for line in lines[:-1]), lines[-1]])
    return draft.changed(bare, "trailing_space")


def worth_a_key(draft: Draft, _around: Around) -> Draft:
    """Nothing that is blank or a single character."""
    text = draft.text
    if not text.strip():
        return draft.rejected("blank") if draft.ended and not _is_rejected(draft) else draft.held(0)
    if len("".join(text.split())) >= MIN_VISIBLE:
        return draft
    return draft.rejected("too_short") if draft.ended else draft.held(0)


def _is_rejected(draft: Draft) -> bool:
    return draft.is_final and not draft.text and bool(draft.why)
