"""Which settings hold for a document; what a project may not do; wrong ones are told, and change nothing."""

import contextlib
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraft_lsp.settings import PROJECT_FILE, PROJECT_RULES, Layer, Settings, read_editor_settings
from stardraft_lsp.settings.globs import glob
from stardraft_lsp.settings.policy import narrowed
from stardraft_lsp.settings.project_file import MAX_FILE_BYTES
from stardraft_lsp.text.folders import Folders
from stardraft_lsp.text.uris import local_path
from stardraftd.config import EditorConfig
from stardraftd.config.schema import toml as as_toml
from stardraftd.errors import ConfigError

CASES = tomllib.loads(Path("tests/data/lsp/settings/projects.toml").read_text(encoding="utf-8"))["case"]
# Settings that were looked at, and left to the user alone.
THE_PERSONS_ALONE = {"echo", "confidence", "stats"}


class Workspace:
    """A folder "app" that is open in an editor."""

    def __init__(self, folder: Path, own: EditorConfig | None = None) -> None:
        self.folder = folder / "app"
        self.folder.mkdir(exist_ok=True)
        folders = Folders()
        folders.add(self.folder.as_uri(), "app")
        self.settings = Settings(own or EditorConfig(), folders)

    def uri(self, document: str = "main.py") -> str:
        return (self.folder / document).as_uri()

    def write(self, text: str, folder: str = ".") -> None:
        file = self.folder / folder / PROJECT_FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")

    def load(self, document: str = "main.py") -> list[str]:
        """The errors' sentences."""
        found = self.settings.load_projects(self.uri(document), (self.folder,)).values()
        return [error.message for error in found if error is not None]

    def config(self, document: str = "main.py", language: str = "python") -> EditorConfig:
        return self.settings.for_document(self.uri(document), language, 0.0).config

    def off(self, document: str = "main.py", language: str = "python", now_s: float = 0.0) -> str:
        return self.settings.for_document(self.uri(document), language, now_s).off


