"""What is likely to be written next, for the model to verify: the guesses, with the lines that follow where
they were found.

Nobody is shown any of it: what the model does not write itself is dropped.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from stardraft_lsp.echo.choosing import Guess
from stardraft_lsp.echo.lexemes import renamed
from stardraftd.protocol.completion import Draft

# Drafts of one request, and of each the places and following lines. Twice as many of each made a model's
# tokens less than 1% cheaper.
MAX_DRAFTS = 8
_MAX_PLACES, _MAX_LINES, _MAX_CHARACTERS, _MAX_BEFORE = 2, 10, 600, 400


def drafts(line: str, guesses: Sequence[Guess], only_in: str | None = None) -> tuple[Draft, ...]:
    """The drafts for a cursor behind `line`, what stands before it on its line; the likeliest first.

    guesses: what may come next on the line, the surest first. only_in: the URI of the one document that may
    be read; None: all that the guesses come from may.
    """
    found = dict.fromkeys(islice(_all(line, guesses, only_in), MAX_DRAFTS * 2))
    return tuple(found)[:MAX_DRAFTS]


def _all(line: str, guesses: Sequence[Guess], only_in: str | None) -> Iterator[Draft]:
    for guess in guesses:
        candidate = guess.candidate
        for source, position in candidate.places[:_MAX_PLACES]:
            above, own, *below = source.around(position, _MAX_LINES)
            if only_in is not None and source.origin(position).uri != only_in:
                continue
            before = _before(line, own, guess.text) if not candidate.names else line
            if before is None:
                continue
            here, there = _indent(line), _indent(own)
            moved = [_moved(one[:_MAX_CHARACTERS], there, here) for one in (above, *below)]
            text = guess.text + renamed("".join(f"\n{one}" for one in moved[1:]), candidate.names)
            before = f"\n{moved[0]}\n{before}"[-_MAX_BEFORE:]
            yield Draft(text=_sendable(text[:_MAX_CHARACTERS]), before=_sendable(before))


def _before(line: str, own: str, text: str) -> str | None:
    """What stands before `text` on a line that ends with it, indented as `line`; None when it does not."""
    own = own.rstrip()
    if not own.endswith(text):
        return None
    return _moved(own[: len(own) - len(text)], _indent(own), _indent(line))


def _moved(line: str, there: str, here: str) -> str:
    """A line from below one that is indented as `there`, as it would stand below one indented as `here`."""
    return here + line[len(there) :].rstrip("\r") if line.startswith(there) else line.strip()


def _sendable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, which a document may hold."""
    return text.encode("utf-8", "replace").decode()


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
