"""The special tokens of fill-in-the-middle: found in a GGUF's header and checked, never assumed.

A file names them by metadata keys; real ones leave some keys out (StarCoder2's `<file_sep>` and `<repo_name>`
usually, the sentinels too at times), so what is missing is found by its text in the vocabulary.
"""

from typing import Literal

from msgspec import Struct

from stardraftd.console.prose import counted
from stardraftd.errors import ModelFormatError, ModelUnsupportedError
from stardraftd.gguf.header import Header, SpecialToken, TokenType

Role = Literal["prefix", "middle", "suffix", "pad", "repository", "separator", "end_of_text"]

# The metadata key of each role, and the one that older files have.
_KEYS: dict[Role, tuple[str, ...]] = {
    "prefix": ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"),
    "middle": ("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"),
    "suffix": ("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"),
    "pad": ("tokenizer.ggml.fim_pad_token_id",),
    "repository": ("tokenizer.ggml.fim_rep_token_id",),
    "separator": ("tokenizer.ggml.fim_sep_token_id",),
    "end_of_text": ("tokenizer.ggml.eos_token_id",),
}

# Families of models spell their sentinels alike: (prefix, middle, suffix). A model's three are of one family.
_SENTINELS: tuple[tuple[str, str, str], ...] = (
    ("<fim_prefix>", "<fim_middle>", "<fim_suffix>"),  # StarCoder, Granite, Refact, StableCode
    ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),  # Qwen Coder, CodeGemma
    ("<fim-prefix>", "<fim-middle>", "<fim-suffix>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜fim▁hole｜>"),  # noqa: RUF001 - DeepSeek Coder
    ("<|fim▁begin|>", "<|fim▁end|>", "<|fim▁hole|>"),
    ("▁<PRE>", "▁<MID>", "▁<SUF>"),  # CodeLlama
    ("<PRE>", "<MID>", "<SUF>"),
    ("<|code_prefix|>", "<|code_middle|>", "<|code_suffix|>"),  # GLM
    ("<|prefix|>", "<|middle|>", "<|suffix|>"),  # Falcon-H1
)
_OTHER_TEXTS: dict[Role, tuple[str, ...]] = {
    "pad": ("<fim_pad>", "<|fim_pad|>", "<fim-pad>", "<PAD>"),
    "repository": ("<repo_name>", "<|repo_name|>", "<|fim_repo|>", "<reponame>", "<fim-repo>"),
    "separator": ("<file_sep>", "<|file_sep|>", "<|file_separator|>", "<filename>"),
    "end_of_text": ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<｜end▁of▁sentence｜>"),  # noqa: RUF001
}

_SENTINEL_ROLES: tuple[Role, Role, Role] = ("prefix", "middle", "suffix")

_ROLE_OF_TEXT: dict[str, Role] = {
    text: role for texts in _SENTINELS for role, text in zip(_SENTINEL_ROLES, texts, strict=True)
} | {text: role for role, texts in _OTHER_TEXTS.items() for text in texts}

KNOWN_TEXTS = frozenset(text.encode("utf-8") for text in _ROLE_OF_TEXT)

NO_FIM_HINT = (
    "Use a model trained for fill-in-the-middle, such as StarCoder2-3B (a base model, not a chat model); "
    "the built-in model is one, too: stardraft model use built-in."
)


class FimTokens(Struct, frozen=True):
    """Ids of the special tokens that a prompt is made of. All are in the vocabulary, and they differ."""

    prefix: int
    middle: int
    suffix: int
    pad: int | None
    repository: int | None
    separator: int | None
    end_of_text: int


