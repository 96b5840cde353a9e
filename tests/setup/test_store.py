"""Which build an installation uses changes in one step, can be taken back, and leaves nothing behind."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stardraftd.builds import chosen as engine_build
from stardraftd.errors import PathError
from stardraftd.setup.engine import store

WHICH = "import stardraftd.engine, llama_cpp; print(llama_cpp.ANSWER)"


@pytest.fixture(autouse=True)
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARDRAFT_ENGINES_DIR", str(tmp_path / "engines"))
    monkeypatch.delenv(engine_build.VARIABLE, raising=False)
    return tmp_path / "engines"


def wheel(folder: Path, answer: str) -> Path:
    """A tiny wheel of an engine, known by what it answers."""
    file = folder / f"{answer}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("llama_cpp/__init__.py", f"ANSWER = {answer!r}\n")
        archive.writestr("llama_cpp/lib/libllama.so", b"a library")
    return file


def add(folder: Path, answer: str) -> str:
    return store.add(wheel(folder, answer), store.new_facts("0.3.36", "cpu", "native", "Why.", "k3y"))


def which() -> str:
    """What an engine process of this installation would load."""
    return subprocess.run(
        [sys.executable, "-c", WHICH], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_chosen_build_is_the_one_that_is_imported(tmp_path: Path) -> None:
    name = add(tmp_path, "one")
    assert engine_build.chosen_build() is None, "a build that was not chosen is not used"
    store.choose(name)
    assert which() == "one"


def test_a_build_to_try_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.choose(add(tmp_path, "one"))
    monkeypatch.setenv(engine_build.VARIABLE, str(store.folder_of(add(tmp_path, "two"))))
    assert which() == "two"
    monkeypatch.delenv(engine_build.VARIABLE)
    assert which() == "one"


def test_going_back_leads_to_the_build_before_and_then_to_the_environments_own(tmp_path: Path) -> None:
    one, two = add(tmp_path, "one"), add(tmp_path, "two")
    store.choose(one)
    store.choose(two)
    store.forget_unused()
    assert store.go_back() == one
    assert which() == "one"
    store.forget_unused()
    assert not store.folder_of(two).exists()
    assert store.go_back() == ""
    assert engine_build.chosen_build() is None
    assert store.go_back() is None
    store.forget_unused()
    assert not list((engine_build.engines_dir() / "builds").iterdir())


def test_builds_of_other_installations_stay_until_those_are_gone(tmp_path: Path, engines: Path) -> None:
    theirs, prefix = add(tmp_path, "theirs"), tmp_path / "other"
    prefix.mkdir()
    (engines / "chosen").mkdir()
    (engines / "chosen" / "other.json").write_text(json.dumps({"prefix": str(prefix), "build": theirs}))
    store.forget_unused()
    assert store.folder_of(theirs).is_dir()
    assert engine_build.chosen_build() is None, "what another installation has chosen is not ours"
    prefix.rmdir()
    store.forget_unused()
    assert not store.folder_of(theirs).exists()
    assert not (engines / "chosen" / "other.json").exists()


def test_an_unpacking_that_fails_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.whl"
    whole = wheel(tmp_path, "one").read_bytes()
    broken.write_bytes(whole.replace(b"a library", b"A LIBRARY"))  # the checksum does not fit any more
    with pytest.raises(zipfile.BadZipFile):
        store.add(broken, store.new_facts("0.3.36", "cpu", "native", "Why.", "k3y"))
    assert not list((engine_build.engines_dir() / "builds").iterdir())


def test_a_build_that_is_gone_is_told_and_nothing_takes_its_place(tmp_path: Path) -> None:
    name = add(tmp_path, "one")
    store.choose(name)
    store.remove(name)
    assert "is gone" in engine_build.problem()
    probe = subprocess.run(
        [sys.executable, "-P", "-m", "stardraftd.engine.probe"], capture_output=True, check=True
    )
    told = json.loads(probe.stdout)
    assert told["error"] == "engine_missing"
    assert "stardraft setup engine" in told["hint"]


@pytest.mark.parametrize("text", ["", "[]", '{"build": "../../etc"}', '{"build": 3}', "\0"])
def test_a_choice_that_cannot_be_read_is_none(text: str, engines: Path) -> None:
    file = engine_build.choice_file()
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert engine_build.chosen_build() is None


def test_a_choice_that_cannot_be_read_is_told_where_it_is_changed() -> None:
    file = engine_build.choice_file()
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(PathError, match="cannot be read"):
        store.choice()


def test_two_installations_choose_apart(tmp_path: Path) -> None:
    assert engine_build.choice_file("/one") != engine_build.choice_file("/two")
    assert engine_build.choice_file(str(tmp_path)) == engine_build.choice_file(f"{tmp_path}{os.sep}")
