"""Secrets by the name that they are given to: `password = "..."` in the ways of many languages and formats.

First a telling name is found (`_NAME`), then what follows it is read (`_AFTER`): a value in quotes, one up
to the line's end, a block of YAML, an element of XML, the `value` beside a `name`. Some values stand
without a name: in addresses, in SQL, behind `curl -u`. Whether a value is a secret is asked in values.py.
"""

from collections.abc import Iterator

from stardraftd.patterns import Match, joined, linear
from stardraftd.privacy.placed import placed_spans
from stardraftd.privacy.values import Style, is_secret_value

# Values are looked for this far behind a name.
_REACH = 700
# As much of a line is looked at before a name.
_REACH_BACK = 200

_NAME = linear(
    r"(?:pass(?:word|wd|wort|phrase|code|key)|mot_?de_?passe|contrase[nñ]a|kennwort|wachtwoord"
    r"|\bpass\b|(?-i:[a-z]Pass)\b|_pass\b|pass_|pwd"
    r"|pswd|secret|token"
    r"|authorization|credential|mnemonic|(?:seed|recovery|backup)[_-]?phrase|\bpsk\b|_psk\b"
    r"|requirepass|masterauth|salt\b|_salt|pepper\b|passw\b|userpass|bind_?pw|\bpw\b|_pw\b|_auth\b"
    r"|\b(?:src|dest)?(?:store|key)pass\b"
    r"|(?:api|access|auth|private|account|encryption|encrypt|signing|signature|hmac|crypto?|master"
    r"|shared|storage"
    r"|service|session|webhook|license|licence|application|app|jwt|aes|cipher|consumer|client"
    r"|subscription|ssh|admin"
    r"|function|host|instrumentation|integration|write|read|server|deploy|personal|user|root"
    r"|[a-z0-9]_)[_.-]?key"
    r"|client[_-]?id\b)"
    # A whole name has no more of it behind.
    r"[A-Za-z0-9_-]{0,40}",
    ignore_case=True,
    is_ascii=True,
)

_QUOTED = joined(
    r"""
    [$@]?(?:[a-zA-Z]{1,2})?(?:
    \\?"{3}\s*(?P<triple>[^"]{3,})|'{3}\s*(?P<tripled>[^']{3,})
    |\\?"(?P<double>[^"\n]{3,})["\n]|\\?'(?P<single>[^'\n]{3,})['\n]
    |`(?P<back>[^`\n]{3,})`|%q?[\[({|](?P<ruby>[^\])}|\n]{3,})[\])}|]
    )
    """
)
_AFTER = linear(
    joined(
        r"""
        # The end of the name, of a subscript, of a method's name.
        \\?["'`\]]{0,2}[)\]]?[?!]?(?:
        # name="DB_PASSWORD" value="..."; - name: DB_PASSWORD (line) value: ...
        (?:\\?["'])?[,;]?[ \t]{0,4}\{?\s{1,40}\\?["']?
        (?:value|val|default|default_value|defaultvalue)\\?["']?\s{0,4}[:=]\s{0,4}
        (?:\\?["'](?P<pair>[^"'\n]{3,})["']|(?P<bare_pair>[^\s"',{}][^\s"',}]{2,}))
        # <password>...</password>, <add key="password">...</add>, <![CDATA[...]]>
        |["']?\s{0,4}(?:[\w:]{1,40}=["'][^"'<>\n]{0,80}["']\s{0,4}){0,4}>\s{0,40}
        (?:<value>|<string>|<!\[CDATA\[)?(?P<element>[^<>\n]{3,}?)\s{0,40}(?:</|\]\]>)
        |</key>\s{0,40}<string>(?P<plist>[^<>\n]{3,})</
        # password: | (line) ...
        |\s{0,4}[:=]\s{0,4}[|>][+-]?\d?[ \t]*\n\s{1,40}(?P<block>[^\n]{3,})
        # password = "...", password: str = "...", password => '...', set_password("...", password == "..."
        |(?:[ \t]{0,8}(?::|\b[Aa]s\b)[ \t]{0,8}[\w\[\]|.?<>&,' ]{1,60}?)?(?:\[\w{0,10}\])?
        \s{0,8}(?P<gives>:=|::|=>|={1,3}|!={1,2}|->|<-|\?=|\+=|\|\|=?|\?\?=?|:|,|\(|\{)
        \s{0,8}(?:new\s{1,4})?(?:[\w.:\[\]]{1,40}\()?\s{0,40}\(?
        """
    )
    + _QUOTED
    + joined(
        r"""
        # WITH PASSWORD '...', --password "..."
        |[ \t]{1,8}(?:"(?P<spoken>[^"\n]{3,})"|'(?P<spoken_single>[^'\n]{3,})')
        # DB_PASSWORD=... to the line's end; Server=x;Password=...;
        |(?P<operator>[ \t]{0,8}(?::=|=>|[=:]|\?=)[ \t]{0,8})
        (?:[&!][\w!-]{1,40}[ \t]{1,4}){0,2}(?P<bare>[^\s"'`;&,(\[][^\s"'`;&]{2,})
        # ENV DB_PASSWORD ..., --password ..., login x password ...
        |[ \t]{1,8}(?P<word>[^\s"'`=(\[{][^\s"'`]{2,})
        )
        """
    ),
    is_ascii=True,
)
_IN_QUOTES = "triple tripled double single back ruby pair element plist block spoken spoken_single"
_QUOTED_GROUPS = frozenset(_IN_QUOTES.split())

