"""A GGUF's header is read right, and whatever is wrong with a file gets one sentence that says so."""

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gguf
import pytest

from stardraftd.errors import ModelError, ModelFormatError, ModelNotFoundError, ModelUnsupportedError
from stardraftd.gguf.fim_tokens import fim_tokens
from stardraftd.gguf.header import WEIGHT_TYPES
from stardraftd.gguf.reading import Header, read_header
from tests.support.modes import file_modes_obeyed
from tests.support.processes import run_to_end
from tests.support.raw_gguf import ARRAY, read_raw, written
from tests.support.tiny_models import BUILT_IN, rewrite, write_hybrid_model, write_tiny_model

N_MUTATIONS = 3000

Damage = Callable[[bytearray], object]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model in 70 kB: 320 tokens, one layer."""
    path = tmp_path_factory.mktemp("models") / "small.gguf"
    return write_tiny_model(path, vocabulary=320, hidden=32, ffn=32)


@pytest.fixture
def damaged(small: Path, tmp_path: Path) -> Callable[[Damage], Path]:
    """Writes a copy of the small model after `change` was made to its bytes."""

    def damage(change: Damage) -> Path:
        data = bytearray(small.read_bytes())
        change(data)
        path = tmp_path / "damaged.gguf"
        path.write_bytes(data)
        return path

    return damage


def refusal(path: Path, kind: type[ModelError] = ModelFormatError) -> str:
    """The sentence with which `path` is refused. There is a hint with it."""
    with pytest.raises(kind) as caught:
        fim_tokens(read_header(path))
    assert type(caught.value) is kind
    assert caught.value.hint
    return str(caught.value)


# --- a sound file ------------------------------------------------------------------------------------


@dataclass
class Calls:
    n: int = 0


@contextmanager
def counted() -> Iterator[Calls]:
    """Counts the calls of functions: what a program does, whatever else the machine is doing."""
    calls = Calls()

    def count(_frame: object, event: str, _argument: object) -> None:
        calls.n += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def test_the_built_in_model_reads_as_the_gguf_package_reads_it() -> None:
    header = read_header(BUILT_IN)
    reference = gguf.GGUFReader(BUILT_IN)
    assert header.version == 3
    assert header.data_offset == reference.data_offset
    assert [(t.name, t.shape, t.type, t.size_bytes) for t in header.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.tensor_type.name, t.n_bytes) for t in reference.tensors
    ]
    assert [header.data_offset + t.offset for t in header.tensors] == [
        t.data_offset for t in reference.tensors
    ]
    for key, field in reference.fields.items():
        if key.startswith("GGUF."):
            continue
        if field.types[0] is gguf.GGUFValueType.ARRAY:
            assert header.array_lengths[key] == len(field.data)
        else:
            assert header.metadata[key] == field.contents()


def test_the_header_answers_what_the_engine_asks() -> None:
    header = read_header(BUILT_IN)
    assert (header.architecture, header.name, header.file_type) == ("starcoder2", "stardraft-tiny", "Q8_0")
    assert (header.n_layers, header.n_context_trained, header.vocabulary_size) == (4, 2048, 49_152)
    assert header.file_size_bytes == BUILT_IN.stat().st_size
    assert 0 <= header.file_size_bytes - header.data_offset - header.weights_bytes < 32 * len(header.tensors)
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_sizes_of_weight_types_are_ggmls() -> None:
    for number, (name, block_length, block_bytes) in WEIGHT_TYPES.items():
        kind = gguf.GGMLQuantizationType(number)
        assert (kind.name, *gguf.GGML_QUANT_SIZES[kind]) == (name, block_length, block_bytes)


def test_a_full_vocabulary_is_read_in_a_few_steps_for_each_word() -> None:
    with counted() as calls:
        read_header(BUILT_IN)
    assert calls.n < 49_152 * 12  # words and merges; seen: 9 each


def test_reading_a_header_loads_no_native_library() -> None:
    program = (
        "import sys, stardraftd.gguf.reading, stardraftd.gguf.fim_tokens;"
        "print([name for name in ('numpy', 'llama_cpp', 'gguf') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# --- not a model file ----------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert f"no model file at {tmp_path / 'absent.gguf'}" in refusal(
        tmp_path / "absent.gguf", ModelNotFoundError
    )
    assert "no model file" in refusal(BUILT_IN / "below-a-file.gguf", ModelNotFoundError)


def test_a_directory_is_told_and_the_file_in_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "inside.gguf").touch()
    with pytest.raises(ModelNotFoundError, match="is a directory") as caught:
        read_header(tmp_path)
    assert "inside.gguf" in caught.value.hint


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "not a regular file" in refusal(tmp_path / "pipe.gguf", ModelNotFoundError)


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX thing")
def test_an_unreadable_file_is_told(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.gguf"
    path.write_bytes(small.read_bytes())
    path.chmod(0)
    with file_modes_obeyed():
        assert "may not be read" in refusal(path, ModelNotFoundError)


def test_impossible_paths_are_refused(tmp_path: Path) -> None:
    assert "could not be opened" in refusal(Path("a\0b.gguf"), ModelNotFoundError)
    assert refusal(tmp_path / ("x" * 5000), ModelNotFoundError)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize 1887904896\n" % (b"0" * 64)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"GG", "is not a GGUF: it begins with 'GG'"),
        (b"Dear model,\nplease complete my code.\n", "is not a GGUF: it begins with 'Dear model,'"),
        ("# préfixe naïf — " * 20, "is not a GGUF: it begins with '# préfixe naïf"),
        (b"\x00\x01\x02\x03\xff\xfe", "begins with the bytes 00 01 02 03 ff fe"),
        (b"\x1b]0;title\x07 escape sequences", "begins with the bytes 1b 5d"),
        (b"\0" * 5000, "1024 zero bytes"),
        (b"<!DOCTYPE html>\n<html><title>bigcode/starcoder2</title>", "a web page"),
        (b"\xef\xbb\xbf  <html lang='en'>", "a web page"),
        (b'{"error":"Access to model is restricted"}', 'error message: \'{"error":"Access'),
        (POINTER, "Git LFS pointer (135 bytes): it stands for a file of 1,887,904,896 bytes"),
        (b"PK\x03\x04rest of an archive", "a ZIP archive"),
        (b"tjgg" + bytes(60), "format before GGUF"),
        (struct.pack("<Q", 90) + b'{"__metadata__":{}}', "safetensors"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(40), "big-endian"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(40), "version 1,"),
        (b"GGUF" + struct.pack("<I", 77) + bytes(40), "version 77"),
        (b"GGUF" + struct.pack("<I", 3), "truncated: it ends after 8 bytes, in the header"),
    ],
)
def test_what_is_not_a_gguf_is_called_by_its_name(
    content: bytes | str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert sentence in refusal(path)
    assert str(path) in refusal(path)


# --- a damaged file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [1, 4096, 40_000])
def test_a_truncated_file_says_how_many_bytes_are_missing(
    missing: int, small: Path, damaged: Callable[[Damage], Path]
) -> None:
    header = read_header(small)
    last = header.tensors[-1]
    padding = header.file_size_bytes - (header.data_offset + last.offset + last.size_bytes)

    def cut(data: bytearray) -> None:
        del data[len(data) - padding - missing :]

    sentence = refusal(damaged(cut))
    assert "is truncated" in sentence
    assert f"; {missing:,} byte" in sentence
    assert "in the weights (tensor '" in sentence


def test_a_file_cut_in_its_vocabulary_says_where(damaged: Callable[[Damage], Path]) -> None:
    def cut(data: bytearray) -> None:
        del data[data.index(b"<pr_status>") + 4 :]

    sentence = refusal(damaged(cut))
    assert "in the value of key 'tokenizer.ggml.tokens'; at least 7 bytes are missing" in sentence


def set_number(after: bytes, layout: str, value: int, skip: int = 0) -> Damage:
    """Overwrites the number that stands `skip` bytes behind `after`."""

    def change(data: bytearray) -> None:
        struct.pack_into(layout, data, data.index(after) + len(after) + skip, value)

    return change


def replace(old: bytes, new: bytes) -> Damage:
    """Replaces the first `old` by as many bytes."""
    assert len(old) == len(new)

    def change(data: bytearray) -> None:
        at = data.index(old)
        data[at : at + len(old)] = new

    return change


TOKENS = b"tokenizer.ggml.tokens"
BIAS = b"blk.0.attn_q.bias"
WEIGHT = b"blk.0.attn_q.weight"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (set_number(b"GGUF\3\0\0\0", "<Q", 1 << 40), "1,099,511,627,776 tensors; at most 4,096"),
        (set_number(b"GGUF\3\0\0\0", "<Q", 5000, 8), "5,000 metadata keys; at most 1,024"),
        (set_number(b"general.name", "<Q", 1 << 62, 4), "at most 1,048,576 are allowed"),
        (set_number(b"general.name", "<Q", 1 << 20, 4), "is truncated: it ends after"),
        (
            set_number(b"general.name", "<I", 99),
            "in the value of key 'general.name': 99 is not a type of value",
        ),
        (replace(b"general.name", b"general\0name"), "a key has to be printable ASCII"),
        (replace(b"bos_token_id", b"eos_token_id"), "key 'tokenizer.ggml.eos_token_id' stands in it twice"),
        (set_number(TOKENS, "<I", 9, 4), "array of arrays"),
        (set_number(TOKENS, "<I", 5, 4), "has to be an array of STRING, not of INT32"),
        (set_number(TOKENS, "<I", 4), "has to be an array, not a UINT32"),
        (set_number(TOKENS, "<Q", 300_000, 8), "300,000 entries; at most 262,144"),
        (set_number(TOKENS, "<Q", 0xFFFF, 16), "length is 65,535 bytes; at most 4,096"),
        (replace(b"<pr_base>", b"<pr_file>"), "have the same text '<pr_file>'"),
        (replace(b"<pr_base>", b"<pr_\xff\xffse>"), "the text of token 21 is not UTF-8"),
        (replace(b"<pr_base>", b"<pr_\0ase>"), "the text of token 21 has a NUL"),
        (set_number(b"tokenizer.ggml.token_type", "<i", 17, 16), "token type outside 0 to 6"),
        (
            set_number(b"starcoder2.block_count", "<I", 100_000, 4),
            "is 100000; it has to be a whole number from 1 to 512",
        ),
        (set_number(b"starcoder2.attention.head_count", "<I", 0, 4), "whole number from 1"),
        (set_number(b"starcoder2.attention.head_count", "<I", 7, 4), "do not fit together"),
        (set_number(b"starcoder2.attention.head_count_kv", "<I", 0, 4), "do not fit together"),
        (set_number(b"starcoder2.rope.dimension_count", "<I", 8, 4), "but a head has 16 dimensions"),
        (set_number(b"starcoder2.rope.freq_base", "<I", 0x7FC00000, 4), "is nan, not a sensible number"),
        (
            replace(b"starcoder2.block_count", b"starcoder2.black_count"),
            "'starcoder2.block_count' is missing",
        ),
        (
            replace(b"tokenizer.ggml.merges", b"tokenizer.ggml.marges"),
            "merges ('tokenizer.ggml.merges') are missing",
        ),
        (set_number(BIAS, "<I", 9), "9 dimensions; 1 to 4 are possible"),
        (set_number(BIAS, "<Q", 0, 4), "shape [0]"),
        (set_number(BIAS, "<Q", 1 << 63, 4), "is not one that a model can have"),
        (set_number(BIAS, "<I", 26, 12), "26 is not a type that weights are stored in"),
        (set_number(b"output_norm.bias", "<I", 30, 12), "is stored as BF16; norms and biases have to be F32"),
        (set_number(WEIGHT, "<I", 12, 20), "rows of 32 cannot be cut into blocks of 256 (Q4_K)"),
        (
            set_number(WEIGHT, "<Q", 32, 24),
            "begin 32 bytes into the weights, but the tensors before it end at",
        ),
        (replace(b"blk.0.attn_k.bias", BIAS), "a second tensor is named 'blk.0.attn_q.bias'"),
        (replace(b"token_embd.weight", b"token_embd.wright"), "tensor 'token_embd.weight' is missing"),
    ],
)
def test_each_kind_of_damage_gets_its_sentence(
    change: Damage,
    sentence: str,
    damaged: Callable[[Damage], Path],
) -> None:
    assert sentence in refusal(damaged(change))


def test_an_empty_vocabulary_is_refused(damaged: Callable[[Damage], Path]) -> None:
    def rename(data: bytearray) -> None:
        # Another key: the file is sound, but there is no vocabulary in it.
        replace(TOKENS, b"tokenizer.ggml.tokenz")(data)

    assert "has no vocabulary" in refusal(damaged(rename), ModelUnsupportedError)


def test_an_array_that_is_too_large_to_keep_is_measured_only(small: Path) -> None:
    path = rewritten(small, lambda writer: writer.add_array("starcoder2.numbers", list(range(500_000))))
    header = read_header(path)
    assert header.array_lengths["starcoder2.numbers"] == 500_000
    assert "starcoder2.numbers" not in header.metadata


def rewritten(small: Path, add: Callable[[gguf.GGUFWriter], object], *, drop: tuple[str, ...] = ()) -> Path:
    """The small model with other keys, beside it."""
    return rewrite(small, small.parent / "rewritten.gguf", add, drop=drop)


@pytest.mark.parametrize(
    ("add", "drop", "sentence"),
    [
        (lambda w: w.add_string("general.type", "adapter"), (), "not a model but a part of one"),
        (lambda w: w.add_uint16("split.count", 3), (), "one of 3 files of a split model"),
        (
            lambda w: w.add_string("tokenizer.ggml.model", "rwkv"),
            ("tokenizer.ggml.model",),
            "tokenizer of the kind 'rwkv'",
        ),
    ],
)
def test_sound_files_that_are_not_whole_models_are_refused(
    add: Callable[[gguf.GGUFWriter], object], drop: tuple[str, ...], sentence: str, small: Path
) -> None:
    assert sentence in refusal(rewritten(small, add, drop=drop), ModelUnsupportedError)


def _add_uint32s(**numbers: int) -> Callable[[gguf.GGUFWriter], object]:
    """Adds keys below the architecture's name; `__` stands for a dot."""

    def add(writer: gguf.GGUFWriter) -> None:
        for key, number in numbers.items():
            writer.add_uint32(f"starcoder2.{key.replace('__', '.')}", number)

    return add


