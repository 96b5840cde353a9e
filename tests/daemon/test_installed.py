"""How stardraft was installed is seen."""

import os
import re
from pathlib import Path

import pytest

from stardraftd import installed
from stardraftd.installed import Installation, Installer, how_to_add, installer_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("trace", "installed_by", "installer"),
    [
        ("uv-receipt.toml", "uv", "uv tool"),
        ("pipx_metadata.json", "pip", "pipx"),
        ("pipx_metadata.json", "uv", "pipx"),
        ("", "uv", "uv pip"),
        ("", "pip", "pip"),
        ("", "", "pip"),
    ],
)
def test_an_installer_is_known_by_its_traces(
    tmp_path: Path, trace: str, installed_by: str, installer: str
) -> None:
    if trace:
        (tmp_path / trace).touch()
    assert installer_of(tmp_path, installed_by) == installer


@pytest.mark.skipif(os.name == "nt", reason="POSIX paths")
def test_packages_are_known_by_their_place() -> None:
    assert installer_of(Path("/opt/homebrew/Cellar/stardraft/0.1.0/libexec"), "pip") == "Homebrew"
    assert installer_of(Path("/opt/stardraft"), "pip") == "Debian package"


@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("uv tool", 'uv tool install --force ".[bench]"'),
        ("pipx", 'pipx install --force ".[bench]"'),
        ("uv pip", 'uv pip install --python /env/bin/python ".[bench]"'),
        ("pip", '/env/bin/python -m pip install ".[bench]"'),
    ],
)
def test_a_missing_extra_is_added_from_the_source(
    monkeypatch: pytest.MonkeyPatch, installer: Installer, command: str
) -> None:
    monkeypatch.setattr(installed, "installation", lambda: Installation(installer, "/env/bin/python"))
    assert how_to_add("bench") == f"Type in the folder of stardraft's source: {command}"


INDEX = re.compile(r"""(?:pip|pipx|uv tool) install (?:-\S+ )*["']?stardraft(?:\[|["'`,;\s]|$)""")
TOLD = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(file for folder in ("daemon", "lsp", "quant", "packaging") for file in (ROOT / folder).rglob("*.*")),
]


def test_no_document_or_message_has_stardraft_fetched_from_an_index() -> None:
    """None has it: what such a command fetches is whatever somebody else calls by that name."""
    texts = {".md", ".py", ".lua", ".txt", ".ts", ".el", ".in"}
    found = {
        file.relative_to(ROOT).as_posix()
        for file in TOLD
        if file.suffix in texts and "node_modules" not in file.parts
        if INDEX.search(file.read_text(encoding="utf-8"))
    }
    assert not found
    for command in ('pip install "stardraft[engine]"', "uv tool install stardraft, then"):
        assert INDEX.search(command), "such a command would be seen"
