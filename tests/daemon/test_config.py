"""The configuration: which source wins, and that every mistake is told with its place and what is allowed."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stardraftd.config import CompletionConfig, Config, load_config, sources
from stardraftd.config import reference as config_reference
from stardraftd.config.checking import Given, Mistake, Origin, Source, check, told
from stardraftd.config.editing import choose
from stardraftd.config.lines import key_lines
from stardraftd.config.old_names import OLD
from stardraftd.config.schema import Setting, settings
from stardraftd.errors import ConfigError
from tests.support.modes import file_modes_obeyed

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(file: Path, text: str = "", *overrides: str, **environ: str) -> Config:
    file.write_text(text, "utf-8")
    return load_config(file, environ=environ, overrides=overrides)


def refused(file: Path, text: str = "", *overrides: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(file, text, *overrides, **environ)
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith((".", "?"))
    return caught.value


# --- sources ---------------------------------------------------------------------------------------


def test_a_missing_an_empty_and_a_comment_only_file_give_the_defaults(file: Path) -> None:
    missing = load_config(file, environ={})
    assert missing.same_settings(Config())
    assert missing.file == file
    assert load(file).same_settings(Config())
    assert load(file, "# nothing\n\n[model]\n").same_settings(Config())


def test_the_file_is_found_by_its_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[completion]\nmax_tokens = 7\n")
    monkeypatch.setenv("STARDRAFT_CONFIG", str(file))
    assert load_config(environ={}).completion.max_tokens == 7


def test_the_process_environment_is_read_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARDRAFT_COMPLETION_MAX_TOKENS", "9")
    assert load_config(file).completion.max_tokens == 9


def test_the_later_source_wins_and_each_value_remembers_its_own(file: Path) -> None:
    text = "[model]\nthreads = 1\n\nkv_snapshot_mb = 1\ncontext_tokens = 1000\n"
    config = load(
        file,
        text,
        "model.context_tokens=3000",
        STARDRAFT_MODEL_KV_SNAPSHOT_MB="2",
        STARDRAFT_MODEL_CONTEXT_TOKENS="2000",
    )
    found = config.model
    assert (found.threads, found.kv_snapshot_mb, found.context_tokens, found.kv_type) == (1, 2, 3000, "f16")
    assert config.origins == {
        "model.threads": "config.toml line 2",
        "model.kv_snapshot_mb": "environment variable STARDRAFT_MODEL_KV_SNAPSHOT_MB",
        "model.context_tokens": "command line",
    }


def test_a_mistake_is_told_even_where_a_later_source_wins(file: Path) -> None:
    assert "line 2" in refused(file, "[model]\ngpu_layers = 'x'", STARDRAFT_MODEL_GPU_LAYERS="0").message


@pytest.mark.parametrize("setting", settings().values(), ids=lambda setting: setting.name)
def test_every_setting_takes_its_default_from_every_source(file: Path, setting: Setting) -> None:
    shown = setting.default_shown
    for config in (
        load(file, f"[{setting.section}]\n{setting.key} = {shown}\n"),
        load(file, "", f"{setting.name}={shown}"),
        load(file, "", **{setting.variable: shown}),
        load(file, "", **{setting.variable: shown.strip('"[]')}),
    ):
        assert config.same_settings(Config())
        assert list(config.origins) == [setting.name]


def test_same_settings_ignores_where_they_came_from(file: Path) -> None:
    one = load(file, "[editor]\ndebounce_ms = 50\n")
    other = load(file, "\n\n[editor]\n# longer\ndebounce_ms = 50\n")
    assert one.origins != other.origins
    assert one.same_settings(other)
    assert not one.same_settings(Config())


# --- values ------------------------------------------------------------------------------------------


def test_text_in_the_environment_needs_no_quotes_and_may_have_them(file: Path) -> None:
    assert load(file, STARDRAFT_MODEL_KV_TYPE="q8_0").model.kv_type == "q8_0"
    assert load(file, STARDRAFT_MODEL_KV_TYPE='"q8_0"').model.kv_type == "q8_0"
    assert load(file, STARDRAFT_MODEL_GPU_LAYERS="-1").model.gpu_layers == -1
    assert load(file, STARDRAFT_EDITOR_ENABLED="false").editor.enabled is False


def test_lists_can_be_written_with_commas(file: Path) -> None:
    expected = ("markdown", "plaintext")
    assert (
        load(file, STARDRAFT_EDITOR_DISABLED_LANGUAGES="markdown, plaintext").editor.disabled_languages
        == expected
    )
    assert (
        load(file, "", 'editor.disabled_languages=["markdown","plaintext"]').editor.disabled_languages
        == expected
    )
    assert (
        load(
            file, "[editor]\ndisabled_languages = ['a']", "editor.disabled_languages="
        ).editor.disabled_languages
        == ()
    )


def test_a_relative_model_starts_at_the_files_folder(file: Path) -> None:
    config = load(file, "[model]\npath = 'models/a.gguf'")
    assert config.model.path == str(file.parent / "models" / "a.gguf")


def test_a_relative_model_from_outside_the_file_starts_at_the_current_folder(
    file: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    assert load(file, STARDRAFT_MODEL_PATH="a.gguf").model.path == str(here / "a.gguf")
    assert load(file, "", "model.path=1").model.path == str(here / "1")


def test_tilde_is_the_home_folder_and_empty_is_the_builtin_model(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load(file, "[model]\npath = '~/a.gguf'").model.path == str(tmp_path / "a.gguf")
    assert load(file, "[model]\npath = 'a.gguf'", STARDRAFT_MODEL_PATH="").model.path == ""


def test_a_line_break_smuggles_in_no_second_key(file: Path) -> None:
    message = refused(file, "", "model.kv_type='f16'\nvalue2 = 1").message
    assert "model.kv_type is" in message


@pytest.mark.parametrize(
    "variable", ["STARDRAFT_CONFIG", "STARDRAFT_STATE_DIR", "STARDRAFT_RUNTIME_DIR", "STARDRAFT_MODELS_DIR"]
)
def test_variables_that_are_no_settings_are_left_alone(file: Path, variable: str) -> None:
    assert load(file, **{variable: "x", "STARDRAFT_X": "1", "PATH": "y"}).origins == {}


# --- mistakes ----------------------------------------------------------------------------------------


def test_the_error_names_file_line_key_value_and_what_is_allowed(file: Path) -> None:
    error = refused(file, "# mine\n[completion]\n\n[model]\n\npath = ''\ngpu_layers = \"many\"\n")
    assert error.message == (
        f'{file}, line 7: model.gpu_layers is "many"; '
        'it must be "auto" or a whole number from -1 (all) to 10000.'
    )
    assert error.hint == 'Correct the line, or remove it to get the default, "auto".'


@pytest.mark.parametrize(
    ("section", "line", "message"),
    [
        ("model", "gpu_layers = -2", 'is -2; it must be "auto" or a whole number from -1 (all) to 10000.'),
        ("model", "gpu_layers = true", 'is true; it must be "auto" or a whole number'),
        ("model", "threads = 0", 'is 0; it must be "auto" or a whole number from 1 to 1024.'),
        ("model", "context_tokens = 0", "is 0; it must be a whole number from 256 to"),
        ("model", "path = 3", "is 3; it must be text in quotes."),
        ("model", 'kv_type = "q4"', 'is "q4"; it must be "f16" or "q8_0".'),
        ("editor", 'mode = "yes"', 'is "yes"; it must be "auto", "line" or "block".'),
        ("model", "idle_unload_minutes = -0.5", "is -0.5; it must be a number from 0 (never) to 525600."),
        ("daemon", "idle_exit_minutes = nan", "is nan; it must be a number from 0 (never) to 525600."),
        ("daemon", "idle_exit_minutes = inf", "is inf; it must be a number from 0 (never) to 525600."),
        ("completion", "max_tokens = 4097", "is 4097; it must be a whole number from 1 to 4096."),
        ("completion", "max_tokens = 64.5", "is 64.5; it must be a whole number from 1 to 4096."),
        ("completion", "max_tokens = 99999999999999999999", "is 99999999999999999999; it must be"),
        ("completion", "max_tokens = 1979-05-27", "is 1979-05-27; it must be a whole number"),
        ("daemon", 'log_level = "loud"', 'is "loud"; it must be "debug", "info", "warning" or "error".'),
        ("editor", "enabled = 1", "is 1; it must be true or false."),
        ("editor", "disabled_languages = 'c'", 'is "c"; it must be a list of words in quotes.'),
        ("editor", "disabled_languages = ['c', 1]", 'is ["c", 1]; it must be a list of words in quotes.'),
    ],
)
def test_a_wrong_value_is_refused(file: Path, section: str, line: str, message: str) -> None:
    error = refused(file, f"[{section}]\n{line}\n")
    assert f"line 2: {section}.{line.partition(' ')[0]} {message}" in error.message


def test_a_long_value_is_cut(file: Path) -> None:
    assert len(refused(file, f"[model]\ngpu_layers = '{'x' * 5000}'").message) < len(str(file)) + 250


def test_a_wrong_variable_is_named(file: Path) -> None:
    error = refused(file, STARDRAFT_MODEL_GPU_LAYERS="many")
    assert error.message.startswith(
        'The environment variable STARDRAFT_MODEL_GPU_LAYERS is "many"; it must be "auto" or'
    )
    assert "unset" in error.hint


def test_a_wrong_override_is_named(file: Path) -> None:
    error = refused(file, "", "completion.max_tokens=x")
    assert error.message == (
        'On the command line, completion.max_tokens is "x"; it must be a whole number from 1 to 4096.'
    )


@pytest.mark.parametrize("override", ["", "model", "model=3", "=3", "model.=3", ".path=3"])
def test_an_override_of_another_form_gets_an_example(file: Path, override: str) -> None:
    error = refused(file, "", override)
    assert f'"{override}" does not say section.key=value' in error.message
    assert "model.gpu_layers=0" in error.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modle]", "line 1: there is no section [modle]; did you mean model?"),
        ("\n[zzz]", "line 2: there is no section [zzz]."),
        ("gpu_layers = 3", "line 1: there is no section [gpu_layers]; did you mean model.gpu_layers?"),
        ("[model]\ngpu_layer = 3", "no setting model.gpu_layer; did you mean model.gpu_layers?"),
        ("[daemon]\nmax_tokens = 3", "no setting daemon.max_tokens; did you mean completion.max_tokens?"),
        ("[model]\nzzz = 3", "line 2: there is no setting model.zzz."),
        ("[model.zzz]\na = 3", "line 1: there is no setting model.zzz."),
        ("model = 3", "line 1: model is 3; it must be a section."),
        ("[[model]]\npath = ''", "line 1: model is"),
    ],
)
def test_unknown_names_get_the_closest_known_one(file: Path, text: str, message: str) -> None:
    assert message in refused(file, text).message


def test_unknown_names_elsewhere_get_the_closest_known_one(file: Path) -> None:
    assert "[modell]; did you mean model?" in refused(file, "", "modell.seed=1").message
    assert "model.gpu_layer; did you mean" in refused(file, "", "model.gpu_layer=1").message
    error = refused(file, STARDRAFT_MODEL_GPU_LAYER="1")
    assert error.message == (
        "There is no setting of the environment variable STARDRAFT_MODEL_GPU_LAYER; "
        "did you mean STARDRAFT_MODEL_GPU_LAYERS?"
    )
    assert "STARDRAFT_MODEL_PATH" in error.hint
    assert "did you mean" not in refused(file, STARDRAFT_MODEL_ZZZ="1").message


@pytest.mark.parametrize("variable", ["STARDRAFT_MODLE_GPU_LAYERS", "STARDRAFT_GPU_LAYERS"])
def test_a_variable_whose_section_is_wrong_or_missing_is_told(file: Path, variable: str) -> None:
    error = refused(file, **{variable: "1"})
    assert error.message == (
        f"There is no setting of the environment variable {variable}; "
        "did you mean STARDRAFT_MODEL_GPU_LAYERS?"
    )
    assert "STARDRAFT_MODEL_PATH" in error.hint


def test_a_variable_that_is_no_settings_is_let_be(file: Path) -> None:
    others = {"STARDRAFT_DEBUG": "1", "STARDRAFT_MODELS_DIR": "/", "STARDRAFT_OTHER_PATH": "/x", "ECHO": "x"}
    others["STARDRAFT_MODELPATH"] = "/x"
    assert load_config(file, environ=others).origins == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[model]\npath = \n", ", line 2, column 8: this is not TOML: "),
        ("[model]\nnonsense\n", ", line 2, column 9: this is not TOML: "),
        ("[model]\nseed = 1\nseed = 2\n", ", line 3, column 9: this is not TOML: cannot overwrite a value."),
        ('[model]\npath = """x', ", line 2"),
        ("\n[model", ", line 2"),
    ],
)
def test_a_syntax_error_is_placed(file: Path, text: str, place: str) -> None:
    assert f"{file}{place}" in refused(file, text).message