@pytest.mark.parametrize(
    ("add", "sentence"),
    [
        (_add_uint32s(expert_count=8, expert_used_count=0), "0 of 8 experts are used"),
        (_add_uint32s(expert_count=8, expert_used_count=9), "9 of 8 experts are used"),
        (_add_uint32s(expert_count=8), "0 of 8 experts are used"),
        (_add_uint32s(expert_used_count=2), "2 experts are used, but there are none"),
        (lambda w: w.add_array("starcoder2.expert_used_count", [16]), "16 experts are used"),
        (_add_uint32s(expert_count=8, expert_used_count=2, expert_group_count=3), "8 experts in 3 groups"),
        (_add_uint32s(expert_group_count=4), "0 experts in 4 groups"),
        (_add_uint32s(nextn_predict_layers=1), "layers that predict further tokens: 1 of 1"),
        (_add_uint32s(nextn_predict_layers=300), "layers that predict further tokens: 300 of 1"),
        (_add_uint32s(leading_dense_block_count=2), "more leading dense layers than layers"),
        (_add_uint32s(attention__key_length=8), "rotated dimensions of a head: 16 of 8"),
        (_add_uint32s(ssm__group_count=0), "whole number from 1"),
        (lambda w: w.add_array("starcoder2.attention.head_count_kv", [2, 2]), "one for each of 1 layer"),
        (lambda w: w.add_string("starcoder2.rope.scaling.type", "dynamic"), "has to be one of none, linear"),
        (lambda w: w.add_uint32("starcoder2.rope.scaling.type", 2), "has to be one of none, linear"),
    ],
)
def test_numbers_that_would_end_llama_cpp_are_refused_before(
    add: Callable[[gguf.GGUFWriter], object], sentence: str, small: Path
) -> None:
    assert sentence in refusal(rewritten(small, add))


