"""The corpus: only what may be learnt from, the same each time, and the same files held out."""

import json
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path

import pytest

from stardraft_quant.code.document import is_held_out
from stardraft_quant.train.corpus import folder, installed_packages, read_corpus, write_corpus
from stardraft_quant.train.licenses import judge
from stardraftd.errors import RequestError

PROGRAM = (
    "def value(n):\n    return n + {}\n\n\n# {}\n"
    + "# a line that makes the file long enough to be taken\n" * 5
)


def install(site: Path, name: str, metadata: str, n_files: int = 1) -> None:
    """A package as pip leaves it behind."""
    (site / name).mkdir(parents=True)
    paths = [f"{name}/module_{i}.py" for i in range(n_files)]
    for i, path in enumerate(paths):
        (site / path).write_text(PROGRAM.format(i, name))
    information = site / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}\n")
    (information / "RECORD").write_text("".join(f"{path},,\n" for path in paths))


@pytest.mark.parametrize(
    ("metadata", "license"),
    [
        ("License-Expression: MIT", "MIT"),
        ("License-Expression: Apache-2.0 OR GPL-3.0-only", "Apache-2.0 OR GPL-3.0-only"),
        ("License-Expression: (MIT OR MPL-2.0) AND BSD-3-Clause", "(MIT OR MPL-2.0) AND BSD-3-Clause"),
        ("License-Expression: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: Apache License, Version 2.0", "Apache-2.0"),
        ("License: BSD 3-Clause License", "BSD-3-Clause"),
    ],
)
def test_permissive_licenses_are_understood(metadata: str, license: str) -> None:
    verdict = judge(fields(metadata))
    assert verdict.permissive
    assert verdict.license == license


@pytest.mark.parametrize(
    "metadata",
    [
        "Summary: says nothing",
        "License: UNKNOWN",
        "License: see LICENSE.txt",
        "License: not MIT",
        "License-Expression: MPL-2.0 AND MIT",
        "License-Expression: GPL-3.0-or-later",
        "License-Expression: MIT OR",
        "License-Expression: (MIT",
        "License-Expression: LicenseRef-Proprietary",
        "Classifier: License :: OSI Approved",
        "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Other/Proprietary",
        # The newest form decides, whatever the older ones say.
        "License-Expression: GPL-3.0-only\nClassifier: License :: OSI Approved :: MIT License\nLicense: MIT",
    ],
)
def test_any_other_license_is_refused_with_a_reason(metadata: str) -> None:
    verdict = judge(fields(metadata))
    assert not verdict.permissive
    assert verdict.reason


def fields(metadata: str) -> Callable[[str], list[str] | None]:
    return HeaderParser().parsestr(metadata).get_all


def test_a_package_without_a_permissive_license_is_refused_and_named(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "good", "License-Expression: MIT")
    install(site, "silent", "Summary: no license")
    install(site, "strict", "License-Expression: GPL-3.0-only")
    sources, refused = installed_packages([str(site)])
    manifest = write_corpus(tmp_path / "corpus", sources, refused, cap_bytes=10**6)
    assert {document.package for document in read_corpus(tmp_path / "corpus")} == {"good"}
    assert [package.package for package in refused] == ["silent", "strict"]
    assert "no license" in refused[0].reason
    assert "GPL-3.0-only" in refused[1].reason
    assert json.loads((tmp_path / "corpus" / "manifest.json").read_text()) == manifest


def test_the_same_installation_gives_the_same_corpus_and_holds_out_the_same_files(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "many", "License-Expression: MIT", n_files=200)
    for name in ("one", "two"):
        write_corpus(tmp_path / name, *installed_packages([str(site)]), cap_bytes=10**6)
    for file in ("corpus.jsonl", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    documents = read_corpus(tmp_path / "one")
    held_out = {document.path for document in documents if document.held_out}
    assert held_out == {f"many/module_{i}.py" for i in range(200) if is_held_out(f"many/module_{i}.py")}
    assert 0 < len(held_out) < 15
    # With fewer files installed, those that remain stay on their side.
    fewer = tmp_path / "fewer"
    install(fewer, "many", "License-Expression: MIT", n_files=100)
    write_corpus(tmp_path / "three", *installed_packages([str(fewer)]), cap_bytes=10**6)
    sides = {document.path: document.held_out for document in documents}
    assert all(sides[document.path] == document.held_out for document in read_corpus(tmp_path / "three"))


def test_which_files_are_held_out_never_changes() -> None:
    """A model is only ever measured on what no earlier run has learnt from."""
    names = [f"package/module_{i}.py" for i in range(300)]
    assert [names.index(name) for name in names if is_held_out(name)] == [38, 64, 150, 164]


def test_no_package_gives_more_than_the_cap_and_no_text_is_taken_twice(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "large", "License-Expression: MIT", n_files=50)
    size = (site / "large" / "module_0.py").stat().st_size
    (site / "large" / "module_1.py").write_bytes((site / "large" / "module_0.py").read_bytes())
    sources, refused = installed_packages([str(site)])
    manifest = write_corpus(tmp_path / "capped", sources, refused, cap_bytes=10 * size)
    assert 8 <= len(manifest["files"]) <= 10  # type: ignore[arg-type]
    manifest = write_corpus(tmp_path / "whole", sources, refused, cap_bytes=10**6)
    sums = [file["sha256"] for file in manifest["files"]]  # type: ignore[attr-defined]
    assert len(sums) == len(set(sums)) == 49


def test_a_corpus_that_was_changed_by_hand_is_not_read(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, "good", "License-Expression: MIT")
    write_corpus(tmp_path / "corpus", *installed_packages([str(site)]), cap_bytes=10**6)
    with (tmp_path / "corpus" / "corpus.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(RequestError, match=r"corpus\.jsonl is not the file"):
        read_corpus(tmp_path / "corpus")
    with pytest.raises(RequestError, match="is not a corpus"):
        read_corpus(tmp_path / "nowhere")


def test_a_folder_of_ones_own_needs_a_known_license(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PROGRAM.format(1, "mine"))
    with pytest.raises(RequestError, match=r"GPL-3\.0-only"):
        folder(tmp_path, "GPL-3.0-only")
    source = folder(tmp_path, "Apache-2.0")
    write_corpus(tmp_path / "corpus", [source], [], cap_bytes=10**6)
    assert [document.path for document in read_corpus(tmp_path / "corpus")] == ["mine.py"]
