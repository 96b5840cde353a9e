"""What several checks need to know, found out once: the configuration, the daemon, and what llama.cpp says.

Each fact raises a StardraftError where it cannot be had, to every check that asks for it.
"""

import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stardraftd.engine_build import REPAIR
from stardraftd.errors import EngineError, error_from_code

if TYPE_CHECKING:
    from stardraftd.config import Config
    from stardraftd.protocol import Status

PROBE_TIMEOUT_S = 60.0


class Device(Struct, frozen=True):
    """A device as llama.cpp names it; memory in bytes, 0 where it does not say."""

    name: str
    description: str
    type: str
    memory_free_bytes: int
    memory_total_bytes: int


class Probe(Struct, frozen=True):
    """What the installed llama.cpp is and can use."""

    llama_cpp_version: str
    system_info: str
    gpu_offload: bool
    devices: tuple[Device, ...]


class _ProbeError(Struct, frozen=True):
    error: str
    message: str
    hint: str = ""


class Facts:
    """The facts about this installation, each looked up when it is first asked for."""

    @cached_property
    def config(self) -> "Config":
        from stardraftd.config import load_config

        return load_config()

    @cached_property
    def model_path(self) -> Path:
        from stardraftd.paths import builtin_model_path

        return Path(self.config.model.path) if self.config.model.path else builtin_model_path()

    @cached_property
    def status(self) -> "Status | None":
        """The running daemon's status, None when none runs."""
        import asyncio

        from stardraftd.cli.running import running_status

        return asyncio.run(running_status())

    @cached_property
    def probe(self) -> Probe:
        """Asked of a process of its own, because only an engine process may load llama.cpp."""
        command = [sys.executable, "-P", "-m", "stardraftd.engine.probe"]
        try:
            result = subprocess.run(command, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"llama.cpp did not answer within {PROBE_TIMEOUT_S:.0f} seconds.",
                "A GPU's driver may hang. Try: python -m stardraftd.engine.probe",
            ) from None
        return read_probe(result.stdout, result.stderr, result.returncode)


def read_probe(stdout: bytes, stderr: bytes, status: int) -> Probe:
    """What the probe process answered. Raises the error that it tells of, or that it died of."""
    try:
        return msgspec.json.decode(stdout, type=Probe)
    except msgspec.DecodeError:
        pass
    try:
        told = msgspec.json.decode(stdout, type=_ProbeError)
    except msgspec.DecodeError:
        last = stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise EngineError(
            f"llama.cpp could not be asked: its process ended with status {status} and said: {last[0]}",
            f"Have it built again: {REPAIR}",
        ) from None
    raise error_from_code(told.error, told.message, told.hint)
