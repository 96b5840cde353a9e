"""What an editor is told: one state, derived from what is known; no error twice, no news without a change."""

from typing import get_args

import msgspec
import pytest

from stardraft_lsp.status import OWN_CODE, State, StatusBoard, StatusReport, reason_of
from stardraftd.config.schema import EchoMode
from stardraftd.errors import (
    ConfigError,
    DaemonHungError,
    DaemonStartError,
    DaemonUnreachableError,
    EngineCrashedError,
    EngineNotInstalledError,
    ModelFormatError,
    RequestError,
    StardraftError,
)
from tests.lsp.stand_in_status import MODEL
from tests.lsp.stand_in_status import status_of as daemon


class Told:
    """A board, and all that it told."""

    def __init__(self) -> None:
        self.reports: list[StatusReport] = []
        self.alerts: list[StardraftError] = []
        self.board = StatusBoard(self.reports.append, self.alerts.append)

    @property
    def states(self) -> list[str]:
        return [report.state for report in self.reports]


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_way_from_starting_to_a_suggestion(told: Told) -> None:
    assert told.board.report.state == "starting"
    told.board.daemon(daemon("unloaded"))
    told.board.daemon(daemon("loading", loading_fraction=0.5))
    told.board.daemon(daemon())
    told.board.begin()
    told.board.end("")
    assert told.states == ["idle", "loading", "ready", "busy", "ready"]
    assert "50 %" in told.reports[1].message
    assert told.board.report == StatusReport("ready", "", "", MODEL.name)


def test_an_engine_that_is_being_checked_is_told(told: Told) -> None:
    told.board.daemon(daemon("loading", loading_fraction=0.0, checking_engine=True))
    assert told.board.report.state == "loading"
    assert told.board.report.message == "stardraft is checking the engine."


def test_nothing_is_told_twice(told: Told) -> None:
    told.board.daemon(daemon())
    told.board.daemon(daemon(completed=1))
    told.board.daemon(daemon(completed=2, tokens_generated=9))
    assert told.states == ["ready"]


def test_a_superseded_request_leaves_the_reason_to_the_one_that_took_its_place(told: Told) -> None:
    told.board.daemon(daemon())
    told.board.begin()
    told.board.begin()
    told.board.end("superseded")
    assert told.board.report.state == "busy"
    told.board.end("nothing_to_suggest")
    assert (told.board.report.state, told.board.report.reason) == ("ready", "nothing_to_suggest")
    assert told.board.report.message


def test_a_language_that_is_off_is_so_until_another_one_is_asked_for(told: Told) -> None:
    told.board.daemon(daemon())
    told.board.note("language_off")
    told.board.daemon(daemon(completed=1))
    assert (told.board.report.state, told.board.report.reason) == ("off", "language_off")
    told.board.note("")
    assert told.board.report.state == "ready"


def test_switched_off_is_off_whatever_the_daemon_does(told: Told) -> None:
    told.board.block("disabled")
    told.board.daemon(daemon())
    told.board.daemon_gone()
    assert told.states[-1] == "off"
    assert told.board.report.reason == "disabled"
    told.board.block("")
    assert told.board.report.state == "idle"


def test_a_switch_is_seen_at_once_in_the_words_that_it_comes_with(told: Told) -> None:
    told.board.daemon(daemon())
    told.board.note("language_off")
    told.board.block("snoozed", "Suggestions are snoozed for 5 more minutes.")
    told.board.block("snoozed", "Suggestions are snoozed for 4 more minutes.")
    assert [report.message for report in told.reports[-2:]] == [
        "Suggestions are snoozed for 5 more minutes.",
        "Suggestions are snoozed for 4 more minutes.",
    ]
    told.board.block("")
    assert told.board.report == StatusReport("ready", "", "", MODEL.name)


def test_a_wrong_setting_is_one_line_until_that_source_is_right(told: Told) -> None:
    told.board.daemon(daemon())
    told.board.set_wrong(
        "configuration", ConfigError("In config.toml, line 2:\neditor.mode is wrong.", "Hint.")
    )
    told.board.set_wrong("editor", None)
    assert told.board.report.state == "ready"
    assert "\n" not in told.board.report.warning
    assert "editor.mode is wrong." in told.board.report.warning
    assert not told.alerts
    told.board.set_wrong("configuration", None)
    assert told.board.report == StatusReport("ready", "", "", MODEL.name)


def test_a_wrong_setting_that_the_daemon_complains_of_too_is_said_once(told: Told) -> None:
    wrong = "config.toml, line 2: editor.mode is wrong."
    told.board.daemon(daemon(problems=(f"{wrong} The settings from before stay in force.", "No GPU.")))
    told.board.set_wrong("configuration", ConfigError(wrong, "Hint."))
    assert (told.board.report.message, told.board.report.warning) == ("No GPU.", wrong)
    assert told.board.report.sentence.count(wrong) == 1
    told.board.set_wrong("configuration", None)
    assert wrong in told.board.report.message, "the daemon complains of it still"


def test_an_error_is_shown_once_until_it_is_over(told: Told) -> None:
    told.board.daemon(daemon())
    for _ in range(3):
        told.board.begin()
        told.board.fail(RequestError("Too long.", "Make it shorter."))
    assert len(told.alerts) == 1
    assert told.board.report == StatusReport("error", "Too long. Make it shorter.", "failed", MODEL.name)
    told.board.daemon(daemon(failed=3))
    assert told.board.report.state == "error", "a running engine says nothing about a wrong request"
    told.board.begin()
    told.board.end("")
    assert told.board.report.state == "ready"
    told.board.begin()
    told.board.fail(RequestError("Too long.", "Make it shorter."))
    assert len(told.alerts) == 2