def fim_tokens(header: Header) -> FimTokens:
    """The model's fill-in-the-middle tokens.

    Raises ModelUnsupportedError when it has none, ModelFormatError when the file names ids that cannot be.
    """
    found = {role: index for role in _KEYS if (index := _by_key(header, role)) is not None}
    _add_sentinels_by_text(header, found)
    for role, texts in _OTHER_TEXTS.items():
        if role not in found and (index := _by_text(header, texts)) is not None:
            found[role] = index
    missing = [role for role in _SENTINEL_ROLES if role not in found]
    if missing:
        raise ModelUnsupportedError(
            f"{_model(header)} has no fill-in-the-middle tokens ({', '.join(missing)} missing): "
            "it can continue a text, but it cannot complete code inside a file.",
            NO_FIM_HINT,
        )
    if "end_of_text" not in found:
        raise ModelUnsupportedError(
            f"{_model(header)} does not say which token ends a text (key '{_KEYS['end_of_text'][0]}'), "
            "so its completions would never end.",
            NO_FIM_HINT,
        )
    _check_distinct(header, found)
    return FimTokens(
        prefix=found["prefix"],
        middle=found["middle"],
        suffix=found["suffix"],
        pad=found.get("pad"),
        repository=found.get("repository"),
        separator=found.get("separator"),
        end_of_text=found["end_of_text"],
    )


def _by_key(header: Header, role: Role) -> int | None:
    for key in _KEYS[role]:
        if key not in header.metadata and key not in header.array_lengths:
            continue
        index = header.integer(key, -1)
        if not 0 <= index < header.vocabulary_size:
            raise ModelFormatError(
                f"{_model(header)}: the key '{key}' is {str(header.metadata.get(key, 'an array'))[:40]}, "
                f"not an id in its vocabulary of {counted(header.vocabulary_size, 'token')}.",
                NO_FIM_HINT,
            )
        _check_text(header, key, role, index)
        return index
    return None


def _check_text(header: Header, key: str, role: Role, index: int) -> None:
    """The token at a named id must be one that can play the role."""
    token = header.special_tokens[index]
    known = _ROLE_OF_TEXT.get(token.text)
    if known == role or (known is None and _looks_special(token)):
        return
    # Chat models may end on a token of another kind; and padding may be any token that is never text.
    if role in ("end_of_text", "pad") and known in (None, "pad", "end_of_text") and _looks_special(token):
        return
    told = f"which is the {known} token" if known else "which is ordinary text"
    raise ModelFormatError(
        f"{_model(header)}: the key '{key}' names token {index} as the {role} token, but its text is "
        f"{token.text[:40]!r}, {told.replace('_', ' ')}.",
        NO_FIM_HINT,
    )


def _looks_special(token: SpecialToken) -> bool:
    if token.type in (TokenType.CONTROL, TokenType.USER_DEFINED):
        return True
    text = token.text.lstrip("▁")
    return token.type in (None, TokenType.UNDEFINED, TokenType.UNUSED) and (
        len(text) > 2 and (text[0], text[-1]) in (("<", ">"), ("[", "]"))
    )


def _add_sentinels_by_text(header: Header, found: dict[Role, int]) -> None:
    if all(role in found for role in _SENTINEL_ROLES):
        return
    for sentinels in _SENTINELS:
        ids = {
            role: found.get(role, _by_text(header, (text,)))
            for role, text in zip(_SENTINEL_ROLES, sentinels, strict=True)
        }
        if None not in ids.values():
            found |= {role: index for role, index in ids.items() if index is not None}
            return


def _by_text(header: Header, texts: tuple[str, ...]) -> int | None:
    """The first of `texts` that is a special token. As ordinary text, `<PRE>` is only an old HTML tag."""
    for text in texts:
        for index, token in header.special_tokens.items():
            if token.text == text and _looks_special(token):
                return index
    return None


def _check_distinct(header: Header, found: dict[Role, int]) -> None:
    roles: dict[int, Role] = {}
    for role, index in found.items():
        other = roles.setdefault(index, role)
        # Models without a padding token of their own pad with the end of text.
        if other != role and {role, other} != {"pad", "end_of_text"}:
            raise ModelFormatError(
                f"{_model(header)}: token {index} is named as both its {other} and its {role} token.".replace(
                    "_", " "
                ),
                NO_FIM_HINT,
            )


def _model(header: Header) -> str:
    return f"The model {header.name[:80]!r}" if header.name else "The model"
