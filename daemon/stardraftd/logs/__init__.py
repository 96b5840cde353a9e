"""The log files: who writes and rotates them, and how they are read."""

from stardraftd.logs.handler import (
    LogHandler,
)

__all__ = [
    "LogHandler",
]
