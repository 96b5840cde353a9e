"""Which guess is made, how likely it is thought to be, and whether it is worth verifying."""

from array import array
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraftd.engine.cache.recall import Generation
from stardraftd.engine.decode.draft_model import RecentRate
from stardraftd.engine.decode.drafting import Course, Speculation
from stardraftd.engine.decode.speculation import (
    FIRST_CHANCES,
    MAX_DRAFT,
    REACH,
    Acceptance,
    Guess,
    KnownTokens,
)
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.protocol.completion import Completion, Draft
from tests.support.engines import SLOW, Fixed

FLAT = ((1, 10.0), (2, 10.1), (4, 10.2), (8, 10.4), (16, 11.0), (64, 20.0))
DEAR = tuple((n, 10.0 * n) for n in (1, 2, 4, 8, 16))
STOP = 6


def ids(tokens: Iterable[int]) -> "array[int]":
    return array("i", tokens)


def course(
    speculation: Speculation, prompt: Sequence[int], *, drafts: Sequence[str] = (), mode: str = "free"
) -> Course:
    completion = Completion(
        document="a",
        prefix="".join(map(chr, prompt)),
        drafts=tuple(Draft(text=text) for text in drafts),
        mode=mode,  # type: ignore[arg-type]
    )
    return speculation.begin(Generation(completion, ids(prompt), "spm", stale=False), completion)


def speculation_at(curve: Sequence[tuple[int, float]]) -> Speculation:
    """Each character is a token."""
    return Speculation(
        Fixed(curve, cell_us=0.0),
        lambda text: ids(map(ord, text)),
        lambda token: chr(token).encode(),
        (STOP,),
    )


# --- what is guessed ----------------------------------------------------------------------------------------

tokens = st.integers(1, 9)


@given(
    st.lists(st.lists(tokens, max_size=8), max_size=3),
    st.lists(tokens, min_size=1, max_size=40),
    st.lists(tokens.filter(lambda token: token != STOP), max_size=300),
)
def test_a_guess_is_what_followed_the_longest_match(
    drafts: list[list[int]], prompt: list[int], said: list[int]
) -> None:
    known = KnownTokens([ids(draft) for draft in drafts], ids(prompt), ids(prompt), (STOP,))
    for start in range(0, len(said), 7):
        known.add(said[start : start + 7])
    text = [*prompt, *said]
    rows = [*drafts, text]
    best = 0
    followed: list[list[int]] = []
    for row in rows:
        for at in range(1, len(row)):
            if row[at] == STOP:
                continue
            n = 0  # of the last tokens, those that stand before it
            while n < min(REACH, at, len(text)) and row[at - 1 - n] == text[-1 - n]:
                n += 1
            if n > best:
                best, followed = n, []
            if n and n == best:
                followed.append(row[at:])
    guess = known.guess(4)
    if not best:
        assert guess is None
        return
    assert guess is not None
    assert guess.n_same == best
    assert any(guess.ids.tolist() == one[: len(guess.ids)] for one in followed)
    assert 1 <= len(guess.ids) <= 4
    assert STOP not in guess.ids
    n_different = len({one[0] for one in followed})
    assert guess.agreement == ("alone" if len(followed) == 1 else "agreed" if n_different == 1 else "divided")


def test_of_places_that_disagree_the_most_are_believed() -> None:
    known = KnownTokens([], ids([1, 2, 3, 1, 2, 3, 1, 2, 9, 1, 2]), ids([1, 2]), ())
    guess = known.guess(1)
    assert guess is not None
    assert (guess.ids.tolist(), guess.agreement) == ([3], "divided")


def test_it_is_known_where_a_guess_is_from() -> None:
    prompt = ids([1, 2, 3, 4, 1, 2])
    in_window = KnownTokens([], prompt, prompt, ()).guess(2)
    in_draft = KnownTokens([ids([8, 1, 2, 7])], prompt, ids([8, 1, 2]), ()).guess(2)
    assert in_window is not None
    assert in_draft is not None
    assert (in_window.source, in_draft.source) == ("window", "code")
    assert in_draft.ids.tolist() == [7]


def test_a_guess_ends_where_its_draft_does() -> None:
    known = KnownTokens([ids([1, 2, 5]), ids([7, 8])], ids([1, 2]), ids([1, 2]), ())
    guess = known.guess(MAX_DRAFT)
    assert guess is not None
    assert guess.ids.tolist() == [5]


def test_a_line_that_is_all_that_is_wanted_ends_the_guess() -> None:
    for mode, text in (("line", "= 1\n"), ("free", "= 1\ny =")):
        guessing = course(
            speculation_at(FLAT), [ord(one) for one in "z q"], drafts=["z q= 1\ny = 2\n"], mode=mode
        )
        guess = guessing.guess(MAX_DRAFT, 0)
        assert guess is not None
        assert "".join(map(chr, guess.ids)) == text


# --- how likely it is thought to be -------------------------------------------------------------------------


@pytest.mark.parametrize("agreement", FIRST_CHANCES)
@pytest.mark.parametrize("n_same", [1, 2, 5, 16, 40])
def test_chances_follow_what_happens(agreement: str, n_same: int) -> None:
    acceptance = Acceptance()
    guess = Guess(ids([5]), n_same, agreement, "window")  # type: ignore[arg-type]
    for _ in range(150):
        acceptance.learn(guess, [4])
    assert acceptance.chances(guess)[0] < 0.15
    for _ in range(150):
        acceptance.learn(guess, [5])
    assert acceptance.chances(guess)[0] > 0.85


