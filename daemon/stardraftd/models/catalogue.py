"""The published models that are known by name, their shapes, and what a user calls a model.

A name is one of the catalogue ("starcoder2-3b"), a file of a repository on the Hub ("owner/repo:file.gguf",
with "@revision" after it if need be, or the address of its page), or a path. Nothing is looked up here: no
disk, no network.

Shapes are those of the published StarCoder2 family, and that of any GGUF by its header: numbers only. How
many bytes they come to is `memory`'s work.
"""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from stardraftd.errors import RequestError
from stardraftd.gguf.header import Header

DEFAULT_QUANTIZATION = "Q4_K_M"
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ON_HUB = re.compile(
    rf"(?P<repository>{_PART}/{_PART}):(?P<file>[^@:\0]+)(?:@(?P<revision>[A-Za-z0-9._/-]+))?"
)


class CatalogueModel(Struct, frozen=True):
    """A published model.

    source:   the repository of its original weights, `revision` the commit that is taken (40 digits), or
              "main" where none has been verified: then the commit found is recorded with what was downloaded.
    ready:    repositories with ready GGUF files, in the order that they are tried; `file_name` is the same in
              all of them.
    license:  the key of `licenses.LICENSES`.
    """

    name: str
    source: str
    revision: str
    ready: tuple[str, ...]
    license: str
    parameters: str

    def file_name(self, quantization: str) -> str:
        return f"{self.name}-{quantization}.gguf"


# The ready files are others' work: their names and places are as of 2026-11, and their checksums are those
# that the Hub tells at the download. What is in them is checked as any file's is.
KNOWN = {
    known.name: known
    for known in (
        CatalogueModel(
            "starcoder2-3b",
            "bigcode/starcoder2-3b",
            "733247c55e3f73af49ce8e9c7949bf14af205928",
            ("second-state/StarCoder2-3B-GGUF",),
            "bigcode-openrail-m",
            "3.0 B",
        ),
        CatalogueModel(
            "starcoder2-7b",
            "bigcode/starcoder2-7b",
            "main",
            ("second-state/StarCoder2-7B-GGUF",),
            "bigcode-openrail-m",
            "7.2 B",
        ),
        CatalogueModel(
            "starcoder2-15b",
            "bigcode/starcoder2-15b",
            "main",
            ("second-state/StarCoder2-15B-GGUF",),
            "bigcode-openrail-m",
            "16.0 B",
        ),
    )
}


class OnHub(Struct, frozen=True):
    """A file of a repository; `revision` is a branch, a tag or a commit."""

    repository: str
    file: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.repository}:{self.file}"


# What stands between repository and revision in an address: of the file's page, or of the file itself.
_FILE_PAGES = {"blob", "resolve", "raw"}
_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}

Named = CatalogueModel | OnHub | Path


def read_name(text: str) -> Named:
    """What a user means by `text`. Raises RequestError when it is none of the three."""
    if (known := KNOWN.get(text.lower())) is not None:
        return known
    if (address := _address(text.strip())) is not None:
        return _read_address(text, *address)
    if "/" in text and (match := _ON_HUB.fullmatch(text)) is not None:
        found = OnHub(match["repository"], match["file"], match["revision"] or "main")
        _check_file(text, found.file)
        return found
    if text.endswith(".gguf") or "/" in text or "\\" in text:
        if re.fullmatch(rf"{_PART}/{_PART}", text) and not Path(text).exists():
            raise RequestError(
                f"{text} names a repository, not a file in it.",
                f"Write which file: {text}:FILE.gguf",
            )
        return Path(text).expanduser()
    raise RequestError(
        f"{text} is not a model known here.",
        f"Known: {', '.join(KNOWN)}. Or give a path to a .gguf file, or OWNER/REPOSITORY:FILE.gguf.",
    )


_ADDRESS_HINT = "Copy it from the file's page, or write OWNER/REPOSITORY:FILE.gguf."


def _address(text: str) -> tuple[str, str] | None:
    """Host (lower case, "" for hf://) and path of an address; None for what is none."""
    if text.lower().startswith("hf://"):
        owner, _, rest = text[5:].partition("/")
        name, _, file = rest.partition("/")
        name, _, revision = name.partition("@")
        return "", f"/{owner}/{name}/blob/{revision or 'main'}/{file}"
    is_bare = text.partition("/")[0].lower() in _HUB_HOSTS
    if not is_bare and "://" not in text:
        return None
    try:
        parts = urlsplit(f"https://{text}" if is_bare else text)
        return (parts.hostname or "").lower(), parts.path
    except ValueError as error:  # such as "https://[a"
        raise RequestError(f"{text} is not an address: {error}.", _ADDRESS_HINT) from error


