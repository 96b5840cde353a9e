"""The environment of `make` is made again where what is in it cannot work."""

import json
from pathlib import Path

import pytest

from stardraftd.setup.engine import processor
from tests.packaging.programs import load

setup_venv = load("setup_venv")


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(setup_venv, "works", lambda *_: True)
    return tmp_path


def remember(venv: Path, **told: object) -> None:
    (venv / "installed.json").write_text(json.dumps({"fingerprint": "f", **told}))


def test_one_that_is_as_it_was_asked_for_is_left_alone(venv: Path) -> None:
    remember(venv, extras=["engine"], processor=processor.identity())
    assert setup_venv.installed(venv, "f") == {"engine"}


def test_one_that_was_carried_to_another_processor_is_made_again(venv: Path) -> None:
    remember(venv, extras=["engine", "test"], processor="another")
    assert setup_venv.installed(venv, "f") is None
    remember(venv, extras=["test"], processor="another")
    assert setup_venv.installed(venv, "f") == {"test"}, (
        "without an engine, nothing in it is for one processor"
    )


def test_one_of_other_dependencies_is_made_again(venv: Path) -> None:
    remember(venv, extras=["engine"], processor=processor.identity())
    assert setup_venv.installed(venv, "g") is None
