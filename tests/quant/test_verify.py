"""`stardraft quant verify`: its figures against their definitions and llama.cpp's own, and its manners."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason='install it with pip install "stardraft[quant]"')
pytest.importorskip("llama_cpp", reason='install it with pip install "stardraft[engine]"')

import llama_cpp
import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from msgspec.structs import replace
from rich.console import Console

from stardraft_quant.code.files import code_files
from stardraft_quant.verify.measure import Estimate, compare, estimate, join, summarise
from stardraft_quant.verify.reference_file import ReferenceFile
from stardraft_quant.verify.report import VERDICTS, WORST, render, verdict, with_error
from stardraft_quant.verify.rows import examples_of, text_rows
from stardraft_quant.verify.verification import Options, Report, verify
from stardraftd.engine.native import backend, llama
from stardraftd.errors import ModelError, ModelNotFoundError, PathError, RequestError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from tests.cli.program import stardraft
from tests.support.llama_cpp import tool
from tests.support.processes import finish
from tests.support.tiny_models import BUILT_IN, rewrite, write_dequantized, write_tiny_model
from tests.support.waiting import wait_until

CODE = Path(__file__).parents[2] / "daemon" / "stardraftd"
TEXT = CODE / "serving" / "scheduler.py"
N_CTX = 128


def verify_command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return stardraft({**os.environ, **environment}, "quant", "verify", *map(str, arguments))


def options(**changes: object) -> Options:
    given = {"models": (BUILT_IN,), "reference": BUILT_IN, "n_ctx": N_CTX, "n_rows": 2, "threads": 1}
    return Options(**{**given, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def original(folder: Path) -> Path:
    """The built-in model in F32."""
    return write_dequantized(folder / "F32.gguf")


@pytest.fixture(scope="module")
def q4(folder: Path, original: Path) -> Path:
    """The same as Q4_K_M, by llama.cpp's own quantizer."""
    backend.open_backend()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
    params.nthread = 1
    path = folder / "Q4_K_M.gguf"
    assert llama_cpp.llama_model_quantize(str(original).encode(), str(path).encode(), params) == 0
    return path


@pytest.fixture(scope="module")
def report(original: Path, q4: Path) -> Report:
    """Q8_0 and Q4_K_M against F32 over a text."""
    return verify(options(models=(BUILT_IN, q4), reference=original, text=TEXT, n_rows=8))


# --- the formulas ----------------------------------------------------------------------------------------

LOGITS = arrays(np.float32, (3, 7), elements=st.floats(-40, 40, width=32))


def probabilities(logits: Sequence[float]) -> list[float]:
    weights = [math.exp(logit) for logit in logits]
    return [weight / math.fsum(weights) for weight in weights]


@given(reference=LOGITS, logits=LOGITS)
def test_a_token_is_scored_by_the_definitions(reference: np.ndarray, logits: np.ndarray) -> None:
    targets = [0, 3, 6]
    scores = compare(reference, logits, targets)
    for row, target in enumerate(targets):
        p, q = probabilities(reference[row].tolist()), probabilities(logits[row].tolist())
        kl = math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert scores.kl[row] == pytest.approx(kl, rel=1e-9, abs=1e-12)
        assert scores.loss[row] == pytest.approx(-math.log(q[target]), rel=1e-9, abs=1e-12)
        assert scores.reference_loss[row] == pytest.approx(-math.log(p[target]), rel=1e-9, abs=1e-12)
        assert scores.same_top[row] == (reference[row].argmax() == logits[row].argmax())


@given(reference=LOGITS, logits=LOGITS)
def test_the_divergence_is_never_below_zero_and_of_itself_it_is_zero(
    reference: np.ndarray, logits: np.ndarray
) -> None:
    assert compare(reference, logits, [0, 0, 0]).kl.min() >= -1e-12
    assert not compare(reference, reference, [0, 0, 0]).kl.any()


def test_neither_great_logits_nor_many_tokens_overflow() -> None:
    random = np.random.default_rng(1)
    logits = (random.standard_normal((70, 1000)) * 10 + 5e4).astype(np.float32)
    scores = compare(logits, logits[:, ::-1].copy(), np.arange(70))
    assert len(scores.kl) == 70
    assert np.isfinite(scores.kl).all()
    one_by_one = [compare(logits[i : i + 1], logits[i : i + 1, ::-1].copy(), [i]) for i in range(70)]
    assert np.allclose(join(one_by_one).kl, scores.kl, rtol=1e-12)


