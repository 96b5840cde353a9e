"""Random texts for the search for secrets: it always ends, soon, and what it finds stands in the text.

Texts are made of what the patterns look for, whole and torn: names, operators, quotes, blanks, tokens,
keys. A secret of the labelled set that is put into harmless text must still be seen.
"""

import time
from random import Random

from stardraftd.privacy.content import has_secret, holds_key, holds_private_key, secret_spans
from stardraftd.privacy.names import is_secret_name, is_suspicious_name
from stardraftd.privacy.uris import paths_in
from tests.fuzz import Deadline, Report
from tests.measure_secrets import labelled

CASES = 60
# Processor time for a megabyte of the hardest text; measured is a tenth of it.
LIMIT_S_PER_MB = 60.0
_WORDS = (
    "password token secret api_key salt hmac_key Authorization: curl -u https:// identified by value name key"
)
_PIECES = (
    *_WORDS.split(),
    *(
        "=",
        ":",
        ":=",
        "=>",
        '"',
        "'",
        '"""',
        "`",
        "|",
        "\n",
        " ",
        "\t",
        "\\",
        "$",
        "${",
        "}}",
        "<",
        ">",
        "%",
        "*",
        "(",
        "[",
    ),
    *("AKIA", "ghp_", "eyJ", "sk-", "xoxb-", "-----BEGIN ", "PRIVATE KEY-----", "glpat-", "hvs.", "SG."),
    *("a", "A", "0", "é", "\ud83d", "\x00", "\u2028", "😀", "aB3x9", "Zk39!xQp"),
)
_NAME_PIECES = (
    "/",
    ".",
    ".env",
    "secrets",
    "a",
    "%2F",
    ":",
    "?",
    "#",
    "\\",
    "//",
    "git:",
    "\n",
    "é",
    "*",
    "::",
)
_TAILS = ("\nx = 1\n", "\n\nreturn None\n", "\n# the end\n", "\n")


def run(random: Random, deadline: Deadline) -> Report:
    report = Report()
    # Some are seen in configuration only: in code, a plain word after a name is another name.
    known = [text for _, text in labelled("secrets.txt") if has_secret(f"call(x);\n{text}")]
    harmless = [text for _, text in labelled("harmless.txt")]
    for case in deadline.cases():
        report.n_cases += 1
        text = _text(random)
        began = time.process_time()
        spans = list(secret_spans(text))
        is_key = holds_key(text) or holds_private_key(text)
        took = time.process_time() - began
        report.outcomes["a key" if is_key else "a secret" if spans else "nothing"] += 1
        if took > 0.5 + LIMIT_S_PER_MB * len(text) / 1e6:
            report.faults.append(f"{case}: {took:.1f} s for {len(text)} characters: {text[:200]!r}")
        if not all(0 <= start < end <= len(text) for start, end in spans):
            report.faults.append(f"{case}: {spans} in {text!r}")
        around = random.choice(harmless) + "\n\n" + random.choice(known) + random.choice(_TAILS)
        if not has_secret(around):
            report.faults.append(f"{case}: not seen after other text: {around!r}")
        name = _name(random)
        if any(is_secret_name(path) and is_suspicious_name(path) for path in (name, *paths_in(name))):
            report.faults.append(f"{case}: both secret and suspicious: {name!r}")
    return report


def _text(random: Random) -> str:
    pieces = [random.choice(_PIECES) for _ in range(random.randint(1, 60))]
    if random.random() < 0.3:
        at = random.randrange(len(pieces))
        pieces[at] *= random.randint(100, 5_000)
    if random.random() < 0.2:
        pieces *= random.randint(2, 40)
    return "".join(pieces)[:100_000]


def _name(random: Random) -> str:
    return "".join(random.choice(_NAME_PIECES) for _ in range(random.randint(0, 30)))
