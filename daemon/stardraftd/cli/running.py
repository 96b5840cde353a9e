"""What of the daemon that runs already concerns a command: is there one, and has it the wanted settings."""

import sys

from stardraftd.cli.options import Wanted
from stardraftd.console.prose import counted
from stardraftd.errors import ConfigError, DaemonUnreachableError
from stardraftd.proof.verdict import engine_build
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.http import Status


async def running_status() -> Status | None:
    """The status of the running daemon; None when there is none. Starts none.

    Raises StardraftError, and of those DaemonHungError when there is one that does not answer.
    """
    from stardraftd.client import DaemonClient

    async with DaemonClient("cli", start=False) as client:
        try:
            return await client.status()
        except DaemonUnreachableError:
            return None


def check_configuration(status: Status | None = None) -> None:
    """Raises ConfigError where the configuration is wrong: no daemon starts with it.

    status: of a daemon that runs. It keeps the settings from before, as an editor does: then it is a warning.
    """
    from stardraftd.cli.output.errors import show_warning
    from stardraftd.config import load_config

    try:
        config = load_config()
    except ConfigError as error:
        if status is None:
            raise
        show_warning(f"{error.message} The daemon that runs keeps the settings from before.", error.hint)
        return
    for outdated in config.outdated:
        show_warning(outdated.notice)


def other_installation(status: Status) -> str:
    """That the daemon is another installation's than this command, or has another engine; "" if neither is
    so."""
    if status.prefix and status.prefix != sys.prefix:
        build = "the same engine" if status.engine_build == engine_build() else "another build of its engine"
        cannot = ", which cannot load a model" if status.can_load is False else ""
        return (
            f"The daemon serves from another installation, {status.prefix}, with {build}{cannot}; "
            f"this is {sys.prefix}."
        )
    if status.engine_build != engine_build() and status.prefix:
        return "The engine was built again since the daemon loaded the model: the build from before serves."
    return ""


def differences(wanted: Wanted, status: Status) -> list[str]:
    """In which of the wanted settings a running daemon differs, as parts of a sentence.

    What a daemon does not tell of itself (`--set`, and how a model is loaded that is not loaded) is left out.
    """
    found: list[str] = []
    if wanted.model is not None and _wanted_model(wanted) != status.model_path:
        found.append(f"its model is {status.model_path}")
    if status.model is not None:
        found += _loaded_differently(wanted, status.model)
    return found


def _wanted_model(wanted: Wanted) -> str:
    from stardraftd.paths import builtin_model_path

    return wanted.model_path() or str(builtin_model_path())


def _loaded_differently(wanted: Wanted, model: ModelInfo) -> list[str]:
    found: list[str] = []
    if wanted.gpu_layers not in (None, "auto"):
        layers = model.layers if wanted.gpu_layers in ("all", "-1") else int(str(wanted.gpu_layers))
        if min(layers, model.layers) != model.gpu_layers:
            found.append(f"it has {model.gpu_layers} of {counted(model.layers, 'layer')} on the GPU")
    if wanted.context_tokens is not None and not 0 <= model.context_tokens - wanted.context_tokens < 256:
        # llama.cpp rounds up to a multiple of 256.
        found.append(f"its context is {counted(model.context_tokens, 'token')}")
    return found


def not_applied(wanted: Wanted, status: Status) -> str:
    """The warning that a running daemon keeps its own settings; "" when those are the wanted ones."""
    if found := differences(wanted, status):
        return f"A daemon is running already, with other settings: {', '.join(found)}."
    if wanted.settings:
        return "A daemon is running already, with settings of its own: --set had no effect."
    return ""


def apply_hint(wanted: Wanted) -> str:
    """What a user types so that the settings are applied."""
    return f"To change it: {wanted.restart_command()}"
