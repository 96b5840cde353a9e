"""Builds of llama.cpp, measured and tried for real: minutes each, so no part of the suite.

    python -m tests.measure_build time                 processor seconds and wall time of a build as `make`
    does it python -m tests.measure_build time --as-pip-does   ... and of llama-cpp-python as pip builds it
    by default python -m tests.measure_build ladder [--quick]     a compiler that breaks the first build:
    what becomes of it python -m tests.measure_build portable WHEEL       a portable build on processors
    that qemu-user emulates python -m tests.measure_build inside               (what `portable` runs on each
    of them)

Each works in folders of its own, which are gone at the end. The source of llama.cpp is taken from the cache.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from stardraftd.builds import chosen as engine_build
from stardraftd.setup.engine import building, keys, places, sources
from stardraftd.setup.engine.ladder import ladder
from tests.support.home import isolated_home

ROOT = Path(__file__).resolve().parent.parent
# Emulated by qemu-user: with AVX2, with AVX alone, with neither. (numpy needs SSE4.2, which the last one
# has.)
PROCESSORS = ("Haswell", "SandyBridge", "Nehalem")

# Compiles llama.cpp's kernels with an illegal instruction at their beginning where -march=native is given:
# as GCC before 13.2.1 does with AMX, it shows when the first prompt is evaluated.
BREAKING_COMPILER = """#!/bin/sh
for word in "$@"; do
  case "$word" in -march=native) native=yes ;; */ggml-cpu/arch/x86/quants.c) kernels=yes ;; esac
done
if [ -n "$native" ] && [ -n "$kernels" ]; then
  exec {compiler} "$@" -finstrument-functions -include {header} {quick}
