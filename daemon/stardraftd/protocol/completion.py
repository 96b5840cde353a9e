"""What crosses the pipe between the daemon and the engine process.

Commands go down (`Load`, `Complete`, `Cancel`), events come up. The events of a completion travel on
unchanged through the daemon to the front end; `stardraftd.protocol` re-exports those. Everything here
is immutable plain data, and this module imports neither llama.cpp nor anything above the engine.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stardraftd.limits import (
    MAX_CACHED_DOCUMENT_CHARACTERS,
    MAX_CANDIDATES,
    MAX_CHUNKS,
    MAX_DOCUMENT_CHARACTERS,
    MAX_DRAFT_CHARACTERS,
    MAX_DRAFTS,
    MAX_ID,
    MAX_LANGUAGE_CHARACTERS,
    MAX_NEW_TOKENS,
    MAX_PAUSE_MS,
    MAX_REPOSITORY_CHARACTERS,
    MAX_SEED,
    MAX_TARGET_MS,
    MAX_TEMPERATURE,
    MAX_TEXT_CHARACTERS,
    MAX_TOP_K,
)
from stardraftd.protocol.errors import ErrorMessage

# The bounds of a completion's fields, the same for a front end's request and for the engine's.
SourceText = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]
PathText = Annotated[str, Meta(max_length=MAX_DOCUMENT_CHARACTERS)]
LanguageId = Annotated[str, Meta(max_length=MAX_LANGUAGE_CHARACTERS)]
RepositoryName = Annotated[str, Meta(max_length=MAX_REPOSITORY_CHARACTERS)]
MaxTokens = Annotated[int, Meta(ge=1, le=MAX_NEW_TOKENS)]
Temperature = Annotated[float, Meta(ge=0.0, le=MAX_TEMPERATURE)]
TopK = Annotated[int, Meta(ge=0, le=MAX_TOP_K)]
TopP = Annotated[float, Meta(gt=0.0, le=1.0)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
CandidateCount = Annotated[int, Meta(ge=1, le=MAX_CANDIDATES)]
TargetMs = Annotated[float, Meta(ge=1, le=MAX_TARGET_MS)]
PauseMs = Annotated[float, Meta(ge=0, le=MAX_PAUSE_MS)]
RequestId = Annotated[int, Meta(ge=0, le=MAX_ID)]

Layout = Literal["psm", "spm"]
LayoutChoice = Literal["auto", "psm", "spm"]
Mode = Literal["line", "block", "free"]
FinishReason = Literal[
    "end",  # the model said that the middle ends here
    "boundary",  # the mode's boundary: end of the line, end of the block
    "repeats_suffix",  # what comes next already stands after the cursor
    "max_tokens",
    "context_full",
    "cancelled",  # the front end went away
    "superseded",  # a newer request for the same document took its place
]

# Where guessed tokens come from; `engine/decode/speculation.py` explains each.
DraftSource = Literal["window", "code", "model"]

# What a plan does about the cache; the planner's module explains each.
PlanKind = Literal["recalled", "kept", "anchored", "window", "spm"]


class ContextChunk(Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of another file of the repository, shown to the model before the cursor's own file."""

    path: PathText
    text: SourceText


class Draft(Struct, frozen=True, forbid_unknown_fields=True):
    """Text that may come next: a guess, which the model verifies and nobody is shown.

    text:   from the cursor on. before: what stands before it there: the more of that stands before the
            cursor, too, the better a guess it is.
    """

    text: Annotated[str, Meta(max_length=MAX_DRAFT_CHARACTERS)]
    before: Annotated[str, Meta(max_length=MAX_DRAFT_CHARACTERS)] = ""


Drafts = Annotated[tuple[Draft, ...], Meta(max_length=MAX_DRAFTS)]
ContextChunks = Annotated[tuple[ContextChunk, ...], Meta(max_length=MAX_CHUNKS)]


