"""CMake, Ninja and compilers as small programs of ours, that do in no time what a test is about.

They are told what to do by variables of the environment, and write what they were asked into FAKE_LOG.
"""

import os
from pathlib import Path

from stardraftd.setup.engine import sources

# FAKE_TILES: what becomes of AMX's tiles: none, work, broken, forbidden. FAKE_GCC: its version, "12 2 0".
# FAKE_FLAGS=refused: it does not know -mno-amx-*.
COMPILER = r"""#!/bin/sh
echo "$0 $*" >> "$FAKE_LOG"
set -f
for word in "$@"; do
  case "$word" in
    --version) echo "fake compiler 1.0"; exit 0 ;;
    -dM) set -- ${FAKE_GCC:-12 2 0}
         printf '#define %s %s\n' __GNUC__ "$1" __GNUC_MINOR__ "$2" __GNUC_PATCHLEVEL__ "$3"; exit 0 ;;
    -mno-amx-*) without=yes; [ "${FAKE_FLAGS:-}" = refused ] && exit 1 ;;
    */tiles.cpp) probe=tiles ;;
    */features.cpp) probe=features ;;
  esac
  [ "${before:-}" = -o ] && out="$word"
  before="$word"
done
case "${probe:-}" in
  tiles)
    case "${without:+none}${without:-${FAKE_TILES:-none}}" in
      work) end='exit 0' ;; broken) end='kill -s ILL $$' ;; forbidden) end='exit 11' ;; *) end='exit 10' ;;
    esac
    printf '#!/bin/sh\n%s\n' "$end" > "$out" ;;
  features) printf '#!/bin/sh\necho SSE42 AVX AVX2\n' > "$out" ;;
  *) : > "$out" ;;
esac
chmod +x "$out"
"""

# It writes what it was told into the build's folder, for Ninja to find.
CMAKE = r"""#!/bin/sh
echo "$0 $*" >> "$FAKE_LOG"
[ "$1" = --version ] && { echo "cmake version 3.31.0"; exit 0; }
while [ $# -gt 0 ]; do [ "$1" = -B ] && folder="$2"; said="$said $1"; shift; done
mkdir -p "$folder" && echo "$said" > "$folder/options"
"""

# FAKE_NINJA: fail, full, wait (until it is ended), or nothing: three steps, and libraries out of
# FAKE_LIBRARIES. FAKE_BROKEN: where this stands in CMake's options, the libraries are no libraries.
NINJA = r"""#!/bin/sh
echo "$0 $*" >> "$FAKE_LOG"
[ "$1" = --version ] && { echo 1.11; exit 0; }
folder="$2"
echo "[1/3] one"
case "${FAKE_NINJA:-}" in
  fail) echo "FAILED: ggml.o"; echo "ggml.c:1: error: it cannot be"; exit 1 ;;
  full) echo "cc1: fatal error: No space left on device"; exit 1 ;;
  wait) echo $$ > "$folder/pid.new"; mv "$folder/pid.new" "$folder/ninja.pid"; while :; do sleep 1; done ;;
esac
echo "[2/3] two"
mkdir -p "$folder/bin"
cp "$FAKE_LIBRARIES"/* "$folder/bin/"
if [ -n "${FAKE_BROKEN:-}" ] && grep -q -e "$FAKE_BROKEN" "$folder/options"; then
  for library in "$folder/bin/"*; do echo "no library" > "$library"; done
fi
echo "[3/3] three"
"""

PROGRAMS = {"c++": COMPILER, "cc": COMPILER, "cmake": CMAKE, "ninja": NINJA}


def put_tools(folder: Path) -> dict[str, str]:
    """Puts the programs into `folder`/bin. The environment in which nothing else is found but the
    system's.
    """
    place = folder / "bin"
    place.mkdir()
    for name, text in PROGRAMS.items():
        (place / name).write_text(text, encoding="utf-8")
        (place / name).chmod(0o755)
    libraries = folder / "libraries"
    libraries.mkdir()
    for name in ("llama", "ggml", "ggml-base", "ggml-cpu"):
        (libraries / f"lib{name}.so").write_bytes(b"a library\n")
    return {
        "PATH": os.pathsep.join([str(place), "/usr/bin", "/bin"]),
        "HOME": str(folder),
        "FAKE_LOG": str(folder / "log"),
        "FAKE_LIBRARIES": str(libraries),
    }


def put_source(cache: Path, bindings: Path | None = None) -> Path:
    """An unpacked source of llama-cpp-python in a cache, with `bindings` or next to none."""
    source = cache / "work" / f"source-{sources.VERSION}"
    (source / "vendor" / "llama.cpp").mkdir(parents=True)
    (source / "vendor" / "llama.cpp" / "LICENSE").write_text("MIT\n")
    (source / "LICENSE.md").write_text("MIT\n")
    (source / "PKG-INFO").write_text(
        f"Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: {sources.VERSION}\n"
    )
    package = source / "llama_cpp"
    package.mkdir()
    if bindings is None:
        (package / "__init__.py").write_text(f'__version__ = "{sources.VERSION}"\n')
    else:
        for file in bindings.glob("*.py"):
            (package / file.name).write_bytes(file.read_bytes())
    return source


def asked(environment: dict[str, str], program: str) -> list[str]:
    """What a program was called with, a line for each call."""
    log = Path(environment["FAKE_LOG"])
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line for line in lines if Path(line.split(" ", 1)[0]).name == program]
