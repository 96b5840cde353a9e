"""How long llama.cpp itself takes for its decodes, for benchmarks: the rest of a token is Python's."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp


class DecodeClock:
    """`total_ms`: the time that was spent inside `llama_decode`, and waiting for the device to finish it."""

    def __init__(self) -> None:
        self.total_ms = 0.0


@contextmanager
def timed_decodes() -> Iterator[DecodeClock]:
    """While it is open, every `llama_decode` of this process is timed: for benchmarks.

    On a GPU `llama_decode` returns before its work is done. The timed one waits for it, so that a decode has
    one time, and what is left of a token's time is Python's.
    """
    clock = DecodeClock()
    decode, synchronize = llama_cpp.llama_decode, llama_cpp.llama_synchronize

    def timed(context: Any, batch: Any) -> Any:
        started = time.perf_counter()
        code = decode(context, batch)
        synchronize(context)
        clock.total_ms += (time.perf_counter() - started) * 1000
        return code

    llama_cpp.llama_decode = timed
    try:
        yield clock
    finally:
        llama_cpp.llama_decode = decode
