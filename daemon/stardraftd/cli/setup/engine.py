"""`stardraft setup engine`: llama.cpp built for this computer, proved, and put to use; or taken back.

What is built, and in which order, is decided in setup/engine/ladder.py; where it goes, in
setup/engine/store.py.
"""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.setup.asking import Manner, Yes, agreed
from stardraftd.console.printable import tell
from stardraftd.errors import EngineBuildError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from rich.progress import Progress as Bar

    from stardraftd.setup.engine.building import Progress
    from stardraftd.setup.engine.climbing import Proof
    from stardraftd.setup.engine.ladder import Ladder, Step
    from stardraftd.setup.engine.toolkits import Backend

EXAMPLES = examples(
    "stardraft setup engine                    shows what would be built, and asks",
    "stardraft setup engine --backend cuda     for NVIDIA's GPUs",
    "stardraft setup engine --portable         for every processor of this kind, chosen when it starts",
    "stardraft setup engine --undo             back to the engine that was used before",
)
CHOICES = ("auto", "cpu", "cuda", "metal", "vulkan", "hip")
# Processor seconds of a build, for a word on how long it takes: measured (docs/measurements.md); estimated.
CPU_SECONDS, PORTABLE_CPU_SECONDS = 300, 1200

BackendOption = Annotated[
    str,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="What it computes on: auto (what this computer has, and a build for it needs), cpu, cuda, "
        "metal, vulkan or hip.",
    ),
]
Portable = Annotated[
    bool,
    typer.Option(
        "--portable",
        help="A build for every processor of this kind instead of this one: larger, and longer to build.",
    ),
]
Print = Annotated[bool, typer.Option("--print", help="Only show what would be done; change and ask nothing.")]
Undo = Annotated[bool, typer.Option("--undo", help="Go back to the engine that was used before.")]


def engine(
    backend: BackendOption = "auto",
    portable: Portable = False,
    print_only: Print = False,
    yes: Yes = False,
    undo: Undo = False,
) -> None:
    """Build llama.cpp for this computer.

    Looks at what is here (compilers, GPUs and their toolkits), builds llama.cpp, and has it tested on this
    processor. Only a build that works is put to use; until then, and if none does, the engine that you have
    stays. It works the same however stardraft was installed, and needs no rights but yours.
    """
    manner = Manner(print_only, yes)
    if backend not in CHOICES:
        raise RequestError(f'There is no backend "{backend}".', f"Give one of: {', '.join(CHOICES)}.")
    if undo:
        _take_back(manner)
    else:
        _set_up(backend, portable=portable, manner=manner)


def _set_up(backend: str, *, portable: bool, manner: Manner) -> None:
    from stardraftd.interruption import ended_like_ctrl_c
    from stardraftd.setup.engine import building, climbing, keys, places, store

    environment = keys.build_environment()
    wanted, why = _wanted(backend)
    ladders = _ladders(backend, wanted, portable=portable)
    cache = places.cache_folder()
    _show(wanted, why, ladders, cache, portable=portable)
    if not manner.print_only:
        building.require_compiler(environment)
    if not agreed(manner, "Build it?"):
        return
    with ended_like_ctrl_c(), _Shown() as shown, _alone(shown.say):
        store.require_libraries(cache, environment, shown.say)
        placed: list[str] = []

        def try_out(step: "Step", wheel: Path) -> "Proof":
            return _try(step, wheel, wanted, placed)

        try:
            climbing.first_that_works(
                ladders, cache, try_out, say=shown.say, on_progress=shown.show, environment=environment
            )
            store.choose(placed[-1])
        except BaseException:
            for name in placed:
                store.remove(name)
            raise
        store.forget_unused()
    tell(f"It works, and is used from now on: {_title(store.folder_of(placed[-1]))}.")
    _restart()
    tell("To take it back: stardraft setup engine --undo")


@contextmanager
def _alone(say: "Callable[[str], None]") -> "Iterator[None]":
    """Nobody else puts builds in place meanwhile, or removes those that are not chosen yet.

    Raises EngineBuildError where the folder of builds cannot be written.
    """
    from stardraftd.builds import chosen as engine_build
    from stardraftd.files import lock

    folder = engine_build.engines_dir()
    try:
        with lock.held(
            folder / "lock", lambda: say("Another `stardraft setup engine` is at work: waiting for it")
        ):
            yield
    except OSError as error:
        raise EngineBuildError(
            f"The engine cannot be put into {folder}: {error.strerror or error}.",
            "Make room there, or name another folder: STARDRAFT_ENGINES_DIR, wherever stardraft is used.",
        ) from error


def _wanted(backend: str) -> "tuple[Backend, str]":
    """What to build for, and why. Raises EngineBuildError where what was asked for cannot be built here."""
    from stardraftd.setup.engine import toolkits

    if backend == "auto":
        return toolkits.best()
    name: Backend = next(one for one in toolkits.BACKENDS if one == backend)
    found = toolkits.toolkit(name)
    if found.missing:
        raise EngineBuildError(f"A build for {toolkits.TITLES[name]} cannot be made here.", found.missing)
    return name, "You asked for it."


