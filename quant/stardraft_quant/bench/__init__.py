"""`stardraft bench ...`: what this computer makes of a model, measured.

    speed   tokens per second of the engine, beside llama-bench if wanted
    typing  recorded editing, replayed through the language server and the daemon

What a command needs is imported when it runs.
"""

from stardraft_quant.bench.cli import bench

__all__ = ["bench"]