def test_a_number_or_nesting_beyond_pythons_limits_is_an_error_of_the_file(file: Path) -> None:
    assert "too many digits" in refused(file, f"[model]\nthreads = {'9' * 5000}").message
    assert "nested too deeply" in refused(file, f"x = {'[' * 20_000}").message


def test_a_file_that_is_not_utf_8_is_named_with_the_line(file: Path) -> None:
    file.write_bytes(b"[model]\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"line 2: the byte 0xe9 is not UTF-8"):
        load_config(file, environ={})


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[model]\r\n\r\ngpu_layers = 3\r\n")
    config = load_config(file, environ={})
    assert config.model.gpu_layers == 3
    assert config.origins == {"model.gpu_layers": "config.toml line 3"}


def test_a_directory_in_the_files_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is a directory"):
        load_config(tmp_path, environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a missing file")
def test_a_file_in_the_folders_place_is_an_error(file: Path) -> None:
    file.write_text("")
    with pytest.raises(ConfigError, match="a part of its path is a file"):
        load_config(file / "config.toml", environ={})


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX thing")
def test_an_unreadable_file_is_an_error(file: Path) -> None:
    file.write_text("")
    file.chmod(0)
    with file_modes_obeyed(), pytest.raises(ConfigError, match="cannot be read: permission denied"):
        load_config(file, environ={})


def test_a_huge_file_is_an_error(file: Path) -> None:
    assert "larger than" in refused(file, "# x\n" * 100_000).message


# --- names of the version before -----------------------------------------------------------------------

RENAMED = {old: known.now for old, known in OLD.items() if known.now}
GONE = [old for old, known in OLD.items() if not known.now]


@pytest.mark.parametrize("old", OLD)
def test_an_old_name_is_one_notice_with_what_to_do_in_every_source(file: Path, old: str) -> None:
    section, key = old.split(".")
    now = settings()[RENAMED[old]] if old in RENAMED else None
    value = now.default_shown if now else "1"
    variable = f"STARDRAFT_{section}_{key}".upper()
    for config, place, new in (
        (load(file, f"[{section}]\n{key} = {value}\n"), f"{file}, line 2: {old}", now and now.name),
        (load(file, "", f"{old}={value}"), f"On the command line, {old}", now and now.name),
        (load(file, "", **{variable: value}), f"The environment variable {variable}", now and now.variable),
    ):
        (outdated,) = config.outdated
        assert outdated.notice.startswith(f"{place} is ")
        assert "\n" not in outdated.notice
        if new is None:
            assert outdated.notice.endswith(". Remove it.")
            assert not config.origins
        else:
            assert f"is called {new} now. Rename it" in outdated.notice
            assert list(config.origins) == [now.name] if now else False


def test_an_old_name_works_and_the_new_one_in_the_same_source_is_stronger(file: Path) -> None:
    assert load(file, "[editor]\nlanguages_off = ['a']").editor.disabled_languages == ("a",)
    for text in (
        "languages_off = ['a']\ndisabled_languages = ['b']",
        "disabled_languages = ['b']\nlanguages_off = ['a']",
    ):
        assert load(file, f"[editor]\n{text}").editor.disabled_languages == ("b",)
    overridden = load(file, "[editor]\ndisabled_languages = ['b']", STARDRAFT_EDITOR_LANGUAGES_OFF="a")
    assert overridden.editor.disabled_languages == ("a",), "a later source wins, whatever it calls a setting"
    of_the_command_line = load(file, "", "editor.mid_line=true", "editor.mid_line=false")
    assert of_the_command_line.editor.mid_line is False


def test_a_wrong_value_under_an_old_name_is_told_by_that_name(file: Path) -> None:
    assert (
        "line 2: editor.languages_off is 3; it must be a list"
        in refused(file, "[editor]\nlanguages_off = 3").message
    )


def test_an_old_value_works_and_is_told(file: Path) -> None:
    config = load(file, "[completion]\nbackground = 'on_mains'")
    assert config.completion.background == "on_ac_power"
    (outdated,) = config.outdated
    assert 'completion.background = "on_mains" is called "on_ac_power" now' in outdated.notice
    (outdated,) = load(file, "", STARDRAFT_COMPLETION_BACKGROUND="on_mains").outdated
    assert 'STARDRAFT_COMPLETION_BACKGROUND = "on_mains" is called "on_ac_power" now' in outdated.notice
    assert load(file, "", "completion.background=on_mains", "completion.background=never").completion == (
        CompletionConfig(background="never")
    )


def test_no_present_name_is_an_old_one() -> None:
    assert not set(settings()) & set(OLD)
    assert set(RENAMED.values()) <= set(settings())


def test_choosing_a_model_writes_nothing_into_a_file_with_a_mistake(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STARDRAFT_CONFIG", str(file))
    text = "[model]\nthreads = 0\n"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"line 2: model\.threads is 0; it must be"):
        choose(Path("/a/b.gguf"))
    assert file.read_text() == text
    file.write_text("[editor]\nlanguages_off = ['go']\n")
    choose(Path("/a/b.gguf"))
    assert load_config(file, environ={}).editor.disabled_languages == ("go",)


def test_where_a_setting_came_from_is_data_too(file: Path) -> None:
    config = load(file, "[model]\nthreads = 1\n", "model.kv_type=f16", STARDRAFT_EDITOR_STATS="false")
    assert config.sources["model.threads"] is sources.FILE
    assert config.sources["model.kv_type"] is sources.COMMAND_LINE
    assert config.sources["editor.stats"] is sources.ENVIRONMENT


# --- mistakes as data ----------------------------------------------------------------------------------


def test_a_mistake_is_data_until_it_is_told() -> None:
    origin = Origin(source=sources.FILE, place="here, line 3:")
    given = Given(section="model", key="threads", called="model.threads", value="x", origin=origin)
    found = check(given)
    assert isinstance(found, Mistake)
    assert (found.kind, found.key, found.shown) == ("value", "model.threads", '"x"')
    assert found.allowed == settings()["model.threads"].allowed
    assert found.given.origin.place == "here, line 3:"
    told_as = told(found)
    assert told_as.message == f'here, line 3: model.threads is "x"; it must be {found.allowed}.'


def test_a_value_nested_deeper_than_python_goes_is_told() -> None:
    value: object = 1
    for _ in range(5000):
        value = [value]
    origin = Origin(source=sources.EDITOR, place="There,")
    found = check(Given(section="editor", key="mode", called="mode", value=value, origin=origin))
    assert isinstance(found, Mistake)
    assert told(found).message.startswith("There, mode is nested too deeply; it must be")


@pytest.mark.parametrize("source", [sources.EDITOR, sources.PROJECT], ids=["editor", "project"])
def test_a_source_for_documents_has_only_the_settings_of_documents(source: Source) -> None:
    origin = Origin(source=source, place="There:")
    for section, key in (("model", "path"), ("model", "saved_mb"), ("daemon", "transport")):
        found = check(Given(section=section, key=key, called=key, value="x", origin=origin))
        assert isinstance(found, Mistake)
        assert found.kind == "unknown"


# --- lines -------------------------------------------------------------------------------------------


def test_lines_are_found_through_everything_toml_can_do() -> None:
    text = '''
a = 1                       # 2
"quoted key" = """
[not]
x = 1
"""
list = [                    # 7
  "[also not]",
  # comment
]
b.c = 2                     # 11
b . d = 3

[ model ]                   # 14
path = \'\'\'
y = 2\'\'\'
in = { line = 1, deep = { er = 2 } }

[model."sub table"]         # 19
z = 1
[[many]]                    # 21
n = 1
[[many]]
n = 2
'''
    assert key_lines(text) == {
        ("a",): 2,
        ("quoted key",): 3,
        ("list",): 7,
        ("b",): 11,
        ("b", "c"): 11,
        ("b", "d"): 12,
        ("model",): 14,
        ("model", "path"): 15,
        ("model", "in"): 17,
        ("model", "in", "line"): 17,
        ("model", "in", "deep"): 17,
        ("model", "in", "deep", "er"): 17,
        ("model", "sub table"): 19,
        ("model", "sub table", "z"): 20,
        ("many",): 21,
        ("many", "n"): 22,
    }


@given(
    values=st.dictionaries(
        st.sampled_from([s.name for s in settings().values()]),
        st.sampled_from(['"x"', "1", '"""\n[model]\npath = 1\n"""', "[\n1,\n2]", "{a = 1}"]),
    ),
    gaps=st.lists(st.sampled_from(["", "\n", "# [x]\n", "\r\n"]), min_size=27, max_size=27),
)
def test_every_key_is_found_on_the_line_where_it_was_written(values: dict[str, str], gaps: list[str]) -> None:
    text, expected = "", {}
    for (name, value), gap in zip(values.items(), gaps, strict=False):
        text += gap
        expected[tuple(name.split("."))] = text.count("\n") + 1
        text += f"{name} = {value}\n"
    lines = key_lines(text)
    assert {path: line for path, line in lines.items() if path in expected} == expected


# --- documentation -----------------------------------------------------------------------------------


def test_every_setting_is_described() -> None:
    assert len(settings()) <= 28
    for setting in settings().values():
        assert setting.description.endswith("."), setting.name


def test_the_page_on_the_configuration_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert config_reference.updated(page) == page, (
        "bring it up to date with: python -m stardraftd.config.reference docs/configuration.md"
    )


def test_an_outdated_page_is_brought_up_to_date(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text("utf-8").replace("| `max_tokens` |", "| `old` |"), "utf-8")
    subprocess.run([sys.executable, "-m", "stardraftd.config.reference", page], check=True)
    assert page.read_text("utf-8") == PAGE.read_text("utf-8")


def test_reading_the_configuration_loads_nothing_heavy() -> None:
    code = (
        "import sys, stardraftd.config as c; c.load_config(environ={})\n"
        "print([m for m in ('watchdog', 'httpx', 'starlette', 'asyncio', 'llama_cpp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
