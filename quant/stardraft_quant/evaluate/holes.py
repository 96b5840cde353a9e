"""Holes in one's own source files: the end of a line, or a whole line, to be filled in again.

Two kinds, half and half: "rest-of-line" is cut at a random place behind the line's first visible character,
and "whole-line" behind the indentation, where the editor puts the cursor. What stood in the hole is gone from
the file; the lines above and below are all there. The same files and seed give the same holes.
"""

import random
import re
from collections.abc import Sequence

from msgspec import Struct

from stardraft_quant.code.document import Document
from stardraft_quant.code.files import language_of
from stardraft_quant.evaluate.repository import Pieces
from stardraft_quant.evaluate.tasks import Task, TaskKind
from stardraftd.errors import RequestError

MIN_VISIBLE = 3  # of what is to be filled in
MAX_HOLE_CHARS = 160
MIN_PER_LANGUAGE = 10
# What is sent of a file; an editor sends no more.
MAX_PREFIX_CHARS, MAX_SUFFIX_CHARS = 48_000, 16_000
_COMMENTS = ("#", "//", "/*", "*", "--")
_WORD = re.compile(r"\w")


class Place(Struct, frozen=True):
    """A line that may get a hole: its file's number, where it begins and ends in the text, and its number."""

    document: int
    start: int
    end: int
    line: int


class Holes(Struct, frozen=True):
    """The tasks, and how many lines there were to choose from, by language."""

    tasks: tuple[Task, ...]
    lines: dict[str, int]


def punch(documents: Sequence[Document], n: int, seed: int, *, with_chunks: bool) -> Holes:
    """`n` holes, or as many as there are lines. Each language has its share of the lines, but at least ten.

    with_chunks: whether pieces of the other files are looked for. Raises RequestError if no line is fit.
    """
    places: dict[str, list[Place]] = {}
    for i, document in enumerate(documents):
        language = language_of(document.path)
        assert language is not None
        places.setdefault(language, []).extend(_places(i, document.text))
    lines = {language: len(found) for language, found in sorted(places.items()) if found}
    if not lines:
        raise RequestError("No line of these files is fit for a hole.", "Name a folder with more code.")
    pieces = Pieces(documents) if with_chunks else None
    tasks: list[Task] = []
    for language, n_holes in shares(lines, n).items():
        choose = random.Random(f"{seed} {language}")  # noqa: S311 - a measurement, no secret
        for i, place in enumerate(choose.sample(places[language], n_holes)):
            kind: TaskKind = "whole-line" if i % 2 else "rest-of-line"
            document = documents[place.document]
            tasks.append(
                _task(len(tasks), document, place, kind=kind, language=language, choose=choose, pieces=pieces)
            )
    return Holes(tuple(tasks), lines)


def shares(lines: dict[str, int], n: int) -> dict[str, int]:
    """How many of `n` holes each language gets: by its lines, but none less than ten or all its lines."""
    least = {
        language: min(found, MIN_PER_LANGUAGE, max(n // len(lines), 1)) for language, found in lines.items()
    }
    total = sum(lines.values())
    given = dict(least)
    while sum(given.values()) < min(n, total):
        # The language that is furthest behind its share: exact, and the same every time.
        behind = (language for language in lines if given[language] < lines[language])
        given[max(behind, key=lambda name: (lines[name] * n / total - given[name], name))] += 1
    return given


def _places(document: int, text: str) -> list[Place]:
    found, start = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        code = line.strip()
        fits = len(code) <= MAX_HOLE_CHARS and _visible(code) > MIN_VISIBLE
        if fits and _WORD.search(code) and not code.startswith(_COMMENTS):
            found.append(Place(document, start, start + len(line), number))
        start += len(line) + 1
    return found


def _task(
    number: int,
    document: Document,
    place: Place,
    *,
    kind: TaskKind,
    language: str,
    choose: random.Random,
    pieces: Pieces | None,
) -> Task:
    text = document.text
    line = text[place.start : place.end]
    cut = indent = len(line) - len(line.lstrip())
    if kind == "rest-of-line":
        ends = [i for i in range(indent + 1, len(line)) if _visible(line[i:]) >= MIN_VISIBLE]
        cut = choose.choice(ends)
    cursor = place.start + cut
    prefix, suffix = text[:cursor], text[place.end :]
    return Task(
        number=number,
        name=f"{document.path}:{place.line}:{cut + 1}",
        kind=kind,
        language=language,
        prefix=_from_line_start(prefix, MAX_PREFIX_CHARS),
        suffix=suffix[:MAX_SUFFIX_CHARS],
        expected=line[cut:],
        path=document.path,
        repository=document.package,
        chunks=pieces.near(place.document, prefix, suffix) if pieces else (),
    )


def _from_line_start(prefix: str, n_most: int) -> str:
    return prefix if len(prefix) <= n_most else prefix[prefix.find("\n", len(prefix) - n_most) + 1 :]


def _visible(text: str) -> int:
    return sum(not char.isspace() for char in text)
