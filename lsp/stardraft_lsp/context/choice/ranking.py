"""How like two texts are, by their words and by their lines. Pure; the index only makes the first choice."""

from collections.abc import Callable, Sequence, Set

MIN_TELLING = 6  # characters of a line without its indentation: `else:` and `)` are everywhere


def overlap(wanted: Set[str], offered: Set[str], weight: Callable[[str], float]) -> float:
    """The weighted share of the wanted words that a chunk offers, from 0 to 1; bloat is charged a little."""
    total = sum(weight(word) for word in wanted)
    if not total:
        return 0.0
    shared = sum(weight(word) for word in wanted & offered)
    return shared / (total + 0.15 * sum(weight(word) for word in offered - wanted))


def telling_lines(text: str) -> list[str]:
    """The lines by which a text is known again, without indentation."""
    return [line for raw in text.split("\n") if len(line := raw.strip()) >= MIN_TELLING]


def shared_lines(lines: Sequence[str], known: Set[str]) -> float:
    """Which share of the lines is among the known ones. A text without telling lines is all known."""
    return sum(line in known for line in lines) / len(lines) if lines else 1.0


def longest_run(lines: Sequence[str], known: Set[str]) -> int:
    """The most lines in a row that are all known."""
    longest = run = 0
    for line in lines:
        run = run + 1 if line in known else 0
        longest = max(longest, run)
    return longest