def _read_address(text: str, host: str, path: str) -> OnHub:
    """The file that an address of the Hub, or of the mirror in HF_ENDPOINT, is about. Raises RequestError."""
    if host and host not in _HUB_HOSTS and f"//{host}" not in os.environ.get("HF_ENDPOINT", "").lower():
        raise RequestError(
            f"{text} is not an address of the Hugging Face Hub.",
            "Download it yourself, and give the path of the file: stardraft model pull PATH",
        )
    # Unquoted piece by piece: a revision may have a slash in it, as refs%2Fpr%2F1.
    pieces = [unquote(piece) for piece in path.strip("/").split("/")]
    owner, name, kind, revision = (pieces + [""] * 4)[:4]
    file = pieces[4:]
    repository = f"{owner}/{name}"
    if not re.fullmatch(rf"{_PART}/{_PART}", repository) or owner in ("datasets", "spaces"):
        raise RequestError(f"{text} is not a model's address.", _ADDRESS_HINT)
    if kind not in _FILE_PAGES or not file:
        raise RequestError(
            f"{text} is a repository's address, not that of a file in it.",
            f"Choose a file on its page, or write {repository}:FILE.gguf",
        )
    if not re.fullmatch(r"[A-Za-z0-9._/-]+", revision):
        raise RequestError(f"{text} names no branch, tag or commit.", _ADDRESS_HINT)
    found = OnHub(repository, "/".join(file), revision)
    _check_file(text, found.file)
    return found


def _check_file(text: str, file: str) -> None:
    if not file.endswith(".gguf") or ".." in file.split("/") or file.startswith("/"):
        raise RequestError(f"{text} does not name a GGUF file.", "Write OWNER/REPOSITORY:FILE.gguf.")
    if re.search(r"-\d{5}-of-\d{5}\.gguf$", file):
        raise RequestError(
            f"{file} is one part of a model that is split over several files.",
            "Take a quantization that is in one file; the parts can be joined with llama-gguf-split.",
        )


# The tokens of every StarCoder2 model (bigcode/starcoder2-3b, config.json: vocab_size).
VOCABULARY = 49_152


class Shape(Struct, frozen=True):
    """Hyper-parameters of a model with plain attention.

    key_length, value_length: of one head; 0 is hidden / heads, as in StarCoder2.
    context: positions that it was trained with.
    """

    name: str
    layers: int
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    context: int
    rope_base: float
    key_length: int = 0
    value_length: int = 0
    vocabulary: int = VOCABULARY

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def kv_size(self) -> int:
        """Values of one token's keys, in one layer."""
        return (self.key_length or self.head_size) * self.kv_heads

    @property
    def value_size(self) -> int:
        """Values of one token's values, in one layer; in StarCoder2 as many as `kv_size`."""
        return (self.value_length or self.head_size) * self.kv_heads


# bigcode/starcoder2-{3b,7b,15b}, config.json.
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("starcoder2-3b", 30, 3072, 12288, 24, 2, 16384, 999999.4420358813),
        Shape("starcoder2-7b", 32, 4608, 18432, 36, 4, 16384, 1000000.0),
        Shape("starcoder2-15b", 40, 6144, 24576, 48, 4, 16384, 100000.0),
    )
}


def shape_of(header: Header, name: str) -> Shape:
    """The shape of a GGUF.

    Where layers differ from each other the greatest number counts, so memory is rather over-estimated. A
    feed-forward part with a gate has two rows of `ffn` at a time; `ffn` is then twice what the file names.
    """
    prefix = header.architecture
    heads = max(_greatest(header, f"{prefix}.attention.head_count", 1), 1)
    gated = any("ffn_gate." in tensor.name or "ffn_gate_exps." in tensor.name for tensor in header.tensors)
    base = header.metadata.get(f"{prefix}.rope.freq_base", 10_000.0)
    return Shape(
        name=name,
        layers=header.n_layers,
        hidden=header.integer(f"{prefix}.embedding_length"),
        ffn=_greatest(header, f"{prefix}.feed_forward_length", 0) * (2 if gated else 1),
        heads=heads,
        kv_heads=_greatest(header, f"{prefix}.attention.head_count_kv", heads),
        context=header.n_context_trained,
        rope_base=float(base) if isinstance(base, int | float) else 10_000.0,
        key_length=header.integer(f"{prefix}.attention.key_length"),
        value_length=header.integer(f"{prefix}.attention.value_length"),
        vocabulary=header.vocabulary_size,
    )


def _greatest(header: Header, key: str, default: int) -> int:
    """An integer of the metadata, or the greatest of one for each layer."""
    value = header.metadata.get(key)
    if isinstance(value, tuple):
        return max((one for one in value if isinstance(one, int)), default=default)
    return header.integer(key, default)
