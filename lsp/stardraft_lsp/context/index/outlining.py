"""Definitions and imports by syntax tree, where there is a grammar; by regular expressions elsewhere.

Whole files only: what a chunk defines is asked for every chunk of a workspace, and stays with the plain way.
"""

from stardraft_lsp.context.index.definitions import MAX_OUTLINE_LINES, Imported, PlainOutliner
from stardraft_lsp.syntax.outline import EMPTY, Definition, Outline, outline_of_text

# `kinds`' families by the grammar that reads them; of several languages, one that reads the others too.
GRAMMARS = {
    "python": "python", "javascript": "typescript", "go": "go", "rust": "rust", "c": "cpp", "jvm": "java",
    "dotnet": "csharp", "ruby": "ruby", "php": "php", "lua": "lua", "shell": "shell",
}  # fmt: skip
_BUDGET_MS = 60.0
_INDENT = "    "


class SyntaxOutliner(PlainOutliner):
    """As `PlainOutliner`, with a tree where there can be one. For the background thread: it gives way.

    Invariant: `_outline` is that of `_text` in `_family`; names of one file are looked up in a row.
    """

    def __init__(self) -> None:
        self._text = self._family = ""
        self._outline: Outline = EMPTY

    def imports(self, text: str, family: str) -> list[Imported]:
        found = [
            Imported(name, one.module)
            for one in self._of(text, family).imports
            for name in (one.names or (one.module.replace("/", ".").split(".")[-1],))
        ]
        return found or super().imports(text, family)

    def outline(self, lines: list[str], name: str, near_line: int, family: str) -> str:
        """The definition's own lines, as they stand; by the tree alone where the plain way sees none."""
        definitions = self._of("\n".join(lines), family).definitions
        same = [one for one in definitions if one.name == name]
        if not same:
            return super().outline(lines, name, near_line, family)
        one = min(same, key=lambda found: abs(found.start_line - near_line))
        as_it_stands = super().outline(lines, name, one.start_line, family)
        if as_it_stands:
            return as_it_stands
        shown = _lines_of(one, "")
        for member in definitions:
            if member.container == name and one.start_line < member.start_line < one.end_line:
                shown += _lines_of(member, _INDENT)
        return "\n".join(shown[:MAX_OUTLINE_LINES]) + "\n"

    def _of(self, text: str, family: str) -> Outline:
        if (text, family) != (self._text, self._family):
            self._text, self._family = text, family
            grammar = GRAMMARS.get(family)
            self._outline = outline_of_text(text, grammar, _BUDGET_MS) if grammar else EMPTY
        return self._outline


def _lines_of(definition: Definition, indent: str) -> list[str]:
    return [f"{indent}{line}" for line in definition.signature.split("\n")]
