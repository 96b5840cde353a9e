"""launchd, macOS's service manager: an agent of this user with a socket, which the first knock starts.

The format is that of launchd.plist(5); what is run is launchctl(1), in the domain of the login (gui/UID).
The daemon fetches the socket by its name: see activation.py.
"""

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.parsers.expat import ExpatError

from stardraftd.setup.service.told import DAEMON, Settings
from stardraftd.transport.activation import LAUNCHD_SOCKET

LABEL = "stardraft.daemon"
ASK_TIMEOUT_S = 10.0


class Launchd:
    """The face of service.Manager."""

    title = "launchd"

    def files(self, settings: Settings) -> dict[Path, bytes]:
        return {agent_path(): agent(settings)}

    def problem(self) -> str:
        if shutil.which("launchctl") is None:
            return "there is no launchctl here"
        return "" if _asked("print", _domain()) else "launchd has no login session of yours to put it in"

    def is_on(self) -> bool:
        return _asked("print", f"{_domain()}/{LABEL}")

    def begin(self) -> list[list[str]]:
        return [
            *(self.end() if self.is_on() else []),
            ["launchctl", "bootstrap", _domain(), str(agent_path())],
        ]

    def end(self) -> list[list[str]]:
        return [["launchctl", "bootout", f"{_domain()}/{LABEL}"]]

    def afterwards(self) -> list[list[str]]:
        return []

    def command_of(self, content: bytes) -> tuple[str, ...]:
        try:
            read = plistlib.loads(content)
            return tuple(str(word) for word in read.get("ProgramArguments", ()))
        except (ValueError, AttributeError, ExpatError):
            return ()


def agent_path() -> Path:
    """Where launchd looks for agents of this user."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def agent(settings: Settings) -> bytes:
    """The property list. launchd makes the socket with mode 0600, its folder is made by the set-up.

    What the daemon says before it has its log goes to a file beside the log, which stays small.
    """
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": [*settings.command, *DAEMON],
            "Sockets": {
                LAUNCHD_SOCKET: {
                    "SockFamily": "Unix",
                    "SockType": "stream",
                    "SockPathName": str(settings.socket),
                    "SockPathMode": 0o600,
                }
            },
            "EnvironmentVariables": dict(sorted(settings.environment.items())),
            "ProcessType": "Interactive",  # suggestions are waited for: no throttling of the background
            "ThrottleInterval": 1,
            "ExitTimeOut": 30,
            "Umask": 0o077,
            "WorkingDirectory": "/",
            "StandardErrorPath": str(settings.state / "logs" / "service.log"),
        },
        sort_keys=False,
    )


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _asked(*words: str) -> bool:
    """Whether launchctl answers a question with yes."""
    try:
        result = subprocess.run(
            ["launchctl", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0