def test_an_error_is_that_of_the_mean() -> None:
    assert estimate(np.array([1.0, 2.0, 3.0, 4.0])) == Estimate(2.5, pytest.approx(math.sqrt(5 / 3) / 2))
    assert estimate(np.array([5.0])) == Estimate(5.0, 0.0)


def test_a_ratios_error_is_that_of_the_paired_losses() -> None:
    """Losses that vary widely but together leave no doubt about their ratio."""
    reference = np.zeros((50, 3), np.float32)
    reference[:, 0] = np.linspace(-8, 8, 50)
    shifted = summarise(compare(reference, reference, [0] * 50))
    assert shifted.perplexity_ratio == Estimate(1.0, 0.0)
    assert shifted.perplexity.error > 0.1
    assert shifted.perplexity == shifted.reference_perplexity


# --- the figures -----------------------------------------------------------------------------------------


def test_a_model_does_not_differ_from_itself() -> None:
    divergence = verify(options(text=TEXT)).models[0].divergence
    assert divergence.n_tokens == 2 * (N_CTX // 2 - 1)
    assert divergence.kl == Estimate(0.0, 0.0)
    assert set(divergence.kl_quantiles.values()) == {0.0}
    assert divergence.same_top == divergence.perplexity_ratio == Estimate(1.0, 0.0)
    assert divergence.probability_change_rms == Estimate(0.0, 0.0)


def test_coarser_weights_diverge_more(report: Report) -> None:
    q8, q4 = (one.divergence for one in report.models)
    assert 0 < q8.kl.value < q4.kl.value / 10
    assert q8.kl_quantiles[0.99] < q4.kl_quantiles[0.99] < q4.kl_quantiles[1.0]
    assert q8.same_top.value > q4.same_top.value
    assert q8.probability_change_rms.value < q4.probability_change_rms.value
    assert q8.reference_perplexity == q4.reference_perplexity
    assert [one.model.type for one in report.models] == ["Q8_0", "Q4_K_M"]
    assert report.reference.bits_per_weight == pytest.approx(32, abs=0.01)
    assert report.models[0].model.bits_per_weight == pytest.approx(8.5, abs=0.05)


PRINTED = {  # what llama-perplexity calls it
    "kl": r"Mean +KLD",
    "perplexity": r"Mean PPL\(Q\) ",
    "perplexity_ratio": r"Mean PPL\(Q\)/PPL\(base\)",
    "probability_change": r"Mean +Δp",
    "probability_change_rms": r"RMS Δp",
    "same_top": r"Same top p",
}


def test_it_agrees_with_llama_perplexity(report: Report, original: Path, q4: Path, tmp_path: Path) -> None:
    """On the same text, within the errors that it prints, for every figure that both have."""
    program, base = tool("llama-perplexity"), tmp_path / "base"
    flags = ["-c", str(N_CTX), "-t", "1", "-fa", "off", "--kl-divergence-base", str(base)]

    def run(*arguments: object) -> str:
        done = subprocess.run([program, *flags, *map(str, arguments)], capture_output=True, check=True)
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    run("-m", original, "-f", TEXT, "--chunks", report.n_rows)
    printed = run("-m", q4, "--kl-divergence")
    ours = report.models[1].divergence
    for name, theirs in PRINTED.items():
        found = re.search(rf"{theirs} *: +(-?[\d.]+) ± +([\d.]+)( %)?", printed)
        assert found is not None, printed
        per = 100 if found[3] else 1
        value, error = float(found[1]) / per, float(found[2]) / per
        mine: Estimate = getattr(ours, name)
        assert mine.value == pytest.approx(value, abs=error), name
        assert mine.error == pytest.approx(error, rel=0.15, abs=1e-5), name


def test_a_text_is_cut_as_llama_perplexity_cuts_it(tmp_path: Path) -> None:
    (file := tmp_path / "text").write_text("one two three four five six seven\n" * 5)
    backend.open_backend()
    with llama.Model(BUILT_IN) as model:
        ids = model.tokenize(file.read_bytes().removesuffix(b"\n")).tolist()
        assert text_rows(model, file, 99, 16) == [ids[i : i + 16] for i in range(0, len(ids) - 15, 16)]
        assert text_rows(model, file, 1, 16) == [ids[:16]]
        with pytest.raises(RequestError, match="tokens"):
            text_rows(model, file, 1, len(ids) + 1)


def test_a_beginning_that_a_vocabulary_wants_stands_in_each_rows_first_place(tmp_path: Path) -> None:
    starts = rewrite(
        write_tiny_model(tmp_path / "tiny.gguf", vocabulary=400, hidden=32, ffn=32, heads=1),
        tmp_path / "starts.gguf",
        lambda writer: writer.add_add_bos_token(True),
    )
    (file := tmp_path / "text").write_text("one two three four five six seven " * 8)
    backend.open_backend()
    with llama.Model(starts) as model:
        ids = [0, *model.tokenize(file.read_bytes()).tolist()]
        assert text_rows(model, file, 2, 16) == [ids[:16], [0, *ids[17:32]]]


# --- code ------------------------------------------------------------------------------------------------


def test_code_is_read_in_fill_in_the_middle_form_and_lines_are_finished(original: Path) -> None:
    told: list[tuple[str, int, int]] = []
    report = verify(options(reference=original, places=(CODE,), n_lines=2), lambda *step: told.append(step))
    assert (report.text, report.n_rows, report.n_lines) == ("code", 2, 2)
    assert report.n_files == len(code_files([CODE]))
    assert set(report.reference.lines) == set(report.models[0].model.lines) == {"psm", "spm"}
    assert told[-1] == (BUILT_IN.name, 12, 12)  # of each model two rows, and two lines in two layouts
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_the_same_seed_reads_the_same_code() -> None:
    def perplexity(seed: int) -> float:
        return verify(options(places=(TEXT,), n_rows=1, seed=seed)).models[0].divergence.perplexity.value

    assert perplexity(1) == perplexity(1) != perplexity(2)


def test_a_vocabulary_without_separators_is_asked_in_plain_psm() -> None:
    tokens = fim_tokens(read_header(BUILT_IN))
    without = replace(tokens, separator=None, repository=None)
    examples = examples_of(code_files([TEXT]), lambda text: [ord(c) + 1000 for c in text], without)
    ids = [one for row in examples.batch(0, 0, 8, 512) for one in row]
    assert {one for one in ids if one < 1000} == {
        tokens.prefix, tokens.suffix, tokens.middle, tokens.end_of_text,
    }  # fmt: skip
    after_prefix = [ids[i + 1] for i, one in enumerate(ids[:-1]) if one == tokens.prefix]
    assert after_prefix
    assert tokens.suffix not in after_prefix  # which would be SPM


# --- what is refused -------------------------------------------------------------------------------------


def test_other_vocabularies_are_refused(tmp_path: Path) -> None:
    smaller = write_tiny_model(tmp_path / "smaller.gguf", vocabulary=400, hidden=32, ffn=32, heads=1)
    with pytest.raises(ModelError, match=r"400 tokens.*49,152"):
        verify(options(models=(smaller,), text=TEXT))
    renamed = write_tiny_model(tmp_path / "renamed.gguf", hidden=32, ffn=32, heads=1, fim=False)
    with pytest.raises(ModelError, match="another token 1"):
        verify(options(models=(renamed,), text=TEXT))


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({}, RequestError, "nothing to read"),
        ({"text": TEXT, "places": (CODE,)}, RequestError, "twice"),
        ({"text": TEXT, "n_lines": 3}, RequestError, "source code"),
        ({"text": TEXT, "n_ctx": 4096}, RequestError, "2,048 positions"),
        ({"text": Path("no-such-text")}, PathError, "no-such-text"),
        ({"text": TEXT, "models": (Path("no-such.gguf"),)}, ModelNotFoundError, "no-such.gguf"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_reason(
    changes: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        verify(options(**changes))


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    broken = write_tiny_model(tmp_path / "broken.gguf", hidden=32, ffn=32, heads=1)
    content = bytearray(broken.read_bytes())
    content[-128:] = b"\xff" * 128  # the last norm's bias, as NaN
    broken.write_bytes(content)
    with pytest.raises(ModelError, match="not a number"):
        verify(options(models=(broken,), text=TEXT))


# --- the reference's logits ------------------------------------------------------------------------------


def test_logits_are_kept_to_the_bit_and_can_be_read_again(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).standard_normal((7, 11)).astype(np.float32)
    with ReferenceFile(7, 11, tmp_path) as stored:
        stored.append(logits[:3])
        stored.append(logits[3:])
        for _ in range(2):
            stored.rewind()
            assert np.array_equal(np.concatenate([stored.read(5), stored.read(2)]), logits)
        with pytest.raises(IndexError):
            stored.read(1)
    assert not list(tmp_path.iterdir())


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(PathError, match="GB free"):
        ReferenceFile(10**12, 49_152, tmp_path)
    with pytest.raises(PathError, match="no-such-folder"):
        ReferenceFile(1, 1, tmp_path / "no-such-folder")


# --- what is shown ---------------------------------------------------------------------------------------


def test_a_person_reads_every_file_with_its_judgement(report: Report) -> None:
    console = Console(width=240)
    with console.capture() as captured:
        console.print(render(report))
    told = captured.get()
    for one in report.models:
        assert told.count(one.model.file) == 3  # in two tables, and in its sentence
        assert with_error(one.divergence.kl) in told
        assert verdict(one, report.reference) in " ".join(told.split("\n"))
    assert "F32.gguf" in told
    assert TEXT.name in told


def test_a_judgement_follows_the_divergence(report: Report) -> None:
    def judged(kl: float) -> str:
        one = report.models[0]
        return verdict(replace(one, divergence=replace(one.divergence, kl=Estimate(kl, 0.0))), one.model)

    steps = [*(limit * 0.99 for limit, _, _ in VERDICTS), 9.0]
    for kl, said in zip(steps, [*(said for _, said, _ in VERDICTS), WORST[0]], strict=True):
        assert said in judged(kl)
    unsure = replace(report.models[1].divergence, kl=Estimate(0.1, 0.09))
    assert "--rows" in verdict(replace(report.models[1], divergence=unsure), report.reference)


def test_a_figure_has_the_decimals_that_its_error_allows() -> None:
    assert with_error(Estimate(0.0123456, 0.00031)) == "0.01235 ± 0.00031"
    assert with_error(Estimate(56.789, 4.4)) == "56.8 ± 4.4"
    assert with_error(Estimate(1234.5, 44.0)) == "1234 ± 44"
    assert with_error(Estimate(0.5, 0.0)) == "0.5"


def test_the_command_writes_json_and_a_chart(q4: Path, original: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason='install it with pip install "stardraft[bench]"')
    done = verify_command(
        q4, BUILT_IN, "--against", original, "--text", TEXT, "--n-ctx", N_CTX, "--rows", 2, "--threads", 1,
        "--json", tmp_path / "kl.json", "--chart", tmp_path / "kl.svg", "--fail-above", 9,
        TMPDIR=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "is practically the same model as F32.gguf" in done.stdout
    written = msgspec.json.decode((tmp_path / "kl.json").read_bytes(), type=Report)
    assert [one.model.file for one in written.models] == [q4.name, BUILT_IN.name]
    assert "<svg" in (tmp_path / "kl.svg").read_text("utf-8")
    assert {file.name for file in tmp_path.iterdir()} == {"kl.json", "kl.svg"}


def test_a_file_above_the_limit_fails_the_command(q4: Path, original: Path) -> None:
    done = verify_command(
        q4, "--against", original, "--text", TEXT, "--n-ctx", 64, "--rows", 1, "--threads", 1,
        "--json", "-", "--fail-above", 0.0001,
    )  # fmt: skip
    assert done.returncode == 1
    assert "above 0.0001" in done.stderr
    assert json.loads(done.stdout)["models"][0]["divergence"]["kl"]["value"] > 0.0001


def test_without_a_file_to_verify_it_says_what_to_name() -> None:
    done = verify_command(CODE, "--against", BUILT_IN)
    assert done.returncode == 2
    assert ".gguf" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "kl.json"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "stardraftd", "quant", "verify", BUILT_IN, "--against", BUILT_IN, CODE,
            "--rows", "5000", "--n-ctx", "64", "--threads", "1", "--json", out,
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:

        def stored_bytes() -> int:
            size = 0
            for file in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    size += file.stat().st_size if str(tmp_path) in str(file.readlink()) else 0
            return size

        try:
            wait_until(lambda: stored_bytes() > 0, what="the reference's logits")
            process.send_signal(signal.SIGINT)
            said = finish(process).stderr
        finally:
            process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert not list(tmp_path.iterdir())
