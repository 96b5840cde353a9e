"""A daemon's status and model as tests make them up."""

import msgspec

from stardraftd import __version__
from stardraftd.protocol.completion import ModelInfo
from stardraftd.protocol.http import PROTOCOL, EngineState, Status

PID = 1
MODEL = ModelInfo(
    name="stand-in",
    path="/models/stand-in.gguf",
    size_bytes=1,
    n_parameters=1,
    n_context_trained=1,
    context_tokens=1,
    device="CPU",
    gpu_layers=0,
    layers=1,
    threads=1,
    kv_bytes=1,
    load_ms=1.0,
    system_info="",
)
_NUMBERS = dict.fromkeys(
    [
        "engine_restarts",
        "sessions",
        "n_running",
        "n_waiting",
        "completed",
        "cancelled",
        "failed",
        "tokens_evaluated",
        "tokens_reused",
        "tokens_generated",
        "daemon_resident_bytes",
    ],
    0,
)


def status_of(engine: EngineState = "ready", **more: object) -> Status:
    """A status with the engine in this state; `more` are fields that are not as usual."""
    fields = {
        "version": __version__,
        "protocol": PROTOCOL,
        "pid": PID,
        "uptime_s": 0.0,
        "endpoint": "",
        "engine": engine,
        "engine_pid": None,
        "model_path": MODEL.path,
        "model": MODEL if engine == "ready" else None,
        "loading_fraction": None,
        "engine_resident_bytes": None,
        "config_path": "",
        "log_path": "",
        **_NUMBERS,
        **more,
    }
    return msgspec.convert(fields, Status)
