"""`stardraft eval ...`: what suggestions are worth, counted.

    holes    lines of the user's own repository, with the end or all of them taken out
    dataset  the published fill-in-the-middle sets, when their files are given
    history  lines that a repository's commits added, asked of a real language server: a folder of its own

Tasks (`tasks`) are made by `holes` and `datasets`; `generate` runs a model over them through the engine that
suggests in the editor; `scores` counts; `report` and `chart` show. Programs run in `sandbox`. What a command
needs is imported when it runs.
"""

from stardraft_quant.evaluate.cli import evaluate

__all__ = ["evaluate"]
