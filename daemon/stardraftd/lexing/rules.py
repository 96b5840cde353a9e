"""With what a language's comments, strings, code in strings and brackets are described; and what many share.

`lexis` and `lexis_more` have the languages, `scanner` reads them. Patterns are regular expressions that stay
linear on any text: they begin with a sign that is no letter, and whatever repeats in them is one class of
characters, or bounded. The group `d` in `begin` is a delimiter of the writer's own (`r##"`, `R"x(`, `[==[`),
which stands as `{}` in `end`.
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
    nests: a pattern of what has to be ended within it, too; "" for nothing.
    """

    begin: str
    end: str
    is_multiline: bool = False
    escape: str = "\\"
    holes: tuple[Hole, ...] = ()
    plain: tuple[str, ...] = ()
    is_comment: bool = False
    nests: str = ""
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
SLASHES = "".join(rf"(?<!\b{scheme}:)" for scheme in _SCHEMES) + "//"
HASH = "#"
SPACED_HASH = r"(?<![^\s;|&()])#"  # where a word may have a hash in it
DASHES = "--"

STARS = Text(r"/\*", "*/", is_multiline=True, escape="", is_comment=True)
NESTED_STARS = Text(r"/\*", "*/", is_multiline=True, escape="", is_comment=True, nests=r"/\*")
MARKUP_COMMENT = Text("<!--", "-->", is_multiline=True, escape="", is_comment=True)
DOUBLE = Text('"', '"')
SINGLE = Text("'", "'")
RAW_SINGLE = Text("'", "'", is_multiline=True, escape="")
TRIPLE = Text('"""', '"""', is_multiline=True)
TRIPLE_SINGLE = Text("'''", "'''", is_multiline=True)
SQL_SINGLE = Text("'", "'", is_multiline=True, escape="", plain=("''",))

DOLLAR_BRACE = Hole(r"\$\{")
HASH_BRACE = Hole(r"#\{")
SLASH_PAREN = Hole(r"\\\(", ")")
DOLLAR_PAREN = Hole(r"\$\(", ")")
BRACE = Hole(r"\{")
TWO_BRACES = (r"\{\{",)

# Ruby's, which others took over.
RUBY_HOLES = (HASH_BRACE,)
PAIRS = ((r"\(", ")"), (r"\[", "]"), (r"\{", "}"), ("<", ">"))
RUBY_HEREDOC = Heredoc(
    r"(?<![\w<)])<<(?P<dash>[~-]?)(?:(?P<raw>')|[\"`])?(?P<d>[A-Z_]\w*)(?(raw)'|[\"`]?)", RUBY_HOLES
)

# A character, and a lifetime, a label or a symbol that only looks like the beginning of one.
CHARACTER = Text(r"'(?=(?:\\[^\n]{1,10}?|[^\\'\n])')", "'")
LIFETIME = r"'[^\W\d]\w*+(?!')"
GROUPED_NUMBER = r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])"
PRIMED_WORD = r"(?<=\w)'[\w']*"
