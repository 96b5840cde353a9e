"""The daemon's status as a table for a user."""

from collections.abc import Iterator
from pathlib import Path

from stardraftd.builds.chosen import REPAIR
from stardraftd.cli.output.terminal import entry, out
from stardraftd.cli.output.wording import REAL_MODEL, duration, figures_line, milliseconds, plan_line, size
from stardraftd.cli.running import other_installation
from stardraftd.console.prose import counted
from stardraftd.logs import last_silence
from stardraftd.paths import tilde, with_tildes
from stardraftd.protocol.completion import ModelInfo, Speeds
from stardraftd.protocol.http import BackgroundState, EngineState, Status

_LABEL_WIDTH = 10
_ENGINE: dict[EngineState, str] = {
    "unloaded": "not loaded; the next completion loads the model",
    "loading": "loading the model",
    "ready": "ready",
    "backing_off": "crashed; waiting a moment before it is started again",
    "failed": "could not load the model",
}
_AHEAD: dict[BackgroundState, str] = {
    "idle": "nothing to prepare",
    "working": "preparing",
    "waiting": "waiting for a request to end",
    "off": "off (completion.background)",
    "on_battery": "off while on battery (completion.background)",
}


def show(status: Status) -> None:
    """Prints the table, and below it the problems."""
    for label, value in rows(status):
        entry(out(), label, with_tildes(value), label_width=_LABEL_WIDTH, style="bold")
    show_last_silence()
    others = other_installation(status)
    for problem in (*status.problems, *([others] if others else [])):
        entry(out(), "problem", with_tildes(problem), label_width=_LABEL_WIDTH, style="bold yellow")


def show_last_silence() -> None:
    """Why an editor got no suggestion the last time, also where no daemon runs: own code needs none."""
    if (found := last_silence.last()) is not None:
        when = f"{found.editor}, {duration(found.age_s)} ago: the last time without a suggestion"
        entry(out(), "silent", f"{found.sentence} ({when})", label_width=_LABEL_WIDTH, style="bold")


def rows(status: Status) -> Iterator[tuple[str, str]]:
    """The table's rows: a label and what there is to say."""
    yield "daemon", f"running: version {status.version}, pid {status.pid}, for {duration(status.uptime_s)}"
    yield "endpoint", status.endpoint
    if status.prefix:
        yield "installed", tilde(Path(status.prefix))
    yield "engine", _engine(status)
    if status.model is None:
        yield "model", f"{tilde(Path(status.model_path))} (not loaded)"
    else:
        yield "model", _model(status.model)
        yield "", f"{tilde(Path(status.model.path))}"
        if status.model.toy:
            yield "", f"for a real one: {REAL_MODEL} (1.9 GB)"
        yield "device", _device(status.model)
    yield "memory", _memory(status)
    yield "requests", _requests(status)
    if status.tokens_evaluated or status.tokens_reused:
        yield "tokens", _tokens(status)
    if status.last_figures is not None:
        yield "last", figures_line(status.last_figures)
        yield "", plan_line(status.last_figures)
    if status.speeds is not None:
        yield "speed", _speed(status.speeds)
        yield "cache", _cache(status.speeds)
    yield "ahead", _ahead(status)
    yield "sessions", f"{status.sessions} connected"
    yield "config", tilde(Path(status.config_path))
    yield "log", tilde(Path(status.log_path))


def _engine(status: Status) -> str:
    text = _ENGINE[status.engine]
    if status.lacks_engine:
        return f"not installed; your own code is suggested without it. For a model: {REPAIR}"
    if status.checking_engine:
        text = "checking the engine: whether llama.cpp computes what it should on this computer"
    elif status.loading_fraction is not None:
        text += f", {status.loading_fraction:.0%}"
    if status.engine_pid is not None:
        text += f", pid {status.engine_pid}"
    if status.engine_restarts:
        text += f", started again {counted(status.engine_restarts, 'time')}"
    if status.engine_hangs:
        text += f" ({status.engine_hangs} of them because it hung)"
    return text


def _model(model: ModelInfo) -> str:
    toy = " (a toy: the built-in model)" if model.toy else ""
    parameters = f"{model.n_parameters / 1e6:,.0f} M parameters"
    context = f"{counted(model.context_tokens, 'token')} of context ({size(model.kv_bytes)})"
    told = f"{model.name}{toy}: {parameters}, {size(model.size_bytes)}, {context}"
    return told if model.can_cut else f"{told}; a key costs the prompt, for this model's cache cannot be cut"


def _device(model: ModelInfo) -> str:
    where = f"{model.gpu_layers} of {counted(model.layers, 'layer')} on the GPU" if model.gpu_layers else ""
    return ", ".join(filter(None, (model.device, where, f"{counted(model.threads, 'thread')}")))


def _memory(status: Status) -> str:
    daemon = f"daemon {size(status.daemon_resident_bytes)}"
    if status.engine_resident_bytes is None:
        return daemon
    return f"{daemon}, engine {size(status.engine_resident_bytes)}"


def _requests(status: Status) -> str:
    now = f"{status.n_running} running, {status.n_waiting} waiting"
    return f"{now}; {status.completed} completed, {status.cancelled} cancelled, {status.failed} failed"


def _speed(speeds: Speeds) -> str:
    """What was measured, and how well it predicts."""
    costs = dict(speeds.batch_ms)
    told = [f"a token takes {milliseconds(costs[1])}"] if 1 in costs else []
    if 64 in costs:
        told.append(f"64 at once {milliseconds(costs[64])}")
    if speeds.n_predictions:
        told.append(f"predictions are off by {speeds.error:.0%} (median of {speeds.n_predictions})")
    told.append(f"guessing ahead {'pays' if speeds.speculates else 'does not pay'} here")
    return "; ".join(told)


def _cache(speeds: Speeds) -> str:
    room = f"room for {counted(speeds.n_cells, 'token')}, up to {speeds.n_window:,} of one file"
    return f"{room}; {speeds.n_cells_used:,} in use" if speeds.n_cells_used else room


def _ahead(status: Status) -> str:
    """What is done before it is asked for."""
    n_evaluated, n_generated = status.tokens_evaluated_in_background, status.tokens_generated_in_background
    done = f"{counted(n_evaluated, 'token')} read and {n_generated:,} generated in the background"
    return f"{_AHEAD[status.background]}; {done}"


def _tokens(status: Status) -> str:
    prompt = status.tokens_evaluated + status.tokens_reused
    recalled = f" ({status.tokens_recalled:,} from memory)" if status.tokens_recalled else ""
    return (
        f"prompts {prompt:,} ({status.tokens_evaluated:,} evaluated, {status.tokens_reused:,} reused: "
        f"{status.tokens_reused / prompt:.0%}); {status.tokens_generated:,} generated{recalled}"
    )
