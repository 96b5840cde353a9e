"""What runs inside the sandbox's two processes; `sandbox.py` starts them with `python -I -S -c <this file>`.

    python ... candidate LIMITS   has the model's program. Runs the entry point when asked, answers with data.
    python ... test LIMITS        has the set's own solution and test. Calls the candidate, gives the verdict.
    python ... probe LIMITS       says which guards hold here.

The model's code and the judgement are never in one process, so there is no token in reach of the model's
code, no assertion that it could skip, no `sys.exit(0)` that means anything: the only way to pass is to return
the right values. They cross as JSON of plain data; an object that claims to equal everything stays outside.

Only the standard library is imported here, and nothing of this project: it is not on the path.
"""

import builtins
import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Any

MAX_FRAME_BYTES = 1 << 20
PLAIN: dict[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}

# linux/prctl.h, linux/capability.h, linux/landlock.h; system calls above 423 have one number everywhere.
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 4, 8, 38
CAPABILITY_VERSION_3, CAP_DAC_READ_SEARCH = 0x20080522, 2
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
NOBODY = 65534


# --- guards --------------------------------------------------------------------------------------


def close_doors(limits: dict[str, Any]) -> list[str]:
    """Limits and walls, as many as this system has; answers with the names of those that hold."""
    import resource

    held = []
    megabyte = 1 << 20
    wanted = {
        "RLIMIT_CPU": limits["cpu_s"],
        "RLIMIT_AS": limits["memory_mb"] * megabyte,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": 64,
    }
    for name, value in wanted.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
            held.append({"RLIMIT_CPU": "time", "RLIMIT_AS": "memory"}.get(name, name))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        if limits["unprivileged"] or _become_nobody(libc):
            held.append("processes")
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        held += _landlock(libc)
    elif os.getuid() != 0:
        held.append("processes")
    with contextlib.suppress(AttributeError, ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # not even one more, threads included
    return held


def _become_nobody(libc: ctypes.CDLL) -> bool:
    """Root is above the limit of processes: it becomes nobody, who may still read what Python imports."""
    if os.getuid() != 0:
        return True
    try:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    kept = 1 << CAP_DAC_READ_SEARCH
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(kept, kept, 0, 0, 0, 0)
    libc.capset(header, data)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    return True


def _landlock(libc: ctypes.CDLL) -> list[str]:
    """No file is written, made, removed or executed, no TCP, no signal to the outside (Linux >= 5.13)."""
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return []
    files = 1 | 1 << 1 | sum(1 << bit for bit in range(4, 13))
    files |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    net = 3 if version >= 4 else 0
    scoped = 3 if version >= 6 else 0
    fields = [files] + ([net] if version >= 4 else []) + ([scoped] if version >= 6 else [])
    rules = (ctypes.c_uint64 * len(fields))(*fields)
    fd = libc.syscall(LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if fd < 0:
        return []
    held = libc.syscall(LANDLOCK_RESTRICT_SELF, fd, 0) == 0
    os.close(fd)
    return (["files"] + (["tcp"] if net else [])) if held else []


# --- frames and values ---------------------------------------------------------------------------


class Pipe:
    """Frames: four bytes of length, big-endian, then JSON."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing

    def send(self, message: object) -> None:
        body = json.dumps(message).encode()
        if len(body) > MAX_FRAME_BYTES:
            raise ValueError("returned more than 1 MiB")
        data = len(body).to_bytes(4, "big") + body
        while data:
            data = data[os.write(self._writing, data) :]

    def receive(self) -> Any:
        size = int.from_bytes(self._exactly(4), "big")
        if size > MAX_FRAME_BYTES:
            raise ValueError("answered with more than 1 MiB")
        return json.loads(self._exactly(size))

    def _exactly(self, n: int) -> bytes:
        parts = bytearray()
        while len(parts) < n:
            part = os.read(self._reading, n - len(parts))
            if not part:
                raise EOFError("the program ended itself")
            parts += part
        return bytes(parts)


def pack(value: Any) -> Any:
    """Plain data as JSON; TypeError for anything else."""
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind in (int, float):
        return {kind.__name__: repr(value) if kind is float else hex(value)}
    if kind is complex:
        return {"complex": [repr(value.real), repr(value.imag)]}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind.__name__ in PLAIN and PLAIN[kind.__name__] is kind:
        return {kind.__name__: [pack(one) for one in value]}
    if kind is dict:
        return {"dict": [[pack(key), pack(one)] for key, one in value.items()]}
    raise TypeError(f"returned a {kind.__name__}, which is no plain data")


def unpack(packed: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if not isinstance(packed, dict):
        return packed
    ((kind, value),) = packed.items()
    if kind == "int":
        return int(value, 16)
    if kind == "float":
        return float(value)
    if kind == "complex":
        return complex(float(value[0]), float(value[1]))
    if kind == "bytes":
        return bytes.fromhex(value)
    if kind == "dict":
        return {unpack(key): unpack(one) for key, one in value}
    return PLAIN[kind](unpack(one) for one in value)


def own_pipe(*numbers: int) -> list[int]:
    """Moves descriptors away from 0 to 2, which go to nowhere: what a program prints is nobody's."""
    moved = [os.dup(number) for number in numbers]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return moved


# --- the three roles -----------------------------------------------------------------------------


def candidate(limits: dict[str, Any]) -> None:
    pipe = Pipe(*own_pipe(0, 1))
    close_doors(limits)
    first = pipe.receive()
    names: dict[str, Any] = {"__name__": "candidate"}

    def answer(work: Callable[[], Any]) -> None:
        try:
            value = {"value": pack(work())}
        except BaseException as error:  # noqa: BLE001 - the model's code: whatever it raises is its answer
            value = {"raised": type(error).__name__}
        try:
            pipe.send(value)
        except ValueError:
            pipe.send({"raised": "ValueError"})

    def define() -> None:
        exec(compile(first["program"], "program", "exec"), names)  # noqa: S102 - this is what it is for

    answer(define)
    while True:
        call = pipe.receive()
        arguments, named = unpack(call["arguments"]), unpack(call["named"])
        answer(lambda: names[first["entry_point"]](*arguments, **named))  # noqa: B023 - called at once


def test(limits: dict[str, Any]) -> None:
    stdin, stdout, to_candidate, from_candidate = own_pipe(0, 1, limits["to_fd"], limits["from_fd"])
    close_doors(limits)
    parent, other = Pipe(stdin, stdout), Pipe(from_candidate, to_candidate)
    given = parent.receive()

    def exchange(message: dict[str, Any]) -> Any:
        other.send(message)
        answered = other.receive()
        if "raised" in answered:
            kind = getattr(builtins, str(answered["raised"]), None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                raise kind
            raise RuntimeError(str(answered["raised"]))
        return unpack(answered["value"])

    def proxy(*arguments: Any, **named: Any) -> Any:
        return exchange({"arguments": pack(arguments), "named": pack(named)})

    names: dict[str, Any] = {"__name__": "test"}
    try:
        exec(compile(given["solution"], "solution", "exec"), names)  # noqa: S102
        exec(compile(given["test"], "test", "exec"), names)  # noqa: S102
    except BaseException as error:  # noqa: BLE001 - the set's own code: it says that it is broken
        parent.send({"verdict": "broken", "reason": f"{type(error).__name__}: {error}"[:500]})
        return
    try:
        exchange({"program": given["program"], "entry_point": given["entry_point"]})
        names["check"](proxy)
    except (BrokenPipeError, EOFError):
        verdict = {"verdict": "failed", "reason": "the program ended itself"}
    except BaseException as error:  # noqa: BLE001 - a failed test, or nonsense on the pipe
        said = str(error) if error.args else ""
        verdict = {"verdict": "failed", "reason": f"{type(error).__name__}: {said}".rstrip(": ")[:500]}
    else:
        verdict = {"verdict": "passed", "token": given["token"]}
    parent.send(verdict)


def probe(limits: dict[str, Any]) -> None:
    stdin, stdout = os.dup(0), os.dup(1)
    held = close_doors(limits)
    import random  # noqa: F401 - whether the library can still be read

    Pipe(stdin, stdout).send(held)


if __name__ == "__main__":
    {"candidate": candidate, "test": test, "probe": probe}[sys.argv[1]](json.loads(sys.argv[2]))
