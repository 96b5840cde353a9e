"""Which of the ways to go on is the likeliest here, and how likely it is to be what you write.

The two opinions are one list of texts. What has just been removed is not proposed again, nor what stands on
the line right above or below; what is left is weighed by a logistic regression (`weights.json`), which
`python -m tests.measure_echo` fits on the histories of repositories. Its weights depend on where the cursor
is: in a word, where a line begins, or elsewhere.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

from stardraft_lsp.echo.code import Origin
from stardraft_lsp.echo.habits import LineEnds
from stardraft_lsp.echo.lexemes import LINE_END, is_name, lexemes_of, renamed, words_of
from stardraft_lsp.echo.voting import Candidate

# How many of each opinion's candidates are weighed.
N_WEIGHED = 5
_QUOTES = "\"'`"
_COMMENTS = ("#", "//", "*", '"""')
_OPENERS, _CLOSERS = "([{", ")]}"
# After these a line goes on with brackets open.
_GOES_ON = "([{,|&+-=:>"
# First words of lines that make a name known or define one: each is said once in a file.
_IMPORTS = frozenset(("import", "from", "use", "extern", "include", "using", "package", "require", "#"))
_DEFINITIONS = frozenset(
    (
        *("def", "class", "func", "fn", "function", "struct", "enum", "interface", "type", "trait", "impl"),
        *("mod", "module", "const"),
    )
)

Kind = Literal["begun", "line start", "other"]
Features = Mapping[str, float]
# By the kind of place, what each feature counts.
Weights = Mapping[Kind, Mapping[str, float]]


@dataclass(frozen=True)
class Spot:
    """The cursor's place as it is written for. line: the text before the cursor on its line, which has this
    number, from 0.

    beginning: of the word that is begun there. n_words: lexemes before it on the line. beside: the lines
    right above and below, stripped; near: those with something on them, and some more above; removed: lines
    that were just removed, stripped.
    names_above, names_far_above: words of a few lines above, and of some more. n_own: how many lines of the
    document are these words, 2 for more. ends: how lines end there.
    """

    line: str
    number: int
    beginning: str
    n_words: int
    ends: LineEnds
    n_own: Callable[[Sequence[str]], int]
    beside: Collection[str] = ()
    near: Collection[str] = ()
    removed: Collection[str] = ()
    names_above: Collection[str] = ()
    names_far_above: Collection[str] = ()

    @property
    def kind(self) -> Kind:
        if self.beginning:
            return "begun"
        return "other" if self.n_words else "line start"


@dataclass(frozen=True)
class Guess:
    """What may come next on the line. confidence: the estimated probability that it is what is written."""

    text: str
    confidence: float
    origin: Origin
    candidate: Candidate


def choose(spot: Spot, votes: Sequence[Candidate], renamed: Sequence[Candidate]) -> list[Guess]:
    """The guesses, the surest first; the empty text says that nothing more comes on the line."""
    weights = fitted()[spot.kind]
    guesses = [
        Guess(text, likelihood(features, weights), origin, candidate)
        for text, features, origin, candidate in weighed(spot, votes, renamed)
    ]
    return sorted(guesses, key=lambda guess: -guess.confidence)


def weighed(
    spot: Spot, votes: Sequence[Candidate], renamed: Sequence[Candidate]
) -> list[tuple[str, Features, Origin, Candidate]]:
    """The texts that may come next, each with what speaks for it."""
    both = {"vote": _offers(spot, votes), "renamed": _offers(spot, renamed)}
    texts = dict.fromkeys(offer.text for offers in both.values() for offer in offers)
    found: list[tuple[str, Features, Origin, Candidate]] = []
    for text in texts:
        of_text = {
            kind: next((offer for offer in offers if offer.text == text), None)
            for kind, offers in both.items()
        }
        best = of_text["vote"] or of_text["renamed"]
        assert best is not None
        features = {"bias": 1.0, **_of_spot(spot, text)}
        for kind, offer in of_text.items():
            if offer is not None:
                features |= {f"{kind}.{name}": value for name, value in _of_offer(spot, offer).items()}
            elif not both[kind]:
                features[f"{kind}.silent"] = 1.0
        if of_text["vote"] and of_text["renamed"]:
            features["agreed"] = 1.0
            features["agreed_characters"] = features["log_characters"]
        found.append((text, features, best.origin, best.candidate))
    return found


@dataclass(frozen=True)
class _Offer:
    text: str
    share: float
    rank: int
    behind: int  # lexemes by which a longer match is known
    origin: Origin
    candidate: Candidate


def _offers(spot: Spot, candidates: Sequence[Candidate]) -> list[_Offer]:
    if not candidates:
        return []
    longest = max(candidate.length for candidate in candidates)
    found: list[tuple[float, str, Origin, Candidate]] = []
    for candidate in candidates[: N_WEIGHED + 3]:
        origin = candidate.source.origin(candidate.position)
        text = _text(spot, candidate, origin.text)
        whole = (spot.line + text).strip()
        if whole in spot.removed or (len(whole) > 3 and whole in spot.beside):
            continue
        found.append((candidate.share, text, origin, candidate))
    found.sort(key=lambda one: -one[0])
    return [
        _Offer(text, share, rank, longest - candidate.length, origin, candidate)
        for rank, (share, text, origin, candidate) in enumerate(found[:N_WEIGHED])
    ]


