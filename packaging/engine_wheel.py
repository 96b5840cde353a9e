"""llama.cpp as a wheel: `make portable` leaves one in dist/ that runs on every processor of this
architecture.

    python packaging/engine_wheel.py [--portable] [--backend cpu|cuda|...] FOLDER
    python packaging/engine_wheel.py --cmake-arguments

Install it where a build is not wanted, instead of building it there: pip install stardraft-*.whl
llama_cpp_python-*.whl. Without --portable it is for the processor of this computer. The second form prints
the arguments for CMake that build llama.cpp's own programs so that they run here, one a line
(.ci/llama_cpp).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "daemon"))  # of this checkout; what is imported needs no library

from stardraftd.errors import EngineBuildError  # noqa: E402
from stardraftd.setup.engine import building, keys, places  # noqa: E402
from stardraftd.setup.engine.ladder import ladder  # noqa: E402
from stardraftd.setup.engine.toolkits import BACKENDS, Backend  # noqa: E402


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_wheel(backend: Backend, *, portable: bool) -> Path:
    """The wheel of the ladder's first step, in the cache. Leaves with what to do if it cannot be built."""
    found = ladder(backend, portable=portable)
    for note in found.notes:
        say(note)
    step = found.steps[0]
    is_built = building.find_wheel(step, found, places.cache_folder(), keys.build_environment()) is not None
    say(f"{'Taking a build of llama.cpp that is here' if is_built else 'Building llama.cpp'}: {step.why}")
    tenth = 0

    def show(progress: building.Progress) -> None:
        nonlocal tenth
        if progress.done * 10 // progress.total > tenth:
            tenth = progress.done * 10 // progress.total
            say(f"  {progress.done} of {progress.total}{building.time_left(progress)}")

    try:
        return building.build(step, found, places.cache_folder(), os.environ, say=say, on_progress=show)
    except EngineBuildError as error:
        sys.exit(f"{error.message}\n{error.hint}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next time it goes on from here.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where the wheel is put")
    parser.add_argument("--portable", action="store_true")
    parser.add_argument("--backend", choices=BACKENDS, default="cpu")
    parser.add_argument("--cmake-arguments", action="store_true")
    asked = parser.parse_args()
    if asked.cmake_arguments:
        print("\n".join(ladder().steps[0].cmake_arguments(keys.build_environment())))
        return
    if asked.folder is None:
        parser.error("where is the wheel to be put?")
    wheel = make_wheel(asked.backend, portable=asked.portable)
    asked.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(wheel, asked.folder / wheel.name)
    print(asked.folder / wheel.name)


if __name__ == "__main__":
    main()
