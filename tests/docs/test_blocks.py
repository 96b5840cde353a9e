"""What documents tell a user to put into a file can be read by the program that it is for.

A block says which language it is in; the settings in it, and those that a sentence names, exist.
"""

import json
import os
import plistlib
import re
import shutil
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from stardraft_lsp.settings import project_file
from stardraftd.config import load_config
from stardraftd.config import schema as config_schema
from stardraftd.config.old_names import OLD
from tests.docs.documents import ROOT, Block, blocks, spans
from tests.docs.typed import SHELLS
from tests.support.processes import run_to_end

READ_ELSEWHERE = (*SHELLS, "text", "lua", "elisp")
SECTIONS = frozenset(name.partition(".")[0] for name in config_schema.settings())
# The first names of a Helix languages.toml.
HELIX = frozenset({"language", "language-server"})
_SETTING = re.compile(rf"^((?:{'|'.join(sorted(SECTIONS))})\.[a-z_]+)(?: = (.+))?$")
# Names that begin like a setting, and are none: modules and files of the source.
_SOURCE = re.compile(r"\.(py|json|toml|md)$|\($")
_VARIABLE = re.compile(r"\bSTARDRAFT_[A-Z_]+[A-Z]\b")


def of(*languages: str) -> list[Block]:
    return [block for block in blocks() if block.language in languages]


def test_every_block_is_fenced_and_says_its_language() -> None:
    assert not [str(block.place) for block in blocks("code_block")]
    known = {*READ_ELSEWHERE, "bat", "toml", "json", "jsonc", "ini", "xml", "diff", "python"}
    assert not [f"{block.place}: {block.language}" for block in blocks() if block.language not in known]


@pytest.mark.parametrize("block", of("toml"), ids=lambda block: str(block.place))
def test_toml_is_a_configuration_that_its_reader_takes(block: Block, tmp_path: Path) -> None:
    content = tomllib.loads(block.text)
    if content.keys() & HELIX:
        return  # tests/editors has the real Helix
    name = "config.toml" if content.keys() <= SECTIONS else project_file.PROJECT_FILE
    (tmp_path / name).write_text(block.text, encoding="utf-8")
    if name == "config.toml":
        load_config(tmp_path / name, environ={})
    else:
        assert project_file.load(tmp_path)


def comments_left_out(text: str) -> str:
    """JSON as editors write it: lines may be comments, and a comma may stand before the end."""
    text = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)
    return re.sub(r",(\s*[}\]])", r"\1", text)


@pytest.mark.parametrize("block", of("json", "jsonc"), ids=lambda block: str(block.place))
def test_json_can_be_read_and_names_settings_that_the_extension_has(block: Block) -> None:
    text = block.text if block.language == "json" else comments_left_out(block.text)
    if text.lstrip().startswith('"'):
        text = f"{{{text}}}"  # lines to be put into a file that is there
    content: Any = json.loads(text)
    wanted = {key for key in content if key.startswith("stardraft.")} if isinstance(content, dict) else set()
    if wanted:
        manifest = json.loads((ROOT / "packaging/vscode/package.json").read_text(encoding="utf-8"))
        contributed = manifest["contributes"]["configuration"]
        groups = contributed if isinstance(contributed, list) else [contributed]
        assert wanted <= {key for group in groups for key in group["properties"]}


@pytest.mark.parametrize("block", of("xml"), ids=lambda block: str(block.place))
def test_xml_is_a_property_list(block: Block) -> None:
    assert plistlib.loads(block.text.encode())


@pytest.mark.parametrize("block", of("ini"), ids=lambda block: str(block.place))
def test_ini_has_sections_and_keys(block: Block) -> None:
    reader = ConfigParser(strict=False, interpolation=None)
    reader.read_string(block.text)
    assert reader.sections()


def test_lua_is_lua_to_neovim(tmp_path: Path) -> None:
    """One Neovim compiles all blocks, and runs none."""
    neovim = os.environ.get("STARDRAFT_NVIM") or shutil.which("nvim")
    if neovim is None:
        pytest.skip("needs Neovim on the PATH, or STARDRAFT_NVIM=/path/to/nvim")
    files = []
    for number, block in enumerate(of("lua")):
        files.append(tmp_path / f"{number}.lua")
        # A table of a plugin manager's list is no statement of its own.
        text = f"return {block.text}" if block.text.lstrip().startswith("{") else block.text
        files[-1].write_text(text, encoding="utf-8")
    assert files
    script = tmp_path / "compile.lua"
    script.write_text("for _, file in ipairs(arg) do assert(loadfile(file)) end\n", encoding="utf-8")
    done = run_to_end(
        [neovim, "--headless", "-u", "NONE", "-i", "NONE", "-l", script, *files], text=True, idle_s=60
    )
    assert done.returncode == 0, done.stderr


def test_elisp_is_lisp_to_emacs(tmp_path: Path) -> None:
    """One Emacs reads all blocks, and evaluates none."""
    wanted = of("elisp")
    emacs = os.environ.get("STARDRAFT_EMACS") or shutil.which("emacs")
    if emacs is None or not wanted:
        pytest.skip("needs Emacs on the PATH, or STARDRAFT_EMACS=/path/to/emacs")
    file = tmp_path / "all.el"
    file.write_text("\n".join(f"(progn\n{block.text}\n)" for block in wanted), encoding="utf-8")
    opened = f'(with-temp-buffer (insert-file-contents "{file}")'
    read = f"{opened} (dotimes (_ {len(wanted)}) (read (current-buffer))))"
    rest = f"{opened} (emacs-lisp-mode) (check-parens))"
    done = run_to_end([emacs, "--batch", "-Q", "--eval", read, "--eval", rest], text=True, idle_s=60)
    assert done.returncode == 0, done.stderr


def test_a_setting_in_a_sentence_exists_and_can_have_that_value(tmp_path: Path) -> None:
    empty = tmp_path / "config.toml"
    known = config_schema.settings()
    named = 0
    for span in spans():
        setting = _SETTING.match(span.text)
        if setting is None or _SOURCE.search(span.text):
            continue
        named += 1
        if setting[1] in OLD and "decisions" in str(span.place):
            continue  # a decision tells what there was
        assert setting[1] in known, f"{span.place}: {span.text}"
        if setting[2]:
            empty.write_text(f"{setting[1]} = {setting[2]}\n", encoding="utf-8")
            load_config(empty, environ={})
    assert named > 30


def test_a_variable_of_the_environment_is_one_that_something_reads() -> None:
    settings = {setting.variable for setting in config_schema.settings().values()}
    sources = [
        *(
            path
            for folder in ("daemon", "lsp", "quant", "tests/support", "tests/editors")
            for path in (ROOT / folder).rglob("*.py")
        ),
        *(path for path in (ROOT / ".ci").iterdir() if path.is_file()),
    ]
    read = set(_VARIABLE.findall("".join(path.read_text(encoding="utf-8") for path in sources)))
    said = {name: str(span.place) for span in spans() for name in _VARIABLE.findall(span.text)}
    said |= {name: str(block.place) for block in blocks() for name in _VARIABLE.findall(block.text)}
    unknown = said.keys() - settings - read
    assert unknown <= {"STARDRAFT_MODEL_GPU_LAYER", "STARDRAFT_GPU_LAYERS"}, {  # the examples of mistakes
        name: said[name] for name in unknown
    }
