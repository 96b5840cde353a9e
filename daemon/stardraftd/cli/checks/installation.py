"""Checks of what is installed: Python, stardraft, and llama.cpp with its instruction sets.

The GPUs are in gpus.py.
"""

import os
import platform
import re
import sys
from pathlib import Path

from stardraftd import __version__
from stardraftd.builds.chosen import REPAIR
from stardraftd.cli.checks import Check
from stardraftd.cli.checks.facts import Facts
from stardraftd.cli.checks.gpus import built_for
from stardraftd.console.prose import counted
from stardraftd.errors import EngineBuildError, EngineError, EngineMissingError, EngineNotInstalledError
from stardraftd.installed import installation
from stardraftd.setup.engine.sources import VERSION

MINIMUM_PYTHON = (3, 11)
CPUINFO = Path("/proc/cpuinfo")

# A processor's flag as Linux names it, and as `llama_print_system_info` calls the code that uses it.
INSTRUCTION_SETS = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "bmi2": "BMI2",
    "avx_vnni": "AVX_VNNI",
    "avx512f": "AVX512",
    "avx512vbmi": "AVX512_VBMI",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "amx_int8": "AMX_INT8",
    "asimd": "NEON",
    "asimddp": "DOTPROD",
    "i8mm": "MATMUL_INT8",
    "asimdhp": "FP16_VA",
    "sve": "SVE",
}
# Without these a build is several times slower; the others are worth some per cent.
ESSENTIAL = {"AVX", "AVX2", "FMA", "F16C", "NEON", "DOTPROD"}


def python(_facts: Facts) -> Check:
    version = f"Python {platform.python_version()} ({sys.executable})"
    if sys.version_info < MINIMUM_PYTHON:
        wanted = ".".join(map(str, MINIMUM_PYTHON))
        return Check("python", "problem", f"{version} is too old.", f"Install Python {wanted} or later.")
    return Check("python", "ok", version)


def stardraft(_facts: Facts) -> Check:
    installer = installation().installer
    return Check("stardraft", "ok", f"version {__version__} ({Path(__file__).parents[2]}, by {installer})")


def engine(facts: Facts) -> Check:
    """Whether llama.cpp is here, and computes what it should: its self-test, not what it says of itself."""
    try:
        verdict = facts.verdict
    except EngineNotInstalledError as error:
        return _not_installed(facts, error)
    except EngineMissingError as error:
        hint = "\n".join(filter(None, (_compiler_hint(), error.hint)))
        return Check("engine", "problem", error.message, hint)
    if not verdict.ok:
        return Check("engine", "warning" if verdict.undecided else "problem", verdict.failure, verdict.hint)
    probe = facts.probe
    kind = " and ".join([*built_for(probe), "the CPU"])
    checks = counted(len(verdict.checks), "check")
    proved = f"{checks} of what it computes here passed in {verdict.ms / 1000:.1f} s."
    other = f"This stardraft was tested with {VERSION}. To have that one built: {REPAIR}"
    hint = proved if probe.llama_cpp_version == VERSION else f"{proved}\n{other}"
    return Check("engine", "ok", f"llama-cpp-python {probe.llama_cpp_version}, built for {kind}", hint)


def _not_installed(facts: Facts, error: EngineNotInstalledError) -> Check:
    """What works without an engine, and what is to be gained; a problem where nothing works without."""
    how = "\n".join(filter(None, (_compiler_hint(), error.hint)))
    match facts.echo:
        case "off":
            return Check(
                "engine",
                "problem",
                error.message,
                f"{how}\nSuggestions from your own code are off (editor.echo).",
            )
        case "only":
            return Check(
                "engine",
                "ok",
                'not installed, and not needed: suggestions come from your own code (editor.echo = "only")',
            )
        case _:
            return Check(
                "engine",
                "warning",
                "It is not installed. Suggestions from your own code work without; those of a model need it.",
                how,
            )


def backends(facts: Facts) -> Check | list[Check]:
    """What the build uses of what the processor can. Silent where `engine` found no build that works."""
    try:
        if facts.verdict.error() is not None:
            return []
        built = built_features(facts.probe.system_info)
    except EngineError:
        return []
    listed = ", ".join(sorted(built)) or "none"
    missing = sorted(set(processor_features(_cpuinfo())) - built)
    essential = [name for name in missing if name in ESSENTIAL]
    if essential:
        return Check(
            "backends",
            "warning",
            f"llama.cpp was built without {', '.join(essential)}, which this processor has: it is "
            "several times slower than it could be.",
            f"A SOURCE_DATE_EPOCH in the environment of the build turns them off. Have it built "
            f"again: {REPAIR}",
        )
    note = f"Not used, though the processor has it: {', '.join(missing)}." if missing else ""
    return Check("backends", "ok", f"built with {listed}", note)


def _compiler_hint() -> str:
    """What to install before llama.cpp can be built; "" when nothing is missing."""
    from stardraftd.setup.engine import building

    try:
        building.require_compiler(os.environ)
    except EngineBuildError as error:
        return f"{error.message} First: {error.hint}"
    return ""


def built_features(system_info: str) -> set[str]:
    """The instruction sets that are on in llama.cpp's own description: `... | AVX2 = 1 | ...`."""
    return set(re.findall(r"\b(\w{1,64}) = 1\b", system_info))


def processor_features(cpuinfo: str) -> list[str]:
    """llama.cpp's names of what the processor can, from the text of /proc/cpuinfo."""
    line = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = line[1].split() if line else []
    return [name for flag, name in INSTRUCTION_SETS.items() if flag in flags]


def _cpuinfo() -> str:
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # only Linux tells it as a file; elsewhere nothing is compared
