"""`python -m stardraftd.engine.selftest [--json]`: whether llama.cpp computes what it should here.

It runs in the process with llama.cpp, so it may die of what it looks for: `stardraftd.proof.verdict` starts
it, and says what its death means. The built-in model is evaluated in batches of several sizes, by one thread
and by as many as the engine would use, on the CPU and on the GPU if there is one; it decodes, aborts, saves
and restores. After that one tiny model for each type of weights (selftest_kernels.py). Logits are compared
with those of the reference implementation, transformers' Starcoder2, in selftest_reference.npz, which
`python -m tests.make_selftest_reference` makes.
"""

import dataclasses
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stardraftd.console.prose import counted
from stardraftd.engine.selftest_report import AT_WORK, Check, Report
from stardraftd.errors import StardraftError
from stardraftd.protocol.engine import EngineSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stardraftd.engine.native.llama import AbortFlag, Context, Model
    from stardraftd.engine.selftest_kernels import WeightType

REFERENCE_FILE = "selftest_reference.npz"
BUILT_IN = "stardraft-tiny-Q8_0.gguf"
BATCHES = (1, 2, 7, 33, 512)
KERNEL_BATCHES = (1, 2, 7, 33)
N_CELLS = 1024
N_GREEDY = 12
# Where the prompt is cut for what goes on after a cached beginning.
N_CACHED = 256
N_DROPPED = 32
ABORT_AFTER_S = 0.002

# How far logits may be from the reference's, in standard deviations of a position's logits: r.m.s., and the
# greatest. llama.cpp rounds each layer's input to 8 bits; tests/engine/test_reference.py has bounds like
# these. Seen on a processor with AVX-512: r.m.s. at most 0.045, greatest 0.15.
ROOT_MEAN_SQUARE = 0.1
GREATEST = 0.4
# An 8-bit cache, and half precision on a GPU, round more.
COARSE = 2.0
# One layer alone rounds less: seen there are 0.020 and 0.08.
FINE = 0.5
# A greedy choice may go the other way where the reference's margin is below this; in logits.
MARGIN = 0.3


