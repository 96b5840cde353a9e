"""The daemon's side of a proof: no model is loaded with a build of llama.cpp before it has a good verdict.

A remembered verdict is a matter of milliseconds. Without one (a new build, another processor) the proof runs
in a process of its own, `python -m stardraftd.proof.verdict`, so that the daemon goes on serving, and can
end it.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

import msgspec

from stardraftd.errors import EngineMissingError
from stardraftd.proof.verdict import Verdict, build_id, processor_id, recall

log = logging.getLogger(__name__)


class EngineProof:
    """What is known of the engine's build; `is_checking` while a proof runs, of which `on_change` is told."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._last: Verdict | None = None  # where the state folder cannot keep it
        self.is_checking = False

    async def require(self, gpu_layers: int, on_checking: Callable[[], None]) -> None:
        """Raises EngineBrokenError, or what else keeps llama.cpp from running with so many layers on a GPU.

        `on_checking` is called when that takes a proof.
        """
        try:
            verdict = await asyncio.to_thread(self._known)
        except EngineMissingError:
            return  # the engine says it itself, with the command for this installation
        if verdict is None:
            on_checking()
            verdict = await self._prove()
        if verdict is None or verdict.undecided:
            reason = verdict.failure if verdict else "the proof gave no answer"
            log.warning("no verdict on llama.cpp", extra={"reason": reason})
            return
        if (error := verdict.error(gpu_layers)) is not None:
            raise error

    def _known(self) -> Verdict | None:
        verdict, last = recall(), self._last
        if verdict is None and last is not None and last.ok:
            same = (last.build, last.processor) == (build_id(), processor_id())
            return last if same else None
        return verdict

    async def _prove(self) -> Verdict | None:
        log.info("checking the engine")
        self.is_checking = True
        self._on_change()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "stardraftd.proof.verdict",
            "--json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=os.name == "posix",
        )
        try:
            said, _ = await process.communicate()
        finally:
            self.is_checking = False
            self._on_change()
            with contextlib.suppress(ProcessLookupError):
                _end_group(process)
            await process.wait()
        try:
            self._last = msgspec.json.decode(said, type=Verdict)
        except msgspec.MsgspecError:
            return None
        log.info("checked the engine", extra={"ok": self._last.ok, "ms": self._last.ms})
        return self._last


def _end_group(process: asyncio.subprocess.Process) -> None:
    """The process, and the self-test that it may have started."""
    if process.returncode is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
