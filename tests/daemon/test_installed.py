"""How stardraft was installed is seen, and the commands fit."""

import json
import os
import re
from pathlib import Path

import pytest

from stardraftd import installed
from stardraftd.installed import Installation, Installer, how_to_add, installer_of, source_of

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


def test_what_came_from_an_index_comes_from_there_again() -> None:
    assert source_of(None) == ("stardraft[engine]", False)
    assert source_of("not JSON") == ("stardraft[engine]", False)


def test_what_came_from_a_file_or_folder_comes_from_there_again(tmp_path: Path) -> None:
    wheel = tmp_path / "a folder" / "stardraft-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    record = json.dumps({"url": wheel.as_uri(), "archive_info": {}})
    assert source_of(record) == ("stardraft[engine]", False), "the file is not there any more"
    wheel.touch()
    assert source_of(record) == (f"{wheel}[engine]", False)
    folder = json.dumps({"url": tmp_path.as_uri(), "dir_info": {"editable": True}})
    assert source_of(folder) == (f"{tmp_path}[engine]", True)


def test_what_came_from_a_repository_comes_from_its_branch_again() -> None:
    record = {
        "url": "https://git.example/stardraft",
        "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc"},
    }
    assert source_of(json.dumps(record))[0] == "stardraft[engine] @ git+https://git.example/stardraft@main"


@pytest.mark.skipif(os.name == "nt", reason="the shell of POSIX")
@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("pip", '/env/bin/python -m pip install "stardraft[engine]"'),
        ("uv pip", 'uv pip install --python /env/bin/python "stardraft[engine]"'),
        ("uv tool", 'uv tool install --force "stardraft[engine]"'),
        ("pipx", 'pipx install --force "stardraft[engine]"'),
        ("Homebrew", "brew reinstall stardraft"),
    ],
)
def test_the_engine_is_added_by_whoever_installed_the_rest(installer: Installer, command: str) -> None:
    assert Installation(installer, "/env/bin/python", "stardraft[engine]").command_for_engine() == command


@pytest.mark.skipif(os.name == "nt", reason="the shell of POSIX")
@pytest.mark.parametrize("installer", ["pip", "uv pip", "uv tool", "pipx", "Debian package"])
def test_a_build_again_takes_the_arguments_for_it(installer: Installer) -> None:
    found = Installation(installer, "/env/bin/python", "stardraft[engine]")
    assert "CMAKE_ARGS=-DA=ON " in found.command_for_rebuild("-DA=ON").replace('"', "")
    assert 'CMAKE_ARGS="-DA=ON -DB=ON"' in found.command_for_rebuild("-DA=ON -DB=ON")
    assert "CMAKE_ARGS" not in found.command_for_rebuild()


def test_a_missing_extra_is_added_from_where_stardraft_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def come_from(source: str) -> None:
        found = Installation("uv tool", "/env/bin/python", source)
        monkeypatch.setattr(installed, "installation", lambda: found)

    come_from("/src/stardraft[engine]")
    assert how_to_add("engine,bench") == 'Type: uv tool install --force "/src/stardraft[engine,bench]"'
    assert how_to_add("engine") == "Build it for this computer: stardraft setup engine"
    come_from("stardraft[engine]")
    assert how_to_add("engine,bench").endswith('source: uv tool install --force ".[engine,bench]"')


INDEX = re.compile(r"""(?:pip|pipx|uv tool) install (?:-\S+ )*["']?stardraft(?:\[|["'`\s]|$)""")
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
    assert INDEX.search('pip install "stardraft[engine]"'), "such a command would be seen"
