"""What is happening and, when there is no suggestion, why: one state, told to the editor when it changes.

`stardraft/status` goes out as a notification and answers a request, with the same fields: state, message,
reason and model.
"""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from stardraftd.errors import StardraftError
from stardraftd.protocol import Status

State = Literal["starting", "loading", "ready", "busy", "off", "error"]

# Why a request was answered with nothing.
Silence = Literal[
    "",
    "disabled",
    "language_off",
    "unknown_document",
    "superseded",
    "nothing_to_suggest",
    "failed",
]

SILENCE_TEXTS: dict[Silence, str] = {
    "": "",
    "disabled": "Suggestions are switched off (editor.enabled).",
    "language_off": "Suggestions are switched off for this language (editor.languages_off).",
    "unknown_document": "The editor has not opened this document with the server.",
    "superseded": "A newer request took its place.",
    "nothing_to_suggest": "The model has nothing to add here.",
    "failed": "The request failed.",
}


class StatusReport(Struct, frozen=True):
    state: State
    message: str = ""
    reason: Silence = ""
    model: str = ""


class StatusBoard:
    """Holds the state; tells `notify` of changes and `alert` of errors, each error once until it is over."""

    def __init__(
        self, notify: Callable[[StatusReport], None], alert: Callable[[StardraftError], None]
    ) -> None:
        self._notify = notify
        self._alert = alert
        self._told: set[str] = set()
        self._n_running = 0
        self.report = StatusReport("starting", "stardraft is starting.")

    def daemon(self, status: Status) -> None:
        """The daemon's own state, as it streams it."""
        model = status.model.name if status.model else ""
        if status.engine == "loading":
            percent = round((status.loading_fraction or 0.0) * 100)
            self._set(StatusReport("loading", f"The model is loading ({percent} %).", self.report.reason))
        elif status.engine in ("failed", "backing_off"):
            problem = status.problems[0] if status.problems else "The engine is not running."
            self._set(StatusReport("error", problem, "failed"))
        elif self._n_running == 0:
            self._set(StatusReport("ready", "; ".join(status.problems), self.report.reason, model))

    def begin(self) -> None:
        self._n_running += 1
        if self.report.state == "ready":
            self._set(StatusReport("busy", "", "", self.report.model))

    def end(self, reason: Silence) -> None:
        """A request ended; `reason` is why it showed nothing, "" when it showed something."""
        self._n_running -= 1
        if reason == "failed":
            return  # `error` told it
        if not reason:
            self._told.clear()
        state = self.report.state
        if reason in ("disabled", "language_off"):
            state = "off"
        elif self._n_running == 0 and state in ("busy", "off", "error", "starting"):
            state = "ready"
        self._set(StatusReport(state, SILENCE_TEXTS[reason], reason, self.report.model))

    def error(self, error: StardraftError) -> None:
        self._set(StatusReport("error", f"{error.message} {error.hint}".strip(), "failed", self.report.model))
        if error.message not in self._told:
            self._told.add(error.message)
            self._alert(error)

    def _set(self, report: StatusReport) -> None:
        if report != self.report:
            self.report = report
            self._notify(report)
