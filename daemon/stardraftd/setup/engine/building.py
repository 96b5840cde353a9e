"""One build of llama.cpp: CMake and Ninja run on the unpacked source, with progress, and a wheel comes of it.

llama.cpp's own CMake is used, not llama-cpp-python's: that builds the library of llama.cpp's programs, and
multimodal models, which nothing here uses, and puts the variants of a portable build where they are not
found. Only `libllama` and what it needs is built. The result is a wheel like llama-cpp-python's own, for
pip to install.

A build that is interrupted stays, and the next one with the same ingredients goes on from there. The lock
of the cache belongs to the compilers as well: it is free when the last of them has gone, whatever became of
this process.
"""

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stardraftd.errors import EngineBuildError
from stardraftd.files import lock
from stardraftd.interruption import begin
from stardraftd.setup.engine import compilers, keys, sources, tools, wheels
from stardraftd.setup.engine.ladder import Ladder, Step

NEEDED_BYTES = 700_000_000
LINES_SHOWN = 20
# The memory that one compiler may take: ggml's kernels are large files.
MEMORY_A_JOB_BYTES = 1_200_000_000
_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=ON",
    "-DLLAMA_BUILD_COMMON=OFF",
    "-DLLAMA_BUILD_TOOLS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    # A library finds the others beside it, wherever they lie, and has one name: wheels hold no links.
    "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
    f"-DCMAKE_INSTALL_RPATH={'@loader_path' if sys.platform == 'darwin' else '$ORIGIN'}",
    "-DCMAKE_INSTALL_RPATH_USE_LINK_PATH=ON",
    "-DCMAKE_PLATFORM_NO_VERSIONED_SONAME=ON",
)
# The project's name is part of the variable by which CMake takes a file in.
_VARIANTS_HOOK = "-DCMAKE_PROJECT_llama.cpp_INCLUDE="
# Ninja says "[12/345] ...", make "[ 12%] ...".
_EDGE = re.compile(rb"^\[(\d{1,6})/(\d{1,6})\]")
_PERCENT = re.compile(rb"^\[ {0,2}(\d{1,3})%\]")


@dataclass(frozen=True)
class Progress:
    """Of a build: `done` of `total` steps; seconds_left: None as long as nothing can be said."""

    done: int
    total: int
    seconds_left: float | None


class CompilationError(EngineBuildError):
    """A compiler refused it: another step of the ladder may compile."""


OnProgress = Callable[[Progress], None]
Say = Callable[[str], None]


def time_left(progress: Progress) -> str:
    """ ", about 3 min left"; "" as long as nothing can be said."""
    if progress.seconds_left is None:
        return ""
    if progress.seconds_left < 90:
        return f", about {max(progress.seconds_left, 1):.0f} s left"
    return f", about {progress.seconds_left / 60:.0f} min left"


def find_wheel(step: Step, ladder: Ladder, cache: Path, environment: Mapping[str, str]) -> Path | None:
    """The wheel of an earlier build with the very same ingredients."""
    folder = cache / "wheels" / keys.key(keys.ingredients(step, ladder, environment))
    return wheels.in_folder(folder)


def build(
    step: Step,
    ladder: Ladder,
    cache: Path,
    environment: Mapping[str, str],
    *,
    say: Say,
    on_progress: OnProgress,
) -> Path:
    """The wheel of this step, built where it is not in the cache. Raises EngineBuildError."""
    environment = keys.build_environment(environment)
    require_compiler(environment)
    told = keys.ingredients(step, ladder, environment)
    folder = cache / "wheels" / keys.key(told)
    if (made := wheels.in_folder(folder)) is not None:
        return made
    try:
        waiting = lock.held(
            cache / "lock", lambda: say("Another build of llama.cpp is under way: waiting for it")
        )
        with waiting as descriptor:
            if (made := wheels.in_folder(folder)) is not None:
                return made
            require_room(cache)
            source = sources.unpacked(cache, environment, say)
            work = cache / "work" / f"build-{folder.name}"
            _compile(_Build(step, source, work, environment, descriptor), cache, on_progress)
            made = wheels.make(source, work / "bin", folder, told)
            forget_unfinished(cache)
            return made
    except OSError as error:
        raise _refused(error, cache) from error


def require_compiler(environment: Mapping[str, str]) -> None:
    """Raises EngineBuildError where there is no compiler, before minutes have passed.

    Windows is not looked at: CMake finds Visual Studio there without it being on the PATH.
    """
    if os.name == "nt" or compilers.find_compiler(environment) is not None:
        return
    looked = environment.get("CXX") or ", ".join(compilers.CXX_COMPILERS)
    raise EngineBuildError(
        f"llama.cpp is built from source, and no C++ compiler is here (looked for {looked}).",
        compilers.GET_A_COMPILER,
    )


def require_room(cache: Path) -> None:
    """Raises EngineBuildError where the disk is too full for a build."""
    cache.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cache).free
    if free < NEEDED_BYTES:
        raise EngineBuildError(
            f"A build of llama.cpp needs {NEEDED_BYTES / 1e6:.0f} MB, and {free / 1e6:.0f} MB are "
            f"free at {cache}.",
            "Make room there, or name another folder: STARDRAFT_CACHE_DIR=/path in front of the command.",
        )


