"""A hook of mkdocs: files that stand outside docs/ become pages of the site, and links lead there.

ARCHITECTURE.md and its like have their place at the top of the checkout, where GitHub shows them; the site
has them as they are. A link from a page to such a file leads to its page. A link to any other file of the
checkout, which the site does not have, becomes that file's path; one to a file that is not there stays as it
is, and ends the build.

What it does not do: change a word of a page.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# A file of the checkout, and the page that it becomes.
ROOT_PAGES = {
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "LICENSE": "license.md",
    "daemon/stardraftd/models/README.md": "model-card.md",
}
# What the site has in place of the README, whose quick start is the first page.
INSTEAD = {"README.md": "index.md", **ROOT_PAGES}
SOURCE_OF = {page: source for source, page in ROOT_PAGES.items()}

_LINK = re.compile(
    r"(?<!!)\[(?P<text>[^\]\n]+(?:\n[^\]\n]+)?)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)"
)
_FENCED = re.compile(r"^(?P<marks>`{3,}|~{3,}).*?^(?P=marks)\s*$", re.MULTILINE | re.DOTALL)
_CODE_IN_A_ROW = re.compile(r"`[^`\n]+`")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that come from outside docs/."""
    for source, page in ROOT_PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if not source.endswith(".md"):
            text = f"# License\n\n```text\n{text.strip(chr(10))}\n```\n"
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_others: object) -> str:
    """The page's text with links that hold in the site."""
    here = page.file.src_uri
    source = SOURCE_OF.get(here, f"docs/{here}")
    parts: list[str] = []
    end = 0
    for fenced in _FENCED.finditer(markdown):
        parts += [_prose(markdown[end : fenced.start()], source, here), fenced.group()]
        end = fenced.end()
    return "".join([*parts, _prose(markdown[end:], source, here)])


def _prose(text: str, source: str, here: str) -> str:
    text = _LINK.sub(lambda link: _mended(link, source, here), text)
    return "".join(_row(line) for line in text.splitlines(keepends=True))


def _mended(link: re.Match[str], source: str, here: str) -> str:
    """A link in the file `source`, which is the page `here`."""
    target = link["target"]
    if ":" in target:
        return link.group()
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    page = INSTEAD.get(wanted) or (wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
    if page is not None:
        way = posixpath.relpath(page, posixpath.dirname(here) or ".")
        return f"[{link['text']}]({way}{link['anchor'] or ''})"
    if not (ROOT / wanted).exists():
        return link.group()
    name = link["text"].strip("`")
    return f"`{wanted}`" if name in (wanted, target) else f"{link['text']} (`{wanted}`)"


def _row(line: str) -> str:
    """A table's row: GitHub wants the bar in code escaped, Python-Markdown would show the backslash."""
    if not line.lstrip().startswith("|"):
        return line
    return _CODE_IN_A_ROW.sub(lambda code: code.group().replace(r"\|", "|"), line)