@pytest.mark.parametrize("key", ["block_count", "attention.head_count", "expert_count"])
def test_a_list_without_values_is_no_number(key: str, small: Path, tmp_path: Path) -> None:
    raw = read_raw(small)
    raw.keys[f"starcoder2.{key}"] = ((ARRAY, 4), [])
    path = tmp_path / "empty.gguf"
    path.write_bytes(written(raw))
    assert "has 0 values" in refusal(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rope.dimension_count": 0}, "whole number from 2"),
        ({"attention.head_count": 1024}, "more heads than embedding dimensions"),
    ],
)
def test_a_model_that_llama_cpp_would_rotate_for_ever_is_refused(
    change: dict[str, int], sentence: str, tmp_path: Path
) -> None:
    path = write_hybrid_model(tmp_path / "hybrid.gguf", vocabulary=320, layers=1)
    raw = read_raw(path)
    for key, number in change.items():
        raw.keys[f"falcon-h1.{key}"] = (4, number)
    path.write_bytes(written(raw))
    assert sentence in refusal(path)


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("\u2581" * 300, "is not in the byte alphabet"),
        ("\u0300" * 500, "is not in the byte alphabet"),
        ("\U0001f600" * 250, "is not in the byte alphabet"),
        ("\u2581" * 400, "bytes; the most are"),
        ("a" * 1_100, "bytes; the most are"),
    ],
)
def test_a_vocabulary_that_would_keep_llama_cpp_busy_is_refused(
    token: str, sentence: str, small: Path
) -> None:
    key = "tokenizer.ggml.tokens"
    tokens = gguf.GGUFReader(small).fields[key].contents()[:-60] + [f"{token}{n}" for n in range(60)]
    path = rewritten(small, lambda writer: writer.add_token_list(tokens), drop=(key,))
    assert sentence in refusal(path)


