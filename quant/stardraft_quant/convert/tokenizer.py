"""A checkpoint's tokenizer as a GGUF has it: tokens by id with their types, merges, special ids.

Read from tokenizer.json, or from vocab.json and merges.txt where there is none. llama.cpp splits texts with
its pre-tokenizer "starcoder" (each digit its own, then GPT-2's pattern), so a tokenizer that is set up
otherwise is refused: its model would read other tokens than it was trained on.
"""

import itertools
from pathlib import Path
from typing import Any

from gguf import TokenType
from msgspec import Struct

from stardraft_quant.convert.checkpoint import CONFIG, MAX_CONFIG_BYTES
from stardraft_quant.convert.json_file import DOWNLOAD_AGAIN, read_object, read_text
from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelNotFoundError, ModelUnsupportedError

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
MAX_TOKENIZER_BYTES = 64 << 20
MAX_TOKEN_BYTES = 4096
MAX_MERGES = 1_048_576

ROLES = ("bos", "eos", "unk", "sep", "pad", "mask")
AROUND_A_TEXT = ("bos", "eos", "sep")
# Sentinels that llama.cpp's converter does not name for this architecture: the key's middle, the text.
FIM_TEXTS = {
    "pre": "<fim_prefix>",
    "suf": "<fim_suffix>",
    "mid": "<fim_middle>",
    "pad": "<fim_pad>",
    "rep": "<repo_name>",
    "sep": "<file_sep>",
}
_SENTINELS = ("pre", "suf", "mid")


class Vocabulary(Struct, frozen=True):
    """A byte-level BPE tokenizer.

    tokens:        every token's text by id, in GPT-2's spelling of bytes; `types` are gguf's TokenType.
    merges:        pairs of tokens with a space between them, the most frequent first.
    special:       role ("bos", "eos", ...) to id, as far as the checkpoint says.
    fim:           "pre", "suf", "mid", "pad", "rep", "sep" to id.
    add:           whether a role's token is put around a text, where the checkpoint says.
    chat_template: "" for a model that has none.
    """

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...]
    special: dict[str, int]
    fim: dict[str, int]
    add: dict[str, bool]
    chat_template: str


class _Files(Struct, frozen=True):
    """What the files say, before it is put in order. `added`: content to (id, whether it is special)."""

    ids: dict[str, int]
    merges: tuple[str, ...]
    added: dict[str, tuple[int, bool]]
    add: dict[str, bool]


def read_vocabulary(folder: Path, n_vocab: int) -> Vocabulary:
    """The tokenizer of the checkpoint in `folder`, with ids that no token has filled up to `n_vocab`.

    Raises ModelNotFoundError (no tokenizer), ModelUnsupportedError (of another kind, or without
    fill-in-the-middle tokens) or ModelFormatError (damaged, or more than `n_vocab` tokens).
    """
    options = _tokenizer_config(folder)
    files = _from_tokenizer_json(folder) if (folder / TOKENIZER).exists() else _from_vocab_json(folder)
    added = _options_added(options) | files.added
    tokens, types = _in_order(files.ids, added, n_vocab)
    template = options.get("chat_template")
    return Vocabulary(
        tokens=tokens,
        types=types,
        merges=files.merges,
        special=_special_ids(folder, options, added, n_vocab),
        fim=_fim_ids(tokens, types),
        add=files.add
        | {
            role: value
            for role in AROUND_A_TEXT
            if role not in files.add and isinstance(value := options.get(f"add_{role}_token"), bool)
        },
        chat_template=template if isinstance(template, str) and len(template) <= 1 << 18 else "",
    )


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    path = folder / TOKENIZER_CONFIG
    return read_object(path, MAX_CONFIG_BYTES) if path.exists() else {}


