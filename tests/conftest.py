"""What every folder of tests may use: a home for the daemon under test; how a run is ordered and told of."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.home import isolated_home

# The readline that pytest imports tells the process the terminal's size, and its workers inherit that: what
# is printed into a pipe would be broken into lines of 80 columns there, and not where one process runs all.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)
    os.unsetenv(_name)

# No example is timed: a machine under load is slow, and that is no defect.
settings.register_profile("stardraft", deadline=None)
settings.load_profile("stardraft")

pytest_plugins = ["tests.support.schedule", "tests.support.costs"]


@pytest.fixture
def home() -> Iterator[dict[str, str]]:
    """The environment of a fresh stardraft with no daemon; what starts in it is gone when the test ends."""
    with isolated_home() as environment:
        yield environment


@pytest.fixture(scope="session")
def shared_home() -> Iterator[dict[str, str]]:
    """As `home`, with one daemon for all tests that leave it as they found it."""
    with isolated_home() as environment:
        yield environment
