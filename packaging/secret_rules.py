"""Makes daemon/stardraftd/privacy/gitleaks.json of gitleaks' published rules (MIT license, see
THIRD_PARTY.md).

    python packaging/secret_rules.py path/to/gitleaks/config/gitleaks.toml --version v8.28.0

Only what says how a token looks is taken: its pattern, the words without which it need not be tried, the
least entropy, and what is allowed all the same. Rules about passwords in general, and about files' names,
are ours (privacy/assigned.py, names.py). Every pattern is compiled before anything is written.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from stardraftd.patterns import linear

TARGET = Path(__file__).resolve().parent.parent / "daemon" / "stardraftd" / "privacy" / "gitleaks.json"
# What privacy/assigned.py and content.py do themselves, for more languages.
LEFT_OUT = {
    "curl-auth-header",
    "curl-auth-user",
    "generic-api-key",
    "hashicorp-tf-password",
    "nuget-config-password",
    "pkcs12-file",
    "private-key",
}


def rule(given: dict[str, Any]) -> dict[str, Any]:
    """One rule, as services.Rule reads it."""
    lists = given.get("allowlists", [])
    allowed = [
        pattern
        for one in lists
        if one.get("regexTarget", "secret") == "secret"
        for pattern in one.get("regexes", [])
    ]
    for pattern in [given["regex"], *allowed]:
        linear(pattern, is_ascii=True)
    return {
        "id": given["id"],
        "pattern": given["regex"],
        "keywords": sorted(word.lower() for word in given["keywords"]),
        "entropy": float(given.get("entropy", 0)),
        "group": given.get("secretGroup", 0),
        "allowed": allowed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path, help="gitleaks.toml of a release")
    parser.add_argument("--version", required=True, help="of which release")
    arguments = parser.parse_args()
    rules = [
        rule(given)
        for given in tomllib.loads(arguments.config.read_text(encoding="utf-8"))["rules"]
        if given["id"] not in LEFT_OUT
    ]
    if len(rules) < 100:
        sys.exit(f"{arguments.config} has {len(rules)} rules: that is not gitleaks' configuration.")
    made = {"source": "https://github.com/gitleaks/gitleaks", "version": arguments.version, "license": "MIT"}
    text = json.dumps(made | {"rules": rules}, indent=1, ensure_ascii=True)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{len(rules)} rules in {TARGET.name}")


if __name__ == "__main__":
    main()