# What stands before a name whose value follows behind a blank, or is whatever stands up to the line's end.
_SETS = linear(
    r"(?:^|[\s;&|(\"'])(?:(?:ENV|ARG|export|setenv|SetEnv|set|setx|env|declare -x|local|readonly|-e"
    r"|--env|-D|\$env:)\s*[\w.:-]*"
    r"|--?[\w-]*|(?:machine|login|user)\s+\S+\s+(?:login\s+\S+\s+)?)$"
)
_ENVIRONMENT = linear(r"(?:^|\s)(?:ENV|ARG|setenv|SetEnv|setx|set)\s+[\w.]*$|^$")
_STARTS = linear(
    r"^[ \t]*(?:[-*][ \t]+|#[ \t]*)?(?:(?:export|ENV|ARG|set|local|readonly|declare -x)[ \t]+)?[\w.\[\]/-]*$"
)

_CODE_MARK = linear(
    r"[;{(,\[]\s*$|^\s*(?:def|class|function|import|from|if|for|return|public|private|let|const|var|fn|func)\b"
    r"|=>|->|\)\s*:",
    multiline=True,
    is_ascii=True,
)

# Values that have no name: addresses with a password, SQL, what is typed to programs, headers.
_NAMELESS = linear(
    joined(
        r"""
        \b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'"<>]{0,80}:(?P<address>[^\s/'"<>]{3,200})@[\w.$\[{(%-]
        |\bidentified\s+(?:with\s+\S{1,60}\s+)?by\s+(?:password\s+|values\s+)?["'](?P<sql>[^"'\n]{3,})["']
        |\bidentified\s+by\s+(?P<sql_bare>[^\s"';,]{3,})
        |\b(?:curl|wget|http|https|xh|hurl)\b[^\n]{0,300}?\s(?:-u|--user|-a|--auth|--proxy-user)[ =]?
        ["']?[^\s:"']{1,80}:(?P<login>[^\s"']{3,})
        |\bsshpass\s+-p\s{0,4}["']?(?P<ssh>[^\s"']{3,})
        |\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n]{0,200}?\s-p["']?(?P<mysql>[^\s"']{3,})
        |\bhtpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+(?P<htpasswd>\S{3,})
        |["'\s][\w.-]{1,40}:(?P<chpasswd>[^\s"':]{3,})["']?\s*\|\s*(?:sudo\s+)?chpasswd
        |["']_?auth["']\s{0,4}:\s{0,4}["'](?P<docker>[A-Za-z0-9+/=]{12,})["']
        |\bredis-cli\b[^\n]{0,200}?\s-a\s+["']?(?P<redis>[^\s"']{3,})
        |\bopenssl\b[^\n]{0,200}?\bpass:(?P<openssl>[^\s"']{3,})
        |\b(?:basic_?auth|auth|httpbasicauth|usernamepasswordcredentials|credentials)
        \s{0,4}[=(:]\s{0,4}[(\[]?\s{0,4}["'][^"'\n]{1,80}["']\s{0,4},\s{0,4}["'](?P<tuple>[^"'\n]{3,})["']
        |\bauthorization\\?["']?\s{0,4}[\]]?\s{0,4}[:=,]\s{0,4}[(]?\\?["'`]?
        (?:[a-z-]{3,16}[ =]+)?(?P<header>[A-Za-z0-9._~+/=:%-]{12,})
        """
    ),
    ignore_case=True,
    is_ascii=True,
)
_STYLES: dict[str, Style] = {"address": "address", "header": "key", "docker": "key", "sql_bare": "word"}


def assigned_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where values stand that are given to a telling name, or in a place for secrets."""
    end_of_last = 0
    is_data: bool | None = None  # asked only where it matters
    for name in _NAME.finditer(text):
        start, end = name.span()
        if start < end_of_last:
            continue
        after = text[end : end + _REACH]
        found = _AFTER.match(after)
        group = _group_of(found) if found else ""
        if found is None or not group:
            continue
        value = found[group]
        near = max(start - _REACH_BACK, 0)
        line = text[max(text.rfind("\n", near, start) + 1, near) : start]
        style = _style_of(
            group, found["operator"] or found["gives"] or "", line, is_constant=name.group().isupper()
        )
        if style == "written" and found["bare"].isalnum():
            is_data = _is_data(text) if is_data is None else is_data
            style = "data" if is_data else style
        if style and is_secret_value(name.group(), value, style):
            at = end + found.span(_NUMBERS[group])[0]
            yield at, at + len(value)
            end_of_last = at + len(value)
    for found in _NAMELESS.finditer(text):
        group = found.lastgroup or ""
        if is_secret_value("password", found[group], _STYLES.get(group, "quoted")):
            yield found.span(_NAMELESS_NUMBERS[group])
    yield from placed_spans(text)


def _is_data(text: str) -> bool:
    """Whether a text is configuration alone: in code, a plain word behind a name is another name."""
    return _CODE_MARK.search(text) is None


def _style_of(group: str, operator: str, line: str, *, is_constant: bool) -> Style | None:
    if group in _QUOTED_GROUPS:
        return "spoken" if group.startswith("spoken") else "listed" if operator == "," else "quoted"
    if group == "word":
        return "set" if _ENVIRONMENT.search(line) else "word" if _SETS.search(line) else None
    if group == "bare_pair":
        return "set"
    if _STARTS.match(line) or _SETS.search(line):
        # KEY=value, as a shell, an environment or a properties file has it; with blanks it may be code.
        return "set" if operator == "=" or is_constant else "written"
    return "inside" if operator == "=" else "code"


_NUMBERS = _AFTER.group_numbers
_NAMELESS_NUMBERS = _NAMELESS.group_numbers


def _group_of(found: Match) -> str:
    return next(
        (
            group
            for group, number in _NUMBERS.items()
            if group not in ("operator", "gives") and found.span(number)[0] >= 0
        ),
        "",
    )
