"""`stardraft uninstall`: lists before it removes, leaves nothing of ours and everything of others."""

import os
from array import array
from pathlib import Path

import msgspec
import pytest

from stardraftd import paths
from stardraftd.engine.cache.saved import SavedSequences
from stardraftd.models.store import Record
from stardraftd.setup import uninstall
from tests.cli.program import DEMO, stardraft
from tests.support.home import processes_of, write_config

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it looks at Unix sockets and links")


@pytest.fixture(autouse=True)
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: dict[str, str]) -> Path:
    """A user's own home folder: what shells read there is not the tester's."""
    folder = tmp_path / "person"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        home[name] = str(folder)
        monkeypatch.setenv(name, str(folder))
    return folder


@pytest.fixture
def lived_in(home: dict[str, str]) -> dict[str, str]:
    """A home in which stardraft has worked, with a daemon that still runs."""
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    home["XDG_CONFIG_HOME"] = str(root / "config")
    write_config(home, "")
    assert stardraft(home, "daemon", "start").returncode == 0
    state = Path(home["STARDRAFT_STATE_DIR"])
    saved = SavedSequences(state / "engine" / "sequences", "a model", max_bytes=10**6, max_days=1)
    assert saved.put("a.py", array("i", [1, 2]), 2, b"what the model has read")
    (state / "stats.sqlite").write_bytes(b"figures")
    (state / "stats.sqlite.lock").touch()
    (state / "licenses.json").write_text("{}")
    (state / "engine" / "verdicts.json.lock").touch()
    engine = Path(home["STARDRAFT_ENGINES_DIR"]) / "builds" / "0a1b" / "site" / "llama_cpp"
    engine.mkdir(parents=True)
    (engine / "__init__.py").touch()
    cache = Path(home["STARDRAFT_CACHE_DIR"]) / "engine" / "wheels" / "0a1b"
    cache.mkdir(parents=True)
    (cache / "llama_cpp_python-1-py3-none-any.whl").touch()
    models = Path(home["STARDRAFT_MODELS_DIR"])
    (models / ".unfinished" / "source").mkdir(parents=True)
    (models / ".unfinished" / "abc.part").write_bytes(b"x" * 1000)
    (models / ".unfinished" / "source" / "config.json").write_text("{}")
    (models / ".unfinished" / "starcoder2-3b-Q4_K_M.lock").touch()
    return home


