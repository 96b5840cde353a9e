"""GGUFs whose keys, vocabulary or bytes were changed: refused in a sentence, or safe for llama.cpp to run.

A case is a tiny model with one to three changes. What the checks in Python let pass is loaded in a process
with llama.cpp, which may refuse it with a reason, but neither die nor take longer than `LOADING_S`.
"""

import contextlib
import math
import os
import queue
import random
import string
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf as gguf_package

from stardraftd.errors import ModelError
from stardraftd.gguf.checks import ARCHITECTURES
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.reading import read_header
from tests.fuzz import Deadline, Report
from tests.support.raw_gguf import ARRAY, SCALARS, STRING, RawGguf, read_raw, written
from tests.support.tiny_models import write_hybrid_model, write_tiny_model
from tests.support.waiting import seconds

CASES = 120
LOADING_S = 20.0  # of a model of under a megabyte, on a machine as busy as can be

_INTEGERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    16,
    31,
    64,
    127,
    255,
    256,
    1023,
    4096,
    65_535,
    1 << 20,
    (1 << 31) - 1,
    (1 << 32) - 1,
)
_REALS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, 3.4e38, math.inf, -math.inf, math.nan)
_TEXTS = (
    "",
    "none",
    "linear",
    "yarn",
    "longrope",
    "dynamic",
    "gpt2",
    "llama",
    "starcoder",
    "default",
    "\0",
    "x" * 300,
)

# Runs until its input ends: a path a line in, "ran" or "refused" and a reason a line out.
_LOADER = """
import sys
from pathlib import Path
from stardraftd.engine.native import backend, llama
from stardraftd.errors import EngineLoadError
from tests.support.waiting import seconds
backend.open_backend()
for line in sys.stdin:
    try:
        with llama.Model(Path(line.rstrip())) as model:
            with llama.Context(model, n_cells=128, n_sequences=2, n_batch=32, n_threads=1) as context:
                tokens = model.tokenize("def f(x):\\n  return 'é'".encode())[:32]
                context.decode(tokens, 0, 0)
                pieces = [model.piece(token) for token in range(model.n_vocab)]
        print("ran", flush=True)
    except (EngineLoadError, llama.DecodeError) as error:
        print("refused", str(error).replace("\\n", " "), flush=True)
"""


class _Loader:
    """A process with llama.cpp that is started anew when it dies or hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - `forget`

    def load(self, path: Path) -> str:
        """What became of it: "ran", "refused ...", or how the process died."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died after its last answer; the next one tells
            self._process.stdin.write(f"{path}\n")
            self._process.stdin.flush()
        try:
            answer = self._answers.get(timeout=seconds(LOADING_S))
        except queue.Empty:
            self.close()
            return f"hung for {LOADING_S} s"
        if answer:
            return answer
        status = self._process.wait()
        self.close()
        self._said.seek(0)
        *_, last = ["", *filter(None, map(str.strip, self._said))]
        return f"died with status {status}: {last}"

    def close(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # a path that nobody has read
                    stream.close()
        self._process = self._reader = None

    def forget(self) -> None:
        self._said.close()

    def _start(self) -> None:
        self._said.truncate(0)
        self._said.seek(0)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LOADER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )
        self._answers = queue.Queue()
        self._reader = threading.Thread(target=_collect, args=(self._process, self._answers), daemon=True)
        self._reader.start()


