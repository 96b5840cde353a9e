"""The pure parts: what is sent, how much is asked for, what of an old suggestion still fits."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from stardraft_lsp.context.window import window
from stardraft_lsp.protocol import results
from stardraft_lsp.protocol.requests import BadParams, read_inline_params
from stardraft_lsp.session.cache import MAX_DOCUMENTS, CachedSuggestion, SuggestionCache
from stardraft_lsp.settings.options import checked, for_daemon, overrides
from stardraft_lsp.text.documents import Document, Position
from stardraft_lsp.text.folders import Folders, Place
from stardraftd.config import EditorConfig, load_config
from stardraftd.errors import ConfigError

LINES = "".join(f"line number {number}\n" for number in range(1000))


# --- window --------------------------------------------------------------------------------------


@given(st.text("ab\n\r\té😀", max_size=300), st.data(), st.integers(1, 80), st.integers(0, 80))
def test_a_window_is_the_text_around_the_cursor_within_its_bytes(
    text: str, data: st.DataObject, before: int, behind: int
) -> None:
    offset = data.draw(st.integers(0, len(text)))
    around = window(text, offset, before, behind)
    normal = lambda piece: piece.replace("\r\n", "\n").replace("\r", "\n")  # noqa: E731
    assert normal(text[:offset]).endswith(around.prefix)
    assert normal(text[offset:]).startswith(around.suffix.removesuffix("\n"))
    assert len(around.prefix.encode()) <= before
    assert len(around.suffix.encode()) <= behind + 1


def rest_of(made: CachedSuggestion | None) -> str:
    assert made is not None
    return made.text


def test_a_small_document_is_sent_whole() -> None:
    around = window("a\nb\nc\n", 3, 1000, 1000)
    assert (around.prefix, around.suffix) == ("a\nb", "\nc\n")


def test_the_windows_beginning_stands_still_while_a_person_types() -> None:
    offset = 9_000
    beginnings = []
    text = LINES[:offset]
    for _ in range(500):
        text += "x"
        beginnings.append(window(text + LINES, len(text), 4_000, 1_000).prefix[:40])
    assert len(set(beginnings)) <= 2
    assert all(beginning.startswith("line number") for beginning in beginnings)


def test_a_suffix_that_is_cut_ends_with_a_whole_line() -> None:
    assert window(LINES, 0, 1_000, 1_000).suffix.endswith("\n")


# --- cache ---------------------------------------------------------------------------------------


def test_who_types_what_was_suggested_gets_the_rest() -> None:
    cache = SuggestionCache()
    cache.put("a", CachedSuggestion("x = ", "\n", "foo(bar)"))
    assert rest_of(cache.find("a", "x = ", "\n")) == "foo(bar)"
    assert rest_of(cache.find("a", "x = foo(", "\n")) == "bar)"
    assert cache.find("a", "x = foo(bar)", "\n") is None
    assert cache.find("a", "x = fox", "\n") is None
    assert cache.find("b", "x = foo(", "\n") is None


def test_a_deleted_character_brings_the_earlier_suggestion_back() -> None:
    cache = SuggestionCache()
    cache.put("a", CachedSuggestion("x = ", "\n", "foo"))
    cache.put("a", CachedSuggestion("x = b", "\n", "ar"))
    assert rest_of(cache.find("a", "x = b", "\n")) == "ar"
    assert rest_of(cache.find("a", "x = ", "\n")) == "foo"


@pytest.mark.parametrize(
    ("before", "text", "now", "language", "found"),
    [
        # A body that the line above opens may be indented as one likes.
        ("def f():\n    ", "a()\n    b()", "def f():\n  ", "python", "a()\n  b()"),
        ("def f():\n    ", "a()\n    b()", "def f():\n\t", "python", "a()\n\tb()"),
        ("def f():\n    if ", "a:\n        b()", "def f():\n  if ", "python", "a:\n      b()"),
        ("def f():\n", "    a()\n    b()", "def f():\n\t", "python", "a()\n\tb()"),
        ("x()\n", "a()\n\nb()", "x()\n  ", "javascript", "a()\n\n  b()"),
        ("f() {\n  ", "a();\n  b();", "f() {\n    ", "javascript", "a();\n    b();"),
        # Another scope, or out of the body: another question.
        ("def f():\n    ", "a()", "def f():\n", "python", None),
        ("    a()\n    ", "b()", "    a()\n", "python", None),
        ("    a()\n    ", "b()", "    a()\n        ", "python", None),
        ("a:\n  ", "b: 1", "a:\n    ", "yaml", None),
        ("f() {\n  ", "a();\n}", "f() {\n    ", "javascript", None),
        # More than the indentation changed.
        ("def f():\n    ", "a()", "def g():\n  ", "python", None),
        ("def f():\n    x = ", "a()", "def f():\n  y = ", "python", None),
    ],
)
def test_a_line_that_is_indented_anew_keeps_its_suggestion_where_that_is_right(
    before: str, text: str, now: str, language: str, found: str | None
) -> None:
    cache = SuggestionCache()
    cache.put("a", CachedSuggestion(before, "\n", text))
    made = cache.find("a", now, "\n", language)
    assert (made.text if made else None) == found
    assert cache.find("a", now, "\nmore", language) is None


def test_the_cache_is_bounded() -> None:
    cache = SuggestionCache()
    for number in range(MAX_DOCUMENTS + 1):
        cache.put(str(number), CachedSuggestion("", "", "text"))
    assert cache.find("0", "", "") is None
    assert rest_of(cache.find(str(MAX_DOCUMENTS), "", "")) == "text"


# --- folders -------------------------------------------------------------------------------------


def test_a_path_is_relative_to_the_innermost_folder() -> None:
    folders = Folders()
    folders.add("file:///people/me/desk", "desk")
    folders.add("file:///people/me/desk/inner%20one", "inner one")
    assert folders.place("file:///people/me/desk/a/b.py") == Place("a/b.py", "desk")
    assert folders.place("file:///people/me/desk/inner%20one/c.py") == Place("c.py", "inner one")
    folders.remove("file:///people/me/desk/inner%20one")
    assert folders.place("file:///people/me/desk/inner%20one/c.py") == Place("inner one/c.py", "desk")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///people/elsewhere/x.py", "x.py"),
        ("untitled:Untitled-1", "Untitled-1"),
        ("file:///people/me/deskshop/x.py", "x.py"),
        ("vscode-vfs://github/people/me/desk/x.py", "x.py"),
        ("file:///people/elsewhere/a;b.py", "a;b.py"),
    ],
)
def test_a_file_outside_every_folder_has_its_name_only(uri: str, path: str) -> None:
    folders = Folders()
    folders.add("file:///people/me/desk", "desk")
    assert folders.place(uri) == Place(path, "")


def test_folders_need_not_be_on_a_disk() -> None:
    folders = Folders()
    folders.add("vscode-vfs://github/me/shop", "shop")
    assert folders.place("vscode-vfs://github/me/shop/src/a.py") == Place("src/a.py", "shop")
    assert folders.place("vscode-vfs://gitlab/me/shop/src/a.py") == Place("a.py", "")


# --- options -------------------------------------------------------------------------------------


def test_initialization_options_become_settings() -> None:
    given_options = {
        "debounceMs": 5,
        "disabledLanguages": ["markdown", 'odd"one'],
        "streaming": False,
        "settings": ["model.gpu_layers=3"],
    }
    config = load_config(environ={}, overrides=overrides(given_options))
    assert config.editor.debounce_ms == 5
    assert config.editor.disabled_languages == ("markdown", 'odd"one')
    assert config.editor.streaming is False
    assert config.model.gpu_layers == 3
    assert overrides(None) == ()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"debounce": 5}, "debounce"),
        ({"mode": "page"}, "mode"),
        ({"debounceMs": "x"}, "debounceMs"),
        ({"debounceMs": -1}, "debounceMs"),
        ({"debounce_ms": 1}, "debounce_ms"),
        ({"disabledLanguages": [""]}, "disabledLanguages"),
        ({"settings": ["model.gpu_layer=1"]}, "model.gpu_layer"),
        ([1], "object"),
    ],
)
def test_wrong_initialization_options_are_named(options: object, named: str) -> None:
    with pytest.raises(ConfigError, match=f"^initializationOptions.*{named}"):
        overrides(options)


def test_names_of_the_version_before_are_initialization_options_too() -> None:
    given_options = {
        "languagesOff": ["go"],
        "beforeText": True,
        "settings": ["model.saved_mb=5"],
        "mode": None,
    }
    config = load_config(environ={}, overrides=overrides(given_options))
    assert config.editor == EditorConfig(disabled_languages=("go",), mid_line=True)
    assert config.model.kv_snapshot_mb == 5
    assert len(config.outdated) == 3
    assert "languagesOff is called disabledLanguages now" in config.outdated[1].notice


@pytest.mark.parametrize("settings", [5, "model.threads=1", {"a": 1}, [1]])
def test_settings_of_another_form_are_named(settings: object) -> None:
    with pytest.raises(ConfigError, match=r"^initializationOptions.*settings is not a list of texts"):
        overrides({"settings": settings})


def test_a_daemon_is_started_with_the_texts_alone() -> None:
    given = overrides({"mode": "line", "settings": ["model.threads=2", "model.path=a.gguf"]})
    assert for_daemon(("daemon.log_level=debug", *given)) == (
        "daemon.log_level=debug",
        "model.threads=2",
        f"model.path={Path('a.gguf').absolute()}",
    )


def test_a_models_path_means_the_same_in_the_daemon() -> None:
    path = Path("models", "my.gguf")
    assert checked([f"model.path={path}", "model.threads=2"]) == (
        f"model.path={path.absolute()}",
        "model.threads=2",
    )


# --- requests and results ------------------------------------------------------------------------

HERE = {"line": 1, "character": 2}


@pytest.mark.parametrize(
    ("context", "legacy", "invoked"),
    [
        ({"triggerKind": 1}, False, True),
        ({"triggerKind": 2}, False, False),
        ({"triggerKind": 0}, True, True),
        ({"triggerKind": 1}, True, False),
        (None, False, False),
        ([], False, False),
    ],
)
def test_trigger_kinds_old_and_new_are_understood(context: object, legacy: bool, invoked: bool) -> None:
    raw = {"textDocument": {"uri": "a"}, "position": HERE, "context": context}
    assert read_inline_params(raw, legacy_trigger=legacy).invoked is invoked


@pytest.mark.parametrize("span", [[HERE, HERE], {"start": HERE, "end": HERE}])
def test_a_range_may_be_an_object_or_an_array_of_two(span: object) -> None:
    info = {"range": span, "text": "word"}
    raw = {"textDocument": {"uri": "a"}, "position": HERE, "context": {"selectedCompletionInfo": info}}
    selected = read_inline_params(raw).selected
    assert selected is not None
    assert (selected.start, selected.text) == (Position(1, 2), "word")


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        {},
        {"textDocument": {}},
        {"textDocument": {"uri": "a"}},
        {"textDocument": {"uri": "a"}, "position": 3},
        {"textDocument": {"uri": "a"}, "position": {"line": -1, "character": 0}},
    ],
)
def test_parameters_that_cannot_be_used_are_named(raw: object) -> None:
    with pytest.raises(BadParams):
        read_inline_params(raw)


def test_a_list_entry_replaces_the_word_begun() -> None:
    document = Document("a", "python", 0, "x = sel\r\n", "utf-16")
    entry = results.completion_list(document, 7, [("f.items\nmore", 0)]).items[0]
    assert isinstance(entry.text_edit, types.TextEdit)
    assert entry.text_edit.new_text == "self.items\r\nmore"
    assert entry.text_edit.range.start.character == 4
    assert entry.filter_text == "self.items"
    assert entry.label == "self.items…"
    assert results.completion_list(document, 7, []).items == []


@pytest.mark.parametrize(
    "text",
    [
        "```",
        'x = """\n```python\nprint()\n```\n"""',
        "````",
        "a ` b `` c ``````` d",
        "no backticks at all",
        "`",
        "",
    ],
)
def test_an_entrys_documentation_is_one_block_of_code_whatever_is_in_it(text: str) -> None:
    document = Document("a", "py`th\non", 0, "x = ", "utf-16")
    entry = results.completion_list(document, 4, [(f"1 {text}", 0)]).items[0]
    assert isinstance(entry.documentation, types.MarkupContent)
    first, *lines, last = entry.documentation.value.split("\n")
    assert "\n".join(lines) == f"1 {text}"
    assert set(last) == {"`"}
    assert first == f"{last}python"
    assert len(last) >= 3
    assert last not in f"1 {text}"
