"""`python -m stardraft_quant.train`: help without torch, and sentences for what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import run_to_end

# An interpreter in which torch is not installed, as far as an import can tell.
WITHOUT_TORCH = (
    "import runpy, sys; sys.modules['torch'] = None; sys.argv = ['train', *sys.argv[1:]]; "
    "runpy.run_module('stardraft_quant.train', run_name='__main__')"
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run_to_end([sys.executable, "-c", WITHOUT_TORCH, *arguments], text=True, idle_s=60)


@pytest.mark.parametrize("command", [[], ["corpus"], ["train"], ["evaluate"], ["export"]])
def test_help_works_without_torch(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stderr == ""


def test_a_command_that_needs_torch_says_how_to_get_it(tmp_path: Path) -> None:
    for arguments in (["train", "corpus", "run"], ["export", "checkpoint.pt", "out.gguf"]):
        done = run(arguments[0], *(str(tmp_path / name) for name in arguments[1:]))
        assert done.returncode == 1
        assert "This needs torch" in done.stderr
        assert '.[quant]"' in done.stderr
        assert "Traceback" not in done.stderr


def test_a_corpus_is_made_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "program.py").write_text("def f():\n    return 1\n" * 20)
    arguments = ("corpus", str(tmp_path / "out"), "--no-packages", "--no-standard-library")
    done = run(*arguments, "--add", f"{tmp_path / 'source'}=MIT")
    assert done.returncode == 0, done.stderr
    assert "1 file," in done.stdout
    done = run(*arguments, "--add", str(tmp_path / "source"))
    assert done.returncode == 1
    assert "names no licen" in done.stderr
    assert run(*arguments).returncode == 1
