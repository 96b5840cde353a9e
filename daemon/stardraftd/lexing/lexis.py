"""How each language writes comments, strings, code in strings, and brackets: data, and nothing that decides.

`scanner` reads it. Patterns are regular expressions that stay linear on any text: they begin with a sign that
is no letter, and whatever repeats in them is one class of characters, or bounded. The group `d` in `begin` is
a delimiter of the writer's own (`r##"`, `R"x(`, `[==[`), which stands as `{}` in `end`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hole:
    """Code within a string: what begins it, a pattern, and the closer that ends it."""

    begin: str
    end: str = "}"


@dataclass(frozen=True)
class Text:
    """A kind of string or block comment.

    begin: a pattern. prefix: a pattern of the whole word right before it. end: a literal. escape: what takes
    the next character's meaning, "" for nothing.
    plain: patterns that begin no hole and end nothing, such as `{{` or a doubled quote.
    nests: its own beginning within it has to be ended too.
    """

    begin: str
    end: str
    is_multiline: bool = False
    escape: str = "\\"
    holes: tuple[Hole, ...] = ()
    plain: tuple[str, ...] = ()
    is_comment: bool = False
    nests: bool = False
    prefix: str = ""


@dataclass(frozen=True)
class Heredoc:
    """Text below the line that names its end. Groups of `begin`: d, the end's word; raw, if it has no holes;
    dash, if its end may be indented."""

    begin: str
    holes: tuple[Hole, ...] = ()
    escape: str = "\\"


@dataclass(frozen=True)
class Lexis:
    """One language.

    line_comments: patterns. skips: patterns of what is passed over whole: words with quotes in them,
    characters, numbers.
    macro_text: what a string is within a macro's brackets (Rust's `println!`).
    angles: whether `<` opens a bracket: of type arguments, of tags.
    has_regex: `/.../` where a value may begin. lone_parens: `)` may close nothing (a shell's `case`).
    quotes_in_tags: text outside of tags has no strings: HTML.
    """

    line_comments: tuple[str, ...] = ()
    texts: tuple[Text, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    skips: tuple[str, ...] = ()
    macro_text: Text | None = None
    type_angles: bool = False
    tag_angles: bool = False
    has_regex: bool = False
    lone_parens: bool = False
    quotes_in_tags: bool = False


# `https://` is an address wherever it stands, and no comment.
_SCHEMES = ("http", "https", "ftp", "file", "ws", "wss", "ssh", "git")
_SLASHES = "".join(rf"(?<!\b{scheme}:)" for scheme in _SCHEMES) + "//"
_HASH = "#"
_SPACED_HASH = r"(?<![^\s;|&()])#"  # where a word may have a hash in it
_DASHES = "--"

_STARS = Text(r"/\*", "*/", is_multiline=True, escape="", is_comment=True)
_NESTED_STARS = Text(r"/\*", "*/", is_multiline=True, escape="", is_comment=True, nests=True)
_MARKUP_COMMENT = Text("<!--", "-->", is_multiline=True, escape="", is_comment=True)
_DOUBLE = Text('"', '"')
_SINGLE = Text("'", "'")
_RAW_SINGLE = Text("'", "'", is_multiline=True, escape="")
_BACKTICK = Text("`", "`", is_multiline=True)
_TRIPLE = Text('"""', '"""', is_multiline=True)
_TRIPLE_SINGLE = Text("'''", "'''", is_multiline=True)
_SQL_SINGLE = Text("'", "'", is_multiline=True, escape="", plain=("''",))

_DOLLAR_BRACE = Hole(r"\$\{")
_HASH_BRACE = Hole(r"#\{")
_SLASH_PAREN = Hole(r"\\\(", ")")
_DOLLAR_PAREN = Hole(r"\$\(", ")")
_BRACE = Hole(r"\{")
_TWO_BRACES = (r"\{\{",)

# A character, and a lifetime, a label or a symbol that only looks like the beginning of one.
_CHARACTER = r"'(?:\\[^\n]{1,10}?|[^\\'\n])'"
_LIFETIME = r"'[^\W\d]\w*"
_GROUPED_NUMBER = r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])"
_PRIMED_WORD = r"(?<=\w)'[\w']*"

_PYTHON_F = "[fFtT][rR]?|[rR][fFtT]"
_PYTHON = Lexis(
    line_comments=(_HASH,),
    texts=(
        *(
            Text(quote, quote, len(quote) == 3, holes=(_BRACE,), plain=_TWO_BRACES, prefix=_PYTHON_F)
            for quote in ('"""', "'''", '"', "'")
        ),
        *(Text(quote, quote, len(quote) == 3) for quote in ('"""', "'''", '"', "'")),
    ),
)


