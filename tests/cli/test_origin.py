"""What the model is told of where a file comes from."""

from pathlib import Path

import pytest

from stardraftd.cli.complete.origin import Origin, origin_of


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    (root / ".git").mkdir(parents=True)
    (root / "src").mkdir()
    return root


def test_a_file_in_a_repository_has_its_path_and_name(repository: Path) -> None:
    assert origin_of(repository / "src" / "a.py") == Origin("src/a.py", "library")


def test_a_work_tree_whose_git_is_a_file_is_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")
    assert origin_of(tmp_path / "a.py").path == "a.py"


def test_a_name_that_is_given_is_taken_and_an_empty_one_leaves_it_out(repository: Path) -> None:
    assert origin_of(repository / "a.py", "owner/name") == Origin("a.py", "owner/name")
    assert origin_of(repository / "a.py", "") == Origin("a.py", "")


def test_without_a_repository_the_path_starts_at_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert origin_of(Path("src/a.py")) == Origin("src/a.py", "")


def test_nothing_above_a_file_elsewhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert origin_of(tmp_path / "somebody" / "a.py") == Origin("a.py", "")


def test_a_name_that_is_no_utf8_becomes_text(repository: Path) -> None:
    assert origin_of(repository / "b\udcff.py").path == "b\ufffd.py"
