"""`stardraft setup service`: what is written and run; the manager is a stand-in that notes what it hears."""

import os
import plistlib
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from stardraftd.errors import PathError
from stardraftd.setup.editors.editor import quoted
from stardraftd.setup.service import Settings
from stardraftd.setup.service.launchd import Launchd, agent
from stardraftd.setup.service.systemd import Systemd, service_unit, socket_unit
from tests.cli.program import stardraft
from tests.support.processes import run_to_end

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no such manager on Windows")

PACKAGING = Path(__file__).parents[2] / "packaging"
USUAL = Settings(
    ("/usr/bin/stardraft",), Path("/run/user/1000/stardraft/stardraft-1.sock"), True, Path("/unused"), {}
)
ODD = Settings(
    ('/opt/100% "mine"/$bin/stardraft', "-P"),
    Path("/home/a b/100%/stardraft-1.sock"),
    False,
    Path("/home/a b/state"),
    {"STARDRAFT_RUNTIME_DIR": "/home/a b/100%", "STARDRAFT_STATE_DIR": '/home/"q"\\'},
)

# `systemctl --user ...` as far as the set-up uses it; it keeps whether the socket is on in a file.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$0.said"
case "$*" in
  *is-active*|*is-enabled*) test -e "$0.on" ;;
  *show-environment*) test -e "$0.broken" && echo "Failed to connect: No medium found" >&2 && exit 1 ; true ;;
  *enable*--now*) case "$*" in *disable*) rm -f "$0.on" ;; *) touch "$0.on" ;; esac ;;
esac
"""


@pytest.fixture
def systemctl(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, first on the home's PATH; units are written below the home."""
    folder = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    program = folder / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    home["PATH"] = f"{program.parent}:{home['PATH']}"
    home["XDG_CONFIG_HOME"] = str(folder / "config")
    return program


def units(home: dict[str, str]) -> dict[str, str]:
    folder = Path(home["XDG_CONFIG_HOME"]) / "systemd" / "user"
    return {file.name: file.read_text() for file in folder.glob("*")}


def said(systemctl: Path) -> list[str]:
    questions = ("is-active", "is-enabled", "show-environment")
    lines = Path(f"{systemctl}.said").read_text().splitlines() if Path(f"{systemctl}.said").exists() else []
    return [line.removeprefix("--user ") for line in lines if not any(word in line for word in questions)]


def test_the_units_in_packaging_are_those_that_are_written() -> None:
    assert (PACKAGING / "systemd" / "stardraft.socket").read_text() == socket_unit(USUAL)
    assert (PACKAGING / "systemd" / "stardraft.service").read_text() == service_unit(USUAL)
    mac = Settings(
        ("/opt/homebrew/bin/stardraft",),
        Path("/Users/you/Library/Caches/TemporaryItems/stardraft/stardraft-1.sock"),
        False,
        Path("/Users/you/Library/Application Support/stardraft"),
        {"STARDRAFT_RUNTIME_DIR": "/Users/you/Library/Caches/TemporaryItems/stardraft"},
    )
    assert (PACKAGING / "launchd" / "stardraft.daemon.plist").read_bytes() == agent(mac)


INJECTED = [
    "/a\nExecStartPre=/bin/evil",
    "/a\r[Install]",
    "/a\0b",
    "/a\x1b[31m",
    "/a\x85b",
    "/a\u2028b",
    "/a\udcff",
]


@pytest.mark.parametrize("text", INJECTED)
def test_what_would_be_a_line_of_its_own_is_written_into_no_file(text: str) -> None:
    command, place = ("/usr/bin/stardraft",), Path("/run/s.sock")
    for make in (
        lambda: Settings((*command, text), place, True, place, {}),
        lambda: Settings(command, Path(text), False, place, {}),
        lambda: Settings(command, place, True, Path(text), {}),
        lambda: Settings(command, place, True, place, {"XDG_STATE_HOME": text}),
        lambda: quoted(["stardraft", text]),
    ):
        with pytest.raises(PathError, match="cannot be written into a file of settings"):
            make()


@pytest.mark.parametrize(
    "variable",
    ["STARDRAFT_STATE_DIR", "STARDRAFT_MODELS_DIR", "STARDRAFT_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"],
)
def test_a_line_end_in_a_variable_becomes_no_line_of_a_unit(
    variable: str, home: dict[str, str], systemctl: Path
) -> None:
    written = Path(home["XDG_CONFIG_HOME"])
    home[variable] = f"{home['STARDRAFT_STATE_DIR']}\nExecStartPre=/bin/evil"
    result = stardraft(home, "setup", "service", "--yes")
    assert result.returncode == 1
    assert f"The environment variable {variable} is " in result.stderr
    assert not written.exists()


@pytest.mark.parametrize("settings", [USUAL, ODD], ids=["usual", "odd"])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_itself_finds_no_fault_with_the_units(settings: Settings, tmp_path: Path) -> None:
    program = tmp_path / "stardraft 100%"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with_program = Settings(
        (str(program), *settings.command[1:]),
        settings.socket,
        settings.is_default_socket,
        settings.state,
        settings.environment,
    )
    (tmp_path / "stardraft.socket").write_text(socket_unit(with_program))
    (tmp_path / "stardraft.service").write_text(service_unit(with_program))
    result = run_to_end(
        ["systemd-analyze", "--user", "--man=no", "verify", "stardraft.socket", "stardraft.service"],
        cwd=tmp_path,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        text=True,
        idle_s=60,
    )
    faults = [line for line in result.stderr.splitlines() if "stardraft" in line]
    assert faults == []


