"""Every numeric limit of what crosses a process, and every deadline by which one process judges another.

They stand together because they depend on each other: what a front end may send must fit what the engine
takes, and who watches must be more patient than what is watched. Limits of files (GGUF, configuration) stand
where those files are read.
"""

from dataclasses import dataclass

# --- messages ------------------------------------------------------------------------------------

# One request's body. The largest prompt is 16,384 tokens; 8 MiB is over a hundred times that in characters.
MAX_BODY_BYTES = 8 * 1024 * 1024
# One frame between daemon and engine. A body in msgpack is no longer than in JSON, so any request fits; a
# length beyond this is no frame.
MAX_FRAME_BYTES = 64 * 1024 * 1024
# Text fields. No field alone can be longer than the body that it comes in.
MAX_TEXT_CHARACTERS = MAX_BODY_BYTES
MAX_CLIENT_CHARACTERS = 256
# An LSP language id is a word.
MAX_LANGUAGE_CHARACTERS = 256
# A path: PATH_MAX of Linux, in characters.
MAX_DOCUMENT_CHARACTERS = 4096
# The daemon puts the front end's name before the document's, so that two editors' documents are two.
MAX_CACHED_DOCUMENT_CHARACTERS = MAX_CLIENT_CHARACTERS + 1 + MAX_DOCUMENT_CHARACTERS
MAX_REPOSITORY_CHARACTERS = 512
# The language server sends a dozen; each costs tokens of a prompt that has 16,384 at most.
MAX_CHUNKS = 1024
# Guesses are tokenized before the first of them is verified: 64,000 characters take 20 ms.
MAX_DRAFTS = 16
MAX_DRAFT_CHARACTERS = 2000
MAX_NEW_TOKENS = 4096
MAX_CANDIDATES = 8
# More than any vocabulary has: a larger number would mean the same. llama.cpp takes an int32.
MAX_TOP_K = 1_000_000
MAX_SEED = 2**32 - 1
MAX_TEMPERATURE = 10.0
MAX_TARGET_MS = 600_000
MAX_PAUSE_MS = 60_000
# Request ids count up from 1; a signed 64-bit number is never used up, and msgpack has no larger one.
MAX_ID = 2**63 - 1

# --- what runs at the same time ------------------------------------------------------------------

# Each takes its turn at every decode, so more of them make every one slower.
MAX_SIDE_BY_SIDE = 4
# Requests whose pause is not over beside those: they wait for the next key and decode nothing. Each makes the
# engine look away for 2 ms a turn (engine/decode/run.py), so they are few; others wait in
# the daemon, which is free.
MAX_PAUSING = 4


# --- deadlines -----------------------------------------------------------------------------------

# How long a daemon that is asked to stop lets running completions finish. A suggestion takes a second or two,
# on a slow computer 64 tokens take 20. Who asked to stop and waits for more waits for a model that hangs.
DRAIN_S = 30.0


@dataclass(frozen=True)
class Patience:
    """How long the daemon waits for its engine. Seconds in which this computer was awake (see heartbeat.py).

    tick_s:     between two pings. A wake-up each of two processes: nothing that a battery feels.
    silence_s:  without a pong. The engine answers from a thread that does nothing else, so it is late only
                where the process gets no processor or its memory is on a disk: seconds on a busy machine, not
                                                                                15.
    start_s:    until the first pong: Python starts, llama.cpp's libraries and a GPU's driver are loaded.
    step_s:     what one step (a decode, a search of a cache) may always take, however fast it was predicted.
    step_slack: how many times slower than measured a decode may be. Measured were 4 to 100 times when another
                program wants the cores (docs/measurements.md), seldom over 20 for the whole of a decode.
    load_s:     without progress while a model is loaded: the vocabulary and the KV cache are made in one go,
                and took 1 s at most for the models of the catalogue.
    load_slack: how many times slower than measured so far the next part of a file may be read.
    slowest_bytes_per_s: a disk that is slower than this is taken for one that hangs.
    """

    tick_s: float = 2.0
    silence_s: float = 15.0
    start_s: float = 60.0
    step_s: float = 30.0
    step_slack: float = 20.0
    load_s: float = 60.0
    load_slack: float = 20.0
    slowest_bytes_per_s: float = 1e6


# Progress is told each time that another 2 % of the file were loaded.
PROGRESS_STEP = 0.02
# The other way round: an engine that hears nothing of its daemon gives its memory back. Long, because a
# daemon that somebody looks at in a debugger is silent too, and a daemon that died is noticed at once, by its
# pipe.
DAEMON_SILENCE_S = 300.0

# Ending an engine: by closing its stdin, then by force.
CLOSE_TIMEOUT_S = 3.0
# Before that it may write what it read of open files: 30 KB a token, 0.2 GB for a full cache of a 3B model.
SAVE_TIMEOUT_S = 10.0

# A front end asks `GET /v1/hello` when an answer is this late; the daemon's one thread never works for long.
STREAM_SILENCE_S = 5.0
# The same for the stream of statuses, which is open all day and silent most of it.
EVENTS_SILENCE_S = 30.0
# A hello is answered within milliseconds; a computer that swaps may take seconds.
ANSWER_TIMEOUT_S = 10.0
