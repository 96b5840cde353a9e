"""`stardraft setup nvim --plugin`: put in, renewed, refused and taken back; Neovim itself finds it."""

import os
import shutil
from pathlib import Path

import pytest

from stardraftd.setup import shipped
from stardraftd.setup.editors import neovim_plugin
from tests.cli.person import Stardraft, files_in, program
from tests.cli.program import stardraft
from tests.editors.neovim_plugin import FINDERS, PLUGIN
from tests.support.processes import run_to_end

VIMRC = "vim.cmd.Stardraft('status')\nvim.cmd.help('stardraft')\nprint(vim.fn.expand('%:p'))"


@pytest.fixture
def neovim(request: pytest.FixtureRequest) -> str:
    """The binary of a version. Before `setup`, which hides from the user where the tests have theirs."""
    return FINDERS[request.param]()


@pytest.fixture
def package(person: dict[str, str]) -> Path:
    return Path(person["XDG_DATA_HOME"], "nvim", "site", "pack", "stardraft", "start", "stardraft")


@pytest.fixture
def init(person: dict[str, str]) -> Path:
    file = Path(person["XDG_CONFIG_HOME"], "nvim", "init.lua")
    file.parent.mkdir(parents=True)
    return file


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An older version of the plugin, whose files are set up while it stands in the place of the newer."""
    folder = tmp_path / "older"
    for name in ("plugin/stardraft.lua", "lua/stardraft/config.lua", "lua/stardraft/gone.lua"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"-- {name} of long ago\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("neovim", FINDERS, indirect=True)
def test_neovim_has_its_commands_and_its_help(
    neovim: str, person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    program(person, "nvim", f'exec "{neovim}" "$@"')
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    script = tmp_path / "look.lua"
    script.write_text(VIMRC, encoding="utf-8")
    said = run_to_end(
        [neovim, "--headless", "-n", "-i", "NONE", "-c", "filetype off", "-S", script, "-c", "qall!"],
        env=person,
        cwd=tmp_path,
        text=True,
        idle_s=60,
        check=True,
    ).stderr
    assert "There are no suggestions here: this buffer is not a file." in said
    assert "pack/stardraft/start/stardraft/doc/stardraft.txt" in said
    assert "Error" not in said
    assert setup("nvim", "--plugin", "--undo", "--yes").returncode == 0
    assert not Path(person["XDG_DATA_HOME"], "nvim", "site").exists()


def test_it_is_put_in_once_and_taken_back_whole(
    person: dict[str, str], setup: Stardraft, package: Path
) -> None:
    printed = setup("nvim", "--plugin", "--print")
    assert printed.returncode == 0, printed.stderr
    assert "+vim.api.nvim_create_user_command('Stardraft'" in printed.stdout
    assert "it can be set up all the same" in printed.stderr
    assert not Path(person["HOME"]).exists()

    unasked = setup("nvim", "--plugin")
    assert unasked.returncode == 2
    assert "new      lua/stardraft/init.lua" in unasked.stdout
    assert not Path(person["HOME"]).exists()

    done = setup("nvim", "--plugin", "--yes")
    assert done.returncode == 0, done.stderr
    assert "stardraft setup nvim --plugin --undo" in done.stdout
    parts = {name: (PLUGIN / name).read_bytes() for name in files_in(package)}
    assert files_in(package) == parts
    assert {"doc/stardraft.txt", "lsp/stardraft.lua", "lua/stardraft/health.lua"} <= set(parts)

    assert "already set up" in setup("nvim", "--plugin", "--yes").stdout
    assert "-vim.api.nvim_create_user_command(" in setup("nvim", "--undo", "--print").stdout
    assert files_in(package) == parts
    undone = setup("nvim", "--plugin", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert not Path(person["HOME"]).exists()
    assert "nothing to take back" in setup("nvim", "--plugin", "--undo").stdout


def test_tags_that_neovim_made_later_go_with_the_help(
    person: dict[str, str], setup: Stardraft, package: Path
) -> None:
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    (package / "doc" / "tags").write_bytes(b"stardraft\tstardraft.txt\t/*stardraft*\n")
    assert setup("nvim", "--undo", "--yes").returncode == 0
    assert not Path(person["HOME"]).exists()


def test_an_older_one_is_renewed_and_what_it_had_more_goes(
    person: dict[str, str], setup: Stardraft, package: Path, older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr(neovim_plugin, "source", lambda: older)
        assert setup("nvim", "--plugin", "--yes").returncode == 0
    renewed = setup("nvim", "--plugin", "--yes")
    assert renewed.returncode == 0, renewed.stderr
    assert "renewed  plugin/stardraft.lua" in renewed.stdout
    assert "removed  lua/stardraft/gone.lua" in renewed.stdout
    assert files_in(package) == {name: (PLUGIN / name).read_bytes() for name in files_in(package)}
    undone = setup("nvim", "--plugin", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert not Path(person["HOME"]).exists()


def test_a_file_that_the_person_changed_stops_it(setup: Stardraft, package: Path) -> None:
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    file = package / "lua" / "stardraft" / "config.lua"
    file.write_text("-- mine\n", encoding="utf-8")
    before = files_in(package)
    for options in (("--yes",), ("--undo", "--yes")):
        answer = setup("nvim", "--plugin", *options)
        assert answer.returncode == 1
        assert "config.lua has been changed since" in answer.stderr
        assert files_in(package) == before


def test_another_version_that_the_person_put_there_is_left_alone(setup: Stardraft, package: Path) -> None:
    file = package / "plugin" / "stardraft.lua"
    file.parent.mkdir(parents=True)
    file.write_text("-- of a friend\n", encoding="utf-8")
    answer = setup("nvim", "--plugin", "--yes")
    assert answer.returncode == 1
    assert "was not put there by this command" in answer.stderr
    assert files_in(package) == {"plugin/stardraft.lua": b"-- of a friend\n"}


def test_a_folder_that_was_removed_by_hand_is_made_anew_and_forgotten(
    person: dict[str, str], setup: Stardraft, package: Path
) -> None:
    for _ in range(2):
        assert setup("nvim", "--plugin", "--yes").returncode == 0
        assert (package / "plugin" / "stardraft.lua").is_file()
        shutil.rmtree(package)
    assert "is gone already" in setup("nvim", "--undo", "--yes").stdout
    assert "nothing to take back" in setup("nvim", "--undo").stdout
    for _ in range(2):
        shutil.rmtree(package, ignore_errors=True)
        assert setup("nvim", "--plugin", "--yes").returncode == 0
    undone = setup("nvim", "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert files_in(Path(person["HOME"])) == {}


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_a_link_of_the_persons_own_is_not_written_through(
    setup: Stardraft, package: Path, older: Path
) -> None:
    package.parent.mkdir(parents=True)
    package.symlink_to(older)
    before = files_in(older)
    assert "is a link to" in setup("nvim", "--plugin", "--yes").stdout
    assert files_in(older) == before
    package.unlink()
    package.symlink_to(older / "nowhere")
    assert setup("nvim", "--plugin", "--yes").returncode == 1


def test_the_plugin_and_the_file_without_it_exclude_each_other(setup: Stardraft, package: Path) -> None:
    assert setup("nvim", "--yes").returncode == 0
    refused = setup("nvim", "--plugin", "--yes")
    assert refused.returncode == 1
    assert "~/.config/nvim/plugin/stardraft.lua sets stardraft up without the plugin" in refused.stderr
    assert "stardraft setup nvim --undo" in refused.stderr
    assert not package.exists()

    assert setup("nvim", "--undo", "--yes").returncode == 0
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    refused = setup("nvim", "--yes")
    assert refused.returncode == 1
    assert "The plugin is set up already" in refused.stderr
    assert "stardraft setup nvim --plugin --undo" in refused.stderr


def test_the_lines_without_the_plugin_in_an_init_file_are_seen_and_settings_of_it_are_welcome(
    setup: Stardraft, package: Path, init: Path
) -> None:
    init.write_text("vim.lsp.enable('stardraft')\nvim.lsp.inline_completion.enable()\n", encoding="utf-8")
    refused = setup("nvim", "--plugin", "--yes")
    assert refused.returncode == 1
    assert "Take that out of the file" in refused.stderr
    init.write_text("vim.lsp.config('stardraft', {})\nrequire('stardraft').setup({})\n", encoding="utf-8")
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    assert package.is_dir()


@pytest.mark.parametrize("place", ["init.lua", "pack"])
def test_a_plugin_that_is_there_in_another_way_is_enough(
    person: dict[str, str], setup: Stardraft, package: Path, init: Path, place: str
) -> None:
    if place == "pack":
        other = Path(person["XDG_DATA_HOME"], "nvim", "site", "pack", "mine", "opt", "sd", "plugin")
        other.mkdir(parents=True)
        (other / "stardraft.lua").touch()
    else:
        init.write_text("vim.opt.runtimepath:append('~/src/stardraft/packaging/neovim')\n", encoding="utf-8")
    assert "already set up: " in setup("nvim", "--plugin", "--yes").stdout
    assert not package.exists()


@pytest.mark.parametrize("columns", ["", "40"])
def test_lazy_is_told_where_the_plugin_is(
    person: dict[str, str], setup: Stardraft, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """It switches Vim's own packages off. What is to be copied is one line, however narrow the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    Path(person["XDG_DATA_HOME"], "nvim", "lazy", "lazy.nvim").mkdir(parents=True)
    said = setup("nvim", "--plugin", "--yes").stdout
    assert "{ dir = '~/.local/share/nvim/site/pack/stardraft/start/stardraft', event = 'VeryLazy'" in said


