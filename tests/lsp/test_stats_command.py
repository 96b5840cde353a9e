"""`stardraft stats`: figures from rows, as tables, JSON, pictures and a page; and forgetting them."""

import json
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from stardraft_lsp.stats.cli import since_when, stats
from stardraft_lsp.stats.facts import Cost, Fate, Look, Outcome, Silence
from stardraft_lsp.stats.store import Store
from stardraft_lsp.stats.summary import percentile, summarise
from stardraft_lsp.stats.table import reason_words, tables_of
from stardraftd.errors import RequestError

NOW_S = int(time.time())
DAY_S = 86_400
APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(stats)


def fate(
    number: int, outcome: Outcome, *, language: str = "python", days_ago: float = 0.0, used_chars: int = 0
) -> Fate:
    at_ms = int((NOW_S - days_ago * DAY_S) * 1000)
    return Fate(
        id=(at_ms << 20) + number,
        at_ms=at_ms,
        uri="file:///a",
        language=language,
        invoked=False,
        n_chars=10,
        n_lines=1,
        outcome=outcome,
        part="word" if outcome == "partial" else "",
        told=True,
        accepted_chars=used_chars,
        typed_chars=0,
        visible_ms=1,
        waited_ms=float(number),
        cost=Cost(
            queue_ms=1.0,
            prefill_ms=10.0 * number,
            decode_ms=5.0,
            first_token_ms=2.0,
            total_ms=20.0,
            n_prompt=100,
            n_evaluated=10,
            n_reused=90,
            n_generated=20,
            n_chunks=4,
            n_chunks_reused=3,
        ),
    )


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARDRAFT_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def filled(state: Path) -> Store:
    store = Store(state / "stats.sqlite", "Neovim <b>$x$</b>")
    first = fate(1, "accepted", used_chars=10)
    store.write(
        [
            first,
            fate(2, "partial", used_chars=5),
            fate(3, "typed"),
            fate(4, "rejected", language="go"),
            fate(5, "ignored", days_ago=20),
            Look(id=first.id, after_s=30, accepted="a b", now="a b"),
            Look(id=first.id, after_s=600, accepted="a b", now="a"),
            Silence(
                day=time.strftime("%Y-%m-%d", time.localtime(NOW_S)),
                language="go",
                reason="superseded",
                n_evaluated=3,
                n_reused=47,
                n_generated=7,
            ),
        ]
    )
    return store


def test_the_figures_are_those_of_the_rows(filled: Store) -> None:
    summary = summarise(*filled.read())
    group = summary.all
    assert (group.shown, group.accepted, group.partial, group.typed) == (5, 1, 1, 1)
    assert (group.rejected, group.ignored, group.by_word) == (1, 1, 1)
    assert (group.acceptance, group.used) == (0.4, 0.6)
    assert group.kept == {"30 s": 1.0, "120 s": None, "600 s": 0.5}
    assert group.latency["prefill_ms"].p50_ms == 30.0
    assert group.latency["prefill_ms"].p95_ms == 48.0
    assert group.tokens.prompt == 550, "also that of the one that was never shown"
    assert group.tokens.prompt == group.tokens.evaluated + group.tokens.reused
    assert group.reuse == pytest.approx(497 / 550)
    assert group.chunk_reuse == 0.75
    assert group.chunk_reuse == 0.75
    assert group.tokens.generated == 107
    assert group.tokens.wasted == 10 + 20 + 20 + 7, "half of one, two of nobody's, and the one never shown"
    assert [one.name for one in summary.languages] == ["python", "go"]
    assert summary.languages[1].acceptance == 0.0
    assert len(summary.weeks) == 2
    assert summary.weeks[0].name < summary.weeks[1].name


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 1), (0.5, 2.5), (0.95, 3.85), (1.0, 4)])
def test_percentiles_lie_between_the_nearest(fraction: float, expected: float) -> None:
    assert percentile([1, 2, 3, 4], fraction) == pytest.approx(expected)


def test_the_tables_say_what_was_accepted_and_how_long_it_took(filled: Store) -> None:
    result = CliRunner().invoke(APP)
    assert result.exit_code == 0, result.output
    for text in ("5 suggestions shown", "40%", "100% after 30 s, - after 2 min, 50% after 10 min", "python"):
        assert text in result.output
    assert re.search(r"reading the prompt +30 +48 +5", result.output)
    assert re.search(r"superseded +1", result.output)


def test_only_what_happened_since_is_counted(filled: Store) -> None:
    result = CliRunner().invoke(APP, ["--since", "7d", "--json"])
    assert json.loads(result.output)["all"]["shown"] == 4


def test_json_has_everything_for_a_program(filled: Store) -> None:
    found = json.loads(CliRunner().invoke(APP, ["--json"]).output)
    assert found["all"]["latency"]["total_ms"] == {"p50_ms": 20.0, "p95_ms": 20.0, "n": 5}
    assert found["all"]["silences"] == {"superseded": 1}
    assert {"languages", "weeks", "editors", "since"} <= set(found)


