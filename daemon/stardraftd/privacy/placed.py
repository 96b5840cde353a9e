"""Secrets by their place: after a letter that a program takes a password behind, or as an argument of a call.

No name tells of them: `docker login -u me -p ...`, `login("me", "...")`, `jdbc:oracle:thin:scott/...@db`. A
text is looked through only when it has one of the words that every such place has near it.
"""

from collections.abc import Iterator
from functools import cache

from stardraftd.patterns import Words, joined, linear
from stardraftd.privacy.values import is_secret_value

_WORDS = (
    " login|openssl|mongo|cqlsh|sqlcmd|osql|bcp |isql|ipmitool|zip |7z|rar |ldap|snmp|signtool|xfreerdp"
    "|smbclient|sqlplus|sqlldr|expdp|impdp|rman|jdbc:oracle|/user:|gh secret|password 0|password 7|secret 0"
    "|secret 7|key 0|key 7|community|insecure-password|rootpw|:5432:|credential|passwordauthentication"
    "|log_in|sign_in|login(|login (|signin|ftp_login|mysqli|jwt.|wallet|privatekey"
)
_PLACES = linear(
    joined(
        r"""
        # Programs that take a password after a letter. (`docker run -p` is a port, `unzip -p` a pipe.)
        \b(?:(?:docker|podman|nerdctl|buildah|skopeo|crane|oras|helm|az|oc|cf|snyk|vault)\b[^\n]{0,200}?\slogin\b
        [^\n]{0,200}?\s(?-i:-p)
        |(?:mongo(?:sh|dump|restore|export|import|stat|top)?|cqlsh)\b[^\n]{0,200}?\s(?-i:-p)
        |(?:sqlcmd|osql|bcp|isql|ipmitool|zip|unzip)\b[^\n]{0,200}?\s(?-i:-P)
        |(?:7z[ar]?|rar|unrar)\b[^\n]{0,200}?\s(?-i:-h?p)|ldap[a-z]{3,9}\b[^\n]{0,200}?\s(?-i:-w)\s
        |snmp[a-z]{1,10}\b[^\n]{0,200}?\s(?-i:-[AX])|openssl\s+enc\b[^\n]{0,200}?\s(?-i:-k)\s
        |(?:signtool|xfreerdp)\b[^\n]{0,200}?\s/p[: ]
        )[ =]?["']?(?P<option>[^\s"'-][^\s"']{2,})
        |\bsmbclient\b[^\n]{0,200}?\s-U\s{0,4}["']?[^\s%"']{1,80}%(?P<smb>[^\s"']{3,})
        |(?:\b(?:sqlplus|sqlldr|expdp|impdp|rman\s+target)\s+(?:-\w+\s+){0,3}|\bjdbc:oracle:\w{2,6}:)["']?
        [\w$#]{1,60}/(?P<oracle>[^\s"'@/]{3,})@
        |\bnet\s+use\b[^\n]{0,200}?/user:\S{1,80}\s+(?P<share>[^\s/"']{3,})
        |\bgh\s+secret\s+set\b[^\n]{0,200}?(?:--body|-b)[ =]["']?(?P<body>[^\s"']{3,})
        # Lines of routers' and servers' configuration, and of .pgpass.
        |\b(?:password|secret|key)\s+(?:7\s+(?P<router>[0-9a-f]{8,})|0\s+(?P<router_plain>[^\s"']{6,}))
        |\b(?:r[ow]community6?|insecure-password|rootpw)\s+(?P<directive>[^\s"'-][^\s"']{2,})
        |(?:^|\n)[\w.*-]{1,200}:(?:\d{2,5}|\*):[^\s:]{1,60}:[^\s:]{1,60}:(?P<pgpass>[^\s:]{3,})(?:\n|$)
        # login("user", "..."), new NetworkCredential("user", "..."), mysqli("host", "user", "...")
        |\b(?:log_?in|sign_?in|(?:network|password|userpass\w{0,8})credentials?|passwordauthentication|ftp_login)
        \s{0,4}\(\s{0,4}(?:[$][\w>-]{1,60}\s{0,4},\s{0,4})?["'][^"'\n]{1,80}["']\s{0,4},\s{0,4}
        ["'](?P<login_call>[^"'\n]{3,})["']
        |\bmysqli(?:_connect|_real_connect)?\s{0,4}\(\s{0,4}(?:[$]\w{1,60}\s{0,4},\s{0,4})?
        (?:["'][^"'\n]{1,80}["']\s{0,4},\s{0,4}){2}["'](?P<mysqli>[^"'\n]{3,})["']
        |\bjwt\.(?:sign|verify|encode|decode)\(\s{0,4}[^"'\n]{1,80}?,\s{0,4}["'](?P<jwt>[^"'\n]{3,})["']
        |\b(?:wallet|privatekey\w{0,20}|fromprivatekey)\s{0,4}\(\s{0,4}["'](?P<wallet>0x[0-9a-f]{64})["']
        """
    ),
    ignore_case=True,
    is_ascii=True,
)
_NUMBERS = _PLACES.group_numbers


@cache
def _words() -> Words:
    return Words(_WORDS.split("|"))


def placed_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where values stand that are passwords by their place."""
    if not _words().within(text):
        return
    for found in _PLACES.finditer(text):
        group = found.lastgroup or ""
        if is_secret_value("password", found[group], "key" if group == "wallet" else "quoted"):
            yield found.span(_NUMBERS[group])
