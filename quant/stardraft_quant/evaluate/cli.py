"""`stardraft eval ...`: the commands. What measures is imported when a command runs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraft_quant.evaluate.history.command import HISTORY_EXAMPLES, history
from stardraft_quant.evaluate.options import (
    INTERRUPTED,
    Items,
    Seed,
    check_outputs,
    progress,
)
from stardraft_quant.shared.model_file import Model, model_path
from stardraftd.console import printable
from stardraftd.console.printable import tell
from stardraftd.interruption import ended_like_ctrl_c

if TYPE_CHECKING:
    from stardraft_quant.evaluate.sandbox import Sandbox
    from stardraft_quant.evaluate.tasks import Arm, Run, Task

DEFAULT_WINDOW = 2048
HOLES_EXAMPLES = """\b
Examples:
  stardraft eval holes ~/src/project                       the built-in model, PSM beside SPM v2
  stardraft eval holes . --context all --items 400 --chart holes.svg
  stardraft eval holes . --model starcoder2-3b-Q4_K_M.gguf --json holes.json"""
DATASET_EXAMPLES = """\b
Examples:
  stardraft eval dataset santacoder-fim-task.jsonl --items 300
  stardraft eval dataset HumanEval-SingleLineInfilling.jsonl.gz --execute"""

LayoutOption = Annotated[
    Literal["auto", "psm", "spm", "both"],
    typer.Option(
        "--layout",
        help="How prompts are laid out: PSM, SPM v2, or both on the same places. "
        "auto is what an editor gets; it depends on how fast this computer is.",
    ),
]
Window = Annotated[
    int,
    typer.Option(
        "--window", metavar="N", min=256, max=16384, help="The most tokens of a prompt and its answer."
    ),
]
MaxTokens = Annotated[
    int, typer.Option("--max-tokens", metavar="N", min=1, max=1024, help="The most tokens of an answer.")
]
Threads = Annotated[
    int, typer.Option("--threads", metavar="N", min=0, help="0 is one for each physical core.")
]
GpuLayers = Annotated[
    int,
    typer.Option(
        "--gpu-layers", metavar="N", min=-1, help="How many layers run on the GPU; -1 is all of them."
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write everything as JSON, each answer with its tokens' log-probabilities; - is stdout, and "
        "nothing else is printed there. It has pieces of the code in it.",
        show_default=False,
    ),
]
Chart = Annotated[
    Path | None,
    typer.Option("--chart", metavar="FILE", help="Draw the scores: .svg or .png.", show_default=False),
]

evaluate = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measure how good suggestions are.",
)


@evaluate.callback(invoke_without_command=True)
def _evaluate(context: typer.Context) -> None:
    """Measure how good suggestions are.

    holes and dataset take code out of files, and the model fills it in again, through the same engine that
    suggests in the editor. history asks a language server where commits added lines, as an editor does.
    Ctrl-C shows what was measured so far.
    """
    context.with_resource(ended_like_ctrl_c())
    if context.invoked_subcommand is None:
        tell(context.get_help())


@evaluate.command(epilog=HOLES_EXAMPLES, short_help="With lines taken out of your own source files.")
def holes(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Folders or files with source code.")
    ],
    *,
    model: Model = None,
    items: Items = 200,
    seed: Seed = 0,
    context: Annotated[
        Literal["repo", "path", "none", "all"],
        typer.Option(
            "--context",
            help="What is shown beside the file: nothing, its path, its path and pieces of the other files, "
            "or all three ways on the same places.",
        ),
    ] = "path",
    layout: LayoutOption = "both",
    mode: Annotated[
        Literal["line", "block", "free"],
        typer.Option(
            "--mode", help="Where an answer ends: with its line, with its block, where the model says."
        ),
    ] = "line",
    window: Window = DEFAULT_WINDOW,
    max_tokens: MaxTokens = 64,
    threads: Threads = 0,
    gpu_layers: GpuLayers = -1,
    json: Json = None,
    chart: Chart = None,
) -> None:
    """Take lines out of your own source files, and see how often the model writes them again.

    Half of the holes are the rest of a line after a random place in it, half a whole line after its
    indentation. What Git ignores is left out. The files are only read.
    """
    from stardraft_quant.code.files import code_files
    from stardraft_quant.evaluate.holes import punch
    from stardraft_quant.evaluate.running import arms

    check_outputs(json, chart)
    wanted = arms(layout, context)
    documents = code_files(folders)
    found = punch(
        documents,
        items or sum(document.text.count("\n") + 1 for document in documents),
        seed,
        with_chunks=any(arm.context == "repo" for arm in wanted),
    )
    run = _measured(
        found.tasks,
        wanted,
        source=", ".join(str(folder) for folder in folders),
        tasks_in_all=sum(found.lines.values()),
        model=model,
        mode=mode,
        seed=seed,
        window=window,
        max_tokens=max_tokens,
        threads=threads,
        gpu_layers=gpu_layers,
    )
    _show(run, json, chart)


@evaluate.command(epilog=DATASET_EXAMPLES, short_help="With a published set, from its file.")
def dataset(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The set's file: .jsonl or .jsonl.gz.")],
    *,
    kind: Annotated[
        Literal["santacoder-fim", "humaneval-infilling", "safim"] | None,
        typer.Option("--kind", help="Which set it is. By default its fields say it.", show_default=False),
    ] = None,
    model: Model = None,
    items: Items = 200,
    seed: Seed = 0,
    layout: LayoutOption = "both",
    mode: Annotated[
        Literal["line", "block", "free"],
        typer.Option(
            "--mode", help="Where an answer ends: with its line, with its block, where the model says."
        ),
    ] = "free",
    window: Window = DEFAULT_WINDOW,
    max_tokens: MaxTokens = 128,
    execute: Annotated[
        bool,
        typer.Option(
            "--execute",
            help="Run the programs that the model wrote, walled off, and count those that pass their test "
            "(humaneval-infilling).",
        ),
    ] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, max=600, help="For each program.")
    ] = 10.0,
    threads: Threads = 0,
    gpu_layers: GpuLayers = -1,
    json: Json = None,
    chart: Chart = None,
) -> None:
    """Measure with a published set, whose file you have: santacoder-fim, HumanEval-Infilling or SAFIM.

    Scores are of the answer's first line and of all of it. Nothing is downloaded, and nothing that the model
    wrote is run without --execute.
    """
    from stardraft_quant.evaluate.datasets import choose, read
    from stardraft_quant.evaluate.running import arms, with_sound_tests
    from stardraftd.errors import RequestError

    check_outputs(json, chart)
    found = read(file, kind)
    if execute and found.kind != "humaneval-infilling":
        raise RequestError(
            f"Programs of {found.kind} cannot be run here.",
            "Leave --execute out: only humaneval-infilling has tests.",
        )
    tasks: Sequence[Task] = choose(found.tasks, items, seed)
    notes = _several(
        "lines of the file were not used", [f"line {p.line}: {p.reason}" for p in found.problems]
    )
    sandbox = _sandbox(timeout_s) if execute else None
    if sandbox is not None:
        tasks, unsound = with_sound_tests(tasks, sandbox)
        notes += _several("tests do not count, for the set's own solution does not pass them here", unsound)
    run = _measured(
        tasks,
        arms(layout, "none"),
        source=f"{file.name} ({found.kind})",
        tasks_in_all=len(found.tasks),
        model=model,
        mode=mode,
        seed=seed,
        window=window,
        max_tokens=max_tokens,
        threads=threads,
        gpu_layers=gpu_layers,
        sandbox=sandbox,
        notes=notes,
    )
    _show(run, json, chart)


evaluate.command(epilog=HISTORY_EXAMPLES, short_help="At lines that a repository's commits added.")(history)


# --- measuring -------------------------------------------------------------------------------------------


def _measured(
    tasks: "Sequence[Task]",
    wanted: "list[Arm]",
    *,
    source: str,
    tasks_in_all: int,
    model: str | None,
    mode: Literal["line", "block", "free"],
    seed: int,
    window: int,
    max_tokens: int,
    threads: int,
    gpu_layers: int,
    sandbox: "Sandbox | None" = None,
    notes: Sequence[str] = (),
) -> "Run":
    from stardraft_quant.evaluate.generate import opened
    from stardraft_quant.evaluate.running import measure
    from stardraft_quant.evaluate.tasks import Run
    from stardraftd import __version__

    plans = any(arm.layout == "auto" for arm in wanted)
    with opened(
        model_path(model), window=window, threads=threads, gpu_layers=gpu_layers, plans=plans
    ) as answerer:
        wanted, told = _possible(wanted, answerer.knows_repositories, answerer.knows_spm)
        with progress(len(tasks) * len(wanted)) as on_item:
            found = measure(
                tasks, wanted, answerer, mode=mode, max_tokens=max_tokens, sandbox=sandbox, on_item=on_item
            )
        return Run(
            version=__version__,
            source=source,
            model=answerer.info,
            mode=mode,
            window=answerer.window,
            max_tokens=max_tokens,
            seed=seed,
            arms=tuple(wanted),
            n_tasks=len(tasks),
            tasks_in_all=tasks_in_all,
            interrupted=found.interrupted,
            notes=(*answerer.warnings, *notes, *told, *_sandbox_notes(sandbox)),
            items=found.items,
        )


def _possible(
    wanted: "list[Arm]", knows_repositories: bool, knows_spm: bool
) -> "tuple[list[Arm], list[str]]":
    """The arms that mean something for a model, and what is to be said of the others."""
    import msgspec

    notes: list[str] = []
    if not knows_repositories and any(arm.context == "repo" for arm in wanted):
        wanted = list(
            dict.fromkeys(
                msgspec.structs.replace(arm, context="path") if arm.context == "repo" else arm
                for arm in wanted
            )
        )
        notes.append(
            "this model has no separator between files, so it was shown nothing of the other files of the "
            "repository; the path alone was."
        )
    if not knows_spm and any(arm.layout == "spm" for arm in wanted):
        notes.append("this model was not trained on SPM v2, as far as is known: expect it to do badly there.")
    if any(arm.layout == "auto" for arm in wanted):
        notes.append(
            "auto was planned for this computer's speed; on another one prompts and answers may differ."
        )
    return wanted, notes


def _sandbox(timeout_s: float) -> "Sandbox":
    """The sandbox, after saying what will happen in it."""
    from stardraft_quant.evaluate.sandbox import Sandbox

    sandbox = Sandbox(timeout_s)
    tell("This executes programs that the model wrote, on this computer.", to_stderr=True)
    tell(f"  Walls: {'; '.join(sandbox.walls)}; {timeout_s:g} s for each.", to_stderr=True)
    if sandbox.missing:
        tell(f"  This system does not give: {'; '.join(sandbox.missing)}.", to_stderr=True)
    tell("  They can read the files that you can read. Ctrl-C ends it.", to_stderr=True)
    return sandbox


def _sandbox_notes(sandbox: "Sandbox | None") -> list[str]:
    if sandbox is None:
        return []
    told = f"model output was executed. Walls: {'; '.join(sandbox.walls)}."
    return [told + (f" Not had: {'; '.join(sandbox.missing)}." if sandbox.missing else "")]


def _several(what: str, problems: list[str]) -> list[str]:
    """One note of several problems, the first of them in full; none without problems."""
    if not problems:
        return []
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return [f"{len(problems)} {what}: {'; '.join(problems[:5])}{more}."]


# --- what is shown ---------------------------------------------------------------------------------------


def _show(run: "Run", json: Path | None, chart: Path | None) -> None:
    """Table, JSON and chart. An interrupted run is shown, and leaves with 130."""

    from stardraft_quant.evaluate.report import render, report_of, to_json
    from stardraft_quant.shared.unfinished import write_whole

    report = report_of(run)
    if json is not None and str(json) == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(to_json(report))
    else:
        printable.console().print(render(report))
        if json is not None:
            write_whole(json, to_json(report))
    if chart is not None and run.items:
        from stardraft_quant.evaluate.chart import draw

        draw(report, chart)
    if run.interrupted:
        raise typer.Exit(INTERRUPTED)