def _text(spot: Spot, candidate: Candidate, line: str) -> str:
    """What the line that a candidate stands in would put at the cursor, with the names at hand."""
    code = candidate.source.code
    at = candidate.position - code.rfind(LINE_END, 0, candidate.position) - 2  # the indentation has a sign
    found = lexemes_of(line)
    if at >= len(found):
        return ""
    start = found[at].start if spot.beginning or at == 0 else found[at - 1].end
    text = renamed(line[start : found[-1].end], candidate.names)
    if spot.beginning:
        return text[len(spot.beginning) :]
    return text.lstrip() if spot.line[-1:].isspace() else text


def _of_offer(spot: Spot, offer: _Offer) -> Features:
    candidate = offer.candidate
    length, log_share = min(candidate.length, 16) / 8, math.log(offer.share + 1e-3)
    is_own = candidate.source.kind == "own"
    away = math.log1p(abs(offer.origin.line - spot.number)) / 5 if is_own else 0.0
    return {
        "there": 1.0,
        "length": length,
        "log_length": math.log(candidate.length),
        "log_share": log_share,
        "log_even_share": math.log(candidate.even_share + 1e-3),
        "log_n_longest": math.log(candidate.n_longest),
        "alone": float(offer.share > 0.95),
        "log_n": math.log(len(candidate.places)),
        "first": float(offer.rank == 0),
        "behind": offer.behind / 4,
        "whole_line": float(candidate.length >= spot.n_words + 2),
        "own_file": float(is_own),
        "away": away,
        "removed": float(candidate.source.kind == "removed"),
        "length_share": length * offer.share,
        "length_log_share": length * log_share,
        "length_characters": length * math.log1p(len(offer.text)) / 3,
        "log_share_characters": log_share * math.log1p(len(offer.text)) / 3,
    }


def _of_spot(spot: Spot, text: str) -> Features:
    whole = (spot.line + text).strip()
    words, new = words_of(whole), words_of(text)
    names = [word for word in new if is_name(word)]
    n_own = spot.n_own(words) if len(whole) > 3 else 0
    first, last = (words[0], words[-1]) if words else ("", "")
    defines = not _DEFINITIONS.isdisjoint(words[:4])
    return {
        "after_blank": float(spot.line[-1:] == " " and not spot.beginning),
        "beginning": min(len(spot.beginning), 4) / 4,
        "comment": float(any(mark in spot.line for mark in _COMMENTS)),
        "defines": float(defines),
        "defines_again": float(defines and n_own > 0),
        "end": spot.ends.of_all(last) / 3,
        "end_of_same": spot.ends.of_same_beginning(first, last) / 3,
        "ends": float(not text),
        "few_signs": float(len(whole) < 5),
        "imports_again": float(first in _IMPORTS and n_own > 0),
        "literal": float(any(sign in _QUOTES or sign.isdigit() for sign in text)),
        "log_characters": math.log1p(len(text)) / 3,
        "log_words": math.log1p(len(new)),
        "names": float(bool(names)),
        "names_above": _share(names, spot.names_above),
        "names_far_above": _share(names, spot.names_far_above),
        "near": float(len(whole) > 3 and whole in spot.near),
        "own_once": float(n_own == 1),
        "own_often": float(n_own > 1),
        "short": float(len(text) < 4),
        **_of_brackets(spot.line, text),
    }


def _share(names: Sequence[str], known: Collection[str]) -> float:
    return sum(name in known for name in names) / len(names) if names else 0.0


def _of_brackets(before: str, text: str) -> Features:
    """What a line's brackets and quotes say of an end: roughly, for a bracket in a string is one, too."""
    depth, least = 0, 0
    was, was_least = 0, 0
    for at, sign in enumerate(before + text):
        if at == len(before):
            was, was_least = depth, least
        if sign in _OPENERS:
            depth += 1
        elif sign in _CLOSERS:
            depth -= 1
            least = min(least, depth)
    line = (before + text).strip()
    return {
        "closes_all": float(was > 0 and depth == 0),
        "hangs": float(depth > 0 and line[-1:] not in _GOES_ON),
        "left_open": float(depth > 0 and depth >= was),
        "overclosed": float(least < 0 and least < was_least and line[:1] not in _CLOSERS),
        "unclosed_quote": float(line.count('"') % 2),
    }


def likelihood(features: Features, weights: Mapping[str, float]) -> float:
    """The probability that the regression with these weights gives to features."""
    total = math.fsum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-total))


@lru_cache(maxsize=1)
def fitted() -> Weights:
    """The weights that come with the package, by where the cursor is."""
    data = files("stardraft_lsp.echo").joinpath("weights.json").read_bytes()
    return msgspec.json.decode(data, type=dict[Kind, dict[str, float]])
