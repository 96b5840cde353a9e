"""What crosses the socket between a front end and the daemon: HTTP/1.1 bodies as JSON, streams as NDJSON.

    GET  /v1/hello     -> Hello                          the version handshake
    POST /v1/complete  CompletionRequest -> NDJSON of StreamEvent; ends with `done` or `error`
    POST /v1/warm      CompletionRequest -> Warming      its text is made ready in the background
    POST /v1/load      -> NDJSON of StreamEvent          loads the model; ends with `ready` or `error`
    GET  /v1/events    -> NDJSON of Status               one now, one at every change, while connected
    GET  /v1/status    -> Status
    POST /v1/stop      StopRequest -> Hello              the socket is gone before the answer is sent

Closing a stream cancels what it asked for. A front end that holds `/v1/events` open counts as present,
and keeps the daemon from leaving. Errors outside a stream are `ErrorBody` with a 4xx or 5xx status.

The protocol's number is part of the socket's name, so an incompatible daemon never answers here.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stardraftd.limits import MAX_CLIENT_CHARACTERS, MAX_DOCUMENT_CHARACTERS
from stardraftd.protocol.completion import (
    CandidateCount,
    ContextChunks,
    Done,
    Drafts,
    Failed,
    Figures,
    LanguageId,
    LayoutChoice,
    Loading,
    MaxTokens,
    Mode,
    ModelInfo,
    PathText,
    PauseMs,
    Plan,
    RepositoryName,
    Seed,
    SourceText,
    Speeds,
    TargetMs,
    Temperature,
    Text,
    TopK,
    TopP,
)
from stardraftd.protocol.errors import ErrorMessage

PROTOCOL = 1

BackgroundState = Literal["idle", "working", "waiting", "off", "on_battery"]
EngineState = Literal["unloaded", "loading", "ready", "backing_off", "failed"]


class Hello(Struct, frozen=True):
    """Who answers. A client of a newer `version` asks an older daemon to drain, and starts its own.

    prefix, engine_build: which installation serves, and which build of llama.cpp that has; "" if it has none.
    can_load: whether its engine can load a model; None while that is not known. A front end whose own can
              asks a daemon whose cannot to drain, too.
    """

    protocol: int
    version: str
    pid: int
    prefix: str = ""
    engine_build: str = ""
    can_load: bool | None = None


class StopRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Stop. With `drain` running completions are finished first (and the socket is free at once)."""

    drain: bool = True


class ErrorBody(ErrorMessage, frozen=True):
    """A refusal."""


class CompletionRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A completion as a front end asks for it. `None` takes the daemon's configured default.

    The fields are those of `Completion`, where they are explained. `client` separates editors: a new
    request supersedes a running one with the same `client` and `document`.
    """

    client: Annotated[str, Meta(max_length=MAX_CLIENT_CHARACTERS)] = ""
    document: Annotated[str, Meta(min_length=1, max_length=MAX_DOCUMENT_CHARACTERS)]
    path: PathText = ""
    language: LanguageId = ""
    prefix: SourceText
    suffix: SourceText = ""
    repository: RepositoryName = ""
    chunks: ContextChunks = ()
    drafts: Drafts = ()
    mode: Mode | None = None
    layout: LayoutChoice | None = None
    max_tokens: MaxTokens | None = None
    temperature: Temperature | None = None
    top_k: TopK | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    n_candidates: CandidateCount | None = None
    target_ms: TargetMs | None = None
    pause_ms: PauseMs = 0.0


class Warming(Struct, frozen=True):
    """Whether the text will be made ready in the background; if not, why."""

    accepted: bool
    reason: Literal["", "off", "on_battery", "not_loaded"] = ""


class Notice(Struct, frozen=True, tag="notice", tag_field="event"):
    """Something the user should know, such as a fall back to the CPU. The stream goes on."""

    message: str
    hint: str = ""


class Ready(Struct, frozen=True, tag="ready", tag_field="event"):
    """The model is loaded."""

    model: ModelInfo


class Successor(Struct, frozen=True):
    """A model that is being loaded while another one serves; `fraction` from 0 to 1."""

    model_path: str
    fraction: float


StreamEvent = Loading | Ready | Notice | Plan | Text | Done | Failed


class Status(Struct, frozen=True, kw_only=True):
    """The daemon at a moment. `problems` are sentences for a user: each is something to mend.

    tokens_* are the sums of all completions' Figures: prompts had tokens_evaluated and tokens_reused, and
    tokens_recalled of tokens_generated came from memory. What is done in the background is counted apart.
    resident_bytes are of the daemon and of the engine process; None when there is no engine.
    model is what is loaded; None when nothing is. model_path is what would be loaded.
    background is what is done in advance: nothing left, at work, waiting for a user's request to end, or
    not done (turned off, or on battery). speeds are what the engine measured, None before it did.
    prefix, engine_build and can_load are Hello's. engine_hangs counts, of engine_restarts, the engines that
    hung. successor is loaded while the engine serves, to take its place. models are the names of those that
    are in the folder of models and can be used. checking_engine: a load waits until llama.cpp, whose build or
    processor is new here, has been tested. lacks_engine: llama.cpp is not installed, which is none of the
    problems: where the user's own code is what is suggested, nothing is wrong.
    """

    version: str
    protocol: int
    pid: int
    uptime_s: float
    endpoint: str
    engine: EngineState
    engine_pid: int | None
    engine_restarts: int
    model_path: str
    model: ModelInfo | None
    loading_fraction: float | None
    sessions: int
    n_running: int
    n_waiting: int
    completed: int
    cancelled: int
    failed: int
    tokens_evaluated: int
    tokens_reused: int
    tokens_generated: int
    daemon_resident_bytes: int
    engine_resident_bytes: int | None
    config_path: str
    log_path: str
    problems: tuple[str, ...] = ()
    last_figures: Figures | None = None
    background: BackgroundState = "idle"
    tokens_evaluated_in_background: int = 0
    tokens_generated_in_background: int = 0
    tokens_recalled: int = 0
    speeds: Speeds | None = None
    successor: Successor | None = None
    models: tuple[str, ...] = ()
    checking_engine: bool = False
    prefix: str = ""
    engine_build: str = ""
    can_load: bool | None = None
    engine_hangs: int = 0
    lacks_engine: bool = False


class Record(Struct, frozen=True):
    """What a daemon writes beside its socket, so that it can be named when it does not answer.

    started: when the process began, by the operating system's clock: a number that comes again is another
             process's then.
    """

    pid: int
    started: float
    version: str = ""
    prefix: str = ""


class StartReport(Struct, frozen=True):
    """The one line that a daemon writes to its starter's pipe: it listens, another one does, or why not."""

    outcome: Literal["listening", "already_running", "failed"]
    pid: int = 0
    endpoint: str = ""
    error: ErrorBody | None = None


stream_event_decoder = msgspec.json.Decoder(StreamEvent)
status_decoder = msgspec.json.Decoder(Status)
hello_decoder = msgspec.json.Decoder(Hello)
error_decoder = msgspec.json.Decoder(ErrorBody)
request_decoder = msgspec.json.Decoder(CompletionRequest)
record_decoder = msgspec.json.Decoder(Record)
warming_decoder = msgspec.json.Decoder(Warming)
stop_decoder = msgspec.json.Decoder(StopRequest)
