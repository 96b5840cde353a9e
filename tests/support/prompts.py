"""The completions in tests/data/engine/prompts.toml."""

import tomllib
from pathlib import Path

import msgspec

from stardraftd.protocol.completion import Completion, ContextChunk, LayoutChoice

CASES_FILE = Path(__file__).parents[1] / "data/engine/prompts.toml"


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    prefix: str
    suffix: str = ""
    path: str = ""
    repository: str = ""
    chunks: tuple[ContextChunk, ...] = ()

    def completion(self, layout: LayoutChoice, *, max_tokens: int = 32) -> Completion:
        """The case as the engine is asked for it."""
        return Completion(
            document=f"{self.name} ({layout})",
            path=self.path,
            prefix=self.prefix,
            suffix=self.suffix,
            repository=self.repository,
            chunks=self.chunks,
            mode="free",
            layout=layout,
            max_tokens=max_tokens,
        )


def load_cases() -> list[Case]:
    with CASES_FILE.open("rb") as file:
        return msgspec.convert(tomllib.load(file)["case"], list[Case])
