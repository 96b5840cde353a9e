"""`stardraft model use`: the model that runs, as the configuration says it and a running daemon has it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stardraftd.cli.options import examples
from stardraftd.cli.shell_words import models_here
from stardraftd.console.printable import tell
from stardraftd.errors import DaemonUnreachableError, StardraftError
from stardraftd.models import BUILT_IN

if TYPE_CHECKING:
    from stardraftd.client import DaemonClient

EXAMPLES = examples(
    "stardraft model use starcoder2-3b-Q4_K_M",
    "stardraft model use ~/models/another.gguf",
    f"stardraft model use {BUILT_IN}",
)
# A daemon notices an edit of its configuration within a fraction of this.
NOTICED_S = 5.0


def use(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help=f'A model that is here, the path of a GGUF, or "{BUILT_IN}".',
            autocompletion=models_here,
        ),
    ],
) -> None:
    """Choose the model that runs.

    It is written into the configuration file (model.path). A running daemon takes it up at once: where memory
    has room for both, the model from before serves until the new one is loaded. No request is lost.
    """
    choose_and_wait(name)


def configured() -> Path | None:
    """The model that the configuration names; None is the built-in one. Raises ConfigError."""
    from stardraftd.config import load_config

    path = load_config().model.path
    return Path(path) if path else None


def choose_and_wait(name: str, *, quiet: bool = False) -> None:
    """Writes the choice, and waits for a running daemon to have the model. Raises StardraftError."""
    from stardraftd.config import load_config, sources
    from stardraftd.config.editing import choose
    from stardraftd.models.store import Store, check
    from stardraftd.paths import builtin_model_path, tilde

    path = Store().file_of(name)
    check(path)
    load_config()  # with a mistake in it nothing would be taken up: then nothing is written
    written = choose(None if path == builtin_model_path() else path)

    def say(text: str) -> None:
        if not quiet:
            tell(text)

    if written is not None:
        say(f"{name} is the model from now on (written into {tilde(written)}).")
    else:
        say(f"{name} is the configured model already; nothing had to be written.")
    if load_config().sources.get("model.path") is sources.ENVIRONMENT:
        from stardraftd.cli.output.errors import show_warning

        show_warning("STARDRAFT_MODEL_PATH is set, and is stronger than the configuration file.", "Unset it.")
    say(asyncio.run(_taken_up(str(path))))


async def _taken_up(path: str) -> str:
    """Waits until the running daemon has the model; a sentence of how that went."""
    from stardraftd.cli.output.activity import Activity
    from stardraftd.client import DaemonClient
    from stardraftd.paths import tilde
    from stardraftd.protocol.completion import Failed, Loading
    from stardraftd.protocol.http import Ready

    async with DaemonClient("cli", start=False) as client:
        try:
            status = await client.status()
        except DaemonUnreachableError:
            return "It is loaded when it is first needed."
        if not await _noticed(client, path):
            return (
                f"The daemon that runs was started with another model ({tilde(Path(status.model_path))}) and "
                "keeps it. To change it: stardraft daemon restart"
            )
        if status.engine == "unloaded":
            return "It is loaded when it is next needed."
        with Activity() as activity:
            async for event in client.load():
                match event:
                    case Loading():
                        doing = "Checking the engine" if event.checking else "Loading the model"
                        activity.say(doing, event.fraction)
                    case Failed():
                        raise event.exception()
                    case Ready():
                        return f"It is loaded and serves: {event.model.name} on {event.model.device}."
        raise StardraftError("The daemon did not say whether it has the model.", "stardraft status tells.")


async def _noticed(client: "DaemonClient", path: str) -> bool:
    try:
        async with asyncio.timeout(NOTICED_S):
            while (await client.status()).model_path != path:
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True
