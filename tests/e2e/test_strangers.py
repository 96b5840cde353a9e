"""Other users of the computer, and odd files in the daemon's places, shut its user out of nothing."""

import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.client import DaemonClient
from stardraftd.transport.endpoint import LOOPBACK, find
from tests.support.waiting import seconds

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and pipes of POSIX")


async def test_half_open_connections_beyond_all_descriptors_shut_nobody_out(in_home: dict[str, str]) -> None:
    """The limit of this process is so small that the connections would use it up, were they all kept."""
    start = shlex.join(
        [sys.executable, "-P", "-m", "stardraftd", "daemon", "start", "--set", "daemon.transport=tcp"]
    )
    subprocess.run(["sh", "-c", f"ulimit -n 128; exec {start}"], env=in_home, check=True, capture_output=True)
    endpoint = find()
    assert endpoint is not None
    strangers = []
    try:
        for _ in range(300):
            stranger = socket.create_connection((LOOPBACK, endpoint.port))
            stranger.sendall(b"POST /v1/stop HTTP/1.1\r\n")
            strangers.append(stranger)
        async with DaemonClient("test", start=False) as client:
            assert (await client.status()).endpoint == str(endpoint)
    finally:
        for stranger in strangers:
            stranger.close()
    log = Path(in_home["STARDRAFT_STATE_DIR"]) / "logs" / "daemon.log"
    assert log.stat().st_size < 100_000


async def test_a_daemon_is_stopped_whatever_stands_in_its_configurations_place(
    in_home: dict[str, str],
) -> None:
    async with DaemonClient("test") as client:
        pid = (await client.hello()).pid
    os.mkfifo(in_home["STARDRAFT_CONFIG"])
    stop = [sys.executable, "-P", "-m", "stardraftd", "daemon", "stop"]
    result = subprocess.run(
        stop, env=in_home, check=False, capture_output=True, text=True, timeout=seconds(20)
    )
    assert (result.returncode, result.stdout) == (0, f"The daemon has stopped (pid {pid}).\n")