@dataclasses.dataclass(frozen=True)
class Reference:
    """Logits of the reference at some `positions` of a text and for some token ids, the `columns`.

    logits: (positions, columns). spread: (positions,), the standard deviation of all logits there.
    """

    positions: "NDArray[np.int64]"
    columns: "NDArray[np.int64]"
    logits: "NDArray[np.float32]"
    spread: "NDArray[np.float32]"


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the data file holds: of the built-in model the text with its token ids and a greedy continuation
    of the first `n_read` tokens, with the margins of its choices; and the references, by name."""

    text: bytes
    ids: "array[int]"
    n_read: int
    greedy: list[int]
    margins: list[float]
    references: dict[str, Reference]


class CheckError(Exception):
    """What was computed is not what it should be; the text says what was seen."""


class SelfTest:
    """Tries things, one by one, and keeps what came of them."""

    def __init__(self, on_check: Callable[[str], None]) -> None:
        self._on_check = on_check
        self.checks: list[Check] = []
        self.device = "CPU"

    def check(self, name: str, work: Callable[[], str]) -> None:
        """`work` returns what it saw, or raises CheckError; an error of llama.cpp's is one as well."""
        from stardraftd.engine.native.llama import Aborted, DecodeError

        self._on_check(f"{self.device}: {name}")
        started = time.perf_counter()
        ok = False
        try:
            detail = work()
            ok = True
        except CheckError as error:
            detail = str(error)
        except Aborted:
            detail = "the decode was given up, though nobody asked for that"
        except (DecodeError, StardraftError) as error:
            detail = str(error)
        self.checks.append(Check(name, ok, detail, _since(started), self.device))

    # --- the built-in model ----------------------------------------------------------------------

    def built_in(self, expected: Expected, gpu_layers: int) -> None:
        """The built-in model on one device, through the engine's own loader."""
        from stardraftd.engine.native.devices import physical_cores
        from stardraftd.engine.native.llama import AbortFlag, Context
        from stardraftd.engine.native.loading import load

        abort = AbortFlag()
        settings = EngineSettings(
            model_path=str(resources.files("stardraftd").joinpath("models", BUILT_IN)),
            gpu_layers=gpu_layers,
            context_tokens=N_CELLS,
            batch_tokens=max(BATCHES),
        )
        self._on_check(f"{self.device}: loading the built-in model")
        with closing(load(settings, abort, lambda _name, _fraction: None)) as loaded:
            if gpu_layers and loaded.info.gpu_layers == 0:
                warning = loaded.warnings[0] if loaded.warnings else "llama.cpp left it on the CPU"
                self.checks.append(Check("offloading the built-in model", False, warning, 0.0, self.device))
                return
            self.check("splitting text into tokens", lambda: _tokenises(loaded.model, expected))
            self._evaluations(loaded.context, expected, counted(loaded.context.n_threads, "thread"))
            self.check("choosing tokens", lambda: _chooses(loaded.context, expected))
            self.check("giving up", lambda: _gives_up(loaded.context, abort, expected, bool(gpu_layers)))
            self.check("saving and restoring", lambda: _restores(loaded.context, expected))
            opened = partial(
                Context, loaded.model, n_cells=N_CELLS, n_batch=max(BATCHES), n_micro_batch=max(BATCHES)
            )
            if physical_cores() > 1 and not gpu_layers:
                with opened(n_threads=1, flash_attention="off") as context:
                    self._evaluations(context, expected, "1 thread")
            with opened(n_threads=physical_cores(), flash_attention="on", kv_type="q8_0") as context:
                self.check(
                    "flash attention over an 8-bit cache",
                    lambda: _evaluates(context, expected.ids[:33], expected.references["built_in"], COARSE),
                )

    def _evaluations(self, context: "Context", expected: Expected, by: str) -> None:
        reference, ids = expected.references["built_in"], expected.ids
        coarse = 1.0 if self.device == "CPU" else COARSE
        for n in BATCHES:
            self.check(f"a batch of {n}, {by}", partial(_evaluates, context, ids[:n], reference, coarse))
        self.check(f"batches after a cached beginning, {by}", lambda: _goes_on(context, expected, coarse))

    # --- each type of weights --------------------------------------------------------------------

    def kernels(self, expected: Expected, folder: Path, gpu_layers: int) -> None:
        """A model for each type of weights: what the built-in one, which is Q8_0, says nothing of."""
        from stardraftd.engine.selftest_kernels import WEIGHT_TYPES

        for kind in WEIGHT_TYPES:
            work = partial(self._kernel, kind, expected, folder, gpu_layers)
            self.check(f"weights in {kind.name}", work)

    def _kernel(self, kind: "WeightType", expected: Expected, folder: Path, gpu_layers: int) -> str:
        from stardraftd.engine.native.llama import Context, Model
        from stardraftd.engine.selftest_kernels import kernel_tokens, write_kernel_model

        path = write_kernel_model(folder / f"{kind.name}.gguf", kind)
        tokens = array("i", kernel_tokens())
        reference = expected.references[kind.name]
        with (
            Model(path, gpu_layers=gpu_layers, use_mmap=False) as model,
            Context(
                model,
                n_cells=256,
                n_batch=max(KERNEL_BATCHES),
                n_micro_batch=max(KERNEL_BATCHES),
                n_threads=1,  # several are tried above, and wait for each other on a busy computer
                flash_attention="off",
            ) as context,
        ):
            coarse = 1.0 if gpu_layers else FINE
            seen = [_evaluates(context, tokens[:n], reference, coarse) for n in KERNEL_BATCHES]
        path.unlink()
        return seen[-1]