def _collect(process: "subprocess.Popen[str]", answers: "queue.Queue[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        answers.put(line.strip())
    answers.put("")


def run(random: random.Random, deadline: Deadline) -> Report:
    """Makes files, checks them as the engine does, and loads those that pass."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder, _loader() as loader:
        bases = _bases(Path(folder))
        path = Path(folder) / "case.gguf"
        for case in deadline.cases():
            what = _write_case(random, random.choice(bases), path)
            report.n_cases += 1
            try:
                fim_tokens(read_header(path))
            except ModelError as error:
                if not error.hint:
                    report.faults.append(f"case {case}: {what}: refused without a way on: {error}")
                report.outcomes["refused before"] += 1
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what a fuzzer looks for
                report.faults.append(f"case {case}: {what}: {type(error).__name__}: {error}")
                continue
            outcome = loader.load(path)
            word = outcome.partition(" ")[0]
            report.outcomes[f"{word} by llama.cpp" if word == "refused" else word] += 1
            if word not in ("ran", "refused"):
                report.faults.append(f"case {case}: {what}: {outcome}")
            elif outcome.endswith("failed to load model"):
                report.faults.append(f"case {case}: {what}: no reason is given: {outcome}")
    return report


@contextmanager
def _loader() -> Iterator[_Loader]:
    loader = _Loader()
    try:
        yield loader
    finally:
        loader.close()
        loader.forget()


def _bases(folder: Path) -> list[RawGguf]:
    plain = write_tiny_model(folder / "plain.gguf", vocabulary=320, hidden=16, ffn=32)
    hybrid = write_hybrid_model(folder / "hybrid.gguf", vocabulary=320, layers=1)
    return [read_raw(plain), read_raw(plain), read_raw(hybrid)]


def _known_keys(architecture: str) -> list[str]:
    """All keys below an architecture's name that the gguf package knows."""
    found = []
    for group in vars(gguf_package.Keys).values():
        for template in vars(group).values() if isinstance(group, type) else ():
            if isinstance(template, str) and "{arch}" in template:
                found.append(template.replace("{arch}", architecture))
    return sorted(found)


# --- changes -----------------------------------------------------------------------------------------


def _write_case(random: random.Random, base: RawGguf, path: Path) -> str:
    """Writes a changed copy of `base`; what was changed, in words."""
    keys, told = dict(base.keys), []
    architecture = str(keys["general.architecture"][1])
    if random.random() < 0.15:
        other = random.choice(sorted(ARCHITECTURES))
        keys = {key.replace(f"{architecture}.", f"{other}.", 1): value for key, value in keys.items()}
        keys["general.architecture"] = (STRING, other)
        architecture = other
        told.append(f"architecture {other}")
    for _ in range(random.choice((1, 1, 2, 3))):
        told.append(random.choice(_CHANGES)(random, keys, architecture))
    data = written(RawGguf(keys, base.tensors))
    if random.random() < 0.1:
        at = random.randrange(len(data))
        data[at] ^= 1 << random.randrange(8)
        told.append(f"bit of byte {at}")
    path.write_bytes(data)
    return ", ".join(told)


def _change_value(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    key = random.choice([key for key, (kind, _) in keys.items() if not isinstance(kind, tuple)])
    kind, _ = keys[key]
    keys[key] = (kind, _value(random, kind))
    return f"{key} = {keys[key][1]!r}"


def _change_type(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    key = random.choice(sorted(keys))
    kind = random.choice((*SCALARS, STRING))
    keys[key] = (kind, _value(random, kind))
    return f"{key} = {keys[key][1]!r} of type {kind}"


def _add_known(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    key = random.choice(_known_keys(architecture))
    kind = random.choice((4, 4, 4, 6, 7, STRING))
    if random.random() < 0.15:
        entries = [_value(random, 4) for _ in range(random.choice((0, 1, 2, 4)))]
        keys[key] = ((ARRAY, 4), entries)
    else:
        keys[key] = (kind, _value(random, kind))
    return f"{key} = {keys[key][1]!r}"


def _drop(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    key = random.choice(sorted(keys.keys() - {"general.architecture"}))
    del keys[key]
    return f"no {key}"


def _change_vocabulary(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    if "tokenizer.ggml.tokens" not in keys or not isinstance(keys["tokenizer.ggml.tokens"][1], list):
        return "the vocabulary stays"
    kind, tokens = keys["tokenizer.ggml.tokens"]
    tokens = list(tokens)
    unit = random.choice(("\u2581", "é", "a", " ", "\U0001f600", "\0", "\u0300"))
    count = random.choice((1, 10, 100, 300, 5_000))
    for number in random.sample(range(len(tokens)), random.choice((1, 10, len(tokens) - 7))):
        tokens[number] = unit * count + str(number)
    keys["tokenizer.ggml.tokens"] = (kind, tokens)
    return f"tokens of {count} x {unit!r}"


def _repeat_tokens(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    kind, tokens = keys.get("tokenizer.ggml.tokens", (0, ""))
    if not isinstance(tokens, list):
        return "the vocabulary stays"
    keys["tokenizer.ggml.tokens"] = (kind, [*tokens[:-5], *[tokens[random.randrange(len(tokens))]] * 5])
    return "repeated tokens"


def _change_merges(random: random.Random, keys: dict[str, Any], architecture: str) -> str:
    odd = ("", " ", "a", "a  b", " b", "a ", "a b c", "x" * 2_000, "\u2581 \u2581")
    keys["tokenizer.ggml.merges"] = ((ARRAY, STRING), random.choices(odd, k=random.choice((0, 1, 50))))
    return "odd merges"


_CHANGES = (
    _change_value,
    _change_value,
    _change_type,
    _add_known,
    _add_known,
    _add_known,
    _drop,
    _change_vocabulary,
    _repeat_tokens,
    _change_merges,
)


def _value(random: random.Random, kind: int) -> Any:
    if kind == STRING:
        made = "".join(random.choices(string.printable, k=8))
        return random.choice((*_TEXTS, made))
    letter = SCALARS[kind]
    if letter == "?":
        return random.random() < 0.5
    if letter in "fd":
        return random.choice(_REALS)
    bits = struct.calcsize(f"<{letter}") * 8
    number = random.choice(_INTEGERS) & ((1 << bits) - 1)
    return number - (1 << bits) if letter.islower() and number >> (bits - 1) else number
