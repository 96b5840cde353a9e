"""What looks like a secret, by a file's name and by a text's content. Pure; nothing is read here.

Three consequences, from the strictest:

- `is_secret_name`: the file is never read into a prompt, not even to be completed itself.
- `is_suspicious_name`, `holds_key`: no other document's prompt gets anything of the file.
- `secret_lines`: a chunk with such a line is dropped whole. Blanking the line alone was decided against:
  secrets run over several lines, and a chunk with a hole is poor context anyway.

A false alarm costs one chunk of context; what is missed might be suggested in another file. So doubtful
cases count as secrets.
"""

import math
import re
from collections.abc import Iterator
from fnmatch import translate

# Compared in lower case, with the file's name.
_NAMES_OF_SECRETS = """
    .env .env.* *.env .envrc .env-* .flaskenv *.pem *.key *.p12 *.pfx *.p8 *.jks *.keystore *.truststore
    *.crt *.cer *.der *.csr *.ppk *.asc *.gpg *.pgp *.kdbx *.kdb *.ovpn *.mobileprovision *.agekey *.jwk
    *.jwks id_rsa* id_dsa* id_ecdsa* id_ed25519* *_rsa *_dsa *_ecdsa *_ed25519 authorized_keys known_hosts
    .netrc _netrc .pgpass pgpass.conf .my.cnf .mylogin.cnf .npmrc .yarnrc .pypirc .gemrc .htpasswd
    .htaccess .git-credentials .dockercfg .dockerconfigjson .s3cfg .boto .passwd-s3fs .vault-token
    .vault_pass* vault_pass* .credentials credentials credentials.json credentials.xml credentials.y*ml
    credentials.toml credentials.ini *credentials.json *_credentials client_secret*.json
    client_secrets.json service-account*.json service_account*.json *serviceaccount*.json
    application_default_credentials.json gcloud*.json secrets secrets.json secrets.y*ml secrets.toml
    secrets.ini secrets.properties secrets.xml secrets.txt secrets.env secret.json secret.y*ml secret.toml
    secret.txt *.secret *.secrets *-secret.y*ml *-secrets.y*ml *secrets.tfvars *.tfvars *.tfvars.json
    *.tfstate *.tfstate.* .terraformrc terraform.rc master.key credentials.yml.enc local.settings.json
    azureauth.json .databrickscfg .snowsql passwords passwords.* password.txt passwd shadow .bash_history
    .zsh_history .psql_history .python_history .mysql_history .node_repl_history wallet.dat *.wallet
    secring.* pubring.* kubeconfig *.kubeconfig google-services.json googleservice-info.plist
    keystore.properties signing.properties
"""

# Folders in which nothing is read, in lower case.
_SECRET_FOLDERS = frozenset(
    {".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".gcloud"}
)

_IS_SECRET_NAME = re.compile("|".join(translate(name) for name in _NAMES_OF_SECRETS.split()))

# Source files with such names are often code about secrets, and sometimes the secrets themselves.
_IS_SUSPICIOUS = re.compile(r"(?:.*[._-])?(?:secrets?|credentials?|creds?|passwords?|passwd)\.[^.]+")

_KEY_HEADER = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|CERTIFICATE|PGP MESSAGE)")
_OTHER_KEYS = ("PuTTY-User-Key-File", "AGE-SECRET-KEY-1")
# A key that is really there; its header alone also stands in programs that look for keys.
_KEY_BLOCK = re.compile(
    r"""-----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY[A-Z ]{0,10}-----
        (?:\\[nr]|[\s"'+,#/*|>-]){1,40}
        (?:[A-Za-z-]{3,20}:[^\n]{0,200}\s+){0,4}
        [A-Za-z0-9+/=]{24}""",
    re.VERBOSE,
)

# The shapes of tokens, as their makers document them.
_TOKEN = re.compile(
    r"""
      \b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}\b
    | \bgh[pousr]_[A-Za-z0-9]{30,}
    | \bgithub_pat_[A-Za-z0-9_]{22,}
    | \bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\w-]{20,}
    | \bxox[abceoprs]-[A-Za-z0-9-]{10,}
    | \bxapp-\d-[A-Za-z0-9-]{10,}
    | hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}
    | discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}
    | \b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}
    | \bwhsec_[A-Za-z0-9+/=]{20,}
    | \bAIza[\w-]{35}
    | \bya29\.[\w-]{20,}
    | \bGOCSPX-[\w-]{20,}
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}
    | \bsk-[A-Za-z0-9_-]{20,}
    | \bhf_[A-Za-z0-9]{30,}
    | \bnpm_[A-Za-z0-9]{36}
    | \bpypi-[\w-]{50,}
    | \bSG\.[\w-]{16,}\.[\w-]{16,}
    | \bdop_v1_[a-f0-9]{60,}
    | \bdckr_pat_[\w-]{20,}
    | \bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}
    | \bsq0(?:atp|csp)-[\w-]{22,}
    | \bEAACEdEose0cBA[A-Za-z0-9]+
    | \bAccountKey=[A-Za-z0-9+/=]{40,}
    | \bBearer\s+[A-Za-z0-9._~+/-]{24,}
    | \bBasic\s+[A-Za-z0-9+/]{24,}={0,2}
    """,
    re.VERBOSE,
)

