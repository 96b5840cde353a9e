"""Models that are loaded once a module, a random one and the built-in one, and an engine that believes itself
slow."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # without the engine's extra nothing of it can be imported here
    from stardraftd.engine.core import Engine
    from stardraftd.engine.native.loading import LoadedModel


@pytest.fixture(scope="module")
def loaded() -> "Iterator[LoadedModel]":
    """For what is planned, cached, moved and counted."""
    from tests.support.engines import loaded_model
    from tests.support.tiny_models import random_model

    with loaded_model(random_model()) as model:
        yield model


@pytest.fixture(scope="module")
def trained() -> "Iterator[LoadedModel]":
    """The built-in model, for promises about its text."""
    from tests.support.engines import loaded_model

    with loaded_model() as model:
        yield model


@pytest.fixture
def engine(loaded: "LoadedModel") -> "Engine":
    from tests.support.engines import slow_engine

    return slow_engine(loaded)
