"""The documents that people read, and the code in them: fenced blocks and words in backticks.

What is done with the code is elsewhere: typed.py for what a user types, test_blocks.py for the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PATTERNS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/**/*.md", "packaging/*/README.md")


@dataclass(frozen=True)
class Place:
    """document: its path from the top of the checkout. line: counted from one."""

    document: str
    line: int

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Block:
    """A fenced block. language: the first word behind the fence; "" when there is none."""

    place: Place
    language: str
    text: str


@dataclass(frozen=True)
class Span:
    """What stands in backticks, within prose."""

    place: Place
    text: str


@cache
def documents() -> tuple[Path, ...]:
    return tuple(sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)}))


@cache
def _tokens(document: Path) -> tuple[tuple[str, str, str, int], ...]:
    """(kind, info, text, line) of all code in a document: "fence", "code_block" or "code_inline"."""
    found = []
    text = document.read_text(encoding="utf-8")
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = (token.map or [0])[0] + 1
        if token.type in ("fence", "code_block"):
            found.append((token.type, token.info.strip(), token.content, line))
        for child in token.children or []:
            line += child.type in ("softbreak", "hardbreak")
            if child.type == "code_inline":
                found.append((child.type, "", child.content, line))
    return tuple(found)


def blocks(kind: str = "fence") -> Iterator[Block]:
    """All fenced blocks; with "code_block" those that are only indented."""
    for document in documents():
        name = document.relative_to(ROOT).as_posix()
        for found, info, text, line in _tokens(document):
            if found == kind:
                yield Block(Place(name, line), info.partition(" ")[0], text)


def spans() -> Iterator[Span]:
    """All words in backticks."""
    for document in documents():
        name = document.relative_to(ROOT).as_posix()
        for found, _info, text, line in _tokens(document):
            if found == "code_inline":
                yield Span(Place(name, line), text)
