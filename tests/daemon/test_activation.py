"""What a service manager hands over: read as systemd and launchd write it, and kept from children."""

import ctypes
import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stardraftd.errors import DaemonStartError
from stardraftd.transport.activation import Notifier, from_launchd, from_systemd
from stardraftd.transport.endpoint import has_a_manager, is_served, take_over
from tests.support.processes import run_to_end
from tests.support.waiting import seconds

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such manager")

# launch_activate_socket(3) as launchd answers it, without launchd: by the name that is asked for.
LAUNCHD = """
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
int launch_activate_socket(const char *name, int **fds, size_t *count) {
    if (strcmp(name, "not a job") == 0) return ESRCH;
    if (strcmp(name, "no such socket") == 0) return ENOENT;
    if (strcmp(name, "taken") == 0) return EALREADY;
    *count = 2;
    *fds = malloc(2 * sizeof(int));
    (*fds)[0] = 11;
    (*fds)[1] = 12;
    return 0;
}
"""


@pytest.fixture
def runtime(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder of this process, with the mode that it must have."""
    folder = Path(home["STARDRAFT_RUNTIME_DIR"])
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def listening(runtime: Path) -> Iterator[socket.socket]:
    """A manager's socket at the daemon's place, open to others as systemd-socket-activate makes it."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(runtime / "stardraft-1.sock"))
        (runtime / "stardraft-1.sock").chmod(0o666)
        made.listen()
        yield made


def test_systemds_sockets_begin_at_three_and_its_variables_are_taken_out() -> None:
    environment = {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": "2",
        "LISTEN_FDNAMES": "a:b",
        "LISTEN_PIDFDID": "7",
        "PATH": "/bin",
    }
    assert from_systemd(environment) == [3, 4]
    assert environment == {"PATH": "/bin"}


def test_another_processs_sockets_are_not_taken() -> None:
    environment = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert from_systemd(environment) == []
    assert environment == {}
    assert from_systemd({"LISTEN_FDS": "1"}) == []


@pytest.mark.parametrize("count", ["", "-1", "many", "999999"])
def test_a_wrong_number_of_sockets_is_an_error(count: str) -> None:
    with pytest.raises(DaemonStartError, match="LISTEN_FDS"):
        from_systemd({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": count})


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_launchds_sockets_are_fetched_by_name(tmp_path: Path) -> None:
    (tmp_path / "launchd.c").write_text(LAUNCHD)
    built = tmp_path / "liblaunchd.so"
    run_to_end(["cc", "-shared", "-fPIC", "-o", built, tmp_path / "launchd.c"], check=True, idle_s=60)
    library = ctypes.CDLL(str(built))
    assert from_launchd(library) == [11, 12]
    assert from_launchd(library, "not a job") == []
    assert from_launchd(library, "no such socket") == []
    with pytest.raises(DaemonStartError, match="taken"):
        from_launchd(library, "taken")


@pytest.mark.parametrize("address", ["notify", "@stardraft-test"])
def test_the_manager_is_told_and_no_child_can(address: str, tmp_path: Path) -> None:
    if address.startswith("@"):
        if sys.platform != "linux":
            pytest.skip("abstract sockets are Linux's")
        address += str(os.getpid())
    else:
        address = str(tmp_path / address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if address.startswith("@") else address)
        manager.settimeout(seconds(10))
        environment = {"NOTIFY_SOCKET": address}
        notifier = Notifier(environment)
        assert environment == {}
        notifier.ready("serving")
        assert manager.recv(1024) == b"READY=1\nSTATUS=serving"
        notifier.stopping()
        assert manager.recv(1024).startswith(b"STOPPING=1")


def test_a_manager_that_is_gone_or_was_never_there_is_no_error(tmp_path: Path) -> None:
    Notifier({}).ready("serving")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("serving")


def test_the_managers_socket_is_taken_over_closed_to_others_and_left_in_its_place(
    listening: socket.socket, runtime: Path
) -> None:
    path = runtime / "stardraft-1.sock"
    taken = take_over(listening)
    assert str(taken.endpoint) == str(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert taken.in_place
    taken.withdraw()
    assert path.exists()
    assert not taken.in_place


def test_a_socket_that_front_ends_do_not_look_for_is_refused(runtime: Path) -> None:
    with socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind(str(runtime / "other.sock"))
        elsewhere.listen()
        with pytest.raises(DaemonStartError, match=r"other\.sock.*stardraft-1\.sock"):
            take_over(elsewhere)
    with socket.socket(socket.AF_INET) as network:
        network.bind(("127.0.0.1", 0))
        with pytest.raises(DaemonStartError, match="AF_INET"):
            take_over(network)


def test_whether_a_daemon_serves_is_known_without_knocking(listening: socket.socket, runtime: Path) -> None:
    import filelock

    assert not is_served()
    with filelock.FileLock(runtime / "stardraft-1.lock"):
        assert is_served()
    assert not is_served()
    listening.setblocking(False)
    with pytest.raises(BlockingIOError):
        listening.accept()
    assert has_a_manager(), "this one does knock: to bind there would take a manager's place"
