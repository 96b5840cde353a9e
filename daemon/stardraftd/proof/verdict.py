"""Whether this build of llama.cpp computes what it should on this processor: proved once, then remembered.

    python -m stardraftd.proof.verdict [--again] [--json]

prints one line of what was found and ends with 0 or 1; whoever installs a build calls it. The proof is
`stardraftd.engine.selftest`, in a process of its own that may die of what it looks for. Verdicts are kept in
the state folder by build and processor (build_identity.py), so that a virtual environment or a home folder
that is carried to another computer is proved there anew. A store that cannot be read or written means no
verdict, never an error. Nothing here imports llama.cpp.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

import filelock
import msgspec
from msgspec import Struct

from stardraftd import __version__
from stardraftd.builds.child import STDERR_LINES, MemoryKills, ending, native_environment
from stardraftd.builds.library import rebuild_hint
from stardraftd.console.prose import counted
from stardraftd.engine.selftest_report import AT_WORK, Check, Report
from stardraftd.errors import EngineBrokenError, EngineMissingError, StardraftError, error_from_code
from stardraftd.files import atomic
from stardraftd.interruption import begin
from stardraftd.paths import engine_cache_dir
from stardraftd.proof.identity import build_id, processor_id

__all__ = ["Verdict", "build_id", "processor_id", "prove", "recall"]

AGAIN = "Try again: stardraft doctor"
VERDICTS_FILE = "verdicts.json"
MAX_VERDICTS = 32
# A build that failed is tried again after so long: a driver may have come, or a kernel been updated.
FAILED_FOR_S = 600.0
# A self-test hangs when one of its checks takes longer than this, or than so many times as long as its
# process took to start, which tells how slow this computer is now. The longest check is some 0.2 s on an idle
# one.
CHECK_TIMEOUT_S = 30.0
STARTS_A_CHECK_MAY_TAKE = 60.0
START_TIMEOUT_S = 120.0
# Several that want to prove the same build wait for the first one, at most so long.
LOCK_TIMEOUT_S = 300.0


class Verdict(Struct, frozen=True, kw_only=True):
    """What a proof of `build` on `processor` came to.

    failure, hint: what happened, where, and the command that helps; "" when it is `ok`.
    on_gpu_only:   the CPU computes what it should; what failed is the GPU.
    undecided:     somebody ended the self-test, or memory ran out: that says nothing of the build.
    code:          of stardraftd.errors, where the library could not even be opened; "" else.
    at:            when it was found, in seconds since 1970. ms: how long that took.
    by:            the version of stardraft, whose self-test it was.
    """

    ok: bool
    build: str
    processor: str
    failure: str = ""
    hint: str = ""
    on_gpu_only: bool = False
    undecided: bool = False
    code: str = ""
    checks: tuple[Check, ...] = ()
    llama_cpp_version: str = ""
    system_info: str = ""
    at: float = 0.0
    ms: float = 0.0
    by: str = ""

    def error(self, gpu_layers: int = -1) -> StardraftError | None:
        """Why no model is to be loaded with this build, with so many layers on a GPU; None when it may be."""
        if self.ok or self.undecided or (self.on_gpu_only and gpu_layers == 0):
            return None
        return self.unloadable or EngineBrokenError(self.failure, self.hint)

    @property
    def unloadable(self) -> StardraftError | None:
        """Why llama.cpp could not even be loaded; None when it could."""
        return error_from_code(self.code, self.failure, self.hint) if self.code else None


def recall() -> Verdict | None:
    """The remembered verdict of this build on this processor; None when there is none that counts.

    Raises EngineMissingError.
    """
    build, processor = build_id(), processor_id()
    found = next((one for one in _read() if (one.build, one.processor) == (build, processor)), None)
    if found is None or (not found.ok and not 0 <= time.time() - found.at < FAILED_FOR_S):
        return None
    return found


def engine_build() -> str:
    """Names the build of llama.cpp of this installation; "" where there is none."""
    try:
        return build_id()
    except EngineMissingError:
        return ""


def engine_works() -> bool | None:
    """Whether this installation's engine is known to run on this computer; None while nobody has tried."""
    try:
        found = recall()
    except EngineMissingError:
        return False
    return None if found is None or found.undecided else found.ok or found.on_gpu_only


def prove(*, again: bool = False, check_timeout_s: float = CHECK_TIMEOUT_S) -> Verdict:
    """The verdict of this build on this processor: the remembered one, or, with `again`, always a new one.

    One proof runs at a time; whoever waited for it takes its verdict. Raises EngineMissingError when there is
    no build.
    """
    if not again and (known := recall()) is not None:
        return known
    asked = time.time()
    with _one_at_a_time():
        known = recall()
        if known is not None and (not again or known.at >= asked):
            return known
        verdict = _try(check_timeout_s)
        if not verdict.undecided and not verdict.code:
            _keep(verdict)
        return verdict