def test_a_vocabulary_without_the_bytes_of_text_is_refused(small: Path) -> None:
    key = "tokenizer.ggml.tokens"
    tokens = [
        f"<{n}>" if text == "a" else text
        for n, text in enumerate(gguf.GGUFReader(small).fields[key].contents())
    ]
    path = rewritten(small, lambda writer: writer.add_token_list(tokens), drop=(key,))
    assert "no token for the byte 0x61" in refusal(path)


@pytest.mark.parametrize("alignment", [1, 16, 48, 8192, 1 << 31])
def test_odd_alignments_are_refused(alignment: int, small: Path) -> None:
    path = rewritten(small, lambda writer: writer.add_uint32("general.alignment", alignment))
    assert "is not a power of two from 32 to 4,096" in refusal(path)


def test_token_types_and_scores_have_to_match_the_vocabulary(small: Path) -> None:
    key = "tokenizer.ggml.token_type"
    path = rewritten(small, lambda writer: writer.add_array(key, [1] * 319), drop=(key,))
    assert f"'{key}' has 319 entries for a vocabulary of 320 tokens" in refusal(path)
    path = rewritten(small, lambda writer: writer.add_array("tokenizer.ggml.scores", [0.5] * 321))
    assert "has 321 entries for a vocabulary of 320 tokens" in refusal(path)