@pytest.fixture
def app(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_a_projects_file_does(case: dict[str, Any], tmp_path: Path) -> None:
    own: EditorConfig = msgspec.convert(case.get("own", {}), EditorConfig)
    app = Workspace(tmp_path, own)
    document = case.get("document", "main.py")
    app.write(case["file"])
    errors = app.load(document)
    config = app.config(document, case.get("language", "python"))
    if "refused" in case:
        (error,) = errors
        assert case["refused"] in error
        assert config == own
    else:
        assert errors == []
        holds = case.get("holds", {})
        found = {name: as_toml(getattr(config, name)) for name in holds}
        assert found == {name: as_toml(value) for name, value in holds.items()}
        assert app.off(document, case.get("language", "python")) == case.get("off", "")


def test_every_setting_is_either_open_to_projects_or_the_persons_alone() -> None:
    names = {field.name for field in msgspec.structs.fields(EditorConfig)}
    assert set(PROJECT_RULES) <= names
    undecided = names - set(PROJECT_RULES) - THE_PERSONS_ALONE
    assert not undecided, "decide in settings/policy.py whether a project may set it"


VALUES: dict[str, Any] = {
    "enabled": st.booleans(),
    "disabled_languages": st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
    "debounce_ms": st.integers(0, 10_000),
    "max_block_lines": st.integers(1, 500),
    "candidates": st.integers(1, 8),
    "streaming": st.booleans(),
}


@given(st.data())
def test_a_project_can_only_take_away(data: st.DataObject) -> None:
    for key, values in VALUES.items():
        own, project = data.draw(values), data.draw(values)
        result = narrowed(key, own, project)
        match key:
            case "disabled_languages":
                assert set(own) <= set(result)
            case "debounce_ms":
                assert result >= own
            case _:
                assert result <= own


def test_what_is_not_named_is_closed_to_projects() -> None:
    with pytest.raises(KeyError):
        narrowed("something_new", 1, 2)


def test_the_nearest_file_above_a_document_counts_alone(app: Workspace) -> None:
    app.write('[editor]\nmode = "line"\ncandidates = 1')
    app.write('[editor]\nmode = "block"\n[folder.sub]\nmode = "line"', "inner")
    assert app.load("inner/sub/a.py") == []
    assert app.config("a.py").mode == "line"
    assert app.config("inner/a.py").mode == "block"
    assert app.config("inner/a.py").candidates == EditorConfig().candidates
    assert app.config("inner/sub/a.py").mode == "line", "its patterns begin at its own folder"


def test_files_outside_the_workspace_are_not_read(app: Workspace) -> None:
    app.folder.parent.joinpath(PROJECT_FILE).write_text("[editor]\nenabled = false")
    assert app.load() == []
    assert app.off() == ""
    other = (app.folder.parent / "other.py").as_uri()
    assert not any(app.settings.load_projects(other, (app.folder,)).values())
    assert app.settings.for_document(other, "python", 0.0).off == ""


def test_a_wrong_file_leaves_the_old_settings_in_force(app: Workspace) -> None:
    app.write('[editor]\nmode = "line"')
    app.load()
    assert app.config().mode == "line"
    app.write('[editor]\nmode = "lin"')
    assert len(app.load()) == 1
    assert app.config().mode == "line"
    app.write('[editor]\nmode = "block"')
    assert app.load() == []
    assert app.config().mode == "block"
    (app.folder / PROJECT_FILE).unlink()
    assert app.load() == []
    assert app.config().mode == "auto"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's files")
@pytest.mark.parametrize("kind", ["pipe", "folder", "endless", "loop", "binary", "huge"])
def test_a_file_that_is_none_is_refused_and_holds_nothing_up(app: Workspace, kind: str) -> None:
    file = app.folder / PROJECT_FILE
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "endless":
            file.symlink_to("/dev/zero")
        case "loop":
            file.symlink_to(file)
        case "binary":
            file.write_bytes(b"\xff\xfe\0[")
        case "huge":
            file.write_bytes(b"# " + b"x" * MAX_FILE_BYTES)
    (error,) = app.load()
    assert error.startswith("app/.stardraft.toml")
    assert app.config() == EditorConfig()


def test_a_file_made_to_take_long_does_not(app: Workspace) -> None:
    deep = "[" * 30_000
    app.write(f"a = {deep}")
    assert len(app.load()) == 1
    sections = "\n".join(f'[folder."{"*/" * 60}**/a*a*a*a*b{n}"]\nmode = "line"' for n in range(190))
    app.write(sections)
    assert app.load() == []
    assert app.config("a/" * 60 + "a" * 200).mode == "auto"


def test_the_editors_settings_are_above_the_configuration(tmp_path: Path) -> None:
    app = Workspace(tmp_path, EditorConfig(mode="line", debounce_ms=10))
    app.settings.take_editor({"debounceMs": 50, "languages": {"go": {"mode": "block"}}})
    assert app.config() == EditorConfig(mode="line", debounce_ms=50)
    assert app.config("a.go", "go") == EditorConfig(mode="block", debounce_ms=50)
    app.settings.config = EditorConfig(mode="auto", candidates=3)
    assert app.config() == EditorConfig(mode="auto", debounce_ms=50, candidates=3)
    app.settings.take_editor(None)
    assert app.config() == EditorConfig(candidates=3)


def test_folders_of_the_editors_settings_begin_at_the_workspaces(app: Workspace) -> None:
    app.settings.take_editor({"folders": {"tests/**": {"enabled": False}, "/docs": {"mode": "line"}}})
    assert app.off("tests/a.py") == "folder_off"
    assert app.off("src/tests/a.py") == ""
    assert app.config("docs/a.md").mode == "line"


def test_why_there_are_none_is_told_apart(app: Workspace) -> None:
    app.settings.take_editor({"languages": {"markdown": {"enabled": False}}, "disabledLanguages": ["text"]})
    assert app.off(language="markdown") == "language_off"
    assert app.off(language="text") == "language_off"
    assert app.off() == ""
    app.settings.take_editor({"enabled": False, "languages": {"go": {"enabled": True}}})
    assert app.off() == "editor_off"
    assert app.off(language="go") == "", "a language may be the exception"
    assert "in this editor" in app.settings.for_document(app.uri(), "python", 0.0).why
    app.settings.take_editor(None)
    app.settings.config = EditorConfig(enabled=False)
    assert app.off() == "disabled"
    assert "in the configuration" in app.settings.for_document(app.uri(), "python", 0.0).why


def test_snoozing_ends_by_itself_or_by_hand(app: Workspace) -> None:
    app.settings.snooze(100.0)
    assert app.off(now_s=99.9) == "snoozed"
    assert app.off(now_s=100.0) == ""
    app.settings.snooze(200.0)
    app.settings.wake()
    assert app.off(now_s=150.0) == ""
    app.settings.switch(False)
    assert app.off() == "editor_off"
    app.settings.switch(True)
    assert app.off() == ""


@pytest.mark.parametrize(
    "raw",
    [
        {"debounceMs": 50},
        {"debounce_ms": 50},
        {"stardraft": {"debounceMs": 50}},
        {"stardraft": {"editor": {"debounceMs": 50}}},
        {"debounceMs": 50, "mode": None, "languages": [], "folders": None, "trace": {"server": "off"}},
    ],
)
def test_the_editors_settings_come_in_many_shapes(raw: Any) -> None:
    assert read_editor_settings(raw).values("python", "a.py") == {"debounce_ms": 50}


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"maxBlockLines": 0}, "stardraft.maxBlockLines is 0; it must be a whole number from 1 to"),
        ({"mod": "line"}, "stardraft.mod: there is no such setting; did you mean mode?"),
        ({"languages": {"go": {"mode": 3}}}, 'stardraft.languages.go.mode is 3; it must be "auto"'),
        ({"languages": {"go": True}}, "stardraft.languages.go is not an object"),
        ({"folders": {"..": {}}}, "a pattern names what is below its folder"),
        ("text", "stardraft is not an object"),
        ([1], "stardraft is not an object"),
    ],
)
def test_a_wrong_setting_of_the_editor_is_told_and_the_old_ones_stay(
    app: Workspace, raw: Any, sentence: str
) -> None:
    app.settings.take_editor({"mode": "line"})
    with pytest.raises(ConfigError) as caught:
        app.settings.take_editor(raw)
    assert sentence in caught.value.message
    assert app.config().mode == "line"


