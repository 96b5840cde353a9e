"""What is happening and, when there is no suggestion, why: one state, told to the editor when it changes.

`stardraft/status` goes out as a notification and answers a request, with the same fields: state, message,
reason, model and warning, and all of them in one `sentence` for a user. The state is derived anew from what
is known each time, so that it cannot contradict it:

    off       suggestions are switched off, altogether or for the document that the user is in
    error     the last attempt failed; message and reason say how
    loading   the model is being loaded
    busy      a suggestion is being made
    idle      no model is in memory, or no daemon runs; the next request brings it back
    ready     a request would be served at once
    starting  nothing is known yet

A warning is a wrong setting, in one line: what was set before holds until it is corrected. Then it is gone.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from stardraft_lsp.context.access.allowed import Refusal
from stardraft_lsp.settings.effective import OFF_TEXTS, OffReason
from stardraft_lsp.syntax.gates import GATE_TEXTS, GateCode
from stardraftd.config.schema import EchoMode
from stardraftd.console.printable import visible, visible_line
from stardraftd.errors import (
    ConfigError,
    DaemonHungError,
    DaemonStartError,
    DaemonUnreachableError,
    EngineError,
    EngineNotInstalledError,
    ModelError,
    PathError,
    StardraftError,
)
from stardraftd.protocol.http import Status

State = Literal["starting", "idle", "loading", "ready", "busy", "off", "error"]

# Why a document is sent to no model at all.
Unsent = Literal[Refusal, "checking"]
# Why a request was answered with nothing.
Silence = (
    Literal[
        "",
        "unknown_document",
        "superseded",
        "nothing_to_suggest",
        "not_worth_showing",
        "nothing_alike",
        "no_engine",
        "model_loading",
        "model_failed",
        "daemon_unreachable",
        "failed",
    ]
    | OffReason
    | GateCode
    | Unsent
)

SILENCE_TEXTS: Mapping[str, str] = {
    "": "",
    "secret_file": "The file's name says that it holds secrets: nothing of it is sent to the model.",
    "secret_text": "There is a private key in the file: nothing of it is sent to the model.",
    "ignored": "The file is ignored (.gitignore or .stardraftignore): nothing of it is sent to the model.",
    "too_large": "The file is too large for suggestions.",
    "unreadable": "Whether the file is ignored could not be found out (its folder does not answer, lies too "
    "deep, or an ignore file cannot be read): nothing of it is sent to the model.",
    "checking": "Whether the file may be sent to the model is being checked.",
    **{str(reason): text for reason, text in OFF_TEXTS.items()},
    "unknown_document": "The editor has not opened this document with the server.",
    "nothing_to_suggest": "There is nothing to add here.",
    "not_worth_showing": "What the model wrote here was not worth showing.",
    "nothing_alike": "Nothing in your own code is like this place.",
    "no_engine": "Nothing in your own code is like this place, and no engine is installed for a model: "
    "stardraft setup engine",
    "model_failed": "The model is not running.",
    **{str(code): text for code, text in GATE_TEXTS.items()},
}

# What stands behind the name of the built-in model: who waits for good suggestions has to know. It is short,
# for menus and status lines; what to do is said where there is room (`stardraft status`, `:checkhealth`).
TOY = ", a toy"

# What a suggestion is, while no real model writes it.
OWN_CODE = "Suggestions come from your own code."
OWN_CODE_ALONE = f"{OWN_CODE} For those of a model an engine is to be built: stardraft setup engine"
OWN_CODE_FIRST = "Your own code comes first, then the model."

_OFF = frozenset({*OFF_TEXTS, "secret_file", "secret_text", "ignored"}) - {""}
# While these are the trouble, a running engine is the proof that it is over.
_OVER_WHEN_READY: frozenset[Silence] = frozenset({"model_failed", "daemon_unreachable"})


# A state in words, where no message says more.
STATE_TEXTS: Mapping[State, str] = {
    "starting": "stardraft is starting.",
    "idle": "The next suggestion brings the model back.",
    "loading": "The model is loading.",
    "ready": "stardraft is ready.",
    "busy": "A suggestion is being made.",
    "off": "Suggestions are switched off.",
    "error": "The last suggestion failed.",
}


class StatusReport(Struct, frozen=True):
    """What an editor is told. A model's name and an error's words are foreign: they are made visible here.

    sentence: all of it in sentences, for a user; made of the others.
    """

    state: State
    message: str = ""
    reason: Silence = ""
    model: str = ""
    warning: str = ""
    sentence: str = ""

    def __post_init__(self) -> None:
        force_setattr(self, "message", visible(self.message))
        force_setattr(self, "model", visible_line(self.model))
        force_setattr(self, "warning", visible_line(self.warning))
        force_setattr(self, "sentence", visible_line(" ".join(filter(None, self._sentences()))))

    def _sentences(self) -> tuple[str, ...]:
        in_words = STATE_TEXTS[self.state]
        said = (
            f"No suggestion the last time: {self.message}" if self.reason and self.message else self.message
        )
        match self.state:
            case "ready" | "busy":
                return in_words, said, self._names_model, self.warning
            case "idle":
                return said, in_words, self._names_model, self.warning
            case _:
                return self.message or in_words, self.warning

    @property
    def _names_model(self) -> str:
        return f"The model is {self.model}." if self.model else ""


class StatusBoard:
    """Knows the state; tells `notify` of changes and `alert` of errors, each error once until it is over."""

    def __init__(
        self, notify: Callable[[StatusReport], None], alert: Callable[[StardraftError], None]
    ) -> None:
        self._notify = notify
        self._alert = alert
        self._alerted: set[str] = set()
        self._blocked: tuple[Silence, str] = ("", "")
        self._wrong: dict[str, StardraftError] = {}
        self._daemon: Status | None = None
        self._seen = False
        self._n_running = 0
        self._silence: Silence = ""
        self._echo: EchoMode = "off"
        self._error: StardraftError | None = None
        self.report = self._derived()

    def block(self, reason: Silence, message: str = "") -> None:
        """Why there are no suggestions where the user is; "" when there are. message: not the usual one."""
        self._blocked = (reason, message or SILENCE_TEXTS.get(reason, ""))
        if self._silence in _OFF:
            self._silence = ""
        self._update()

    def moved(self) -> None:
        """The user is in another document: what the last question brought is no word about this one."""
        self._silence = ""
        self._update()

    def set_wrong(self, source: str, error: StardraftError | None) -> None:
        """What is wrong in the settings of one source, such as a file; None when it is right (again)."""
        if error is None:
            self._wrong.pop(source, None)
        else:
            self._wrong[source] = error
        self._update()

    def daemon(self, status: Status) -> None:
        """The daemon's own state, as it streams it."""
        self._daemon = status
        self._seen = True
        if (
            self._error is not None
            and status.engine == "ready"
            and reason_of(self._error) in _OVER_WHEN_READY
        ):
            self._error = None
        self._update()

    def daemon_gone(self) -> None:
        """The daemon is not seen any more."""
        self._daemon = None
        self._seen = True
        self._update()

    def begin(self) -> None:
        """A request goes to the daemon."""
        self._n_running += 1
        self._silence = ""
        self._update()

    def end(self, silence: Silence) -> None:
        """It ended without an error; `silence` is why it showed nothing, "" when it showed something."""
        self._n_running -= 1
        if silence != "superseded":  # what took its place will say more
            self._silence = silence
            self._error = None
            self._alerted.clear()
        self._update()

    def fail(self, error: StardraftError) -> None:
        """It ended with an error."""
        self._n_running -= 1
        if self._works_without(error):
            self._silence = "no_engine"
        self.trouble(error)

    def note(self, silence: Silence) -> None:
        """A request was answered without the daemon."""
        self._silence = silence
        self._update()

    def trouble(self, error: StardraftError) -> None:
        """Something went wrong outside any request."""
        self._error = error
        self._update()
        if not self._works_without(error):
            self.tell(error)

    def tell(self, error: StardraftError) -> None:
        """Shows an error to the user, who sees it once however often it comes."""
        if error.message not in self._alerted:
            self._alerted.add(error.message)
            self._alert(error)

    def follow_echo(self, echo: EchoMode) -> None:
        """Whether lines of the user's own code are suggested, as the settings say now."""
        self._echo = echo
        self._update()

    def forgive(self) -> None:
        """Settings were corrected: what went wrong before may not go wrong again, and is told if it does."""
        self._alerted.clear()
        self._error = None
        if self._silence in _OFF:
            self._silence = ""
        self._update()

    def _update(self) -> None:
        report = self._derived()
        if self._wrong:
            report = replace(report, warning=" ".join(error.message for error in self._wrong.values()))
        if report != self.report:
            self.report = report
            self._notify(report)

    def _works_without(self, error: StardraftError | None) -> bool:
        """Whether it is only that there is no engine, which the user's own code does not need."""
        return self._echo != "off" and isinstance(error, EngineNotInstalledError)

    def _derived(self) -> StatusReport:
        return self._off() or self._failing() or self._working() or self._resting()

    def _off(self) -> StatusReport | None:
        reason, message = self._blocked
        if reason:
            return StatusReport("off", message, reason, self.model)
        if self._silence in _OFF and self._error is None:
            return StatusReport("off", SILENCE_TEXTS[self._silence], self._silence, self.model)
        return None

    def _failing(self) -> StatusReport | None:
        if self._lacks_engine:
            return None
        if self._error is not None:
            message = f"{self._error.message} {self._error.hint}".strip()
            if self._echo != "off" and isinstance(self._error, EngineError | ModelError):
                message += f" {OWN_CODE}"  # which needs neither
            return StatusReport("error", message, reason_of(self._error), self.model)
        if self._daemon is not None and self._daemon.engine in ("failed", "backing_off"):
            return StatusReport("error", self._problems or SILENCE_TEXTS["model_failed"], "model_failed")
        return None

    def _working(self) -> StatusReport | None:
        if self._daemon is not None and self._daemon.engine == "loading":
            if self._daemon.checking_engine:
                return StatusReport("loading", "stardraft is checking the engine.", "model_loading")
            percent = round((self._daemon.loading_fraction or 0.0) * 100)
            return StatusReport("loading", f"The model is loading ({percent} %).", "model_loading")
        return StatusReport("busy", "", "", self.model) if self._n_running else None

    def _resting(self) -> StatusReport:
        message = SILENCE_TEXTS.get(self._silence, "") or self._problems
        if self._echo == "only":
            return StatusReport("ready", message or OWN_CODE, self._silence)
        if self._lacks_engine:
            return StatusReport("ready", message or OWN_CODE_ALONE, self._silence)
        if self._daemon is None and not self._seen:
            return StatusReport("starting", "stardraft is starting.", self._silence)
        if self._daemon is None:
            return StatusReport("idle", message or "The daemon is not running.", self._silence)
        if self._daemon.engine == "unloaded":
            return StatusReport("idle", message or "The model is not in memory.", self._silence)
        if self._echo == "auto" and not self.has_real_model:
            message = message or OWN_CODE_FIRST
        return StatusReport("ready", message, self._silence, self.model)

    @property
    def _lacks_engine(self) -> bool:
        seen = self._daemon is not None and self._daemon.lacks_engine and self._echo != "off"
        return self._works_without(self._error) or (seen and self._error is None)

    @property
    def has_real_model(self) -> bool:
        """Whether a model is loaded that is no toy."""
        model = self._daemon.model if self._daemon is not None else None
        return model is not None and not model.toy

    @property
    def model(self) -> str:
        """The name of the loaded model, and of a toy that it is one; "" when none is."""
        model = self._daemon.model if self._daemon is not None else None
        if model is None:
            return ""
        return f"{model.name}{TOY}" if model.toy else model.name

    @property
    def _problems(self) -> str:
        """What the daemon complains of, without wrong settings that are a warning of ours already."""
        told = tuple(error.message for error in self._wrong.values())
        problems = self._daemon.problems if self._daemon is not None else ()
        return " ".join(one for one in problems if not one.startswith(told))


def reason_of(error: StardraftError) -> Silence:
    """Which reason for silence an error is."""
    match error:
        case EngineNotInstalledError():
            return "no_engine"
        case ModelError() | EngineError():
            return "model_failed"
        case DaemonUnreachableError() | DaemonHungError() | DaemonStartError() | PathError() | ConfigError():
            return "daemon_unreachable"  # the last two are why it could not be started
        case _:
            return "failed"
