"""Every path can be moved, and a runtime folder that is not this user's alone is refused with a remedy."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stardraftd import paths
from stardraftd.errors import ModelNotFoundError, PathError
from tests.support.modes import file_modes_obeyed

posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has neither modes nor owners of this kind"
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CONFIG", "STATE_DIR", "MODELS_DIR", "RUNTIME_DIR"):
        monkeypatch.delenv(f"STARDRAFT_{variable}", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a path short enough for sockets on every system; macOS' own temporary one is not."""
    base = "/tmp" if sys.platform != "win32" else None
    with tempfile.TemporaryDirectory(dir=base, prefix="sd-") as folder:
        yield Path(folder).resolve()


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("STARDRAFT_CONFIG", paths.config_path),
        ("STARDRAFT_STATE_DIR", paths.state_dir),
        ("STARDRAFT_MODELS_DIR", paths.models_dir),
        ("STARDRAFT_RUNTIME_DIR", paths.runtime_dir),
    ],
)
def test_a_variable_moves_each_place(
    variable: str, path: object, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(path)
    place = short / "somewhere else"
    monkeypatch.setenv(variable, str(place))
    assert path() == place
    monkeypatch.chdir(short)
    monkeypatch.setenv(variable, "near")
    assert path() == short / "near"
    monkeypatch.setenv("HOME", str(short))
    monkeypatch.setenv("USERPROFILE", str(short))
    monkeypatch.setenv(variable, "~/at home")
    assert path() == short / "at home"


def test_the_log_is_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path))
    assert paths.log_path() == tmp_path / "logs" / "daemon.log"
    assert not paths.log_path().parent.exists()


def test_socket_endpoint_and_lock_stand_together_under_the_protocols_number(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "run"))
    assert paths.socket_path() == short / "run" / "stardraft-1.sock"
    assert paths.endpoint_path() == short / "run" / "stardraft-1.json"
    assert paths.lock_path() == short / "run" / "stardraft-1.lock"
    assert paths.socket_path(2) == short / "run" / "stardraft-2.sock"


def test_the_builtin_model_is_there_and_is_a_gguf() -> None:
    with paths.builtin_model_path().open("rb") as model:
        assert model.read(4) == b"GGUF"


def test_a_missing_builtin_model_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BUILTIN_MODEL", "lost.gguf")
    with pytest.raises(ModelNotFoundError, match=r"lost\.gguf") as caught:
        paths.builtin_model_path()
    assert "Install stardraft again" in caught.value.hint


def test_asking_where_the_socket_is_need_not_create_anything(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "run"))
    assert paths.socket_path(create=False).name == "stardraft-1.sock"
    assert not (short / "run").exists()


@posix_only
def test_the_runtime_folder_is_created_private_whatever_the_umask(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "a" / "run"))
    before = os.umask(0)
    try:
        path = paths.runtime_dir()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o700
    assert paths.runtime_dir() == path


@posix_only
def test_xdg_runtime_dir_holds_a_folder_of_ours(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    assert paths.runtime_dir() == short / "stardraft"


@posix_only
def test_without_any_variable_the_platforms_folder_is_verified_like_any_other(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = short / "runtime"
    monkeypatch.setattr(paths, "_platform_runtime_dir", lambda: base / "stardraft")
    base.mkdir(mode=0o700)
    assert paths.runtime_dir() == base / "stardraft"
    base.chmod(0o777)
    with pytest.raises(PathError, match=r"Everyone can replace .* \(mode 0777\)") as caught:
        paths.runtime_dir()
    assert f"chmod o-w {base}" in caught.value.hint


@posix_only
@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_open_to_others_is_refused_with_the_command_that_closes_it(
    mode: int, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = short / "my run"
    run.mkdir()
    run.chmod(mode)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(run))
    for create in (True, False):
        with pytest.raises(PathError) as caught:
            paths.socket_path(create=create)
        assert str(run) in caught.value.message
        assert f"mode {mode:04o}" in caught.value.message
    command = caught.value.hint.removeprefix("Type: ")
    subprocess.run(["sh", "-c", command], check=True)
    assert paths.runtime_dir() == run


@posix_only
def test_a_folder_without_rights_for_its_owner_is_refused(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = short / "run"
    run.mkdir()
    run.chmod(0o500)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(run))
    with pytest.raises(PathError, match="closed to its owner") as caught:
        paths.runtime_dir()
    assert f"chmod 700 {run}" in caught.value.hint


@posix_only
def test_a_symbolic_link_is_refused_even_to_a_good_folder(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short / "good").mkdir(mode=0o700)
    (short / "link").symlink_to(short / "good")
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "link"))
    with pytest.raises(PathError, match="is a symbolic link") as caught:
        paths.runtime_dir()
    assert "STARDRAFT_RUNTIME_DIR" in caught.value.hint


@posix_only
def test_a_folder_of_someone_else_is_refused_by_name(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.getuid() == 0:
        run, owner = short / "run", "user number 54321"
        run.mkdir(mode=0o700)
        os.chown(run, 54321, -1)
    else:
        run, owner = Path("/usr"), "root"
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(run))
    with pytest.raises(PathError, match=f"{run} belongs to {owner}, not to "):
        paths.runtime_dir()


