"""What `stardraft setup` writes is what packaging/ shows; settings with comments are edited in place."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stardraftd.errors import ConfigError, PathError, StardraftError
from stardraftd.setup.changes import change
from stardraftd.setup.editors import EDITORS, editor, helix
from stardraftd.setup.editors.editor import Place, with_block
from stardraftd.setup.editors.jsonc import insert, keys
from stardraftd.setup.shipped import content

PACKAGING = Path(__file__).parents[2] / "packaging"
FILE = Path("settings.json")
SHIPPED = (
    "neovim/stardraft.lua",
    "emacs/stardraft.el",
    "kate/settings.json",
    "sublime/LSP.sublime-settings",
    "zed/extension.toml",
    "zed/Cargo.toml",
    "zed/src/lib.rs",
    "jetbrains/stardraft/template.json",
    "jetbrains/stardraft/README.md",
    "neovim/plugin/stardraft.lua",
    "neovim/lua/stardraft/config.lua",
    "neovim/lsp/stardraft.lua",
    "neovim/doc/stardraft.txt",
)


@pytest.mark.parametrize("name", SHIPPED)
def test_packaging_shows_what_is_written(name: str) -> None:
    assert content(name) == (PACKAGING / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_wheel_carries_what_is_written_from_the_one_place_where_it_is(name: str) -> None:
    project = tomllib.loads((PACKAGING.parent / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    (carried,) = [
        into + f"packaging/{name}".removeprefix(of)
        for of, into in included.items()
        if f"packaging/{name}" == of or f"packaging/{name}".startswith(f"{of}/")
    ]
    assert carried == f"stardraftd/setup/files/{name}"
    assert not (PACKAGING.parent / "daemon" / carried).exists()


def test_an_installation_without_a_file_says_which() -> None:
    with pytest.raises(StardraftError, match=r"without its file kate/none\.json"):
        content("kate/none.json")


def test_packaging_shows_what_is_written_for_helix() -> None:
    shown = (PACKAGING / "helix" / "languages.toml").read_text(encoding="utf-8")
    assert helix.merged("", ("stardraft", "lsp"), None) == shown
    assert helix.merged(shown, ("stardraft", "lsp"), None) == shown


def test_every_editor_has_its_other_names() -> None:
    assert {editor(name).name for name in ("neovim", "hx", "code", "pycharm", "Zed")} <= EDITORS.keys()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        ('{"x": [1, 2]}', '{"x": [1, 2],\n  "a": {\n    "b": 1\n  }\n}'),
        ('{\n\t"a": { // ours\n\t\t"x": 1\n\t}\n}', '{\n\t"a": { // ours\n\t\t"x": 1,\n\t\t"b": 1\n\t}\n}'),
        (
            '{\n  "a": {\n    "x": 1, // last\n  },\n}',
            '{\n  "a": {\n    "x": 1, // last\n    "b": 1,\n  },\n}',
        ),
        ('// top\n{ "a": {} }\n// end\n', '// top\n{ "a": {\n    "b": 1\n  } }\n// end\n'),
        (
            '{\r\n  "a": {\r\n    "é": "}"\r\n  }\r\n}',
            '{\r\n  "a": {\r\n    "é": "}",\r\n    "b": 1\r\n  }\r\n}',
        ),
    ],
)
def test_an_entry_is_put_in_and_all_else_stays(before: str, after: str) -> None:
    assert insert(before, ("a",), "b", 1, FILE) == after
    assert "b" in keys(after, ("a",), FILE)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.integers() | st.none(), max_size=4)
)
def test_an_entry_can_be_put_into_any_object(there: dict[str, int | None]) -> None:
    there.pop("new", None)
    for indent in (None, 2):
        text = insert(json.dumps(there, indent=indent), (), "new", {"x": []}, FILE)
        assert json.loads(text) == there | {"new": {"x": []}}


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}}', '{"a": [1]}', "nothing", '{"a": 1} {"b": 2}'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        insert(text, ("a",), "b", 1, FILE)


def test_a_marked_part_is_renewed_where_it_stands() -> None:
    first = with_block("mine\n", "one\ntwo\n", "--")
    assert first.startswith("mine\n\n-- stardraft setup: begin\none\ntwo\n-- stardraft setup: end\n")
    assert with_block(first + "later\n", "three\n", "--") == first.replace("one\ntwo", "three") + "later\n"
    assert "\n" not in with_block("mine\r\n", "one\n", "--").replace("\r\n", "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("helix", "# mine\n"),
        ("sublime", '{\n  // mine\n  "a": 1\n}\n'),
        ("kate", '{"a": 1}\n'),
        ("neovim", "-- mine\n"),
    ],
)
def test_a_byte_order_mark_stays_in_front_of_what_a_person_wrote(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path / "state"))
    file = tmp_path / "settings"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    known = next(one for one in EDITORS.values() if name in (one.name, one.name.replace("nvim", "neovim")))
    (planned, *_) = known.plan(Place(None, ("stardraft", "lsp"), file)).changes
    assert planned.after is not None
    assert planned.after.startswith(b"\xef\xbb\xbf" + text.encode()[:2])
    assert planned.after.count(b"\xef\xbb\xbf") == 1
    assert b"stardraft" in planned.after


def test_a_file_that_changed_meanwhile_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "a"
    planned = change(file, b"new")
    file.write_bytes(b"somebody else's")
    with pytest.raises(PathError, match="has changed"):
        planned.write()
    assert file.read_bytes() == b"somebody else's"


def test_a_link_that_leads_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(PathError, match=re.escape(str(tmp_path / "a"))):
        change(tmp_path / "a", b"new")