OLD_NAMES = {"languagesOff": ["text"], "beforeText": True, "maxPrefixBytes": 5}
NEW_VALUES = {"disabled_languages": ("text",), "mid_line": True}


def test_names_of_the_version_before_work_in_the_editors_settings_and_are_told(app: Workspace) -> None:
    app.settings.take_editor(OLD_NAMES | {"languages": {"go": {"beforeText": False}}})
    assert app.config() == EditorConfig(**NEW_VALUES)
    assert app.config("a.go", "go").mid_line is False
    notices = [one.notice for one in app.settings.outdated]
    assert len(notices) == 4
    assert notices[0].startswith("In your editor's settings, stardraft.languagesOff is called ")
    assert "stardraft.disabledLanguages now. Rename it" in notices[0]
    assert "stardraft.languages.go.beforeText is called stardraft.languages.go.midLine now" in notices[3]
    app.settings.take_editor({"disabledLanguages": ["go"], "languagesOff": ["text"]})
    assert app.config().disabled_languages == ("go",)


def test_names_of_the_version_before_work_in_a_projects_file_and_are_told(app: Workspace) -> None:
    app.write("[editor]\nlanguages_off = ['text']\n[folder.src]\nmax_suffix_bytes = 0\nbefore_text = false\n")
    assert app.load() == []
    assert app.config().disabled_languages == ("text",)
    told = sorted(one.notice for one in app.settings.outdated)
    assert [notice.partition(" is ")[0] for notice in told] == [
        "app/.stardraft.toml, line 2: languages_off",
        "app/.stardraft.toml, line 4: max_suffix_bytes",
        "app/.stardraft.toml, line 5: before_text",
    ]


ODD: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["editor", "languages", "folders", "mode", "enabled", "stardraft", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ODD)
def test_no_settings_break_the_reader(raw: Any) -> None:
    layer = Layer()
    with contextlib.suppress(ConfigError):
        layer = read_editor_settings(raw)
    msgspec.convert(layer.values("python", "a"), EditorConfig)


def test_what_was_found_is_kept_until_something_changes(app: Workspace) -> None:
    first = app.config()
    assert app.config() is first
    app.settings.forget()
    assert app.config() == first
    assert app.config() is not first


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("tests/**", "tests/a/b.py", True),
        ("tests/**", "tests", True),
        ("tests/**", "src/tests/a.py", False),
        ("**/tests/**", "src/tests/a.py", True),
        ("**/tests", "tests/a.py", True),
        ("tests", "src/tests/a.py", True),
        ("/tests", "src/tests/a.py", False),
        ("/tests", "tests/a.py", True),
        ("tests/", "src/tests/a.py", True),
        ("*.md", "docs/a.md", True),
        ("*.md", "docs/a.mdx", False),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/sub/a.md", False),
        ("docs/**/*.md", "docs/a.md", True),
        ("docs/**/*.md", "docs/x/y/a.md", True),
        ("a/**/b/**/c", "a/x/b/y/b/c", True),
        ("a/**/b/**/c", "a/x/y/c", False),
        ("src/?.[ch]", "src/a.c", True),
        ("src/[!a].c", "src/a.c", False),
        ("**", "anything/at/all", True),
        ("Tests", "tests/a", False),
    ],
)
def test_folder_patterns(pattern: str, path: str, fits: bool) -> None:
    assert glob(pattern).matches(path) is fits


@pytest.mark.parametrize("pattern", ["", "/", "..", "a/../b", "x" * 201])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="a pattern"):
        glob(pattern)


@pytest.mark.parametrize(
    "uri", ["untitled:1", "vscode-vfs://github/a.py", "file://server/a.py", "file:///a%00b", ""]
)
def test_what_is_no_file_here_has_no_project(uri: str) -> None:
    assert local_path(uri) == ""
