"""Which files hold secrets by their names. Two degrees:

- `is_secret_name`: nothing of the file is shown to a model, not even to complete the file itself.
- `is_suspicious_name`: source code or a document whose name speaks of secrets. It is completed, but no other
  document's prompt gets anything of it.

A program about passwords is not a secret (`passwords.py`), nor is every file in a tool's folder
(`.docker/Dockerfile`). What is doubtful by name is still read for secrets (content.py).
"""

import re

from stardraftd.patterns import linear

# Programming languages and documents: what is written to be read, whatever it is about.
_CODE_NAMES = """
    py pyi pyx js jsx mjs cjs ts tsx mts cts vue svelte astro go rs c h cc cpp cxx hh hpp hxx m mm java kt kts
    scala groovy cs fs vb rb erb php lua pl pm swift dart ex exs erl hs elm ml clj lisp el r jl zig nim html
    css scss sol proto graphql md mdx rst adoc tex
"""
_CODE = frozenset(_CODE_NAMES.split())

# Globs, in lower case, for the file's name alone.
_NAMES_OF_SECRETS = """
    .env .env.* *.env .envrc .env-* .flaskenv *.pem *.key *.p12 *.pfx *.p8 *.jks *.keystore *.truststore *.bks
    *.crt *.cer *.der *.csr *.ppk *.gpg *.pgp *.kdbx *.kdb *.ovpn *.mobileprovision *.agekey *.jwk *.jwks
    *.keytab *key*.asc *secret*.asc *private*.asc id_rsa* id_dsa* id_ecdsa* id_ed25519* *_rsa *_dsa *_ecdsa
    *_ed25519
    authorized_keys known_hosts .netrc _netrc .pgpass pgpass.conf .my.cnf .mylogin.cnf .npmrc .yarnrc .pypirc
    .gemrc .htpasswd .htaccess .git-credentials .dockercfg .dockerconfigjson .s3cfg .boto .passwd-s3fs
    .vault-token .vault_pass* vault_pass* .credentials credentials credentials.* *credentials.json
    *_credentials client_secret*.json service-account*.json service_account*.json *serviceaccount*.json
    application_default_credentials.json gcloud*.json secrets secrets.* secret.* *.secret *.secrets
    *-secret.* *-secrets.* *_secret.* *_secrets.* *.secret.* *.secrets.* *.tfvars *.tfvars.json
    *.tfstate *.tfstate.* .terraformrc terraform.rc master.key local.settings.json azureauth.json
    .databrickscfg
    .snowsql passwords passwords.* password password.* passwd passwd.* shadow api_key api_keys api-keys
    apikeys api_key.* api_keys.* api-keys.* apikeys.* api-key.* apikey.* private_key private_key.*
    tokens.json token.json token.txt tokens.txt .bash_history .zsh_history .psql_history .python_history
    .mysql_history .node_repl_history .sqlite_history .rediscli_history .irb_history wallet.dat *.wallet
    secring.* pubring.* kubeconfig *.kubeconfig google-services.json googleservice-info.plist
    keystore.properties signing.properties .pulumi-passphrase env.prod env.production env.local
    *firebase-adminsdk*.json vault.y*ml sftp-config.json sftp.json .ftpconfig .ftppass *.keychain
    *.keychain-db rclone.conf otr.private_key .lesshst .wgetrc .curlrc .pgservice.conf .pg_service.conf
"""

# Folders, and which files in them or below are secrets; code in them is suspicious.
_SECRET_FOLDERS = {
    ".ssh": "*",
    ".gnupg": "*",
    ".password-store": "*",
    ".aws": "config credentials *.json",
    ".azure": "*.json *.bin *token* .env* config",
    ".gcloud": "*.json *.db config* *token*",
    ".kube": "config* *.conf *.y*ml cache",
    ".docker": "config.json",
    "secrets": "*",
    ".secrets": "*",
    "credentials": "*",
    ".credentials": "*",
    "private_keys": "*",
    "private-keys": "*",
    "api_keys": "*",
    ".m2": "settings*.xml",
    ".gradle": "gradle.properties",
    ".netlify": "config.json",
    ".purple": "accounts.xml",
    "gh": "hosts.y*ml",
    "hub": "hub",
    "doctl": "config.y*ml",
}

_SUSPICIOUS = linear(
    r"(?:.*[._-])?(?:secrets?|credentials?|creds?)"
    r"|.*[._-](?:passwords?|passwd|api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|auth[_-]?tokens?)"
    r"|(?:api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|auth[_-]?tokens?)",
    is_ascii=True,
)

_COPY = linear(r"(?:~|#|\.(?:bak|backup|orig|old|save|sw[a-p]|tmp))+$", is_ascii=True)

_HINTS = ("secret", "cred", "pass", "key", "token")


def _globs(text: str) -> str:
    return "|".join(re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".") for glob in text.split())


_IS_SECRET = linear(_globs(_NAMES_OF_SECRETS), dot_all=True, is_ascii=True)
_IN_FOLDER = {
    folder: linear(_globs(globs), dot_all=True, is_ascii=True) for folder, globs in _SECRET_FOLDERS.items()
}


def is_secret_name(path: str) -> bool:
    """Whether a file of this path (with "/" or "\\") is never shown to a model."""
    folders, name = _parts(path)
    if _is_code(name) and not name.startswith("."):
        return False
    if _IS_SECRET.fullmatch(name):
        return True
    return not _is_code(name) and any(
        _IN_FOLDER[folder].fullmatch(name) for folder in folders if folder in _IN_FOLDER
    )


def is_suspicious_name(path: str) -> bool:
    """Whether other documents' prompts get nothing of a file of this path; it may be completed itself."""
    folders, name = _parts(path)
    if is_secret_name(path):
        return False
    stem, dot, _extension = name.rpartition(".")
    # Plain words first: nearly every name has none, and there are many names.
    if dot and any(word in stem for word in _HINTS) and _SUSPICIOUS.fullmatch(stem):
        return True
    return _is_code(name) and any(
        folder in _IN_FOLDER and _SECRET_FOLDERS[folder] == "*" for folder in folders
    )


def _parts(path: str) -> tuple[list[str], str]:
    """The folders, and the name, as Windows takes it: without blanks and dots at its end, or a stream's name.

    That of a copy which an editor or a user kept is the file's own.
    """
    bare = path.lower().replace("\\", "/").rstrip("/. \0").removesuffix("::$data").removesuffix("/$data")
    *folders, name = bare.split("/")
    name = _COPY.sub("", name) or name
    return folders, name.removeprefix("#")


def _is_code(name: str) -> bool:
    return name.rpartition(".")[2] in _CODE
