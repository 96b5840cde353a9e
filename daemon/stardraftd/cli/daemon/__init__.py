"""`stardraft daemon ...` and `stardraft status`."""

from stardraftd.cli.daemon.commands import (
    stop_and_wait,
)

__all__ = [
    "stop_and_wait",
]
