"""`stardraft eval history`: which places a history has, what is asked there, and what the answers come to."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stardraft_quant.evaluate.history import ratchet
from stardraft_quant.evaluate.history.figures import FIGURES, Figures, Shown, figures, quality
from stardraft_quant.evaluate.history.git import Checkout, Repository
from stardraft_quant.evaluate.history.places import QUIET, WANTED, HistoryPlace, Kind, places
from stardraft_quant.evaluate.history.ratchet import Ratchet, ratchet_of
from stardraftd.errors import PathError, RequestError, StardraftError
from tests.cli.program import stardraft
from tests.support.home import isolated_home

LOADERS = """\
def load_{0}(path, *, strict=False):
    with open(path, encoding="utf-8") as file:
        return parse_{0}(file.read(), strict=strict)
"""
HOOK = "#!/bin/sh\ntouch '{}'\n"


def git(folder: Path, *arguments: str) -> str:
    settings = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, env={**os.environ, **settings}
    )
    return done.stdout.decode().strip()


class History:
    """A repository that is written commit by commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")

    def commit(self, **files: str) -> str:
        """Files by their names' stems, with `_` for the dot: a_py."""
        for name, text in files.items():
            (self.folder / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message=x")
        return git(self.folder, "rev-parse", "HEAD")

    def places(self, n: int = 0, seed: int = 0) -> list[HistoryPlace]:
        return places(Repository(self.folder), n, seed)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> History:
    """Files that are alike, each written anew by a commit of its own below what stands there."""
    found = History(tmp_path_factory.mktemp("shop") / "shop")
    names = ("users", "orders", "books", "states", "prices", "shelves")
    found.commit(**{f"{name}_py": "import sys\n\n\nLIMIT = 10\n" for name in names})
    for name in names:
        found.commit(**{f"{name}_py": f"import sys\n\n\n{LOADERS.format(name)}\n\nLIMIT = 10\n"})
    return found


# --- places ----------------------------------------------------------------------------------------------


def test_the_file_is_new_above_the_cursor_and_old_below(history: History) -> None:
    history.commit(a_py="first = 1\nsecond = 2\nlast = 9\n")
    history.commit(a_py="zeroth = 0\nfirst = 1\nthird = 3\nfourth = 4\nlast = 9\nnever = 10\n")
    found = [place for seed in range(20) for place in history.places(seed=seed) if place.kind in WANTED]
    of_hunk = [place for place in found if place.removed]
    assert {place.removed for place in of_hunk} == {("second = 2",)}
    for place in found:
        line = place.before.rpartition("\n")[2] + place.wanted
        assert line in ("zeroth = 0", "third = 3", "fourth = 4", "never = 10")
        assert "never" not in place.after
        assert line != "third = 3" or "fourth" not in place.text
        assert place.wanted
        assert place.after.startswith("\n")
    for place in of_hunk:
        assert place.after == "\nlast = 9\n"
        assert place.before.startswith("zeroth = 0\nfirst = 1\n")


def test_a_line_that_was_only_moved_is_no_place(history: History) -> None:
    history.commit(a_py="moved = compute()\nother = 2\n", b_py="first = 1\n")
    history.commit(a_py="other = 2\n", b_py="first = 1\n    moved = compute()\n")
    with pytest.raises(RequestError, match="adds a line"):
        history.places()


def test_a_line_of_a_file_that_looks_like_a_heading_of_a_diff_hides_nothing(history: History) -> None:
    history.commit(a_lua="-- a/b.lua\nlocal old = 1\nlocal kept = 2\n")
    history.commit(a_lua="++ b/c.lua\nlocal kept = 2\nlocal new = compute(3)\n")
    assert any("local new" in place.before + place.wanted for place in history.places())


@pytest.mark.parametrize("kind", [*WANTED, *QUIET])
def test_each_kind_of_place_is_what_it_says(shop: History, kind: Kind) -> None:
    found = [place for seed in range(12) for place in shop.places(seed=seed) if place.kind == kind]
    assert found
    for place in found:
        before, behind = place.before.rpartition("\n")[2], place.after.partition("\n")[0]
        assert bool(place.wanted) == (kind in WANTED)
        assert not place.wanted or not behind
        match kind:
            case "line start":
                assert not before.strip()
            case "after a sign":
                assert before[-1] in ".([{,=:\"' "
            case "finished":
                assert before.strip()
                assert not behind
            case "in a word":
                assert before[-1].isidentifier()
                assert behind[0].isalnum() or behind[0] == "_"
            case "before text":
                assert any(map(str.isalnum, behind))
                assert not (before and before[-1].isalnum() and behind[0].isalnum())


def test_the_edit_makes_the_document_of_the_place(shop: History) -> None:
    for place in shop.places():
        edit = place.edit
        behind = edit.text[edit.start + edit.n_removed :]
        assert edit.text[: edit.start] + edit.inserted + behind == place.text
        old = git(shop.folder, "show", f"{place.commit}^:{place.old_path}").split("\n")
        assert edit.text.rstrip("\n").split("\n")[-1] == old[-1]


def test_the_seed_alone_chooses_whatever_the_users_git_is_set_to(
    shop: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = shop.places(10, seed=3)
    assert len(found) == 10
    assert found != shop.places(10, seed=4)
    assert found == shop.places(seed=3)[:10]
    config = tmp_path / "gitconfig"
    config.write_text(
        "[diff]\nnoprefix = true\nexternal = false\nalgorithm = patience\ncontext = 9\nrenames = false\n"
        "[color]\nui = always\n[log]\nshowSignature = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert shop.places(10, seed=3) == found


# --- repositories ----------------------------------------------------------------------------------------


def test_what_is_no_repository_or_has_no_commit_says_so(history: History, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RequestError, match="cannot be read as a Git repository") as told:
            Repository(folder)
        assert told.value.hint
    with pytest.raises(RequestError, match="has no commit"):
        Repository(history.folder)
    history.commit(a_py="first = 1\n")
    with pytest.raises(RequestError, match="No commit") as told_too:
        history.places()
    assert "shallow" in told_too.value.hint


@pytest.mark.parametrize("kind", ["below", "bare", "shallow", "worktree"])
def test_every_kind_of_repository_is_read_and_checked_out(shop: History, kind: str, tmp_path: Path) -> None:
    head = git(shop.folder, "rev-parse", "HEAD")
    folder = tmp_path / kind
    match kind:
        case "below":
            folder = shop.folder / "docs"
            folder.mkdir()
        case "bare":
            git(tmp_path, "clone", "--quiet", "--bare", str(shop.folder), str(folder))
        case "shallow":
            git(tmp_path, "clone", "--quiet", "--depth=3", shop.folder.as_uri(), str(folder))
        case "worktree":
            git(shop.folder, "worktree", "add", "--quiet", "--detach", str(folder))
    repository = Repository(folder)
    assert repository.head == head
    assert len(repository.commits()) == (2 if kind == "shallow" else 6)
    checkout = Checkout(repository, tmp_path / "checkout")
    checkout.show(f"{head}^")
    assert "def load_shelves" not in (checkout.folder / "shelves.py").read_text()
    checkout.show(head)
    assert "def load_shelves" in (checkout.folder / "shelves.py").read_text()


def test_a_checkout_runs_nothing_and_changes_nothing_of_the_repository(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proof = tmp_path / "it ran"
    history.commit(a_py="first = 1\n", _gitattributes="*.py filter=own\n")
    (history.folder / ".git/hooks/post-checkout").write_text(HOOK.format(proof))
    (history.folder / ".git/hooks/post-checkout").chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[filter \"own\"]\nsmudge = touch '{proof}'\n[core]\nhooksPath = {tmp_path}/hooks\n")
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/post-checkout").write_text(HOOK.format(proof))
    (tmp_path / "hooks/post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))  # as a hook has it
    repository = Repository(history.folder)
    before = {path: path.stat().st_mtime_ns for path in history.folder.rglob("*")}
    Checkout(repository, tmp_path / "checkout").show(repository.head)
    assert (tmp_path / "checkout/a.py").read_text() == "first = 1\n"
    assert not proof.exists()
    assert {path: path.stat().st_mtime_ns for path in history.folder.rglob("*")} == before


# --- figures ---------------------------------------------------------------------------------------------


def answer(kind: Kind, wanted: str, text: str, commit: str = "a") -> Shown:
    return Shown(HistoryPlace(commit, "a.py", "a.py", "python", kind, "", "", (), wanted), text)


ANSWERS = (
    answer("within", "abcd", "abcd\n    more"),
    answer("within", "abcd", "ab"),
    answer("line start", "abcd", "abxx"),
    answer("after a sign", "abcd", ""),
    answer("finished", "", "  \n"),
    answer("finished", "", "x"),
    answer("in a word", "", ""),
    answer("before text", "", ""),
)


def values(answers: Sequence[Shown]) -> dict[str, float | None]:
    return {name: figure.value for name, figure in figures(answers).by_name.items()}


def test_figures_are_as_they_are_defined() -> None:
    found = values(ANSWERS)
    assert found["exact"] == 1 / 4
    assert found["coverage"] == 3 / 4
    assert found["precision"] == 1 / 3
    assert found["right_so_far"] == 2 / 3
    assert found["characters_right"] == (4 + 2) / 4
    assert found["quality"] == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert (found["quiet"], found["quiet_finished"]) == (3 / 4, 1 / 2)
    assert (found["quiet_in_a_word"], found["quiet_before_text"]) == (1, 1)
    assert found["score"] == pytest.approx(2 / 3 * 3 / 4)
    assert set(found) == set(FIGURES)


def test_where_there_is_nothing_to_count_there_is_no_figure() -> None:
    assert values(ANSWERS[:4])["score"] is None
    silent = values([*ANSWERS[3:4], *ANSWERS[6:]])
    assert (silent["precision"], silent["quality"], silent["score"]) == (None, None, 0.0)
    loud = values([ANSWERS[0], ANSWERS[5]])
    assert (loud["quiet"], loud["score"]) == (0.0, 0.0)
    assert set(values([]).values()) == {None}


def test_quality_is_what_both_begin_with_of_the_longer() -> None:
    assert quality("abcd", "abcd") == 1
    assert quality("abcdefgh", "abcd") == quality("abcd", "abcdefgh") == 0.5
    assert quality("", "abcd") == quality("xabcd", "abcd") == 0


def test_an_interval_has_the_figure_in_it_and_counts_commits() -> None:
    mixed = [answer("within", "ab", "ab" if i % 3 else "", commit=str(i)) for i in range(60)]
    of_one = [answer("within", "ab", "ab" if i % 3 else "", commit="a") for i in range(60)]
    found = figures(mixed).by_name["exact"]
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert figures(mixed) == figures(mixed)
    alone = figures(of_one).by_name["exact"]
    assert alone.low == alone.high == alone.value


# --- the ratchet -----------------------------------------------------------------------------------------


def held(found: Figures, **changes: Any) -> Ratchet:
    return ratchet_of(
        changes.get("commit", "c"), changes.get("items", 8), changes.get("seed", 0), {"echo": found}
    )


def test_the_same_figures_pass_whatever_their_digits(tmp_path: Path) -> None:
    for n in range(1, 60):
        found = figures([answer("within", "ab", "ab" if i < 7 else "") for i in range(7 + n)])
        ratchet.write(tmp_path / "r.json", held(found))
        ratchet.read(tmp_path / "r.json").compare(tmp_path / "r.json", held(found))


def test_a_figure_that_fell_is_named_with_both_values(tmp_path: Path) -> None:
    before, now = held(figures(ANSWERS)), held(figures(ANSWERS[1:]))
    with pytest.raises(StardraftError, match=r"echo, exact: 0\.0000 \(held: 0\.2500\)") as told:
        before.compare(tmp_path / "r.json", now)
    assert "right_so_far" in str(told.value)
    assert "quiet" not in str(told.value)
    assert "--write-ratchet" in told.value.hint
    now.compare(tmp_path / "r.json", before)


def test_figures_of_other_places_or_sources_are_not_compared(tmp_path: Path) -> None:
    found = figures(ANSWERS)
    for other in ({"commit": "d"}, {"items": 9}, {"seed": 1}):
        with pytest.raises(RequestError, match="other places"):
            held(found).check(tmp_path / "r.json", held(found, **other))
    with pytest.raises(RequestError, match="echo, which --source leaves out"):
        held(found).check(tmp_path / "r.json", ratchet_of("c", 8, 0, {"model": found}))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"commit": 1}'])
def test_a_file_that_holds_no_figures_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(RequestError, match="does not hold figures"):
        ratchet.read(tmp_path / "r.json")
    with pytest.raises(PathError, match="cannot be read"):
        ratchet.read(tmp_path / "none.json")


# --- the command, and a real language server -------------------------------------------------------------


@pytest.fixture(scope="module")
def replay(shop: History) -> Any:
    with isolated_home() as home:

        def run(*options: str, source: str = "echo") -> subprocess.CompletedProcess[str]:
            return stardraft(home, "eval", "history", str(shop.folder), "--source", source, *options)

        yield run


Replay = Callable[..., "subprocess.CompletedProcess[str]"]


def test_own_code_is_found_and_told_for_people_and_machines(
    replay: Replay, shop: History, tmp_path: Path
) -> None:
    before = git(shop.folder, "status", "--porcelain"), git(shop.folder, "for-each-ref")
    file = tmp_path / "r.json"
    done = replay(
        "--items",
        "6",
        "--seed",
        "19",
        "--json",
        str(tmp_path / "a.json"),
        "--ratchet",
        str(file),
        "--write-ratchet",
    )
    assert done.returncode == 0, done.stderr
    assert "6 places in the past of" in done.stdout
    assert "Where nothing should be shown" in done.stdout
    assert done.stderr == ""
    found = json.loads((tmp_path / "a.json").read_text())
    echo = found["sources"]["echo"]
    assert len(echo["answers"]) == 6
    for one in echo["answers"]:
        assert (one["source"] == "echo") == bool(one["text"]) != bool(one["reason"])
        assert one["kind"] not in ("in a word", "before text") or not one["text"]
    assert echo["all"]["by_name"]["exact"]["value"] > 0.5
    assert set(echo["by_language"]) == {"python"}
    assert (git(shop.folder, "status", "--porcelain"), git(shop.folder, "for-each-ref")) == before

    limits = json.loads(file.read_text())
    limits["figures"]["echo"]["exact"] = 0.99
    file.write_text(json.dumps(limits))
    done = replay("--items", "6", "--seed", "19", "--json", "-", "--ratchet", str(file))
    assert done.returncode == 1
    assert "1 figure fell below" in done.stderr
    assert "echo, exact" in done.stderr
    again = json.loads(done.stdout)["sources"]["echo"]
    assert [one["text"] for one in again["answers"]] == [one["text"] for one in echo["answers"]]

    done = replay("--items", "5", "--ratchet", str(file))
    assert done.returncode == 2
    assert "other places" in done.stderr


def test_own_code_the_model_and_both_are_asked_at_the_same_places(replay: Replay) -> None:
    pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')
    done = replay("--items", "2", "--seed", "26", "--json", "-", source="all")
    assert done.returncode == 0, done.stderr
    sources = json.loads(done.stdout)["sources"]
    asked = {
        name: [(one["path"], one["line"], one["column"]) for one in found["answers"]]
        for name, found in sources.items()
    }
    assert asked["echo"] == asked["model"] == asked["both"]
    said = {name: {one["source"] for one in found["answers"]} for name, found in sources.items()}
    assert "echo" in said["echo"] <= {"echo", ""}
    assert said["model"] <= {"model", ""}
    echo, both = (sources[name]["answers"] for name in ("echo", "both"))
    for alone, beside in zip(echo, both, strict=True):
        assert not alone["text"] or beside["text"] == alone["text"]  # the built-in model is a toy
