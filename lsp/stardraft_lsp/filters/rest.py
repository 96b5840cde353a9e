"""What stands after the cursor is not said again: on its own line, and on the lines below.

On its line a suggestion goes before what follows or takes its place. Three ways, in this order:

    repeats_rest    the suggestion's end says it again: that end is taken off, and the text is inserted
    covers_rest     the suggestion goes on behind it (`a, b):` before an auto-closed `)`): it takes its place
    unopened        neither, and a bracket closes nothing that is open: the text ends before it

The second wants a client that replaces a range; for another one the text ends where it would go on. Before
all of them, a comment at the text's end is left out, since it would go on over what follows.

Where it says the lines below again, the model has caught up with the file, and the text ends. Lines are
compared without white space, with one kind of quote and without a last comma or semicolon, so that another
formatting of the same line is the same line.
"""

import re
from collections.abc import Iterator
from itertools import islice

from stardraft_lsp.filters.around import Around, squeezed
from stardraft_lsp.filters.brackets import (
    Rest,
    closes_all,
    n_open_on_line,
    opened_by,
    outer_closers,
    rest_from,
)
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.columns import leading
from stardraftd.lexing.lines import code_of
from stardraftd.lexing.scanner import Frame, frames

MIN_OVERLAP = 2  # characters, for an overlap with words
_MAX_OVERLAP = 2000  # characters; what repeats more than this does not repeat by chance
_MAX_CLOSERS = 32  # of the cursor's line that are looked at
_CLOSING = ")]}>\"'`"
_COMMENT_SIGNS = "/-(<{#"


def rest_of_line(draft: Draft, around: Around, *, can_replace: bool) -> Draft:
    """Nothing of what follows on the cursor's line is there twice."""
    if not around.rest or not draft.text:
        return draft
    draft = _before_comment(draft, around)
    reading = around.reading(draft.text)
    now = rest_from(around, reading.before)
    if around.rest_is_dust and around.rest.strip():
        return _before_closers(draft, around, now, can_replace=can_replace)
    if now.closers and around.rest.lstrip()[0] in _CLOSING and any(True for _ in outer_closers(reading)):
        return _before_closers(draft, around, now, can_replace=can_replace)
    return _before_code(draft, around, can_replace=can_replace)


def _before_comment(draft: Draft, around: Around) -> Draft:
    """The text ends before a comment that would take in the code that follows."""
    if not code_of(around.rest, around.lexis).strip():
        return draft
    opened = opened_by(around.reading(draft.text))
    comment = next((frame for frame in opened if frame.kind == "comment"), None)
    if comment is None:  # its last signs may begin one
        return draft if draft.ended else draft.held(len(draft.text.rstrip(_COMMENT_SIGNS)))
    at = len(draft.text[: max(comment.start - len(around.near_line), 0)].rstrip())
    return draft.cut(at, "hides_rest") if draft.ended else draft.held(at)


# --- closers, quotes, separators -----------------------------------------------------------------


def _before_closers(draft: Draft, around: Around, now: Rest, *, can_replace: bool) -> Draft:
    """now: what the rest of the line does as it stands now."""
    text, rest = draft.text, around.rest
    at = _doubled(text, around, now)
    if at is None:
        held = None if draft.ended else _doubled_so_far(text, around, now)
        if held is None:
            return _before_separators(draft, around)
        covers = can_replace and _covers(text[held:], rest, now.closers) and closes_all(text, around, now)
        return draft if covers else draft.held(held)
    said, _, below = text[at:].partition("\n")
    same, wanted = "".join(said.split()), "".join(rest.split())
    # The end of it is what follows: insert what is before.
    if wanted.startswith(same) and (not below.strip() or same == wanted):
        return draft.trimmed(at, "repeats_rest") if draft.ended else draft.held(at)
    covers = _covers(said, rest, now.closers) and closes_all(text, around, now)
    is_known = bool(draft.ended) or below or same.startswith(wanted) or not _signs_of(rest)
    if covers and can_replace and is_known:
        return draft.covering(len(rest), "covers_rest")
    if not is_known or not draft.ended:
        return draft.held(at)
    # Inserted, it would close twice; and so would what is left of closers of which only some come again.
    return draft.cut(at, "covers_rest" if covers else "repeats_rest")


