"""The manual pages say what the help says, and are sound in the language of manual pages."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.cli.app import command

PACKAGING = Path(__file__).parents[2] / "packaging"
PAGES = sorted((PACKAGING / "man").glob("*.1"))


def test_the_pages_are_as_the_help_is() -> None:
    checked = subprocess.run(
        [sys.executable, "-B", PACKAGING / "man_pages.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_command_has_its_page_and_is_named_in_the_first_one() -> None:
    commands = command().list_commands(None)
    assert {page.name for page in PAGES} == {"stardraft.1", *(f"stardraft-{name}.1" for name in commands)}
    first = (PACKAGING / "man" / "stardraft.1").read_text(encoding="utf-8")
    for name in commands:
        assert f"stardraft\\-{name}(1)" in first


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man-db")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_read_without_a_warning(page: Path) -> None:
    read = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", "--troff-device=utf8", "--ditroff", page],
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("man") is None, reason="needs man-db")
def test_a_person_reads_what_can_be_typed() -> None:
    read = subprocess.run(
        ["man", "--local-file", PACKAGING / "man" / "stardraft-complete.1"],
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "120", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "stardraft-complete - Complete the code at a place in a file" in read.stdout
    assert "--max-tokens N" in read.stdout
    assert "git show HEAD:app.py | stardraft complete --path app.py -:12:5" in read.stdout
    assert "'select(.event == \"done\").text'" in read.stdout, "quotes that a shell takes"
