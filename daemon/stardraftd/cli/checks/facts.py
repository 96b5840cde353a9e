"""What several checks need to know, found out once: the configuration, the daemon, and what llama.cpp says.

Each fact raises a StardraftError where it cannot be had, to every check that asks for it.
"""

import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from stardraftd.builds.child import MemoryKills, ending, native_environment
from stardraftd.errors import ConfigError, DaemonHungError, EngineError, error_from_code

if TYPE_CHECKING:
    from stardraftd.config import Config
    from stardraftd.config.schema import EchoMode
    from stardraftd.proof.verdict import Verdict
    from stardraftd.protocol.http import Status

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
    """What the probe process says in place of a `Probe`: "error" tells the two apart."""

    error: str
    message: str
    hint: str = ""


class Facts:
    """The facts about this installation, each looked up when it is first asked for."""

    @cached_property
    def config(self) -> "Config":
        from stardraftd.config import load_config

        return load_config()

    @property
    def echo(self) -> "EchoMode":
        """Whether own code is suggested; as by default, where the configuration is wrong."""
        from stardraftd.config import EditorConfig

        try:
            return self.config.editor.echo
        except ConfigError:
            return EditorConfig().echo

    @cached_property
    def model_path(self) -> Path:
        from stardraftd.paths import builtin_model_path

        return Path(self.config.model.path) if self.config.model.path else builtin_model_path()

    @property
    def status(self) -> "Status | None":
        """The running daemon's status; None when none runs, or it does not answer (`hung`)."""
        return None if isinstance(self._asked, DaemonHungError) else self._asked

    @property
    def hung(self) -> DaemonHungError | None:
        """What there is to tell of a daemon that does not answer."""
        return self._asked if isinstance(self._asked, DaemonHungError) else None

    @cached_property
    def _asked(self) -> "Status | DaemonHungError | None":
        import asyncio

        from stardraftd.cli.running import running_status

        try:
            return asyncio.run(running_status())
        except DaemonHungError as error:
            return error

    @cached_property
    def verdict(self) -> "Verdict":
        """What the engine's self-test says now. Raises EngineError where llama.cpp cannot even be loaded."""
        if error := self._proved.unloadable:
            raise error
        return self._proved

    @cached_property
    def _proved(self) -> "Verdict":
        from stardraftd.proof.verdict import prove

        return prove(again=True)

    @cached_property
    def probe(self) -> Probe:
        """Asked of a process of its own, because only an engine process may load llama.cpp."""
        command = [sys.executable, "-P", "-m", "stardraftd.engine.probe"]
        try:
            result = subprocess.run(
                command,
                capture_output=True,
                timeout=PROBE_TIMEOUT_S,
                env=native_environment(os.environ),
                check=False,
            )
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
        lines = stderr.decode("utf-8", "replace").splitlines()
        died = ending(status, lines, 0, MemoryKills(), "Type: stardraft doctor")
        raise EngineError(died.sentence("llama.cpp could not be asked: its process"), died.hint) from None
    raise error_from_code(told.error, told.message, told.hint)
