"""The checks of `stardraft doctor`: small functions, each of which looks at one thing and says what to do.

    installation   Python, stardraft, llama.cpp and how it was built
    gpus           the devices that llama.cpp computes on, and those that it could use
    old_settings   names of settings from the version before, wherever they stand
    places         the configuration file, the runtime folder and its socket, room for the state
    daemon         whether it runs, and what it complains of
    service        whether systemd or launchd starts it, and this installation's
    model          the model's file, and whether memory suffices for it
    editors        which editors there are, and whether they know of stardraft

A check never stops the others: an error that it raises becomes its result. One fault is one problem, however
many meet it: everything that needs a wrong configuration, and the daemon, which complains of it in its own
words around the same sentence. Who meets it after the first is skipped.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from stardraftd.cli.checks.facts import Facts
from stardraftd.errors import StardraftError

__all__ = ["Check", "CheckFunction", "Facts", "State", "every_check", "run"]

State = Literal["ok", "warning", "problem", "skipped"]


class Check(Struct, frozen=True):
    """What a check found. `hint` is what to do, or what else is good to know; "" if nothing."""

    name: str
    state: State
    message: str
    hint: str = ""


CheckFunction = Callable[[Facts], Check | list[Check]]


def every_check() -> list[CheckFunction]:
    """All checks, in the order in which a user reads them."""
    from stardraftd.cli.checks import (
        daemon,
        editors,
        gpus,
        installation,
        model,
        old_settings,
        places,
        service,
    )

    return [
        *(installation.python, installation.stardraft, installation.engine),
        *(installation.backends, gpus.devices),
        *(places.configuration, old_settings.old_settings),
        *(places.runtime_folder, places.socket, places.state_folder),
        *(daemon.daemon, service.service),
        *(model.model, model.memory),
        *(editors.neovim, editors.vscode, editors.others),
    ]


def run(facts: Facts, checks: Sequence[CheckFunction]) -> Iterator[Check]:
    """The results, one by one as they are found."""
    told: dict[str, str] = {}
    for check in checks:
        name = check.__name__.replace("_", " ")
        try:
            found = check(facts)
        except StardraftError as error:
            found = Check(name, "problem", error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - one check's mistake must not hide what the others find
            found = Check(name, "problem", f"This check failed itself: {type(error).__name__}: {error}.")
        for one in found if isinstance(found, list) else [found]:
            yield _once(one, told)


def _once(found: Check, told: dict[str, str]) -> Check:
    """The check, or that its problem is one of those in `told`: the sentence of each, and who told it."""
    if found.state != "problem":
        return found
    for sentence, name in told.items():
        if sentence in found.message or found.message in sentence:
            return Check(found.name, "skipped", f"This needs the {name} to be in order.")
    told[found.message] = found.name
    return found
