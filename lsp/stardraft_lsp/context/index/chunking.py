"""Cutting a text into chunks of whole lines. Where tree-sitter knows better, another is plugged in."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Chunk(NamedTuple):
    """Lines `first_line` (from 0) to before `first_line + n_lines` of a text."""

    first_line: int
    n_lines: int


class Chunker(Protocol):
    """Cuts a text into chunks, in order, not overlapping. Called in small slices of a background thread:

    it yields as it goes, and holds the interpreter for less than two milliseconds between two chunks.
    """

    def chunks(self, lines: list[str], path: str) -> Iterator[Chunk]: ...


class LineChunker:
    """Cuts before lines that begin something: after a blank line, with the least indentation.

    A chunk has `most_lines` and `most_characters` at most; blank lines at its ends are left out.
    """

    def __init__(self, most_lines: int = 30, most_characters: int = 1_500) -> None:
        self._most_lines = most_lines
        self._most_characters = most_characters

    def chunks(self, lines: list[str], path: str) -> Iterator[Chunk]:  # noqa: ARG002 - others look at it
        start = 0
        while start < len(lines):
            while start < len(lines) and not lines[start].strip():
                start += 1
            if start == len(lines):
                return
            end = self._cut(lines, start)
            last = end
            while last > start and not lines[last - 1].strip():
                last -= 1
            yield Chunk(start, last - start)
            start = end

    def _cut(self, lines: list[str], start: int) -> int:
        """The end of the chunk that begins at `start`: where to begin the next best, in its second half."""
        n_characters = 0
        end = start
        while end < len(lines) and end - start < self._most_lines:
            n_characters += len(lines[end]) + 1
            if n_characters > self._most_characters and end > start:
                break
            end += 1
        if end == len(lines):
            return end
        best, best_cost = end, 1_000.0
        for line in range(end, start + (end - start) // 2, -1):
            cost = _cost_of_beginning(lines, line)
            if cost < best_cost:
                best, best_cost = line, cost
        return best


def _cost_of_beginning(lines: list[str], number: int) -> float:
    line = lines[number]
    stripped = line.lstrip()
    if not stripped:
        return 500.0
    cost = float(len(line) - len(stripped))
    if stripped[0] in ")}]":
        cost += 50
    if number and lines[number - 1].strip():
        cost += 3
    return cost
