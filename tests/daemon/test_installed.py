"""How stardraft was installed is seen."""

import os
from pathlib import Path

import pytest

from stardraftd.installed import installer_of


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