def test_odd_paths_come_back_from_the_unit_as_they_were() -> None:
    unit = service_unit(ODD).encode()
    assert Systemd().command_of(unit) == (*ODD.command, "daemon", "run")
    assert b'Environment="STARDRAFT_RUNTIME_DIR=/home/a b/100%%"' in unit
    assert "ListenStream=/home/a b/100%%/stardraft-1.sock\n" in socket_unit(ODD)


def test_launchds_property_list_has_what_launchd_asks_for() -> None:
    read: dict[str, Any] = plistlib.loads(agent(ODD))
    assert read["Label"] == "stardraft.daemon"
    assert read["ProgramArguments"] == [*ODD.command, "daemon", "run"]
    assert read["Sockets"]["stardraft"]["SockPathName"] == str(ODD.socket)
    assert read["Sockets"]["stardraft"]["SockPathMode"] == 0o600
    assert read["EnvironmentVariables"] == dict(ODD.environment)
    # Keys and types of launchd.plist(5); a wrong one is ignored there without a word.
    texts = ("Label", "ProcessType", "WorkingDirectory", "StandardErrorPath")
    numbers = ("ThrottleInterval", "ExitTimeOut", "Umask")
    types: dict[str, type] = dict.fromkeys(texts, str) | dict.fromkeys(numbers, int)
    types |= {"ProgramArguments": list, "Sockets": dict, "EnvironmentVariables": dict}
    assert {key: type(value) for key, value in read.items()} == types
    assert "KeepAlive" not in read, "stop would not stop it"
    assert Launchd().command_of(agent(ODD)) == (*ODD.command, "daemon", "run")
    assert Launchd().command_of(b"<plist><dict>") == ()


def test_print_shows_files_and_commands_and_changes_nothing(home: dict[str, str], systemctl: Path) -> None:
    shown = stardraft(home, "setup", "service", "--print")
    assert shown.returncode == 0, shown.stderr
    assert "+ListenStream=" in shown.stdout
    assert "+ systemctl --user enable --now stardraft.socket" in shown.stdout
    assert units(home) == {}
    assert said(systemctl) == []


def test_the_service_is_set_up_once_and_taken_back(home: dict[str, str], systemctl: Path) -> None:
    done = stardraft(home, "setup", "service", "--yes")
    assert done.returncode == 0, done.stderr
    assert said(systemctl) == ["daemon-reload", "enable --now stardraft.socket"]
    assert set(units(home)) == {"stardraft.socket", "stardraft.service"}
    assert f"ListenStream={home['STARDRAFT_RUNTIME_DIR']}/stardraft-1.sock" in units(home)["stardraft.socket"]
    assert f"STARDRAFT_STATE_DIR={home['STARDRAFT_STATE_DIR']}" in units(home)["stardraft.service"]
    assert stat.S_IMODE(Path(home["STARDRAFT_RUNTIME_DIR"]).stat().st_mode) == 0o700

    again = stardraft(home, "setup", "service", "--yes")
    assert "set up already" in again.stdout
    assert len(said(systemctl)) == 2

    undone = stardraft(home, "setup", "service", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert said(systemctl)[2:] == [
        "disable --now stardraft.socket",
        "stop stardraft.service",
        "daemon-reload",
    ]
    assert units(home) == {}
    assert "nothing to take back" in stardraft(home, "setup", "service", "--undo", "--yes").stdout


def test_the_unit_starts_this_installation(home: dict[str, str], systemctl: Path) -> None:
    stardraft(home, "setup", "service", "--yes")
    words = Systemd().command_of(units(home)["stardraft.service"].encode())
    version = run_to_end([*words[:-2], "--version"], env=home, text=True, idle_s=60, check=True)
    assert version.stdout.startswith("stardraft ")


def test_a_moved_installation_is_noticed_and_mended(home: dict[str, str], systemctl: Path) -> None:
    stardraft(home, "setup", "service", "--yes")
    file = Path(home["XDG_CONFIG_HOME"]) / "systemd" / "user" / "stardraft.service"
    written = file.read_text()
    file.write_text(
        "\n".join(
            "ExecStart=/gone/stardraft daemon run" if line.startswith("ExecStart=") else line
            for line in written.split("\n")
        )
    )
    noticed = run_to_end(
        ["python", "-c", "from stardraftd.cli.checks.service import service; print(service(None))"],
        env=home,
        text=True,
        idle_s=60,
        check=True,
    ).stdout
    assert "/gone/stardraft" in noticed
    assert "stardraft setup service" in noticed
    mended = stardraft(home, "setup", "service", "--yes")
    assert mended.returncode == 0, mended.stderr
    assert file.read_text() == written
    assert said(systemctl)[2:] == [
        "stop stardraft.socket stardraft.service",
        "daemon-reload",
        "enable --now stardraft.socket",
    ]


def test_without_a_user_manager_the_files_are_written_and_the_rest_is_said(
    home: dict[str, str], systemctl: Path
) -> None:
    Path(f"{systemctl}.broken").touch()
    done = stardraft(home, "setup", "service", "--yes")
    assert done.returncode == 0, done.stderr
    assert "No medium found" in done.stderr
    assert "systemctl --user enable --now stardraft.socket" in done.stderr
    assert len(units(home)) == 2
    assert said(systemctl) == []
    assert stardraft(home, "setup", "service", "--undo", "--yes").returncode == 0
    assert units(home) == {}


def test_where_nobody_can_be_asked_nothing_is_changed(home: dict[str, str], systemctl: Path) -> None:
    result = stardraft(home, "setup", "service")
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert units(home) == {}


def test_a_setting_of_this_shell_that_the_service_does_not_have_is_named(
    home: dict[str, str], systemctl: Path
) -> None:
    home["STARDRAFT_COMPLETION_MAX_TOKENS"] = "7"
    assert "STARDRAFT_COMPLETION_MAX_TOKENS" in stardraft(home, "setup", "service", "--yes").stderr