def _javascript(*, types: bool, tags: bool) -> Lexis:
    return Lexis(
        line_comments=(_SLASHES,),
        texts=(_STARS, Text("`", "`", is_multiline=True, holes=(_DOLLAR_BRACE,)), _DOUBLE, _SINGLE),
        type_angles=types,
        tag_angles=tags,
        has_regex=True,
    )


def _c_like(*texts: Text, nests: bool = False, types: bool = True, skips: tuple[str, ...] = ()) -> Lexis:
    """C's comments, and strings of the language's own."""
    comment = _NESTED_STARS if nests else _STARS
    return Lexis(line_comments=(_SLASHES,), texts=(comment, *texts), skips=skips, type_angles=types)


# `#include <a>`: a string in all but name.
_INCLUDE = Text(r"#[ \t]{0,8}(?:include|import)[ \t]{0,8}<", ">", escape="")
_CPP_RAW = Text(r'"(?P<d>[^()\\\s]{0,16})\(', '){}"', is_multiline=True, escape="", prefix="(?:u8|u|U|L)?R")

_RUST = Lexis(
    line_comments=(_SLASHES,),
    texts=(
        _NESTED_STARS,
        Text(r'(?<!#)(?P<d>#+)"', '"{}', is_multiline=True, escape="", prefix="[bc]?r"),
        Text('"', '"', is_multiline=True, escape="", prefix="[bc]?r"),
        Text('"', '"', is_multiline=True),
    ),
    skips=(_CHARACTER, _LIFETIME),
    macro_text=Text('"', '"', is_multiline=True, holes=(_BRACE,), plain=_TWO_BRACES),
    type_angles=True,
)
_CSHARP = _c_like(
    Text(r'\$\$"""', '"""', is_multiline=True, escape="", holes=(Hole(r"\{\{"),)),
    Text(r'\$"""', '"""', is_multiline=True, escape="", holes=(_BRACE,)),
    Text('"""', '"""', is_multiline=True, escape=""),
    Text(r'(?:\$@|@\$)"', '"', is_multiline=True, escape="", holes=(_BRACE,), plain=('""', *_TWO_BRACES)),
    Text('@"', '"', is_multiline=True, escape="", plain=('""',)),
    Text(r'\$"', '"', holes=(_BRACE,), plain=_TWO_BRACES),
    _DOUBLE,
    _SINGLE,
)
_RUBY_HOLES = (_HASH_BRACE,)
_RUBY_PAIRS = ((r"\(", ")"), (r"\[", "]"), (r"\{", "}"), ("<", ">"))
_RUBY = Lexis(
    line_comments=(_HASH,),
    texts=(
        Text(r"^=begin\b", "\n=end", is_multiline=True, escape="", is_comment=True),
        Text('"', '"', is_multiline=True, holes=_RUBY_HOLES),
        Text("`", "`", is_multiline=True, holes=_RUBY_HOLES),
        Text("'", "'", is_multiline=True),
        *(Text(rf"%[qwi]{begin}", end, is_multiline=True) for begin, end in _RUBY_PAIRS),
        *(Text(rf"%[QWIxr]{begin}", end, is_multiline=True, holes=_RUBY_HOLES) for begin, end in _RUBY_PAIRS),
    ),
    heredocs=(
        Heredoc(
            r"(?<![\w<)])<<(?P<dash>[~-]?)(?:(?P<raw>')|[\"`])?(?P<d>[A-Z_]\w*)(?(raw)'|[\"`]?)", _RUBY_HOLES
        ),
    ),
    skips=(r"\$[\"'`/;,#]", r"(?<![\w)\]}])\?\S(?!\w)"),
    has_regex=True,
)
_PHP_HOLES = (Hole(r"\{(?=\$)"), _DOLLAR_BRACE)
_PHP = Lexis(
    line_comments=(_SLASHES, r"#(?!\[)"),
    texts=(
        _STARS,
        Text('"', '"', is_multiline=True, holes=_PHP_HOLES),
        Text("`", "`", is_multiline=True, holes=_PHP_HOLES),
        Text("'", "'", is_multiline=True),
    ),
    heredocs=(
        Heredoc(r"<<<(?P<dash>)[ \t]{0,8}(?:(?P<raw>')|\")?(?P<d>[A-Za-z_]\w*)(?(raw)'|\"?)", _PHP_HOLES),
    ),
)
_LUA = Lexis(
    line_comments=(_DASHES,),
    texts=(
        Text(r"--\[(?P<d>=*)\[", "]{}]", is_multiline=True, escape="", is_comment=True),
        Text(r"\[(?P<d>=*)\[", "]{}]", is_multiline=True, escape=""),
        _DOUBLE,
        _SINGLE,
    ),
)
_SHELL_HOLES = (_DOLLAR_PAREN, _DOLLAR_BRACE)
_SHELL = Lexis(
    line_comments=(_SPACED_HASH,),
    texts=(
        Text(r"\$'", "'", is_multiline=True),
        Text('"', '"', is_multiline=True, holes=_SHELL_HOLES),
        _RAW_SINGLE,
    ),
    heredocs=(
        Heredoc(
            r"(?<![\w<)])<<(?P<dash>-?)[ \t]{0,8}(?:(?P<raw>['\"\\]))?(?P<d>[A-Za-z_]\w*)['\"]?", _SHELL_HOLES
        ),
        Heredoc(r"(?<=[a-z])<<(?P<dash>-?)(?:(?P<raw>['\"\\]))?(?P<d>[A-Z_]\w*)['\"]?", _SHELL_HOLES),
    ),
    skips=(r"\\[\s\S]", r"\$[#'\"]?(?<=#)", r"\$\{#"),
    lone_parens=True,
)
_KOTLIN = _c_like(
    Text('"""', '"""', is_multiline=True, escape="", holes=(_DOLLAR_BRACE,)),
    Text('"', '"', holes=(_DOLLAR_BRACE,)),
    skips=(_CHARACTER,),
    nests=True,
)
_SWIFT = _c_like(
    Text(r'(?<!#)(?P<d>#+)"""', '"""{}', is_multiline=True, escape="", holes=(Hole(r"\\#{1,4}\(", ")"),)),
    Text(r'(?<!#)(?P<d>#+)"', '"{}', escape="", holes=(Hole(r"\\#{1,4}\(", ")"),)),
    Text('"""', '"""', is_multiline=True, holes=(_SLASH_PAREN,)),
    Text('"', '"', holes=(_SLASH_PAREN,)),
    nests=True,
)
_SCALA = _c_like(
    Text('"""', '"""', is_multiline=True, escape="", holes=(_DOLLAR_BRACE,), prefix=r"[^\W\d]\w*"),
    Text('"', '"', holes=(_DOLLAR_BRACE,), prefix=r"[^\W\d]\w*"),
    Text('"""', '"""', is_multiline=True, escape=""),
    _DOUBLE,
    skips=(_CHARACTER, _LIFETIME),
    types=False,
    nests=True,
)
_DART = _c_like(
    *(Text(quote, quote, len(quote) == 3, escape="", prefix="r") for quote in ("'''", '"""', "'", '"')),
    Text("'''", "'''", is_multiline=True, holes=(_DOLLAR_BRACE,)),
    Text('"""', '"""', is_multiline=True, holes=(_DOLLAR_BRACE,)),
    Text("'", "'", holes=(_DOLLAR_BRACE,)),
    Text('"', '"', holes=(_DOLLAR_BRACE,)),
    nests=True,
)
_GROOVY = _c_like(
    Text('"""', '"""', is_multiline=True, holes=(_DOLLAR_BRACE,)),
    _TRIPLE_SINGLE,
    Text('"', '"', holes=(_DOLLAR_BRACE,)),
    _SINGLE,
)
_CSS = Lexis(texts=(_STARS, _DOUBLE, _SINGLE), skips=(r"(?<=url)\([^)\"'\n]{0,400}\)",))
_TAGS = Lexis(
    texts=(_MARKUP_COMMENT, Text('"', '"', is_multiline=True, escape=""), _RAW_SINGLE),
    tag_angles=True,
    quotes_in_tags=True,
)
_HASHES = Lexis(line_comments=(_HASH,), texts=(_DOUBLE, _SINGLE))
_NONE = Lexis()

