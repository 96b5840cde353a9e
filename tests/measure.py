"""What a key costs, how quickly a cancel frees the engine, what the processes weigh. Prints a table.

    python -m tests.measure [--model PATH.gguf] [--runs 40]

Real processes, an isolated home, nothing asserted: these are figures for docs/measurements.md, and machines
differ. Everything is measured in one run, so the figures can be set against each other.
"""

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path

import psutil

from stardraftd.backends.llama_process import EngineProcess
from stardraftd.client import DaemonClient
from stardraftd.paths import builtin_model_path
from stardraftd.protocol.completion import Completion, Done, Figures, Plan, Text
from stardraftd.protocol.engine import EngineSettings
from tests.support.editor import editing, start_server
from tests.support.home import isolated_home, processes_of

FUNCTION = "def function_{0}(alpha, beta):\n    return alpha * {0} + beta\n\n\n"
BEGUN = "class Shelf:\n    def __init__(self, items):\n        self."
PATIENCE_S = 300.0  # for a cold prompt of a large model on a small machine
TYPED = "    result = compute_total(items, key=lambda item: item.price)"


def document(n_functions: int, first: int = 0) -> str:
    return "".join(FUNCTION.format(number) for number in range(first, first + n_functions))


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"median {statistics.median(ordered):.2f}, p95 {ordered[int(len(ordered) * 0.95)]:.2f}"


async def measure_cancel(model: str, runs: int) -> None:
    engine = await EngineProcess.start(lambda _event: None)
    await engine.load(EngineSettings(model_path=model))
    token_ms, prefill, decode = [], [], []
    for run in range(runs):
        moments: list[float] = []
        ids: list[int] = []
        prompt = Completion(
            document=str(run % 3), prefix=document(80, run * 100) + BEGUN, mode="free", max_tokens=200
        )
        async for event in engine.complete(prompt, ids.append):
            if isinstance(event, Plan) and run % 2 == 0:
                engine.cancel(ids[0], "cancelled")
                moments.append(time.perf_counter())
            if isinstance(event, Text) and not moments:
                engine.cancel(ids[0], "cancelled")
                moments.append(time.perf_counter())
            if isinstance(event, Done) and moments:
                (prefill if run % 2 == 0 else decode).append((time.perf_counter() - moments[0]) * 1000)
    async for event in engine.complete(
        Completion(document="t", prefix=document(80) + BEGUN, mode="free", max_tokens=64), lambda _id: None
    ):
        if isinstance(event, Done) and event.figures and event.figures.n_decoded > 1:
            token_ms.append(event.figures.decode_ms / (event.figures.n_decoded - 1))
    await engine.close()
    print(f"one token                     {token_ms[0]:.2f} ms" if token_ms else "one token: none generated")
    print(f"cancel in prefill to free     {spread(prefill)} ms ({len(prefill)} runs)")
    print(f"cancel in decoding to free    {spread(decode)} ms ({len(decode)} runs)")


async def measure_keys(client: DaemonClient, home: dict[str, str], n_functions: int) -> None:
    """Types a line into a large file through the language server, one key and one request at a time."""
    uri = "file:///demo/large.py"
    before, behind = document(n_functions), document(n_functions, 10_000)
    evaluated, own_ms, total_ms = [], [], []
    async with editing(home, start=start_server) as editor:
        await editor.until_told("stardraft/status", lambda report: report["model"])
        editor.open(uri, before + "\n" + behind)
        line = before.count("\n")
        await editor.answer(editor.ask(uri, line, 0), PATIENCE_S)
        for column, key in enumerate(TYPED):
            editor.insert(uri, line, column, key)
            n_before = (await client.status()).completed
            started = time.perf_counter()
            await editor.answer(editor.ask(uri, line, column + 1), PATIENCE_S)
            wall_ms = (time.perf_counter() - started) * 1000
            status = await client.status()
            if status.completed == n_before or status.last_figures is None:
                continue  # the key was served without the model
            figures: Figures = status.last_figures
            evaluated.append(float(figures.n_evaluated))
            own_ms.append(wall_ms - figures.total_ms)
            total_ms.append(wall_ms)
        print(f"document                      {len(before) + len(behind):,} bytes")
        print(f"keys that asked the model     {len(evaluated)} of {len(TYPED)}")
        print(f"tokens evaluated per key      {spread(evaluated)} of {figures.n_prompt} in the prompt")
        print(f"key to the whole suggestion   {spread(total_ms)} ms")
        print(f"of it not the engine's        {spread(own_ms)} ms (language server, HTTP, daemon, pipes)")
        for process in processes_of(home):
            command = " ".join(process.cmdline())
            name = next(
                (n for n in ("stardraftd.engine", "stardraftd.serving.process", "lsp") if n in command), ""
            )
            if name:
                print(f"resident, {name:<20}{process.memory_info().rss / 1e6:.0f} MB")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default=str(builtin_model_path()))
    arguments.add_argument("--runs", type=int, default=40)
    given = arguments.parse_args()
    model = str(Path(given.model).absolute())
    print(f"model                         {Path(model).name}, {psutil.cpu_count()} CPUs")
    asyncio.run(measure_cancel(model, given.runs))
    with isolated_home() as home:
        home["STARDRAFT_MODEL_PATH"] = model
        home["STARDRAFT_EDITOR_CONFIDENCE"] = "false"  # a suggestion that is cut at once costs nothing
        os.environ.update({name: value for name, value in home.items() if name.startswith("STARDRAFT_")})

        async def keys() -> None:
            async with DaemonClient("measure") as client:
                await measure_keys(client, home, 800)

        asyncio.run(keys())


if __name__ == "__main__":
    main()
