"""ARCHITECTURE.md is a map that can be trusted: what it names is there, and it is short enough to be read."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
MOST_LINES = 150
# Where a name on the page may begin: its sections say which.
ROOTS = (ROOT, ROOT / "daemon/stardraftd", ROOT / "lsp/stardraft_lsp", ROOT / "quant/stardraft_quant")
QUOTED = re.compile(r"`([^`\n]{1,100})`")


def named_paths() -> list[str]:
    """What is quoted on the page and looks like a file or a folder of this repository."""
    quoted = {text.strip() for text in QUOTED.findall(TEXT)}
    # Only a name that has a suffix of ours, or ends as a folder does; routes begin with a slash.
    return sorted(text for text in quoted if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*(/|\.(py|toml|md))", text))


@pytest.mark.parametrize("name", named_paths())
def test_what_the_map_names_is_there(name: str) -> None:
    """From the repository's root, or within a package, whose folder the table or the sentence says."""
    within = (found for root in ROOTS[1:] for found in root.rglob(name.rstrip("/").rpartition("/")[2]))
    assert (
        (ROOT / name).exists()
        or any(ROOT.glob(f"tests/{name}"))
        or any(f"/{found.relative_to(ROOT)}".endswith(f"/{name.rstrip('/')}") for found in within)
    )


def test_every_folder_of_the_packages_is_on_the_map() -> None:
    for root in ROOTS[1:]:
        for folder in root.iterdir():
            if folder.is_dir() and (folder / "__init__.py").exists():
                assert f"`{folder.name}/`" in TEXT, f"{folder.relative_to(ROOT)} is not on the map"


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= MOST_LINES
