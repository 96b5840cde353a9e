"""The formula has every dependency, pinned, once and sorted; and what is wrong with one is noticed."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.packaging.programs import load

homebrew = load("homebrew_formula")
URL, HOMEPAGE = "https://releases.example/stardraft-0.1.0.tar.gz", "https://stardraft.example"


def package(name: str, **more: object) -> dict[str, Any]:
    url = f"https://files.example/{name}-1.0.tar.gz"
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"name": name, "version": "1.0", "sdist": {"url": url, "hashes": {"sha256": digest}}} | more


@pytest.fixture
def locked() -> dict[str, Any]:
    """As uv resolves it, but with the direct dependencies alone, and with what Homebrew does not want."""
    project = homebrew.tomllib.loads((homebrew.ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]
    required = [*project["dependencies"], *project["optional-dependencies"]["engine"]]
    names = [Requirement(one).name for one in required]
    return {
        "packages": [
            package("zipp"),
            *map(package, names),
            package("colorama", marker="sys_platform == 'win32'"),
            package("hf-xet", marker="platform_machine == 'arm64' or platform_machine == 'x86_64'"),
        ]
    }


@pytest.fixture
def formula(tmp_path: Path, locked: dict[str, Any]) -> str:
    source = tmp_path / "stardraft-0.1.0.tar.gz"
    source.write_bytes(b"the source distribution")
    text: str = homebrew.formula(source, URL, HOMEPAGE, locked)
    return text


def test_the_formula_is_sound(formula: str) -> None:
    assert homebrew.problems(formula) == []
    assert f'url "{URL}"' in formula
    assert f'sha256 "{hashlib.sha256(b"the source distribution").hexdigest()}"' in formula
    names = re.findall(r'resource "(.+)" do', formula)
    assert {"llama-cpp-python", "pygls", "huggingface-hub", "hf-xet", "zipp"} <= set(names)
    assert names == sorted(names)


def test_what_homebrew_has_itself_or_does_not_run_on_is_left_out(formula: str) -> None:
    assert 'resource "numpy"' not in formula
    assert 'depends_on "numpy"' in formula
    assert 'resource "colorama"' not in formula


def test_the_build_is_not_robbed_of_its_instruction_sets(formula: str) -> None:
    assert 'ENV.delete "SOURCE_DATE_EPOCH"' in formula


def test_every_block_is_closed(formula: str) -> None:
    lines = formula.splitlines()
    opened = [line for line in lines if re.match(r"\s*(class|def|begin\b)|.*\bdo$", line)]
    assert len(opened) == sum(line.strip() == "end" for line in lines)


def test_a_package_without_a_source_distribution_is_refused(locked: dict[str, Any]) -> None:
    locked["packages"].append({"name": "closed", "version": "1.0", "wheels": []})
    with pytest.raises(SystemExit, match=r"closed 1\.0 has no source distribution"):
        homebrew.resources(locked)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ('resource "pygls" do', 'resource "pygls2" do', "pygls is needed, and no resource"),
        ('resource "pygls" do', 'resource "rich" do', "rich is there twice"),
        ('resource "zipp" do', 'resource "aaa" do', "not sorted"),
        ('sha256 "', 'sha256 "x', "is no SHA-256"),
        ("https://files", "http://files", "not fetched by HTTPS"),
        (URL, "${url}", "not filled"),
    ],
)
def test_what_is_wrong_is_noticed(formula: str, before: str, after: str, problem: str) -> None:
    assert before in formula
    assert problem in "; ".join(homebrew.problems(formula.replace(before, after)))
