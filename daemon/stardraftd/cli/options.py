"""The options that several commands share: with which settings a daemon is started."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stardraftd.cli import shell_words
from stardraftd.errors import ConfigError, RequestError
from stardraftd.models import BUILT_IN

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        autocompletion=shell_words.models_here,
        help=f'A model of `stardraft model list`, the path of a GGUF, or "{BUILT_IN}" for the small one that '
        "comes with stardraft.",
        show_default=False,
    ),
]
GpuLayers = Annotated[
    str | None,
    typer.Option(
        "--gpu-layers",
        metavar="N",
        help='How many layers run on the GPU: a number, "all" or "auto". 0 is the CPU alone.',
        show_default=False,
    ),
]
ContextTokens = Annotated[
    int | None,
    typer.Option(
        "--context-tokens",
        metavar="N",
        help="Size of the KV cache in tokens, shared by all open documents.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        autocompletion=shell_words.settings,
        help="Any setting of the configuration, for a daemon that is started now. Can be repeated.",
        show_default=False,
    ),
]


def examples(*lines: str) -> str:
    """An epilog for a command's help: what a user can type, not rewrapped."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class Wanted:
    """The settings that were asked for on the command line."""

    model: str | None = None
    gpu_layers: str | None = None
    context_tokens: int | None = None
    settings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.overrides())

    @property
    def names_a_model(self) -> bool:
        """Whether one of the options says which model is to run."""
        return self.model is not None or any(one.startswith("model.path=") for one in self.settings)

    def overrides(self) -> tuple[str, ...]:
        """As `load_config` and the daemon take them: "section.key=value"."""
        named = {
            "model.path": None if self.model is None else self.model_path(),
            "model.gpu_layers": "-1" if self.gpu_layers == "all" else self.gpu_layers,
            "model.context_tokens": self.context_tokens,
        }
        return (*self.settings, *(f"{key}={value}" for key, value in named.items() if value is not None))

    def model_path(self) -> str:
        """The absolute path, for the daemon has another current folder; "" is the built-in model.

        Raises ModelNotFoundError for a name that no model here has.
        """
        if self.model is None or self.model == BUILT_IN:
            return ""
        from stardraftd.models.store import Store
        from stardraftd.paths import builtin_model_path

        path = Store().file_of(self.model)
        return "" if path == builtin_model_path() else str(path)

    def check(self) -> None:
        """Raises a StardraftError if a value is wrong, before a daemon is bothered with it.

        The configuration below these settings is for `running.check_configuration`.
        """
        from stardraftd.cli.output.errors import show_warning
        from stardraftd.config.checking import accepted
        from stardraftd.config.loading import given_override
        from stardraftd.models.store import check

        try:
            found = [accepted(given_override(one)) for one in self.overrides()]
        except ConfigError as error:
            raise RequestError(error.message, error.hint) from error
        for one in found:
            if one.outdated is not None:
                show_warning(one.outdated.notice)
        paths = [one.value for one in found if one.setting is not None and one.setting.name == "model.path"]
        if paths and paths[-1]:
            check(Path(paths[-1]))

    def restart_command(self) -> str:
        """The command that makes a running daemon take these settings."""
        words = ["stardraft", "daemon", "restart"]
        for option, value in (
            ("--model", self.model),
            ("--gpu-layers", self.gpu_layers),
            ("--context-tokens", self.context_tokens),
            *(("--set", setting) for setting in self.settings),
        ):
            if value is not None:
                words += [option, str(value)]
        return shlex.join(words)


def wanted(
    model: str | None, gpu_layers: str | None, context_tokens: int | None, settings: list[str] | None
) -> Wanted:
    """The options' values as they arrive at a command, checked. Raises a StardraftError."""
    asked = Wanted(model, gpu_layers, context_tokens, tuple(_absolute(one) for one in settings or ()))
    asked.check()
    return asked


def _absolute(setting: str) -> str:
    """`setting` with a path that means the same in the daemon, which has another current folder."""
    from stardraftd.config.loading import absolute

    try:
        return absolute(setting)
    except ConfigError as error:
        raise RequestError(error.message, error.hint) from error
