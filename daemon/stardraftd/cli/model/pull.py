"""`stardraft model pull`: a model is brought to this computer, with progress for a user or a program."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.shell_words import published_models
from stardraftd.console.asking import confirm, unasked
from stardraftd.console.printable import tell, visible
from stardraftd.errors import RequestError, StardraftError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from stardraftd.models.catalogue import Named
    from stardraftd.models.licenses import License

_NOT_FETCHED = "Nothing was fetched"
_ACCEPTING = "--accept-license, once you have read it (stardraft model license)"

EXAMPLES = examples(
    "stardraft model pull starcoder2-3b",
    "stardraft model pull starcoder2-3b --quant Q8_0",
    "stardraft model pull second-state/StarCoder2-3B-GGUF:starcoder2-3b-Q5_K_M.gguf",
    "stardraft model pull https://huggingface.co/OWNER/REPOSITORY/blob/main/FILE.gguf",
    "stardraft model pull ~/Downloads/my-model.gguf --name mine",
)


def pull(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="starcoder2-3b, starcoder2-7b, starcoder2-15b; or OWNER/REPOSITORY:FILE.gguf[@REVISION] on "
            "the Hugging Face Hub, or the address of the file's page there; or the path of a "
            "GGUF, which is copied.",
            autocompletion=published_models,
        ),
    ],
    *,
    quantization: Annotated[
        str, typer.Option("--quant", metavar="TYPE", help="How precisely the weights are stored.")
    ] = "Q4_K_M",
    from_source: Annotated[
        bool,
        typer.Option("--from-source", help="Take the original weights and quantize them on this computer."),
    ] = False,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Keep it under this name.", show_default=False)
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Get it again even if it is here.")] = False,
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="Accept the model's license without being asked.")
    ] = False,
    use: Annotated[bool, typer.Option("--use", help="Use it from then on.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line: progress, and the model at the end.")
    ] = False,
) -> None:
    """Get a model, and keep it in the folder of models.

    A ready GGUF is downloaded, and its checksum compared. Where there is none, or with --from-source, the
    original weights are downloaded (6 GB for StarCoder2-3B) and quantized here. An interrupted download goes
    on where it stopped. HF_TOKEN, HF_ENDPOINT, HTTPS_PROXY and HF_HUB_OFFLINE are respected.
    """
    from stardraftd.models.pull import PullOptions
    from stardraftd.models.pull import pull as bring
    from stardraftd.models.store import Store

    if use:
        from stardraftd.config import load_config

        load_config()  # what cannot be chosen afterwards is said before gigabytes are here
    options = PullOptions(
        model=_named(model),
        quantization=quantization.upper(),
        from_source=from_source,
        name=name,
        replace=replace,
    )
    report = _JsonReport() if json else _Terminal()
    with report:

        def accepts(license: "License") -> bool:
            if not accept_license:
                report.ask(license)
            return True

        try:
            pulled = bring(options, Store(), report, accepts)
        except KeyboardInterrupt:
            report.notice("Stopped. What has arrived is kept: the same command goes on from there.")
            raise
    entry = pulled.entry
    if json:
        report.say({"event": "done", "was_here": pulled.was_here, "model": entry})
    else:
        from stardraftd.paths import tilde

        here = "is here already" if pulled.was_here else "is here"
        tell(f"{entry.name} {here}: {tilde(Path(entry.path))}")
    if use:
        from stardraftd.cli.model.use import choose_and_wait

        choose_and_wait(entry.name, quiet=json)
    elif not json:
        tell(f"To have it run: stardraft model use {entry.name}")


def _named(model: str) -> "Named":
    """What is to be fetched. Raises RequestError, also for a name that a model here has, and ModelError."""
    from stardraftd.models.catalogue import read_name
    from stardraftd.models.store import check

    try:
        return read_name(model)
    except RequestError:
        if (path := _here(model)) is None:
            raise
        check(path)  # a file that is no model is none that is here
        raise RequestError(
            f"{model} is here already.", f"To have it run: stardraft model use {model}"
        ) from None


def _here(model: str) -> Path | None:
    """The file of a model here that a user may have meant."""
    from stardraftd.models.store import Store

    try:
        path = Store().file_of(model)
    except StardraftError:
        return None
    return path if path.is_file() else None


def show_license(license: "License") -> None:
    """The license in short, and where to read it, on stdout."""
    tell(f"{license.name}, in short and in our own words:\n")
    for point in license.points:
        tell(f"  - {point}")
    tell("\nThe agreement itself is what counts. Read it here:")
    tell(f"  {license.url}")
    tell(f"Questions and answers about it: {license.questions_url}")


class _Terminal:
    """Progress for a user: a bar on a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def ask(self, license: "License") -> None:
        self._stop()
        show_license(license)
        confirm("\nDo you accept it?", otherwise=_NOT_FETCHED, option=_ACCEPTING)

    def stage(self, what: str, total_bytes: int) -> None:
        from stardraftd.cli.output.terminal import err, write

        if not err().is_terminal:
            write(err(), what)
            return
        if self._progress is None:
            self._progress = _bar()
            self._progress.start()
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(visible(what), total=total_bytes or None)

    def advance(self, done_bytes: int) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done_bytes)

    def notice(self, text: str) -> None:
        from stardraftd.cli.output.terminal import err, paragraph

        if self._progress is not None:
            self._progress.console.print(visible(text))
        else:
            paragraph(err(), text)

    def say(self, value: object) -> None:
        """Nothing: what a program reads is the other report's."""

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None


class _JsonReport:
    """Progress for a program: lines on stdout, at most one for each hundredth."""

    def __init__(self) -> None:
        self._total = 0
        self._told = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def ask(self, license: "License") -> None:
        why = f"the {license.name} license has to be accepted first, and --json asks nothing"
        raise unasked(why, otherwise=_NOT_FETCHED, option=_ACCEPTING)

    def stage(self, what: str, total_bytes: int) -> None:
        self._total, self._told = total_bytes, -1
        self.say({"event": "stage", "what": what, "total_bytes": total_bytes})

    def advance(self, done_bytes: int) -> None:
        hundredth = done_bytes * 100 // self._total if self._total else 0
        if hundredth > self._told:
            self._told = hundredth
            self.say({"event": "progress", "done_bytes": done_bytes, "total_bytes": self._total})

    def notice(self, text: str) -> None:
        self.say({"event": "notice", "message": text})

    def say(self, value: object) -> None:
        import msgspec

        from stardraftd.cli.output.terminal import raw_out

        stream: Any = raw_out()
        stream.write(msgspec.json.encode(value) + b"\n")
        stream.flush()


def _bar() -> "Progress":
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from stardraftd.cli.output.terminal import err

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
    )
