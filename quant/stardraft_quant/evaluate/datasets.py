"""The published fill-in-the-middle sets, from their files: JSON lines, plain or gzip.

    santacoder-fim       language, prompt, suffix, canonical_solution       (bigcode/santacoder-fim-task)
    humaneval-infilling  task_id, entry_point, prompt, suffix, canonical_solution, test
                                                                    (openai/human-eval-infilling, MIT)
    safim                lang, eval_prompt with {{completion}}, ground_truth, task_id   (gonglinyuan/safim)

A line that is not as it should be is named with its number, and the others are used. Where a hole ends with a
line end, that belongs to what stands behind it, as it does in an editor. The files are not part of stardraft.
"""

import gzip
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from stardraft_quant.evaluate.tasks import DatasetKind, Program, Task
from stardraftd.console.prose import counted
from stardraftd.errors import RequestError

MAX_LINE_BYTES = 4 << 20
PLACEHOLDER = "{{completion}}"
# What the sets call languages, by our names.
LANGUAGES = {"py": "python", "js": "javascript"}
FIELDS: dict[DatasetKind, tuple[str, ...]] = {
    "humaneval-infilling": ("task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test"),
    "safim": ("lang", "eval_prompt", "ground_truth"),
    "santacoder-fim": ("language", "prompt", "suffix", "canonical_solution"),
}

Row = dict[str, Any]


class Problem(Struct, frozen=True):
    """A line of the file that could not be used; lines count from 1."""

    line: int
    reason: str


class Dataset(Struct, frozen=True):
    kind: DatasetKind
    tasks: tuple[Task, ...]
    problems: tuple[Problem, ...]


def read(file: Path, kind: DatasetKind | None = None) -> Dataset:
    """All tasks of a set. Without `kind` the first good line's fields say it. Raises RequestError."""
    rows: list[tuple[int, Row]] = []
    problems: list[Problem] = []
    for number, line in _lines(file):
        row = _row(line)
        if isinstance(row, str):
            problems.append(Problem(number, row))
        else:
            rows.append((number, row))
            kind = kind or _kind_of(row)
    if kind is None:
        named = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in FIELDS.items())
        first = f" Line {problems[0].line}: {problems[0].reason}." if problems else ""
        raise RequestError(
            f"{file} is none of the sets that are known here.{first}",
            f"The fields of these sets are: {named}.",
        )
    tasks: list[Task] = []
    for number, row in rows:
        try:
            tasks.append(_task(len(tasks), number, row, kind))
        except ValueError as error:
            problems.append(Problem(number, str(error)))
    problems.sort(key=lambda problem: problem.line)
    if not tasks:
        raise RequestError(
            f"{file} has no line of {kind}. Line {problems[0].line}: {problems[0].reason}.",
            "Name its kind with --kind, or see that the download is complete.",
        )
    return Dataset(kind, tuple(tasks), tuple(problems))


def choose(tasks: tuple[Task, ...], n: int, seed: int) -> tuple[Task, ...]:
    """`n` of the tasks by chance, in their order; all of them for n = 0."""
    if n == 0 or n >= len(tasks):
        return tasks
    chosen = random.Random(seed).sample(range(len(tasks)), n)  # noqa: S311 - a measurement, no secret
    return tuple(tasks[i] for i in sorted(chosen))


# --- lines ---------------------------------------------------------------------------------------


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, numbered from 1. A line is read no further than MAX_LINE_BYTES."""
    try:
        with file.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file) if is_gzip else file.open("rb") as lines:
            number = 0
            while line := lines.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise RequestError(
                        f"Line {number} of {file} is longer than {MAX_LINE_BYTES >> 20} MiB.",
                        "A set has one JSON object on each line.",
                    )
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RequestError(f"{file} is a damaged gzip file: {error}.", "Download it again.") from error
    except OSError as error:
        raise RequestError(
            f"{file} cannot be read: {error.strerror or error}.", "Name a file of JSON lines."
        ) from error


def _row(line: bytes) -> Row | str:
    """A line's object, or what is wrong with it."""
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({error})"
    return row if isinstance(row, dict) else "it is not a JSON object"


def _kind_of(row: Row) -> DatasetKind | None:
    return next((kind for kind, fields in FIELDS.items() if all(field in row for field in fields)), None)


# --- tasks ---------------------------------------------------------------------------------------


def _task(number: int, line: int, row: Row, kind: DatasetKind) -> Task:
    """Raises ValueError with what is wrong with the row."""
    make: Callable[[int, int, Row], Task] = {
        "santacoder-fim": _santacoder,
        "humaneval-infilling": _humaneval,
        "safim": _safim,
    }[kind]
    return make(number, line, row)


def _santacoder(number: int, line: int, row: Row) -> Task:
    prefix, suffix, expected = _hole(row, "prompt", "suffix", "canonical_solution")
    return Task(
        number=number,
        name=str(row.get("name") or f"line {line}"),
        kind="santacoder-fim",
        language=_language(_text(row, "language")),
        prefix=prefix,
        suffix=suffix,
        expected=expected,
    )


def _humaneval(number: int, _line: int, row: Row) -> Task:
    prefix, suffix, expected = _hole(row, "prompt", "suffix", "canonical_solution")
    return Task(
        number=number,
        name=_text(row, "task_id"),
        kind="humaneval-infilling",
        language="python",
        prefix=prefix,
        suffix=suffix,
        expected=expected,
        program=Program(entry_point=_text(row, "entry_point"), test=_text(row, "test")),
    )


def _safim(number: int, line: int, row: Row) -> Task:
    parts = _text(row, "eval_prompt").split(PLACEHOLDER)
    if len(parts) != 2:
        raise ValueError(f"eval_prompt has {PLACEHOLDER} {counted(len(parts) - 1, 'time')}, not once")
    prefix, suffix, expected = _with_line_end_behind(parts[0], parts[1], _text(row, "ground_truth"))
    return Task(
        number=number,
        name=str(row.get("task_id") or f"line {line}"),
        kind="safim",
        language=_language(_text(row, "lang")),
        prefix=prefix,
        suffix=suffix,
        expected=expected,
    )


def _hole(row: Row, prompt: str, suffix: str, solution: str) -> tuple[str, str, str]:
    return _with_line_end_behind(_text(row, prompt), _text(row, suffix), _text(row, solution))


def _with_line_end_behind(prefix: str, suffix: str, expected: str) -> tuple[str, str, str]:
    if expected.endswith("\n"):
        expected, suffix = expected[:-1], "\n" + suffix
    if not expected.strip():
        raise ValueError("there is nothing to be filled in")
    return prefix, suffix, expected


def _text(row: Row, field: str) -> str:
    """A field's text, with LF line ends."""
    value = row.get(field)
    if not isinstance(value, str):
        problem = f"it has no text in {field}" if field in row else f"it has no field {field}"
        raise ValueError(problem)  # noqa: TRY004 - the file is wrong, not the call
    return value.replace("\r\n", "\n")


def _language(name: str) -> str:
    return LANGUAGES.get(name, name)
