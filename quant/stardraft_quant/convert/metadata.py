"""The metadata of a converted model: every key that llama.cpp's converter writes, and those that are added.

Added: the fill-in-the-middle tokens by id (llama.cpp does not recognise `<file_sep>` and `<repo_name>` by
their texts), the sliding window that the model was trained with, and where the model comes from.
"""

import re
from pathlib import Path

import gguf
from msgspec import Struct

from stardraft_quant.convert.architecture import Hyperparameters
from stardraft_quant.convert.tokenizer import Vocabulary
from stardraftd import __version__
from stardraftd.errors import RequestError
from stardraftd.patterns import linear

HUB = "https://huggingface.co"
MAX_CARD_BYTES = 1 << 20
MAX_TEXT_CHARS = 4096
MAX_LIST_LENGTH = 256

VERSION_KEY = "stardraft.version"
SOURCE_KEY = "stardraft.source.repository"
REVISION_KEY = "stardraft.source.revision"

# What reading a file by guesses can raise, when the file is not as guessed.
_READING_ERRORS = (
    ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
_SNAPSHOT = linear(r"models--([^/]+)--([^/]+)/snapshots/([0-9a-f]{40})")


class Provenance(Struct, frozen=True):
    """Where a checkpoint comes from; "" where it is not known.

    repository: "owner/name" on the Hub; `revision` the 40 digits of its commit there.
    license:    its identifier on the Hub ("bigcode-openrail-m"); "" leaves what the model card says.
    base_model: the name of the model that this is a conversion of; "" takes the repository's.
    """

    repository: str = ""
    revision: str = ""
    license: str = ""
    base_model: str = ""

    def check(self) -> None:
        """Raises RequestError when a field cannot be what it has to be."""
        if self.repository and not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", self.repository, re.ASCII):
            raise RequestError(
                f"{self.repository[:80]!r} is not a repository's name.",
                "Give OWNER/NAME: bigcode/starcoder2-3b.",
            )
        if self.revision and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise RequestError(
                f"{self.revision[:80]!r} is not a revision.",
                "Give all 40 digits of the commit: a branch's name says something else tomorrow.",
            )
        for text in (self.license, self.base_model):
            if len(text) > MAX_TEXT_CHARS or not text.isprintable():
                raise RequestError(
                    f"{text[:40]!r} cannot be written into a model file.", "Give one short line."
                )


def provenance_of(checkpoint: Path) -> Provenance:
    """What the folder's own path says, which is something only inside the Hub's cache."""
    match = _SNAPSHOT.search(checkpoint.absolute().as_posix() + "/")
    return Provenance(f"{match[1]}/{match[2]}", match[3]) if match else Provenance()


def add_general(writer: gguf.GGUFWriter, checkpoint: Path, provenance: Provenance) -> list[str]:
    """Names, size and license as llama.cpp's converter finds them, and the provenance.

    The tensors have to be known to `writer` already: their number is part of the name. Returns notes.
    """
    total, shared, expert, n_experts = writer.get_total_parameter_count()
    found, notes = _found(checkpoint, total)
    if provenance.repository:
        found.name = gguf.Metadata.id_to_title(provenance.repository.partition("/")[2])
    if found.name is None:
        found.name = checkpoint.name or "StarCoder2"
    if found.size_label is None:
        found.size_label = gguf.size_label(total, shared, expert, n_experts)
    writer.add_type(gguf.GGUFType.MODEL)
    found.set_gguf_meta_model(writer)
    notes += _drop_odd_values(writer)
    _add_provenance(writer, provenance)
    return notes


def _found(checkpoint: Path, n_parameters: int) -> tuple[gguf.Metadata, list[str]]:
    """The model card and the other files that name a model, in the gguf package's reading."""
    import yaml  # type: ignore[import-untyped]

    card = checkpoint / "README.md"
    if card.is_file() and card.stat().st_size > MAX_CARD_BYTES:
        return gguf.Metadata(), ["The model card (README.md) is too large and was not read."]
    try:
        return gguf.Metadata.load(None, checkpoint, None, n_parameters), []
    except (*_READING_ERRORS, yaml.YAMLError) as error:
        # It is written by hand and read by guessing: no reason not to convert the weights.
        return gguf.Metadata(), [f"The model card (README.md) was not understood: {type(error).__name__}."]


def _drop_odd_values(writer: gguf.GGUFWriter) -> list[str]:
    """Takes out what a card gave that is not of the key's type, or beyond measure."""
    values = writer.kv_data[0]
    odd = [key for key, value in values.items() if key.startswith("general.") and not _is_usual(value)]
    for key in odd:
        del values[key]
    return [f"The model card's value of '{key}' is of no use and was left out." for key in odd]


def _is_usual(value: gguf.GGUFValue) -> bool:
    def is_text(text: object) -> bool:
        return isinstance(text, str) and len(text) <= MAX_TEXT_CHARS and _can_be_written(text)

    match value.type:
        case gguf.GGUFValueType.STRING:
            return is_text(value.value)
        case gguf.GGUFValueType.ARRAY:
            entries = value.value
            return (
                isinstance(entries, list)
                and 0 < len(entries) <= MAX_LIST_LENGTH
                and all(map(is_text, entries))
            )
        case gguf.GGUFValueType.FLOAT32:
            return type(value.value) in (int, float) and abs(value.value) < 1e30
        case _:
            return type(value.value) is int and 0 <= value.value < 1 << 31


def _can_be_written(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _add_provenance(writer: gguf.GGUFWriter, provenance: Provenance) -> None:
    writer.add_string(VERSION_KEY, __version__)
    if provenance.license:
        _set(writer, gguf.Keys.General.LICENSE, provenance.license)
    name = provenance.base_model or provenance.repository.partition("/")[2]
    if name:
        # What is converted here is that model: what its own card calls its base is one step further away.
        for key in [key for key in writer.kv_data[0] if key.startswith("general.base_model.")]:
            del writer.kv_data[0][key]
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, name)
    if provenance.repository:
        url = f"{HUB}/{provenance.repository}"
        _set(writer, gguf.Keys.General.SOURCE_REPO_URL, url)
        writer.add_string(SOURCE_KEY, provenance.repository)
        if name:
            writer.add_base_model_organization(0, provenance.repository.partition("/")[0])
            writer.add_base_model_repo_url(0, url)
        if provenance.revision:
            _set(writer, gguf.Keys.General.SOURCE_URL, f"{url}/tree/{provenance.revision}")
    if provenance.revision:
        writer.add_string(REVISION_KEY, provenance.revision)


def _set(writer: gguf.GGUFWriter, key: str, text: str) -> None:
    writer.kv_data[0].pop(key, None)  # the writer warns about a key that is set twice
    writer.add_string(key, text)


def add_model(writer: gguf.GGUFWriter, model: Hyperparameters, file_type: gguf.LlamaFileType) -> None:
    """The hyper-parameters that llama.cpp reads."""
    writer.add_block_count(model.layers)
    writer.add_context_length(model.context)
    writer.add_embedding_length(model.hidden)
    writer.add_feed_forward_length(model.ffn)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_freq_base(model.rope_base)
    writer.add_layer_norm_eps(model.norm_epsilon)
    if model.head_size_said is not None:
        writer.add_key_length(model.head_size)
        writer.add_value_length(model.head_size)
    if model.sliding_window is not None:
        writer.add_sliding_window(model.sliding_window)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_vocabulary(writer: gguf.GGUFWriter, vocabulary: Vocabulary) -> None:
    """The tokenizer, with the fill-in-the-middle tokens by id."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("starcoder")
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    writer.add_token_merges(list(vocabulary.merges))
    for role, index in vocabulary.special.items():
        writer.add_uint32(_SPECIAL_KEYS[role], index)
    for role, value in vocabulary.add.items():
        writer.add_bool(f"tokenizer.ggml.add_{role}_token", value)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)
    for role, index in vocabulary.fim.items():
        writer.add_uint32(f"tokenizer.ggml.fim_{role}_token_id", index)


_SPECIAL_KEYS = {
    "bos": gguf.Keys.Tokenizer.BOS_ID,
    "eos": gguf.Keys.Tokenizer.EOS_ID,
    "unk": gguf.Keys.Tokenizer.UNK_ID,
    "sep": gguf.Keys.Tokenizer.SEP_ID,
    "pad": gguf.Keys.Tokenizer.PAD_ID,
    "mask": gguf.Keys.Tokenizer.MASK_ID,
}


def added_keys(writer: gguf.GGUFWriter, provenance: Provenance) -> tuple[str, ...]:
    """Those keys that llama.cpp's converter would not have written for this architecture."""
    ours = r"stardraft\..*|tokenizer\.ggml\.fim_.*|.*\.attention\.sliding_window"
    if provenance.repository or provenance.base_model:  # else a model card may have named a base model
        ours += r"|general\.source\..*|general\.base_model\..*"
    return tuple(key for key in writer.kv_data[0] if re.fullmatch(ours, key))
