"""Folder patterns: `tests/**`, `*.md`, `src/*/gen`; safe to match whoever wrote them.

    *   anything within one name        **  any number of folders, also none
    ?   one character                   [ab], [!ab]  one of these, none of these

A pattern without a slash fits a name at any depth; any other begins at the folder where it is written. One
that fits a folder fits all that is in it. Upper and lower case differ.
"""

import re
from fnmatch import translate

from msgspec import Struct

MAX_PATTERN_CHARS = 200


class Glob(Struct, frozen=True):
    """A pattern, taken apart. `parts` are one regular expression for each folder, None for `**`."""

    pattern: str
    parts: tuple[re.Pattern[str] | None, ...]

    def matches(self, path: str) -> bool:
        """Whether it fits a path with `/`, or a folder above it. Takes names times parts steps at most."""
        names = path.split("/")
        reached = {0}
        for name in names:
            reached = self._skipped(reached)
            if len(self.parts) in reached:
                return True  # a folder above fits
            reached = {
                place if part is None else place + 1
                for place in reached
                if (part := self.parts[place]) is None or part.fullmatch(name)
            }
        return len(self.parts) in self._skipped(reached)

    def _skipped(self, reached: set[int]) -> set[int]:
        """With all places that `**` lets be reached by no name at all."""
        found = set(reached)
        for place in sorted(reached):
            after = place
            while after < len(self.parts) and self.parts[after] is None:
                after += 1
                found.add(after)
        return found


def glob(pattern: str) -> Glob:
    """Raises ValueError, with the end of a sentence, for what is no pattern."""
    if not pattern or len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"a pattern has 1 to {MAX_PATTERN_CHARS} characters")
    names = [name for name in pattern.strip("/").split("/") if name not in ("", ".")]
    if ".." in names or not names:
        raise ValueError("a pattern names what is below its folder")
    if "/" not in pattern.rstrip("/"):
        names = ["**", *names]
    return Glob(pattern, tuple(None if name == "**" else re.compile(translate(name)) for name in names))
