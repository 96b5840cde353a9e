"""A model that goes round: it says the lines above again, or its own.

These take back what was shown already, for a repetition is one only when it is complete: of the lines above
up to three lines, of a loop of several lines its second beginning.
"""

import re
from functools import lru_cache

from stardraft_lsp.filters.around import Around, squeezed
from stardraft_lsp.filters.draft import Draft

MIN_LINE = 6  # visible characters of a line that may not follow itself
# So many lines that stand above in the same order are an echo when nothing follows; one more in any case.
# Two or three are what code has in common.
N_ECHO = 3
MAX_PERIOD = 8  # lines
N_TIMES = 3  # lines said so often are a loop
_WORD = re.compile(r"\w+|[^\w\s]")
_LOOP = re.compile(r"(\S[^\n]{2,40}?)\1{5,}")
_LONG_RUN = re.compile(r"([^\n\w])\1{99,}|(\w)\2{19,}")


def repeats_above(draft: Draft, around: Around) -> Draft:
    """No line that says the one above it, and no piece of what stands above."""
    lines = draft.text.split("\n")
    n_whole = len(lines) if draft.ended else len(lines) - 1
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None or (first == 0 and around.rest):
        return draft
    said = around.line_before + lines[0] if first == 0 else lines[first]
    last = _line_above(first, around)
    if _may_not_follow_itself(last):
        if first < n_whole and said.rstrip() == last.rstrip():
            return draft.rejected("repeats_above")
        if first >= n_whole and last.startswith(said.rstrip()):
            return draft.held(0)
    following = [line for line in lines[first + 1 : n_whole] if line.strip()]
    n_said = N_ECHO if draft.ended and len(following) + 1 == N_ECHO else N_ECHO + 1
    if len(following) + 1 >= n_said and _stand_above([said, *following][:n_said], around.above):
        return draft.rejected("repeats_above")
    return draft


def _line_above(first: int, around: Around) -> str:
    """The line right above `first`, the suggestion's first with something on it; "" if it is blank."""
    if first == 0:
        return around.above[-1] if around.is_below_a_line and around.above else ""
    return around.line_before if first == 1 else ""


def _may_not_follow_itself(line: str) -> bool:
    """Whether a line right below itself is a mistake: words, and no row of a table."""
    code = "".join(line.split())
    letters = sum(char.isalpha() for char in code)
    return len(code) >= MIN_LINE and letters >= 3 and not line.lstrip().startswith("</")


def _stand_above(said: list[str], above: tuple[str, ...]) -> bool:
    """Whether lines stand above the cursor in the same order, one after the other."""
    wanted, known = [squeezed(line) for line in said], [squeezed(line) for line in above]
    n = len(wanted)
    return sum(map(len, wanted)) >= MIN_LINE * n and any(
        known[i : i + n] == wanted for i in range(len(known) - n + 1)
    )


def line_loop(draft: Draft, _around: Around) -> Draft:
    """Lines that come three times over are said once."""
    text = draft.text
    if text.count("\n") < 1:
        return draft
    lines = text.split("\n")
    n_whole = len(lines) if draft.ended else len(lines) - 1
    codes = [line.strip() for line in lines]
    for i in range(1, n_whole):
        for period in range(1, min(i // (N_TIMES - 1) + 1, MAX_PERIOD) + 1):
            first = i - period * N_TIMES + 1
            if first < 0 or codes[i] != codes[i - period]:
                continue
            window = codes[first : i + 1]
            said = "".join(window[:period])
            if window[:-period] == window[period:] and sum(char.isalpha() for char in said) >= 3:
                return draft.cut(len("\n".join(lines[: first + period])), "loop")
    return _held_copies(draft, lines, codes, n_whole)


def _held_copies(draft: Draft, lines: list[str], codes: list[str], n_whole: int) -> Draft:
    """A line that follows itself is held back until the next one is another."""
    if draft.ended:
        return draft
    keep = n_whole
    growing = codes[n_whole]
    if keep and len(codes[keep - 1]) >= MIN_LINE and codes[keep - 1].startswith(growing):
        while keep > 1 and codes[keep - 1] == codes[keep - 2]:
            keep -= 1
        return draft.held(len("\n".join(lines[:keep])))
    return draft


def word_loop(draft: Draft, _around: Around) -> Draft:
    """A line that says the same six times over ends before it; one of its kind may stand."""
    start = 0
    for line in draft.text.split("\n"):
        at = _loop_in(line)
        if at is not None:
            return draft.cut(start + at if line[:at].strip() else max(start - 1, 0), "loop")
        start += len(line) + 1
    return draft


@lru_cache(maxsize=256)
def _loop_in(line: str) -> int | None:
    """Where a loop begins in a line. Rows of numbers and rulers are none."""
    if len(line) < 16:
        return None
    words = _WORD.findall(line)
    run = _LONG_RUN.search(line) if len(line) >= 20 else None
    if run:
        return run.start()
    if len(set(words)) * 2 > len(words):
        return None
    found = _LOOP.search(line)
    while found and sum(char.isalpha() for char in found.group(1)) < 2:
        found = _LOOP.search(line, found.end())
    return found.start() if found else None
