"""Makes the virtual environment that the Makefile works in, and does nothing when it is there already.

    python packaging/setup_venv.py VENV EXTRAS        EXTRAS such as test,engine

The environment remembers what was asked of it: only a change of pyproject.toml's build and project tables,
of packaging/constraints.txt, of the Python version or of the processor, or an extra that is not there yet,
starts pip again. So the second `make` is quick and needs no network. What pip says goes to
VENV/install.log; a failure shows it. llama.cpp is built by stardraftd.setup.engine, tested in the
environment, and built in another way where it does not work on this computer.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "daemon"))  # of this checkout; what is imported needs no library

from stardraftd.errors import EngineBuildError  # noqa: E402
from stardraftd.setup.engine import building, climbing, keys, ladder, places, processor, toolkits  # noqa: E402

CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
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
    extras = set(record.get("extras", []))
    if "engine" in extras and record.get("processor", processor.identity()) != processor.identity():
        return None  # it was carried to another computer, and the engine was built for the old one
    return extras


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


def run_pip(venv: Path, arguments: list[str]) -> None:
    """Runs pip quietly; a sign of life once a minute; its log is shown when it fails."""
    environment = keys.build_environment(dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1"))
    log_path = venv / "install.log"
    started = time.monotonic()
    with log_path.open("ab") as log:
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
    names = ",".join(sorted(extras))
    print(f"Installing stardraft[{names}] into {venv.name}", flush=True)
    (venv / "install.log").unlink(missing_ok=True)
    itself = ["--constraint", str(CONSTRAINTS), "--editable", f".[{names}]"]
    if "engine" in extras:
        install_with_engine(venv, itself)
    else:
        run_pip(venv, itself)
    record = {"fingerprint": wanted, "extras": sorted(extras), "processor": processor.identity()}
    (venv / "installed.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def install_with_engine(venv: Path, itself: list[str]) -> None:
    """llama.cpp as it works here, and stardraft with the rest that it needs. Leaves with what to do
    otherwise.
    """
    (venv / "installed.json").unlink(missing_ok=True)  # until it is proved, the environment is not whole

    def try_out(_step: ladder.Step, wheel: Path) -> climbing.Proof:
        run_pip(venv, ["--no-deps", "--force-reinstall", str(wheel)])
        run_pip(venv, itself)
        return climbing.prove(python_of(venv))

    try:
        building.require_compiler(os.environ)
        backend: toolkits.Backend = "metal" if toolkits.toolkit("metal").gpu else "cpu"
        with Progress() as progress:
            climbing.first_that_works(
                [ladder.ladder(backend)],
                places.cache_folder(),
                try_out,
                say=progress.say,
                on_progress=progress.show,
            )
    except EngineBuildError as error:
        sys.exit(f"{error.message}\n{error.hint}")
    except KeyboardInterrupt:
        sys.exit("Interrupted; the next `make` goes on from here.")


class Progress:
    """How far the build is: a line that is written over on a terminal, a line a minute elsewhere."""

    def __init__(self) -> None:
        self._told = time.monotonic()
        self._is_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def say(self, text: str) -> None:
        self._clear()
        print(f"  {text}", flush=True)

    def show(self, progress: building.Progress) -> None:
        line = f"  [{progress.done}/{progress.total}]{building.time_left(progress)}"
        if sys.stdout.isatty():
            print(f"\r\x1b[K{line}", end="", flush=True)
            self._is_shown = True
        elif time.monotonic() - self._told >= HEARTBEAT_S:
            self._told = time.monotonic()
            print(line, flush=True)

    def _clear(self) -> None:
        if self._is_shown:
            print("\r\x1b[K", end="", flush=True)
            self._is_shown = False


if __name__ == "__main__":
    main()
