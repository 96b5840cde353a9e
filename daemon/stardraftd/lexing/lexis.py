"""How each language writes comments, strings, code in strings, and brackets: data, and nothing that decides.

Here are the languages that have a grammar, and those that are like them; `lexis_more` has the others.
"""

from stardraftd.lexing import lexis_more
from stardraftd.lexing.rules import (
    BRACE,
    CHARACTER,
    DASHES,
    DOLLAR_BRACE,
    DOLLAR_PAREN,
    DOUBLE,
    GROUPED_NUMBER,
    HASH,
    HASH_BRACE,
    LIFETIME,
    MARKUP_COMMENT,
    NESTED_STARS,
    PAIRS,
    RAW_SINGLE,
    RUBY_HEREDOC,
    RUBY_HOLES,
    SINGLE,
    SLASH_PAREN,
    SLASHES,
    SPACED_HASH,
    SQL_SINGLE,
    STARS,
    TRIPLE,
    TRIPLE_SINGLE,
    TWO_BRACES,
    Heredoc,
    Hole,
    Lexis,
    Text,
)

_PYTHON_F = "[fFtT][rR]?|[rR][fFtT]"
_PYTHON = Lexis(
    line_comments=(HASH,),
    texts=(
        *(
            Text(quote, quote, len(quote) == 3, holes=(BRACE,), plain=TWO_BRACES, prefix=_PYTHON_F)
            for quote in ('"""', "'''", '"', "'")
        ),
        *(Text(quote, quote, len(quote) == 3) for quote in ('"""', "'''", '"', "'")),
    ),
)


def _javascript(*, types: bool, tags: bool) -> Lexis:
    return Lexis(
        line_comments=(SLASHES,),
        texts=(STARS, Text("`", "`", is_multiline=True, holes=(DOLLAR_BRACE,)), DOUBLE, SINGLE),
        type_angles=types,
        tag_angles=tags,
        has_regex=True,
    )


def _c_like(*texts: Text, nests: bool = False, types: bool = True, skips: tuple[str, ...] = ()) -> Lexis:
    """C's comments, and strings of the language's own."""
    comment = NESTED_STARS if nests else STARS
    return Lexis(line_comments=(SLASHES,), texts=(comment, *texts), skips=skips, type_angles=types)


# `#include <a>`: a string in all but name.
_INCLUDE = Text(r"#[ \t]{0,8}(?:include|import)[ \t]{0,8}<", ">", escape="")
_CPP_RAW = Text(r'"(?P<d>[^()\\\s]{0,16})\(', '){}"', is_multiline=True, escape="", prefix="(?:u8|u|U|L)?R")

