"""The house stays one that can be lived in: short modules, small folders, and a measured way of a key."""

from collections import Counter
from pathlib import Path

from tests import measure_path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("daemon/stardraftd", "lsp/stardraft_lsp", "quant/stardraft_quant")
MAX_LINES = 450
MAX_FILES = 14


def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(found) > 200
    return found


def test_no_module_is_longer_than_one_can_read() -> None:
    lines = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in modules()}
    assert {str(path): n for path, n in lines.items() if n > MAX_LINES} == {}


def test_no_folder_has_more_files_than_one_can_see() -> None:
    files = Counter(str(path.parent.relative_to(ROOT)) for path in modules())
    assert {folder: n for folder, n in files.items() if n > MAX_FILES} == {}


async def test_the_way_of_a_key_is_measured_in_all_three_processes() -> None:
    asked, cached = await measure_path.measure()
    for folder in measure_path.PACKAGES:
        assert any(f"/{folder}/" in file for file in asked.files)
    # A key that continues what is shown asks for nothing; what the engine does beside it is its own.
    assert any(file.endswith("/session/streaming.py") for file in asked.files)
    assert not any(file.endswith("/session/streaming.py") for file in cached.files)
    assert len(cached.files) < len(asked.files) / 2
    assert {
        "stardraftd.protocol.http.CompletionRequest",
        "stardraftd.protocol.completion.Text",
    } <= asked.shapes
