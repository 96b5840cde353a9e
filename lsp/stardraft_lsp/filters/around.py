"""What the filters know about the place of a suggestion. Worked out once for a question, not for every token.

Only a bounded piece on both sides of the cursor is looked at: a window of 48 kB costs what one of 2 kB does.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from stardraft_lsp.filters.brackets import Open, open_at_end
from stardraftd.protocol import Mode

N_ABOVE, N_BELOW = 14, 8  # lines with something on them
SEEN_CHARACTERS = 4000  # of the text on either side
# A line's white space; comments and lists have their own.
_INDENTED = re.compile(r"^[ \t]*(?=[^\s*#/-])", re.MULTILINE)
_CLOSERS = re.compile(r"[\s)\]}>\"'`]*")
_DUST = frozenset(")]}>\"'`;,")


@dataclass(frozen=True)
class Indentation:
    """One level of indentation: a tab, or `width` spaces. With tabs, `width` is the columns that a tab is.

    is_known: False for a text that does not show it; then nothing is indented anew.
    also:     other steps that the text takes more than once; they are let stand.
    """

    tabs: bool = False
    width: int = 4
    is_known: bool = True
    also: frozenset[int] = frozenset()


def indentation_of(text: str) -> Indentation:
    """The indentation that a text has: tabs or spaces by majority, the width by its steps inwards."""
    steps: dict[int, int] = {}
    n_tabs = n_spaces = previous = 0
    for found in _INDENTED.finditer(text):
        white = found.group()
        if white[:1] == "\t":
            n_tabs += 1
            continue
        n_spaces += bool(white)
        step = len(white) - previous
        previous = len(white)
        if step in (2, 3, 4, 8):
            steps[step] = steps.get(step, 0) + 1
    if n_tabs > n_spaces:
        return Indentation(tabs=True)
    if not steps:
        return Indentation(is_known=False)
    also = frozenset(step for step, n in steps.items() if n > 1)
    return Indentation(width=max(steps, key=lambda step: (steps[step], -step)), also=also)


def columns(white: str, tab: int) -> int:
    """Columns that leading white space takes when a tab goes to the next multiple of `tab`."""
    width = 0
    for char in white:
        width = width // tab * tab + tab if char == "\t" else width + 1
    return width


@lru_cache(maxsize=512)
def squeezed(line: str) -> str:
    """A line for comparison: without white space, one kind of quote, no comma or semicolon at its end."""
    return "".join(line.split()).replace("'", '"').rstrip(",;")


def leading(line: str) -> str:
    """The white space that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


@dataclass(frozen=True)
class Around:
    """The place where a suggestion is to stand.

    prefix, suffix: the text before and behind the cursor, LF line ends; a window of the file will do.
    language:       the LSP language id; path: relative to the workspace, as the model was shown it.
    indentation:    the file's own; `indentation_of` finds it.
    max_lines:      of a suggestion; 0 is no limit.
    auto_closed:    what of the text behind the cursor the editor put there by itself, such as ")". None when
                    nobody knows: then closers that follow the cursor at once are taken for it.
    """

    prefix: str
    suffix: str
    language: str = ""
    path: str = ""
    indentation: Indentation = field(default_factory=Indentation)
    mode: Mode = "line"
    max_lines: int = 0
    auto_closed: str | None = None

    @classmethod
    def at(
        cls, prefix: str, suffix: str, *, language: str = "", path: str = "", mode: Mode = "line"
    ) -> "Around":
        """The place, with the indentation that the text near it has."""
        # The cursor's own line counts, also when it is only indented so far.
        near = prefix[-SEEN_CHARACTERS:] + "|" + suffix[:SEEN_CHARACTERS]
        return cls(prefix, suffix, language, path, indentation_of(near), mode)

    # --- the cursor's line --------------------------------------------------------------------------

    @cached_property
    def line_before(self) -> str:
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @cached_property
    def is_on_blank_line(self) -> bool:
        """Whether nothing but white space stands before the cursor on its line."""
        return not self.line_before.strip()

    @cached_property
    def rest(self) -> str:
        """What stands behind the cursor on its line, without white space at its end."""
        end = self.suffix.find("\n")
        return (self.suffix if end < 0 else self.suffix[:end]).rstrip()

    @cached_property
    def rest_is_dust(self) -> bool:
        """Whether there is nothing but closers and separators behind the cursor on its line."""
        rest = self.rest
        if self.auto_closed:
            rest = rest.removeprefix(self.auto_closed)
        return all(character in _DUST or character.isspace() for character in rest)

    @cached_property
    def closers(self) -> str:
        """The closers behind the cursor that a suggestion may write again."""
        if self.auto_closed is not None:
            return self.auto_closed
        found = _CLOSERS.match(self.rest)
        return found.group().rstrip() if found else ""

    @cached_property
    def open_on_line(self) -> Open:
        """What is open at the cursor, of what its line opened."""
        return open_at_end(self.line_before[-SEEN_CHARACTERS:], self.language)

    @cached_property
    def open_before(self) -> Open:
        """What is open at the cursor, as far as the text just before it shows."""
        start = max(len(self.prefix) - SEEN_CHARACTERS, 0)
        start = self.prefix.find("\n", start) + 1 if start else 0
        return open_at_end(self.prefix[start:], self.language)

    @cached_property
    def sees_beginning(self) -> bool:
        """Whether all of the prefix is looked at."""
        return len(self.prefix) <= SEEN_CHARACTERS

    # --- other lines --------------------------------------------------------------------------------

    @cached_property
    def above(self) -> tuple[str, ...]:
        """The last lines above the cursor's that have something on them, the nearest last."""
        end = len(self.prefix) - len(self.line_before)
        lines = self.prefix[max(end - SEEN_CHARACTERS, 0) : end].split("\n")
        return tuple(line.rstrip() for line in lines[1 if end > SEEN_CHARACTERS else 0 :] if line.strip())[
            -N_ABOVE:
        ]

    def recurs_above(self, said: str) -> bool:
        """Whether a squeezed line stands above the cursor as well: then to say it again may be right."""
        return any(said == squeezed(line) for line in self.above)

    @cached_property
    def is_below_a_line(self) -> bool:
        """Whether the line right above the cursor's has something on it."""
        end = len(self.prefix) - len(self.line_before)
        return end > 0 and bool(self.prefix[max(end - 400, 0) : end - 1].rpartition("\n")[2].strip())

    @cached_property
    def below(self) -> tuple[str, ...]:
        """The next lines below the cursor's that have something on them, the nearest first."""
        start = self.suffix.find("\n") + 1
        if not start:
            return ()
        lines = self.suffix[start : start + SEEN_CHARACTERS].split("\n")
        return tuple(line.rstrip() for line in lines if line.strip())[:N_BELOW]

    @cached_property
    def indent(self) -> int:
        """Columns of the cursor's line's indentation."""
        return self.columns(leading(self.line_before))

    def columns(self, white: str) -> int:
        """Columns of leading white space in this file."""
        return columns(white, self.indentation.width if self.indentation.tabs else 8)

    def has(self, text: str) -> bool:
        """Whether the person's own text has this in it. Looks at all of it: ask seldom."""
        return text in self.prefix or text in self.suffix
