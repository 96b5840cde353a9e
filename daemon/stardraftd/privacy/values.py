"""Whether a value that is given to a telling name is a secret, or says where one comes from.

A password is what nobody else would write there; a key or token is random. What is filled in later
(`${PASSWORD}`, `<your password>`), what a program asks for (`os.environ[...]`), types, sentences and names
are not secrets. A character that also occurs in placeholders (`$ % * < {`) makes a password no placeholder:
the whole value must be one.
"""

from typing import Literal

from stardraftd.patterns import linear
from stardraftd.privacy.services import entropy_bits

# How a value stands there:
#   quoted   in quotes or an element           spoken  in quotes after a blank, perhaps in a sentence
#   listed   in quotes after a comma           word    after a blank: `ENV KEY value`, `--option value`
#   set      KEY=value of a shell              written `key: value` or `key = value`, a line of its own
#   data     the same, in configuration alone  inside  Password=value within a longer text
#   address  user:value@host                   key     a key, whatever the name says
#   code     anything else without quotes
Style = Literal[
    "quoted", "spoken", "listed", "word", "set", "written", "data", "inside", "address", "key", "code"
]

_PASSWORD = linear(
    r"pass|pwd|pw\b|passwor[dt]|mot_?de|contrase|kennwort|wachtwoord|pswd|psk|mnemonic|phrase|masterauth|credential|secret$",
    ignore_case=True,
    is_ascii=True,
)
# Such names hold what is public, or what is about secrets.
_ABOUT = linear(
    r"(?:_|-)?(?:name|field|header|type|url|uri|path|file|endpoint|prefix|suffix|regex|pattern|length"
    r"|len|min|max|count"
    r"|expir\w*|ttl|lifetime|timeout|policy|label|title|placeholder|hint|message|error|reset|forgot\w*"
    r"|confirm\w*|input"
    r"|id|ids|kind|class|index|limit|bits|size|format|algo\w*|hasher\w*|hash_?type|rounds|column|param"
    r"|env|var|version|status|validator\w*"
    r"|strength|manager|provider|store|service|selector|toggle|visib\w*|issuer|audience|scope\w*|usage"
    r"|tokens|izer|ize|ized"
    r"|chars|characters|alphabet|charset|arn|ref|refs|generator|rotation|source|location|dir|folder)$",
    ignore_case=True,
    is_ascii=True,
)
_TEMPLATE = linear(
    r"\$env:\w+|^:[A-Za-z_]\w*$|\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}|#\{[^}]*\}|\{[\w.:!\[\]"
    r"()'\" -]*\}|^<[\w .:|/-]*>$|<(?:your|my|the|user|pass|db|host|token|secret|api|key|insert|enter"
    r"|name)[\w .:|/-]*>|(?:^|[^A-Za-z0-9$])\$[A-Za-z_]\w*\b|\$\d"
    r"|%\([\w.]+\)[sdr]|%[A-Za-z_]\w+%|%[sdvqr]\b|@[A-Za-z_]\w+@|\[[\w .:-]+\]|\bENC\([^)]*\)|\{\{|\}\}|\$\$",
    is_ascii=True,
)
_DUMMY = linear(
    r"change[_ -]?(?:me|this|it)|replace[_ -]?(?:me|this|with)|fill[_ -]?(?:me|this|in)|your[_ -]"
    r"|\byour\b|[_-]here\b"
    r"|example|placeholder|redacted|masked|dummy|fake|sample|insert|todo|fixme|\.\.\.|x{4,}|\*{4,}"
    r"|^<[^>]*>$|…|not[_-]?set"
    r"|to[_-]be[_-]|^(?:none|null|nil|true|false|yes|no|undefined|required|optional|string|str|text"
    r"|bytes|unset|empty|n/?a"
    r"|utf-?8|utf-?16|latin-?1|ascii|any|object|int|bool|default|test|testing|foo|bar|baz|foobar|qux"
    r"|abc|hidden|unknown|auto|prompt|ask|env|vault|never|public|private|[hrep]s(?:256|384|512)|eddsa)$"
    r"|^(?:my|the|an?|some|our|this|test|mock|foo|bar|old|new|wrong|bad|good|valid|invalid|correct"
    r"|incorrect|user|db|super"
    r"|current|plain|raw|very|reset|forgot|confirm|enter|show|hide|no|with|without|bearer|basic|csrf"
    r"|access|refresh|id|api|auth)*[_ -]*"
    r"(?:(?:passwords?|passwort|kennwort|contraseña|mot de passe|passwd|passphrase|pass|pwd"
    r"|secrets?|tokens?|api[_ -]?key|key|credentials?|salt)[_ -]?)*"
    r"(?:value|string|test|hash|one|two|name|field|type|input)?\s?[:?]?\s?$",
    ignore_case=True,
    is_ascii=True,
)
# A letter or more, and what a program does with it: no value stands here.
_EXPRESSION = linear(
    r"[!*&-]?(?:[A-Za-z_@]\w*|\$\w*)(?:(?:\.|->|::|\?\.|!\.|\\)[\w$]+|\[[^\]]*\]|\([^()]*\)"
    r"|[!?])*[)\]},;:({\[]*"
    r"|[A-Za-z_][\w.:$]*[(\[<{].*|[(\[{].*|\$\w+(?:->|\[|\.).*|lambda\b.*|-?\d+(?:\.\d+)?[,;)]*",
    is_ascii=True,
)
_TYPE = linear(
    r"[A-Z][A-Za-z]*[?!]?|str|string|text|bytes|int|bool|boolean|any|char|varchar.*|void|object|self"
    r"|this|None|nil"
)
_SENTENCE = linear(
    r"(?:^|\s)(?:the|your|you|enter|please|must|is|are|was|not|invalid|required|for|to|of|with|and|or"
    r"|a|an|in|password"
    r"|passwords|token|wrong|forgot|confirm|at|least|missing|by|on|if|has|expired|new|here|incorrect"
    r"|does|cannot|be)(?:\s|$|[.,:!?])",
    ignore_case=True,
    is_ascii=True,
)
# Words joined as names are joined: what is called, not what is kept secret.
_NAME = linear(r"[_.-]*[A-Za-z][a-z]*(?:[_.:/ -]*[A-Za-z][a-z]*)*\d?", is_ascii=True)
_SPEAKS_OF_SECRETS = linear(
    r"[A-Za-z_. -]*(?:password|passwd|secret|token|key|credential|auth|login|user)[A-Za-z_. -]*\d?",
    ignore_case=True,
    is_ascii=True,
)
_PLAIN = linear(r"[\w+/=.~-]+", is_ascii=True)
_WORDS = linear(r"[A-Z]?[a-z]+|[A-Z]+", is_ascii=True)
_IS_URL = linear(
    r"[a-z][a-z0-9+.-]*://[^\s@]*|/[\w./-]*|\.{1,2}/.*|[\w./-]+\.(?:py|js|ts|json|ya?ml|txt|pem|key|crt|env)",
    is_ascii=True,
)
_SEPARATORS = "-_./:@,;()'\" \t"
_RUNS = ("abcdefgh", "ABCDEFGH", "01234567", "12345678", "qwertyui")
_MIN_ENTROPY_BITS = (
    3.0  # per character; English words of 8 to 12 letters have 2.5 to 3.2, hex keys 3.5 and more
)


