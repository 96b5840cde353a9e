"""Numbers and facts as sentences: sizes, durations, and the line of figures under a completion."""

from stardraftd.console.prose import counted
from stardraftd.protocol.completion import Figures, FinishReason, PlanKind

NOTHING: dict[FinishReason, str] = {
    "end": "The model ends here: it suggests nothing.",
    "boundary": "Nothing is suggested before the end of the line or block.",
    "repeats_suffix": "The model would only repeat what stands after the cursor.",
    "max_tokens": "The model wrote nothing that can be shown within --max-tokens.",
    "context_full": "The context is full: there was no room for a suggestion.",
    "cancelled": "The completion was cancelled.",
    "superseded": "A newer request for the same file took this one's place.",
}


def figures_line(figures: Figures) -> str:
    """What a completion cost, in one line."""
    model = f"{figures.model} on {figures.device}"
    prompt = f"prompt {counted(figures.n_prompt, 'token')} ({figures.n_evaluated:,} evaluated, "
    prompt += f"{figures.n_reused:,} reused)"
    if not figures.n_generated:
        return f"{model} | {prompt} | no token, after {milliseconds(figures.total_ms)}"
    return f"{model} | {prompt} | first token after {milliseconds(figures.first_token_ms)} | {speed(figures)}"


PLANS: dict[PlanKind, str] = {
    "recalled": "generated before it was asked for",
    "kept": "went on with the prompt of before",
    "anchored": "read from the file's own cache, with a short suffix",
    "window": "read a window around the cursor",
    "spm": "read a window with the suffix in front",
}


def plan_line(figures: Figures) -> str:
    """What the planner chose for a completion, and how right it was about the time."""
    told = PLANS[figures.kind]
    if figures.kind == "spm" and figures.n_reused > figures.n_evaluated:
        told = PLANS["kept"]
    if figures.stale:
        told += ", a little older than the text"
    if figures.predicted_ms:
        predicted, took = milliseconds(figures.predicted_ms), milliseconds(figures.prefill_ms)
        told += f"; predicted {predicted}, took {took}"
    return f"plan: {told}"


def speed(figures: Figures) -> str:
    """How many tokens there are, and how fast they were made; one has no speed, nor what was remembered."""
    count = counted(figures.n_generated, "token")
    if figures.n_recalled == figures.n_generated:
        return f"{count} from memory"
    if figures.n_recalled:
        count += f" ({figures.n_recalled} from memory)"
    if not figures.tokens_per_s:
        return count
    made = f", {figures.n_decoded}" if figures.n_recalled else ""
    return f"{count}{made} at {figures.tokens_per_s:.1f}/s"


REAL_MODEL = "stardraft model pull starcoder2-3b --use"


def toy_sentence() -> str:
    """What the built-in model is, and how to get a real one."""
    return f"This is the built-in model, a toy. For a real one: {REAL_MODEL} (1.9 GB)."


def size(n_bytes: float) -> str:
    """Bytes in the unit that reads best, decimal: "17.6 MB"."""
    for unit, decimals in (("B", 0), ("kB", 0), ("MB", 0 if n_bytes >= 1e8 else 1), ("GB", 1)):
        if n_bytes < 1000 or unit == "GB":
            return f"{n_bytes:,.{decimals}f} {unit}"
        n_bytes /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """A time span with its two largest units: "3 h 20 min"."""
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def milliseconds(ms: float) -> str:
    """A latency: "34 ms", "1.4 s"."""
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.1f} ms" if ms < 10 else f"{ms:.0f} ms"
