"""A link in a document leads to a file that is there, and to a heading of it: as GitHub shows the checkout.

The site looks after its own links when it is built (mkdocs.yml, `validation`).
"""

import itertools
import re
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs.documents import ROOT, documents

DOCUMENTS = [*documents(), ROOT / "CHANGELOG.md", ROOT / "daemon/stardraftd/models/README.md"]
_PARSER = MarkdownIt("commonmark").enable("table")


@cache
def anchors(document: Path) -> frozenset[str]:
    """What GitHub makes of the headings."""
    found: list[str] = []
    tokens = _PARSER.parse(document.read_text(encoding="utf-8"))
    for opened, heading in itertools.pairwise(tokens):
        if opened.type == "heading_open":
            text = "".join(child.content for child in heading.children or [])
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.append(f"{name}-{found.count(name)}" if name in found else name)
    return frozenset(found)


def targets(document: Path) -> list[str]:
    found = []
    for token in _PARSER.parse(document.read_text(encoding="utf-8")):
        for child in token.children or []:
            target = child.attrGet("href") if child.type == "link_open" else child.attrGet("src")
            if child.type in ("link_open", "image") and isinstance(target, str):
                found.append(target)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for target in targets(document):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        way, _, anchor = target.partition("#")
        file = (document.parent / way).resolve() if way else document
        is_there = file.exists() and file.is_relative_to(ROOT)
        if not is_there or (anchor and anchor not in anchors(file)):
            dead.append(target)
    assert not dead


def test_every_picture_of_the_documents_is_shown_somewhere() -> None:
    shown = {
        (document.parent / target).resolve()
        for document in DOCUMENTS
        for target in targets(document)
        if ":" not in target
    }
    pictures = {path for path in (ROOT / "docs").rglob("*") if path.suffix in (".svg", ".png", ".gif")}
    assert pictures <= shown