_RUST = Lexis(
    line_comments=(SLASHES,),
    texts=(
        NESTED_STARS,
        Text(r'(?<!#)(?P<d>#+)"', '"{}', is_multiline=True, escape="", prefix="[bc]?r"),
        Text('"', '"', is_multiline=True, escape="", prefix="[bc]?r"),
        Text('"', '"', is_multiline=True),
        CHARACTER,
    ),
    skips=(LIFETIME,),
    macro_text=Text('"', '"', is_multiline=True, holes=(BRACE,), plain=TWO_BRACES),
    type_angles=True,
)
_CSHARP = _c_like(
    Text(r'\$\$(?P<d>"{3,40})', "{}", is_multiline=True, escape="", holes=(Hole(r"\{\{"),)),
    Text(r'\$(?P<d>"{3,40})', "{}", is_multiline=True, escape="", holes=(BRACE,)),
    Text('(?P<d>"{3,40})', "{}", is_multiline=True, escape=""),
    Text(r'(?:\$@|@\$)"', '"', is_multiline=True, escape="", holes=(BRACE,), plain=('""', *TWO_BRACES)),
    Text('@"', '"', is_multiline=True, escape="", plain=('""',)),
    Text(r'\$"', '"', holes=(BRACE,), plain=TWO_BRACES),
    DOUBLE,
    SINGLE,
)
_RUBY = Lexis(
    line_comments=(HASH,),
    texts=(
        Text(r"^=begin\b", "\n=end", is_multiline=True, escape="", is_comment=True),
        Text('"', '"', is_multiline=True, holes=RUBY_HOLES),
        Text("`", "`", is_multiline=True, holes=RUBY_HOLES),
        Text("'", "'", is_multiline=True),
        *(Text(rf"%[qwi]{begin}", end, is_multiline=True, nests=begin) for begin, end in PAIRS),
        *(
            Text(rf"(?<![\w)\]}}])%[QWIxr]?{begin}", end, is_multiline=True, nests=begin, holes=RUBY_HOLES)
            for begin, end in PAIRS
        ),
    ),
    heredocs=(RUBY_HEREDOC,),
    skips=(r"\$[\"'`/;,#]", r"(?<![\w)\]}])\?\S(?!\w)"),
    has_regex=True,
)
_PHP_HOLES = (Hole(r"\{(?=\$)"), DOLLAR_BRACE)
_PHP = Lexis(
    line_comments=(SLASHES, r"#(?!\[)"),
    texts=(
        STARS,
        Text('"', '"', is_multiline=True, holes=_PHP_HOLES),
        Text("`", "`", is_multiline=True, holes=_PHP_HOLES),
        Text("'", "'", is_multiline=True),
    ),
    heredocs=(
        Heredoc(r"<<<(?P<dash>)[ \t]{0,8}(?:(?P<raw>')|\")?(?P<d>[A-Za-z_]\w*)(?(raw)'|\"?)", _PHP_HOLES),
    ),
)
_LUA = Lexis(
    line_comments=(DASHES,),
    texts=(
        Text(r"--\[(?P<d>=*)\[", "]{}]", is_multiline=True, escape="", is_comment=True),
        Text(r"\[(?P<d>=*)\[", "]{}]", is_multiline=True, escape=""),
        DOUBLE,
        SINGLE,
    ),
)
_SHELL_HOLES = (DOLLAR_PAREN, DOLLAR_BRACE)
_SHELL = Lexis(
    line_comments=(SPACED_HASH,),
    texts=(
        Text(r"\$'", "'", is_multiline=True),
        Text('"', '"', is_multiline=True, holes=_SHELL_HOLES),
        RAW_SINGLE,
    ),
    heredocs=(
        Heredoc(
            r"(?<![\w<)])<<(?P<dash>-?)[ \t]{0,8}(?:(?P<raw>['\"\\]))?(?P<d>[A-Za-z_]\w*)['\"]?", _SHELL_HOLES
        ),
        Heredoc(r"(?<=[a-z])<<(?P<dash>-?)(?:(?P<raw>['\"\\]))?(?P<d>[A-Z_]\w*)['\"]?", _SHELL_HOLES),
    ),
    skips=(r"\\[\s\S]", r"\$[#'\"]?(?<=#)"),
    lone_parens=True,
)
_KOTLIN = _c_like(
    Text('"""', '"""', is_multiline=True, escape="", holes=(DOLLAR_BRACE,)),
    Text('"', '"', holes=(DOLLAR_BRACE,)),
    CHARACTER,
    nests=True,
)
_SWIFT = _c_like(
    Text(r'(?<!#)(?P<d>#+)"""', '"""{}', is_multiline=True, escape="", holes=(Hole(r"\\#{1,4}\(", ")"),)),
    Text(r'(?<!#)(?P<d>#+)"', '"{}', escape="", holes=(Hole(r"\\#{1,4}\(", ")"),)),
    Text('"""', '"""', is_multiline=True, holes=(SLASH_PAREN,)),
    Text('"', '"', holes=(SLASH_PAREN,)),
    nests=True,
)
_SCALA = _c_like(
    Text('"""', '"""', is_multiline=True, escape="", holes=(DOLLAR_BRACE,), prefix=r"[^\W\d]\w*"),
    Text('"', '"', holes=(DOLLAR_BRACE,), prefix=r"[^\W\d]\w*"),
    Text('"""', '"""', is_multiline=True, escape=""),
    DOUBLE,
    CHARACTER,
    skips=(LIFETIME,),
    types=False,
    nests=True,
)
_DART = _c_like(
    *(Text(quote, quote, len(quote) == 3, escape="", prefix="r") for quote in ("'''", '"""', "'", '"')),
    Text("'''", "'''", is_multiline=True, holes=(DOLLAR_BRACE,)),
    Text('"""', '"""', is_multiline=True, holes=(DOLLAR_BRACE,)),
    Text("'", "'", holes=(DOLLAR_BRACE,)),
    Text('"', '"', holes=(DOLLAR_BRACE,)),
    nests=True,
)
_GROOVY = _c_like(
    Text('"""', '"""', is_multiline=True, holes=(DOLLAR_BRACE,)),
    TRIPLE_SINGLE,
    Text('"', '"', holes=(DOLLAR_BRACE,)),
    SINGLE,
)
_ADDRESS = Text(r"(?<=\burl)\((?![ \t]{0,8}[\"'#$@])", ")")
_CSS = Lexis(texts=(STARS, _ADDRESS, DOUBLE, SINGLE))
_SCSS_TEXTS = (STARS, _ADDRESS, *(Text(quote, quote, holes=(HASH_BRACE,)) for quote in ('"', "'")))
_TAGS = Lexis(
    texts=(MARKUP_COMMENT, Text('"', '"', is_multiline=True, escape=""), RAW_SINGLE),
    tag_angles=True,
    quotes_in_tags=True,
)
_RAW_TRIPLE = Text("'''", "'''", is_multiline=True, escape="")
_NONE = Lexis()

