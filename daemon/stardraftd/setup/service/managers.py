"""The daemon as a service of this user: what is written where, and what is run, whichever manager there is.

systemd.py and launchd.py know their managers; here is what both are told, and the face that both have.
Nothing is written or run here.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stardraftd import paths
from stardraftd.config import schema as config_schema
from stardraftd.setup import installation
from stardraftd.setup.service.told import DAEMON, Settings

# The name under which record.py remembers it.
RECORD = "service"

# Where things are must mean the same to the service as to the user's shell; settings stand in their file.
_PLACES = ("STARDRAFT_CONFIG", "STARDRAFT_STATE_DIR", "STARDRAFT_RUNTIME_DIR", "STARDRAFT_MODELS_DIR")
_XDG = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


class Manager(Protocol):
    """A service manager. Commands are lists of words for a user to see before they are run."""

    title: str

    def files(self, settings: Settings) -> dict[Path, bytes]:
        """What is written, by its place."""

    def problem(self) -> str:
        """Why the manager cannot be spoken to from here, as part of a sentence; "" if it can."""

    def is_on(self) -> bool:
        """Whether it listens for the daemon now, and will after the next login."""

    def begin(self) -> list[list[str]]:
        """What makes it take up the files that were written, also instead of older ones."""

    def end(self) -> list[list[str]]:
        """What makes it stop, before the files are removed."""

    def afterwards(self) -> list[list[str]]:
        """What follows when the files are gone."""

    def command_of(self, content: bytes) -> tuple[str, ...]:
        """The command line in a file of `files`; () if there is none in it."""


def manager() -> Manager | None:
    """This computer's; None where there is none that stardraft knows (Windows)."""
    from stardraftd.setup.service.launchd import Launchd
    from stardraftd.setup.service.systemd import Systemd

    if sys.platform == "win32":
        return None
    return Launchd() if sys.platform == "darwin" else Systemd()


def settings() -> Settings:
    """What a service of this installation is told, in this environment. Raises PathError."""
    environment = {name: os.environ[name] for name in (*_PLACES, *_XDG) if os.environ.get(name)}
    for name in _PLACES:
        if name in environment:
            environment[name] = str(Path(environment[name]).expanduser().absolute())
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    socket = paths.socket_path(create=False)
    usual = Path(f"/run/user/{os.getuid()}") if hasattr(os, "getuid") else None
    is_default = "STARDRAFT_RUNTIME_DIR" not in environment and Path(runtime or "/") == usual
    if not is_default:
        environment["STARDRAFT_RUNTIME_DIR"] = str(socket.parent)
    return Settings(installation.command(), socket, is_default, paths.state_dir(), environment)


def ignored() -> list[str]:
    """Variables of this shell that set something for a daemon started from here, and do not for a service."""
    variables = {setting.variable for setting in config_schema.settings().values()}
    return sorted(name for name in variables if os.environ.get(name))


@dataclass(frozen=True)
class State:
    """A service that is installed. files: those that are here; is_ours: `command` is this installation's."""

    title: str
    files: tuple[Path, ...]
    command: tuple[str, ...]
    is_ours: bool
    is_on: bool
    problem: str


def state() -> State | None:
    """What is installed here; None without a service. Starts nothing, and connects to no socket."""
    found = manager()
    if found is None:
        return None
    there = {path: path.read_bytes() for path in found.files(settings()) if path.is_file()}
    if not there:
        return None
    commands = [words for content in there.values() if (words := found.command_of(content))]
    started = commands[0] if commands else ()
    is_ours = bool(started) and installation.is_here(started[: -len(DAEMON)])
    return State(found.title, tuple(there), started, is_ours, found.is_on(), found.problem())
