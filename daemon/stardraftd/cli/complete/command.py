"""`stardraft complete`: one completion at a place in a file, here in the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stardraftd.cli import options
from stardraftd.cli.complete.location import STDIN, Location, parse_location, read_text, split
from stardraftd.cli.complete.origin import Origin, origin_of
from stardraftd.cli.options import examples, wanted
from stardraftd.cli.output.usage import UsageError, wrong_usage
from stardraftd.cursor_window import Window, window
from stardraftd.errors import RequestError, StardraftError

if TYPE_CHECKING:
    from stardraftd.protocol.completion import ContextChunk

EXAMPLES = examples(
    "stardraft complete src/app.py:12:5",
    "stardraft complete src/app.py:12                   at the end of line 12",
    "stardraft complete --mode block --max-tokens 200 src/app.py:12",
    "stardraft complete --context src/models.py src/app.py:12:5",
    "git show HEAD:app.py | stardraft complete --path app.py -:12:5",
    "stardraft complete --json src/app.py:12:5 | jq -r 'select(.event == \"done\").text'",
)


def complete(
    location: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE:COL",
            help="Where: lines and columns count from 1, columns in characters. Without :COL, the end of the "
            "line. - as FILE reads the text from stdin.",
            show_default=False,
        ),
    ],
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Print the events of the stream as they come, one JSON a line.")
    ] = False,
    max_tokens: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=4096, help="The most tokens to generate.", show_default=False),
    ] = None,
    mode: Annotated[
        Literal["line", "block", "free"] | None,
        typer.Option(
            help="Where to stop: at the end of the line, at the end of the block, or only where the model "
            "says so. The default is line.",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            min=0.0,
            max=10.0,
            help="Randomness. 0 always takes the likeliest token; --top-k, --top-p and --seed then have no "
            "effect.",
            show_default=False,
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=0, help="Choose among the K likeliest tokens; 0: among all.", show_default=False
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Choose among the likeliest tokens that together have this probability, above 0, at most 1.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=0xFFFF_FFFF,
            help="Equal seeds give equal suggestions.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        Literal["auto", "psm", "spm"] | None,
        typer.Option(
            help="Order of the prompt: prefix, suffix, middle or suffix, prefix, middle.", show_default=False
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The file's path as the model is told. By default it is relative to the git repository that "
            'holds the file, or else to the current folder. "" leaves it out.',
            show_default=False,
        ),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The repository's name as the model is told. By default that of the folder of the git "
            'repository, if there is one. "" leaves it out.',
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Another file that the model is shown first. Can be repeated; the last one is the nearest.",
            show_default=False,
        ),
    ] = None,
    model: options.Model = None,
    gpu_layers: options.GpuLayers = None,
    context_tokens: options.ContextTokens = None,
    settings: options.Settings = None,
) -> None:
    """Complete the code at a place in a file.

    The suggestion appears as the model writes it, between the lines of the file around it, with one line of
    figures below: the model, the device, how many tokens of the prompt were evaluated and how many were
    still in the cache, the time to the first token, and tokens per second. In a pipe stdout has only the
    suggestion. The file is not changed.

    As much of the file is sent to the daemon as an editor would send: at most 48,000 bytes before the place
    and 24,000 after it. The default of --max-tokens is in the configuration, completion.max_tokens.

    --model, --gpu-layers, --context-tokens and --set are for a daemon that has to be started. A daemon that
    is already running keeps its settings; `stardraft daemon restart` takes the same options.
    """
    import asyncio

    from stardraftd.cli.complete.asking import ask
    from stardraftd.protocol.http import CompletionRequest

    with told(as_json=json):
        if top_p is not None and not 0 < top_p <= 1:
            raise RequestError(f"--top-p is {top_p:g}; it must be above 0 and at most 1.")
        place = parse_location(location)
        asked = wanted(model, gpu_layers, context_tokens, settings)
        around = _text_around(_readable(place.file), place)
        origin = _origin(place, path, repository)
        request = CompletionRequest(
            document=f"cli:{place.file}" if place.file == STDIN else Path(place.file).absolute().as_uri(),
            path=origin.path,
            prefix=around.prefix,
            suffix=around.suffix,
            repository=origin.repository,
            chunks=tuple(_chunk(file) for file in context or ()),
            mode=mode,
            layout=layout,
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
    asyncio.run(ask(request, asked, as_json=json))


@contextmanager
def told(*, as_json: bool) -> Iterator[None]:
    """What is wrong before the daemon is asked is an event, too, for a program that reads events."""
    try:
        yield
    except (StardraftError, UsageError) as error:
        if as_json:
            from stardraftd.cli.complete.suggestion import JsonView
            from stardraftd.protocol.completion import Failed

            said = error if isinstance(error, StardraftError) else wrong_usage(error)
            JsonView().show(Failed.of(said))
        raise


def _readable(file: str) -> str:
    """The text to complete. Raises RequestError, also for what no model may be shown."""
    from stardraftd.privacy.guard import refuse_document

    text = read_text(file)
    for name in _names(file):
        refuse_document(name, file, text)
    return text


def _names(file: str) -> tuple[str, ...]:
    """A file's absolute path, and where links in it lead: both are asked about."""
    return () if file == STDIN else (str(Path(file).absolute()), str(Path(file).resolve()))


def _text_around(text: str, place: Location) -> Window:
    before, _ = split(text, place)
    return window(text, len(before))


def _origin(place: Location, path: str | None, repository: str | None) -> Origin:
    if place.file == STDIN:
        return Origin(path or "", repository or "")
    found = origin_of(Path(place.file), repository)
    return found if path is None else Origin(path, found.repository)


def _chunk(file: str) -> "ContextChunk":
    from stardraftd.privacy.guard import refuse_context
    from stardraftd.protocol.completion import ContextChunk

    if file == STDIN:
        raise RequestError("--context takes a file; stdin can be only the text that is completed.")
    text = read_text(file)
    for name in _names(file):
        refuse_context(name, text)
    return ContextChunk(path=origin_of(Path(file)).path, text=text)
