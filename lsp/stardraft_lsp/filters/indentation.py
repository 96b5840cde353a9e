"""Lines are indented as the file is: its tabs or spaces, its width, and not twice where the cursor is.

The model's own width is read from its first step inwards behind an opener, and what a tab of its is from its
first tab, so both are known as soon as that line begins and do not change with what follows.

In Makefiles a line of a recipe begins with a tab, whatever the lines around it have: one that is indented and
stands below a rule or another line of a recipe. Make's own directives, often indented with spaces, are none.
"""

import re
from dataclasses import dataclass

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft
from stardraftd.lexing.columns import columns, fitting_tab, leading
from stardraftd.lexing.lines import first_word

_OPENERS = ("{", "(", "[", ":", "=>", "->", " do", " then", "|")
# Behind the others, lines are aligned as often as indented.
_BLOCK_OPENERS = ("{", ":", " do", " then")
_STEPS = (2, 3, 4, 8)
_INDENT = re.compile(r"(?:\n|\A)[ \t]")


def own_indentation(draft: Draft, around: Around) -> Draft:
    """Every line gets the file's indentation; that of the cursor's is not doubled."""
    draft = _first_line(draft, around)
    text = draft.text
    if not draft.ended:
        # White space that a line begins with goes out with what says how far in it is.
        line_start = text.rfind("\n") + 1
        begun = text[line_start:].strip()
        if line_start and (not begun or (around.indentation.tabs and _is_half_case(begun))):
            text = text[: line_start - 1]
            draft = draft.held(len(text))
    if not _INDENT.search(text):
        return draft
    lines = text.split("\n")
    if around.lexis == "makefile":
        new = recipes(lines, around)
    elif not around.indentation.is_known:
        return draft
    else:
        tab = _tab(lines, around)
        step = _step(lines, around, tab)
        is_whole_line = around.is_on_blank_line and not around.line_before
        first = _indented(lines[0], step, tab, around) if is_whole_line else lines[0]
        new = [first, *(_indented(line, step, tab, around) for line in lines[1:])]
    changed = "\n".join(new)
    return draft if changed == text else draft.changed(changed, "indentation")


def _is_half_case(begun: str) -> bool:
    """Whether a line that grows may become one of a switch's cases."""
    return any(word.startswith(begun) for word in ("case", "default"))


def _first_line(draft: Draft, around: Around) -> Draft:
    """On a line that is indented already, the model's own indentation is too much, or becomes the file's."""
    text = draft.text
    if not around.is_on_blank_line or text[:1] not in (" ", "\t"):
        return draft
    white = leading(text)
    if white == text:
        return draft if draft.ended else draft.held(0)
    if not around.line_before or text[len(white)] == "\n":
        return draft
    if around.indent >= _expected(around) or around.lexis == "makefile":
        return draft.changed(text[len(white) :], "indentation")
    own = around.indentation
    whole = _rendered(around.columns(around.line_before) + columns(white, own.width), around)
    if own.is_known and whole.startswith(around.line_before) and whole != around.line_before + white:
        return draft.changed(whole[len(around.line_before) :] + text[len(white) :], "indentation")
    return draft


def _expected(around: Around) -> int:
    """Columns at which a line below the last one would begin."""
    above = around.above[-1] if around.above else ""
    own = around.columns(leading(above))
    return own + around.indentation.width if above.endswith(_OPENERS) else own


def _tab(lines: list[str], around: Around) -> int:
    """How wide a tab of the model's is: as the file has it, else so that its first tab fits."""
    own = around.indentation
    if own.mixed or own.tabs:
        return own.mixed or own.width
    if around.tab:
        return around.tab
    previous = columns(leading(around.line_before), own.width)
    opens = (around.line_before + lines[0]).rstrip().endswith(_BLOCK_OPENERS)
    for line in lines[1:]:
        if not line.strip():
            continue
        white = leading(line)
        if "\t" in white:
            return fitting_tab(white, previous, is_deeper=opens, step=own.width)
        previous, opens = len(white), line.rstrip().endswith(_BLOCK_OPENERS)
    return own.width


