"""HTTP to a real daemon with the built-in model: damaged requests, wrong fields, connections cut short.

Whatever comes, the daemon answers what is complete, never with 5xx, and stays the same process with the same
engine: a good request is served in between.
"""

import json
import socket
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from stardraftd.protocol.http import Status, status_decoder
from tests.fuzz import Deadline, Report
from tests.fuzz._values import completion, damaged, value
from tests.support.home import isolated_home
from tests.support.waiting import seconds

CASES = 250
QUOTE = b'"'
CHECKED_EVERY = 50
ANSWER_S = 60.0
ROUTES = ("complete", "complete", "complete", "warm", "load", "events", "status", "hello", "nowhere")
HEADERS = (
    "Content-Length: 99999999999", "Content-Length: -1", "Content-Length: 0x10", "content-length: 3",
    "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Host:", "Host: a\r\nHost: b",
    "X: " + "y" * 70_000, "Expect: 100-continue", "Upgrade: websocket\r\nConnection: upgrade", "Origin: http://x",
    "Connection: keep-alive",
    ": no name", "no colon", "X: \xff\xfe", "Content-Encoding: gzip", "Content-Type: text/html",
)  # fmt: skip


def run(random: Random, deadline: Deadline) -> Report:
    """One daemon for all cases; see the module."""
    report = Report()
    with isolated_home() as home:
        start = [sys.executable, "-m", "stardraftd", "daemon", "start"]
        subprocess.run(start, env=home, check=True, capture_output=True, timeout=seconds(120))
        path = Path(home["STARDRAFT_RUNTIME_DIR"]) / "stardraft-1.sock"
        before = _good(path, report, None)
        for case in deadline.cases():
            report.n_cases = case + 1
            data, is_whole = _case(random)
            try:
                outcome = _exchange(random, path, data, is_whole)
            except OSError as error:
                outcome = f"no answer: {error}" if is_whole else "closed"
            report.outcomes[outcome[:40]] += 1
            if outcome.startswith(("5", "no answer")):
                report.faults.append(f"{outcome} at case {case}: {data[:300]!r}")
            if case % CHECKED_EVERY == CHECKED_EVERY - 1:
                _good(path, report, before)
        _good(path, report, before)
    return report


def _case(random: Random) -> tuple[bytes, bool]:
    """What is written to the socket, and whether it is a request that must be answered."""
    route = random.choice(ROUTES)
    is_post = route in ("complete", "warm", "load")
    body = _body(random) if is_post else b""
    method = (
        ("POST" if is_post else "GET") if random.random() < 0.95 else random.choice(("PUT", "BREW", "get"))
    )
    head = f"{method} /v1/{route} HTTP/1.1\r\nHost: stardraft\r\nConnection: close\r\n"
    match random.randrange(10):
        case 0:
            odd = head + random.choice(HEADERS) + f"\r\nContent-Length: {len(body)}\r\n\r\n"
            return odd.encode("latin-1") + body, False
        case 1:
            whole = (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
            return damaged(random, whole), False
        case 2:
            whole = (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
            return whole[: random.randrange(len(whole))], False
        case _:
            return (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body, True


def _body(random: Random) -> bytes:
    fields: Any = completion(random, f"{random.randrange(5)}.py")
    if random.random() < 0.1:
        fields = value(random)
    body = json.dumps(fields, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    if random.random() < 0.05:  # deeper than any recursion
        body = body.replace(b'""', b"[" * 100_000, 1)
    return damaged(random, body) if random.random() < 0.2 else body


def _exchange(random: Random, path: Path, data: bytes, is_whole: bool) -> str:
    """The status and the first event's name. A stream is not always read to its end: that is a cancel."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S if is_whole else 0.2)
        connection.connect(str(path))
        connection.sendall(data)
        if not is_whole and random.random() < 0.5:
            return "cut"
        answer = b""
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
        head, _, rest = answer.partition(b"\r\n\r\n")
        if not head:
            return "closed"
        status = head.split(b" ", 2)[1].decode("ascii", "replace")
        if b"ndjson" in head and random.random() < 0.5:
            while b"\n{" not in rest and (part := connection.recv(65536)):
                rest += part
        _, is_event, name = rest.partition(b'"event":"')
        return f"{status} {name.partition(QUOTE)[0].decode()}" if is_event else status


def _good(path: Path, report: Report, before: Status | None) -> Status:
    """A good request is served, by the same processes as `before`."""
    body = json.dumps({"document": "good", "prefix": "def add(a, b):\n    return ", "max_tokens": 4}).encode()
    try:
        head = "POST /v1/complete HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        answer = _whole(path, head.encode() + body)
        if b'"event":"done"' not in answer:
            report.faults.append(
                f"a good request was answered {answer[-300:]!r}, after case {report.n_cases}"
            )
        answer = _whole(path, b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        now = status_decoder.decode(answer.partition(b"\r\n\r\n")[2])
    except (OSError, msgspec.DecodeError) as error:
        report.faults.append(f"the daemon does not answer after case {report.n_cases}: {error}")
        raise
    if before is not None and (now.pid, now.engine_pid) != (before.pid, before.engine_pid):
        report.faults.append(f"daemon or engine is another one after case {report.n_cases}")
    return now


def _whole(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds(ANSWER_S))
        connection.connect(str(path))
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer
