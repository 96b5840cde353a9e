"""What a service is told, whichever manager there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stardraftd.setup.plain import plain

# What follows the command of the installation.
DAEMON = ("daemon", "run")


@dataclass(frozen=True)
class Settings:
    """What a service is told. socket: where front ends look; is_default_socket: a login's usual place.

    Raises PathError for a value that would not be one word or line of the manager's file.
    """

    command: tuple[str, ...]
    socket: Path
    is_default_socket: bool
    state: Path
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        for name, value in self.environment.items():
            plain(value, f"The environment variable {name}")
        for word in self.command:
            plain(word, "The command of this installation")
        plain(str(self.socket), "The daemon's socket")
        plain(str(self.state), "The state folder")
