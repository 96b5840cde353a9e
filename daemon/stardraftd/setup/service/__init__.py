"""The daemon as a service of systemd or launchd."""

from stardraftd.setup.service.managers import (
    RECORD,
    Manager,
    Settings,
    manager,
    state,
)

__all__ = [
    "RECORD",
    "Manager",
    "Settings",
    "manager",
    "state",
]
