"""`stardraft setup EDITOR` as a user types it: what is written, asked, taken back, and refused."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomlkit

from tests.cli.person import Stardraft, files_in, program
from tests.cli.program import COMMAND, TIMEOUT_S
from tests.support.processes import finish
from tests.support.quick_start import commands_of

EDITORS = ["nvim", "helix", "emacs", "zed", "kate", "sublime", "jetbrains"]
MINE = "# mine\n[editor]\nline-number = 'relative'\n"

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links, modes, terminals")


@pytest.mark.parametrize("editor", EDITORS)
def test_what_is_written_is_shown_first_said_once_and_taken_back_whole(
    person: dict[str, str], setup: Stardraft, editor: str
) -> None:
    folder = Path(person["HOME"])
    printed = setup(editor, "--print")
    assert printed.returncode == 0, printed.stderr
    assert not folder.exists()
    assert "not found" in printed.stderr
    assert "it can be set up all the same" in printed.stderr

    done = setup(editor, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(printed.stdout)
    written = files_in(folder)
    assert any(b"stardraft" in content for content in written.values())
    assert f"stardraft setup {editor} --undo" in done.stdout

    again = setup(editor, "--yes")
    assert "is already set up" in again.stdout
    assert files_in(folder) == written

    undone = setup(editor, "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr
    assert not folder.exists()  # the folders that were made for it are gone as well
    assert "nothing to take back" in setup(editor, "--undo").stdout


def test_an_editor_that_is_not_known_is_answered_with_those_that_are(
    person: dict[str, str], setup: Stardraft
) -> None:
    answer = setup("ed")
    assert answer.returncode == 2
    assert '"ed" is not an editor' in answer.stderr
    assert all(editor in answer.stderr for editor in [*EDITORS, "vscode", "service"])
    assert setup("neovim", "--print").returncode == 0


@pytest.mark.parametrize("name", ["vim", "Vim", "gvim", "vi"])
def test_vim_is_not_taken_for_neovim(person: dict[str, str], setup: Stardraft, name: str) -> None:
    answer = setup(name, "--yes")
    assert answer.returncode == 2
    assert "Vim is not supported" in answer.stderr
    assert "stardraft setup nvim" in answer.stderr
    assert not Path(person["HOME"]).exists()


def test_without_a_terminal_nothing_is_written_unasked(person: dict[str, str], setup: Stardraft) -> None:
    answer = setup("helix")
    assert answer.returncode == 2
    assert "+[language-server.stardraft]" in answer.stdout
    assert "--yes" in answer.stderr
    assert not Path(person["HOME"]).exists()


@unix_only
@pytest.mark.parametrize(("reply", "is_written"), [("n", False), ("y", True)])
def test_in_a_terminal_the_person_is_asked(
    person: dict[str, str], setup: Stardraft, reply: str, is_written: bool
) -> None:
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "setup", "nvim"], env=person, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.write(ours, f"{reply}\n".encode())
        said = finish(process, idle_s=TIMEOUT_S).stderr  # for stdout goes into a pipe
    os.close(ours)
    os.close(theirs)
    assert b"Write ~/.config/nvim/plugin/stardraft.lua?" in said
    assert process.returncode == (0 if is_written else 1)
    assert Path(person["XDG_CONFIG_HOME"], "nvim", "plugin", "stardraft.lua").is_file() is is_written


@unix_only
def test_a_link_stays_a_link_and_the_file_keeps_what_it_had_and_its_mode(
    person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    dotfile = tmp_path / "dotfiles" / "languages.toml"
    dotfile.parent.mkdir()
    dotfile.write_bytes(MINE.replace("\n", "\r\n").encode())
    dotfile.chmod(0o600)
    link = Path(person["XDG_CONFIG_HOME"], "helix", "languages.toml")
    link.parent.mkdir(parents=True)
    link.symlink_to(dotfile)
    assert setup("helix", "--yes").returncode == 0
    assert link.is_symlink()
    assert dotfile.read_bytes().startswith(MINE.replace("\n", "\r\n").encode())
    assert b"\n" not in dotfile.read_bytes().replace(b"\r\n", b"")
    assert stat.S_IMODE(dotfile.stat().st_mode) == 0o600
    assert setup("helix", "--undo", "--yes").returncode == 0
    assert link.is_symlink()
    assert dotfile.read_bytes() == MINE.replace("\n", "\r\n").encode()
    assert [path.name for path in dotfile.parent.iterdir()] == ["languages.toml"]


@unix_only
def test_a_read_only_file_is_left_alone(person: dict[str, str], setup: Stardraft, tmp_path: Path) -> None:
    file = tmp_path / "languages.toml"
    file.write_text(MINE, encoding="utf-8")
    file.chmod(0o444)
    answer = setup("helix", "--yes", "--path", str(file))
    assert answer.returncode == 1
    assert f"{file} is read-only" in answer.stderr
    assert "--print" in answer.stderr
    assert file.read_text(encoding="utf-8") == MINE
    assert setup("helix", "--print", "--path", str(file)).returncode == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[language\n", "cannot be read"),
        (b"language = 3\n", "cannot be read"),
        (b"\xff\xfe", "is not UTF-8"),
        (None, "is not a file"),
    ],
)
def test_a_file_that_cannot_be_understood_is_not_touched(
    person: dict[str, str], setup: Stardraft, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "languages.toml"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    answer = setup("helix", "--yes", "--path", str(file))
    assert answer.returncode == 1
    assert said in answer.stderr
    assert content is None or file.read_bytes() == content


def test_what_the_person_changed_since_is_not_taken_back(
    person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    file = tmp_path / "languages.toml"
    file.write_text(MINE, encoding="utf-8")
    assert setup("helix", "--yes", "--path", str(file)).returncode == 0
    changed = file.read_text(encoding="utf-8") + "# later\n"
    file.write_text(changed, encoding="utf-8")
    answer = setup("helix", "--undo", "--yes")
    assert answer.returncode == 1
    assert "has been changed since" in answer.stderr
    assert file.read_text(encoding="utf-8") == changed
    kept = answer.stderr.rpartition(": ")[2].strip()
    assert Path(kept).expanduser().read_text(encoding="utf-8") == MINE


def test_only_the_file_that_is_named_is_taken_back(
    person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    files = [tmp_path / "one.toml", tmp_path / "two.toml"]
    for file in files:
        assert setup("helix", "--yes", "--path", str(file)).returncode == 0
    undone = setup("helix", "--undo", "--yes", "--path", str(files[0]))
    assert undone.returncode == 0, undone.stderr
    assert [file.exists() for file in files] == [False, True]


def test_helix_keeps_its_own_servers_and_the_persons(
    person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    program(
        person,
        "hx",
        'printf "Configured language servers:\\n  x \\033[31mbase\\033[0m: missing\\nOther: x\\n"',
    )
    file = tmp_path / "languages.toml"
    file.write_text(
        '[[language]]\nname = "python" # mine\nlanguage-servers = ["pylsp", { name = "ruff" }]\n\n'
        '[[language]]\nname = "rust"\nauto-format = false\n\n'
        '[language-server.pylsp]\ncommand = "pylsp"\n\n[[language]]\nname = "zig"\n',
        encoding="utf-8",
    )
    assert setup("helix", "--yes", "--path", str(file)).returncode == 0
    text = file.read_text(encoding="utf-8")
    assert 'name = "python" # mine' in text
    parsed = tomlkit.parse(text).unwrap()
    languages = {language["name"]: language for language in parsed["language"]}
    assert languages["python"]["language-servers"] == ["pylsp", {"name": "ruff"}, "stardraft"]
    assert languages["rust"] == {
        "name": "rust",
        "auto-format": False,
        "language-servers": ["base", "stardraft"],
    }
    assert languages["go"]["language-servers"] == ["base", "stardraft"]
    assert languages["zig"] == {"name": "zig"}
    assert set(parsed["language-server"]) == {"pylsp", "stardraft"}


def test_an_old_neovim_is_told_what_to_do(person: dict[str, str], setup: Stardraft) -> None:
    program(person, "nvim", "echo NVIM v0.10.4")
    answer = setup("nvim", "--yes")
    assert answer.returncode == 1
    assert "is Neovim 0.10" in answer.stderr
    assert "stardraft setup nvim --plugin" in answer.stderr
    assert not Path(person["HOME"]).exists()


def test_an_old_helix_is_not_given_settings_that_it_stops_at(
    person: dict[str, str], setup: Stardraft
) -> None:
    program(person, "hx", "echo 'helix 23.05 (7f5940be)'")
    answer = setup("helix", "--yes")
    assert answer.returncode == 1
    assert "older than Helix 23.10" in answer.stderr
    assert not Path(person["HOME"]).exists()


def test_a_newer_set_up_takes_the_place_of_an_older_one_and_both_are_taken_back(
    person: dict[str, str], setup: Stardraft, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(person["XDG_CONFIG_HOME"], "nvim", "plugin", "stardraft.lua")
    programs = person["PATH"].split(os.pathsep)[0]
    with monkeypatch.context() as inside:
        inside.setenv("VIRTUAL_ENV", str(Path(programs).parent))
        assert setup("nvim", "--yes").returncode == 0
    assert f"{programs}/stardraft" in file.read_text(encoding="utf-8")
    assert setup("nvim", "--yes").returncode == 0
    assert "{ 'stardraft', 'lsp' }" in file.read_text(encoding="utf-8")
    assert setup("nvim", "--undo", "--yes").returncode == 0
    assert not Path(person["HOME"]).exists()


def test_several_files_are_written_all_or_none(setup: Stardraft, tmp_path: Path) -> None:
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / "src").write_bytes(b"in the way")
    answer = setup("zed", "--yes", "--path", str(folder))
    assert answer.returncode == 1
    assert str(folder / "src" / "lib.rs") in answer.stderr
    assert files_in(folder) == {"src": b"in the way"}
    assert "nothing to take back" in setup("zed", "--undo").stdout


def test_a_set_up_of_the_persons_own_is_seen(person: dict[str, str], setup: Stardraft) -> None:
    init = Path(person["XDG_CONFIG_HOME"], "nvim", "init.lua")
    init.parent.mkdir(parents=True)
    init.write_text("vim.lsp.enable('stardraft')\n", encoding="utf-8")
    answer = setup("nvim", "--yes")
    assert "already set up: ~/.config/nvim/init.lua speaks of stardraft" in answer.stdout
    assert list(init.parent.iterdir()) == [init]


def test_an_init_file_gets_a_marked_part_and_loses_it_again(person: dict[str, str], setup: Stardraft) -> None:
    init = Path(person["HOME"], ".emacs")
    init.parent.mkdir()
    init.write_text("(menu-bar-mode -1)", encoding="utf-8")
    assert setup("emacs", "--yes").returncode == 0
    lines = init.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "(menu-bar-mode -1)"
    assert lines.index(";; stardraft setup: begin") < lines.index(
        '(load (locate-user-emacs-file "stardraft") t)'
    )
    assert (init.parent / ".emacs.d" / "stardraft.el").is_file()
    assert "already set up" in setup("emacs", "--yes").stdout
    assert setup("emacs", "--undo", "--yes").returncode == 0
    assert files_in(init.parent) == {".emacs": b"(menu-bar-mode -1)"}


def test_settings_with_comments_keep_them(person: dict[str, str], setup: Stardraft, tmp_path: Path) -> None:
    file = tmp_path / "LSP.sublime-settings"
    mine = '// mine\n{\n\t"log_debug": true, // see below\n\t"clients": {\n\t\t// none yet\n\t},\n}\n'
    file.write_text(mine, encoding="utf-8")
    assert setup("sublime", "--yes", "--path", str(file)).returncode == 0
    text = file.read_text(encoding="utf-8")
    assert [line for line in mine.splitlines() if line not in text.splitlines()] == []
    assert text.index("// none yet") < text.index('"stardraft": {') < text.index("\t},\n}")
    file.write_text(mine.replace("},", "} oops"), encoding="utf-8")
    refused = setup("sublime", "--yes", "--path", str(file))
    assert refused.returncode == 1
    assert "is not an object of JSON" in refused.stderr


def test_kate_keeps_the_server_that_a_language_has(person: dict[str, str], setup: Stardraft) -> None:
    program(person, "rust-analyzer", "exit 0")
    answer = setup("kate", "--yes")
    assert "rust (rust-analyzer)" in answer.stderr
    settings = json.loads(Path(person["XDG_CONFIG_HOME"], "kate", "lspclient", "settings.json").read_bytes())
    assert "rust" not in settings["servers"]
    assert settings["servers"]["python"]["command"][-1] == "lsp"


def extension(file: Path, name: str, version: str) -> None:
    publisher, _, own = name.partition(".")
    with zipfile.ZipFile(file, "w") as package:
        manifest = {"publisher": publisher, "name": own, "version": version}
        package.writestr("extension/package.json", json.dumps(manifest))


def test_vs_code_installs_the_extension_by_its_own_command(
    person: dict[str, str], setup: Stardraft, tmp_path: Path
) -> None:
    assert "`code` is not on the PATH" in setup("vscode").stderr
    installed = tmp_path / "installed"
    program(
        person,
        "code",
        f'case "$1" in --list-extensions) cat "{installed}" 2>/dev/null;; '
        f'--install-extension) echo "Stardraft.stardraft@$(cat {tmp_path}/version)" > "{installed}";; '
        f'--uninstall-extension) rm "{installed}";; esac; exit 0',
    )
    answer = setup("vscode", "--yes")
    assert answer.returncode == 1
    assert "not in the marketplace yet" in answer.stderr
    package = tmp_path / "stardraft.vsix"
    missing = setup("vscode", "--yes", "--path", str(package)).stderr
    assert "There is no file" in missing
    for documented in commands_of("docs/editors/vscode.md", "## Set up"):
        for hint in (answer.stderr, missing):
            assert documented in " ".join(hint.split()), "what makes the file is said as the documents say it"
    package.write_bytes(b"PK")
    assert "is not an extension of VS Code" in setup("vscode", "--yes", "--path", str(package)).stderr
    extension(package, "somebody.else", "9.9.9")
    assert "is another extension" in setup("vscode", "--yes", "--path", str(package)).stderr
    assert not installed.exists()
    for version in ("0.1.0", "0.2.0", "0.1.1"):  # a newer one takes its place, and so does an older one
        extension(package, "stardraft.stardraft", version)
        (tmp_path / "version").write_text(version)
        assert setup("vscode", "--yes", "--path", str(package)).returncode == 0
        assert installed.read_text().strip().endswith(f"@{version}")
        again = setup("vscode", "--path", str(package)).stdout
        assert "already set up" in again
        assert "--force" in again, "another build of the same version has a way, too"
    assert setup("vscode", "--undo", "--yes").returncode == 0
    assert not installed.exists()
