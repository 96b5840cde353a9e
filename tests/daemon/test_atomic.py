"""Small files are read only if they are files, and written whole: whatever else stands in their place."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stardraft_lsp.stats.store import StatsError
from stardraft_lsp.stats.store import Store as Figures
from stardraftd.config import load_config
from stardraftd.config.editing import choose
from stardraftd.engine.plan.speeds import SpeedModel, remember, remembered
from stardraftd.errors import ConfigError, LicenseError, PathError
from stardraftd.files import atomic
from stardraftd.measurements import SPEEDS_FILE
from stardraftd.models import licenses
from stardraftd.models.throughput import measurements
from stardraftd.paths import endpoint_path
from stardraftd.setup import record
from stardraftd.transport.endpoint import find
from tests.support.places import put_in_place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files on Windows")
KINDS = ["a pipe", "a device", "a directory", "a socket"]


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(run))
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STARDRAFT_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that a link leads to, and nobody may touch."""
    path = tmp_path / "victim"
    path.write_text("mine")
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_an_error_that_names_it(kind: str, tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "small"
    made = put_in_place(path, kind, victim)
    for at in (path, tmp_path / "link"):
        if at != path:
            at.symlink_to(path)
        with pytest.raises(OSError, match=f"it is {made}, not a file"):
            atomic.read(at)
        with pytest.raises(OSError, match=f"it is {made}, not a file"):
            atomic.open_file(at, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="not a file"):
        atomic.write_whole(path, b"new")
    assert list(tmp_path.glob(".small*")) == []


def test_a_file_is_read_to_its_limit_and_a_link_only_where_it_is_a_persons(
    tmp_path: Path, victim: Path
) -> None:
    assert atomic.read(victim, 4) == b"mine"
    with pytest.raises(OSError, match="more than 3 bytes") as caught:
        atomic.read(victim, 3)
    assert caught.value.errno == errno.EFBIG
    link = tmp_path / "link"
    link.symlink_to(victim)
    assert atomic.read(link) == b"mine"
    with pytest.raises(OSError, match="it is a symbolic link"):
        atomic.read(link, own=True)
    with pytest.raises(OSError, match="it is a symbolic link"):
        atomic.open_file(link, os.O_RDWR | os.O_CREAT, own=True)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="it is a symbolic link"):
        atomic.open_file(tmp_path / "dangling", os.O_RDWR | os.O_CREAT, own=True)
    assert not (tmp_path / "nowhere").exists()
    assert atomic.read(Path(os.devnull)) == b""


def test_another_users_file_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    if os.geteuid() == 0:
        os.chown(theirs, 54321, -1)
    else:
        theirs = Path("/etc/hostname")
    assert atomic.read(theirs)
    with pytest.raises(PermissionError, match="belongs to another user"):
        atomic.read(theirs, own=True)


def test_writing_replaces_a_link_and_keeps_a_files_mode(tmp_path: Path, victim: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(victim)
    atomic.write_whole(link, b"new")
    assert (victim.read_text(), link.read_text(), link.is_symlink()) == ("mine", "new", False)
    victim.chmod(0o600)
    atomic.write_whole(victim, b"other")
    assert victim.stat().st_mode & 0o777 == 0o600


def speeds(path: Path) -> None:
    remember(path, "key", SpeedModel([(1, 2.0)]))
    assert remembered(path, "key")
    assert measurements(path.parent) == ()


def figures(path: Path) -> None:
    with pytest.raises(StatsError, match="not a file"):
        Figures(path).write([])


def agreements(_path: Path) -> None:
    with pytest.raises(LicenseError, match="not a file"):
        licenses.agreements()


def set_up(_path: Path) -> None:
    with pytest.raises(PathError, match="not a file"):
        record.load("helix")


def address(_path: Path) -> None:
    with pytest.raises(PathError, match="not a file"):
        find()


def configuration(path: Path) -> None:
    with pytest.raises(ConfigError, match="not a file"):
        load_config()
    with pytest.raises(ConfigError, match="not a file"):
        choose(path)


@pytest.mark.parametrize("kind", [*KINDS, "a symbolic link"])
@pytest.mark.parametrize(
    ("file", "use"),
    [
        (licenses.agreements_path, agreements),
        (lambda: record.folder() / "helix.json", set_up),
        (endpoint_path, address),
        (lambda: Path(os.environ["STARDRAFT_CONFIG"]), configuration),
        (lambda: Path(os.environ["STARDRAFT_STATE_DIR"]) / "stats.sqlite", figures),
        (lambda: Path(os.environ["STARDRAFT_STATE_DIR"]) / SPEEDS_FILE, speeds),
    ],
)
def test_each_file_of_the_state_is_a_file_or_a_sentence(
    kind: str, file: Callable[[], Path], use: Callable[[Path], Any], victim: Path
) -> None:
    path = file()
    if use is configuration and kind == "a symbolic link":
        pytest.skip("a configuration may be a link into a collection of dotfiles")
    path.parent.mkdir(parents=True, exist_ok=True)
    put_in_place(path, kind, victim)
    use(path)
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("mine", 0o644)


CONTENT = '[model]\n# a note: é\npath = "/a/b.gguf"\n'


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_configuration_with_a_mark_or_other_line_ends_is_read_and_changed_as_it_is(
    mark: bytes, end: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(mark + CONTENT.replace("\n", end).encode())
    assert load_config().origins == {"model.path": "config.toml line 3"}
    choose(Path("/c/d.gguf"))
    assert file.read_bytes() == mark + CONTENT.replace("\n", end).replace("/a/b", "/c/d").encode()
    choose(None)
    assert load_config().model.path == ""
    assert file.read_bytes().startswith(mark)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONTENT.encode("utf-16"), "it is UTF-16"),
        (b"\xfe\xff" + CONTENT.encode("utf-16-be"), "it is UTF-16"),
        (CONTENT.encode("utf-32"), "it is UTF-32"),
        (CONTENT.encode("utf-16-le"), "line 1: it has a NUL byte, so it is UTF-16"),
        (CONTENT.encode("latin-1"), "line 2: the byte 0xe9 is not UTF-8"),
    ],
)
def test_another_encoding_is_named_by_reading_and_by_changing(
    content: bytes, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    for use in (load_config, lambda: choose(Path("/c/d.gguf")), lambda: choose(None)):
        with pytest.raises(ConfigError, match=said) as caught:
            use()
        assert caught.value.hint == "Save the file as UTF-8."
    assert file.read_bytes() == content