def _try(check_timeout_s: float) -> Verdict:
    """Runs the self-test, and says what came of it."""
    build, processor = build_id(), processor_id()
    started = time.monotonic()
    kills = MemoryKills()
    with _Running(check_timeout_s) as running:
        running.wait()
    found = Verdict(
        ok=False,
        build=build,
        processor=processor,
        at=time.time(),
        ms=round((time.monotonic() - started) * 1000, 1),
        by=__version__,
        hint=rebuild_hint(),
    )
    where = running.at_work or "it was started"
    on_gpu_only = running.at_work != "" and not running.at_work.startswith(("CPU:", "opening", "starting"))
    if running.hung_s:
        return msgspec.structs.replace(
            found,
            failure="llama.cpp hangs on this computer: "
            f"its self-test did not get on for {running.hung_s:.0f} s ({where}).",
            on_gpu_only=on_gpu_only,
        )
    try:
        report = msgspec.json.decode(running.stdout, type=Report)
    except msgspec.MsgspecError:
        died = ending(running.status, running.stderr, running.pid, kills, AGAIN)
        told = died.sentence("llama.cpp does not run on this computer: its self-test", f"({where})")
        if died.from_outside:
            told = died.sentence("llama.cpp's self-test came to no verdict: it", f"({where})")
            found = msgspec.structs.replace(found, hint=died.hint, undecided=True)
        return msgspec.structs.replace(found, failure=told, on_gpu_only=on_gpu_only)
    return _judge(found, report)


def _judge(found: Verdict, report: Report) -> Verdict:
    found = msgspec.structs.replace(
        found,
        checks=report.checks,
        llama_cpp_version=report.llama_cpp_version,
        system_info=report.system_info,
    )
    if report.error:
        return msgspec.structs.replace(found, failure=report.message, hint=report.hint, code=report.error)
    wrong = [check for check in report.checks if not check.ok]
    if not wrong:
        return msgspec.structs.replace(found, ok=report.ok, hint="")
    others = (
        f" {len(wrong) - 1} more of {counted(len(report.checks), 'check')} failed." if len(wrong) > 1 else ""
    )
    first = f"{wrong[0].device}: {wrong[0].name}: {wrong[0].detail}"
    return msgspec.structs.replace(
        found,
        failure=f"llama.cpp computes wrong results on this computer ({first}).{others}",
        on_gpu_only=all(check.device != "CPU" for check in wrong),
    )


@dataclass
class _Running:
    """The self-test's process: what it is at, what it says, and whether it gets on."""

    check_timeout_s: float
    at_work: str = ""
    stdout: bytes = b""
    stderr: list[str] = field(default_factory=list)
    status: int = 0
    pid: int = 0
    hung_s: float = 0.0

    def __enter__(self) -> "_Running":
        self._started = time.monotonic()
        self._process = begin(
            [sys.executable, "-P", "-m", "stardraftd.engine.selftest", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=native_environment(os.environ),
        )
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> None:
        """Until it has ended, or has not got on for too long."""
        said: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        streams = [("out", self._process.stdout), ("err", self._process.stderr)]
        for name, stream in streams:
            threading.Thread(target=_forward, args=(name, stream, said), daemon=True).start()
        patience_s, started_s, n_open = START_TIMEOUT_S, 0.0, len(streams)
        deadline = self._started + patience_s
        while n_open:
            try:
                one = said.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                self.hung_s = patience_s
                return
            if one is None:
                n_open -= 1
            elif one[0] == "out":
                self.stdout += one[1]
            elif self._hear(one[1].decode("utf-8", "replace").rstrip()):
                now = time.monotonic()
                started_s = started_s or now - self._started
                patience_s = max(self.check_timeout_s, STARTS_A_CHECK_MAY_TAKE * started_s)
                deadline = now + patience_s
        self.status = self._process.wait()

    def _hear(self, line: str) -> bool:
        """Whether it got on by this line."""
        if line.startswith(AT_WORK):
            self.at_work = line.removeprefix(AT_WORK)
            return True
        self.stderr = [*self.stderr, line][-STDERR_LINES:]
        return False


def _forward(name: str, stream: IO[bytes] | None, said: "queue.Queue[tuple[str, bytes] | None]") -> None:
    assert stream is not None
    with stream:
        for line in stream:
            said.put((name, line))
    said.put(None)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Holds the lock of proofs; where there can be none, or for too long another has it, without it."""
    lock = filelock.FileLock(engine_cache_dir() / f"{VERDICTS_FILE}.lock", timeout=LOCK_TIMEOUT_S)
    held = False
    with contextlib.suppress(OSError, filelock.Timeout):
        engine_cache_dir().mkdir(parents=True, exist_ok=True)
        lock.acquire()
        held = True
    try:
        yield
    finally:
        if held:
            lock.release()


def _read() -> list[Verdict]:
    """The newest first."""
    try:
        content = atomic.read(engine_cache_dir() / VERDICTS_FILE, own=True)
        kept = msgspec.json.decode(content, type=list[Verdict])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [one for one in kept if one.by == __version__]


def _keep(verdict: Verdict) -> None:
    key = (verdict.build, verdict.processor)
    others = [one for one in _read() if (one.build, one.processor) != key]
    with contextlib.suppress(OSError):  # a read-only state folder: it is proved again another time
        atomic.write_whole(
            engine_cache_dir() / VERDICTS_FILE, msgspec.json.encode([verdict, *others][:MAX_VERDICTS])
        )


def _line(verdict: Verdict) -> str:
    if verdict.ok:
        return (
            f"llama.cpp ({verdict.llama_cpp_version}) computes what it should on this computer: "
            f"{counted(len(verdict.checks), 'check')} in {verdict.ms / 1000:.1f} s"
        )
    return f"{verdict.failure} {verdict.hint}".replace("\n", " ")


def main(arguments: list[str]) -> int:
    try:
        verdict = prove(again="--again" in arguments)
    except StardraftError as error:
        verdict = Verdict(
            ok=False, build="", processor="", failure=error.message, hint=error.hint, code=error.code
        )
    said = msgspec.json.encode(verdict).decode() if "--json" in arguments else _line(verdict)
    print(said)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
