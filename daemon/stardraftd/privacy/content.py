"""What looks like a secret in a text. Two consequences, from the strictest:

- `holds_key`: a key or a certificate stands in it; no other document's prompt gets anything of the text.
- `secret_spans`: a chunk with such a place is dropped whole. Blanking the value alone was decided against:
  secrets run over several lines, and a chunk with a hole is poor context anyway.

A false alarm costs one chunk of context; what is missed might be suggested in another file. So doubtful cases
count as secrets. How many are missed, and how many false alarms there are, stands in docs/privacy.md. All
of it takes time in proportion to the text (patterns.py).
"""

from collections.abc import Iterator

from stardraftd.patterns import linear
from stardraftd.privacy.assigned import assigned_spans
from stardraftd.privacy.services import token_spans

_KEY_HEADER = linear(r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|CERTIFICATE|PGP MESSAGE)", is_ascii=True)
_OTHER_KEYS = ("PuTTY-User-Key-File", "AGE-SECRET-KEY-1")
# A key that is really there; its header alone also stands in programs that look for keys.
_KEY_BLOCK = linear(
    r"""-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----"""
    r"""(?:\\[nr]|[\s"'+,#/*|>-]){1,40}"""
    r"""(?:[A-Za-z-]{3,20}:[^\n]{0,200}\s+){0,4}"""
    r"""[A-Za-z0-9+/=]{24}""",
    is_ascii=True,
)


def holds_key(text: str) -> bool:
    """Whether a key or certificate may stand in the text: it runs over many lines, so all of it is out."""
    # Plain words first: they are found a hundred times faster, and nearly every text has none.
    return ("-----BEGIN " in text and bool(_KEY_HEADER.search(text))) or any(
        key in text for key in _OTHER_KEYS
    )


def holds_private_key(text: str) -> bool:
    """Whether a private key stands in the text itself: then it is not even completed."""
    return "PRIVATE KEY" in text and bool(_KEY_BLOCK.search(text))


def has_secret(text: str) -> bool:
    """Whether anything in the text looks like a secret."""
    return holds_key(text) or next(secret_spans(text), None) is not None


def secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where in the text values stand that look like secrets."""
    yield from token_spans(text)
    yield from assigned_spans(text)
