"""The daemon as a service of systemd or launchd."""

from stardraftd.setup.service.managers import (
    RECORD,
    Manager,
    manager,
    state,
)
from stardraftd.setup.service.told import Settings

__all__ = [
    "RECORD",
    "Manager",
    "Settings",
    "manager",
    "state",
]
