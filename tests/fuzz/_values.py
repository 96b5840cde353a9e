"""Values that readers of messages stumble over, and a completion request with some of them in it."""

from random import Random
from typing import Any

NUMBERS = (
    *(0, 1, -1, 2, 63, 64, 255, 256, 4096, 4097, 60_000, 600_001, 1_000_000, 1_000_001),
    *(
        2**31 - 1,
        2**31,
        2**32 - 1,
        2**32,
        2**53 + 1,
        2**63 - 1,
        2**63,
        2**64 - 1,
        2**64,
        10**40,
        -(2**63),
        -(2**64),
    ),
    *(0.0, -0.0, 0.5, 1e-308, 1e308, 1e-9, -1e-9, 3.5, 1e20),
)
TEXTS = (
    "", "a", "\n", "\r\n", "\0", "\ufeff", "\u2028", "\U0001f600", "e\u0301", "\uffff", "\x1b[31m", "\x7f",
    "<fim_prefix>", "<fim_middle><fim_suffix>", "<|endoftext|>", "<file_sep>", "../../etc/passwd", "def f(",
    "    ", "%s%n", "{", "}" * 100, "\t" * 100, "/" * 4096,
)  # fmt: skip
FIELDS = (
    *(
        "client",
        "document",
        "path",
        "prefix",
        "suffix",
        "repository",
        "chunks",
        "mode",
        "layout",
        "max_tokens",
    ),
    *("temperature", "top_k", "top_p", "seed", "n_candidates", "target_ms", "pause_ms", "unknown"),
)


def text(random: Random) -> str:
    """A short odd text, or a long one of them."""
    one = random.choice(TEXTS)
    return one * random.choice((1, 1, 1, 2, 300, 5000)) if len(one) < 20 else one


def value(random: Random, depth: int = 0) -> Any:
    """Anything that JSON and msgpack can hold."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return random.choice(NUMBERS)
    if kind < 5:
        return text(random)
    if kind == 5:
        return random.choice((None, True, False))
    if kind == 6:
        return {text(random)[:20]: value(random, depth + 1) for _ in range(random.randrange(4))}
    if kind == 7:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    nested: Any = []
    for _ in range(random.choice((2, 50, 300))):
        nested = [nested]
    return nested


def completion(random: Random, document: str) -> dict[str, Any]:
    """A completion that is right but for up to two fields; of a few tokens unless one of those says
    otherwise."""
    fields: dict[str, Any] = {
        "document": document,
        "prefix": f"def f{random.randrange(50)}(a):\n    return ",
        "suffix": random.choice(("", "\n", "\n\nx = 1\n")),
        "max_tokens": random.randrange(1, 4),
        "chunks": [{"path": "b.py", "text": "b = 1\n"}] * random.randrange(3),
    }
    for _ in range(random.randrange(3)):
        name = random.choice(FIELDS)
        if random.random() < 0.1:
            fields.pop(name, None)
        else:
            fields[name] = text(random) if random.random() < 0.4 else value(random)
    return fields


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with some of them changed, lost, doubled or added."""
    changed = bytearray(data)
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(4):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                del changed[at : at + random.randrange(1, 9)]
            case 2:
                changed[at:at] = changed[max(0, at - 20) : at]
            case _:
                changed[at:at] = random.randbytes(random.randrange(1, 9))
    return bytes(changed)
