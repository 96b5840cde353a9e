"""Makes the Homebrew formula of a source distribution, every dependency pinned: `make formula`.

    python packaging/homebrew_formula.py dist/stardraft-*.tar.gz --url URL --homepage URL [--lock pylock.toml]

`--url` is where the source distribution can be had from. The dependencies are those of stardraft with its
engine, in the versions of packaging/constraints.txt; uv says where their source distributions are and what
checksums they have, as a lock file of PEP 751 (`--lock` takes one that is there already). Nothing of that is
kept in the repository: the formula goes into dist/, and from there to a tap.

What Homebrew builds itself, and better, is a dependency of the formula instead (`FORMULAE`).
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "packaging" / "homebrew" / "stardraft.rb.in"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
PYTHON = "3.13"
# Packages that are formulae of their own; their being needed is written into the template.
FORMULAE = {"numpy"}
# The computers that Homebrew runs on, as far as markers ask.
PLATFORMS = [("darwin", "Darwin", "arm64"), ("darwin", "Darwin", "x86_64"), ("linux", "Linux", "x86_64")]


@dataclass(frozen=True)
class Resource:
    """A Python package as a formula names it: its source distribution."""

    name: str
    url: str
    sha256: str

    def __str__(self) -> str:
        return f'  resource "{self.name}" do\n    url "{self.url}"\n    sha256 "{self.sha256}"\n  end'


def lock() -> dict[str, Any]:
    """The resolved dependencies, as uv writes them. Leaves with uv's words when it cannot."""
    wanted = [
        "--extra",
        "engine",
        "--constraint",
        str(CONSTRAINTS),
        "--python-version",
        PYTHON,
        "--universal",
    ]
    command = ["uv", "pip", "compile", "pyproject.toml", *wanted, "--format", "pylock.toml", "--no-header"]
    try:
        result = subprocess.run([*command, "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit("uv is not here; it finds the dependencies' source distributions: pip install uv")
    if result.returncode != 0:
        sys.exit(f"uv could not find the dependencies: {result.stderr.strip()}")
    return tomllib.loads(result.stdout)


def is_needed(package: dict[str, Any]) -> bool:
    """Whether any of Homebrew's platforms installs it."""
    if "marker" not in package:
        return True
    marker = Marker(package["marker"])
    return any(
        marker.evaluate({"sys_platform": name, "platform_system": system, "platform_machine": machine})
        for name, system, machine in PLATFORMS
    )


def resources(locked: dict[str, Any]) -> list[Resource]:
    """The resources, sorted by name. Leaves when a package has no source distribution with a checksum."""
    found = []
    for package in locked["packages"]:
        name = canonicalize_name(package["name"])
        if name in FORMULAE or not is_needed(package):
            continue
        source = package.get("sdist") or _pure_wheel(package)
        if source is None or "sha256" not in source.get("hashes", {}) or "url" not in source:
            sys.exit(f"{name} {package.get('version')} has no source distribution with a checksum.")
        found.append(Resource(name, source["url"], source["hashes"]["sha256"]))
    return sorted(found, key=lambda resource: resource.name)


def _pure_wheel(package: dict[str, Any]) -> dict[str, Any] | None:
    """A wheel without compiled code: Homebrew takes those, too."""
    wheels = package.get("wheels", [])
    return next((wheel for wheel in wheels if wheel.get("url", "").endswith("-none-any.whl")), None)


def formula(source: Path, url: str, homepage: str, locked: dict[str, Any]) -> str:
    fields = {
        "url": url,
        "homepage": homepage,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "python": PYTHON,
        "resources": "\n\n".join(map(str, resources(locked))),
    }
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(fields)


def problems(text: str) -> list[str]:
    """What is wrong with a formula, as far as it can be told without Homebrew; [] if nothing."""
    names = re.findall(r'^  resource "(.+)" do$', text, re.MULTILINE)
    sums = re.findall(r'^ +sha256 "(.*)"$', text, re.MULTILINE)
    urls = re.findall(r'^ +url "(.*)"$', text, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["engine"]]
    wanted = {canonicalize_name(Requirement(one).name) for one in required} - FORMULAE
    found = [f"{name} is needed, and no resource" for name in sorted(wanted - set(names))]
    found += [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    found += [f"{one!r} is no SHA-256" for one in sums if not re.fullmatch("[0-9a-f]{64}", one)]
    found += [f"{url} is not fetched by HTTPS" for url in urls if not url.startswith("https://")]
    if names != sorted(names):
        found.append("the resources are not sorted")
    if not len(sums) == len(urls) == len(names) + 1:
        found.append("a resource has no URL or no checksum, or more than one")
    if "${" in text:
        found.append("a place of the template is not filled")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--homepage", required=True)
    parser.add_argument("--lock", type=Path)
    asked = parser.parse_args()
    locked = tomllib.loads(asked.lock.read_text(encoding="utf-8")) if asked.lock else lock()
    text = formula(asked.source, asked.url, asked.homepage, locked)
    if wrong := problems(text):
        sys.exit(f"The formula would be wrong: {'; '.join(wrong)}.")
    made = asked.source.with_name("stardraft.rb")
    made.write_text(text, encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()
