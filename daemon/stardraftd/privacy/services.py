"""Tokens that are known by their shape: those of services, as gitleaks' rules and their makers describe them.

`gitleaks.json` is made of gitleaks' published rules by packaging/secret_rules.py: another release is one
command. A rule is tried only on a text that has one of its words, and compiled when it first is: most never
are.
"""

import math
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from stardraftd.patterns import Linear, Match, Words, linear


class Rule(Struct, frozen=True):
    """keywords: one of them is in every text that the rule fits. entropy: the least, in bits per character.
    group: which part of the match is the token; 0: the first that there is. allowed: what is not a token."""

    id: str
    pattern: str
    keywords: tuple[str, ...]
    entropy: float = 0.0
    group: int = 0
    allowed: tuple[str, ...] = ()

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        for match in self._compiled().finditer(text):
            start, end = self._token(match)
            token = text[start:end]
            # An example key is a secret here: what looks like one is not worth a question.
            if entropy_bits(token) >= self.entropy and not any(
                linear(pattern, is_ascii=True).fullmatch(token) for pattern in self.allowed
            ):
                yield start, end

    def _compiled(self) -> Linear:
        return linear(self.pattern, is_ascii=True)

    def _token(self, match: Match) -> tuple[int, int]:
        groups = [self.group] if self.group else range(1, self._compiled().n_groups + 1)
        return next((match.span(group) for group in groups if match.span(group)[0] >= 0), match.span())


class _Rules(Struct, frozen=True):
    source: str
    version: str
    license: str
    rules: tuple[Rule, ...]


