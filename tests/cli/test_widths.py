"""At 60, 80 and 200 columns nothing that the terminal shows is cut: neither a word nor a number."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stardraftd.cli.app import command
from stardraftd.cli.edge import run
from stardraftd.console.prose import measured
from tests.cli.test_status_table import STATUS

WIDTHS = (60, 80, 200)


def pages() -> Iterator[tuple[str, ...]]:
    """Every command with a help, those of the other packages too."""

    def below(found: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        if hasattr(found, "list_commands"):
            for name in found.list_commands(None):
                yield from below(found.get_command(None, name), (*path, name))

    return below(command(), ())


def assert_fits(told: str, width: int) -> None:
    long = [line for line in told.splitlines() if measured(line) > width and len(line.split()) > 1]
    assert not long, long[0]
    assert "\N{HORIZONTAL ELLIPSIS}" not in told


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


@pytest.fixture
def typed(
    width: int, home: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What a command prints on a terminal of that width, in an empty home."""
    for name, value in home.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", str(width))

    def stardraft(*arguments: str) -> str:
        capsys.readouterr()
        run(arguments)
        said = capsys.readouterr()
        return said.out + said.err

    return stardraft


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: " ".join(path) or "stardraft")
def test_every_help_fits(path: tuple[str, ...], width: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*path, "--help"]) == 0
    told = capsys.readouterr().out
    assert_fits(told, width)
    assert "..." not in told.partition("Commands:")[2].partition("Examples:")[0], "a summary is cut"


def test_no_help_breaks_a_word_at_its_hyphens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option such as --max-tokens is found and copied as what it is."""
    for width in (60, 68, 76, 84):
        monkeypatch.setenv("COLUMNS", str(width))
        for path in pages():
            assert run([*path, "--help"]) == 0
            told = capsys.readouterr().out
            assert "\N{NON-BREAKING HYPHEN}" not in told
            assert not [line for line in told.splitlines() if re.search(r"\w-$", line)], path


def test_an_example_that_is_too_long_can_still_be_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["complete", "--help"]) == 0
    narrow = capsys.readouterr().out.partition("Examples:")[2]
    typed = [" ".join(line.split()) for line in narrow.replace("\\\n", "").splitlines()]
    assert "stardraft complete --json src/app.py:12:5 | jq -r 'select(.event == \"done\").text'" in typed


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("model", "list"),
        ("model", "plan", "--all", "--model", "starcoder2-3b"),
        ("model", "info", "built-in"),
        ("model", "license"),
        ("model", "info", "no-such-model"),
        ("complete", "--top-p", "2", "a.py:1"),
        ("setup", "ed"),
    ],
    ids=" ".join,
)
def test_tables_and_sentences_fit(typed: Callable[..., str], width: int, arguments: tuple[str, ...]) -> None:
    told = typed(*arguments)
    assert told.strip()
    assert_fits(without_commands(told), width)


def without_commands(told: str) -> str:
    """A command to type is one line, however long: what is copied is what is typed."""
    return "\n".join(line for line in told.splitlines() if not line.startswith(("To get it:", "To use it:")))


def test_the_status_of_a_daemon_fits(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    from stardraftd.cli.daemon.status_table import show

    show(STATUS)
    told = capsys.readouterr().out
    assert_fits(told, width)
    assert "prompt 300 tokens" in " ".join(told.split())


def test_the_checks_of_doctor_fit(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    from stardraftd.cli.checks import Check
    from stardraftd.cli.doctor import _show

    _show(
        Check("runtime folder", "problem", "It can be opened by others. " * 5, "Type: chmod 700 there.\n" * 3)
    )
    told = capsys.readouterr().out
    assert_fits(told, width)
    assert told.startswith("problem runtime folder")


def test_the_figures_of_suggestions_fit(typed: Callable[..., str], width: int) -> None:
    from stardraft_lsp.stats.store import Store, stats_path
    from tests.lsp.test_stats_store import NOW_MS, SILENCE, fate

    Store(stats_path()).write([*(fate(n, NOW_MS + n * 86_400_000) for n in range(20)), SILENCE])
    told = typed("stats", "--since", "50y")
    assert "accepted" in told
    for title in ("Language", "Week", "Why none was shown"):
        assert title in told, "narrow or not, a table says what its rows are"
    assert_fits(told, width)


def test_no_line_of_doctor_or_status_spells_out_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stardraftd.cli.checks import Check
    from stardraftd.cli.daemon.status_table import show
    from stardraftd.cli.doctor import _show

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    inside = str(tmp_path / "x")
    _show(Check("a", "problem", f"It is in {inside}.", f"Type: rm {inside}"))
    show(
        msgspec.structs.replace(
            STATUS,
            endpoint=inside,
            model_path=inside,
            config_path=inside,
            log_path=inside,
            problems=(inside,),
        )
    )
    assert str(tmp_path) not in capsys.readouterr().out
