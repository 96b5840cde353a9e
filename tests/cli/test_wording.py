"""Numbers as a user reads them, and text made harmless for a terminal."""

import msgspec
import pytest

from stardraftd.cli.output.wording import duration, figures_line, milliseconds, size
from stardraftd.console.printable import visible
from stardraftd.protocol.completion import Figures


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (30_720, "31 kB"),
        (17_646_592, "17.6 MB"),
        (268_000_000, "268 MB"),
        (1_887_904_896, "1.9 GB"),
        (25e12, "25,000.0 GB"),
    ],
)
def test_sizes(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("ms", "text"), [(0.52, "0.5 ms"), (34.4, "34 ms"), (1449, "1.4 s")])
def test_latencies(ms: float, text: str) -> None:
    assert milliseconds(ms) == text


def figures(n_generated: int) -> Figures:
    return Figures(
        model="stardraft-tiny",
        device="CPU",
        layout="spm",
        n_prompt=300,
        n_reused=288,
        n_evaluated=12,
        n_generated=n_generated,
        prefill_ms=30.0,
        decode_ms=100.0,
        first_token_ms=34.0,
        total_ms=134.0,
    )


def test_figures_tell_model_device_prompt_latency_and_speed() -> None:
    assert figures_line(figures(21)) == (
        "stardraft-tiny on CPU | prompt 300 tokens (12 evaluated, 288 reused) | first token after 34 ms | "
        "21 tokens at 200.0/s"
    )


def test_one_token_has_no_speed_and_none_has_no_latency() -> None:
    assert figures_line(figures(1)).endswith("| first token after 34 ms | 1 token")
    assert figures_line(figures(0)).endswith("| no token, after 134 ms")


def test_what_was_remembered_has_no_speed() -> None:
    def told(**changes: float) -> str:
        return figures_line(msgspec.structs.replace(figures(21), **changes)).rpartition(" | ")[2]

    assert told(n_recalled=21, decode_ms=0.0) == "21 tokens from memory"
    assert told(n_recalled=20, decode_ms=0.0) == "21 tokens (20 from memory)"
    assert told(n_recalled=16) == "21 tokens (16 from memory), 5 at 40.0/s"


def test_escape_sequences_and_turned_text_are_written_out() -> None:
    assert visible("a\x1b[2Jb\u202ec\r\x9b") == "a\\x1b[2Jb\\u202ec\\x0d\\x9b"


def test_code_in_any_script_stays_as_it_is() -> None:
    text = "def größe():\n\treturn '日本語 😀'\n"
    assert visible(text) == text
