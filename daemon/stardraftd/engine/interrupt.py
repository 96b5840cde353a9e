"""How work in the engine learns that it is not wanted any more."""

from typing import Protocol

from stardraftd.protocol.completion import FinishReason


class Interrupt(Protocol):
    """Tells whether the running request is still wanted."""

    @property
    def reason(self) -> FinishReason | None:
        """None while it is; else why it ends."""