def forget_unfinished(cache: Path) -> None:
    """Removes what builds have left that were not finished, and of those that were all but the wheel."""
    for place in [*(cache / "work").glob("build-*"), *cache.glob("*/unfinished-*")]:
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True)
class _Build:
    step: Step
    source: Path
    work: Path
    environment: Mapping[str, str]
    lock: int


def _compile(build: _Build, cache: Path, on_progress: OnProgress) -> None:
    cmake = tools.cmake(cache, build.environment)
    generator, builder = _generator(cmake, build, cache)
    options = [*_OPTIONS, *build.step.cmake_arguments(build.environment)]
    if build.step.variants_without_amx:
        options.append(f"{_VARIANTS_HOOK}{Path(__file__).with_name('variants_without_amx.cmake').as_posix()}")
    vendored = build.source / "vendor" / "llama.cpp"
    log = cache / "build.log"
    with log.open("wb", buffering=0) as stream:  # it is read while the build runs, and after its end by force
        # What another CMake has configured cannot be gone on with: then it is begun again.
        for attempt in (1, 2):
            configure = [cmake, "-S", str(vendored), "-B", str(build.work), *generator, *options]
            status = _run(configure, build, stream.write, None)
            if status == 0 or attempt == 2 or not build.work.exists():
                break
            shutil.rmtree(build.work, ignore_errors=True)
        if status == 0:
            status = _run(builder, build, stream.write, _Estimate(on_progress))
    if status != 0:
        raise _failure(log, build)


def _generator(cmake: str, build: _Build, cache: Path) -> tuple[list[str], list[str]]:
    """What CMake is told, and the command that builds."""
    jobs = ["-j", build.environment.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(parallel_jobs())]
    plain = [cmake, "--build", str(build.work), "--config", "Release", "--target", "llama", *jobs]
    if build.environment.get("CMAKE_GENERATOR"):
        return [], plain
    ninja = tools.ninja(cache, build.environment)
    if ninja is None:
        return [], plain
    return ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"], [ninja, "-C", str(build.work), *jobs, "llama"]


def parallel_jobs() -> int:
    """As many compilers as there are processors for this process, and memory."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(processors, _free_memory_bytes() // MEMORY_A_JOB_BYTES))


def _free_memory_bytes() -> int:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return sys.maxsize
    found = re.search(r"^MemAvailable:\s{1,20}(\d{1,15}) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else sys.maxsize


class _Estimate:
    """Reads progress off a builder's lines, and the time that is left off the time that has passed."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._first: int | None = None

    def line(self, line: bytes) -> None:
        if (edge := _EDGE.match(line)) is not None:
            done, total = int(edge[1]), int(edge[2])
        elif (percent := _PERCENT.match(line)) is not None:
            done, total = int(percent[1]), 100
        else:
            return
        if self._first is None:
            self._first = done - 1  # a build that goes on has less before it than the numbers say
        passed = time.monotonic() - self._started
        since = done - self._first
        left = passed / since * (total - done) if since > 2 and total else None
        self._on_progress(Progress(min(done, total), total, left))


def _run(
    command: Sequence[str], build: _Build, write: Callable[[bytes], object], estimate: _Estimate | None
) -> int:
    """Runs a tool in a group of its own, which is ended with everything in it when this is interrupted."""
    write(f"+ {' '.join(command)}\n".encode())
    group = {"start_new_session": True, "pass_fds": (build.lock,)} if os.name == "posix" else {}
    with begin(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=dict(build.environment),
        **group,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                write(line)
                if estimate is not None:
                    estimate.line(line)
            return int(process.wait())
        except BaseException:
            _end(process)
            raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
    process.wait()


def _failure(log: Path, build: _Build) -> EngineBuildError:
    text = log.read_text(encoding="utf-8", errors="replace")
    if "No space left on device" in text:
        return EngineBuildError(
            f"The disk became full while llama.cpp was built (at {build.work.parent}).",
            "Make room there and do it again: what is built already is not lost.",
        )
    if "Killed signal terminated program" in text or "out of memory" in text:
        return EngineBuildError(
            "Memory ran out while llama.cpp was compiled.",
            "Close other programs, or have it compiled by one compiler at a time: "
            "CMAKE_BUILD_PARALLEL_LEVEL=1 in front "
            "of the command.",
        )
    lines = text.splitlines()
    telling = next((number for number, line in enumerate(lines) if _tells(line)), len(lines) - LINES_SHOWN)
    shown = "\n".join(lines[max(0, telling) : max(0, telling) + LINES_SHOWN])
    return CompilationError(
        f"llama.cpp could not be built. The first thing that went wrong:\n{shown}",
        f"Everything it said is in {log}",
    )


def _tells(line: str) -> bool:
    return line.startswith(("FAILED:", "CMake Error")) or "error:" in line


def _refused(error: OSError, cache: Path) -> EngineBuildError:
    where = error.filename or cache
    reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return EngineBuildError(
        f"llama.cpp cannot be built in {where}: {reason}.",
        "Another folder for it: STARDRAFT_CACHE_DIR=/path in front of the command.",
    )