def test_nothing_is_learnt_behind_the_first_wrong_token() -> None:
    acceptance = Acceptance()
    guess = Guess(ids([1, 2, 3]), 4, "alone", "window")
    before = acceptance.chances(guess)
    acceptance.learn(guess, [1, 9, 3])
    after = acceptance.chances(guess)
    assert after[0] > before[0]
    assert after[1] < before[1]  # of the same class as what comes after it, which counts once

    once = Acceptance()
    once.learn(Guess(ids([1, 2]), 4, "alone", "window"), [1, 9])
    assert once.chances(guess) == after


def test_one_more_token_is_the_same_before_each() -> None:
    chances = Acceptance().chances(Guess(ids(range(1, 9)), 1, "alone", "window"))
    assert chances == sorted(chances)
    assert chances[0] < 0.4 < 0.7 < chances[-1]


def test_a_small_models_rate_follows_what_happens_and_returns_at_rest() -> None:
    rate = RecentRate()
    first = rate.rate
    for _ in range(20):
        rate.note(0, 4)
    assert rate.rate < 0.2 < first
    for _ in range(40):
        rate.note(4, 4)
    assert rate.rate > 0.9
    for _ in range(20):
        rate.note(0, 1)
    speeds = SpeedModel(((1, 57.0), (2, 70.0), (4, 80.0), (8, 100.0)))
    assert speeds.draft_length([rate.rate] * MAX_DRAFT).n_drafted == 0
    rate.rested(4000)
    assert speeds.draft_length([rate.rate] * MAX_DRAFT).n_drafted > 0


# --- whether it is worth verifying --------------------------------------------------------------------------


def test_guessing_is_done_only_where_verifying_costs_little() -> None:
    sure = [0.9] * 8
    assert SpeedModel(DEAR).draft_length(sure).n_drafted == 0
    assert SpeedModel(FLAT).draft_length(sure).n_drafted > 2
    assert SpeedModel(FLAT).draft_length([0.0] * 8).n_drafted == 0
    assert SpeedModel(FLAT).draft_length([]).n_drafted == 0
    assert SpeedModel(FLAT).draft_length(sure, drafted_ms=100.0).n_drafted == 0
    assert SpeedModel(FLAT).draft_length(sure, opening_ms=100.0).n_drafted == 0


@given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 8000))
def test_what_is_verified_is_expected_to_cost_less_than_single_tokens(
    chances: list[float], n_cells: int
) -> None:
    speeds = SpeedModel(SLOW, cell_us=10.0)
    drafting = speeds.draft_length(chances, n_cells)
    expected = reached = 1.0
    for chance in chances[: drafting.n_drafted]:
        reached *= chance
        expected += reached
    assert drafting.token_ms == pytest.approx(speeds.decode_ms(drafting.n_drafted + 1, n_cells) / expected)
    assert drafting.token_ms <= speeds.decode_ms(1, n_cells)


def test_more_likely_guesses_are_verified_further() -> None:
    speeds = SpeedModel(SLOW)
    lengths = [speeds.draft_length([chance] * 8).n_drafted for chance in (0.3, 0.6, 0.8, 0.95)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 0 < lengths[-1]


class _Text:
    """A text that is written with one speculation: what is guessed of it, and what that comes to."""

    def __init__(self, curve: Sequence[tuple[int, float]]) -> None:
        self.speculation = speculation_at(curve)
        self.n_verified = self.n_accepted = self.n_wrong = 0

    def write(self, text: Sequence[int]) -> None:
        guessing = course(self.speculation, [text[0]])
        at = 1
        while at < len(text):
            guess = guessing.guess(min(MAX_DRAFT, len(text) - at - 1), 0)
            n_right = 0
            if guess is not None:
                while n_right < len(guess.ids) and guess.ids[n_right] == text[at + n_right]:
                    n_right += 1
                self.n_verified += 1
                self.n_accepted += n_right
                self.n_wrong += n_right == 0
            guessing.said(text[at : at + n_right + 1])
            at += n_right + 1


def _misleading(n: int) -> list[int]:
    """Five tokens come again and again, each time with another one behind them."""
    return [token for i in range(n) for token in (11, 12, 13, 14, 15, 100 + i)]


def test_wrong_guesses_are_given_up_and_right_ones_bring_guessing_back() -> None:
    """At the costs of Q4_K_M: two wrong guesses once ended it for as long as the engine lived."""
    text = _Text(SLOW)
    for _ in range(3):
        text.write(_misleading(120))
    assert text.n_wrong < 25  # not at each of the 360 places
    before = text.n_accepted
    for _ in range(4):
        text.write([21, 22, 23, 24, 25, 26, 27, 28, 29, 30] * 12)
    assert text.n_accepted - before > 100


def test_what_never_repeats_itself_is_never_verified() -> None:
    text = _Text(SLOW)
    text.write(range(10, 3000))
    assert text.n_verified == 0


def test_guesses_that_are_always_wrong_cost_next_to_nothing() -> None:
    """A pair of tokens comes again and again, and never with the same one behind it."""
    text = _Text(SLOW)
    text.write([token for i in range(500) for token in (11, 12, 1000 + i)])
    assert text.n_wrong < 25


def test_whether_guessing_pays_is_told_for_what_was_measured() -> None:
    assert speculation_at(FLAT).pays
    assert speculation_at(SLOW).pays
    assert not speculation_at(DEAR).pays
