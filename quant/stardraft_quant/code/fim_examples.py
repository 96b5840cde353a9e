"""Training examples as token ids: mostly fill-in-the-middle, laid out as StarCoder2 was trained on it.

    PSM     files <fim_prefix> [path\\n] prefix <fim_suffix> suffix <fim_middle> middle end
    SPM v2  files <fim_prefix><fim_suffix> suffix <fim_middle> [path\\n] prefix middle end

`files` is nothing, or [<repo_name> name] [<file_sep> another file's text] <file_sep>; `end` is <|endoftext|>,
or after files sometimes <file_sep>. Every part is split at characters and tokenised apart, as the engine
does with what is before and behind a cursor (stardraftd.engine.plan.prompt), so the model meets in use the
token boundaries that it met here.

A batch is a function of the seed and its number alone. That is all there is to resuming a run.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from stardraft_quant.code.document import Document
from stardraftd.errors import ModelUnsupportedError, RequestError
from stardraftd.gguf.fim_tokens import FimTokens

Encode = Callable[[str], list[int]]
Layout = Literal["psm", "spm"]

PLAIN_SHARE = 0.08  # whole pieces of files, from the top down
PATH_SHARE = 0.5  # examples whose prefix begins with the file's path
FILES_SHARE = 0.35  # fill-in-the-middle examples that are in a repository
MIN_PIECE_CHARS, MAX_PIECE_CHARS = 200, 1400
MIN_OTHER_CHARS, MAX_OTHER_CHARS = 80, 300
MAX_FREE_CHARS = 200  # middles that end anywhere
MAX_BLOCK_LINES = 14
MAX_TRIES = 100_000


class Cut(Struct, frozen=True):
    """A piece of a file, cut in three: their texts joined are the piece."""

    prefix: str
    middle: str
    suffix: str


class Examples:
    """Draws examples from documents; holds nothing that changes.

    Raises ModelUnsupportedError for a vocabulary without the tokens of the repository form.
    """

    def __init__(self, documents: Sequence[Document], encode: Encode, tokens: FimTokens) -> None:
        if tokens.separator is None or tokens.repository is None:
            raise ModelUnsupportedError(
                "The vocabulary has no <file_sep> and <repo_name> tokens.", "Take StarCoder2's tokenizer."
            )
        self._documents = documents
        self._encode = encode
        self._tokens = tokens
        self._separator, self._repository = tokens.separator, tokens.repository
        self._packages: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            self._packages[document.package].append(document)

    def batch(self, seed: int, number: int, rows: int, columns: int) -> list[list[int]]:
        """`rows` lists of `columns` ids, for a seed and a batch's number always the same."""
        rng = _random(seed, str(number))
        ids: list[int] = []
        while len(ids) < rows * columns:
            ids += self.draw(rng)
        return [ids[row * columns : (row + 1) * columns] for row in range(rows)]

    def draw(self, rng: random.Random) -> list[int]:
        """One example."""
        document = rng.choice(self._documents)
        piece = _piece(rng, document.text)
        head = f"{document.path}\n" if rng.random() < PATH_SHARE else ""
        if rng.random() < PLAIN_SHARE:
            return [*self._encode(head + piece), self._tokens.end_of_text]
        cut = cut_at_cursor(rng, piece)
        files = self._files(rng, document, with_path=bool(head)) if rng.random() < FILES_SHARE else []
        layout: Layout = "psm" if rng.random() < 0.5 else "spm"
        end = self._separator if files and rng.random() < 0.5 else self._tokens.end_of_text
        return [*files, *self.prompt(layout, head, cut), *self._encode(cut.middle), end]

    def prompt(self, layout: Layout, head: str, cut: Cut) -> list[int]:
        """All that comes before the middle, `files` apart. `head` is "" or the path and a line end."""
        fim, prefix, suffix = self._tokens, self._encode(head + cut.prefix), self._encode(cut.suffix)
        if layout == "psm":
            return [fim.prefix, *prefix, fim.suffix, *suffix, fim.middle]
        return [fim.prefix, fim.suffix, *suffix, fim.middle, *prefix]

    def _files(self, rng: random.Random, document: Document, *, with_path: bool) -> list[int]:
        """What stands before a file in a repository: at times its name and a piece of another file."""
        if rng.random() >= 0.4:
            return [self._separator]
        name = [self._repository, *self._encode(document.package)] if rng.random() < 0.5 else []
        other = rng.choice(self._packages[document.package])
        start = rng.randrange(max(1, len(other.text) - MAX_OTHER_CHARS))
        text = other.text[start : start + rng.randint(MIN_OTHER_CHARS, MAX_OTHER_CHARS)]
        head = f"{other.path}\n" if with_path else ""
        return [*name, self._separator, *self._encode(head + text), self._separator]