def _doubled(text: str, around: Around, now: Rest) -> int | None:
    """Where a text closes what the rest of the line closes; None where both fit together.

    They do when the rest, read after the text, closes the same as it does now, or has less wrong with it. Of
    the closers of what was opened on the cursor's line the last one after which that is so is the text's own,
    and the next one is the rest's.
    """
    if _fits(around, around.reading(text).after, now):
        return None
    for at, frame in reversed(_own_closers(text, around)):
        if rest_from(around, frame).closers == now.closers:
            return at
    return None


def _doubled_so_far(text: str, around: Around, now: Rest) -> int | None:
    """Where a text that grows closed what the rest closes, and has opened the like again since."""
    for at, frame in _own_closers(text, around):
        if not _fits(around, frame.outer, now):
            return _doubled(text[: at + len(frame.end)], around, now)
    return None


def _own_closers(text: str, around: Around) -> list[tuple[int, Frame]]:
    """Where a text closes what was opened on the cursor's line, or, if nothing was, the innermost bracket."""
    reading = around.reading(text)
    n = min(max(n_open_on_line(around, reading), 1), _MAX_CLOSERS)
    return list(islice(outer_closers(reading), n))


def _fits(around: Around, frame: Frame | None, now: Rest) -> bool:
    after = rest_from(around, frame)
    known = {id(one) for one in now.frames}
    above = {id(one) for one in frames(around.line_frame)} - known
    if any(id(one) in above for one in after.frames):
        return False  # it would close what was opened on a line above, and is closed below
    return after.closers == now.closers or after.is_better(now)


def _covers(text: str, rest: str, closers: tuple[str, ...]) -> bool:
    """Whether a line says all of the rest again, its closers apart by other things, its end at the end."""
    wanted, code = "".join(rest.split()), "".join(text.partition("\n")[0].split())
    end = n = 0
    while end < len(wanted) and n < len(closers):
        n += wanted[end] in _CLOSING
        end += 1
    tail = wanted[end:]
    if code.startswith(wanted):
        return True  # and goes on after it
    if not code.endswith(tail) and not (tail.strip(";,") == "" and tail in code):
        return False
    signs = iter(code[: len(code) - len(tail)] if code.endswith(tail) else code)
    return all(sign in signs for sign in wanted[:end])


def _signs_of(rest: str) -> str:
    """What stands after the closers that a rest of a line begins with."""
    return rest.lstrip(" \t" + _CLOSING)


def _before_separators(draft: Draft, around: Around) -> Draft:
    """`;`, `,` or a lone closer at the end, that stands there already."""
    line, _, more = draft.text.partition("\n")
    rest = around.rest.lstrip()
    end = len(line.rstrip())
    if not more and end and rest[0] in ";,:" and line[end - 1] == rest[0]:
        return draft.held(end - 1) if not draft.ended else draft.trimmed(end - 1, "repeats_rest")
    return draft


# --- code ----------------------------------------------------------------------------------------


def _before_code(draft: Draft, around: Around, *, can_replace: bool) -> Draft:
    line, rest = draft.text.partition("\n")[0], around.rest
    same = _end_of_rest(line, rest)
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


def _end_of_rest(line: str, rest: str) -> int | None:
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
    said, places = _squeezed(stripped[-_MAX_OVERLAP:])
    wanted, rest_places = _squeezed(rest[:_MAX_OVERLAP])
    offset = max(len(stripped) - _MAX_OVERLAP, 0)
    for n in _common_ends(said, wanted):
        n_line = len(stripped) - offset - places[len(said) - n]
        if growing or _is_no_chance(stripped, n_line, rest, rest_places[n - 1] + 1):
            return len(line) - len(stripped) + n_line
    return 0


def _squeezed(text: str) -> tuple[str, list[int]]:
    """A text without its white space, and where its characters stood."""
    places = [i for i, char in enumerate(text) if not char.isspace()]
    return "".join(text[i] for i in places), places