def _from_tokenizer_json(folder: Path) -> _Files:
    path = folder / TOKENIZER
    content = read_object(path, MAX_TOKENIZER_BYTES)
    model = content.get("model")
    if not isinstance(model, dict) or model.get("type", "BPE") != "BPE":
        raise _other_kind(path, "is not a BPE tokenizer")
    if (
        model.get("byte_fallback")
        or model.get("continuing_subword_prefix")
        or model.get("end_of_word_suffix")
    ):
        raise _other_kind(path, "marks the parts of words or falls back to bytes")
    if content.get("normalizer") is not None:
        raise _other_kind(path, "normalizes texts first")
    if not _splits_as_starcoder(content.get("pre_tokenizer")):
        raise _other_kind(path, "splits texts in another way than StarCoder2's")
    return _Files(
        ids=_ids(path, model.get("vocab")),
        merges=_merges(path, model.get("merges")),
        added=_added(path, content.get("added_tokens", [])),
        add=_added_around(path, content.get("post_processor")),
    )


def _other_kind(path: Path, how: str) -> ModelUnsupportedError:
    return ModelUnsupportedError(
        f"{path} {how}; llama.cpp would give this model other tokens than it was trained on.",
        "Use the tokenizer that StarCoder2 was published with.",
    )


def _splits_as_starcoder(pre_tokenizer: Any) -> bool:
    """[Digits one by one, then GPT-2's pattern on bytes, without a space put in front]."""
    if not isinstance(pre_tokenizer, dict) or pre_tokenizer.get("type") != "Sequence":
        return False
    match pre_tokenizer.get("pretokenizers"):
        case [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel"} as byte_level]:
            return byte_level.get("add_prefix_space") is False and byte_level.get("use_regex", True) is True
    return False


def _added_around(path: Path, post_processor: Any) -> dict[str, bool]:
    """What a post-processor of bytes says: that nothing is put around a text. Another one is refused."""
    if post_processor is None:
        return {}
    if isinstance(post_processor, dict) and post_processor.get("type") == "ByteLevel":
        return {"bos": False, "eos": False}
    raise _other_kind(path, "puts tokens around a text ('post_processor')")


def _from_vocab_json(folder: Path) -> _Files:
    path, merges_path = folder / "vocab.json", folder / "merges.txt"
    if not path.exists() or not merges_path.exists():
        raise ModelNotFoundError(
            f"There is no {TOKENIZER} in {folder}, nor {path.name} with {merges_path.name}.",
            "Put the tokenizer's files of the model's repository beside its weights.",
        )
    lines = read_text(merges_path, MAX_TOKENIZER_BYTES).split("\n")
    pairs = [line.strip() for line in lines[lines[0].startswith("#") :]]
    return _Files(
        ids=_ids(path, read_object(path, MAX_TOKENIZER_BYTES)),
        merges=_merges(merges_path, [pair for pair in pairs if pair]),
        added={},
        add={},
    )


def _ids(path: Path, vocab: Any) -> dict[str, int]:
    if not isinstance(vocab, dict) or not vocab:
        raise ModelFormatError(f"{path} has no vocabulary.", DOWNLOAD_AGAIN)
    for token, index in vocab.items():
        _check_token(path, token, index)
    return vocab


def _check_token(path: Path, token: Any, index: Any) -> None:
    if type(index) is not int or index < 0:
        raise ModelFormatError(f"{path}: the token {str(token)[:40]!r} has no proper id.", DOWNLOAD_AGAIN)
    try:
        sound = isinstance(token, str) and 0 < len(token.encode("utf-8")) <= MAX_TOKEN_BYTES
    except UnicodeEncodeError:  # half of a surrogate pair
        sound = False
    if not sound or "\0" in token:
        raise ModelFormatError(f"{path}: the token with the id {index} is not a text.", DOWNLOAD_AGAIN)


def _merges(path: Path, merges: Any) -> tuple[str, ...]:
    """Each as one text; in tokenizer.json they are texts, or pairs."""
    if not isinstance(merges, list) or not 0 < len(merges) <= MAX_MERGES:
        raise ModelFormatError(f"{path} has no merges.", DOWNLOAD_AGAIN)
    out: list[str] = []
    for merge in merges:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        match pair:
            case [str(first), str(second)] if first and second and " " not in first + second:
                out.append(f"{first} {second}")
            case _:
                raise ModelFormatError(
                    f"{path}: {str(merge)[:40]!r} is not a merge of two tokens.", DOWNLOAD_AGAIN
                )
    _check_token(path, max(out, key=len), 0)
    return tuple(out)


def _added(path: Path, entries: Any) -> dict[str, tuple[int, bool]]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ModelFormatError(f"{path}: 'added_tokens' has to be a list of objects.", DOWNLOAD_AGAIN)
    added: dict[str, tuple[int, bool]] = {}
    for entry in entries:
        _check_token(path, entry.get("content"), entry.get("id"))
        added[entry["content"]] = (entry["id"], entry.get("special") is True)
    return added


def _options_added(options: dict[str, Any]) -> dict[str, tuple[int, bool]]:
    """The added tokens of tokenizer_config.json: {"0": {"content": ..., "special": ...}, ...}."""
    decoder = options.get("added_tokens_decoder", {})
    entries = [
        {**entry, "id": int(index)}
        for index, entry in (decoder.items() if isinstance(decoder, dict) else ())
        if isinstance(entry, dict) and index.isdecimal() and len(index) < 10
    ]
    return _added(Path(TOKENIZER_CONFIG), entries)


def _in_order(
    ids: dict[str, int], added: dict[str, tuple[int, bool]], n_vocab: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    tokens: dict[int, str] = {}
    for token, index in itertools.chain(ids.items(), ((text, index) for text, (index, _) in added.items())):
        if index >= n_vocab:
            raise ModelFormatError(
                f"The tokenizer has a token with the id {index:,}; by config.json there are {n_vocab:,}.",
                "Check that the tokenizer belongs to these weights.",
            )
        if tokens.setdefault(index, token) != token:
            raise ModelFormatError(
                f"The tokenizer's id {index} is both {tokens[index][:40]!r} and {token[:40]!r}.",
                DOWNLOAD_AGAIN,
            )
    for token, (index, _) in added.items():
        if ids.get(token, index) != index:
            raise ModelFormatError(f"The tokenizer has {token[:40]!r} under two ids.", DOWNLOAD_AGAIN)
    kinds = {index: _type(token, special) for token, (index, special) in added.items()}
    types = tuple(
        int(kinds.get(index, TokenType.NORMAL)) if index in tokens else int(TokenType.UNUSED)
        for index in range(n_vocab)
    )
    return tuple(tokens.get(index, f"[PAD{index}]") for index in range(n_vocab)), types


def _type(token: str, special: bool) -> TokenType:
    # As in llama.cpp's converter: what looks like a control token is one, whatever the file says.
    looks_special = token in ("<pad>", "<mask>") or (token.startswith("<|") and token.endswith("|>"))
    return TokenType.CONTROL if special or looks_special else TokenType.USER_DEFINED


def _special_ids(
    folder: Path, options: dict[str, Any], added: dict[str, tuple[int, bool]], n_vocab: int
) -> dict[str, int]:
    """By tokenizer_config.json's texts first, then by config.json's ids: llama.cpp's order."""
    config = read_object(folder / CONFIG, MAX_CONFIG_BYTES)
    found: dict[str, int] = {}
    for role in ROLES:
        text = options.get(f"{role}_token")
        text = text.get("content") if isinstance(text, dict) else text
        index = added[text][0] if isinstance(text, str) and text in added else config.get(f"{role}_token_id")
        if type(index) is not int:
            continue
        if not 0 <= index < n_vocab:
            raise ModelFormatError(
                f"config.json: '{role}_token_id' is {index}, outside the vocabulary of "
                f"{counted(n_vocab, 'token')}.",
                DOWNLOAD_AGAIN,
            )
        found[role] = index
    return found


def _fim_ids(tokens: tuple[str, ...], types: tuple[int, ...]) -> dict[str, int]:
    by_text = {tokens[index]: index for index, kind in enumerate(types) if kind == TokenType.CONTROL}
    found = {key: by_text[text] for key, text in FIM_TEXTS.items() if text in by_text}
    if missing := [FIM_TEXTS[key] for key in _SENTINELS if key not in found]:
        raise ModelUnsupportedError(
            f"The tokenizer has no {', '.join(missing)} among its special tokens: "
            "the model cannot complete code inside a file.",
            "Use a StarCoder2 checkpoint with the tokenizer that it was published with.",
        )
    return found