def left(home: dict[str, str]) -> list[str]:
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_afterwards_nothing_is_left(lived_in: dict[str, str]) -> None:
    assert stardraft(lived_in, "complete", f"{DEMO}:54:15").returncode == 0
    done = stardraft(lived_in, "uninstall", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert "The daemon has stopped" in done.stdout
    assert "uninstall stardraft" in done.stdout.splitlines()[-1]
    assert left(lived_in) == []
    assert processes_of(lived_in) == []
    assert "nothing of stardraft" in stardraft(lived_in, "uninstall", "--purge").stdout


def test_the_command_to_type_is_one_line_however_narrow_the_terminal(home: dict[str, str]) -> None:
    told = stardraft({**home, "COLUMNS": "40"}, "uninstall", "--purge", "--yes").stdout
    assert "uninstall stardraft" in told.splitlines()[-1]


def test_where_nobody_can_be_asked_it_only_lists(lived_in: dict[str, str]) -> None:
    before = left(lived_in)
    listed = stardraft(lived_in, "uninstall", "--purge")
    assert listed.returncode == 2, listed.stderr
    assert "Nothing was removed" in listed.stderr
    assert "what the model has read of open files" in listed.stdout
    assert "not stardraft's" not in listed.stdout, "it does not know a file that the daemon has written"
    for place in ("STARDRAFT_RUNTIME_DIR", "STARDRAFT_MODELS_DIR", "STARDRAFT_CONFIG"):
        assert lived_in[place] in listed.stdout
    assert left(lived_in) == before
    assert processes_of(lived_in), "it stopped the daemon"


def test_without_purge_models_and_configuration_stay(lived_in: dict[str, str]) -> None:
    done = stardraft(lived_in, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not Path(lived_in["STARDRAFT_STATE_DIR"]).exists()
    assert not Path(lived_in["STARDRAFT_RUNTIME_DIR"]).exists()
    assert not Path(lived_in["STARDRAFT_ENGINES_DIR"]).exists()
    assert not Path(lived_in["STARDRAFT_CACHE_DIR"]).exists()
    assert Path(lived_in["STARDRAFT_CONFIG"]).exists()
    unfinished = Path(lived_in["STARDRAFT_MODELS_DIR"], ".unfinished")
    assert (unfinished / "abc.part").exists()
    assert not list(unfinished.glob("*.lock"))


@pytest.mark.parametrize(
    ("shell", "own"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")]
)
def test_shell_completions_go_and_what_the_user_has_stays(
    home: dict[str, str], person: Path, shell: str, own: str
) -> None:
    """As the command line's own library writes them."""
    from typer._completion_shared import install

    file = person / own
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("alias ll='ls -l'\n")
    _, script = install(shell=shell, prog_name="stardraft", complete_var="_STARDRAFT_COMPLETE")
    others = script.with_name("other")
    others.write_text("of another program")
    assert f"shell completions: ~/{script.relative_to(person)}" in stardraft(home, "uninstall").stdout
    done = stardraft(home, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not script.exists()
    assert others.exists()
    assert file.read_text().startswith("alias ll='ls -l'\n")
    assert "stardraft" not in file.read_text()


def test_of_a_computer_that_had_nothing_of_it_nothing_is_left(home: dict[str, str], person: Path) -> None:
    """Without --purge, too: bash had no file of its own, and no model was ever there."""
    from typer._completion_shared import install

    models = Path(home["STARDRAFT_MODELS_DIR"])
    models.mkdir(parents=True)
    install(shell="bash", prog_name="stardraft", complete_var="_STARDRAFT_COMPLETE")
    assert f"empty folder of models: {models}" in stardraft(home, "uninstall").stdout
    done = stardraft(home, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert "stays" not in done.stdout
    assert not models.exists()
    assert list(person.iterdir()) == []


def test_what_a_user_wrote_around_the_line_stays_as_it_is(home: dict[str, str], person: Path) -> None:
    from typer._completion_shared import install

    file = person / ".bashrc"
    file.write_text("before\n")
    install(shell="bash", prog_name="stardraft", complete_var="_STARDRAFT_COMPLETE")
    file.write_text(file.read_text() + "after\n")
    stardraft(home, "uninstall", "--yes")
    assert file.read_text() == "before\nafter\n"


def test_a_file_of_that_name_that_is_the_users_own_stays(home: dict[str, str], person: Path) -> None:
    mine = person / ".zfunc" / "_stardraft"
    mine.parent.mkdir()
    mine.write_text("#compdef stardraft\n_mine")
    stardraft(home, "uninstall", "--purge", "--yes")
    assert mine.exists()


def test_every_file_that_stardraft_writes_is_known(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a daemon, of a write that was cut off, of a model that is gone."""
    # All of this home's: what it does not name would be the tester's own, and is removed here in earnest.
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path(home["STARDRAFT_RUNTIME_DIR"]).parent / "config"))
    monkeypatch.delenv("STARDRAFT_CONFIG")
    record = Record(how="copied", source="/x.gguf", sha256="0" * 64, size_bytes=1, added_at="2026-01-31")
    runtime = [paths.socket_path(), paths.lock_path(), paths.record_path(), paths.endpoint_path()]
    cut_off = [path.with_suffix(".4711") for path in (paths.record_path(), paths.endpoint_path())]
    whole = {
        paths.config_path(): b"",
        paths.log_path(): b"",
        Path(f"{paths.log_path()}.1"): b"",
        paths.state_dir() / "said-toy-model": b"",
        paths.state_dir() / "last-silence.json": b"{}",
        paths.state_dir() / "licenses.json": b"{}",
        paths.models_dir() / "gone.json": msgspec.json.encode(record),
        **{paths.engine_cache_dir() / f"{name}.json": b"{}" for name in ("speeds", "verdicts", "libraries")},
    }
    for path in (*runtime, *cut_off, paths.lock_path().with_suffix(".start")):
        path.touch()
    for path, content in whole.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if "logs" not in path.parts:
            path.with_name(f".{path.name}.4711").touch()
    found = uninstall.parts(purge=True)
    assert [path for part in found for path in part.foreign] == []
    for part in found:
        assert uninstall.remove(part).failed == ()
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    assert [path for path in root.rglob("*") if path.is_file() and "daemon" not in path.parts] == []


def test_what_is_not_stardrafts_stays_and_is_named(home: dict[str, str]) -> None:
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    state = Path(home["STARDRAFT_STATE_DIR"])
    models = Path(home["STARDRAFT_MODELS_DIR"])
    precious = root / "precious"
    precious.mkdir()
    (precious / "daemon.log").write_text("mine")
    state.mkdir(exist_ok=True)
    (state / "logs").symlink_to(precious)
    (state / "notes.txt").write_text("mine")
    (state / "engine").mkdir(exist_ok=True)
    (state / "engine" / "speeds.json").symlink_to(precious / "daemon.log")
    models.mkdir()
    (models / "my-own.gguf").write_bytes(b"mine")
    done = stardraft(home, "uninstall", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    for path in (state / "notes.txt", state / "logs", models / "my-own.gguf"):
        assert f"not stardraft's: {path}" in done.stdout
        assert path.exists()
    assert (precious / "daemon.log").read_text() == "mine"
    assert not (state / "engine").exists(), "a link with our name goes, what it leads to stays"


def test_what_cannot_be_removed_is_said_and_counts_as_failure(home: dict[str, str]) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    logs = Path(home["STARDRAFT_STATE_DIR"]) / "logs"
    logs.mkdir(parents=True)
    (logs / "daemon.log").touch()
    logs.chmod(0o500)
    done = stardraft(home, "uninstall", "--yes")
    logs.chmod(0o700)
    assert done.returncode == 1
    assert "daemon.log cannot be removed" in done.stderr


def test_an_editor_that_was_set_up_is_taken_back(home: dict[str, str]) -> None:
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    home["XDG_CONFIG_HOME"] = str(root / "config")
    file = root / "config" / "helix" / "languages.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n")
    assert stardraft(home, "setup", "helix", "--yes").returncode == 0
    assert "stardraft" in file.read_text()
    assert "set up in an editor: helix" in stardraft(home, "uninstall").stdout
    done = stardraft(home, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == "# mine\n"
    assert not Path(home["STARDRAFT_STATE_DIR"]).exists()


def test_a_set_up_that_was_changed_since_is_left_and_remembered(home: dict[str, str]) -> None:
    root = Path(home["STARDRAFT_RUNTIME_DIR"]).parent
    home["XDG_CONFIG_HOME"] = str(root / "config")
    file = root / "config" / "helix" / "languages.toml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\n")
    stardraft(home, "setup", "helix", "--yes")
    file.write_text(file.read_text() + "# and this too\n")
    done = stardraft(home, "uninstall", "--yes")
    assert done.returncode == 1
    assert "changed since" in done.stderr
    assert "# and this too" in file.read_text()
    assert Path(home["STARDRAFT_STATE_DIR"], "setup", "helix.json").exists()
