"""llama.cpp's own benchmark, run with the settings that we measured with, for comparison.

It is run as a user would run it, without the engine's OpenMP settings: what those cost or save is part of
the comparison. Its decode chooses no tokens, ours does.
"""

import subprocess
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from stardraft_quant.interruption import begin
from stardraftd.errors import EngineError, RequestError

ALL_LAYERS = 999  # -1 is not "all" in every version of llama-bench


FlashAttention = Literal["auto", "on", "off"]


class BenchSettings(Struct, frozen=True, kw_only=True):
    """What both sides measure with. gpu_layers: -1 is all."""

    model: Path
    threads: int
    n_batch: int
    kv_type: str
    flash_attention: FlashAttention
    gpu_layers: int


class Measured(Struct, frozen=True, kw_only=True):
    """One of llama-bench's tests: `n_prompt` tokens at once or `n_gen` one by one, behind `n_depth` others.

    samples_ts: tokens per second of each repetition.
    """

    n_prompt: int
    n_gen: int
    n_depth: int
    samples_ts: tuple[float, ...]
    build_commit: str = ""
    build_number: int = 0


_decoder = msgspec.json.Decoder(tuple[Measured, ...])


class LlamaBench:
    """A llama-bench binary. Its options differ between versions, so its help is read first."""

    def __init__(self, executable: Path) -> None:
        """Raises RequestError when there is no such program."""
        self._executable = executable
        done = self._run(["--help"])
        self._help = done.stdout + done.stderr
        if "--n-prompt" not in self._help:
            raise RequestError(
                f"{executable} is not a llama-bench.", "Give --against the path of llama.cpp's llama-bench."
            )
        if "--n-depth" not in self._help:
            raise RequestError(
                f"{executable} is too old to measure at a depth.", "Build a llama.cpp of May 2025 or later."
            )

    def measure(
        self, settings: BenchSettings, *, depth: int, n_prompts: tuple[int, ...], n_gen: int, n_times: int
    ) -> tuple[Measured, ...]:
        """Runs it once at one depth; it warms up by itself. Raises EngineError when it fails."""
        done = self._run(
            [
                *self._arguments(settings),
                *("-d", str(depth), "-p", ",".join(map(str, n_prompts)), "-n", str(n_gen)),
                *("-r", str(n_times), "-o", "json"),
            ]
        )
        if done.returncode != 0:
            raise EngineError(
                f'{self._executable} ended with status {done.returncode}: "{_last_line(done.stderr)}".',
                "Both models are in memory at once; leave out --against if that is too much.",
            )
        try:
            return _decoder.decode(done.stdout)
        except msgspec.DecodeError as error:
            raise EngineError(
                f"{self._executable} wrote what is not understood here: {error}.",
                "Give --against a llama-bench of about the same age as the llama.cpp in use here.",
            ) from error

    def _arguments(self, settings: BenchSettings) -> list[str]:
        n_batch = str(settings.n_batch)
        layers = ALL_LAYERS if settings.gpu_layers < 0 else settings.gpu_layers
        return [
            *("-m", str(settings.model), "-t", str(settings.threads), "-ngl", str(layers)),
            *("-b", n_batch, "-ub", n_batch, "-ctk", settings.kv_type, "-ctv", settings.kv_type),
            *self._flash_attention(settings.flash_attention),
            *self._mapping(mapped=settings.gpu_layers != 0),
        ]

    def _flash_attention(self, choice: FlashAttention) -> tuple[str, str]:
        if "--flash-attn <0|1>" in self._help:
            return "-fa", "0" if choice == "off" else "1"
        return "-fa", choice

    def _mapping(self, *, mapped: bool) -> tuple[str, str]:
        """As `stardraftd.engine.native.loading` does it: weights are mapped only for a GPU."""
        if "--load-mode" in self._help:
            return "-lm", "mmap" if mapped else "none"
        return "-mmp", str(int(mapped))

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        command = [str(self._executable), *arguments]
        pipe = subprocess.PIPE
        try:
            process = begin(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise RequestError(
                f"{self._executable} cannot be run: {error.strerror}.",
                "Give --against the path of llama.cpp's llama-bench.",
            ) from error
        try:
            out, err = process.communicate()
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(
            command, process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        )


def _last_line(text: str) -> str:
    return next((one.strip() for one in reversed(text.splitlines()) if one.strip()), "")
