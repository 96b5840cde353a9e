"""Runs a model's program against a set's test, walled off as well as this system can.

Two fresh interpreters with nothing in their environment, in a new empty folder: one has the model's program,
the other the set's test, and only values go between them (`sandbox_inside` says why). Limits on time, memory,
files and processes come from the system; on Linux Landlock closes the file system for writing, and namespaces
take the network and the sight of other processes away, where the system allows that. What could not be had
is in `Sandbox.missing`, to be shown. No wall keeps a program from reading files.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from stardraft_quant.evaluate.tasks import Verdict
from stardraft_quant.interruption import begin
from stardraftd.errors import RequestError

MEMORY_MB = 512
PROBE_S = 10.0
MAX_VERDICT_BYTES = 4096
GUARDS = {
    "network": "the network is cut off",
    "others": "other processes are out of sight",
    "files": "no file can be written, removed or executed",
    "processes": "no process can be started",
    "memory": f"{MEMORY_MB} MiB of memory",
}


class Sandbox:
    """A place to run programs in. Making one tries out which walls this system has (a second at most).

    timeout_s: wall-clock time of one program and its test together.
    """

    def __init__(self, timeout_s: float = 10.0) -> None:
        if os.name != "posix":
            raise RequestError(
                "Programs can be run on Linux and macOS only: this system has no limits for them.",
                "Leave --execute out.",
            )
        self.timeout_s = timeout_s
        self._inside = Path(__file__).with_name("sandbox_inside.py").read_text("utf-8")
        self._wrapper: tuple[str, ...] = ()
        self.guards: frozenset[str] = frozenset()
        for wrapper, guards in _wrappers():
            found = self._probe(wrapper)
            if found is not None:
                self._wrapper, self.guards = wrapper, guards | found
                return
        raise RequestError("No Python can be started in the sandbox here.", "Leave --execute out.")

    @property
    def walls(self) -> list[str]:
        """What holds, in words."""
        return [words for guard, words in GUARDS.items() if guard in self.guards]

    @property
    def missing(self) -> list[str]:
        """What does not, in words."""
        return [words for guard, words in GUARDS.items() if guard not in self.guards]

    def run(self, program: str, *, solution: str, test: str, entry_point: str) -> Verdict:
        """Whether `check(entry_point)` of `test` passes for `program`.

        solution: the set's own program: the test finds the names in it that are not the entry point.
        Raises RequestError when that program or its test cannot even be defined.
        """
        token = secrets.token_hex(16)
        given = {
            "program": program,
            "solution": solution,
            "test": test,
            "entry_point": entry_point,
            "token": token,
        }
        with tempfile.TemporaryDirectory(prefix="stardraft-eval-") as folder:
            data = self._judge(Path(folder), given)
        if data is None:
            return Verdict(False, f"took longer than {self.timeout_s:g} s")
        answer = _answer(data)
        if answer.get("verdict") == "broken":
            raise RequestError(
                f"The test of {entry_point} in this set is broken: {answer.get('reason')}.",
                "Leave --execute out, or fix the file.",
            )
        if answer.get("verdict") == "passed" and secrets.compare_digest(str(answer.get("token")), token):
            return Verdict(True)
        return Verdict(False, str(answer.get("reason", "no verdict: a limit was reached")))

    def _judge(self, folder: Path, given: dict[str, str]) -> bytes | None:
        """The verdict's frame; None when time ran out."""
        question_out, question_in = os.pipe()
        answer_out, answer_in = os.pipe()
        pipes = [question_out, question_in, answer_out, answer_in]
        try:
            limits = {"to_fd": question_in, "from_fd": answer_out}
            with (
                self._process("candidate", folder, {}, stdin=question_out, stdout=answer_in),
                self._process("test", folder, limits, keep=(question_in, answer_out)) as judge,
            ):
                while pipes:  # or neither side would see the other end
                    os.close(pipes.pop())
                body = json.dumps(given).encode()
                try:
                    out, _ = judge.communicate(len(body).to_bytes(4, "big") + body, self.timeout_s)
                except subprocess.TimeoutExpired:
                    return None
                return bytes(out[:MAX_VERDICT_BYTES])
        finally:
            for number in pipes:
                os.close(number)

    @contextlib.contextmanager
    def _process(
        self,
        role: str,
        folder: Path,
        limits: dict[str, int],
        *,
        wrapper: Sequence[str] | None = None,
        stdin: int = subprocess.PIPE,
        stdout: int = subprocess.PIPE,
        keep: tuple[int, ...] = (),
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the sandbox, with its whole group gone at the end."""
        all_limits = {
            "cpu_s": int(self.timeout_s) + 1,
            "memory_mb": MEMORY_MB,
            "unprivileged": os.getuid() != 0,
            **limits,
        }
        command = [*(self._wrapper if wrapper is None else wrapper), sys.executable, "-I", "-S", "-c"]
        process = begin(
            [*command, self._inside, role, json.dumps(all_limits)],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            pass_fds=keep,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            process.wait()

    def _probe(self, wrapper: Sequence[str]) -> frozenset[str] | None:
        """The guards that hold behind `wrapper`; None if nothing starts there."""
        with (
            tempfile.TemporaryDirectory(prefix="stardraft-eval-") as folder,
            self._process("probe", Path(folder), {}, wrapper=wrapper) as process,
        ):
            try:
                out, _ = process.communicate(b"", PROBE_S)
            except subprocess.TimeoutExpired:
                return None
        try:
            return frozenset(str(guard) for guard in json.loads(out[4:]))
        except ValueError:
            return None


def _wrappers() -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """What walls off a process, the strongest first, and the guards that it brings."""
    found: list[tuple[tuple[str, ...], frozenset[str]]] = []
    unshare = shutil.which("unshare") if sys.platform == "linux" else None
    if unshare is not None:
        user = () if os.getuid() == 0 else ("--map-root-user",)
        network = (unshare, *user, "--net")
        own = (*network, "--pid", "--fork", "--kill-child", "--mount-proc")
        found = [(own, frozenset({"network", "others"})), (network, frozenset({"network"}))]
    return [*found, ((), frozenset())]


def _answer(data: bytes) -> dict[str, object]:
    try:
        answer = json.loads(data[4:])
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
