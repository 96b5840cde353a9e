"""What a model says of its prompt before it goes on: the file's name, the line that stands there already."""

import re

from stardraft_lsp.filters.around import Around
from stardraft_lsp.filters.draft import Draft

MIN_ECHO = 6  # visible characters of a line; shorter ones recur in honest code
_DECORATION = re.compile(r"^[\s#/*;<!-]+|[\s*/>-]+$")


def path_echo(draft: Draft, around: Around) -> Draft:
    """Nothing that begins with the file's own name on a line: the model begins the prompt anew."""
    if not around.path or not around.is_on_blank_line:
        return draft
    first, line_end, _ = draft.text.lstrip().partition("\n")
    said = _DECORATION.sub("", first).removeprefix("file:").removeprefix("File:").strip()
    path = around.path.replace("\\", "/")
    names = (path, path.rpartition("/")[2], f"./{path}", f"/{path}")
    if line_end or draft.ended:
        return draft.rejected("echo_of_path") if said in names and len(said) > 3 else draft
    return draft.held(0) if any(name.startswith(said) for name in names) else draft


def line_echo(draft: Draft, around: Around) -> Draft:
    """Without the beginning of the cursor's line, where the suggestion begins by saying it again."""
    before = around.line_before.strip()
    if len(before) < MIN_ECHO or not any(char.isalpha() for char in before):
        return draft
    text = draft.text.lstrip(" \t")
    if text.startswith(before):
        rest = text[len(before) :]
        rest = rest.lstrip(" \t") if around.line_before.endswith((" ", "\t")) else rest
        return draft.changed(rest, "echo_of_line")
    return draft.held(0) if not draft.ended and before.startswith(text) else draft


def doubled_space(draft: Draft, around: Around) -> Draft:
    """No space behind a space: behind `x = ` the model may begin with one of its own."""
    if around.line_before[-1:] not in (" ", "\t") or around.is_on_blank_line:
        return draft
    text = draft.text.lstrip(" ")
    return draft.changed(text, "doubled_space") if len(text) < len(draft.text) else draft
