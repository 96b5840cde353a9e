"""The measuring process as `speed` sees it: started in the engine's environment, asked, ended.

What runs in it is `measuring`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import Self

from stardraft_quant.bench.measuring import (
    Answer,
    Decode,
    Decoded,
    Failed,
    Holds,
    Loading,
    Prefill,
    Question,
    Ready,
    Resident,
    Took,
    answer_decoder,
    line,
)
from stardraft_quant.interruption import begin
from stardraftd.builds.child import MemoryKills, ending, native_environment
from stardraftd.errors import EngineCrashedError, EngineLoadError
from stardraftd.protocol.engine import EngineSettings

DEATH_TIMEOUT_S = 3.0


class Measurer:
    """One measuring process. Every method raises StardraftError when the process fails or dies.

    Invariant: `ready` is there once the constructor has returned; the process is gone after `close`.
    """

    def __init__(self, settings: EngineSettings, on_loading: Callable[[float], None]) -> None:
        """Starts it and loads the model; `on_loading` gets a fraction from 0 to 1."""
        self._is_loaded = False
        self._memory_kills = MemoryKills()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = begin(
            [sys.executable, "-P", "-m", "stardraft_quant.bench.measuring"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=native_environment(os.environ),
        )
        try:
            self.ready = self._load(settings, on_loading)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def prefill_ms(self, question: Prefill) -> tuple[float, ...]:
        answer = self._ask(question)
        assert isinstance(answer, Took)
        return answer.ms

    def decode_ms(self, question: Decode) -> Decoded:
        answer = self._ask(question)
        assert isinstance(answer, Decoded)
        return answer

    def resident_bytes(self) -> int:
        answer = self._ask(Resident())
        assert isinstance(answer, Holds)
        return answer.resident_bytes

    def close(self) -> None:
        """Ends the process. It holds nothing that it would have to put away."""
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def _load(self, settings: EngineSettings, on_loading: Callable[[float], None]) -> Ready:
        self._send(settings)
        while isinstance(answer := self._receive(), Loading):
            on_loading(answer.fraction)
        assert isinstance(answer, Ready)
        self._is_loaded = True
        return answer

    def _ask(self, question: Question) -> Answer:
        self._send(question)
        return self._receive()

    def _send(self, message: EngineSettings | Question) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line(message))
            self._process.stdin.flush()
        except OSError as error:
            raise self._death() from error

    def _receive(self) -> Answer:
        assert self._process.stdout is not None
        received = self._process.stdout.readline()
        if not received.endswith(b"\n"):
            raise self._death()
        answer: Answer = answer_decoder.decode(received)
        if isinstance(answer, Failed):
            raise answer.exception()
        return answer

    def _death(self) -> EngineCrashedError | EngineLoadError:
        """How the process ended, as an error for a user."""
        try:
            status = self._process.wait(DEATH_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return EngineCrashedError("The measuring process no longer answers, though it runs.")
        self._stderr.seek(0)
        lines = self._stderr.read().decode("utf-8", "replace").splitlines()
        died = ending(status, lines, self._process.pid, self._memory_kills)
        if self._is_loaded:
            return EngineCrashedError(died.sentence("The measuring process"), died.hint)
        return EngineLoadError(died.sentence("The measuring process", "while it loaded the model"), died.hint)
