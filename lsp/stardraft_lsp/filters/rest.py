"""What follows the cursor on its own line: a suggestion goes before it or takes its place, never doubles it.

Three ways, in this order:

    repeats_rest    the suggestion's end says it again: that end is taken off, and the text is inserted
    covers_rest     the suggestion goes on behind it (`a, b):` before an auto-closed `)`): it takes its place
    unopened        neither, and a bracket closes nothing that is open: the text ends before it

The second wants a client that replaces a range; for another one the text ends where it would go on.
"""

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.brackets import CLOSES, in_comment, open_at_end, outer_closers
from stardraft_lsp.filters.draft import Draft

MIN_OVERLAP = 2  # characters, for an overlap with words
_QUOTES = "\"'`"


def rest_of_line(draft: Draft, around: Around, *, can_replace: bool) -> Draft:
    """Nothing of what follows on the cursor's line is there twice."""
    if not around.rest or not draft.text:
        return draft
    if around.rest_is_dust and around.rest.strip():
        return _before_closers(draft, around, can_replace=can_replace)
    return _before_code(draft, around, can_replace=can_replace)


# --- closers, quotes, separators -----------------------------------------------------------------


def _before_closers(draft: Draft, around: Around, *, can_replace: bool) -> Draft:
    text, rest = draft.text, around.rest
    line, _, more = text.partition("\n")
    doubled = _doubled_closers(text, around)
    if not doubled:
        return _before_separators(draft, around, line, more)
    first = doubled[0]
    # The end of it is what follows: insert what is before.
    if rest.lstrip().startswith("".join(text[first:].split())) or _same(text[first:], rest):
        return draft.trimmed(first, "repeats_rest") if draft.ended else draft.held(first)
    covers = _covered(text, doubled, rest) == len(rest)
    opens = _opens_for(text[first + 1 :], around)
    if opens and (draft.ended or (covers and can_replace)):
        return draft  # what it opened last is closed by what stands there: `cache[n`, `][m`, `]`
    if covers and can_replace:
        return draft.covering(len(rest), "covers_rest")
    if not draft.ended:
        return draft.held(first)
    # Inserted, it would close twice; and so would what is left of closers of which only some come again.
    return draft.cut(first, "covers_rest" if covers else "repeats_rest")


def _opens_for(text: str, around: Around) -> bool:
    """Whether the first closer behind the cursor closes what a text opened last."""
    opened = open_at_end(text, around.language)
    closer = around.rest.lstrip()[:1]
    return closer == opened.quote if opened.quote else CLOSES.get(closer, "\0") == opened.brackets[-1:]


def _same(text: str, rest: str) -> bool:
    return "".join(text.split()) == "".join(rest.split())


def _doubled_closers(text: str, around: Around) -> list[int]:
    """Where the text closes what the closers behind the cursor close already."""
    closers = [char for char in around.rest if char in CLOSES or char in _QUOTES]
    opened = around.open_on_line
    found = list(outer_closers(text, opened.quote, around.language))
    # Brackets of the line that nothing behind the cursor closes are the suggestion's to close, the outermost.
    missing = max(len(opened) - len(closers), 0)
    wanted: list[int] = []
    expected = iter(closers)
    want = next(expected, "")
    for at, closer in found[missing:]:
        if closer[:1] != want:
            continue
        wanted.append(at)
        want = next(expected, "")
        if not want:
            break
    return wanted


def _covered(text: str, doubled: list[int], rest: str) -> int:
    """How many characters of the rest of the line the text says again, with what separates them."""
    n = 0
    for at in doubled:
        n = rest.find(text[at], n) + 1
    behind = rest[n:]
    # A separator that follows the closers may be said again too.
    return len(rest) if not behind or behind.strip() in text[doubled[-1] :] else n