def test_an_unknown_architecture_is_named(damaged: Callable[[Damage], Path]) -> None:
    assert "architecture 'starcoder3'" in refusal(
        damaged(replace(b"starcoder2", b"starcoder3")), ModelUnsupportedError
    )


# --- hostile bytes --------------------------------------------------------------------------------------

EXTREMES = (
    0,
    1,
    7,
    8,
    9,
    10,
    64,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
    (1 << 64) - 1,
)


def mutations(original: bytes, header: Header, chance: random.Random) -> Iterator[bytes]:
    """Endless damaged copies: flipped bits, extreme numbers, bytes cut out or put in, an early end.

    Most of a header is its vocabulary, where little can go wrong; half of the damage is done outside it.
    """
    vocabulary = (original.index(TOKENS) + 30, original.index(b"tokenizer.ggml.bos_token_id"))
    while True:
        data = bytearray(original)
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            at = chance.randrange(min(header.data_offset, len(data)))
            if vocabulary[0] <= at < vocabulary[1] and chance.random() < 0.5:
                at = chance.choice(
                    (chance.randrange(vocabulary[0]), chance.randrange(vocabulary[1], len(data)))
                )
            kind = chance.random()
            if kind < 0.35:
                data[at] ^= 1 << chance.randrange(8)
            elif kind < 0.75:
                width = chance.choice((1, 2, 4, 8))
                number = chance.choice(EXTREMES) & ((1 << 8 * width) - 1)
                data[at : at + width] = number.to_bytes(width, "little")
            elif kind < 0.85:
                del data[at : at + chance.choice((1, 4, 8))]
            elif kind < 0.95:
                data[at:at] = chance.randbytes(chance.choice((1, 4, 8)))
            else:
                del data[at:]
            if len(data) <= vocabulary[1]:
                break
        yield bytes(data)


