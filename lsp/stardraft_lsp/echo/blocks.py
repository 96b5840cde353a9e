"""The lines after a guessed one, where they stand together in at least two places."""

from stardraft_lsp.echo.lexemes import LINE_END, indentation
from stardraft_lsp.echo.voting import Candidate, Place
from stardraft_lsp.text.prefixes import common_prefix

# Of the places that say the line, those whose lines after it are compared.
_MAX_PLACES = 8


def following(candidate: Candidate, indent: str, max_lines: int) -> str:
    """The lines that go on behind a candidate's line, each after a line feed, indented from `indent` on.

    They are deeper than the line, up to one that ends the block beside it; at most `max_lines` of them, and
    "" where fewer than two places agree on any.
    """
    best: list[str] = []
    places = candidate.places[:_MAX_PLACES]
    for i, place in enumerate(places):
        block = _block(place, max_lines)
        for other in places[i + 1 :]:
            n = common_prefix([code for code, _ in block], [code for code, _ in _block(other, max_lines)])
            if n > len(best):
                best = [line for _, line in block[:n]]
    own = candidate.source.origin(candidate.position).text
    base = own[: len(own) - len(own.lstrip())]
    if any(line.strip() and not line.startswith(base) for line in best):
        return ""
    return "".join(f"\n{indent}{line[len(base) :]}" for line in best)


def _block(place: Place, max_lines: int) -> list[tuple[str, str]]:
    """Code and text of the lines of the block that a place's line opens."""
    source, position = place
    base = indentation(source.origin(position).text)
    found: list[tuple[str, str]] = []
    start = source.code.index(LINE_END, position) + 1
    while start < len(source.code) and len(found) < max_lines:
        end = source.code.index(LINE_END, start)
        line = source.origin(start + 1).text
        if indentation(line) < base or (indentation(line) == base and not _closes(line)):
            break
        found.append((source.code[start:end], line))
        if indentation(line) == base:
            break
        start = end + 1
    return found


def _closes(line: str) -> bool:
    return line.lstrip()[:1] in (")", "]", "}") or line.strip() in ("end", "fi", "done", "esac")
