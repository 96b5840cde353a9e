"""What a build was made with, as one short key: a wheel is used again only where all of it is the same.

pip's own cache knows a wheel by its version alone. Carried to another processor, or asked for with other
flags, it hands out one that ends in an illegal instruction, or is slow, without a word.
"""

import hashlib
import json
import os
import platform
import sysconfig
from collections.abc import Mapping

from stardraftd.setup.engine import compilers, processor
from stardraftd.setup.engine.ladder import Ladder, Step
from stardraftd.setup.engine.sources import SHA256, VERSION

# What compilers and CMake take from the environment. SOURCE_DATE_EPOCH is not among them: it is taken away.
VARIABLES = (
    "CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CUDACXX", "CUDAFLAGS", "CUDAARCHS",
    "CUDAHOSTCXX", "HIPCXX", "HIPFLAGS", "CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH",
    "MACOSX_DEPLOYMENT_TARGET", "VULKAN_SDK", "CMAKE_GENERATOR", "CMAKE_TOOLCHAIN_FILE", "CMAKE_PREFIX_PATH",
)  # fmt: skip


def build_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment that a build gets: with SOURCE_DATE_EPOCH, ggml leaves out every SIMD instruction,
    silently.
    """
    return {name: value for name, value in inherited.items() if name != "SOURCE_DATE_EPOCH"}


def ingredients(step: Step, ladder: Ladder, environment: Mapping[str, str]) -> dict[str, object]:
    """Everything that decides what comes out, for a user to read as well."""
    c_compiler = compilers.find_compiler(environment, "CC", compilers.C_COMPILERS)
    return {
        "version": VERSION,
        "source": SHA256,
        "step": step.name,
        "cmake": list(step.cmake_arguments(environment)),
        "environment": {name: environment[name] for name in VARIABLES if environment.get(name)},
        "compilers": [
            f"{one.path} ({one.version})" for one in (ladder.compiler, c_compiler) if one is not None
        ],
        "system": f"{sysconfig.get_platform()} {' '.join(platform.libc_ver())}".strip(),
        "processor": "any" if step.portable else processor.identity(),
    }


def key(told: Mapping[str, object]) -> str:
    """Of `ingredients`."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