class Completion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be completed, in text. The engine alone decides how it is laid out in tokens.

    document:    identity of the document; prompts of one document share a cached sequence.
    path:        path as the model sees it, relative to the repository; "" leaves it out.
    prefix:      text before the cursor, from a line start; LF line ends.
    suffix:      text after the cursor; LF line ends.
    language:    an LSP language id, for where the text's blocks end; "" lets the path decide.
    repository:  repository name for `<repo_name>`; "" leaves it out.
    chunks:      pieces of other files, oldest first, so that the cached beginning stands still.
    mode:        "line" ends at the first line end after something visible, "block" where the block
                 that the cursor stands in ends, "free" only where the model says so.
    temperature: 0 is greedy; then top_k, top_p and seed have no effect. It is the default: the rest of a
                 suggestion must stay the same while it is typed, and guessing ahead needs it.
    layout:      "auto" takes the one that costs less at the moment (docs/decisions/0002).
    n_candidates: how many different middles are wanted. The first is as `temperature` says, the others begin
                 with the next likeliest tokens.
    target_ms:   the time to the first token that the planner aims at when not everything is in the cache;
                 600 is about what is waited for in a file that was just opened.
    drafts:      text that may come next, the likeliest first. It changes no text: what the model says itself
                 it says sooner (engine/decode/speculation.py).
    pause_ms:    decoding begins so long after the request came, and not before the prompt is evaluated: a
                 person who types on makes only the prompt's work, which is not lost.
    """

    document: Annotated[str, Meta(min_length=1, max_length=MAX_CACHED_DOCUMENT_CHARACTERS)]
    path: PathText = ""
    language: LanguageId = ""
    prefix: SourceText
    suffix: SourceText = ""
    repository: RepositoryName = ""
    chunks: ContextChunks = ()
    drafts: Drafts = ()
    mode: Mode = "line"
    layout: LayoutChoice = "auto"
    max_tokens: MaxTokens = 64
    temperature: Temperature = 0.0
    top_k: TopK = 40
    top_p: TopP = 0.95
    seed: Seed = 0
    n_candidates: CandidateCount = 1
    target_ms: TargetMs = 600.0
    pause_ms: PauseMs = 0.0


# --- commands: daemon -> engine ------------------------------------------------------------------


class Ping(Struct, frozen=True, tag="ping"):
    """Are you there? Answered by `Pong`, whatever the engine is doing."""


class Addressed(Struct, frozen=True):
    """All that is read of a command that is not as it must be: whom to tell."""

    id: RequestId


# --- events: engine -> daemon --------------------------------------------------------------------


class Loading(Struct, frozen=True, tag="loading", tag_field="event"):
    """The model is being loaded. `fraction` goes from 0 to 1.

    checking: before that, a build of llama.cpp that is new here is tested for a few seconds.
    """

    model: str
    fraction: float
    checking: bool = False


class ModelInfo(Struct, frozen=True):
    """What the engine found when the model was loaded.

    can_cut: whether tokens can be taken back from its cache, so that a typed key costs a token. Recurrent and
             hybrid models keep one state for a text: a key costs the whole prompt.
    """

    name: str
    path: str
    size_bytes: int
    n_parameters: int
    n_context_trained: int
    context_tokens: int
    device: str
    gpu_layers: int
    layers: int
    threads: int
    kv_bytes: int
    load_ms: float
    system_info: str
    flash_attention: Literal["auto", "on", "off"] = "auto"
    toy: bool = False
    can_cut: bool = True


class Plan(Struct, frozen=True, tag="plan", tag_field="event"):
    """How the prompt was laid out, what of it was in the cache, and what the rest will cost; in tokens.

    n_context:    of n_prompt, the tokens of the repository's name and of other files.
    n_chunks:     of n_context, the tokens of other files.
    n_chunks_most: how many tokens n_context may have at most.
    context_cut:  whether some of the other files were cut or left out, because they did not fit.
    kind:         what the planner chose.
    predicted_ms: what the planner expects the evaluation of n_evaluated tokens and the first token to take.
    stale:        whether the cached text is a little older than the document (a suffix from before a bracket
                  was closed, lines below an edit); it is evaluated anew when the user rests.
    n_window:     tokens of the cursor's own file that the prompt shows.
    n_later:      tokens of the file that are left for the background to evaluate.
    """

    layout: Layout
    n_prompt: int
    n_reused: int
    n_evaluated: int
    n_context: int = 0
    n_chunks: int = 0
    n_chunks_most: int = 0
    context_cut: bool = False
    kind: PlanKind = "kept"
    predicted_ms: float = 0.0
    stale: bool = False
    n_window: int = 0
    n_later: int = 0


class Token(Struct, frozen=True, array_like=True):
    """One generated token: its id and the natural logarithm of its probability (temperature 1)."""

    id: int
    logprob: float


class Text(Struct, frozen=True, tag="text", tag_field="event"):
    """Generated text that is final, with the tokens that made it.

    Tokens end inside a character at times, and a stop can cut a token's text: so `text` is what the
    user sees, and `tokens` are what the model did; the two need not be equally long.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    candidate: int = 0


