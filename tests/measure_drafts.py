"""What guessing ahead is worth: a model is made to say what was really written, with guesses and without.

    python -m tests.measure_drafts FOLDER... [--model PATH.gguf] [--places 4]      in lines that commits added
    python -m tests.measure_drafts FOLDER... [--model PATH.gguf] --unlike          where nothing matches
    python -m tests.measure_drafts FOLDER... --own                                 what the model says itself
    python -m tests.measure_drafts FOLDER... --table                               FIRST_CHANCES

FOLDER is a Git repository. At each place the text is that which the commit added from the cursor on, at most
64 tokens of it; all that is known is of the commit before (stardraft_quant.evaluate.history). The prompt is
evaluated once, as it is while you type; then the same text is said in turns without guesses, with those of
the window, and with all, each with what it has learnt at the places before. A forced token is the model's
choice whatever its weights are, so random ones will do. With --unlike the text is made of words in no order,
and the drafts are another place's.

`a step` is how many tokens one decode brings; `speed` is how many times as fast the text was written as
without guesses, all places together (and the median of the places'); `cpu` the same by the process's
processor time, which other programs disturb less: of a place's turns the quickest counts. `planned` is the
same by the curve of what decodes cost alone. That curve is measured first; where other programs want the
processors, --curve gives that of a quiet hour. With the curve of a large model and the text said by the
built-in one, whose tokens are the same, `planned` is quickly had of many places.
"""

import argparse
import os
import random
import statistics
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stardraft_lsp.echo.choosing import choose
from stardraft_lsp.echo.drafts import drafts
from stardraft_quant.evaluate.history.git import Repository
from stardraft_quant.evaluate.history.places import WANTED, HistoryPlace, places
from stardraftd.cursor_window import window
from stardraftd.engine.cache.sequences import CachedSequence
from stardraftd.engine.core import Engine
from stardraftd.engine.decode.decoding import stop_ids
from stardraftd.engine.decode.draft_model import DraftModel
from stardraftd.engine.decode.drafting import Speculation
from stardraftd.engine.decode.speculation import FIRST_CHANCES, MAX_DRAFT, Acceptance, Agreement, KnownTokens
from stardraftd.engine.native import backend, llama
from stardraftd.engine.native.loading import N_SEQUENCES, load
from stardraftd.engine.plan.calibration import Never, calibrate
from stardraftd.engine.plan.speeds import SpeedModel
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, CompletionEvent, Draft
from stardraftd.protocol.engine import EngineSettings
from tests.measure_echo import Knowledge
from tests.support.engines import Asked, Fixed, Wanted

N_TOKENS = 64
N_CALIBRATIONS = 6
ARMS = ("without", "window", "all")


@dataclass(frozen=True)
class Place:
    """text: what was written from the cursor on."""

    name: str
    path: str
    before: str
    after: str
    text: str
    drafts: tuple[Draft, ...]


def places_of(folder: Path, n: int, seed: int) -> Iterator[Place]:
    """Places in a repository's history, with what the language server would send there."""
    repository = Repository(folder)
    knowledge = Knowledge(repository)
    name = folder.parent.name if folder.name in ("repo", ".git") else folder.name
    for place in places(repository, n, seed):
        new = repository.text(place.commit, place.path) or ""
        text = added(new[len(place.before) :], place)
        if place.kind not in WANTED or not new.startswith(place.before) or not text.strip():
            continue
        with knowledge.at(place) as (spot, votes, renamed):
            sent = drafts(spot.line, choose(spot, votes, renamed))
        yield Place(name, place.path, place.before, place.after, text, sent)


def added(rest: str, place: HistoryPlace) -> str:
    """What of the new text the commit added: up to the lines that stood below already."""
    below = [line for line in place.after.split("\n") if line.strip()][:2]
    lines = rest.split("\n")
    n = next((i for i in range(1, len(lines)) if below and lines[i : i + len(below)] == below), len(lines))
    return "\n".join(lines[:n]) + "\n"


class Forced:
    """A context whose greatest logit is the next token of `text`; all else is the real one's."""

    def __init__(self, context: llama.Context) -> None:
        self._context = context
        self.text = array("i")
        self.n_said = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._context, name)

    def logits(self, row: int = -1) -> NDArray[np.float32]:
        found = self._context.logits(row)
        at = self.n_said + max(row, 0)
        if at < len(self.text):
            found[self.text[at]] = found.max() + 10
        return found


@dataclass
class Sum:
    """Of one arm: tokens after the first and their decodes, seconds by place, and what was drafted by source.

    planned_ms: what the decodes cost by the curve that guesses are weighed with.
    """

    n_tokens: int = 0
    n_decodes: int = 0
    planned_ms: float = 0.0
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    drafted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def took(self, place: int, wall_s: float, cpu_s: float) -> None:
        """The text of a place, which is the last or a new one, was said in so many seconds."""
        for quickest, seconds in ((self.wall_s, wall_s), (self.cpu_s, cpu_s)):
            if len(quickest) == place:
                quickest.append(seconds)
            quickest[place] = min(quickest[place], seconds)


