"""How languages without a grammar here write comments, strings, code in strings, and brackets: data.

Read in the languages' own references. `lexis` has the other languages, `rules` says what each field is.
"""

from stardraftd.lexing.rules import (
    BRACE,
    CHARACTER,
    DASHES,
    DOLLAR_BRACE,
    DOLLAR_PAREN,
    DOUBLE,
    HASH,
    HASH_BRACE,
    LIFETIME,
    NESTED_STARS,
    PAIRS,
    PRIMED_WORD,
    RUBY_HEREDOC,
    RUBY_HOLES,
    SINGLE,
    SLASHES,
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

_LONG_DOUBLE = Text('"', '"', is_multiline=True)
_DOUBLED_SINGLE = Text("'", "'", escape="", plain=("''",))
_DOUBLED_DOUBLE = Text('"', '"', escape="", plain=('""',))
_PARENS_AND_STARS = Text(
    r"\(\*(?!\))", "*)", is_multiline=True, escape="", is_comment=True, nests=r"\(\*(?!\))"
)
_BRACES_AND_DASHES = Text(r"\{-", "-}", is_multiline=True, escape="", is_comment=True, nests=r"\{-")
_HASHES_AND_BARS = Text(r"#\|", "|#", is_multiline=True, escape="", is_comment=True, nests=r"#\|")

# Perl's operators that quote: a letter or two, and a delimiter of the writer's own.
_PERL_QUOTES = tuple(
    Text(rf"(?:(?<=\bq[qwrx])|(?<=\b[qm]))(?<![$@%&>]q){begin}", end, is_multiline=True, nests=begin)
    for begin, end in PAIRS
)
_PERL_PART = r"(?:\\[^\n]|[^/\\\n]){0,200}/"
_PERL = Lexis(
    line_comments=(r"(?<![^\s;|&(){}])#",),
    texts=(
        Text(r"^=[a-z]\w{0,20}", "\n=cut", is_multiline=True, escape="", is_comment=True),
        *_PERL_QUOTES,
        Text('"', '"', is_multiline=True, holes=(Hole(r"[$@]\{"),)),
        Text("'", "'", is_multiline=True),
    ),
    heredocs=(RUBY_HEREDOC,),
    skips=(
        r"\$[#'\"`;,/]",
        rf"(?:(?<=\b[sy])|(?<=\btr))/{_PERL_PART}{_PERL_PART}",
        rf"(?:(?<=\bm)|(?<=\bqr))/{_PERL_PART}",
    ),
    has_regex=True,
)
_ELIXIR_ENDS = (*PAIRS, ("/", "/"), (r"\|", "|"), ('"', '"'), ("'", "'"))
_ELIXIR_LONG = ('"""', "'''")
_ELIXIR = Lexis(
    line_comments=(HASH,),
    texts=(
        *(Text(f"~[a-z]{quote}", quote, is_multiline=True, holes=RUBY_HOLES) for quote in _ELIXIR_LONG),
        *(Text(f"~[A-Z]{{1,8}}{quote}", quote, is_multiline=True, escape="") for quote in _ELIXIR_LONG),
        *(Text(f"~[a-z]{begin}", end, is_multiline=True, holes=RUBY_HOLES) for begin, end in _ELIXIR_ENDS),
        *(Text(f"~[A-Z]{{1,8}}{begin}", end, is_multiline=True, escape="") for begin, end in _ELIXIR_ENDS),
        *(Text(quote, quote, is_multiline=True, holes=RUBY_HOLES) for quote in _ELIXIR_LONG),
        Text('"', '"', is_multiline=True, holes=RUBY_HOLES),
        Text("'", "'", holes=RUBY_HOLES),
    ),
    skips=(r"(?<![\w)\]}])\?\\?\S",),
)
_FSHARP = Lexis(
    line_comments=(SLASHES,),
    texts=(
        _PARENS_AND_STARS,
        Text(r'\$"""', '"""', is_multiline=True, escape="", holes=(BRACE,), plain=TWO_BRACES),
        Text('"""', '"""', is_multiline=True, escape=""),
        Text(r'\$"', '"', is_multiline=True, holes=(BRACE,), plain=TWO_BRACES),
        Text('@"', '"', is_multiline=True, escape="", plain=('""',)),
        _LONG_DOUBLE,
        CHARACTER,
    ),
    skips=(PRIMED_WORD, LIFETIME),
)
_POWERSHELL_HOLES = (DOLLAR_PAREN, DOLLAR_BRACE)
_POWERSHELL = Lexis(
    line_comments=(r"(?<![\w$<])#",),
    texts=(
        Text("<#", "#>", is_multiline=True, escape="", is_comment=True),
        Text(r'@"(?=[ \t]{0,8}\n)', '\n"@', is_multiline=True, escape="`", holes=_POWERSHELL_HOLES),
        Text(r"@'(?=[ \t]{0,8}\n)", "\n'@", is_multiline=True, escape=""),
        Text('"', '"', is_multiline=True, escape="`", holes=_POWERSHELL_HOLES, plain=('""',)),
        SQL_SINGLE,
    ),
    skips=(r"`[^\n]",),
)
_NIM_QUOTES = ('"""', '"')
_NIM = Lexis(
    line_comments=(r"#(?!\[)",),
    texts=(
        Text(r"#\[", "]#", is_multiline=True, escape="", is_comment=True, nests=r"#\["),
        *(Text(f"&{one}", one, len(one) == 3, holes=(BRACE,), plain=TWO_BRACES) for one in _NIM_QUOTES),
        *(
            Text(one, one, len(one) == 3, holes=(BRACE,), plain=TWO_BRACES, prefix="fmt|f")
            for one in _NIM_QUOTES
        ),
        Text('"""', '"""', is_multiline=True, escape=""),
        Text('"', '"', escape="", plain=('""',), prefix=r"[^\W\d]\w*"),
        DOUBLE,
        CHARACTER,
    ),
)
_TERRAFORM_HOLES = (Hole(r"[$%]\{"),)
_TERRAFORM = Lexis(
    line_comments=(HASH, SLASHES),
    texts=(STARS, Text('"', '"', holes=_TERRAFORM_HOLES, plain=(r"\$\$\{", r"%%\{"))),
    heredocs=(Heredoc(r"<<(?P<dash>-?)(?P<raw>(?!))?(?P<d>[A-Za-z_]\w*)", _TERRAFORM_HOLES),),
)
_NIX_PLAIN = (r"''\$\{", "'''", r"''\\")
_NIX = Lexis(
    line_comments=(HASH,),
    texts=(
        STARS,
        Text("''", "''", is_multiline=True, escape="", holes=(DOLLAR_BRACE,), plain=_NIX_PLAIN),
        Text('"', '"', is_multiline=True, holes=(DOLLAR_BRACE,)),
    ),
    skips=(PRIMED_WORD,),
)
_CRYSTAL = Lexis(
    line_comments=(HASH,),
    texts=(
        Text('"', '"', is_multiline=True, holes=RUBY_HOLES),
        Text("`", "`", is_multiline=True, holes=RUBY_HOLES),
        *(Text(rf"%[qwi]{begin}", end, is_multiline=True, nests=begin) for begin, end in PAIRS),
        *(
            Text(rf"%[Qxr]{begin}", end, is_multiline=True, nests=begin, holes=RUBY_HOLES)
            for begin, end in PAIRS
        ),
        CHARACTER,
    ),
    heredocs=(RUBY_HEREDOC,),
    has_regex=True,
)
_LISP = Lexis(
    line_comments=(";",),
    texts=(_HASHES_AND_BARS, _LONG_DOUBLE),
    skips=(r"#\\(?:[^\W\d]\w*|[\s\S])", r"\|[^|\n]{0,200}\|"),
)

LEXES: dict[str, Lexis] = {
    "haskell": Lexis(
        line_comments=(r"(?<![!#$%&*+./<=>?@\\^|~:-])---*(?![!#$%&*+./<=>?@\\^|~:-])",),
        texts=(_BRACES_AND_DASHES, DOUBLE, CHARACTER),
        skips=(PRIMED_WORD,),
    ),
    "elixir": _ELIXIR,
    "julia": Lexis(
        line_comments=(r"#(?!=)",),
        texts=(
            Text("#=", "=#", is_multiline=True, escape="", is_comment=True, nests="#="),
            Text('"""', '"""', is_multiline=True, holes=(DOLLAR_PAREN,)),
            Text('"', '"', is_multiline=True, holes=(DOLLAR_PAREN,)),
            CHARACTER,
        ),
        skips=(PRIMED_WORD, r"(?<=[\])}])'"),
    ),
    "perl": _PERL,
    "r": Lexis(
        line_comments=(HASH,),
        texts=(
            Text(r'"(?P<d>-{0,16})\(', '){}"', is_multiline=True, escape="", prefix="[rR]"),
            Text(r"'(?P<d>-{0,16})\(", "){}'", is_multiline=True, escape="", prefix="[rR]"),
            _LONG_DOUBLE,
            Text("'", "'", is_multiline=True),
            Text("`", "`"),
        ),
    ),
    "latex": Lexis(line_comments=(r"(?<!\\)%",), skips=(r"\\[^\w\s]",)),
    "lisp": _LISP,
    "racket": _LISP,
    "scheme": _LISP,
    "emacs-lisp": Lexis(
        line_comments=(";",), texts=(_LONG_DOUBLE,), skips=(r"(?<![\w\"-])\?(?:\\[\s\S]|\S)",)
    ),
    "clojure": Lexis(line_comments=(";",), texts=(_LONG_DOUBLE,), skips=(r"\\\S",)),
    "ada": Lexis(line_comments=(DASHES,), texts=(_DOUBLED_DOUBLE, CHARACTER), skips=(r"(?<=\w)'(?=[A-Z(])",)),
    "vhdl": Lexis(line_comments=(DASHES,), texts=(_DOUBLED_DOUBLE, CHARACTER), skips=(r"(?<=\w)'(?=\w\w)",)),
    "verilog": Lexis(line_comments=(SLASHES,), texts=(STARS, DOUBLE)),
    "elm": Lexis(line_comments=(DASHES,), texts=(_BRACES_AND_DASHES, TRIPLE, DOUBLE, CHARACTER)),
    "coffeescript": Lexis(
        line_comments=("#(?!##)",),
        texts=(
            Text("###", "###", is_multiline=True, escape="", is_comment=True),
            Text('"""', '"""', is_multiline=True, holes=(HASH_BRACE,)),
            TRIPLE_SINGLE,
            Text('"', '"', is_multiline=True, holes=(HASH_BRACE,)),
            SINGLE,
        ),
        has_regex=True,
    ),
    "ocaml": Lexis(
        texts=(
            _PARENS_AND_STARS,
            Text(r"\{(?P<d>[a-z_]{0,16})\|", "|{}}", is_multiline=True, escape=""),
            _LONG_DOUBLE,
            CHARACTER,
        ),
        skips=(PRIMED_WORD, LIFETIME),
    ),
    "fsharp": _FSHARP,
    "powershell": _POWERSHELL,
    "erlang": Lexis(line_comments=("%",), texts=(_LONG_DOUBLE, SINGLE), skips=(r"\$(?:\\[^\n]|[^\n])",)),
    "matlab": Lexis(
        line_comments=("%(?![{}])",),
        texts=(
            Text(r"%\{", "%}", is_multiline=True, escape="", is_comment=True),
            _DOUBLED_SINGLE,
            _DOUBLED_DOUBLE,
        ),
        skips=(r"(?<=[\w)\]}.'])'",),  # it transposes
    ),
    "nim": _NIM,
    "crystal": _CRYSTAL,
    "terraform": _TERRAFORM,
    "nix": _NIX,
    "vb": Lexis(
        line_comments=("'",),
        texts=(
            Text(r'\$"', '"', escape="", holes=(BRACE,), plain=(*TWO_BRACES, '""')),
            _DOUBLED_DOUBLE,
        ),
    ),
    "graphql": Lexis(line_comments=(HASH,), texts=(TRIPLE, DOUBLE)),
    "fortran": Lexis(line_comments=("!",), texts=(_DOUBLED_SINGLE, _DOUBLED_DOUBLE)),
    "pascal": Lexis(
        line_comments=(SLASHES,),
        texts=(
            _PARENS_AND_STARS,
            Text(r"\{", "}", is_multiline=True, escape="", is_comment=True),
            _DOUBLED_SINGLE,
        ),
    ),
    "d": Lexis(
        line_comments=(SLASHES,),
        texts=(
            STARS,
            Text(r"/\+", "+/", is_multiline=True, escape="", is_comment=True, nests=r"/\+"),
            Text("`", "`", is_multiline=True, escape=""),
            _LONG_DOUBLE,
            SINGLE,
        ),
    ),
    "proto": Lexis(line_comments=(SLASHES,), texts=(STARS, DOUBLE, SINGLE)),
    "solidity": Lexis(line_comments=(SLASHES,), texts=(STARS, DOUBLE, SINGLE)),
    "reason": Lexis(
        line_comments=(SLASHES,), texts=(NESTED_STARS, _LONG_DOUBLE, CHARACTER), skips=(LIFETIME,)
    ),
}
