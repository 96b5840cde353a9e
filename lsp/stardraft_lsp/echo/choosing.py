"""Which of the ways to go on is the likeliest here, and how likely it is to be what you write.

The two opinions are one list of texts. What has just been removed is not proposed again, nor what stands on
the line above or below; what is left is weighed by a logistic regression (`weights.json`), which
`python -m tests.measure_echo` fits on the histories of repositories.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import msgspec

from stardraft_lsp.echo.code import Origin
from stardraft_lsp.echo.lexemes import LINE_END, lexemes_of, renamed
from stardraft_lsp.echo.voting import Candidate

# How many of each opinion's candidates are weighed.
N_WEIGHED = 5
_REPEATED = 0.05  # what is left of a share when the line stands right above or below
_QUOTES = "\"'`"
_COMMENTS = ("#", "//", "*", '"""')


@dataclass(frozen=True)
class Spot:
    """The cursor's place as it is written for. line: the text before the cursor on its line.

    beginning: of the word that is begun there. n_words: lexemes before it on the line. near: the lines above
    and below, stripped; removed: lines that were just removed, stripped.
    """

    line: str
    beginning: str
    n_words: int
    near: Collection[str] = ()
    removed: Collection[str] = ()


@dataclass(frozen=True)
class Guess:
    """What may come next on the line. confidence: the estimated probability that it is what is written."""

    text: str
    confidence: float
    origin: Origin
    candidate: Candidate


Features = Mapping[str, float]


def choose(spot: Spot, votes: Sequence[Candidate], renamed: Sequence[Candidate]) -> list[Guess]:
    """The guesses, the surest first; the empty text says that nothing more comes on the line."""
    guesses = [
        Guess(text, likelihood(features, fitted()), origin, candidate)
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
        if whole in spot.removed:
            continue
        repeated = len(whole) > 3 and whole in spot.near
        found.append((candidate.share * (_REPEATED if repeated else 1.0), text, origin, candidate))
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
    length = min(candidate.length, 16) / 8
    return {
        "there": 1.0,
        "length": length,
        "log_share": math.log(offer.share + 1e-3),
        "alone": float(offer.share > 0.95),
        "log_n": math.log(len(candidate.places)),
        "first": float(offer.rank == 0),
        "behind": offer.behind / 4,
        "whole_line": float(candidate.length >= spot.n_words + 2),
        "own_file": float(candidate.source.kind == "own"),
        "removed": float(candidate.source.kind == "removed"),
        "length_share": length * offer.share,
    }


def _of_spot(spot: Spot, text: str) -> Features:
    return {
        "begun": float(bool(spot.beginning)),
        "beginning": min(len(spot.beginning), 4) / 4,
        "line_start": float(spot.n_words == 0),
        "ends": float(not text),
        "log_characters": math.log1p(len(text)) / 3,
        "short": float(len(text) < 4),
        "literal": float(any(sign in _QUOTES or sign.isdigit() for sign in text)),
        "comment": float(any(mark in spot.line for mark in _COMMENTS)),
        "after_blank": float(spot.line[-1:] == " " and not spot.beginning),
    }


def likelihood(features: Features, weights: Mapping[str, float]) -> float:
    """The probability that the regression with these weights gives to features."""
    total = math.fsum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + math.exp(-total))


@lru_cache(maxsize=1)
def fitted() -> Mapping[str, float]:
    """The weights that come with the package."""
    data = files("stardraft_lsp.echo").joinpath("weights.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, float])