LEXES: dict[str, Lexis] = {
    "python": _PYTHON,
    "javascript": _javascript(types=False, tags=True),
    "typescript": _javascript(types=True, tags=False),
    "tsx": _javascript(types=True, tags=True),
    "go": _c_like(Text("`", "`", is_multiline=True, escape=""), DOUBLE, SINGLE, types=False),
    "rust": _RUST,
    "java": _c_like(TRIPLE, DOUBLE, SINGLE),
    "c": _c_like(_INCLUDE, DOUBLE, SINGLE, types=False, skips=(GROUPED_NUMBER,)),
    "cpp": _c_like(_CPP_RAW, _INCLUDE, DOUBLE, SINGLE, skips=(GROUPED_NUMBER,)),
    "objective-c": _c_like(_INCLUDE, DOUBLE, SINGLE, types=False),
    "csharp": _CSHARP,
    "ruby": _RUBY,
    "php": _PHP,
    "lua": _LUA,
    "shell": _SHELL,
    "kotlin": _KOTLIN,
    "swift": _SWIFT,
    "scala": _SCALA,
    "dart": _DART,
    "groovy": _GROOVY,
    "zig": Lexis(line_comments=(SLASHES, r"\\\\"), texts=(DOUBLE, SINGLE)),
    "css": _CSS,
    "scss": Lexis(line_comments=(SLASHES,), texts=_SCSS_TEXTS),
    "sql": Lexis(line_comments=(DASHES,), texts=(STARS, SQL_SINGLE, Text('"', '"', escape=""))),
    "yaml": Lexis(
        line_comments=(SPACED_HASH,),
        texts=(Text('(?<![^\\s\\[{,:-])"', '"'), Text("(?<![^\\s\\[{,:-])'", "'", escape="", plain=("''",))),
    ),
    "toml": Lexis(line_comments=(HASH,), texts=(TRIPLE, _RAW_TRIPLE, DOUBLE, Text("'", "'", escape=""))),
    "dockerfile": Lexis(line_comments=(r"(?<!\S)#",), texts=(DOUBLE,)),
    "makefile": Lexis(line_comments=(HASH,), skips=(r"\\#", r"\$[#'\"]")),
    "json": Lexis(texts=(DOUBLE,)),
    "jsonc": Lexis(line_comments=(SLASHES,), texts=(STARS, DOUBLE)),
    "html": _TAGS,
    "xml": _TAGS,
    "vue": _TAGS,
    "svelte": _TAGS,
    "markdown": _NONE,
    "plaintext": _NONE,
    **lexis_more.LEXES,
}
# A language that is not known: what most have. An apostrophe within a word is none of its quotes, and a
# backtick, which is a quote in some and a sign in others, is none over lines.
UNKNOWN = Lexis(
    line_comments=(SLASHES, SPACED_HASH),
    texts=(STARS, DOUBLE, Text(r"(?<!\w)'", "'"), Text("`", "`")),
)


def lexis_of(language: str) -> Lexis:
    """The lexis of a language as `names.language_of` names it."""
    return LEXES.get(language, UNKNOWN)
