"""Patterns for foreign text: documents, files, names, settings of a repository, answers of other programs.

`re` tries every way in which a pattern could fit. Of `(a+)+b` and forty `a` it tries a million million, and
holds Python's interpreter lock meanwhile: one line of a repository would stop a language server. What is
compiled here is matched by RE2, which walks over the text once, whatever the pattern: its time grows with
the text's length and nothing else. So a pattern that meets foreign text is `linear`, unless it is so plain
that `re` has only one way to try: tests/test_patterns.py finds every pattern of this project and feeds it
the worst texts there are for it.

RE2 has no look-around and no back-references, and `$` without `multiline` is the text's very end. `\\w`,
`\\d` and `\\s` mean here what they mean to `re`: letters, digits and white space of all scripts.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol

import re2

# What RE2 may use for the automaton of one pattern; beyond, it makes a new one, which costs time, not
# results.
_MAX_MEMORY_BYTES = 2 * 1024 * 1024

_WORD = r"\p{L}\p{N}_"
_SPACE = r"\s\x0b\x1c-\x1f\x{85}\p{Z}"
_DIGIT = r"\p{Nd}"
_CLASSES = {"w": _WORD, "s": _SPACE, "d": _DIGIT}


class Match(Protocol):
    """As much of `re.Match` as RE2 has: places of groups by number only."""

    def __getitem__(self, group: int | str) -> str: ...
    def group(self, group: int | str = 0) -> str: ...
    def start(self, group: int = 0) -> int: ...
    def end(self, group: int = 0) -> int: ...
    def span(self, group: int = 0) -> tuple[int, int]: ...
    def groups(self) -> tuple[str, ...]: ...
    def groupdict(self) -> dict[str, str]: ...
    @property
    def lastgroup(self) -> str | None: ...


class Linear:
    """A compiled pattern. Half a character (a lone surrogate) in a text counts as "?"."""

    def __init__(self, pattern: str, compiled: Any) -> None:
        self.pattern = pattern
        self._compiled = compiled

    @property
    def group_numbers(self) -> dict[str, int]:
        """The numbers of the groups with names."""
        numbers: dict[str, int] = self._compiled.groupindex
        return numbers

    @property
    def n_groups(self) -> int:
        n: int = self._compiled.groups
        return n

    def search(self, text: str) -> Match | None:
        found: Match | None = self._compiled.search(_whole(text))
        return found

    def match(self, text: str) -> Match | None:
        found: Match | None = self._compiled.match(_whole(text))
        return found

    def fullmatch(self, text: str) -> Match | None:
        found: Match | None = self._compiled.fullmatch(_whole(text))
        return found

    def finditer(self, text: str) -> Iterator[Match]:
        found: Iterator[Match] = self._compiled.finditer(_whole(text))
        return found

    def findall(self, text: str) -> list[str]:
        """The whole of every match, whatever groups there are."""
        return [match.group() for match in self.finditer(text)]

    def sub(self, replacement: str, text: str) -> str:
        """With every match replaced; the replacement is taken as it is."""
        replaced: str = self._compiled.sub(lambda _match: replacement, _whole(text))
        return replaced


@cache
def linear(
    pattern: str,
    *,
    ignore_case: bool = False,
    multiline: bool = False,
    dot_all: bool = False,
    is_ascii: bool = False,
) -> Linear:
    """A pattern in RE2's syntax, compiled.

    is_ascii: `\\w`, `\\d`, `\\s` and `\\b` are of ASCII only, which is faster. Raises ValueError for what is
    not a pattern.
    """
    options = _options(ignore_case=ignore_case)
    flags = ("m" if multiline else "") + ("s" if dot_all else "")
    source = pattern if is_ascii else _with_all_scripts(pattern)
    try:
        return Linear(pattern, re2.compile(f"(?{flags}:{source})" if flags else source, options))
    except re2.error as error:
        raise ValueError(f"{pattern!r} is not a pattern of RE2: {error}") from error


def joined(text: str) -> str:
    """A pattern that is written over several lines: without line ends, indentation and lines of comment.

    A line of comment begins with "# "; blanks within a line are part of the pattern.
    """
    lines = (line.strip() for line in text.split("\n"))
    return "".join(line for line in lines if not line.startswith("# "))


class Words:
    """Which of many words stand in a text, letter case aside; found in one pass however many they are."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._set = re2.Set.SearchSet(_options(ignore_case=True, max_memory_bytes=16 * 1024 * 1024))
        for word in words:
            self._set.Add(re2.escape(word))
        self._set.Compile()

    def within(self, text: str) -> list[str]:
        return [self._words[number] for number in self._set.Match(_whole(text)) or ()]


def _options(*, ignore_case: bool, max_memory_bytes: int = _MAX_MEMORY_BYTES) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = max_memory_bytes
    options.case_sensitive = not ignore_case
    return options


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _with_all_scripts(pattern: str) -> str:
    """The pattern with `\\w`, `\\s` and `\\d` spelt out; RE2's own know ASCII only."""
    parts: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        pair = pattern[at : at + 2]
        if pair[0] == "\\" and len(pair) == 2:
            kind = _CLASSES.get(pair[1].lower())
            if kind is None:
                parts.append(pair)
            elif pair[1].islower():
                parts.append(kind if in_class else f"[{kind}]")
            elif in_class:
                raise ValueError(f"{pair} within [] cannot be spelt out; turn the class around")
            else:
                parts.append(f"[^{kind}]")
            at += 2
            continue
        if pair[0] == "[" and not in_class:
            in_class = True
            # A "]" at the beginning of a class is one of its characters.
            first = 2 if pattern[at + 1 : at + 2] == "^" else 1
            if pattern[at + first : at + first + 1] == "]":
                parts.append(pattern[at : at + first] + "\\]")
                at += first + 1
                continue
        elif pair[0] == "]":
            in_class = False
        parts.append(pair[0])
        at += 1
    return "".join(parts)


# An identifier of most languages, for use in a pattern.
IDENTIFIER = r"[\p{L}\p{Nl}_]\w*"