@dataclass(frozen=True, slots=True)
class _Step:
    """Columns of the model's own level. is_absolute: what is around is indented by it too, as it has it."""

    width: int
    is_absolute: bool = False


def _step(lines: list[str], around: Around, tab: int) -> _Step:
    """The model's own level: its first step inwards behind an opener; else the file's."""
    own = around.indentation
    white = around.line_before + leading(lines[0]) if around.is_on_blank_line else leading(around.line_before)
    previous, n_tabs = columns(leading(white), tab), white.count("\t")
    opens = (around.line_before + lines[0]).rstrip().endswith(_BLOCK_OPENERS)
    for line in lines[1:]:
        if not line.strip():
            continue
        white = leading(line)
        width = columns(white, tab)
        if opens and "\t" not in white:
            # Cases often stand as far in as their switch.
            n_levels = n_tabs if own.tabs else previous // own.width
            n_levels += not (own.tabs and n_tabs and first_word(line) in ("case", "default"))
            step, odd = divmod(width, max(n_levels, 1))
            is_absolute = step in _STEPS and not odd
            if own.tabs and is_absolute:
                return _Step(step, is_absolute=True)
            if width > previous:
                inwards = width - previous
                if inwards in _STEPS:
                    return _Step(inwards if inwards not in own.also else own.width)
                return _Step(step if is_absolute else own.width, is_absolute)
        previous, opens = width, line.rstrip().endswith(_BLOCK_OPENERS)
        n_tabs = white.count("\t")
    return _Step(own.width)


def _indented(line: str, step: _Step, tab: int, around: Around) -> str:
    white = leading(line)
    if not white or white == line:
        return line
    own, base = around.indentation, around.columns(leading(around.line_before))
    width = columns(white, tab)
    if own.tabs:
        levels, odd = divmod(width, own.width)
        if step.width != own.width and " " in white and "\t" not in white:
            levels, odd = divmod(width, step.width)
        return "\t" * levels + " " * odd + line[len(white) :]
    if "\t" in white and tab > own.width and own.widest < tab:
        return line  # GNU's way, of which a file that is not indented so far says nothing
    if step.is_absolute and "\t" not in white:
        levels, odd = divmod(width, step.width)
        width = levels * own.width + odd
    elif step.width != own.width and width > base and (width - base) % step.width == 0:
        width = base + (width - base) // step.width * own.width
    return _rendered(width, around) + line[len(white) :]


def _rendered(width: int, around: Around) -> str:
    """So many columns of white space, as the file has them."""
    own = around.indentation
    tab = own.width if own.tabs else own.mixed
    return "\t" * (width // tab) + " " * (width % tab) if tab else " " * width


_DIRECTIVES = frozenset(
    (
        *("ifdef", "ifndef", "ifeq", "ifneq", "else", "endif", "define", "endef", "include", "export"),
        *("unexport", "override", "vpath", "undefine"),
    )
)


def recipes(lines: list[str], around: Around) -> list[str]:
    """A suggestion's lines, those of recipes with a tab."""
    found: list[str] = []
    in_recipe = _is_in_recipe(around)
    for i, line in enumerate(lines):
        whole = around.line_before + line if i == 0 else line
        code, white = whole.strip(), leading(whole)
        if not code:
            found.append(line)
            continue
        if not white or white == whole:
            in_recipe = _is_rule(code)
        elif white[0] != "\t" and in_recipe and first_word(code) not in _DIRECTIVES:
            is_own = i > 0 or not around.line_before
            line = "\t" + line.lstrip(" \t") if is_own else line  # noqa: PLW2901
        found.append(line)
    return found


def _is_in_recipe(around: Around) -> bool:
    """Whether the line above the cursor's is a rule, or a line of its recipe."""
    for line in reversed(around.above):
        if line[:1] == "\t":
            return True
        if first_word(line.strip()) not in _DIRECTIVES:
            return _is_rule(line)
    return False


def _is_rule(line: str) -> bool:
    """Whether a line is `targets: prerequisites`, and no assignment."""
    colon = line.find(":")
    return (
        colon > 0
        and line[colon : colon + 2] != ":="
        and line[colon : colon + 3] != "::="
        and "=" not in line[:colon]
    )