def test_another_configuration_has_its_own_folder(
    person: dict[str, str], setup: Stardraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [Path(person["XDG_DATA_HOME"], name, "site", "pack", "stardraft") for name in ("work", "nvim")]
    for place in places:
        monkeypatch.setenv("NVIM_APPNAME", place.parents[2].name)
        assert setup("nvim", "--plugin", "--yes").returncode == 0
    assert files_in(places[0]) == files_in(places[1]) != {}
    assert setup("nvim", "--undo", "--yes").returncode == 0
    assert not Path(person["HOME"]).exists()


def test_a_program_that_is_not_on_every_path_is_named_in_full(
    person: dict[str, str], setup: Stardraft, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = person["PATH"].split(os.pathsep)[0]
    monkeypatch.setenv("VIRTUAL_ENV", str(Path(programs).parent))
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    config = (package / "lua" / "stardraft" / "config.lua").read_text(encoding="utf-8")
    assert f'cmd = {{ "{programs}/stardraft", "lsp" }},' in config


def test_a_neovim_that_is_too_old_is_told_what_to_do(person: dict[str, str], setup: Stardraft) -> None:
    program(person, "nvim", "echo NVIM v0.9.5")
    for options in ((), ("--plugin",)):
        answer = setup("nvim", *options, "--yes")
        assert answer.returncode == 1
        assert "is Neovim 0.9" in answer.stderr
        assert "Update Neovim" in answer.stderr
    assert not Path(person["HOME"]).exists()


def test_the_plugin_goes_where_neovim_looks_and_nowhere_else(setup: Stardraft, tmp_path: Path) -> None:
    answer = setup("nvim", "--plugin", "--yes", "--path", str(tmp_path / "x"))
    assert answer.returncode == 2
    assert "--path is for the file without the plugin" in answer.stderr


def test_uninstall_takes_it_back(person: dict[str, str], package: Path) -> None:
    assert stardraft(person, "setup", "nvim", "--plugin", "--yes").returncode == 0
    assert "set up in an editor: nvim-plugin" in stardraft(person, "uninstall").stdout
    done = stardraft(person, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not Path(person["HOME"]).exists()
    assert not Path(person["STARDRAFT_STATE_DIR"]).exists()


def test_an_installation_without_the_plugin_says_so(
    setup: Stardraft, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped.setup, "__file__", str(tmp_path / "a" / "b" / "c" / "__init__.py"))
    answer = setup("nvim", "--plugin", "--yes")
    assert answer.returncode == 1
    assert "was installed without the plugin" in answer.stderr


@pytest.mark.parametrize("neovim", ["0.12"], indirect=True)
def test_tags_are_neovims_own(neovim: str, person: dict[str, str], setup: Stardraft, package: Path) -> None:
    program(person, "nvim", f'exec "{neovim}" "$@"')
    assert setup("nvim", "--plugin", "--yes").returncode == 0
    assert not Path(person["HOME"], ".local", "state").exists()
    tags = package / "doc" / "tags"
    before = tags.read_bytes()
    assert before.startswith(b":Stardraft\tstardraft.txt\t")
    run_to_end(
        [neovim, "--headless", "-i", "NONE", "-c", "helptags ALL", "-c", "qall!"], env=person, idle_s=60
    )
    assert tags.read_bytes() == before
