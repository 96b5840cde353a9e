"""A text's identifiers as small numbers: what the index keeps in place of words.

A number is CRC-32 cut to BITS bits: the same in every process, a tenth of a microsecond, and no way back to
the word. Different words share a number now and then, which costs a little precision and is mended when the
chosen chunks' real words are compared (ranking.py).
"""

import re
from zlib import crc32

BITS = 17
_MASK = (1 << BITS) - 1
_WORD = re.compile(r"[^\W\d]\w{2,40}")

# In nearly every file of one language or another: they say nothing about what a text is about.
_COMMON_WORDS = """
    and any are args array assert async await bool boolean break byte bytes case catch char class close const
    continue data def default del dict double elif else elseif elsif end endif enum err error except
    export extends false final finally float fmt for foreach from func function get global goto has
    if impl implements import include int interface internal isinstance key kwargs lambda len let list local
    long main map match mod module mut name namespace new nil none not null number object open out override
    package pass print private protected pub public raise range readonly require return self set short
    signed static std str string struct super switch test that the then this throw throws true try tuple type
    typedef undefined unsigned unsafe use using val value var virtual void volatile when where
    while with yield
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def words_of(text: str) -> set[str]:
    """The identifiers that say something, in their own spelling."""
    return {word for word in _WORD.findall(text) if word.lower() not in _COMMON}


def number_of(word: str) -> int:
    """A word's number, below 2**BITS."""
    return crc32(word.encode()) & _MASK


def definition_number(name: str) -> int:
    """The number under which the chunk stands that defines a name."""
    return crc32(b"def " + name.encode()) & _MASK


def numbers_of(text: str) -> set[int]:
    """The numbers of a text's identifiers."""
    return {crc32(word.encode()) & _MASK for word in words_of(text)}
