"""How the end of an engine process is told to whoever waits for its model."""

import os
import signal

import pytest

from stardraftd.backends.llama_process import EngineProcess
from stardraftd.errors import EngineLoadError
from stardraftd.protocol.engine import EngineSettings


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize(
    ("number", "says", "command"),
    [
        (signal.SIGILL, "uses an instruction that this processor", "stardraft setup engine"),
        (signal.SIGKILL, "Somebody or something ended it", "stardraft daemon logs"),
    ],
)
async def test_an_engine_that_dies_while_it_loads_is_told_with_the_reason_and_the_command(
    number: signal.Signals, says: str, command: str
) -> None:
    process = await EngineProcess.start(lambda _event: None)
    try:
        os.kill(process.pid, number)
        with pytest.raises(
            EngineLoadError, match=rf"was ended by {number.name} .* loaded the model"
        ) as raised:
            await process.load(EngineSettings(model_path="model.gguf"))
    finally:
        await process.close()
    assert says in raised.value.message
    assert command in raised.value.hint
    assert "damaged, or memory may be short" not in raised.value.hint
