"""At Tab a shell gets the names that may stand there, and never an error."""

from pathlib import Path

import pytest

from stardraftd.cli.shell_words import models_here, published_models, removable_models, settings
from stardraftd.config.schema import settings as every_setting
from stardraftd.models.catalogue import KNOWN


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARDRAFT_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


def test_models_that_are_here_are_completed_unopened(models: Path) -> None:
    assert models_here("") == ["built-in"]
    models.mkdir()
    for name in ("b.gguf", "a.gguf", ".half.gguf", "a.txt"):
        (models / name).write_bytes(b"no model")
    assert models_here("") == ["built-in", "a", "b"]
    assert removable_models("a") == ["a"]
    assert published_models("") == list(KNOWN)


def test_every_setting_is_completed_with_what_it_is_for() -> None:
    found = dict(settings(""))
    assert list(found) == [f"{name}=" for name in every_setting()]
    assert all(found.values())


@pytest.mark.parametrize(
    ("begun", "values"),
    [
        ("editor.enabled=", ["editor.enabled=true", "editor.enabled=false"]),
        ("editor.mode=l", ["editor.mode=line"]),
        ("model.kv_type=", ["model.kv_type=f16", "model.kv_type=q8_0"]),
        ("model.threads=", ["model.threads=auto"]),
        ("model.path=", []),
        ("no.such=", []),
    ],
)
def test_values_are_completed_where_they_can_be_counted(begun: str, values: list[str]) -> None:
    assert [one for one, _ in settings(begun)] == values
