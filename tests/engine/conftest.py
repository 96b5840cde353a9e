"""The built-in model, loaded once a module, and an engine on it that believes itself slow."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # without the engine's extra nothing of it can be imported here
    from stardraftd.engine.core import Engine
    from stardraftd.engine.loading import LoadedModel


@pytest.fixture(scope="module")
def loaded() -> "Iterator[LoadedModel]":
    from tests.support.engines import loaded_model

    with loaded_model() as model:
        yield model


@pytest.fixture
def engine(loaded: "LoadedModel") -> "Engine":
    from tests.support.engines import slow_engine

    return slow_engine(loaded)
