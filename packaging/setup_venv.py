"""Makes the virtual environment that the Makefile works in, and does nothing when it is there already.

    python packaging/setup_venv.py VENV EXTRAS        EXTRAS such as test,engine

The environment remembers what was asked of it: only a change of pyproject.toml's build and project tables,
of packaging/constraints.txt or of the Python version, or an extra that is not there yet, starts pip again. So
the second `make` is quick and needs no network. What pip says goes to VENV/install.log; a failure shows it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
COMPILERS = ("c++", "g++", "clang++")
HEARTBEAT_S = 60
LOG_LINES_SHOWN = 30


def fingerprint() -> str:
    """Of everything that decides what pip would install here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    decisive = {key: project.get(key) for key in ("build-system", "project")}
    decisive["hatch"] = project.get("tool", {}).get("hatch")
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    digest.update(CONSTRAINTS.read_bytes())
    digest.update(f"{sys.version} {ROOT}".encode())
    return digest.hexdigest()


def python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def works(python: Path, *code: str) -> bool:
    """Whether `python` runs, and these statements run in it."""
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "\n".join(code)], capture_output=True, check=False).returncode == 0


def installed(venv: Path, wanted_fingerprint: str) -> set[str] | None:
    """The extras that are in `venv` already; None if it has to be made again or brought up to date."""
    try:
        record = json.loads((venv / "installed.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if record.get("fingerprint") != wanted_fingerprint or not works(python_of(venv), "import stardraftd"):
        return None
    return set(record.get("extras", []))


def make_venv(venv: Path) -> None:
    """An environment with pip in it, made anew if the one that is there does not run."""
    python = python_of(venv)
    version = f"import sys; assert sys.version_info[:2] == {sys.version_info[:2]}"
    if works(python, version, "import pip"):
        return
    print(f"Making a virtual environment in {venv.name} with Python {sys.version.split()[0]}", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=False)
    if made.returncode != 0:
        sys.exit(
            f"Python could not make a virtual environment in {venv}. On Debian and Ubuntu the module is a "
            "package of its own: sudo apt install python3-venv"
        )


def require_compiler() -> None:
    """llama.cpp is compiled on this machine: say now what is missing, not five minutes into pip's output.

    Windows is not looked at: CMake finds Visual Studio there without it being on the PATH.
    """
    if os.name == "nt":
        return
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else list(COMPILERS)
    for candidate in candidates:
        path = shutil.which(candidate.split()[0])
        # macOS has a c++ that only offers to install one: so it is run, not only looked for.
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return
    sys.exit(
        f"llama.cpp is built from source, and no C++ compiler is here (looked for {', '.join(candidates)}).\n"
        "  Debian, Ubuntu: sudo apt install g++      Fedora: sudo dnf install gcc-c++\n"
        "  macOS: xcode-select --install             another compiler: make CXX=/path/to/c++ ..."
    )


def run_pip(venv: Path, arguments: list[str]) -> None:
    """Runs pip quietly; a sign of life once a minute; its log is shown when it fails."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")
    # With this variable set, ggml's build leaves out every SIMD instruction, and says nothing.
    environment.pop("SOURCE_DATE_EPOCH", None)
    log_path = venv / "install.log"
    started = time.monotonic()
    with log_path.open("wb") as log:
        pip = subprocess.Popen(
            [python_of(venv), "-m", "pip", "install", *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        )
        while True:
            try:
                status = pip.wait(HEARTBEAT_S)
                break
            except subprocess.TimeoutExpired:
                minutes = (time.monotonic() - started) / 60
                print(f"  ... {minutes:.0f} min, still going (details: {log_path})", flush=True)
            except KeyboardInterrupt:
                pip.wait()
                sys.exit("Interrupted; the next `make` goes on from here.")
    if status != 0:
        lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        print("\n".join(lines[-LOG_LINES_SHOWN:]), file=sys.stderr)
        sys.exit(
            f"pip could not install stardraft (exit status {status}); everything it said is in {log_path}"
        )


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    venv = Path(sys.argv[1]).absolute()
    extras = {extra.strip() for extra in sys.argv[2].split(",") if extra.strip()}
    present = installed(venv, wanted := fingerprint())
    if present is not None and extras <= present:
        return
    extras |= present or set()
    make_venv(venv)
    python = python_of(venv)
    names = ",".join(sorted(extras))
    print(f"Installing stardraft[{names}] into {venv.name}", flush=True)
    has_engine = works(python, "from importlib.metadata import version", "version('llama_cpp_python')")
    if "engine" in extras and not has_engine:
        require_compiler()
        print("  building llama.cpp from source, about five minutes the first time", flush=True)
    run_pip(venv, ["--constraint", str(CONSTRAINTS), "--editable", f".[{names}]"])
    record = {"fingerprint": wanted, "extras": sorted(extras)}
    (venv / "installed.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