def test_before_anything_was_counted_it_says_so_and_makes_no_file(state: Path) -> None:
    result = CliRunner().invoke(APP)
    assert result.exit_code == 0
    assert "nothing to show since" in result.output
    assert not state.joinpath("stats.sqlite").exists()
    assert json.loads(CliRunner().invoke(APP, ["--json"]).output)["all"]["shown"] == 0


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_is_drawn(filled: Store, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"figures.{kind}"
    result = CliRunner().invoke(APP, ["--chart", str(file)])
    assert result.exit_code == 0, result.output
    if kind == "png":
        assert file.read_bytes().startswith(b"\x89PNG")
    else:
        assert ElementTree.fromstring(file.read_bytes()).tag.endswith("svg")


def test_the_page_loads_nothing_and_runs_nothing(filled: Store, tmp_path: Path) -> None:
    file = tmp_path / "figures.html"
    assert CliRunner().invoke(APP, ["--chart", str(file)]).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert page.count("<svg") == 1
    assert not re.search(r"<script|<img|<link|<iframe|@import|url\(http|<!DOCTYPE svg|<\?xml", page)
    # Names of XML dialects are no addresses that anybody opens.
    addresses = re.findall(r"""(?:href|src)\s*=\s*["'](?!#)[^"']*""", page)
    assert not addresses
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_the_page_says_its_headline_once_and_fits_a_phone(filled: Store, tmp_path: Path) -> None:
    file = tmp_path / "figures.html"
    assert CliRunner().invoke(APP, ["--chart", str(file)]).exit_code == 0
    page = file.read_text(encoding="utf-8")
    assert len(re.findall(r"suggestions? shown", page)) == 1
    assert '<meta name="viewport" content="width=device-width' in page
    assert page.count('<div class="wide">') == 1 + page.count("<table>")


def test_reasons_of_the_bookkeeping_are_told_in_words_that_the_documents_explain() -> None:
    text = (Path(__file__).parents[2] / "docs" / "stats.md").read_text(encoding="utf-8")
    for reason in ("unseen", "again"):
        assert f"| {reason_words(reason)} | `{reason}` |" in text
    assert reason_words("not_worth_showing") == "not worth showing"


def test_a_picture_of_nothing_is_not_drawn(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.png"
    result = CliRunner().invoke(APP, ["--chart", str(file)])
    assert "nothing to show since" in result.output
    assert not file.exists()


def test_a_picture_of_suggestions_without_figures_is_drawn(state: Path, tmp_path: Path) -> None:
    silence = Silence(day=time.strftime("%Y-%m-%d"), language="", reason="disabled")
    Store(state / "stats.sqlite", "Helix").write([silence])
    file = tmp_path / "figures.png"
    result = CliRunner().invoke(APP, ["--chart", str(file)])
    assert result.exit_code == 0, result.output
    assert file.exists()


def test_another_kind_of_picture_is_refused(filled: Store, tmp_path: Path) -> None:
    result = CliRunner().invoke(APP, ["--chart", str(tmp_path / "figures.gif")])
    assert isinstance(result.exception, RequestError)


def test_forgetting_asks_first(filled: Store) -> None:
    result = CliRunner().invoke(APP, ["--forget"])
    assert isinstance(result.exception, RequestError)
    assert len(filled.read()[0]) == 5
    assert CliRunner().invoke(APP, ["--forget", "--yes"]).exit_code == 0
    assert filled.read() == ([], [])
    assert CliRunner().invoke(APP, ["--forget", "--yes"]).exit_code == 0


def test_there_may_be_nothing_to_forget(state: Path) -> None:
    assert "no figures" in CliRunner().invoke(APP, ["--forget"]).output


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("30d", 30),
        ("2w", 14),
        ("12h", 0.5),
        ("1y", 365),
        ("6mo", 180),
        (" 1D ", 1),
        ("2 months", 60),
        ("1 hour", 1 / 24),
        ("8weeks", 56),
    ],
)
def test_since_is_a_span(text: str, days: float) -> None:
    assert since_when(text, NOW_S) == NOW_S - days * DAY_S


def test_since_is_a_day_of_the_persons_own_time() -> None:
    day = time.strftime("%Y-%m-%d", time.localtime(since_when("2026-01-31", NOW_S)))
    assert day == "2026-01-31"


def test_what_could_be_minutes_or_months_is_not_guessed() -> None:
    with pytest.raises(RequestError, match=r"--since 6m could be minutes or months\.") as refused:
        since_when("6m", NOW_S)
    assert "write 6mo" in refused.value.hint


@pytest.mark.parametrize(
    "text", ["", "yesterday", "30", "d", "-3d", "2026-13-01", "9999999d", "3mi", "5moo", "2hs1"]
)
def test_since_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        since_when(text, NOW_S)


@pytest.mark.parametrize("text", ["0d", "0 weeks", "00y", "2999-01-01", "2999-01-01T10:00"])
def test_since_a_moment_that_has_not_passed_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=f"--since {text} is not in the past"):
        since_when(text, NOW_S)


def test_the_help_names_every_table(filled: Store) -> None:
    told = CliRunner().invoke(APP, ["--help"]).output.lower()
    for title, _ in tables_of(summarise(*filled.read())):
        assert title.lower() in told
