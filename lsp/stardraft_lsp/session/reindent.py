"""A suggestion whose line was indented anew since it was made: the same text, further in or out.

That is right where the indentation says nothing about what the text means: in languages whose blocks have
their own ends. Where indentation is the block, it is right within the body that the line above opens, or
when only tabs took the place of spaces. Anywhere else it would be a guess, and the model is asked.
"""

from stardraft_lsp.syntax.languages import rules_of
from stardraft_lsp.syntax.lexing import last_code_line, opener_of
from stardraftd.lexing.columns import columns, indent_of, tab_width
from stardraftd.lexing.words import words_of


def reindented(text: str, before: str, now: str, language: str) -> str | None:
    """What is left of `text`, which was made for the prefix `before`, behind the prefix `now`.

    None where they differ in more than the indentation of the cursor's line, or in nothing, and where the
    text cannot be indented anew with certainty. All with LF line ends.
    """
    head, old, code = _taken_apart(before)
    new_head, new, new_code = _taken_apart(now)
    if (head, code) != (new_head, new_code) or old == new or not text.strip():
        return None
    if not code:  # what the suggestion begins with is indentation, too
        lead = text[: len(text) - len(text.lstrip(" \t"))]
        old, text = old + lead, text[len(lead) :]
    if not text.strip() or text.startswith("\n") or not _is_right(head, old, new, language):
        return None
    lines = text.split("\n")
    moved = [lines[0]]
    for line in lines[1:]:
        if line.strip() and not line.startswith(old):
            return None  # it leaves what was indented
        moved.append(new + line[len(old) :] if line.strip() else line)
    return "\n".join(moved)


def _taken_apart(prefix: str) -> tuple[str, str, str]:
    """All lines but the cursor's, its indentation, and its code."""
    start = prefix.rfind("\n") + 1
    line = prefix[start:]
    code = line.lstrip(" \t")
    return prefix[:start], line[: len(line) - len(code)], code


def _is_right(head: str, old: str, new: str, language: str) -> bool:
    words = words_of(language)
    if not words.is_indented:
        return bool(rules_of(language).scopes) and words.has_braces
    tab = tab_width(head)
    if columns(old, tab) == columns(new, tab):
        return True
    above, _ = last_code_line(head, len(head), language)
    outer = indent_of(head[head.rstrip().rfind("\n") + 1 :], tab)
    is_opened = bool(opener_of(above, language, is_whole=True))
    return (
        is_opened
        and head.rstrip().endswith(above.strip())
        and min(columns(old, tab), columns(new, tab)) > outer
    )