def _random(seed: int, purpose: str) -> random.Random:
    """A stream of its own for each purpose. A seed of text gives the same stream on every platform."""
    return random.Random(f"{seed}/{purpose}")  # noqa: S311 - examples are drawn, not secrets


def _piece(rng: random.Random, text: str) -> str:
    """Up to 1,400 characters of a file, from a line's beginning."""
    n_chars = rng.randint(MIN_PIECE_CHARS, MAX_PIECE_CHARS)
    if len(text) <= n_chars:
        return text
    start = text.find("\n", rng.randrange(len(text) - n_chars)) + 1
    return text[start : start + n_chars]


def cut_at_cursor(rng: random.Random, piece: str) -> Cut:
    """The piece, cut at a cursor and at the end of what an editor would want written there.

    65% of the middles are the rest of the line, 25% the rest of the block, and 10% end anywhere.
    """
    start = cursor(rng, piece)
    kind = rng.random()
    if kind < 0.65:
        end = _line_end(piece, start)
    elif kind < 0.9:
        end = max(min(start + 1, len(piece)), _block_end(piece, start))
    else:
        end = rng.randint(start, min(len(piece), start + MAX_FREE_CHARS))
    return Cut(piece[:start], piece[start:end], piece[end:])


def cursor(rng: random.Random, text: str) -> int:
    """Where a user's cursor may stand, as an index into `text` (of two characters or more).

    22% at a line's beginning, 20% behind its indentation, 38% behind a space, bracket or other punctuation
    inside a line, 10% at a word's end, 10% anywhere.
    """
    kind = rng.random()
    for _ in range(30):
        i = rng.randrange(1, max(2, len(text) - 1))
        line = text.rfind("\n", 0, i) + 1
        if kind < 0.22:
            if line > 0 and text[line : line + 1] not in ("", "\n"):
                return line
        elif kind < 0.42:
            indented = _behind_indentation(text, line)
            if 0 < indented < len(text) - 1 and text[indented] != "\n":
                return indented
        elif kind < 0.80:
            if text[i - 1] in " (.[,=:{\"'" and text[i] not in " \n":
                return i
        elif kind < 0.90:
            if _in_word(text[i - 1]) and not _in_word(text[i]) and text[i] != "\n":
                return i
        else:
            return i
    return rng.randrange(1, max(2, len(text) - 1))


def _in_word(char: str) -> bool:
    return char == "_" or char.isalnum()


def _behind_indentation(text: str, line: int) -> int:
    while line < len(text) and text[line] in " \t":
        line += 1
    return line


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _block_end(text: str, start: int) -> int:
    """The end of the last of the next 14 lines that is indented at least as much as the cursor's line."""
    line = text.rfind("\n", 0, start) + 1
    indent = _behind_indentation(text, line) - line
    end = _line_end(text, start)
    for _ in range(MAX_BLOCK_LINES):
        if end == len(text):
            break
        next_end = _line_end(text, end + 1)
        below = text[end + 1 : next_end]
        if below.strip() and len(below) - len(below.lstrip()) < indent:
            break
        end = next_end
    return end


class Task(Struct, frozen=True):
    """A line to be finished: `cut.middle` is the rest of the line, `cut.suffix` begins with its end."""

    path: str
    cut: Cut


def rest_of_line_tasks(documents: Sequence[Document], n: int, seed: int) -> Iterator[Task]:
    """`n` lines to be finished, each cut where at least three visible characters are still to come.

    Raises RequestError when the documents have next to no such place.
    """
    rng = _random(seed, "tasks")
    n_tries = 0
    while n > 0:
        n_tries += 1
        if n_tries > MAX_TRIES:
            raise RequestError(
                f"In {MAX_TRIES:,} random places of these files there was no line to finish.",
                "Give files with longer lines.",
            )
        document = rng.choice(documents)
        text = document.text
        i = rng.randrange(1, len(text) - 1)
        line, end = text.rfind("\n", 0, i) + 1, _line_end(text, i)
        at_cursor = text[i - 1] in " (.[,=:{\"'" or (_in_word(text[i - 1]) and not _in_word(text[i]))
        if not text[line:i].strip() or len(text[i:end].strip()) < 3 or not at_cursor:
            continue
        n, n_tries = n - 1, 0
        yield Task(document.path, Cut(text[max(0, i - 1200) : i], text[i:end], text[end : end + 600]))
