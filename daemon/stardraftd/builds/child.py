"""A child process with llama.cpp in it: the environment that it gets, and what its end means.

Native code does not raise errors, it dies: of an instruction that the processor does not have, of memory that
is short, of a file that changes under it. Each of these has a sentence of its own here that says what
happened, and the command that helps. Why a *library* cannot be loaded at all is told in native_library.py.

Nothing here imports llama.cpp, and nothing but the standard library: every parent of such a process uses it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stardraftd.builds.library import Explained, explain_load_error, rebuild_hint

# What of a child's stderr its parent keeps.
STDERR_LINES = 60
MEMORY_LINES = 12

DOCTOR = "stardraft doctor"
_TELLS_WHICH = (
    f"It is tested with the built-in model, which tells the build's fault from the file's, by: {DOCTOR}"
)
_WHAT_FITS = "What fits into this computer's memory is told by: stardraft model plan"
_UNLIMIT = (
    "Raise the limit in the shell or the service that starts the daemon, then: stardraft daemon restart"
)

# Lines that tell of memory that could not be had, whatever the process did next.
_NO_MEMORY = ("bad_alloc", "failed to allocate", "cannot allocate memory", "out of memory", "memoryerror")
_GPU_WORDS = ("cuda", "hip", "vulkan", "metal", "device memory", "sycl")
# The lines in which native code says why it ends itself; the last of them is quoted, else the last of all.
_TELLING = ("assert", "terminate called", "what():", "error", "fatal", "abort", "symbol lookup")

# A Windows process ends with an NTSTATUS where POSIX has a signal (ntstatus.h).
_NTSTATUS_SIGNALS = {
    0xC0000005: "SIGSEGV",  # access violation
    0xC0000006: "SIGBUS",  # in-page error
    0xC000001D: "SIGILL",
    0xC0000094: "SIGFPE",  # integer division by zero
    0xC00000FD: "SIGSEGV",  # stack overflow
    0xC0000374: "SIGSEGV",  # heap corruption
    0xC0000409: "SIGABRT",  # fail fast: abort() of the C runtime
}
_NTSTATUS_LOADER = {
    0xC0000135: "The specified module could not be found",
    0xC0000139: "The specified procedure could not be found",
    0xC000007B: "%1 is not a valid Win32 application",
}
_WINDOWS_ABORT = 3


def native_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """A child's environment: llama.cpp's threads soon yield the processor while they wait for each other.

    By default OpenMP's threads wait by spinning for long. As soon as anything else wants a core (a build, a
    browser), the thread that has work is the one that waits for its turn: decoding was 4 to 100 times slower
    then (docs/measurements.md). Without any spinning a 3B model loses a quarter of its speed on an idle
    machine, so they spin a little. Without ggml's own backtrace its assertion is the last line it writes, and
    no debugger is started. The user's own settings are kept.
    """
    own = {"GGML_NO_BACKTRACE": "1"}
    if "OMP_WAIT_POLICY" not in inherited:
        own |= {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
    return {**own, **inherited}


@dataclass(frozen=True)
class Ending:
    """How a child ended. `how` continues "The process ..."; `why` is a sentence, "" where that says all.

    from_outside: somebody or something ended it, memory ran out, or Python raised an error: that says nothing
    of the build of llama.cpp.
    """

    how: str
    why: str
    hint: str
    said: str = ""
    from_outside: bool = False

    def sentence(self, subject: str, when: str = "") -> str:
        """All of it: "The engine process was ended by SIGILL (4) while it loaded the model. ..."."""
        parts = [f"{subject} {self.how}{f' {when}' if when else ''}.", self.why]
        if self.said:
            parts.append(f'It last said: "{self.said}".')
        return " ".join(part for part in parts if part)


class MemoryKills:
    """How often the kernel has ended a process because memory ran out, since this was made.

    Make it when the child is started. `root` is where /proc and /sys are.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._before = self._counts()

    def reason(self, pid: int) -> str:
        """Why the kernel ended `pid`, as a sentence; "" when it has no record of having done so."""
        if self._kernel_log_names(pid):
            return "Memory ran out, and the kernel ended it."
        now = self._counts()
        for place, count in now.items():
            if count > self._before.get(place, count):
                where = self._limit_of(place)
                return (
                    f"Memory ran out{where}, and the kernel ended a process for that: most likely this one."
                )
        return ""

    def _counts(self) -> dict[Path, int]:
        """Of each control group of this process, innermost first, then of the whole system."""
        files = [*self._group_files(), self._root / "proc/vmstat"]
        return {file: count for file in files if (count := _field(file, "oom_kill")) is not None}

    def _group_files(self) -> list[Path]:
        groups = []
        for line in _text(self._root / "proc/self/cgroup").splitlines():
            _number, controllers, path = line.split(":", 2)
            if controllers == "":  # cgroup v2
                base, name = self._root / "sys/fs/cgroup", "memory.events"
            elif "memory" in controllers.split(","):
                base, name = self._root / "sys/fs/cgroup/memory", "memory.oom_control"
            else:
                continue
            folder = base / path.lstrip("/")
            inside = [base, *(base / part for part in reversed(Path(path.lstrip("/")).parents) if part.name)]
            groups += [place / name for place in (folder, *reversed(inside))]
        return list(dict.fromkeys(groups))

    def _limit_of(self, place: Path) -> str:
        if place.name == "vmstat":
            return ""
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _text(place.parent / name).strip()
            if limit.isdigit():
                return f" in the control group that it runs in (limit: {int(limit) / 1e9:.1f} GB)"
        return " in the control group that it runs in"

    def _kernel_log_names(self, pid: int) -> bool:
        """Whether the kernel's log tells of this process; it is seldom to be read by everyone."""
        told = f"Killed process {pid} ".encode()
        try:
            log = os.open(self._root / "dev/kmsg", os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError:
            return False
        try:
            for _ in range(10_000):  # a record at each read, until there is none left
                if not (record := os.read(log, 8192)):
                    return False
                if told in record:
                    return True
        except OSError:
            return False  # no more records, or overwritten while they were read
        finally:
            os.close(log)
        return False


def ending(
    status: int, stderr: Sequence[str], pid: int, kills: MemoryKills, again: str = "Type the command again."
) -> Ending:
    """What the end of a child means.

    `status` is as `subprocess` gives it: negative for a signal. `stderr` are its last lines, `kills` was made
    when it was started, and `again` is what to do where nothing is to be mended.
    """
    said = last_words(stderr)
    if (loader := _NTSTATUS_LOADER.get(status & 0xFFFFFFFF)) is not None:
        told = explain_load_error(loader)
        return Ending(f"ended with status {status & 0xFFFFFFFF:#x}", told.why, told.hint, said)
    name = _signal(status)
    if not name:
        return _exited(status, stderr, said, again)
    how = f"was ended by {signal_name(-status) if status < 0 else name}"
    memory = short_of_memory(stderr) if name in ("SIGABRT", "SIGSEGV") else None
    if memory is not None:
        why, hint, from_outside = memory.why, memory.hint, True
    elif name == "SIGKILL":
        why, hint = _killed(kills.reason(pid), again)
        from_outside = True
    elif name in _FROM_OUTSIDE:
        why, hint, from_outside = "Somebody, or the system, asked it to end.", again, True
    else:
        why, hint = _SIGNALS.get(name, ("", _TELLS_WHICH))
        from_outside = name in _LIMITS
    return Ending(how, why, hint or rebuild_hint(), said, from_outside)


# Why, and what helps; "" is another build.
_SIGNALS = {
    "SIGILL": (
        "This build of llama.cpp uses an instruction that this processor, or its system, does not have.",
        "",
    ),
    "SIGSEGV": (
        (
            "Native code touched memory that is not its own: a fault of this build, of a GPU's driver, or a "
            "damaged model file."
        ),
        _TELLS_WHICH,
    ),
    "SIGBUS": (
        (
            "A file that it had in memory could not be read any more: it was cut short or replaced while it "
            "was in use, or its disk is full or fails."
        ),
        "Fetch the model's file again, on a disk with room: stardraft model pull NAME --replace",
    ),
    "SIGFPE": (
        (
            "Native code divided by zero: a fault of this build of llama.cpp, or a model file with numbers "
            "that it does not expect."
        ),
        _TELLS_WHICH,
    ),
    "SIGABRT": ("llama.cpp ended itself, because it met what it does not expect.", _TELLS_WHICH),
    "SIGTRAP": ("Native code came to a place that its compiler held to be impossible.", ""),
    "SIGSYS": (
        "A sandbox (of a container or a service) does not allow a system call that it makes.",
        "Whether it runs outside of the sandbox is shown by: stardraft daemon run",
    ),
    "SIGXCPU": ("It used up the processor time that it is allowed (`ulimit -t`).", _UNLIMIT),
    "SIGXFSZ": ("It wrote a file larger than it is allowed (`ulimit -f`).", _UNLIMIT),
}
_LIMITS = {"SIGSYS", "SIGXCPU", "SIGXFSZ"}
_FROM_OUTSIDE = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM")


def _killed(reason: str, again: str) -> tuple[str, str]:
    if reason:
        return reason, _WHAT_FITS
    if sys.platform == "darwin":
        why = (
            "Memory ran out, or somebody ended it, or macOS refuses a library whose signature does not fit "
            "(a build that was changed or copied)."
        )
        return why, rebuild_hint()
    why = (
        "Somebody or something ended it (`kill -9`, or a program that watches over memory, such as "
        "systemd-oomd); the kernel has no record of memory that ran out."
    )
    return why, again


def _exited(status: int, stderr: Sequence[str], said: str, again: str) -> Ending:
    how = f"ended with status {status}"
    if (memory := short_of_memory(stderr)) is not None:
        return Ending(how, memory.why, memory.hint, said, from_outside=True)
    if "symbol lookup error" in said or "error while loading shared libraries" in said:
        told = explain_load_error(said)
        return Ending(how, told.why, told.hint, said)
    return Ending(how, "", again, said, from_outside=True)


def short_of_memory(stderr: Sequence[str]) -> Explained | None:
    """What lines of native code's say of memory that could not be had; None when they say nothing of it."""
    last = list(stderr)[-MEMORY_LINES:]  # an allocation that failed long ago was got over
    telling = [line.lower() for line in last if any(word in line.lower() for word in _NO_MEMORY)]
    if not telling:
        return None
    if any(word in telling[-1] for word in _GPU_WORDS):
        hint = "How many layers fit is told by: stardraft model plan (then set model.gpu_layers)"
        return Explained("The GPU's memory is too small for what it was asked for.", hint)
    limit = _address_space_limit()
    if limit is not None:
        why = f"Memory could not be had: its address space is limited to {limit / 1e9:.1f} GB (`ulimit -v`)."
        return Explained(why, _UNLIMIT)
    return Explained("Memory could not be had.", _WHAT_FITS)


def _address_space_limit() -> int | None:
    """The limit that a child inherits from this process, in bytes; None where there is none."""
    try:
        import resource
    except ImportError:
        return None  # Windows
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    known = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    return min(known, default=None)


def _signal(status: int) -> str:
    """The signal's name, also for what Windows has in its place; "" when the process ended by itself."""
    if status < 0 and os.name != "nt":
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
        return f"signal {-status}"
    if os.name == "nt" and status == _WINDOWS_ABORT:
        return "SIGABRT"
    return _NTSTATUS_SIGNALS.get(status & 0xFFFFFFFF, "")


def signal_name(number: int) -> str:
    """ "SIGKILL (9)"."""
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return f"signal {number}"


def last_words(stderr: Sequence[str]) -> str:
    """The last line in which native code says why it ends, else the last line; "" when it said nothing."""
    lines = [line.strip() for line in stderr if line.strip()]
    telling = [line for line in lines if any(word in line.lower() for word in _TELLING)]
    return (telling or lines or [""])[-1][:500]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(path: Path, name: str) -> int | None:
    """The number behind `name` in a file of lines such as "oom_kill 3"."""
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return None