def _common_ends(said: str, wanted: str) -> Iterator[int]:
    """How many characters the end of one text and the beginning of another have in common, the most first.

    By the failure function of Knuth, Morris and Pratt: linear in both.
    """
    failure = [0] * (len(wanted) + 1)
    n = 0
    for i in range(1, len(wanted)):
        while n and wanted[i] != wanted[n]:
            n = failure[n]
        n += wanted[i] == wanted[n]
        failure[i + 1] = n
    n = 0
    for char in said:
        while n and (n == len(wanted) or char != wanted[n]):
            n = failure[n]
        n += bool(wanted) and char == wanted[n]
    while n:
        yield n
        n = failure[n]


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
    if not any(closer in text for closer in ")]}") or around.in_comment:
        return draft
    for at, event in around.reading(text).own:
        if event.kind == "lone":
            # Far from the file's beginning a block's opener may be out of sight; a line's is not.
            is_of_line = "\n" not in text[:at] and not around.is_on_blank_line
            if around.sees_beginning or is_of_line:
                return draft.cut(len(text[:at].rstrip()) if "\n" in text[:at] else at, "unopened_closer")
            return draft
    return draft


# Of a line that ends a suggestion by itself: visible characters. Shorter ones (`else:`) recur in honest code.
MIN_LINE = 6
MIN_FAR_LINE = 20  # the same of a line that is not the next one
N_FAR = 4
_CLOSING_LINE = re.compile(r"[)\]}>;,]+|end|fi|done|esac|</.*>")


def repeats_below(draft: Draft, around: Around) -> Draft:
    """The text ends before the first line that says what the next lines say."""
    below = around.below
    if not below or not draft.text:
        return draft
    text = draft.text
    lines = text.split("\n")
    n_whole = len(lines) if draft.ended else len(lines) - 1
    start = 0
    for i, line in enumerate(lines):
        is_first = i == 0
        whole = around.line_before + line if is_first else line
        if not line.strip() or (is_first and around.rest):
            start += len(line) + 1
            continue
        if i < n_whole:
            if _stands_below(lines, i, n_whole, whole, around):
                return draft.cut(len(text[:start].rstrip()), "repeats_below")
            if not draft.ended and i + 1 == n_whole and _may_stand_below(whole, lines[n_whole], around):
                return draft.held(max(start - 1, 0))
        elif _begins_line_below(whole, around, is_first=not any(map(str.strip, lines[:i]))):
            return draft.held(max(start - 1, 0))
        start += len(line) + 1
    return draft


def _stands_below(lines: list[str], i: int, n_whole: int, whole: str, around: Around) -> bool:
    below = around.below
    said = squeezed(whole)
    if said == squeezed(below[0]) and (i == 0 or not _is_further_in(whole, below[0], around)):
        if len(said) >= MIN_LINE or _is_closing(whole, below[0]):
            return True
        return i + 1 < n_whole and len(below) > 1 and squeezed(lines[i + 1]) == squeezed(below[1])
    # Further below only where the text has run on: a first line may well be said again there.
    return (
        len(said) >= MIN_FAR_LINE
        and any(previous.strip() for previous in lines[:i])
        and any(said == squeezed(line) and leading(whole) == leading(line) for line in below[1:N_FAR])
        and not around.recurs_above(said)
    )


def _is_further_in(line: str, below: str, around: Around) -> bool:
    """Whether the line belongs to a block of the suggestion's own: then it may well be said again below."""
    return around.columns(leading(line)) > around.columns(leading(below))


def _is_closing(line: str, below: str) -> bool:
    """Whether it is the closer that stands there: the same one, as far in."""
    return _CLOSING_LINE.fullmatch(line.strip()) is not None and leading(line) == leading(below)


def _may_stand_below(whole: str, growing: str, around: Around) -> bool:
    """A short line that is the next one, while the line after it still grows."""
    below = around.below
    if len(below) < 2 or squeezed(whole) != squeezed(below[0]):
        return False
    return squeezed(below[1]).startswith(squeezed(growing))


def _begins_line_below(whole: str, around: Around, *, is_first: bool) -> bool:
    """Whether a line that still grows may become one of the next."""
    said = "".join(whole.split()).replace("'", '"')
    said = said.rstrip(",;") or said
    if not said:
        return False
    if squeezed(around.below[0]).startswith(said):
        return True
    return not is_first and any(
        len(line) >= MIN_FAR_LINE and line.startswith(said) and not around.recurs_above(line)
        for line in map(squeezed, around.below[1:N_FAR])
    )
