"""An engine process that misbehaves in one way, as a program: what the daemon does then is tested with it.

    python odd_engine.py WAY

It speaks frames as the engine does, and has neither llama.cpp nor a model.
"""

import os
import signal
import sys
from typing import BinaryIO

from stardraftd.engine.worker import read_frame
from stardraftd.protocol.completion import Loading, ModelInfo, Ping, Plan, Pong
from stardraftd.protocol.engine import Command, Complete, Load, Loaded, Tagged, command_decoder, frame

INFO = ModelInfo("odd", "odd.gguf", 1, 1, 1, 1, "CPU", 0, 1, 1, 1, 1.0, "")
PLAN = Plan(layout="psm", n_prompt=1, n_reused=0, n_evaluated=1)
WAYS = (
    "stops-at-load",
    "no-progress-at-load",
    "nonsense-at-load",
    "stops-at-request",
    "never-returns",
    "nonsense",
    "endless-frame",
    "closes-its-pipe",
    "loaded-twice",
)


def main(way: str, commands: BinaryIO) -> None:
    def say(data: bytes) -> None:
        while data:
            data = data[os.write(1, data) :]

    step = 0
    while (body := read_frame(commands)) is not None:
        command: Command = command_decoder.decode(body)
        match command:
            case Ping():
                say(frame(Pong(step, is_at_work=step > 0)))
            case Load() if way == "stops-at-load":
                say(frame(Loading("odd", 0.1)))
                os.kill(os.getpid(), signal.SIGSTOP)
            case Load() if way == "no-progress-at-load":
                say(frame(Loading("odd", 0.3)))
            case Load() if way == "nonsense-at-load":
                say(b"\0\0\0\3abc")
            case Load():
                say(frame(Loaded(INFO)))
            case Complete(id=request):
                step = 1
                say(frame(Tagged(request, PLAN)))
                if way == "stops-at-request":
                    os.kill(os.getpid(), signal.SIGSTOP)
                elif way == "nonsense":
                    say(b"\0\0\0\3abc")
                elif way == "endless-frame":
                    say(b"\xff\xff\xff\xff")
                elif way == "closes-its-pipe":
                    os.close(1)
                elif way == "loaded-twice":
                    say(frame(Loaded(INFO)))
            case _:
                pass


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.buffer)