def _ladders(backend: str, wanted: "Backend", *, portable: bool) -> "list[Ladder]":
    """The one for what is wanted; where that was found out here, and is a GPU, the CPU's after it."""
    from stardraftd.setup.engine.ladder import ladder

    ladders = [ladder(wanted, portable=portable)]
    if backend == "auto" and wanted != "cpu":
        ladders.append(ladder("cpu", portable=portable))
    return ladders


def _try(step: "Step", wheel: Path, wanted: "Backend", placed: list[str]) -> "Proof":
    """Puts a build beside the others, and has it proved where it lies; one that fails is gone again."""
    from stardraftd.builds import chosen as engine_build
    from stardraftd.setup.engine import climbing, sources, store

    backend = (
        wanted
        if wanted == "cpu" or any(f"GGML_{wanted.upper()}=ON" in one for one in step.options)
        else "cpu"
    )
    name = store.add(wheel, store.new_facts(sources.VERSION, backend, step.name, step.why, wheel.parent.name))
    placed.append(name)
    found = climbing.prove(
        Path(sys.executable), {**os.environ, engine_build.VARIABLE: str(store.folder_of(name))}
    )
    if not found.works:
        store.remove(name)
        placed.remove(name)
    return found


def _take_back(manner: Manner) -> None:
    from stardraftd.setup.engine import store

    chosen = store.choice()
    if chosen is None:
        tell("This installation uses its environment's own engine: there is nothing to take back.")
        return
    tell(f"In use: {_title(store.folder_of(chosen.build))}.")
    before = store.folder_of(chosen.previous) if chosen.previous else None
    has_before = before is not None and before.is_dir()
    goes_to = (
        _title(before)
        if has_before and before is not None
        else "the engine of the environment, if it has one"
    )
    if not agreed(manner, f"Go back to {goes_to}?"):
        return
    with _alone(tell):
        store.go_back()
        store.forget_unused()
    tell(f"Taken back. In use from now on: {goes_to}.")
    _restart()


def _show(wanted: "Backend", why: str, ladders: "list[Ladder]", cache: Path, *, portable: bool) -> None:
    from stardraftd.builds import chosen as engine_build
    from stardraftd.installed import installation
    from stardraftd.paths import tilde
    from stardraftd.setup.engine import building, sources, store, toolkits

    chosen = store.choice()
    used = (
        _title(store.folder_of(chosen.build))
        if chosen is not None
        else "its environment's own, if it has one"
    )
    compiler = ladders[0].compiler
    minutes = (PORTABLE_CPU_SECONDS if portable else CPU_SECONDS) / 60 / building.parallel_jobs()
    tell(f"stardraft was installed by {installation().installer}; its engine: {used}.")
    tell(f"Compiler: {compiler.version if compiler is not None else 'none was found'}.")
    tell(
        f"llama.cpp of {sources.PROJECT} {sources.VERSION} would be built for "
        f"{toolkits.TITLES[wanted]}. {why}"
    )
    for note in dict.fromkeys(note for one in ladders for note in one.notes):
        tell(note)
    steps = [step for one in ladders for step in one.steps]
    for number, step in enumerate(steps, start=1):
        tell(
            f"  {number}. {step.why}"
            if number == 1
            else f"  {number}. if that does not work here: {step.why}"
        )
    tell(
        f"It is built in {tilde(cache)} (about {max(1, round(minutes))} min), tested, and put into "
        f"{tilde(engine_build.engines_dir())}."
    )


def _title(build: Path | None) -> str:
    """A build in words."""
    from stardraftd.setup.engine import store, toolkits

    facts = None if build is None else store.facts_of(build)
    if facts is None:
        return "a build of which nothing is written"
    computes_on = next(
        (title for name, title in toolkits.TITLES.items() if name == facts.backend), facts.backend
    )
    made = f"llama-cpp-python {facts.version} for {computes_on} ({facts.step}), built {facts.built_at}"
    return f"llama.cpp of {made}"


def _restart() -> None:
    """Ends the daemon when what it runs is finished; the next request starts one with the new engine."""
    import asyncio

    from stardraftd.cli.daemon import stop_and_wait

    pid = asyncio.run(stop_and_wait(drain=True))
    if pid is not None:
        tell(f"The daemon that was running has stopped (pid {pid}); the next suggestion starts it again.")


class _Shown:
    """The progress of a build on stderr: a bar on a terminal, a line for each tenth elsewhere."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._tenth = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._end()

    def say(self, text: str) -> None:
        from stardraftd.cli.output.terminal import err, write

        self._end()
        write(err(), text)

    def show(self, progress: "Progress") -> None:
        from stardraftd.cli.output.terminal import err, write
        from stardraftd.setup.engine.building import time_left

        if not err().is_terminal:
            tenth = progress.done * 10 // progress.total if progress.total else 0
            if tenth > self._tenth:
                self._tenth = tenth
                write(err(), f"  {progress.done} of {progress.total}{time_left(progress)}")
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.add_task("Building", total=progress.total)
            self._bar.start()
        self._bar.update(
            self._bar.task_ids[0],
            total=progress.total,
            completed=progress.done,
            description=f"{progress.done}/{progress.total}{time_left(progress)}",
        )

    def _end(self) -> None:
        self._tenth = 0
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> "Bar":
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from stardraftd.cli.output.terminal import err

    return Progress(
        BarColumn(bar_width=30),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=err(),
        transient=True,
    )
