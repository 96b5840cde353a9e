"""The lines of an ignore file as Git reads them: https://git-scm.com/docs/gitignore, "PATTERN FORMAT".

Each line says of one path whether it excludes it, takes it back in, or says nothing. What is in an excluded
folder is the caller's to know (ignore.py). Matched in linear time, whoever wrote the file.
"""

from collections.abc import Sequence

from msgspec import Struct

from stardraft_lsp.settings.globs import Parts, class_end, fits, part, single_stars

MAX_LINES = 20_000


class IgnoreLine(Struct, frozen=True):
    """takes_back: begins with "!". only_folders: ends with "/". is_embracing: its last name fits every name,
    so that it speaks of all that is in a folder. has_place: it begins at the file's own folder."""

    parts: Parts
    takes_back: bool = False
    only_folders: bool = False
    is_embracing: bool = False
    has_place: bool = False

    def says(self, names: Sequence[str], *, is_folder: bool) -> bool:
        """Whether it is about this path, relative to the file's folder."""
        if self.only_folders and not is_folder:
            return False
        if not self.has_place:
            last = self.parts[-1]
            return last is None or last(names[-1])
        return fits(self.parts, names)


class IgnoreFile(Struct, frozen=True):
    """lines: the last one first, since the last one that speaks of a path decides."""

    lines: tuple[IgnoreLine, ...]

    def verdict(
        self, names: Sequence[str], *, is_folder: bool, with_embracing: bool = True
    ) -> IgnoreLine | None:
        """The line that decides about a path; None when the file says nothing of it.

        with_embracing: False passes over lines that speak of everything in a folder.
        """
        names = [_bytes_of(name) for name in names]
        for line in self.lines:
            if (with_embracing or not line.is_embracing) and line.says(names, is_folder=is_folder):
                return line
        return None


def read_lines(text: str, *, ignore_case: bool = False) -> IgnoreFile:
    """An ignore file's text. Lines that are no patterns are passed over, as Git does.

    Raises OSError when there are more lines than are looked at: what is excluded would not be known.
    """
    lines = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").split("\n")
    if len(lines) > MAX_LINES:
        raise OSError(f"an ignore file has more than {MAX_LINES:,} lines")
    found = (_line(line.removesuffix("\r"), ignore_case=ignore_case) for line in reversed(lines))
    return IgnoreFile(tuple(line for line in found if line is not None))


def _line(text: str, *, ignore_case: bool) -> IgnoreLine | None:
    text = _bytes_of(_without_blanks(text))
    if not text or text.startswith("#"):
        return None
    takes_back = text.startswith("!")
    text = text[1:] if takes_back else text
    only_folders = text.endswith("/")
    text = text[:-1] if only_folders else text
    names = _split(text)
    has_place = "/" in text
    if len(names) > 1 and text[0] == "/":
        names = names[1:]
    if "" in names:  # `a//b` and `\\/a` fit no path
        return None
    # Git takes any more stars than two for two.
    names = ["**" if len(name) > 1 and not name.strip("*") else name for name in names]
    try:
        parts: list[object] = [
            None if name == "**" and has_place else part(name, has_escapes=True, ignore_case=ignore_case)
            for name in single_stars(names)
        ]
    except ValueError:
        return None
    if parts[-1] is None:
        parts.append(part("*"))  # `a/**` is what is in it, not the folder
    is_embracing = not names[-1].strip("*")
    return IgnoreLine(tuple(parts), takes_back, only_folders, is_embracing, has_place)  # type: ignore[arg-type]


def _split(text: str) -> list[str]:
    """The names of a pattern. A slash in a class, `[a/b]`, ends none; one behind a backslash does."""
    names: list[str] = []
    start = at = 0
    while at < len(text):
        if text[at] == "/":
            names.append(text[start:at])
            start = at + 1
        elif text.startswith("\\/", at):
            names.append(text[start:at])
            at += 1
            start = at + 1
        elif text[at] == "\\":
            at += 1
        elif text[at] == "[":
            end = class_end(text, at + 1, has_escapes=True)
            at = end if end >= 0 else len(text)
        at += 1
    return [*names, text[start:]]


def _without_blanks(text: str) -> str:
    """Without the spaces at the end, but for one behind a backslash; tabs are part of the pattern."""
    kept = text.rstrip(" ")
    n_backslashes = len(kept) - len(kept.rstrip("\\"))
    return text[: len(kept) + 1] if n_backslashes % 2 and len(kept) < len(text) else kept


def _bytes_of(name: str) -> str:
    """A name with a character for each of its bytes: `?` and `[!a]` are about one of these."""
    return name if name.isascii() else name.encode("utf-8", "surrogateescape").decode("latin-1")