def test_mutated_files_are_refused_or_read_and_never_anything_else(small: Path, tmp_path: Path) -> None:
    """Any exception but a ModelError fails this test by itself."""
    original = small.read_bytes()
    damaged = mutations(original, read_header(small), random.Random(20_240_229))
    path = tmp_path / "mutated.gguf"
    refusals: list[ModelError] = []
    most = 0
    for _ in range(N_MUTATIONS):
        path.write_bytes(next(damaged))
        with counted() as calls:
            try:
                fim_tokens(read_header(path))
            except ModelError as error:
                refusals.append(error)
        most = max(most, calls.n)
    assert all(str(error) and error.hint for error in refusals)
    # Some damage is to names and numbers that mean nothing, but most must be noticed. Seen: 84 %.
    assert len(refusals) > N_MUTATIONS * 0.6
    assert most < 20_000, "damage must not make reading long"


def test_a_header_that_only_claims_to_be_long_is_refused(tmp_path: Path) -> None:
    """Two billion entries are claimed in 60 bytes; a hole in the file pretends that they are there."""
    key = b"tokenizer.ggml.merges"
    header = b"GGUF" + struct.pack("<IQQQ", 3, 1, 1, len(key)) + key + struct.pack("<IIQ", 9, 8, 1_048_576)
    path = tmp_path / "hole.gguf"
    with path.open("wb") as file:
        file.write(header)
        file.truncate(1 << 40)
    assert "is damaged" in refusal(path)


def test_what_the_checks_let_pass_does_not_end_llama_cpp(small: Path, tmp_path: Path) -> None:
    """Mutants that are read are then loaded and run by llama.cpp, which may refuse them but not die."""
    pytest.importorskip(
        "llama_cpp", reason="llama-cpp-python is not installed: pip install 'stardraft[engine]'"
    )
    damaged = mutations(small.read_bytes(), read_header(small), random.Random(7))
    paths: list[Path] = []
    while len(paths) < 60:
        path = tmp_path / f"{len(paths)}.gguf"
        path.write_bytes(next(damaged))
        try:
            fim_tokens(read_header(path))
        except ModelError:
            continue
        paths.append(path)
    program = """
import sys
from pathlib import Path
from stardraftd.engine.native import backend, llama
from stardraftd.errors import EngineLoadError
backend.open_backend()
for name in sys.argv[1:]:
    print(name, end=" ", flush=True)
    try:
        with llama.Model(Path(name)) as model, llama.Context(model, n_cells=256, n_batch=64) as context:
            context.decode(model.tokenize("def f(x):\\n  return 'é'".encode()), 0, 0)
            pieces = [model.piece(token) for token in range(model.n_vocab)]
        print("ran", flush=True)
    except EngineLoadError:
        print("refused", flush=True)
"""
    result = run_to_end([sys.executable, "-c", program, *map(str, paths)], text=True, idle_s=120)
    assert result.returncode == 0, (result.stdout.splitlines()[-1:], result.stderr[-2000:])
    assert result.stdout.count(" ran\n") > 30
