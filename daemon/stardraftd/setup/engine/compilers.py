"""The compilers that a build would use, looked at by using them: small programs, compiled and run in a
second.

CMake takes CC and CXX from the environment, and CFLAGS, CXXFLAGS and the flags in CMAKE_ARGS with them; so
does every probe here. What a compiler is known to do wrong is found out by doing it, not by its name.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

CXX_COMPILERS = ("c++", "g++", "clang++")
C_COMPILERS = ("cc", "gcc", "clang")
GET_A_COMPILER = (
    "Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++; Arch: sudo pacman -S gcc; "
    "macOS: xcode-select --install; another compiler: CXX=/path/to/c++ in front of the command"
)
TIMEOUT_S = 60.0

Tiles = Literal["none", "work", "broken", "forbidden", "unknown"]


@dataclass(frozen=True)
class Compiler:
    """words: how it is called, with the options that CC or CXX have in them; version: its first line
    about itself.
    """

    words: tuple[str, ...]
    version: str

    @property
    def path(self) -> str:
        return shutil.which(self.words[0]) or self.words[0]


def find_compiler(
    environment: Mapping[str, str], variable: str = "CXX", usual: Sequence[str] = CXX_COMPILERS
) -> Compiler | None:
    """The compiler that CMake would take; None where there is none that runs.

    macOS has a c++ that only offers to install one: so it is run, not only looked for.
    """
    if given := environment.get(variable):
        candidates = [tuple(shlex.split(given))]
    else:
        candidates = [(name,) for name in usual]
    for words in candidates:
        if not words or shutil.which(words[0], path=environment.get("PATH")) is None:
            continue
        told = _output([*words, "--version"], environment)
        if told is not None:
            return Compiler(words, told.strip().partition("\n")[0])
    return None


def gcc_version(compiler: Compiler, environment: Mapping[str, str]) -> tuple[int, int, int] | None:
    """GCC's version, as its own macros have it; None for every other compiler, and where it cannot be
    asked.
    """
    told = _output([*compiler.words, "-dM", "-E", "-x", "c++", os.devnull], environment) or ""
    macros = dict(line.split(" ", 2)[1:] for line in told.splitlines() if line.count(" ") >= 2)
    if "__clang__" in macros or "__GNUC__" not in macros:
        return None
    names = ("__GNUC__", "__GNUC_MINOR__", "__GNUC_PATCHLEVEL__")
    major, minor, patch = (int(macros[name]) if macros.get(name, "").isdigit() else 0 for name in names)
    return major, minor, patch


def knows_flag(
    compiler: Compiler, flags: Sequence[str], environment: Mapping[str, str], language: str = "c++"
) -> bool:
    """Whether it compiles an empty program with these flags."""
    with tempfile.TemporaryDirectory(prefix="stardraft-probe-") as folder:
        source = Path(folder) / "empty.cpp"
        source.write_text("int main() { return 0; }\n", encoding="utf-8")
        command = [
            *compiler.words,
            "-Werror",
            *flags,
            "-x",
            language,
            "-c",
            str(source),
            "-o",
            str(Path(folder) / "o"),
        ]
        return _output(command, environment) is not None


def probe_tiles(compiler: Compiler, flags: Sequence[str], environment: Mapping[str, str]) -> Tiles:
    """What becomes of AMX's tile registers in a program compiled with these flags, and run here.

    "none": the flags or the processor have no AMX. "broken": the program died or computed something wrong,
    which GCC before 13.2.1 makes of it. "forbidden": the system does not let programs use tiles, and
    llama.cpp does without then. "unknown": it cannot be compiled.
    """
    status, _ = _run_probe("tiles.cpp", compiler, flags, environment)
    if status is None:
        return "unknown"
    return {0: "work", 10: "none", 11: "forbidden"}.get(status, "broken")  # type: ignore[return-value]


def enabled_features(compiler: Compiler, environment: Mapping[str, str]) -> frozenset[str] | None:
    """The x86 instruction sets that processor and operating system have, by ggml's names; None if unknown.

    A processor reports what it can. Whether the system saves the registers for it at a task switch is in
    XCR0: without that, every such instruction is an illegal one.
    """
    status, output = _run_probe("features.cpp", compiler, ["-O1"], environment)
    return frozenset(output.split()) if status == 0 else None


def _run_probe(
    name: str, compiler: Compiler, flags: Sequence[str], environment: Mapping[str, str]
) -> tuple[int | None, str]:
    """The exit status of a probe, negative for a signal, and its output; None where it cannot be compiled."""
    with tempfile.TemporaryDirectory(prefix="stardraft-probe-") as folder:
        source, program = Path(folder) / name, Path(folder) / "probe.exe"
        source.write_bytes(resources.files(__package__).joinpath("probes", name).read_bytes())
        if _output([*compiler.words, *flags, str(source), "-o", str(program)], environment) is None:
            return None, ""
        done = _run([str(program)], environment)
        return (None, "") if done is None else (done.returncode, done.stdout.decode("utf-8", "replace"))


def _output(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """What a command printed; None when it cannot be run or fails."""
    done = _run(command, environment)
    return done.stdout.decode("utf-8", "replace") if done is not None and done.returncode == 0 else None


def _run(
    command: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes] | None":
    """A command run to its end, whatever its status; None when it cannot be run, or does not end in time."""
    try:
        return subprocess.run(
            list(command),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env=dict(environment),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