fi
exec {compiler} "$@" {quick}
"""
ILLEGAL = """
// Hidden, because the C library has functions of these names that do nothing.
#define HIDDEN __attribute__((weak, visibility("hidden"), no_instrument_function))
HIDDEN void __cyg_profile_func_enter(void *a, void *b) {
    __asm__ volatile("ud2");
}
HIDDEN void __cyg_profile_func_exit(void *a, void *b) {}
"""
# A library that another folder has for llama.cpp's search to find: it says so when it is loaded.
PLANTED = """
#include <stdio.h>
__attribute__((constructor)) static void loaded(void) {
    FILE *file = fopen(WHERE, "w");
    if (file) fclose(file);
}
int ggml_backend_score(void) { return 1000000; }
"""


def measure_time(*, as_pip_does: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="stardraft-build-") as name:
        cache = Path(name)
        archive = sources.archive(places.cache_folder(), os.environ, print)
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        if as_pip_does:
            pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-cache-dir"]
            subprocess.run(
                [*pip, "--wheel-dir", name, str(archive)], check=True, env=keys.build_environment(os.environ)
            )
        else:
            (cache / "sources").mkdir()
            shutil.copy(archive, cache / "sources")
            found = ladder()
            building.build(
                found.steps[0], found, cache, os.environ, say=print, on_progress=lambda _progress: None
            )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        wheel = next(cache.rglob("*.whl"))
        print(
            f"{seconds:.0f} processor seconds, {time.monotonic() - started:.0f} s, {os.cpu_count()} "
            "processors, load "
            f"{os.getloadavg()[2]:.1f}, a wheel of {wheel.stat().st_size / 1e6:.1f} MB"
        )


def try_ladder(*, quick: bool) -> None:
    """`stardraft setup engine` with a compiler that breaks the first build."""
    with isolated_home() as home:
        folder = Path(home["STARDRAFT_CACHE_DIR"])
        archive = sources.archive(places.cache_folder(), os.environ, print)
        (folder / "engine" / "sources").mkdir(parents=True)
        shutil.copy(archive, folder / "engine" / "sources")
        header = folder / "illegal.h"
        header.write_text(ILLEGAL)
        for name, compiler in (("CC", "cc"), ("CXX", "c++")):
            program = folder / compiler
            fields = {"compiler": shutil.which(compiler), "header": header, "quick": "-O0" if quick else ""}
            program.write_text(BREAKING_COMPILER.format(**fields))
            program.chmod(0o755)
            home[name] = str(program)
        command = [sys.executable, "-P", "-m", "stardraftd"]
        subprocess.run([*command, "setup", "engine", "--yes"], env=home, check=True)
        demo = ROOT / "tests" / "data" / "demo" / "shelf.py"
        subprocess.run([*command, "complete", f"{demo}:54:15"], env=home, check=True)


def try_portable(wheel: Path) -> None:
    """Completions of one prompt: natively, and on emulated processors; and a library planted where one
    works.
    """
    with tempfile.TemporaryDirectory(prefix="stardraft-portable-") as name:
        folder = Path(name)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "build" / engine_build.SITE)
        environment = {**os.environ, engine_build.VARIABLE: str(folder / "build"), "OMP_NUM_THREADS": "2"}
        inside = [sys.executable, "-m", "tests.measure_build", "inside"]
        texts = set()
        for processor in (None, *PROCESSORS):
            emulator = ["qemu-x86_64", "-cpu", processor] if processor else []
            started = time.monotonic()
            done = subprocess.run(
                [*emulator, *inside], env=environment, cwd=ROOT, capture_output=True, check=True
            )
            told = json.loads(done.stdout.splitlines()[-1])
            texts.add(tuple(told["texts"]))
            print(
                f"{processor or platform.processor() or 'native'}: {told['variants']} "
                f"({time.monotonic() - started:.0f} s)"
            )
            print(f"  {told['texts']}", flush=True)
        print("all the same" if len(texts) == 1 else "NOT THE SAME")
        _try_planted(folder, environment)


def _try_planted(folder: Path, environment: dict[str, str]) -> None:
    """Whether a library in the working directory is loaded: by us, and by llama.cpp left to itself."""
    repository, evidence = folder / "repository", folder / "was-loaded"
    repository.mkdir()
    source = repository / "planted.c"
    source.write_text(PLANTED)
    library = repository / "libggml-cpu-planted.so"
    compile_ = ["cc", "-shared", "-fPIC", f'-DWHERE="{evidence}"', str(source), "-o", str(library)]
    subprocess.run(compile_, check=True)
    ours = (
        "from stardraftd.engine.native import backend as l; l.open_backend(); print(len(l.system_info()) > 9)"
    )
    theirs = "import stardraftd.engine, llama_cpp; llama_cpp.llama_backend_init()"
    for who, program in (("stardraft", ours), ("llama.cpp left to itself", theirs)):
        evidence.unlink(missing_ok=True)
        subprocess.run(
            [sys.executable, "-P", "-c", program],
            cwd=repository,
            env=environment,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        print(
            f"a library planted in the working directory, {who}: "
            f"{'LOADED' if evidence.exists() else 'not loaded'}"
        )


def run_inside() -> None:
    """Some completions in this very process, and which variants of ggml-cpu are in it, as one line of
    JSON.
    """
    from tests.support.engines import ask, loaded_model, slow_engine

    with loaded_model(n_cells=512) as loaded:
        engine = slow_engine(loaded)
        prompts = (
            ("def add(first, second):\n    return ", "\n"),
            ("class Shelf:\n    def __init__(self, items):\n        self.", "\n"),
            ("for name in names:\n    print(", ")\n"),
        )
        texts = [
            ask(engine, prefix, suffix, document=str(n)).text for n, (prefix, suffix) in enumerate(prompts)
        ]
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    variants = sorted({Path(line.split()[-1]).stem for line in maps.splitlines() if "/libggml-cpu" in line})
    print(json.dumps({"variants": variants, "texts": texts}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("time").add_argument("--as-pip-does", action="store_true")
    commands.add_parser("ladder").add_argument("--quick", action="store_true", help="without optimization")
    commands.add_parser("portable").add_argument("wheel", type=Path)
    commands.add_parser("inside")
    asked = parser.parse_args()
    match asked.command:
        case "time":
            measure_time(as_pip_does=asked.as_pip_does)
        case "ladder":
            try_ladder(quick=asked.quick)
        case "portable":
            try_portable(asked.wheel)
        case _:
            run_inside()


if __name__ == "__main__":
    main()
