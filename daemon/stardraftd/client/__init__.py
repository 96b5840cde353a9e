"""How a front end reaches the daemon, whatever happens to it, and starts it when there is none."""

from stardraftd.client.client import (
    DaemonClient,
)

__all__ = [
    "DaemonClient",
]
