"""Edits of the configuration are noticed however an editor makes them, and wrong ones change nothing."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import pytest

from stardraftd.config import Config, load_config
from stardraftd.config.watching import ConfigWatcher
from stardraftd.errors import ConfigError
from tests.support.waiting import next_in, wait_until


class Watched:
    """A configuration file with a watcher on it, and what the watcher said."""

    def __init__(self, file: Path, current: Config | None = None) -> None:
        self.file = file
        self.reads = 0
        self.changes: Queue[Config | ConfigError] = Queue()
        self.watcher = ConfigWatcher(file, self._load, self.changes.put, current=current)

    def _load(self) -> Config:
        config = load_config(self.file, environ={})
        self.reads += 1
        return config

    def next(self) -> Config:
        found = next_in(self.changes)
        assert isinstance(found, Config), found
        return found

    def next_error(self) -> ConfigError:
        found = next_in(self.changes)
        assert isinstance(found, ConfigError), found
        return found

    def write(self, max_tokens: int) -> None:
        self.file.write_text(_text(max_tokens))


def _text(max_tokens: int) -> str:
    return f"[completion]\nmax_tokens = {max_tokens}\n"


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    started: list[Watched] = []

    def start(file: Path = tmp_path / "config.toml", current: Config | None = None) -> Watched:
        watched = Watched(file, current)
        watched.watcher.start()
        started.append(watched)
        return watched

    yield start
    for watched in started:
        watched.watcher.stop()


Watch = Callable[..., Watched]


def test_an_edit_in_place_is_noticed(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(_text(1))
    watched = watch()
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    watched.write(3)
    assert watched.next().completion.max_tokens == 3


def test_a_file_that_is_created_and_removed_is_noticed(watch: Watch) -> None:
    watched = watch()
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    watched.file.unlink()
    assert watched.next().completion.max_tokens == 64


def test_an_editor_that_writes_by_rename_is_noticed_again_and_again(watch: Watch, tmp_path: Path) -> None:
    watched = watch()
    for max_tokens in (2, 3, 4):
        new = tmp_path / ".config.toml.swp"
        new.write_text(_text(max_tokens))
        new.replace(watched.file)
        assert watched.next().completion.max_tokens == max_tokens


def test_an_editor_that_moves_the_old_file_away_first_is_noticed(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(_text(1))
    watched = watch()
    watched.file.replace(tmp_path / "config.toml~")
    watched.write(2)
    wait_until(lambda: watched.reads > 1 and watched.next().completion.max_tokens == 2)


def test_folders_that_are_created_later_are_noticed(watch: Watch, tmp_path: Path) -> None:
    watched = watch(tmp_path / "a" / "b" / "c" / "config.toml")
    watched.file.parent.mkdir(parents=True)
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    watched.write(3)
    assert watched.next().completion.max_tokens == 3


def test_a_folder_that_is_created_step_by_step_is_noticed(watch: Watch, tmp_path: Path) -> None:
    watched = watch(tmp_path / "a" / "b" / "config.toml")
    for folder in (tmp_path / "a", tmp_path / "a" / "b"):
        before = watched.reads
        folder.mkdir()
        wait_until(lambda before=before: watched.reads > before)  # type: ignore[misc]
    watched.write(2)
    assert watched.next().completion.max_tokens == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not move a folder that is watched")
def test_a_folder_that_is_moved_away_and_made_anew_is_noticed(watch: Watch, tmp_path: Path) -> None:
    folder = tmp_path / "stardraft"
    folder.mkdir()
    (folder / "config.toml").write_text(_text(1))
    watched = watch(folder / "config.toml")
    folder.rename(tmp_path / "old")
    assert watched.next().completion.max_tokens == 64
    folder.mkdir()
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    watched.file.unlink()
    folder.rmdir()
    assert watched.next().completion.max_tokens == 64
    folder.mkdir()
    watched.write(3)
    assert watched.next().completion.max_tokens == 3
    watched.write(4)
    assert watched.next().completion.max_tokens == 4


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_an_edit_behind_a_symbolic_link_is_noticed(watch: Watch, tmp_path: Path) -> None:
    dotfiles, config = tmp_path / "dotfiles", tmp_path / "config"
    dotfiles.mkdir()
    config.mkdir()
    (dotfiles / "mine.toml").write_text(_text(1))
    (dotfiles / "other.toml").write_text(_text(5))
    (config / "config.toml").symlink_to(dotfiles / "mine.toml")
    watched = watch(config / "config.toml")
    (dotfiles / "mine.toml").write_text(_text(2))
    assert watched.next().completion.max_tokens == 2

    (config / "new").symlink_to(dotfiles / "other.toml")
    (config / "new").replace(watched.file)
    assert watched.next().completion.max_tokens == 5
    (dotfiles / "other.toml").write_text(_text(6))
    assert watched.next().completion.max_tokens == 6


def test_a_mistake_is_reported_once_and_its_correction_always(watch: Watch) -> None:
    watched = watch()
    watched.write(0)
    assert "max_tokens is 0" in watched.next_error().message
    watched.file.write_text(_text(0) + "# still wrong\n")
    watched.write(64)  # what was in force before the mistake
    assert watched.next().completion.max_tokens == 64
    assert watched.changes.empty()


def test_an_edit_without_effect_is_read_and_not_reported(watch: Watch) -> None:
    watched = watch()
    before = wait_until(lambda: watched.reads)
    watched.file.write_text("# only a remark\n[completion]\nmax_tokens = 64\n")
    wait_until(lambda: watched.reads > before)
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    assert watched.changes.empty()


def test_other_files_and_reading_the_file_do_not_wake_the_watcher(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(_text(1))
    watched = watch()
    # The start reads twice: once for what is in force, once for what changed meanwhile.
    wait_until(lambda: watched.reads == 2)
    for number in range(20):
        (tmp_path / f"other-{number}").write_text("x")
        watched.file.read_text()
    watched.write(2)
    assert watched.next().completion.max_tokens == 2
    # The edit may be read twice if it straddles the pause; forty other events would have been many more.
    assert watched.reads <= 4


def test_a_change_before_the_start_is_reported(watch: Watch, tmp_path: Path) -> None:
    in_force = load_config(tmp_path / "config.toml", environ={})
    (tmp_path / "config.toml").write_text(_text(2))
    assert watch(current=in_force).next().completion.max_tokens == 2


def test_a_callback_that_fails_does_not_end_the_watching(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: Queue[int] = Queue()

    def on_change(found: Config | ConfigError) -> None:
        assert isinstance(found, Config)
        seen.put(found.completion.max_tokens)
        if found.completion.max_tokens == 2:
            raise RuntimeError("no")

    file = tmp_path / "config.toml"
    watcher = ConfigWatcher(file, lambda: load_config(file, environ={}), on_change)
    watcher.start()
    try:
        file.write_text(_text(2))
        assert next_in(seen) == 2
        file.write_text(_text(3))
        assert next_in(seen) == 3
    finally:
        watcher.stop()
    assert "applying a change of the configuration failed" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="uses the limit of open files as Linux counts it")
def test_a_system_that_refuses_to_watch_is_an_error_that_says_so(tmp_path: Path) -> None:
    # In a process of its own: at its limit of open files nothing else would work here either.
    program = f"""
import os, resource
from pathlib import Path
import watchdog.observers
from stardraftd.config import load_config
from stardraftd.config.watching import ConfigWatcher
from stardraftd.errors import ConfigError

file = Path({str(tmp_path / "config.toml")!r})
watcher = ConfigWatcher(file, lambda: load_config(file, environ={{}}), print)
open_files = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
try:
    watcher.start()
except ConfigError as error:
    print(error, error.hint)
watcher.stop()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert f"Changes of {tmp_path / 'config.toml'} are not noticed: " in done.stdout
    assert "stardraft daemon restart" in done.stdout


def test_it_can_be_stopped_twice_from_its_own_callback_and_before_its_start(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    stopped = threading.Event()

    def on_change(found: Config | ConfigError) -> None:
        watcher.stop()
        stopped.set()

    watcher = ConfigWatcher(file, lambda: load_config(file, environ={}), on_change)
    watcher.start()
    file.write_text(_text(2))
    wait_until(stopped.is_set, what="the watcher stops")
    watcher.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "config-watcher"]

    ConfigWatcher(file, lambda: load_config(file, environ={}), on_change).stop()