LEXES: dict[str, Lexis] = {
    "python": _PYTHON,
    "javascript": _javascript(types=False, tags=True),
    "typescript": _javascript(types=True, tags=False),
    "tsx": _javascript(types=True, tags=True),
    "go": _c_like(Text("`", "`", is_multiline=True, escape=""), _DOUBLE, _SINGLE, types=False),
    "rust": _RUST,
    "java": _c_like(_TRIPLE, _DOUBLE, _SINGLE),
    "c": _c_like(_INCLUDE, _DOUBLE, _SINGLE, types=False, skips=(_GROUPED_NUMBER,)),
    "cpp": _c_like(_CPP_RAW, _INCLUDE, _DOUBLE, _SINGLE, skips=(_GROUPED_NUMBER,)),
    "objective-c": _c_like(_INCLUDE, _DOUBLE, _SINGLE, types=False),
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
    "zig": Lexis(line_comments=(_SLASHES, r"\\\\"), texts=(_DOUBLE, _SINGLE)),
    "css": _CSS,
    "scss": Lexis(line_comments=(_SLASHES,), texts=_CSS.texts, skips=_CSS.skips),
    "sql": Lexis(line_comments=(_DASHES,), texts=(_STARS, _SQL_SINGLE, Text('"', '"', escape=""))),
    "haskell": Lexis(
        line_comments=(r"(?<![!#$%&*+./<=>?@\\^|~:-])---*(?![!#$%&*+./<=>?@\\^|~:-])",),
        texts=(Text(r"\{-", "-}", is_multiline=True, escape="", is_comment=True, nests=True), _DOUBLE),
        skips=(_PRIMED_WORD, _CHARACTER),
    ),
    "elixir": Lexis(
        line_comments=(_HASH,),
        texts=(
            Text('"""', '"""', is_multiline=True, holes=_RUBY_HOLES),
            Text("'''", "'''", is_multiline=True, holes=_RUBY_HOLES),
            Text('"', '"', is_multiline=True, holes=_RUBY_HOLES),
            _SINGLE,
        ),
        skips=(r"(?<![\w)\]}])\?\\?\S",),
    ),
    "julia": Lexis(
        line_comments=(_HASH,),
        texts=(
            Text("#=", "=#", is_multiline=True, escape="", is_comment=True, nests=True),
            Text('"""', '"""', is_multiline=True, holes=(_DOLLAR_PAREN,)),
            Text('"', '"', is_multiline=True, holes=(_DOLLAR_PAREN,)),
        ),
        skips=(_PRIMED_WORD, r"(?<=[\])}])'", _CHARACTER),
    ),
    "perl": Lexis(
        line_comments=(r"(?<![^\s;|&(){}])#",),
        texts=(Text('"', '"', is_multiline=True), Text("'", "'", is_multiline=True)),
        skips=(r"\$[#'\"`;,]",),
    ),
    "r": _HASHES,
    "yaml": Lexis(
        line_comments=(_SPACED_HASH,),
        texts=(Text('(?<![^\\s\\[{,:-])"', '"'), Text("(?<![^\\s\\[{,:-])'", "'")),
    ),
    "toml": Lexis(
        line_comments=(_HASH,), texts=(_TRIPLE, _TRIPLE_SINGLE, _DOUBLE, Text("'", "'", escape=""))
    ),
    "dockerfile": Lexis(line_comments=(r"(?<!\S)#",), texts=(_DOUBLE,)),
    "makefile": Lexis(line_comments=(_HASH,), skips=(r"\\#", r"\$[#'\"]")),
    "json": Lexis(texts=(_DOUBLE,)),
    "jsonc": Lexis(line_comments=(_SLASHES,), texts=(_STARS, _DOUBLE)),
    "html": _TAGS,
    "xml": _TAGS,
    "vue": _TAGS,
    "svelte": _TAGS,
    "markdown": _NONE,
    "plaintext": _NONE,
    "latex": Lexis(line_comments=(r"(?<!\\)%",)),
    "lisp": Lexis(line_comments=(";",), texts=(Text('"', '"', is_multiline=True),)),
    "clojure": Lexis(line_comments=(";",), texts=(Text('"', '"', is_multiline=True),), skips=(r"\\\S",)),
    "scheme": Lexis(line_comments=(";",), texts=(Text('"', '"', is_multiline=True),), skips=(r"#\\\S",)),
    "ada": Lexis(line_comments=(_DASHES,), texts=(_DOUBLE,), skips=(_CHARACTER,)),
    "elm": Lexis(line_comments=(_DASHES,), texts=(_TRIPLE, _DOUBLE), skips=(_CHARACTER,)),
    "coffeescript": Lexis(
        line_comments=(_HASH,), texts=(Text('"', '"', is_multiline=True, holes=_RUBY_HOLES), _SINGLE)
    ),
}
# A language that is not known: what most have. An apostrophe within a word is none of its quotes.
UNKNOWN = Lexis(
    line_comments=(_SLASHES, _SPACED_HASH),
    texts=(_STARS, _DOUBLE, Text(r"(?<!\w)'", "'"), _BACKTICK),
)


def lexis_of(language: str) -> Lexis:
    """The lexis of a language as `names.language_of` names it."""
    return LEXES.get(language, UNKNOWN)
