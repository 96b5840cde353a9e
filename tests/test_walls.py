"""The architecture, kept by tests: which way imports run, and what is really loaded in a clean process.

The directions themselves stand in pyproject.toml (import-linter's contracts). What libraries import in turn
is seen here in the module table of a fresh interpreter, and what a real daemon has loaded, in its memory.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"stardraftd": "daemon", "stardraft_lsp": "lsp", "stardraft_quant": "quant"}
ENGINE = "stardraftd.engine"
# What the language server may know of the daemon's package; the name without a dot is its version.
OPEN_TO_THE_LANGUAGE_SERVER = {
    "stardraftd.__version__",
    "stardraftd.client",
    "stardraftd.config",
    "stardraftd.config.watching",
    "stardraftd.console",
    "stardraftd.cursor_window",
    "stardraftd.errors",
    "stardraftd.files",
    "stardraftd.installed",
    "stardraftd.lexing",
    "stardraftd.logs",
    "stardraftd.logs.last_silence",
    "stardraftd.paths",
    "stardraftd.patterns",
    "stardraftd.privacy",
    "stardraftd.protocol",
}
# Processes of their own, for what no engine needs of llama.cpp: its quantizer, and a look into its graph.
BESIDE_THE_ENGINE = {"stardraft_quant.imatrix.process", "stardraft_quant.quantize.process"}
# Libraries of the extras: an installation without them is a sound one.
OPTIONAL = {"gguf", "llama_cpp", "numpy", "safetensors", "tokenizers", "torch", "transformers"}

IMPORT_ALL = """
import importlib, json, sys
failed = {}
for name in json.loads(sys.argv[1]):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        failed[name] = error.name
    except Exception as error:
        failed[name] = repr(error)
json.dump([sorted({name.partition(".")[0] for name in sys.modules}), failed], sys.stdout)
"""


def source_files(package: str) -> Iterator[tuple[str, Path]]:
    """The modules of a package, by name and file, and at least one."""
    folder = ROOT / SOURCES[package]
    files = sorted(folder.joinpath(package).rglob("*.py"))
    assert files, f"no module found in {folder}"
    for file in files:
        parts = file.relative_to(folder).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def imported_names(file: Path) -> set[str]:
    """Everything that a file imports, wherever in it: `from a import b` is `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively, which is not looked at here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importable(package: str) -> list[str]:
    """The modules to import; a `__main__` is a program, which importing would run."""
    return [name for name, _ in source_files(package) if not name.endswith("__main__")]


def load(modules: list[str]) -> tuple[set[str], dict[str, str]]:
    """Imports these in a fresh process: the top-level modules there afterwards, and what failed, and why."""
    assert modules
    said = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(modules)], capture_output=True, text=True, check=True
    ).stdout
    loaded, failed = json.loads(said)
    return set(loaded), failed


def test_imports_run_in_the_directions_that_are_written_down() -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " kept, 0 broken" in done.stdout


def test_the_language_server_has_no_engine_in_it() -> None:
    loaded, failed = load(importable("stardraft_lsp"))
    assert not failed
    assert {"stardraft_lsp", "pygls"} <= loaded
    assert not loaded & OPTIONAL


def test_the_daemon_and_the_command_line_have_neither_engine_nor_editor_in_them() -> None:
    loaded, failed = load([name for name in importable("stardraftd") if not name.startswith(ENGINE)])
    assert not failed
    assert {"stardraftd", "msgspec"} <= loaded
    assert not loaded & (OPTIONAL | {"pygls", "lsprotocol", "stardraft_lsp", "stardraft_quant"})


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries of another process are seen on Linux only")
def test_llama_cpp_is_in_the_engine_process_and_not_in_the_daemon(home: dict[str, str]) -> None:
    stardraft(home, "complete", str(ROOT / "tests" / "data" / "demo" / "shelf.py") + ":54:15")
    status = json.loads(stardraft(home, "status", "--json"))
    assert any("libllama" in path for path in mapped_files(status["engine_pid"]))
    assert not [path for path in mapped_files(status["pid"]) if "libllama" in path or "numpy" in path]


def stardraft(home: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "stardraftd", *arguments]
    return subprocess.run(command, env=home, capture_output=True, text=True, check=True).stdout


def mapped_files(pid: int) -> set[str]:
    return {part.path for part in psutil.Process(pid).memory_maps()}


@pytest.mark.parametrize("package", SOURCES)
def test_every_module_can_be_imported(package: str) -> None:
    """What fails may fail for the want of an extra, and for nothing else."""
    _, failed = load(importable(package))
    assert not {name: why for name, why in failed.items() if why.partition(".")[0] not in OPTIONAL}
    for library in set(failed.values()):
        with pytest.raises(ModuleNotFoundError):
            __import__(library)


@pytest.mark.parametrize("package", SOURCES)
def test_only_the_engine_speaks_to_llama_cpp(package: str) -> None:
    speakers = {
        name
        for name, file in source_files(package)
        if any(imported.partition(".")[0] == "llama_cpp" for imported in imported_names(file))
    }
    beside = {name for name in BESIDE_THE_ENGINE if name.startswith(f"{package}.")}
    assert {name for name in speakers if not name.startswith(f"{ENGINE}.")} == beside
    assert bool(speakers) == (package != "stardraft_lsp")


def test_the_language_server_knows_the_daemon_by_its_client_and_protocol() -> None:
    for name, file in source_files("stardraft_lsp"):
        known = {imported for imported in imported_names(file) if imported.partition(".")[0] == "stardraftd"}
        modules = {".".join(imported.split(".")[:2]) for imported in known}
        assert modules <= OPEN_TO_THE_LANGUAGE_SERVER, f"{name} imports what is closed to it"


def test_no_file_names_the_computer_it_was_written_on() -> None:
    # This computer's own, and two that were; put together here, so that this file does not name them either.
    folders = {f"/{name}" for name in ("root", "work")} | {str(Path.home())}
    if len(ROOT.parts) > 2:  # a checkout in a folder such as /app says nothing about whose it is
        folders.add(str(ROOT))
    machine_path = re.compile(r"(?<![\w.~$}-])(?:" + "|".join(map(re.escape, folders)) + ")/")
    found = []
    texts = 0
    for file in files_of_the_repository():
        data = file.read_bytes()
        if b"\0" in data:
            continue
        texts += 1
        for number, line in enumerate(data.decode("utf-8").splitlines(), start=1):
            if machine_path.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    assert texts > 50
    assert found == []


def files_of_the_repository() -> list[Path]:
    """What git has or would take."""
    git = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode != 0:
        pytest.skip("not a git checkout")
    return [file for name in git.stdout.split("\0") if name and (file := ROOT / name).is_file()]
