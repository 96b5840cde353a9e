"""Makefiles: the lines of a recipe begin with a tab, whatever the lines around them have.

A line is a recipe's where it is indented and stands below a rule or another line of a recipe. Make's own
directives, which are often indented with spaces, are none.
"""

from stardraft_lsp.filters.around import Around
from stardraftd.lexing.columns import leading
from stardraftd.lexing.lines import first_word

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
