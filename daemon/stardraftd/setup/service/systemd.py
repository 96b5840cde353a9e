"""systemd's user manager: two units, a socket that it listens at and the service that the first knock starts.

The format is that of systemd.unit(5), systemd.socket(5) and systemd.service(5). What is run is systemctl(1),
never as root: the units are this user's own. Lingering is not needed, as no editor is open without a login.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stardraftd.setup.service.told import DAEMON, Settings

SOCKET = "stardraft.socket"
SERVICE = "stardraft.service"
ASK_TIMEOUT_S = 10.0

_HEAD = (
    "# Written by `stardraft setup service`, which takes it back with --undo. Changes of yours belong into\n"
)


class Systemd:
    """The face of service.Manager."""

    title = "systemd"

    def files(self, settings: Settings) -> dict[Path, bytes]:
        return {
            folder() / SOCKET: socket_unit(settings).encode(),
            folder() / SERVICE: service_unit(settings).encode(),
        }

    def problem(self) -> str:
        if shutil.which("systemctl") is None:
            return "there is no systemctl here"
        code, said = _ask("show-environment")
        return "" if code == 0 else f"systemd's user manager does not answer: {said or 'no reason given'}"

    def is_on(self) -> bool:
        return _ask("is-active", SOCKET)[0] == 0 and _ask("is-enabled", SOCKET)[0] == 0

    def begin(self) -> list[list[str]]:
        return [
            *([_systemctl("stop", SOCKET, SERVICE)] if _ask("is-active", SOCKET)[0] == 0 else []),
            _systemctl("daemon-reload"),
            _systemctl("enable", "--now", SOCKET),
        ]

    def end(self) -> list[list[str]]:
        return [_systemctl("disable", "--now", SOCKET), _systemctl("stop", SERVICE)]

    def afterwards(self) -> list[list[str]]:
        return [_systemctl("daemon-reload")]

    def command_of(self, content: bytes) -> tuple[str, ...]:
        line = re.search(rb"^ExecStart=(.*)$", content, re.MULTILINE)
        return _unquoted(line[1].decode("utf-8", "replace")) if line else ()


def folder() -> Path:
    """Where the user manager looks for units of this user."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"


def socket_unit(settings: Settings) -> str:
    """The unit of the socket. RemoveOnStop: a socket that nobody listens at would only mislead."""
    place = f"%t/stardraft/{settings.socket.name}" if settings.is_default_socket else ""
    return f"""{_HEAD}# `systemctl --user edit {SOCKET}`.
[Unit]
Description=stardraft, private code completion: its socket
Documentation=man:stardraft(1)

[Socket]
ListenStream={place or _literal(str(settings.socket))}
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""


def service_unit(settings: Settings) -> str:
    """The unit of the daemon, which has no [Install]: its socket starts it, and it leaves when it is idle."""
    environment = "".join(
        f"Environment={_word(f'{name}={value}')}\n" for name, value in sorted(settings.environment.items())
    )
    words = [*settings.command, *DAEMON]
    command = " ".join([_word(words[0]), *(_word(word.replace("$", "$$")) for word in words[1:])])
    return f"""{_HEAD}# `systemctl --user edit {SERVICE}`.
[Unit]
Description=stardraft, private code completion: its daemon
Documentation=man:stardraft(1)
Requires={SOCKET}
After={SOCKET}

[Service]
Type=notify
ExecStart={command}
{environment}WorkingDirectory=/
UMask=0077
# The engine ends with the daemon; dying of a want of memory it does not end the daemon.
KillMode=mixed
TimeoutStopSec=30
OOMPolicy=continue
# It speaks to this computer's own sockets, and to no network.
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
"""


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _word(text: str) -> str:
    """One word of a line that is split into words: quoted where that is needed."""
    text = _literal(text)
    if re.fullmatch(r"[\w@%+=:,./$-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(line: str) -> tuple[str, ...]:
    """The words of a line that `_word` wrote."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return tuple(
        re.sub(r"\\(.)", r"\1", quoted or plain).replace("%%", "%").replace("$$", "$")
        for quoted, plain in words
    )


def _systemctl(*words: str) -> list[str]:
    return ["systemctl", "--user", *words]


def _ask(*words: str) -> tuple[int, str]:
    """A question to the user manager: the exit code, and the last line that it said of an error."""
    try:
        result = subprocess.run(
            _systemctl(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return result.returncode, lines[-1].rstrip(".") if lines else ""


def typed(commands: Sequence[Sequence[str]]) -> str:
    """Commands for a user to type."""
    return "\n".join(" ".join(words) for words in commands)