def test_a_broken_model_is_an_error_until_the_engine_runs(told: Told) -> None:
    told.board.trouble(ModelFormatError("Not a GGUF."))
    told.board.daemon(daemon("failed", problems=("Not a GGUF.",)))
    assert (told.board.report.state, told.board.report.reason) == ("error", "model_failed")
    told.board.daemon(daemon())
    assert told.board.report.state == "ready"


def test_corrected_settings_wipe_the_slate(told: Told) -> None:
    told.board.trouble(ConfigError("line 2: wrong"))
    told.board.tell(ConfigError("line 2: wrong"))
    assert len(told.alerts) == 1
    told.board.forgive()
    assert told.board.report.state == "starting"
    told.board.tell(ConfigError("line 2: wrong"))
    assert len(told.alerts) == 2


def test_what_the_daemon_complains_of_is_the_message_when_there_is_nothing_else(told: Told) -> None:
    told.board.daemon(daemon(problems=("No GPU.", "The log cannot be written.")))
    assert told.board.report == StatusReport("ready", "No GPU. The log cannot be written.", "", MODEL.name)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelFormatError(""), "model_failed"),
        (EngineCrashedError(""), "model_failed"),
        (DaemonUnreachableError(""), "daemon_unreachable"),
        (DaemonHungError(""), "daemon_unreachable"),
        (DaemonStartError(""), "daemon_unreachable"),
        (ConfigError(""), "daemon_unreachable"),
        (RequestError(""), "failed"),
    ],
)
def test_errors_are_reasons_for_silence(error: StardraftError, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (StatusReport("ready", "", "", "tiny"), "stardraft is ready. The model is tiny."),
        (
            StatusReport("ready", "There is nothing to add.", "nothing_to_suggest", "tiny"),
            "stardraft is ready. No suggestion the last time: There is nothing to add. The model is tiny.",
        ),
        (StatusReport("ready", OWN_CODE), f"stardraft is ready. {OWN_CODE}"),
        (
            StatusReport("idle", "The daemon is not running."),
            "The daemon is not running. The next suggestion brings the model back.",
        ),
        (StatusReport("error", "It is broken. Mend it.", "failed", "tiny"), "It is broken. Mend it."),
        (
            StatusReport(
                "off", "Suggestions are switched off in this editor.", "editor_off", "tiny", "Wrong."
            ),
            "Suggestions are switched off in this editor. Wrong.",
        ),
        (StatusReport("busy", "", "", "tiny"), "A suggestion is being made. The model is tiny."),
        (
            StatusReport("loading", "The model is loading (5 %).", "model_loading"),
            "The model is loading (5 %).",
        ),
    ],
)
def test_all_of_it_is_a_sentence(report: StatusReport, sentence: str) -> None:
    assert report.sentence == sentence


@pytest.mark.parametrize("state", get_args(State))
def test_no_state_is_a_bare_word(state: State) -> None:
    sentence = StatusReport(state).sentence
    assert len(sentence.split()) > 2
    assert sentence.endswith(".")
    assert f"stardraft is {state}" not in sentence or state in ("ready", "starting")


MISSING = EngineNotInstalledError("The engine is not installed.", "Build it.")


@pytest.mark.parametrize("echo", ["auto", "only"])
def test_without_an_engine_nothing_is_wrong_where_own_code_is_suggested(echo: EchoMode, told: Told) -> None:
    told.board.follow_echo(echo)
    told.board.trouble(MISSING)
    told.board.daemon(daemon("failed", lacks_engine=True))
    assert told.board.report.state == "ready"
    assert told.board.report.message.startswith(OWN_CODE)
    told.board.begin()
    told.board.fail(MISSING)
    if echo == "auto":
        assert (told.board.report.state, told.board.report.reason) == ("ready", "no_engine")
        assert "stardraft setup engine" in told.board.report.message
    told.board.begin()
    told.board.end("")
    assert (told.board.report.state, told.board.report.reason) == ("ready", "")
    assert not told.alerts
    assert "error" not in told.states


def test_without_an_engine_and_own_code_it_is_an_error(told: Told) -> None:
    told.board.follow_echo("auto")
    told.board.trouble(MISSING)
    told.board.follow_echo("off")
    assert (told.board.report.state, told.board.report.reason) == ("error", "no_engine")
    told.board.trouble(MISSING)
    assert told.alerts == [MISSING]


def test_an_engine_that_breaks_is_an_error_whatever_own_code_says(told: Told) -> None:
    told.board.follow_echo("auto")
    told.board.trouble(EngineCrashedError("It died."))
    told.board.daemon(daemon("failed"))
    assert told.board.report.state == "error"
    assert OWN_CODE in told.board.report.message


def test_a_toy_is_never_named_without_saying_so() -> None:
    board = StatusBoard(lambda _report: None, lambda _error: None)
    board.daemon(daemon(model=msgspec.structs.replace(MODEL, toy=True)))
    assert board.report.model == "stand-in, a toy"
    board.daemon(daemon(model=MODEL))
    assert board.report.model == "stand-in"
