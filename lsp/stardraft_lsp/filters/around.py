"""What the filters know about the place of a suggestion. Worked out once for a question, not for every token.

Only a bounded piece on both sides of the cursor is looked at: a window of 48 kB costs what one of 2 kB does.
"""

import re
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from stardraftd.lexing.block_place import BlockPlace, block_place
from stardraftd.lexing.columns import columns, leading, told_tab
from stardraftd.lexing.names import language_of
from stardraftd.lexing.reading import GrowingText, Reading
from stardraftd.lexing.scanner import Frame, Scanner, frames, line_frame
from stardraftd.protocol.completion import Mode

N_ABOVE, N_BELOW = 14, 8  # lines with something on them
SEEN_CHARACTERS = 4000  # of the text on either side
# A line's white space; comments and lists have their own.
_INDENTED = re.compile(r"^[ \t]*(?=[^\s*#/-])", re.MULTILINE)
_DUST = frozenset(")]}>\"'`;,")


@dataclass(frozen=True)
class Indentation:
    """One level of indentation: a tab, or `width` spaces. With tabs, `width` is the columns that a tab is.

    is_known: False for a text that does not show it; then nothing is indented anew.
    also:     other steps that the text takes more than once; they are let stand.
    mixed:    columns for which a tab stands in a text whose levels are smaller: 8 in GNU's C; else 0.
    widest:   columns of the widest indentation by spaces alone.
    """

    tabs: bool = False
    width: int = 4
    is_known: bool = True
    also: frozenset[int] = frozenset()
    mixed: int = 0
    widest: int = 0


# Languages that are indented by tabs, whatever stands nearby. Make has its own rules, line by line.
_TABBED = frozenset(["go"])
# And those in which a tab is an error: columns of a level, where the text shows none.
_SPACED = {"yaml": 2, "nim": 2, "fsharp": 4, "elm": 4}
_N_NEAR = 4  # indented lines above the cursor that decide, if they agree
_MIXED_TAB = 8


def indentation_of(text: str) -> Indentation:
    """The indentation that a text has: tabs or spaces by majority, the width by its steps inwards."""
    steps: dict[int, int] = {}
    n_tabs = n_spaces = widest = 0
    previous: int | None = None  # of the first line nobody knows what it is further in than
    for found in _INDENTED.finditer(text):
        white = found.group()
        if white[:1] == "\t":
            n_tabs += 1
            continue
        n_spaces += bool(white)
        widest = max(widest, len(white))
        step = len(white) - previous if previous is not None else 0
        previous = len(white)
        if step in (2, 3, 4, 8):
            steps[step] = steps.get(step, 0) + 1
    also = frozenset(step for step, n in steps.items() if n > 1)
    width = max(steps, key=lambda step: (steps[step], -step)) if steps else 4
    is_mixed = n_tabs and 8 * min(n_tabs, n_spaces) >= n_tabs + n_spaces and widest < _MIXED_TAB
    if is_mixed and told_tab(text) == _MIXED_TAB:
        return Indentation(width=width, also=also, mixed=_MIXED_TAB, widest=widest)
    if n_tabs > n_spaces:
        return Indentation(tabs=True, width=told_tab(text) or 4)
    if not steps:
        return Indentation(is_known=False, widest=widest)
    return Indentation(width=width, also=also, widest=widest)


def indentation_at(prefix: str, suffix: str, language: str) -> Indentation:
    """The indentation at a cursor: the language's, else that of the lines just above, else the file's."""
    # The cursor's own line counts, also when it is only indented so far.
    before = prefix[-SEEN_CHARACTERS:] + "|"
    found = indentation_of(before + suffix[:SEEN_CHARACTERS])
    if language in _TABBED:
        return found if found.tabs else Indentation(tabs=True)
    if language in _SPACED:
        is_shown = found.is_known and not found.tabs and not found.mixed
        return found if is_shown else Indentation(width=_SPACED[language])
    if found.mixed:
        return found
    near = [white for line in before.split("\n") if line.strip() and (white := leading(line))][-_N_NEAR:]
    has_tabs = {white[0] == "\t" for white in near}
    is_sure = len(near) > 1 or before[before.rfind("\n") + 1] in " \t"
    if len(has_tabs) == 1 and is_sure and has_tabs != {found.tabs}:
        kind = "\t" if has_tabs.pop() else " "
        return indentation_of("\n".join(line for line in before.split("\n") if line[:1] in (kind, "|", "}")))
    return found


@lru_cache(maxsize=512)
def squeezed(line: str) -> str:
    """A line for comparison: without white space, one kind of quote, no comma or semicolon at its end."""
    return "".join(line.split()).replace("'", '"').rstrip(",;")


@dataclass(frozen=True)
class Around:
    """The place where a suggestion is to stand.

    prefix, suffix: the text before and after the cursor, LF line ends; a window of the file will do.
    language:       the LSP language id; path: relative to the workspace, as the model was shown it.
    indentation:    the file's own; `indentation_of` finds it.
    max_lines:      of a suggestion; 0 is no limit.
    auto_closed:    what of the text after the cursor the editor put there by itself, such as ")". None when
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
        indentation = indentation_at(prefix, suffix, language_of(language, path))
        return cls(prefix, suffix, language, path, indentation, mode)

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
        """What stands after the cursor on its line, without white space at its end."""
        end = self.suffix.find("\n")
        return (self.suffix if end < 0 else self.suffix[:end]).rstrip()

    @cached_property
    def rest_is_dust(self) -> bool:
        """Whether there is nothing but closers and separators after the cursor on its line."""
        rest = self.rest
        if self.auto_closed:
            rest = rest.removeprefix(self.auto_closed)
        return all(character in _DUST or character.isspace() for character in rest)

    @cached_property
    def lexis(self) -> str:
        """The language's name in `stardraftd.lexing`."""
        return language_of(self.language, self.path)

    @cached_property
    def line_frame(self) -> Frame | None:
        """What is open where the cursor's line begins, as far as the text just before it shows."""
        return line_frame(self.prefix, len(self.prefix) - len(self.line_before), self.lexis)

    @cached_property
    def near_line(self) -> str:
        """The cursor's line before the cursor, or its end where it is very long."""
        return self.line_before[-SEEN_CHARACTERS:]

    @cached_property
    def frame(self) -> Frame | None:
        """What is open at the cursor, the innermost first."""
        return Scanner(self.lexis, self.near_line, 0, self.line_frame).to(len(self.near_line))

    def reading(self, text: str) -> Reading:
        """What a text at the cursor opens and closes."""
        return self._growing.read(text)

    @cached_property
    def _growing(self) -> GrowingText:
        return GrowingText(self.lexis, self.near_line, self.line_frame)

    @cached_property
    def in_comment(self) -> bool:
        return any(frame.kind == "comment" for frame in frames(self.frame))

    @cached_property
    def block(self) -> BlockPlace:
        """Where a block at the cursor is to stand. What closes it in the document already is for `below`."""
        return replace(block_place(self.prefix, self.suffix, self.lexis), closer="")

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

    @cached_property
    def tab(self) -> int | None:
        """Columns of a tab, as far as the text shows it."""
        return told_tab(self.prefix[-SEEN_CHARACTERS:] + self.suffix[:SEEN_CHARACTERS])

    def columns(self, white: str) -> int:
        """Columns of leading white space in this file."""
        return columns(white, self.tab or (self.indentation.width if self.indentation.tabs else 8))

    def has(self, text: str) -> bool:
        """Whether the user's own text has this in it. Looks at all of it: ask seldom."""
        return text in self.prefix or text in self.suffix
