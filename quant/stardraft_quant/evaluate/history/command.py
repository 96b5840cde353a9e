"""`stardraft eval history`: the command. What measures is imported when it runs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraft_quant.evaluate.options import INTERRUPTED, Items, Seed, check_outputs, progress
from stardraft_quant.shared.model_file import Model, model_path
from stardraftd.console import printable

if TYPE_CHECKING:
    from stardraft_quant.evaluate.history.asking import Source
    from stardraft_quant.evaluate.history.figures import Shown
    from stardraft_quant.evaluate.history.git import Repository
    from stardraft_quant.evaluate.history.places import HistoryPlace
    from stardraft_quant.evaluate.history.ratchet import Ratchet

HISTORY_EXAMPLES = """\b
Examples:
  stardraft eval history ~/src/project                         your own code, the model, and both
  stardraft eval history . --source echo --items 400 --json history.json
  stardraft eval history . --source echo --ratchet history_ratchet.json"""


def history(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A Git repository: a checkout, or a bare one.")
    ],
    *,
    source: Annotated[
        Literal["echo", "model", "both", "all"],
        typer.Option(
            "--source",
            help="Who suggests: your own code without a model, the model without it, both as an editor gets "
            "them, or each of the three at the same places. echo needs no engine.",
        ),
    ] = "all",
    model: Model = None,
    items: Items = 200,
    seed: Seed = 0,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write everything as JSON, each answer with its place; - is stdout, and nothing else is "
            "printed there. It has pieces of the code in it.",
            show_default=False,
        ),
    ] = None,
    ratchet: Annotated[
        Path | None,
        typer.Option(
            "--ratchet",
            metavar="FILE",
            help="Leave with an error when a figure is below what FILE holds.",
            show_default=False,
        ),
    ] = None,
    write_ratchet: Annotated[
        bool,
        typer.Option("--write-ratchet", help="Write what was measured to --ratchet's FILE, compare nothing."),
    ] = False,
) -> None:
    """Replay a repository's commits: what would have been suggested while they were written.

    A place is a cursor in a line that a commit added, with the file as it was then, and all other files as
    of the commit before. A language server of its own is asked there, as editors ask while you type. At
    three of four places the rest of the line is wanted; at the others nothing: at finished lines, inside
    words, before text. Nothing is written to the repository, and what is measured is asked on this computer.

    Exact: the rest of the line is shown, to the character, of all places where it is wanted. Shown
    (coverage): something is. Right of that (precision): exact of what is shown. Right so far: what is shown
    is the beginning of the rest, or all of it. Characters: of what is right so far, by place. Quality: how
    much of what is shown is right from its beginning, of the longer of the two. Quiet: nothing is shown
    where nothing should be. Score: quality x harmonic mean of shown and quiet. Only the cursor's line is
    judged. Intervals are bootstrapped over commits.
    """
    from stardraft_quant.evaluate.history import ratchet as ratchets
    from stardraft_quant.evaluate.history.git import Repository
    from stardraft_quant.evaluate.history.places import places
    from stardraft_quant.evaluate.history.report import Run, render, report_of, to_json
    from stardraft_quant.shared.unfinished import write_whole
    from stardraftd import __version__
    from stardraftd.errors import RequestError

    check_outputs(json, None)
    if write_ratchet and ratchet is None:
        raise RequestError("--write-ratchet does not say which file.", "Name it: --ratchet FILE.")
    sources: tuple[Source, ...] = ("echo", "model", "both") if source == "all" else (source,)
    path = model_path(model) if source != "echo" else None
    repository = Repository(folder)
    held = ratchets.read(ratchet) if ratchet is not None and not write_ratchet else None
    if held is not None and ratchet is not None:
        held.check(ratchet, ratchets.Ratchet(repository.head, items, seed, {one: {} for one in sources}))
    found = places(repository, items, seed)
    shown, interrupted = _asked(repository, found, sources, path)
    report = report_of(
        Run(
            version=__version__,
            folder=str(folder),
            commit=repository.head,
            items=items,
            seed=seed,
            model=path.name if path is not None else "",
            n_places=len(found),
            interrupted=interrupted,
        ),
        shown,
    )
    if json is not None and str(json) == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(to_json(report))
    else:
        printable.console().print(render(report))
        if json is not None:
            write_whole(json, to_json(report))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if ratchet is not None:
        measured = ratchets.ratchet_of(
            repository.head, items, seed, {name: one.all for name, one in report.sources.items()}
        )
        _turn(ratchet, held, measured)


def _turn(file: Path, held: "Ratchet | None", measured: "Ratchet") -> None:
    """Compares with what the file holds; held: None, to write it."""
    from stardraft_quant.evaluate.history import ratchet as ratchets

    if held is None:
        ratchets.write(file, measured)
    else:
        held.compare(file, measured)


def _asked(
    repository: "Repository", found: "list[HistoryPlace]", sources: "tuple[Source, ...]", model: Path | None
) -> "tuple[dict[str, list[Shown]], bool]":
    """What was shown, by source, and whether that was cut short: then at the places that all answered."""
    import asyncio

    from stardraft_quant.evaluate.history.asking import ask

    shown: dict[str, dict[int, Shown]] = {one: {} for one in sources}
    try:
        with progress(len(found) * len(sources)) as on_item:
            for source in sources:

                def keep(number: int, one: "Shown", source: str = source) -> None:
                    shown[source][number] = one
                    on_item(sum(map(len, shown.values())))

                asyncio.run(ask(repository, found, source, model, keep))
    except* KeyboardInterrupt:
        interrupted = True
    else:
        interrupted = False
    numbers = [number for number in range(len(found)) if all(number in of for of in shown.values())]
    return {
        source: [of[number] for number in numbers] for source, of in shown.items() if numbers
    }, interrupted