class Saying:
    """An engine that says what it is told to, with guesses or without."""

    def __init__(self, model: Path, curve: str = "", threads: int = 0, *, forced: bool) -> None:
        backend.open_backend()
        beside = "" if model == builtin_model_path() else str(builtin_model_path())
        settings = EngineSettings(model_path=str(model), draft_path=beside, threads=threads)
        self.loaded = load(settings, llama.AbortFlag(), lambda _name, _fraction: None)
        given = [one.split(":") for one in curve.split()]
        speeds = Fixed([(int(n), float(ms)) for n, ms in given], cell_us=0.0) if given else None
        self.engine = Engine(self.loaded, N_SEQUENCES, settings, speeds)
        if speeds is None:
            self._calibrate()
        self._is_forced = forced
        self._forced = Forced(self.loaded.context)
        decoder = self.engine.decoder
        self.speculations: dict[str, Speculation | None] = {
            "without": None,
            "window": self._speculation(beside),
            "all": self._speculation(beside),
        }
        if forced:
            decoder._context = self._forced  # type: ignore[assignment]
            take = decoder._take

            def counted(*arguments: object) -> None:
                take(*arguments)  # type: ignore[arg-type]
                self._forced.n_said += 1

            decoder._take = counted  # type: ignore[method-assign, assignment]

    def _speculation(self, beside: str) -> Speculation:
        loaded, engine = self.loaded, self.engine
        model = DraftModel.beside(loaded, beside) if beside else None
        piece = engine.decoder._piece
        return Speculation(engine.speeds, engine.prompts.text, piece, stop_ids(loaded), model)

    def _calibrate(self) -> None:
        """Measures what verifying costs, again and again: the quickest counts, as other programs disturb."""
        speeds = self.engine.speeds
        quickest = dict(speeds.curve)
        for _ in range(N_CALIBRATIONS):
            again = SpeedModel()
            for _ in calibrate(self.loaded, self.engine.cache, again, Never()):
                if not [n for n in again.missing if n <= MAX_DRAFT]:
                    break
            for n, ms in again.curve:
                quickest[n] = min(ms, quickest.get(n, ms))
        for n, ms in quickest.items():
            speeds.measured(n, ms)

    def read(self, place: Place) -> None:
        """Evaluates a place's prompt."""
        self.engine.forget_all()
        self._forced.text = array("i")
        self._complete(place, (), 1)

    def turns(self, place: Place, number: int, sums: dict[str, Sum], n: int) -> Iterator[list[str]]:
        """Has the place's text said in each arm, again and again: the texts of each turn."""
        before = {arm: deepcopy(one.acceptance) for arm, one in self.speculations.items() if one}
        for turn in range(n):
            order = ARMS if (number + turn) % 2 == 0 else ARMS[::-1]
            for arm, learnt in before.items():  # the text is as new as it was
                speculation = self.speculations[arm]
                assert speculation is not None
                speculation.acceptance = deepcopy(learnt)
                if speculation.draft_model is not None:
                    speculation.draft_model._tokens = array("i")
            yield [self._say(place, number, arm, sums[arm]) for arm in order]

    def _say(self, place: Place, number: int, arm: str, total: Sum) -> str:
        """Has the place's text said, and counts what that took."""
        self.engine.generations.forget()
        self.engine.decoder.speculation = self.speculations[arm]
        self._forced.text = self.engine.prompts.text(place.text)[:N_TOKENS]
        self._forced.n_said = 0
        n = len(self._forced.text) if self._is_forced else N_TOKENS
        evaluate, speeds = self.engine.cache.evaluate, self.engine.speeds

        def counted(sequence: CachedSequence, tokens: "array[int]", *, all_logits: bool = False) -> None:
            total.planned_ms += speeds.decode_ms(len(tokens), 0)
            evaluate(sequence, tokens, all_logits=all_logits)

        self.engine.cache.evaluate = counted  # type: ignore[method-assign]
        cpu, wall = time.process_time(), time.perf_counter()
        asked = self._complete(place, place.drafts if arm == "all" else (), n)
        total.took(number, time.perf_counter() - wall, time.process_time() - cpu)
        self.engine.cache.evaluate = evaluate  # type: ignore[method-assign]
        figures = asked.figures
        total.n_tokens += figures.n_decoded - 1
        total.n_decodes += figures.n_decoded - 1 - figures.n_accepted
        for one in figures.drafted:
            total.drafted[one.source][0] += one.n_drafted
            total.drafted[one.source][1] += one.n_accepted
        return asked.text

    def _complete(self, place: Place, sent: tuple[Draft, ...], n: int) -> Asked:
        events: list[CompletionEvent] = []
        around = window(place.before + place.after, len(place.before))
        completion = Completion(
            document="measured\na",
            path=place.path,
            prefix=around.prefix,
            suffix=around.suffix,
            drafts=sent,
            mode="free",
            max_tokens=n,
            target_ms=20_000,
        )
        self.engine.complete(completion, events.append, Wanted())
        return Asked(events)


