"""Random texts for the search for secrets: it always ends, soon, and what it finds stands in the text.

Texts are made of what the patterns look for, whole and torn: names, operators, quotes, blanks, tokens, keys. A
secret of the labelled set that is put into harmless text must still be seen.
"""

import random as random_module
import time

from stardraftd.privacy.content import has_secret, holds_key, holds_private_key, secret_spans
from stardraftd.privacy.guard import paths_in
from stardraftd.privacy.names import is_secret_name, is_suspicious_name
from tests.measure_secrets import labelled

# Processor time for a megabyte of the hardest text; measured is a tenth of it.
LIMIT_S_PER_MB = 60.0
_PIECES = (
    *"password token secret api_key salt hmac_key Authorization: curl -u https:// identified by value name key".split(),
    *("=", ":", ":=", "=>", '"', "'", '"""', "`", "|", "\n", " ", "\t", "\\", "$", "${", "}}", "<", ">", "%", "*", "(", "["),
    *("AKIA", "ghp_", "eyJ", "sk-", "xoxb-", "-----BEGIN ", "PRIVATE KEY-----", "glpat-", "hvs.", "SG."),
    *("a", "A", "0", "é", "\ud83d", "\x00", "\u2028", "😀", "aB3x9", "Zk39!xQp"),
)
_TAILS = ("\nx = 1\n", "\n\nreturn None\n", "\n# the end\n", "\n")


def run(random: random_module.Random, deadline: float) -> str:
    """Tries texts until `deadline` (time.monotonic()); what was done. Raises AssertionError with the text."""
    secrets, harmless = labelled("secrets.txt"), labelled("harmless.txt")
    known = [text for _, text in secrets if has_secret(text)]
    n_texts = n_bytes = 0
    slowest = 0.0
    while time.monotonic() < deadline:
        text = _text(random)
        began = time.process_time()
        spans = list(secret_spans(text))
        holds_key(text)
        holds_private_key(text)
        took = time.process_time() - began
        assert took < 0.5 + LIMIT_S_PER_MB * len(text) / 1e6, f"{took:.1f} s for {len(text)}: {text[:200]!r}"
        assert all(0 <= start < end <= len(text) for start, end in spans), f"{spans} in {text!r}"
        slowest = max(slowest, took / (len(text) / 1e6 + 0.01))
        n_texts, n_bytes = n_texts + 1, n_bytes + len(text)
        _names(random)
        secret = random.choice(known)
        around = random.choice(harmless)[1] + "\n\n" + secret + random.choice(_TAILS)
        assert has_secret(around), f"not seen behind other text: {around!r}"
    return f"{n_texts:,} texts, {n_bytes / 1e6:.1f} MB, at most {slowest:.1f} s of processor time a megabyte"


def _text(random: random_module.Random) -> str:
    pieces = [random.choice(_PIECES) for _ in range(random.randint(1, 60))]
    if random.random() < 0.3:
        at = random.randrange(len(pieces))
        pieces[at] *= random.randint(100, 5_000)
    if random.random() < 0.2:
        pieces *= random.randint(2, 40)
    return "".join(pieces)[:100_000]


def _names(random: random_module.Random) -> None:
    """Names and addresses are judged whatever is in them."""
    name = "".join(random.choice(("/", ".", ".env", "secrets", "a", "%2F", ":", "?", "#", "\\", "//", "git:", "\n", "é", "*")) for _ in range(random.randint(0, 30)))
    for path in (name, *paths_in(name)):
        assert not (is_secret_name(path) and is_suspicious_name(path)), name
