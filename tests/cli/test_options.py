"""Settings given on the command line: as the daemon gets them, and compared with one that runs already."""

import shutil
from pathlib import Path

import msgspec
import pytest

from stardraftd.cli.options import Wanted, wanted
from stardraftd.cli.running import differences, not_applied
from stardraftd.errors import ModelNotFoundError, RequestError
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.http import Status


def status_of(**model: object) -> Status:
    info = {
        **dict.fromkeys(("size_bytes", "n_parameters", "n_context_trained", "kv_bytes", "threads"), 1),
        **dict.fromkeys(("name", "path", "device", "system_info"), "x"),
        "context_tokens": 8192,
        "gpu_layers": 0,
        "layers": 4,
        "load_ms": 1.0,
        **model,
    }
    counters = "engine_restarts sessions n_running n_waiting completed cancelled failed daemon_resident_bytes"
    tokens = "tokens_evaluated tokens_reused tokens_generated"
    fields = {
        **dict.fromkeys(f"{counters} {tokens} protocol pid".split(), 0),
        **dict.fromkeys(("version", "endpoint", "config_path", "log_path"), "x"),
        **dict.fromkeys(("engine_pid", "loading_fraction", "engine_resident_bytes"), None),
        "uptime_s": 1.0,
        "engine": "ready",
        "model_path": str(builtin_model_path()),
        "model": info,
    }
    return msgspec.convert(fields, Status)


def test_options_become_settings(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    shutil.copy(builtin_model_path(), file)
    asked = wanted(str(file), "all", 1024, ["daemon.log_level=debug"])
    assert asked.overrides() == (
        "daemon.log_level=debug",
        f"model.path={file}",
        "model.gpu_layers=-1",
        "model.context_tokens=1024",
    )


def test_paths_are_made_absolute_because_the_daemon_stands_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(builtin_model_path(), tmp_path / "m.gguf")
    expected = (f"model.path={tmp_path / 'm.gguf'}",)
    assert wanted("m.gguf", None, None, None).overrides() == expected
    assert wanted(None, None, None, ["model.path = m.gguf"]).overrides() == expected


def test_the_built_in_model_can_be_asked_for_by_name() -> None:
    assert wanted("built-in", None, None, None).overrides() == ("model.path=",)


def test_nothing_asked_is_false() -> None:
    assert not wanted(None, None, None, None)


@pytest.mark.parametrize("typed", ["{folder}/nix.gguf", "./nix.gguf", "nix.gguf", "nix.GGUF"])
def test_a_missing_model_is_told_before_a_daemon_starts(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STARDRAFT_MODELS_DIR", str(tmp_path / "models"))
    with pytest.raises(ModelNotFoundError, match=r"There is no model file at /.*nix\.(gguf|GGUF)") as raised:
        wanted(typed.format(folder=tmp_path), None, None, None)
    assert "model.path" not in raised.value.hint, "no setting was at work"


@pytest.mark.parametrize(
    ("layers", "settings"), [("many", None), (None, ["model.gpu_layer=1"]), (None, ["x"]), (None, ["a.b=1"])]
)
def test_a_wrong_setting_is_told_before_a_daemon_starts(
    layers: str | None, settings: list[str] | None
) -> None:
    with pytest.raises(RequestError):
        wanted(None, layers, None, settings)


def test_the_restart_command_is_one_that_a_shell_takes() -> None:
    asked = Wanted("my model.gguf", "all", 512, ("daemon.log_level=debug",))
    assert asked.restart_command() == (
        "stardraft daemon restart --model 'my model.gguf' --gpu-layers all --context-tokens 512 "
        "--set daemon.log_level=debug"
    )


@pytest.mark.parametrize(
    "asked",
    [
        Wanted(),
        Wanted(model="built-in"),
        Wanted(gpu_layers="auto"),
        Wanted(gpu_layers="0"),
        Wanted(context_tokens=8192),
        Wanted(context_tokens=8000),
    ],
)
def test_settings_that_the_daemon_has_are_no_difference(asked: Wanted) -> None:
    assert differences(asked, status_of()) == []


def test_all_layers_are_all_that_the_model_has() -> None:
    for layers in ("all", "-1", "4", "99"):
        assert differences(Wanted(gpu_layers=layers), status_of(gpu_layers=4)) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Wanted(model="/m.gguf"), "its model is "),
        (Wanted(gpu_layers="2"), "it has 0 of 4 layers on the GPU"),
        (Wanted(context_tokens=4096), "its context is 8,192 tokens"),
        (Wanted(settings=("daemon.log_level=debug",)), "--set had no effect"),
    ],
)
def test_settings_that_the_daemon_has_not_are_warned_of(asked: Wanted, sentence: str) -> None:
    assert sentence in not_applied(asked, status_of())


def test_what_is_not_known_before_the_model_is_loaded_is_not_warned_of() -> None:
    unloaded = msgspec.structs.replace(status_of(), model=None)
    assert not_applied(Wanted(gpu_layers="2", context_tokens=1024), unloaded) == ""


def test_a_name_of_the_version_before_is_told_in_one_line_and_works(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = wanted(None, None, None, ["editor.languages_off=go", "completion.seed=5"])
    assert asked.overrides() == ("editor.languages_off=go", "completion.seed=5")
    first, second = capsys.readouterr().err.splitlines()
    assert "editor.languages_off is called editor.disabled_languages now. Rename it" in first
    assert "completion.seed is not a setting any more" in second
