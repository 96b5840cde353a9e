"""The figures in the documents can be had: their commands run, on a tiny model, and print the rows quoted."""

import re
import shlex
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("llama_cpp", reason='the engine is not installed: pip install "stardraft[engine]"')

from stardraft_quant.bench.typing.traces import encode_trace
from stardraft_quant.bench.typing.typist import make_trace
from stardraft_quant.synthesize import synthesize
from stardraftd.models.catalogue import Shape
from tests.cli.program import stardraft
from tests.support.home import isolated_home
from tests.support.llama_bench import StandIn
from tests.support.llama_server import write_program
from tests.support.tiny_models import random_model

ROOT = Path(__file__).parents[2]
PERFORMANCE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
TINY = Shape("tiny", 2, 256, 512, 4, 2, 4096, 10000.0)
BEFORE = (
    "import sys\n\n\ndef first(items):\n    return items[0]\n\n\ndef last(items):\n    return items[-1]\n"
)
AFTER = BEFORE.replace("import sys\n", "import sys\nfrom os import (path)\n") + "\nlast = last\n"


def commands(text: str) -> list[list[str]]:
    """What the first listing says to type, word by word."""
    listing = text.partition("```sh\n")[2].partition("```")[0].replace("\\\n", " ")
    return [words for line in listing.splitlines() if (words := shlex.split(line, comments=True))]


def first_cells(section: str) -> list[tuple[str, ...]]:
    """The rows of a section's first table: their cells."""
    text = PERFORMANCE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    table = re.search(r"(?:^\|.*\|$\n)+", text, re.MULTILINE)
    assert table is not None
    rows = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in table[0].splitlines()]
    return [rows[0], *rows[2:]]


def documented(*begins: str) -> list[str]:
    (found,) = (one for one in commands(PERFORMANCE) if one[: len(begins)] == list(begins))
    return found


def run(words: list[str], places: dict[str, Path]) -> str:
    """What a documented command prints, with files of this test in place of those that it names."""
    filled = [
        re.sub(r"[^=]+\Z", lambda found: str(places.get(found[0], found[0])), word) for word in words[1:]
    ]
    with isolated_home() as home:
        done = stardraft({**home, "COLUMNS": "200"}, *filled)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each file that the documented commands name, a small one."""
    folder = tmp_path_factory.mktemp("documented")
    model, trace = folder / "tiny.gguf", folder / "short.json"
    synthesize(TINY, "Q4_K_M", model, tokenizer_from=random_model())
    made = make_trace(BEFORE, AFTER, "short", 3)
    without_pauses = tuple(msgspec.structs.replace(event, t_ms=0) for event in made.events)
    trace.write_bytes(encode_trace(msgspec.structs.replace(made, events=without_pauses)))
    return {
        "/tmp/3b.gguf": model,
        "lines": trace,
        "/path/to/llama-server": write_program(folder),
        "/path/to/llama-bench": StandIn(folder).path,
    }


def test_the_typing_table_can_be_had_by_its_command_and_both_sides_do_the_same(
    places: dict[str, Path],
) -> None:
    printed = run(documented("stardraft", "bench", "typing"), places)
    (_, *sides), *rows = first_cells("Typing")
    heads = next(line for line in printed.splitlines() if "llama-server / ours" in line)
    assert re.split(r"\s{2,}", heads.strip()) == sides
    values = {
        cells[0]: cells[1:]
        for line in printed.splitlines()
        if len(cells := re.split(r"\s{2,}", line.strip())) > 2
    }
    for name, *_ in rows:
        assert name in values, printed
    assert values["decoded per answer of the model"] == ["8.0 tokens", "8.0 tokens", "1.00x"]
    assert "other programs kept busy" in values
    assert "No ratio" not in printed
    for name, _ours, _theirs, ratio in rows:
        ours = values[name][0]
        assert not ratio or ours.startswith(("0.0 ", "-")) or values[name][2].endswith("x"), (
            f"{name}: no ratio"
        )


def test_the_speed_table_can_be_had_by_its_command(places: dict[str, Path]) -> None:
    printed = run(documented("stardraft", "bench", "speed"), places)
    (_, _, *heads), *rows = first_cells("Speed")
    for head in heads:
        assert head.removesuffix(", tokens/s") in printed
    for depth, what, *_ in rows:
        assert re.search(rf"^ *{depth} +{what} ", printed, re.MULTILINE), printed
