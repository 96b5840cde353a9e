"""How probable a suggestion must be to be shown: the trade-off, from answers whose truth is known.

    stardraft eval holes FOLDER --items 1500 --layout spm --window 320 --json holes.json
    python -m tests.measure_confidence holes.json --folder FOLDER --chart docs/confidence.svg

Every answer of the evaluation goes through the filters as in the editor, with one threshold after another.
Two things are counted: what share of the places gets a suggestion, and what share of those is right: as far
as it goes (it is the beginning of what stood there), and altogether. Thresholds are chosen on one half of the
places and reported on the other. FOLDER is the one that was evaluated, unchanged; --model names the model
file, which tells the tokens' texts. --mode line shows what the filters make of answers that were made with
--mode free, in which the engine leaves them as long as the model likes.
"""

import argparse
import codecs
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stardraft_lsp.filters import OFF, Around, FilterSettings, Piece, Pipeline, Shown, Thresholds
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Mode

SHOW = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
CUT = (0.0, 1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Place:
    """An answer, where it was to stand, and what stood there."""

    around: Around
    text: str
    pieces: tuple[Piece, ...]
    expected: str
    language: str
    ended: str


@dataclass(frozen=True)
class Outcome:
    """Of `n` places: how many got a suggestion, how many of these were right as far as they went, altogether.

    n_saved: characters that were shown and right.
    """

    n: int
    n_shown: int
    n_right: int
    n_exact: int
    n_saved: int

    @property
    def share_shown(self) -> float:
        return self.n_shown / max(self.n, 1)

    @property
    def right(self) -> float:
        return self.n_right / max(self.n_shown, 1)

    @property
    def exact(self) -> float:
        return self.n_exact / max(self.n_shown, 1)


# --- reading -------------------------------------------------------------------------------------


def token_bytes(model: Path) -> list[bytes]:
    """What each token of a byte-level vocabulary stands for."""
    import gguf

    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {chr(byte): byte for byte in shown} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
    tokens = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"].contents()
    return [bytes(letters.get(letter, 63) for letter in token) for token in tokens]


def pieces_of(
    tokens: Sequence[tuple[int, float]], vocabulary: Sequence[bytes], text: str
) -> tuple[Piece, ...]:
    """The tokens that make up `text`, which is the beginning of what they say, white space apart."""
    characters = codecs.getincrementaldecoder("utf-8")("replace")
    pieces: list[Piece] = []
    at = 0
    for token, logprob in tokens:
        said = characters.decode(vocabulary[token])
        part = ""
        for char in said:
            if at < len(text) and text[at] == char:
                part += char
                at += 1
        pieces.append(Piece(part, logprob))
    return tuple(pieces) if at == len(text) else ()


def places(data: Any, folder: Path, vocabulary: Sequence[bytes], mode: Mode | None) -> Iterator[Place]:
    """The answers of an evaluation of `folder`; those whose file has changed since are left out."""
    files: dict[Path, list[str]] = {}
    for item in data["run"]["items"]:
        name, line, column = item["name"].rsplit(":", 2)
        path = folder / name
        if not path.is_file():
            path = folder.parent / name
        lines = files.setdefault(path, path.read_text("utf-8").split("\n") if path.is_file() else [])
        number, cut = int(line) - 1, int(column) - 1
        if number >= len(lines) or lines[number][cut:] != item["expected"]:
            continue
        prefix = "\n".join([*lines[:number], lines[number][:cut]])[-48_000:]
        suffix = ("\n" + "\n".join(lines[number + 1 :]))[:24_000] if number + 1 < len(lines) else ""
        pieces = pieces_of(item["tokens"], vocabulary, item["text"])
        if pieces or not item["text"]:
            around = Around.at(
                prefix, suffix, language=item["language"], path=name, mode=mode or data["run"]["mode"]
            )
            yield Place(around, item["text"], pieces, item["expected"], item["language"], item["ended"])


# --- counting ------------------------------------------------------------------------------------


def outcome(of: Sequence[Place], thresholds: Thresholds, *, filters: bool = True) -> Outcome:
    n_shown = n_right = n_exact = n_saved = 0
    for place in of:
        shown = Shown(place.text)
        if filters:
            pipeline = Pipeline(place.around, FilterSettings(thresholds=thresholds))
            shown = pipeline.finish(place.text, place.pieces, place.ended)  # type: ignore[arg-type]
        text, expected = shown.text.strip(), place.expected.strip()
        if not text:
            continue
        n_shown += 1
        is_right = expected.startswith(text)
        n_right += is_right
        n_exact += text == expected
        n_saved += len(text) * is_right
    return Outcome(len(of), n_shown, n_right, n_exact, n_saved)


def best(of: Sequence[Place], least_right: float) -> Thresholds:
    """The thresholds that save most characters, of those with which so much of what is shown is right."""
    found = []
    for show, cut in itertools.product(SHOW, CUT):
        result = outcome(of, thresholds := Thresholds(show=show, cut=cut, cut_lines=cut))
        if result.n_shown and result.right >= least_right:
            found.append((result.n_saved, -result.n_shown, thresholds))
    return max(found, key=lambda each: each[:2])[2] if found else Thresholds(show=SHOW[-1], cut=CUT[-1])


def row(name: str, result: Outcome) -> str:
    return (
        f"| {name} | {result.share_shown:.0%} | {result.right:.1%} | {result.exact:.1%} "
        f"| {result.n_exact} | {result.n_saved:,} |"
    )


# --- the picture ---------------------------------------------------------------------------------


def draw(chart: Path, of: Sequence[Place], chosen: Thresholds, title: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "stardraft"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for label, found in (
        ("by the first tokens (`show`)", [outcome(of, Thresholds(show=show)) for show in SHOW]),
        ("cut where it falls (`cut`)", [outcome(of, Thresholds(cut=cut, cut_lines=cut)) for cut in CUT]),
    ):
        kept = [each for each in found if each.n_shown >= 10]
        line = axes.plot(
            [each.share_shown * 100 for each in kept], [each.right * 100 for each in kept], "o-", label=label
        )
        axes.plot(
            [each.share_shown * 100 for each in kept],
            [each.exact * 100 for each in kept],
            "o:",
            color=line[0].get_color(),
            markersize=3,
        )
    point = outcome(of, chosen)
    axes.plot(point.share_shown * 100, point.right * 100, "k*", markersize=12, label="chosen")
    axes.set_xlabel("places that get a suggestion (%)")
    axes.set_ylabel("of these right (%)")
    axes.set_title(title, fontsize=10)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(title="solid: as far as it goes; dotted: the whole line", fontsize=9, title_fontsize=8)
    figure.savefig(chart, metadata={"Date": None} if chart.suffix == ".svg" else None)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("files", nargs="+", type=Path)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--model", type=Path, default=builtin_model_path())
    arguments.add_argument(
        "--right", type=float, default=0.33, help="share that is to be right as far as it goes"
    )
    arguments.add_argument("--mode", choices=("line", "block", "free"))
    arguments.add_argument("--chart", type=Path)
    given = arguments.parse_args()
    vocabulary = token_bytes(given.model)
    found: list[Place] = []
    for file in given.files:
        data = json.loads(file.read_bytes())
        found += places(data, given.folder, vocabulary, given.mode)
    random.Random(0).shuffle(found)  # places come by kind in turns
    fit, held_out = found[::2], found[1::2]
    chosen = best(fit, given.right)
    print(f"{len(found)} answers; thresholds chosen on {len(fit)}, reported on the other {len(held_out)}.\n")
    print("| held-out places | shown | right so far | whole line exact | exact lines | characters right |")
    print("|---|---|---|---|---|---|")
    print(row("without filters", outcome(held_out, OFF, filters=False)))
    print(row("filters, any confidence", outcome(held_out, OFF)))
    for show in SHOW[2::2]:
        print(row(f"show {show:g}", outcome(held_out, Thresholds(show=show))))
    for cut in CUT[2:]:
        print(row(f"cut {cut:g}", outcome(held_out, Thresholds(cut=cut, cut_lines=cut))))
    print(row(f"**chosen: show {chosen.show:g}, cut {chosen.cut:g}**", outcome(held_out, chosen)))
    print("\n| language, all places | n | exact without filters | exact with filters |\n|---|---|---|---|")
    for language in sorted({place.language for place in found}):
        of = [place for place in found if place.language == language]
        bare, filtered = outcome(of, OFF, filters=False), outcome(of, OFF)
        print(f"| {language} | {len(of)} | {bare.n_exact} | {filtered.n_exact} |")
    if given.chart:
        draw(
            given.chart, held_out, chosen, f"{data['run']['model']['name']}, {len(held_out)} held-out places"
        )


if __name__ == "__main__":
    main()
