"""`stardraft model plan` as a user runs it: a table of 100 columns, the advice, JSON, and clear errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stardraftd.engine.plan.speeds import SpeedModel, remember
from stardraftd.models.plan import published
from stardraftd.paths import builtin_model_path
from tests.support.processes import run_to_end
from tests.support.tiny_models import write_hybrid_model

PROGRAM = """
import sys
import typer
from stardraftd.cli.model.plan import EXAMPLES, plan
from stardraftd.cli.output.errors import show
from stardraftd.errors import StardraftError
app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
app.command("plan", epilog=EXAMPLES)(plan)
try:
    sys.exit(app(standalone_mode=False))
except StardraftError as error:
    show(error)
    sys.exit(1)
"""


def run(home: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", PROGRAM, *arguments]
    return run_to_end(command, env={**home, "COLUMNS": "100"}, text=True, idle_s=60)


def test_the_table_fits_100_columns_and_marks_one_row_with_its_reason_and_command(
    home: dict[str, str],
) -> None:
    result = run(home)
    assert result.returncode in (0, 1), result.stderr
    lines = result.stdout.splitlines()
    assert all(len(line) <= 100 for line in lines if "stardraft model" not in line), result.stdout
    assert len([line for line in lines if "starcoder2-" in line and "Q4_K_M" in line]) >= 3
    marked = [line for line in lines if line.startswith("> ")]
    if result.returncode == 1:  # a computer without memory for any of them
        assert "Nothing fits" in result.stdout
        assert not marked
        return
    assert len(marked) == 1
    _, model, quantization, *_ = marked[0].split()
    assert f"Recommended: {model} in {quantization}" in result.stdout
    assert f"stardraft model pull {model} --quant {quantization}" in result.stdout


def test_the_words_tell_a_bound_from_a_measurement(home: dict[str, str]) -> None:
    assert "is a bound, not a measurement" in run(home, "--model", "starcoder2-3b").stdout
    size = next(published(("starcoder2-3b",))).file_bytes
    folder = Path(home["STARDRAFT_STATE_DIR"]) / "engine"
    speeds = SpeedModel([(1, 50.0)], cell_us=0.0)
    for gpu_layers in (0, 30):
        remember(folder / "speeds.json", f"3B|{size}|CPU|{gpu_layers}|2|f16|auto|512|x", speeds)
    shown = run(home, "--model", "starcoder2-3b").stdout
    assert "is measured here" in shown
    assert "=\N{NO-BREAK SPACE}20.0" in shown


def test_a_file_can_be_asked_about_and_json_has_every_number(home: dict[str, str]) -> None:
    result = run(home, "--model", str(builtin_model_path()), "--context", "4096", "--kv", "q8_0", "--json")
    assert result.returncode == 0, result.stderr
    read = json.loads(result.stdout)
    (row,) = read["rows"]
    assert row["quantization"] == "Q8_0"
    assert (row["context_tokens"], row["kv_type"]) == (4096, "q8_0")
    assert row["file_bytes"] == builtin_model_path().stat().st_size
    assert row["ram_bytes"] > row["file_bytes"]
    assert read["advised"] == 0
    assert read["command"].startswith("stardraft model use ")


def test_all_lists_every_context_and_cache_type(home: dict[str, str]) -> None:
    result = run(home, "--model", "starcoder2-3b", "--all", "--json")
    read = json.loads(result.stdout)
    asked = {(row["quantization"], row["context_tokens"], row["kv_type"]) for row in read["rows"]}
    assert len(asked) == 5 * 4 * 2


@pytest.mark.parametrize("model", ["starcoder3", "/nowhere/model.gguf"])
def test_a_model_that_is_not_there_is_one_sentence_and_what_to_do(home: dict[str, str], model: str) -> None:
    result = run(home, "--model", model)
    assert result.returncode == 1
    assert model in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_what_a_key_costs_is_told_of_each_model(home: dict[str, str], tmp_path: Path) -> None:
    hybrid = write_hybrid_model(tmp_path / "hybrid.gguf", vocabulary=320, layers=1)
    told = " ".join(run(home, "--model", str(hybrid), "--model", str(builtin_model_path())).stdout.split())
    assert "With tiny random hybrid a key costs the prompt: a recurrent model's cache cannot be cut." in told
    assert "With the others a key costs a token." in told
