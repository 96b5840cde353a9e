"""Lines are indented as the file is: its tabs or spaces, its width, and not twice where the cursor is.

The model's own width is read from its first step inwards behind an opener, so it is known as soon as that
line begins and does not change with what follows.
"""

import re

from stardraft_lsp.filters.around import Around, columns, leading
from stardraft_lsp.filters.draft import Draft

_OPENERS = ("{", "(", "[", ":", "=>", "->", " do", " then", "|")
# Behind the others, lines are aligned as often as indented.
_BLOCK_OPENERS = ("{", ":", " do", " then")
_INDENT = re.compile(r"\n([ \t]+)")


def own_indentation(draft: Draft, around: Around) -> Draft:
    """Every line but the first gets the file's indentation; the first one's is not doubled."""
    draft = _first_line(draft, around)
    text = draft.text
    if not draft.ended:
        # White space that a line begins with goes out with the line's first character.
        line_start = text.rfind("\n") + 1
        if line_start and not text[line_start:].strip():
            text = text[: line_start - 1]
            draft = draft.held(len(text))
    if not around.indentation.is_known or not _INDENT.search(text):
        return draft
    lines = text.split("\n")
    step = _step(lines, around)
    new = [lines[0], *(_indented(line, step, around) for line in lines[1:])]
    changed = "\n".join(new)
    return draft if changed == text else draft.changed(changed, "indentation")


def _first_line(draft: Draft, around: Around) -> Draft:
    """On a line that is indented already, the model's own indentation of it is too much."""
    text = draft.text
    if not around.is_on_blank_line or not around.line_before or text[:1] not in (" ", "\t"):
        return draft
    white = leading(text)
    if white == text:
        return draft if draft.ended else draft.held(0)
    if text[len(white)] == "\n" or around.indent < _expected(around):
        return draft
    return draft.changed(text[len(white) :], "indentation")


def _expected(around: Around) -> int:
    """Columns at which a line below the last one would begin."""
    above = around.above[-1] if around.above else ""
    own = around.columns(leading(above))
    return own + around.indentation.width if above.endswith(_OPENERS) else own


def _step(lines: list[str], around: Around) -> int:
    """Columns of the model's own level: its first step inwards behind an opener; else the file's."""
    own = around.indentation
    white = around.line_before + leading(lines[0]) if around.is_on_blank_line else leading(around.line_before)
    previous = columns(leading(white), own.width)
    opens = (around.line_before + lines[0]).rstrip().endswith(_BLOCK_OPENERS)
    for line in lines[1:]:
        if not line.strip():
            continue
        white = leading(line)
        width = columns(white, own.width)
        if opens and width > previous and "\t" not in white:
            step = width - previous
            return step if step in (2, 3, 4, 8) and step not in own.also else own.width
        previous, opens = width, line.rstrip().endswith(_BLOCK_OPENERS)
    return own.width


def _indented(line: str, step: int, around: Around) -> str:
    white = leading(line)
    if not white or white == line:
        return line
    own, base = around.indentation, around.columns(leading(around.line_before))
    if own.tabs:
        width = columns(white, own.width)
        levels, odd = divmod(width, own.width)
        if step != own.width and " " in white and "\t" not in white:
            levels, odd = divmod(width, step)
        return "\t" * levels + " " * odd + line[len(white) :]
    width = columns(white, own.width)
    if step != own.width and width > base and (width - base) % step == 0:
        width = base + (width - base) // step * own.width
    return " " * width + line[len(white) :]
