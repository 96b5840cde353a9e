"""The ladder of builds: what is built first on this computer, and what instead if that does not work here.

    for this processor            -march=native: the fastest
    ... without AMX               where tiles are miscompiled, or might be
    for what the system enables   GGML_NATIVE=OFF, and the instruction sets that programs may use

What is known to be broken is found out beforehand, by small programs (compilers.py), and its step is left
out. The portable build is a ladder of its own, with every step for any processor of the architecture.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stardraftd.setup.engine import compilers, processor, toolkits
from stardraftd.setup.engine.compilers import Compiler
from stardraftd.setup.engine.toolkits import Backend

NO_AMX = ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16")
# GCC's release in which `_tile_loadconfig` reads the whole configuration (amxtileintrin.h).
GCC_WITH_WHOLE_TILES = (13, 2, 1)
_FEATURES = (
    "SSE42", "AVX", "F16C", "FMA", "AVX2", "BMI2", "AVX_VNNI", "AVX512", "AVX512_VBMI", "AVX512_VNNI",
    "AVX512_BF16",
)  # fmt: skip
_FLAG_VARIABLES = {"c": "CMAKE_C_FLAGS", "c++": "CMAKE_CXX_FLAGS"}


@dataclass(frozen=True)
class Step:
    """One way to build. why: a sentence. options: for CMake. flags: for the C and C++ compilers."""

    name: str
    why: str
    options: tuple[str, ...]
    flags: tuple[str, ...] = ()
    portable: bool = False
    # Whether AMX is taken out of the variants that have it; flags cannot, the variant's own come after them.
    variants_without_amx: bool = False

    def cmake_arguments(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """All of CMake's `-D`: ours, and then the user's CMAKE_ARGS, which win. Compiler flags are joined."""
        own, theirs = [], list(_user_arguments(environment))
        for variable in _FLAG_VARIABLES.values():
            given = [argument for argument in theirs if _name(argument) == variable]
            inherited = environment.get(variable.removeprefix("CMAKE_").replace("_FLAGS", "FLAGS"), "")
            if self.flags or given:
                words = [*shlex.split(_value(given[-1]) if given else inherited), *self.flags]
                own.append(f"-D{variable}={shlex.join(words)}")
            theirs = [argument for argument in theirs if argument not in given]
        return (*self.options, *own, *theirs)


@dataclass(frozen=True)
class Ladder:
    """steps: in the order in which they are tried. notes: what was found out beforehand, a sentence each."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    compiler: Compiler | None = field(default=None, compare=False)


def ladder(
    backend: Backend = "cpu", *, portable: bool = False, environment: Mapping[str, str] = os.environ
) -> Ladder:
    """The steps for this computer, its compilers and this environment."""
    compiler = compilers.find_compiler(environment)
    if portable:
        found = _portable(compiler, environment)
    elif processor.is_x86() and compiler is not None:
        found = _for_x86(compiler, environment)
    else:
        found = Ladder((_NATIVE, _enabled(None)))
    added = _backend_options(backend, environment)
    found = replace(
        found, steps=tuple(replace(step, options=(*step.options, *added)) for step in found.steps)
    )
    return replace(found, compiler=compiler)


_NATIVE = Step("native", "For this processor, with everything it has.", ("-DGGML_NATIVE=ON",))
_NATIVE_WITHOUT_AMX = Step(
    "native-no-amx", "For this processor, without AMX.", ("-DGGML_NATIVE=ON",), flags=NO_AMX
)


def _backend_options(backend: Backend, environment: Mapping[str, str]) -> tuple[str, ...]:
    """What CMake is told for a backend; CUDA's compiler by its path, for it is often not on the PATH."""
    option = f"-DGGML_{backend.upper()}=ON" if backend != "cpu" else "-DGGML_METAL=OFF"
    compiler = toolkits.nvcc(environment) if backend == "cuda" else None
    return (option, f"-DCMAKE_CUDA_COMPILER={compiler}") if compiler is not None else (option,)