# What gitleaks has no rule for, or a narrower one: a token is cut short or unusual in many a document.
_TOKENS = linear(
    r"""\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}\b"""
    r"""|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{22,}"""
    r"""|\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent|oas|ffct)-[\w-]{20,}"""
    r"""|\bxox[abceoprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}"""
    r"""|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{20,}"""
    r"""|discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}|\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}"""
    r"""|\b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/=]{20,}"""
    r"""|\bAIza[\w-]{35}|\bya29\.[\w-]{20,}|\bGOCSPX-[\w-]{20,}|\b1//0[\w-]{30,}"""
    r"""|\beyJrIjoi[A-Za-z0-9+/=]{40,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"""
    r"""|\bsk-(?:[a-z]{2,8}\d*-)*[A-Za-z0-9_-]{20,}|\bsk\.eyJ[\w.-]{20,}"""
    r"""|\bhf_[A-Za-z0-9]{30,}|\bapi_org_[A-Za-z0-9]{30,}|\bgsk_[A-Za-z0-9]{40,}|\bxai-[A-Za-z0-9]{40,}"""
    r"""|\br8_[A-Za-z0-9]{30,}|\bpplx-[A-Za-z0-9]{40,}|\bnvapi-[\w-]{40,}|\blsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"""
    r"""|\bnpm_[A-Za-z0-9]{36}|\bpypi-[\w-]{50,}|\brubygems_[a-f0-9]{48}|\bcio[A-Za-z0-9]{32}\b|\boy2[a-z0-9]{43}\b"""
    r"""|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bkey-[a-f0-9]{32}\b|\bxkeysib-[a-f0-9]{40,}|\bmd-[A-Za-z0-9_-]{22}\b"""
    r"""|\bdo[opr]_v1_[a-f0-9]{60,}|\bdckr_(?:pat|oat)_[\w-]{20,}|\bfigd_[\w-]{30,}|\bfo1_[\w-]{40,}|\bFlyV1\s[\w+/=,-]{20,}"""
    r"""|\b(?:SK|AC)[0-9a-f]{32}\b|\bdapi[a-f0-9]{32}\b|\bhv[sbr]\.[\w-]{20,}|\batlasv1\.[\w=-]{40,}|\.atlasv1\.[\w=-]{40,}"""
    r"""|\b\d{8,10}:AA[\w-]{32,33}\b|\bgl(?:sa|c)_[\w+/=-]{30,}|\b(?:ntn|secret)_[A-Za-z0-9]{40,}\b"""
    r"""|\bsb[ps]_[a-z0-9]{36,}|\bsb_(?:secret|publishable)_[\w-]{20,}|\bpscale_(?:tkn|pw|oauth)_[\w.-]{30,}|\bnapi_[a-z0-9]{40,}"""
    r"""|\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}|\bsq0(?:atp|csp)-[\w-]{22,}|\bEAAA[\w-]{50,}|\bEAACEdEose0cBA[A-Za-z0-9]+"""
    r"""|\blin_(?:api|oauth)_[A-Za-z0-9]{30,}|\bdp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{30,}|\bpul-[a-f0-9]{40}"""
    r"""|\bnf[pcobu]_[A-Za-z0-9]{36}|\btskey-[a-z]+-[\w-]{10,}|\bCCIP(?:AT|RJ)_[\w-]{20,}|\bbk[ua]{1,2}_[a-f0-9]{40}"""
    r"""|\bsntry[su]_[\w+/=.-]{40,}|\bNRAK-[A-Z0-9]{27}|\bNRII-[\w-]{30,}|\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"""
    r"""|\bsq[upa]_[a-f0-9]{40}|\bHRKU-[\w-]{36,}|\bAT(?:ATT3|CTT3|BB)[\w=+/-]{30,}|\bv[1-2]\.0-[a-f0-9]{24}-[a-f0-9]{100,}"""
    r"""|\bglft-[\w-]{20,}|\bCFPAT-[\w-]{40,}|\bpat[A-Za-z0-9]{14}\.[a-f0-9]{64}|\btfp_[\w-]{40,}|\bph[cx]_[A-Za-z0-9]{40,}"""
    r"""|\bLTAI[A-Za-z0-9]{16,}|\bAKID[A-Za-z0-9]{32}|\bt1\.[A-Z0-9a-z_-]+[=]{0,2}\.[A-Z0-9a-z_-]{86}|\bA3-[A-Z0-9]{6}-[A-Z0-9-]{20,}"""
    r"""|\bops_eyJ[\w+/=-]{40,}|\bsgp_[a-f0-9_]{40,}|\bvercel_[A-Za-z0-9_]{24,}|\bwandb_v1_[\w-]{30,}|\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"""
    r"""|\b(?:AccountKey|SharedAccessKey|sig)=[A-Za-z0-9+/=%]{40,}|\bBearer\s+[A-Za-z0-9._~+/-]{24,}"""
    r"""|\b(?:sdk|mob)-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\bsl\.[\w-]{130,}|\b[0-9a-f]{32}-us\d{1,2}\b"""
    r"""|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/=]{24,}"""
    r"""|\bBasic\s+[A-Za-z0-9+/]{24,}={0,2}|\$(?:1|apr1|2[abxy]|5|6|y|argon2(?:id|i|d))\$[./A-Za-z0-9$=,]{20,}""",
    is_ascii=True,
)


@cache
def _rules() -> tuple[Words, dict[str, list[Rule]]]:
    data = files("stardraftd.privacy").joinpath("gitleaks.json").read_bytes()
    by_word: dict[str, list[Rule]] = {}
    for rule in msgspec.json.decode(data, type=_Rules).rules:
        for word in rule.keywords:
            by_word.setdefault(word, []).append(rule)
    return Words(list(by_word)), by_word


def token_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where tokens of known shapes stand; a place may come twice."""
    for found in _TOKENS.finditer(text):
        if _is_random(found.group()):
            yield found.span()
    words, by_word = _rules()
    tried: set[str] = set()
    for word in words.within(text):
        for rule in by_word[word]:
            if rule.id not in tried:
                tried.add(rule.id)
                yield from rule.spans(text)


def entropy_bits(value: str) -> float:
    """Shannon's entropy of the value's characters, in bits per character."""
    counts = [value.count(character) for character in set(value)]
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts) if value else 0.0


def _is_random(token: str) -> bool:
    """Not one letter all along, as in `sk_live_xxxxxxxxxxxxxxxxxxxxxxxx`."""
    return len(set(token[-16:])) > 3