def _before_separators(draft: Draft, around: Around, line: str, more: str) -> Draft:
    """`;`, `,` or a lone closer at the end, that stands there already."""
    rest = around.rest.lstrip()
    end = len(line.rstrip())
    if not more and end and rest[0] in ";,:" and line[end - 1] == rest[0]:
        return draft.held(end - 1) if not draft.ended else draft.trimmed(end - 1, "repeats_rest")
    return draft


# --- code ----------------------------------------------------------------------------------------


def _before_code(draft: Draft, around: Around, *, can_replace: bool) -> Draft:
    line, rest = draft.text.partition("\n")[0], around.rest
    same = _covers(line, rest)
    if same is not None:
        behind = line[same:]
        if not behind.strip():
            return draft.rejected("repeats_rest") if draft.ended else draft.held(0)
        if can_replace:
            return draft.covering(len(rest), "covers_rest")
        return draft.rejected("covers_rest")
    at = len(line) - _overlap(line, rest, growing=not draft.ended)
    if at < len(line):
        return draft.trimmed(at, "repeats_rest") if draft.ended else draft.held(at)
    return draft


def _covers(line: str, rest: str) -> int | None:
    """Where the line goes on behind the whole rest of the line that it begins with; None if it does not."""
    if sum(char.isalnum() for char in rest) < 3:
        return None
    i = 0
    for char in rest:
        if char.isspace():
            continue
        while i < len(line) and line[i].isspace():
            i += 1
        if i >= len(line) or line[i] != char:
            return None
        i += 1
    return i


def _overlap(line: str, rest: str, *, growing: bool) -> int:
    """Characters at the line's end that begin what follows, white space apart; 0 for chance.

    growing: more will follow, and may make it an overlap.
    """
    stripped = line.rstrip()
    for n in range(min(len(stripped), len(rest) + 8), 0, -1):
        tail = stripped[-n:]
        if tail[0].isspace():
            continue
        n_rest = _prefix_of(tail, rest)
        if not n_rest:
            continue
        if growing or _is_no_chance(stripped, n, rest, n_rest):
            return len(line) - len(stripped) + n
    return 0


def _prefix_of(tail: str, rest: str) -> int:
    """How much of `rest` the tail is, white space apart; 0 if it is not its beginning."""
    if tail[0] != rest.lstrip()[:1]:
        return 0
    i = len(rest) - len(rest.lstrip())
    for char in tail:
        if char.isspace():
            continue
        while i < len(rest) and rest[i].isspace():
            i += 1
        if i >= len(rest) or rest[i] != char:
            return 0
        i += 1
    return i


def _is_no_chance(line: str, n: int, rest: str, n_rest: int) -> bool:
    """Words overlap as whole words; a single character does if it is a bracket, a separator or a sign."""
    tail = line[-n:]
    before = line[-n - 1] if n < len(line) else ""
    behind = rest[n_rest] if n_rest < len(rest) else ""
    cuts_word = _is_word(tail[0]) and _is_word(before)
    ends_in_word = _is_word(tail[-1]) and _is_word(behind)
    if cuts_word or ends_in_word:
        return False
    return len(tail) >= MIN_OVERLAP or not _is_word(tail)


def _is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or char == "_")


# --- what closes nothing -------------------------------------------------------------------------


def unopened_closer(draft: Draft, around: Around) -> Draft:
    """The text ends before a bracket for which nothing is open, as far as the text before it is seen."""
    text = draft.text
    if not any(closer in text for closer in CLOSES) or in_comment(around.line_before, around.language):
        return draft
    opened = around.open_before
    if opened.quote in ('"""', "'''", "`"):
        return draft  # prose, or somebody else's code
    left = list(opened.brackets)
    for at, closer in outer_closers(text, opened.quote, around.language):
        bracket = CLOSES.get(closer)
        if bracket is None:
            continue
        if bracket not in left:
            # Far from the file's beginning a block's opener may be out of sight; a line's is not.
            if around.sees_beginning or "\n" not in text[:at]:
                return draft.cut(len(text[:at].rstrip()) if "\n" in text[:at] else at, "unopened_closer")
            return draft
        while left and left.pop() != bracket:
            pass
    return draft