def _for_x86(compiler: Compiler, environment: Mapping[str, str]) -> Ladder:
    last = _enabled(compilers.enabled_features(compiler, environment))
    theirs = _user_flags(environment)
    match compilers.probe_tiles(compiler, [*theirs, "-O3", "-march=native"], environment):
        case "none" | "forbidden":
            return Ladder((_NATIVE, last))
        case "work":
            # It may fail all the same in what the probe does not do.
            return Ladder((_NATIVE, _NATIVE_WITHOUT_AMX, last))
        case "broken" if compilers.knows_flag(compiler, NO_AMX, environment):
            note = (
                f"{compiler.version} compiles AMX's tiles wrongly: a small program ended in an illegal "
                "instruction or wrong numbers. So llama.cpp is built without AMX."
            )
            return Ladder((_NATIVE_WITHOUT_AMX, last), (note,))
        case "broken":
            note = f"{compiler.version} compiles AMX's tiles wrongly, and cannot leave them out."
            return Ladder((last,), (note,))
        case _:
            without = (_NATIVE_WITHOUT_AMX,) if processor.has_amx() else ()
            return Ladder((_NATIVE, *without, last))


def _enabled(features: frozenset[str] | None) -> Step:
    """Without -march=native. features: those that the system enables; None where they cannot be told."""
    if not processor.is_x86():
        arch = processor.arm_architecture(processor.flags()) if processor.is_arm() else ""
        options = (
            "-DGGML_NATIVE=OFF",
            *((f"-DGGML_CPU_ARM_ARCH={arch}",) if processor.flags() and arch else ()),
        )
        return Step("enabled", "For what the system enables of this processor, and nothing else.", options)
    known = features or frozenset()
    options = tuple(f"-DGGML_{name}={'ON' if name in known else 'OFF'}" for name in _FEATURES)
    listed = ", ".join(name for name in _FEATURES if name in known) or "the architecture's minimum"
    return Step(
        "enabled",
        f"For what the system enables of this processor, and nothing else: {listed}.",
        ("-DGGML_NATIVE=OFF", *options),
    )


def _portable(compiler: Compiler | None, environment: Mapping[str, str]) -> Ladder:
    options = ("-DGGML_NATIVE=OFF", "-DGGML_BACKEND_DL=ON", "-DGGML_CPU_ALL_VARIANTS=ON")
    why = (
        "For every processor of this architecture: which instruction sets are used is chosen when it starts."
    )
    whole = Step("portable", why, options, portable=True)
    bare = replace(whole, name="portable-no-amx", why=f"{why[:-1]}, AMX excepted.", variants_without_amx=True)
    if not processor.is_x86():
        return Ladder((whole,))
    version = None if compiler is None else compilers.gcc_version(compiler, environment)
    if version is None or version >= GCC_WITH_WHOLE_TILES:
        return Ladder((whole, bare))
    note = (
        f"GCC {'.'.join(map(str, version))} compiles AMX's tiles wrongly (before 13.2.1): the variants that "
        "have AMX are built without it."
    )
    return Ladder((bare,), (note,))


def _user_arguments(environment: Mapping[str, str]) -> tuple[str, ...]:
    """CMAKE_ARGS, as words; `-D NAME=VALUE` becomes one word."""
    words = shlex.split(environment.get("CMAKE_ARGS", ""))
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "-D":
            joined[-1] = f"-D{word}"
        else:
            joined.append(word)
    return tuple(joined)


def _user_flags(environment: Mapping[str, str]) -> list[str]:
    """The C++ compiler's flags as CMake would have them: CMAKE_CXX_FLAGS of CMAKE_ARGS, else CXXFLAGS."""
    for argument in reversed(_user_arguments(environment)):
        if _name(argument) == "CMAKE_CXX_FLAGS":
            return shlex.split(_value(argument))
    return shlex.split(environment.get("CXXFLAGS", ""))


def _name(argument: str) -> str:
    return argument.removeprefix("-D").partition("=")[0].partition(":")[0]


def _value(argument: str) -> str:
    return argument.partition("=")[2]
