"""The built-in toy is shown no more than it was trained on: beyond that it is of no use (docs/quality.md)."""

from stardraftd.engine.core import Engine
from stardraftd.engine.native.backend import open_backend
from stardraftd.engine.native.llama import AbortFlag
from stardraftd.engine.native.loading import load
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.engine import EngineSettings
from tests.support.engines import ask, warm

FILE = "".join(f"def total_{i}(items, rate):\n    return sum(items) * rate + {i}\n\n\n" for i in range(120))


def test_a_long_file_is_shown_to_the_built_in_model_in_pieces_that_it_knows() -> None:
    open_backend()
    settings = EngineSettings(model_path=str(builtin_model_path()), gpu_layers=0)
    loaded = load(settings, AbortFlag(), lambda _name, _fraction: None)
    try:
        engine = Engine(loaded, 8, settings)
        for level in (1, 2):
            warm(engine, FILE, "\n\n" + FILE, level)
        asked = ask(engine, FILE + "def total(items):\n    return ", "\n\n" + FILE)
        assert 200 < asked.plan.n_prompt <= 512
    finally:
        loaded.close()