# scheme://user:password@host
_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{0,80}:(?P<value>[^\s/@'\"]{3,200})@", re.IGNORECASE
)

# name = value, for names that say what the value is.
_ASSIGNED = re.compile(
    r"""(?P<name>pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?key
          |private[_-]?key|account[_-]?key|encryption[_-]?key|signing[_-]?key|credential|client[_-]?id|salt)
        [\w-]{0,40}["'\]]{0,2}
        (?:\s*:\s*[\w\[\]|.]{1,40})?             # a type, as in `token: str = ...`
        \s*(?::=|=>|={1,3}|:|,|\()\s*
        (?:[rbuf]{1,2}(?=["']))?
        (?:(?P<quote>["'`])(?P<quoted>[^"'`\n]{4,400})(?P=quote) | (?P<bare>[^\s"'`,;(){}\[\]]{8,400})\s*$)
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_PASSWORD = re.compile(r"pass|pwd", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"""[$%{<*]|\.\.\.|x{4,}|(?:change|replace|fill)[_-]?(?:me|this)|your[_-]|example|placeholder|redacted|dummy
        |^(?:none|null|true|false|undefined|required|optional|string|password|secret|token)$""",
    re.VERBOSE | re.IGNORECASE,
)
# Words joined as names are joined: what is called, not what is kept secret.
_NAME = re.compile(r"[A-Za-z][a-z]*(?:[_.:/-]?[A-Za-z][a-z]*)*\d?")
_MIN_ENTROPY_BITS = (
    3.0  # per character; English words of 8 to 12 letters have 2.5 to 3.2, hex keys 3.5 and more
)


def is_secret_name(path: str) -> bool:
    """Whether a file of this path (with "/") is never read into any prompt."""
    *folders, name = path.lower().replace("\\", "/").split("/")
    return bool(_IS_SECRET_NAME.match(name)) or any(folder in _SECRET_FOLDERS for folder in folders)


def is_suspicious_name(path: str) -> bool:
    """Whether other documents' prompts get nothing of a file of this path."""
    return bool(_IS_SUSPICIOUS.fullmatch(path.lower().replace("\\", "/").rpartition("/")[2]))


def holds_key(text: str) -> bool:
    """Whether a key or certificate may stand in the text: it runs over many lines, so all of it is out."""
    # Plain words first: they are found a hundred times faster, and nearly every text has none.
    return ("-----BEGIN " in text and bool(_KEY_HEADER.search(text))) or any(
        key in text for key in _OTHER_KEYS
    )


def holds_private_key(text: str) -> bool:
    """Whether a private key does stand in the text."""
    return "PRIVATE KEY" in text and bool(_KEY_BLOCK.search(text))


def has_secret(text: str) -> bool:
    """Whether anything in the text looks like a secret."""
    return holds_key(text) or next(secret_spans(text), None) is not None


def secret_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where in the text values stand that look like secrets."""
    for found in _TOKEN.finditer(text):
        yield found.span()
    for found in _URL.finditer(text):
        if not _PLACEHOLDER.search(found["value"]):
            yield found.span("value")
    for found in _ASSIGNED.finditer(text):
        group = "quoted" if found["quoted"] is not None else "bare"
        if _looks_secret(found["name"], found[group], is_quoted=group == "quoted"):
            yield found.span(group)


def masked(text: str) -> str:
    """The text with every such value written over with "x", so that positions stay what they were."""
    for start, end in secret_spans(text):
        text = text[:start] + re.sub(r"\S", "x", text[start:end]) + text[end:]
    return text


def entropy_bits(value: str) -> float:
    """Shannon's entropy of the value's characters, in bits per character."""
    counts = [value.count(character) for character in set(value)]
    return -sum(n / len(value) * math.log2(n / len(value)) for n in counts) if value else 0.0


def _looks_secret(name: str, value: str, *, is_quoted: bool) -> bool:
    if _PLACEHOLDER.search(value) or len(set(value)) < 3:
        return False
    if _PASSWORD.match(name) and is_quoted:
        return " " not in value.strip() or len(value) < 40
    if len(value) < 8 or " " in value:
        return False
    if not is_quoted and not any(character.isdigit() for character in value):
        return False  # code: `token = self.next_token`
    return entropy_bits(value) >= _MIN_ENTROPY_BITS and not _NAME.fullmatch(value)
