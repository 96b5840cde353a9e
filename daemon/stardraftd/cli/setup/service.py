"""`stardraft setup service`: the service manager listens for the daemon, and starts it when it is needed."""

import shlex
from typing import TYPE_CHECKING

from stardraftd.cli.options import examples
from stardraftd.cli.output.errors import show_warning
from stardraftd.cli.setup.asking import Manner, Print, Undo, Yes, agreed, carry_out, show_diff
from stardraftd.console.printable import tell
from stardraftd.errors import PathError, RequestError, StardraftError

if TYPE_CHECKING:
    from stardraftd.setup.changes import Change
    from stardraftd.setup.service import Manager

EXAMPLES = examples(
    "stardraft setup service            shows the units and the commands, and asks",
    "stardraft setup service --print    only shows them",
    "stardraft setup service --undo     takes the service back",
)


def service(print_only: Print = False, yes: Yes = False, undo: Undo = False) -> None:
    """Let systemd or launchd start the daemon.

    The service manager listens at the daemon's socket from your login on, and starts the daemon when an
    editor first asks; idle, the daemon leaves, and the socket stays. Without a service the daemon starts by
    itself just the same: this is for those who want to see it, limit it or log it where their services are.
    """
    from stardraftd.setup.service import manager

    found = manager()
    if found is None:
        raise RequestError(
            "Windows has no service manager that listens for a program of yours.",
            "The daemon starts by itself when it is needed. To have it started at every login:\n"
            'schtasks /Create /TN stardraft /SC ONLOGON /TR "stardraft daemon start"',
        )
    manner = Manner(print_only, yes)
    if undo:
        take_service_back(found, manner)
    else:
        _set_up(found, manner)


def _set_up(manager: "Manager", manner: Manner) -> None:
    from stardraftd.setup.changes import change
    from stardraftd.setup.service import managers as services

    settings = services.settings()
    changes = [change(path, content) for path, content in manager.files(settings).items()]
    problem = manager.problem()
    is_needed = any(one.is_needed for one in changes)
    if not is_needed and not problem and manager.is_on():
        tell(f"The service is set up already: {manager.title} listens at {settings.socket}.")
        return
    commands = manager.begin()
    question = f"Write this, and have {manager.title} listen?"
    if is_needed:
        if manner.print_only:
            show_diff([one for one in changes if one.is_needed])
            _show(commands)
            return
        if not carry_out(services.RECORD, changes, manner, done=[manager.title], question=question):
            return
    else:
        _show(commands)
        if not agreed(manner, f"Have {manager.title} listen?"):
            return
    if problem:
        show_warning(
            f"The files are written, but {problem}.",
            "Where you are logged in, type:\n" + "\n".join(map(shlex.join, commands)),
        )
        return
    # What the manager does not make: the folder of the socket, and that of the file for early words.
    settings.socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.state / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    _stop_daemon()
    for command in commands:
        run(command)
    tell(f"{manager.title} listens at {settings.socket}, and starts the daemon when it is needed.")
    if ignored := services.ignored():
        show_warning(
            f"Set in this shell, but not for the service: {', '.join(ignored)}.",
            "Settings that last stand in the configuration file (`stardraft doctor` says where).",
        )
    tell("To take it back: stardraft setup service --undo")


def take_service_back(manager: "Manager", manner: Manner) -> bool:
    """Has the manager stop, and removes the files after showing them. Whether there was a service.

    Raises a StardraftError, and typer.Exit when the user says no.
    """
    from stardraftd.setup import record
    from stardraftd.setup.service import managers as services

    changes = undoing(manager)
    if not changes:
        tell("There is no service of stardraft: nothing to take back.")
        return False
    problem = manager.problem()
    show_diff(changes)
    if not problem:
        _show([*manager.end(), *manager.afterwards()])
    if not agreed(manner, f"Remove this, and have {manager.title} stop?"):
        return True
    if not problem:
        for command in manager.end():
            run(command, must=False)
    record.undo(services.RECORD, changes)
    if not problem:
        for command in manager.afterwards():
            run(command, must=False)
    tell("The service is gone. The daemon starts by itself when an editor needs it.")
    return True


def undoing(manager: "Manager") -> list["Change"]:
    """The changes that take the service's files away; what was in their place before comes back.

    They are wholly ours, so those that the user has changed since go too, after they were shown.
    """
    from stardraftd.setup import record
    from stardraftd.setup.changes import change
    from stardraftd.setup.service import managers as services

    try:
        recorded = record.undoing(services.RECORD)
    except PathError:
        recorded = []
    known = {one.path for one in recorded}
    unrecorded = [change(path, None) for path in manager.files(services.settings()) if path not in known]
    return [one for one in (*recorded, *unrecorded) if one.is_needed]


def run(command: list[str], *, must: bool = True) -> None:
    """Runs a command after saying it; its own words go to this terminal. Raises StardraftError."""
    import subprocess

    tell(f"+ {shlex.join(command)}")
    try:
        code = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    except OSError as error:
        raise StardraftError(f"{command[0]} cannot be run: {error.strerror or error}.") from error
    if code == 0:
        return
    failed = f"{shlex.join(command)} failed ({code})."
    if must:
        raise StardraftError(
            failed, "What it said stands above. To take back what was written: stardraft setup service --undo"
        )
    show_warning(failed)


def _show(commands: list[list[str]]) -> None:
    for command in commands:
        tell(f"+ {shlex.join(command)}")


def _stop_daemon() -> None:
    """A daemon that an editor started makes room for the service's."""
    import asyncio

    from stardraftd.cli.daemon import stop_and_wait

    pid = asyncio.run(stop_and_wait(drain=True))
    if pid is not None:
        tell(f"The daemon that was running has stopped (pid {pid}).")