def run(on_check: Callable[[str], None] = lambda _name: None) -> Report:
    """The whole self-test. `on_check` gets each check's name before it is made."""
    from stardraftd.engine.worker import open_engine

    started = time.perf_counter()
    on_check("opening llama.cpp")
    try:
        open_engine()
    except StardraftError as error:
        return Report(ok=False, error=error.code, message=error.message, hint=error.hint)
    import llama_cpp

    from stardraftd.engine.native import backend
    from stardraftd.engine.native.devices import offload_devices

    tests, expected = SelfTest(on_check), read_expected()
    gpus = offload_devices()
    with tempfile.TemporaryDirectory(prefix="stardraft-selftest-") as folder:
        for name, gpu_layers in [("CPU", 0), *((gpu.name, -1) for gpu in gpus[:1])]:
            if tests.checks and not all(check.ok for check in tests.checks):
                break  # so that a death on the GPU says that the CPU was in order
            tests.device = name
            tests.built_in(expected, gpu_layers)
            tests.kernels(expected, Path(folder), gpu_layers)
    return Report(
        ok=all(check.ok for check in tests.checks),
        checks=tuple(tests.checks),
        llama_cpp_version=llama_cpp.__version__,
        system_info=backend.system_info(),
        ms=_since(started),
    )


def read_expected() -> Expected:
    """The data file, which is a part of the package."""
    import numpy as np

    file = resources.files("stardraftd.engine").joinpath(REFERENCE_FILE)
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        references = {
            name: Reference(
                data[f"{name}.positions"],
                data[f"{name}.columns"],
                data[f"{name}.logits"].astype(np.float32),
                data[f"{name}.spread"],
            )
            for name in {file.partition(".")[0] for file in data.files if "." in file}
        }
        return Expected(
            data["text"].tobytes(),
            array("i", data["ids"].tolist()),
            int(data["n_read"]),
            data["greedy"].tolist(),
            data["margins"].tolist(),
            references,
        )


def _tokenises(model: "Model", expected: Expected) -> str:
    if model.tokenize(expected.text) != expected.ids:
        raise CheckError("the text was split into other tokens than StarCoder2's tokenizer makes of it")
    return f"{counted(len(expected.ids), 'token')}"


def _evaluates(context: "Context", ids: "array[int]", reference: Reference, coarse: float = 1.0) -> str:
    """All of `ids` in one batch, with nothing in the cache."""
    context.clear()
    context.decode(ids, 0, 0, all_logits=True)
    return _compare(context, 0, len(ids), reference, coarse)


def _goes_on(context: "Context", expected: Expected, coarse: float) -> str:
    """The end of the cache is dropped, and evaluated again in batches of all sizes but the greatest."""
    ids, seen = expected.ids, ""
    context.clear()
    context.decode(ids[: N_CACHED + N_DROPPED], 0, 0)
    context.remove(0, N_CACHED)
    start = N_CACHED
    for n in sorted(BATCHES)[:-1]:
        context.decode(ids[start : start + n], start, 0, all_logits=True)
        seen = _compare(context, start, n, expected.references["built_in"], coarse) or seen
        start += n
    return seen


def _compare(context: "Context", start: int, n: int, reference: Reference, coarse: float) -> str:
    """The last decode's logits of positions from `start` on, beside the reference's. Raises CheckError."""
    import numpy as np

    rows = np.flatnonzero((reference.positions >= start) & (reference.positions < start + n))
    if not len(rows):
        return ""
    worst, total, spread_off = 0.0, 0.0, 0.0
    for row in rows:
        logits = context.logits(int(reference.positions[row]) - start)
        spread = float(reference.spread[row])
        off = (logits[reference.columns] - reference.logits[row]) / spread
        worst = max(worst, float(np.abs(off).max()))
        total += float(np.mean(off**2))
        spread_off = max(spread_off, abs(float(logits.std()) / spread - 1))
        if not np.isfinite(logits).all():
            raise CheckError("logits are not numbers")
    root_mean_square = (total / len(rows)) ** 0.5
    seen = f"r.m.s. {root_mean_square:.3f}, greatest {worst:.2f} from the reference"
    if max(root_mean_square, spread_off) > ROOT_MEAN_SQUARE * coarse or worst > GREATEST * coarse:
        allowed = f"{ROOT_MEAN_SQUARE * coarse:.2f} and {GREATEST * coarse:.1f}"
        raise CheckError(f"wrong numbers: {seen}, where {allowed} are allowed (in standard deviations)")
    return seen