def is_secret_value(name: str, value: str, style: Style) -> bool:
    """Whether the value of a telling name is a secret. Takes time in proportion to the value."""
    value = value.strip().rstrip("\\")
    if style == "set" and value.endswith((",", "(", "{", "[")):
        style = "code"  # an argument on a line of its own
    if style in ("code", "written", "inside"):
        value = value.rstrip(",;")
    if is_placeholder(value) or _IS_URL.fullmatch(value) or (_ABOUT.search(name) and not _is_random(value)):
        return False
    if style != "key" and _PASSWORD.search(name):
        return _is_password(name, value, style)
    return _is_key(value, is_quoted=style not in ("code", "written", "inside"))


def is_placeholder(value: str) -> bool:
    """Whether a value says that another is to stand in its place."""
    if len(set(value)) < 3 or _DUMMY.search(value):
        return True
    rest = _TEMPLATE.sub("", value)
    return rest != value and not rest.strip(_SEPARATORS)


def _is_password(name: str, value: str, style: Style) -> bool:
    if _SPEAKS_OF_SECRETS.fullmatch(value) and ("_" in value or "-" in value):
        return False
    if style in ("spoken", "listed", "word"):
        has_mark = not all(character.isalpha() or character in "_.-" for character in value)
        return " " not in value and len(value) >= 4 and has_mark and not _is_code(value)
    if style in ("quoted", "address"):
        if " " in value:
            return "phrase" in name.lower() or "mnemonic" in name.lower() or _is_phrase(value)
        return len(value) >= 4 or not value.isalpha()
    return _is_bare_password(value, style)


def _is_bare_password(value: str, style: Style) -> bool:
    """The same for a value without quotes, which may be a name or a type."""
    if style == "set":
        return len(value) >= 4 and not _is_code(value)
    if style == "data":
        is_word = value.islower() or any(character.isdigit() for character in value)
        return len(value) >= 5 and is_word and not _TYPE.fullmatch(value) and not value.isdigit()
    n_digits = sum(character.isdigit() for character in value)
    if _EXPRESSION.fullmatch(value):
        # A name or a plain password: names end in one digit at most, or have none.
        is_plain = value.rstrip("!?").isalnum() and (n_digits > 1 or (n_digits == 1 and style == "inside"))
        return is_plain and style != "code"
    return len(value) >= 5 and not _TYPE.fullmatch(value) and not _is_code(value)


def _is_phrase(value: str) -> bool:
    """Words that are a password, not a sentence about one."""
    return len(value) < 60 and not _SENTENCE.search(value)


def _is_key(value: str, *, is_quoted: bool) -> bool:
    if len(value) < 8 or " " in value or any(run in value for run in _RUNS if len(value) > 30):
        return False
    if not is_quoted and (not any(character.isdigit() for character in value) or _is_code(value)):
        return False  # code: `token = self.next_token`
    return entropy_bits(value) >= _MIN_ENTROPY_BITS and not _is_name(value)


def _is_name(value: str) -> bool:
    """Words, as names have them: some letters each. Random letters change their case all the time."""
    if not _NAME.fullmatch(value):
        return False
    words = _WORDS.findall(value)
    return len(value) / max(len(words), 1) >= 3 or len(value) < 16


def _is_random(value: str) -> bool:
    return (
        len(value) >= 20
        and bool(_PLAIN.fullmatch(value))
        and entropy_bits(value) >= 3.5
        and not _is_name(value)
    )


def _is_code(value: str) -> bool:
    """Whether a value without quotes is a call or a look-up, such as `os.getenv(X)`."""
    return bool(
        (_EXPRESSION.fullmatch(value) and any(mark in value for mark in ("(", "[", "->", "::", "$")))
        or ("." in value and value.replace(".", "").replace("_", "").isalpha())
    )