class Drafted(Struct, frozen=True):
    """Tokens that were guessed from one source and verified; n_accepted of them were right."""

    source: DraftSource
    n_drafted: int
    n_accepted: int


class Figures(Struct, frozen=True, kw_only=True):
    """What a completion cost. Times in milliseconds, counted from when its request was received.

    n_prompt:     tokens of the prompt: n_evaluated of them were read for this request, n_reused before. Of
                  one that ended early, those that it came to. What was recalled is of the answer.
    n_generated:  tokens of the answer; n_recalled of them came from memory, the others (n_decoded) were made
                  for this request.
    decode_ms:    from the first decoded token to the last.
    drafted:      tokens that were guessed and verified together, by where the guesses came from.
    predicted_ms: what the planner had expected of first_token_ms.
    """

    model: str
    device: str
    layout: Layout
    n_prompt: int
    n_reused: int
    n_evaluated: int
    n_generated: int
    prefill_ms: float
    decode_ms: float
    first_token_ms: float
    total_ms: float
    queue_ms: float = 0.0
    kind: PlanKind = "kept"
    stale: bool = False
    n_recalled: int = 0
    drafted: tuple[Drafted, ...] = ()
    predicted_ms: float = 0.0

    @property
    def n_drafted(self) -> int:
        """Tokens that were guessed and verified together."""
        return sum(one.n_drafted for one in self.drafted)

    @property
    def n_accepted(self) -> int:
        """Of n_drafted, those that were right: each spared a decode."""
        return sum(one.n_accepted for one in self.drafted)

    @property
    def tokens_per_s(self) -> float:
        """Decode speed: decoded tokens after the first, over their time; 0 if there was but one, or none."""
        if self.n_decoded < 2 or self.decode_ms <= 0:
            return 0.0
        return (self.n_decoded - 1) * 1000 / self.decode_ms

    @property
    def n_decoded(self) -> int:
        """Tokens that the model made for this request."""
        return self.n_generated - self.n_recalled


class Candidate(Struct, frozen=True):
    """One of several middles: its text, and the mean of its tokens' log-probabilities."""

    text: str
    finish_reason: FinishReason
    mean_logprob: float = 0.0


class Done(Struct, frozen=True, tag="done", tag_field="event"):
    """The completion ended; `text` is all of it. Figures are absent when it ended before the engine began.

    candidates: all middles when more than one was asked for, the first of them `text`; equal ones are one.
    """

    text: str
    finish_reason: FinishReason
    figures: Figures | None = None
    candidates: tuple[Candidate, ...] = ()


class Failed(ErrorMessage, frozen=True, tag="error", tag_field="event"):
    """The completion ended in an error. No event follows."""


CompletionEvent = Plan | Text | Done | Failed


class Speeds(Struct, frozen=True, kw_only=True):
    """What the engine measured of itself, and how well it predicted.

    batch_ms:   (tokens, milliseconds) of one decode of so many tokens at little depth, ascending.
    cell_us:    microseconds that each cell of the cache in use adds to a decoded token.
    calibrated: whether it was measured here; else it is a guess from the first decodes.
    n_predictions, error: how many predictions were checked, and the median of |predicted - took| / took.
    n_cells, n_cells_used: the KV cache.
    n_window:   tokens of a file that the planner wants in the cache.
    speculates: whether drafting is on, as verifying was measured.
    """

    batch_ms: tuple[tuple[int, float], ...]
    cell_us: float
    calibrated: bool
    n_predictions: int
    error: float
    n_cells: int
    n_cells_used: int
    n_window: int
    speculates: bool


class Pong(Struct, frozen=True, tag="pong", tag_field="event"):
    """The answer to `Ping`, from a thread that does nothing else.

    step:       counts what the working thread does, a decode at a time; one that stands still is stuck in it.
    is_at_work: whether it is in a step now.
    expected_s: what the longest decode takes here, as measured; 0 before anything was.
    """

    step: int
    is_at_work: bool
    expected_s: float = 0.0


addressed_decoder = msgspec.msgpack.Decoder(Addressed)
