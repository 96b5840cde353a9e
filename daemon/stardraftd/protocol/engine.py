"""The frames of the pipe between the daemon and an engine process: a length and msgpack."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stardraftd.console.prose import counted
from stardraftd.errors import RequestError
from stardraftd.limits import (
    MAX_FRAME_BYTES,
)
from stardraftd.protocol.completion import (
    Completion,
    CompletionEvent,
    Loading,
    ModelInfo,
    Ping,
    Pong,
    RequestId,
    Speeds,
)
from stardraftd.protocol.errors import ErrorMessage


class EngineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the model is loaded. A change of any of these needs a new engine process.

    gpu_layers:    layers offloaded to the device; -1 is all of them. Without a device it is 0.
    context_tokens: KV cache cells, shared by all documents; the largest prompt is half of it, and never
                   more than the model's own window.
    threads:       0 is the number of physical cores.
    batch_tokens:  micro-batch of a prefill; the most that is lost when one is cancelled. 512 is llama.cpp's
                   own; on the CPU an abort stops inside of it, so a smaller one only costs speed.
    flash_attention: "auto" is on for a GPU that supports it, off on the CPU (docs/decisions/0011).
    speculation:   "auto" drafts tokens where verifying them was measured to pay; "off" never does.
    draft_path:    a small model that may guess, if it has the same tokens; "" is none.
    cache_folder:  where measured speeds and saved sequences are kept; "" keeps none.
    saved_bytes:   the most that saved sequences may take on disk, in all; 0 saves none.
    saved_days:    a saved sequence that was not used for longer is deleted: after a week the file has changed
                   too much for its cache, and `saved_bytes` bounds them anyway.
    """

    model_path: str
    gpu_layers: int = -1
    context_tokens: int = 8192
    threads: int = 0
    batch_tokens: int = 512
    flash_attention: Literal["auto", "on", "off"] = "auto"
    kv_type: Literal["f16", "q8_0"] = "f16"
    speculation: Literal["auto", "off"] = "auto"
    draft_path: str = ""
    cache_folder: str = ""
    saved_bytes: int = 0
    saved_days: float = 7.0


class Load(Struct, frozen=True, tag="load"):
    settings: EngineSettings


class Complete(Struct, frozen=True, tag="complete"):
    id: RequestId
    completion: Completion


class Warm(Struct, frozen=True, tag="warm"):
    """Do in advance what comes after `completion`. Ends with a `Warmed` event.

    level: 1 at once after a request, 2 at a short rest, 3 at a longer one (engine/background.py).
    """

    id: RequestId
    completion: Completion
    level: Annotated[int, Meta(ge=1, le=3)] = 1


class Save(Struct, frozen=True, tag="save"):
    """Write the files' sequences to the cache folder: the model leaves memory. Answered by `Saved`."""


class Cancel(Struct, frozen=True, tag="cancel"):
    """Stop request `id` now, inside a decode if need be. Unknown ids are ignored: it has ended."""

    id: RequestId
    reason: Literal["cancelled", "superseded"] = "cancelled"


Command = Load | Complete | Warm | Save | Cancel | Ping


class Loaded(Struct, frozen=True, tag="loaded", tag_field="event"):
    info: ModelInfo
    warnings: tuple[str, ...] = ()
    speeds: Speeds | None = None


class LoadFailed(ErrorMessage, frozen=True, tag="load_failed", tag_field="event"):
    """The model could not be loaded."""


class Warmed(Struct, frozen=True, tag="warmed", tag_field="event"):
    """Background work ended: all of it is done (`finished`), or something with more right took its place."""

    finished: bool
    n_evaluated: int
    n_generated: int
    speeds: Speeds | None = None


class Saved(Struct, frozen=True, tag="saved", tag_field="event"):
    """The answer to `Save`: how many sequences were written, and their bytes."""

    n_sequences: int
    size_bytes: int
    problem: str = ""


class Tagged(Struct, frozen=True, tag="completion", tag_field="event"):
    """An event of request `id`."""

    id: int
    body: CompletionEvent | Warmed


EngineEvent = Loading | Loaded | LoadFailed | Saved | Pong | Tagged


command_decoder = msgspec.msgpack.Decoder(Command)


event_decoder = msgspec.msgpack.Decoder(EngineEvent)


_encoder = msgspec.msgpack.Encoder()


def frame(message: Command | EngineEvent) -> bytes:
    """A message as it stands on the pipe: 4 bytes length, big-endian, then msgpack.

    Raises RequestError for one that cannot be written there: it is its sender's, and nobody else's, error.
    """
    try:
        body = _encoder.encode(message)
    except (OverflowError, ValueError) as error:  # a number over 64 bits; half a surrogate pair
        raise RequestError(f"A {type(message).__name__} cannot be sent to the engine: {error}.") from error
    if len(body) > MAX_FRAME_BYTES:
        raise RequestError(f"A message of {counted(len(body), 'byte')} is longer than the engine takes.")
    return len(body).to_bytes(4, "big") + body