def _chooses(context: "Context", expected: Expected) -> str:
    """Greedy decoding, up to the first choice that rounding may turn over."""
    context.clear()
    context.decode(expected.ids[: expected.n_read], 0, 0)
    n_same = 0
    for want, margin in zip(expected.greedy, expected.margins, strict=True):
        if margin < MARGIN:
            break
        got = int(context.logits(-1).argmax())
        if got != want:
            raise CheckError(f"token {n_same + 1} of the continuation is {got}; the reference's is {want}")
        n_same += 1
        context.decode(array("i", [got]), expected.n_read + n_same - 1, 0)
    return f"{counted(n_same, 'token')} as the reference chooses them"


def _gives_up(context: "Context", abort: "AbortFlag", expected: Expected, on_gpu: bool) -> str:
    """An abort before a decode, and one in the middle of it; what is evaluated after that is right again.

    A GPU does not look at the flag inside a decode.
    """
    from stardraftd.engine.native.llama import Aborted

    n_aborted = 0
    for delay_s in (0.0, ABORT_AFTER_S):
        context.clear()
        timer = threading.Timer(delay_s, abort.raise_)
        if delay_s:
            timer.start()
        else:
            abort.raise_()
        try:
            context.decode(expected.ids[: max(BATCHES)], 0, 0)
        except Aborted:
            n_aborted += 1
        finally:
            if delay_s:
                timer.cancel()
                timer.join()
            abort.lower()
    if not n_aborted and not on_gpu:
        raise CheckError("a decode went on to its end, though it was to be given up")
    return _evaluates(context, expected.ids[:33], expected.references["built_in"], COARSE if on_gpu else 1.0)


def _restores(context: "Context", expected: Expected) -> str:
    """A sequence is saved, the cache cleared, the sequence restored, and gone on with."""
    context.clear()
    context.decode(expected.ids[:N_CACHED], 0, 0)
    state = context.save_sequence(0)
    context.clear()
    if not context.restore_sequence(0, state):
        raise CheckError("llama.cpp refuses the state of a sequence that it saved itself")
    context.decode(expected.ids[N_CACHED : N_CACHED + 1], N_CACHED, 0, all_logits=True)
    seen = _compare(context, N_CACHED, 1, expected.references["built_in"], COARSE)
    return f"{counted(len(state), 'byte')}; {seen}"


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


@contextmanager
def _whole_stdout() -> Iterator[Callable[[bytes], None]]:
    """What native code prints goes to stderr; what is told goes to the real stdout."""
    import os

    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)

        def tell(data: bytes) -> None:
            out.write(data)
            out.flush()

        yield tell


def main(arguments: list[str]) -> int:
    def at_work(name: str) -> None:
        print(f"{AT_WORK}{name}", file=sys.stderr, flush=True)

    with _whole_stdout() as tell:
        at_work("starting")
        report = run(at_work)
        if "--json" in arguments:
            tell(msgspec.json.encode(report) + b"\n")
        else:
            for check in report.checks:
                line = f"{'ok' if check.ok else 'WRONG':<6}{check.device}: {check.name}: {check.detail}"
                tell(f"{line} ({check.ms:.0f} ms)\n".encode())
            if report.message:
                tell(f"{report.message}\n{report.hint}\n".encode())
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