@posix_only
@pytest.mark.parametrize("variable", ["STARDRAFT_RUNTIME_DIR", "XDG_RUNTIME_DIR"])
@pytest.mark.parametrize("depth", ["", "a", "a/b"])
@pytest.mark.parametrize(("mode", "letter"), [(0o777, "o"), (0o775, "g"), (0o722, "o")])
def test_a_folder_above_that_others_can_write_in_is_refused_whoever_named_it(
    variable: str, depth: str, mode: int, letter: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = short / "shared"
    inner = shared / depth / "inner"
    inner.mkdir(parents=True, mode=0o700)
    os.chown(shared, -1, 54321) if os.getuid() == 0 else None
    shared.chmod(mode)
    if letter == "g" and os.getuid() != 0:
        pytest.skip("only root can give a folder to a group of others")
    monkeypatch.setenv(variable, str(inner / "run"))
    for create in (False, True):
        with pytest.raises(PathError, match=f"can replace what is in the folder {shared} ") as caught:
            paths.socket_path(create=create)
    assert not (inner / "run").exists()
    subprocess.run(["sh", "-c", caught.value.hint.splitlines()[0].removeprefix("Type: ")], check=True)
    assert paths.socket_path().is_relative_to(inner)


@posix_only
def test_in_a_shared_folder_with_the_sticky_bit_a_folder_of_ones_own_is_safe(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short.chmod(0o1777)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "a" / "run"))
    assert paths.runtime_dir().parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can make another's files"
)
@pytest.mark.parametrize("kind", ["folder", "folder far above", "symbolic link", "link's target"])
def test_a_folder_above_that_is_another_users_is_refused(
    kind: str, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = short / "theirs", short / "mine"
    mine.mkdir(mode=0o700)
    place = theirs / "run"
    if kind == "symbolic link":
        theirs.symlink_to(mine)
        os.chown(theirs, 54321, -1, follow_symlinks=False)
    else:
        (theirs / "a").mkdir(parents=True)
        os.chown(theirs, 54321, -1)
        if kind == "folder far above":
            place = theirs / "a" / "run"
        elif kind == "link's target":
            (mine / "link").symlink_to(Path("..") / "theirs" / "a")
            place = mine / "link" / "run"
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(place))
    with pytest.raises(PathError, match=rf"{theirs} belongs to user number 54321, .*leads to .* {place}"):
        paths.runtime_dir()
    assert not place.exists()


@posix_only
def test_links_of_ones_own_above_are_followed(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "real").mkdir(mode=0o700)
    (short / "one").symlink_to("two")
    (short / "two").symlink_to(short / "real")
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "one" / "run"))
    assert paths.runtime_dir().samefile(short / "real" / "run")
    (short / "circle").symlink_to("circle")
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "circle" / "run"))
    with pytest.raises(PathError, match="cannot be created"):
        paths.runtime_dir()


def test_a_file_in_the_place_of_the_folder_is_named(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "run").write_text("no folder")
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "run"))
    with pytest.raises(PathError, match=r"run is not a directory"):
        paths.runtime_dir()


@posix_only
def test_a_file_in_the_place_of_a_folder_above_is_named(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "file").write_text("no folder")
    for place in ("file/run", "file/deeper/run"):
        monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / place))
        with pytest.raises(PathError, match=r"cannot be created: .*file.*[Nn]ot a directory") as caught:
            paths.runtime_dir()
        assert "Set STARDRAFT_RUNTIME_DIR" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where even root can create nothing")
def test_a_folder_that_cannot_be_created_is_an_error_that_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", "/proc/stardraft")
    with pytest.raises(PathError, match=r"/proc/stardraft cannot be created: .*No such file"):
        paths.runtime_dir()


@posix_only
def test_a_read_only_parent_is_an_error_that_says_why(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short.chmod(0o500)
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(short / "run"))
    with file_modes_obeyed(), pytest.raises(PathError, match=r"cannot be created: .*Permission denied"):
        paths.runtime_dir()


@posix_only
def test_a_path_too_long_for_a_socket_is_an_error_before_bind_fails(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    room = paths.MAX_SOCKET_PATH_BYTES - len(os.fsencode(short / "run" / "stardraft-1.sock"))
    fits = short / f"run{'é' * (room // 2)}{'x' * (room % 2)}"  # bytes count, not characters
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(fits))
    path = paths.socket_path()
    assert len(os.fsencode(path)) == paths.MAX_SOCKET_PATH_BYTES
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))

    too_long = fits.with_name(f"{fits.name}x")
    monkeypatch.setenv("STARDRAFT_RUNTIME_DIR", str(too_long))
    with pytest.raises(PathError, match=rf"has {paths.MAX_SOCKET_PATH_BYTES + 1} bytes") as caught:
        paths.socket_path()
    assert "STARDRAFT_RUNTIME_DIR" in caught.value.hint
    assert paths.endpoint_path().parent == too_long


def test_paths_are_shown_with_the_home_folder_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert paths.tilde(tmp_path / "a" / "b") == str(Path("~/a/b"))
    assert paths.tilde(tmp_path.parent) == str(tmp_path.parent)


def test_in_a_text_every_path_of_the_home_folder_begins_with_a_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "me"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    text = f"{home}/a: in ({home}/b) and\n{home}/c, not '{home}/d', {home}x/e or /x{home}/f"
    assert paths.with_tildes(text) == f"~/a: in (~/b) and\n~/c, not '{home}/d', {home}x/e or /x{home}/f"