def unlike(found: Sequence[Place], chance: random.Random) -> list[Place]:
    """The places with words in no order to be said, and each with another one's drafts."""
    words = sorted({word for place in found for word in place.text.split() if word.isalpha()})
    others = [*found[1:], found[0]]
    return [
        replace(place, text=" ".join(chance.sample(words, min(len(words), 40))), drafts=other.drafts)
        for place, other in zip(found, others, strict=True)
    ]


def compare(saying: Saying, found: Sequence[Place], turns: int) -> None:
    """Prints the table."""
    sums = {arm: Sum() for arm in ARMS}
    n_other = 0
    curve = ", ".join(f"{n}: {ms:.1f}" for n, ms in saying.engine.speeds.curve if n <= 16)
    info = saying.loaded.info
    print(f"{info.name}, {info.size_bytes / 1e9:.2f} GB; ms of a decode by its tokens: {curve}", flush=True)
    for number, place in enumerate(found):
        saying.read(place)
        for texts in saying.turns(place, number, sums, turns):
            n_other += len(set(texts)) > 1
        took = {arm: total.wall_s[number] for arm, total in sums.items()}
        told = ", ".join(f"{arm} {took['without'] / took[arm]:.2f}" for arm in ARMS[1:])
        print(f"  {place.name}: {took['without']:.1f} s without; speed {told}", flush=True)
    base = sums["without"]
    print(
        f"{len(found)} places, {base.n_tokens // turns} tokens, {turns} turns; texts that are not the same:"
        f" {n_other}; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':8} a step   speed (median)   cpu  planned   drafted and right, by source")
    for arm, total in sums.items():
        speed = sum(base.wall_s) / sum(total.wall_s)
        median = statistics.median(a / b for a, b in zip(base.wall_s, total.wall_s, strict=True))
        cpu = sum(base.cpu_s) / sum(total.cpu_s)
        told = ", ".join(f"{source} {n} {right / n:.0%}" for source, (n, right) in total.drafted.items())
        step = total.n_tokens / max(total.n_decodes, 1)
        planned = base.planned_ms / total.planned_ms
        print(
            f"{arm:8} {step:6.2f}  {speed:6.2f} ({median:.2f})  {cpu:6.2f}   {planned:6.2f}   {told}",
            flush=True,
        )


def table(found: Sequence[Place]) -> None:
    """Prints FIRST_CHANCES as these places have it."""
    backend.open_backend()
    engine = Saying(builtin_model_path(), forced=False).engine
    cells = Acceptance()
    right: dict[tuple[Agreement, int], list[bool]] = defaultdict(list)
    for place in found:
        text = engine.prompts.text(place.text)[:N_TOKENS].tolist()
        prompt = engine.prompts.text(place.after[:1000]) + engine.prompts.text(place.before[-3500:])
        sent = [engine.prompts.text(one.before) + engine.prompts.text(one.text) for one in place.drafts]
        known = KnownTokens(sent, prompt, prompt, ())
        for at in range(1, len(text)):
            known.add(text[at - 1 : at])
            guess = known.guess(MAX_DRAFT)
            if guess is None:
                continue
            for cell, guessed, said in zip(cells.cells(guess, MAX_DRAFT), guess.ids, text[at:], strict=False):
                right[cell].append(guessed == said)
                if guessed != said:
                    break
    for kind, first in FIRST_CHANCES.items():
        row = [
            f"({n}, {sum(were) / len(were):.2f})" if (were := right[kind, number]) else f"({n}, ?)"
            for number, (n, _) in enumerate(first)
        ]
        counts = [len(right[kind, number]) for number in range(len(first))]
        print(f"{kind}: {', '.join(row)}    of {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, default=builtin_model_path())
    parser.add_argument("--places", type=int, default=4, help="of each repository")
    parser.add_argument("--curve", default="", help='milliseconds by tokens: "1:57 2:80 4:116 8:203 16:264"')
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are physical cores")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--unlike", action="store_true")
    kind.add_argument("--own", action="store_true")
    kind.add_argument("--table", action="store_true")
    given = parser.parse_args()
    found = [
        place
        for folder in given.folder
        for place in islice(places_of(folder, given.places * 2, given.seed), given.places)
    ]
    if given.table:
        table(found)
        return
    if given.unlike:
        found = unlike(found, random.Random(given.seed))
    saying = Saying(given.model, given.curve, given.threads, forced=not given.own)
    compare(saying, found, given.turns)


if __name__ == "__main__":
    main()
