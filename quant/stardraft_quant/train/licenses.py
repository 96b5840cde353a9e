"""Whether a package may be learnt from: its license, from its own metadata, must be a permissive one.

What a package says in the newest form decides: an SPDX expression (PEP 639), else its trove classifiers, else
the old free-text field where that is a license's name. What cannot be told for certain is refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

# SPDX identifiers of licenses that ask for no more than their notice to be kept.
PERMISSIVE = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "HPND",
        "ISC", "MIT", "MIT-0", "MIT-CMU", "NCSA", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "ZPL-2.1",
    }
)  # fmt: skip

_SOME_BSD = "(BSD-2-Clause OR BSD-3-Clause)"  # all that "BSD" tells
_SAY_NOTHING = ("License :: OSI Approved", "License :: DFSG approved")
_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": _SOME_BSD,
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "zlib/libpng License": "Zlib",
}
# Names that the free-text field has in practice, with case, punctuation and "license" taken away.
_FREE_TEXT = {
    "0bsd": "0BSD",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache software 2 0": "Apache-2.0",
    "apache version 2 0": "Apache-2.0",
    "bsd": _SOME_BSD,
    "bsd 2 clause": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "isc": "ISC",
    "mit": "MIT",
    "psf": "PSF-2.0",
    "psf 2 0": "PSF-2.0",
    "unlicense": "Unlicense",
    "zlib": "Zlib",
}


class Verdict(Struct, frozen=True):
    """`license` is an SPDX expression when `permissive`; otherwise `reason` says why it is refused."""

    permissive: bool
    license: str = ""
    reason: str = ""


def judge(get_all: Callable[[str], list[str] | None]) -> Verdict:
    """The verdict on a package; `get_all` answers with the values of a field of its core metadata.

    The fields are those of the core metadata specification (packaging.python.org).
    """
    expression = _first(get_all("License-Expression"))
    if expression:
        return _judge_expression(expression)
    names = [
        line.rpartition("::")[2].strip()
        for line in get_all("Classifier") or []
        if line.startswith("License ::") and line.strip() not in _SAY_NOTHING
    ]
    if names:
        return _judge_names(names, _CLASSIFIERS)
    text = _first(get_all("License"))
    if not text or text == "UNKNOWN":
        return Verdict(False, reason="its metadata names no license")
    if _is_expression(text):
        return _judge_expression(text)
    verdict = _judge_names([_plain(text)], _FREE_TEXT)
    return verdict if verdict.permissive else _refused_for(text)


def _first(values: list[str] | None) -> str:
    return str(values[0]).strip() if values else ""


def _judge_names(names: Iterable[str], known: Mapping[str, str]) -> Verdict:
    """Several names may mean "either" or "both": so all of them have to be permissive."""
    found: list[str] = []
    for name in names:
        if name not in known:
            return _refused_for(name)
        found.append(known[name])
    return Verdict(True, license=" AND ".join(sorted(set(found))))


def _refused_for(name: str) -> Verdict:
    return Verdict(False, reason=f"its license is {' '.join(name.split())[:60]!r}")


def _plain(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", " ", text.lower()).split()
    return " ".join(word for word in words if word not in ("the", "license", "licence"))


def _is_expression(text: str) -> bool:
    return all(
        word in PERMISSIVE or word in ("AND", "OR", "WITH", "(", ")") or "-" in word for word in _words(text)
    )


def _words(expression: str) -> list[str]:
    return expression.replace("(", " ( ").replace(")", " ) ").split()


def _judge_expression(expression: str) -> Verdict:
    words = _words(expression)
    try:
        permissive, rest = _either(words)
    except IndexError:
        permissive, rest = False, ["?"]
    if rest:
        return Verdict(False, reason=f"its license expression {expression[:60]!r} cannot be read")
    if not permissive:
        return Verdict(False, reason=f"its license is {expression[:60]!r}")
    return Verdict(True, license=" ".join(words).replace("( ", "(").replace(" )", ")"))


# SPDX 2.3, annex D: WITH binds closest, then AND, then OR. Each answers (permissive, words not yet read).
def _either(words: list[str]) -> tuple[bool, list[str]]:
    permissive, words = _both(words)
    while words and words[0].upper() == "OR":
        other, words = _both(words[1:])
        permissive = permissive or other
    return permissive, words


def _both(words: list[str]) -> tuple[bool, list[str]]:
    permissive, words = _one(words)
    while words and words[0].upper() == "AND":
        other, words = _one(words[1:])
        permissive = permissive and other
    return permissive, words


def _one(words: list[str]) -> tuple[bool, list[str]]:
    if words[0] == "(":
        permissive, words = _either(words[1:])
        if words[0] != ")":
            raise IndexError
        return permissive, words[1:]
    permissive, words = words[0] in PERMISSIVE, words[1:]
    # An exception only ever allows more than its license does.
    return permissive, words[2:] if words and words[0].upper() == "WITH" else words
