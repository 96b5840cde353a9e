"""The built site asks nobody for anything: no font, script, picture or counter comes from elsewhere.

And on a phone it can be read.

Needs the site: `make docs`, and STARDRAFT_DOCS=build/site for the tests.
"""

import json
import os
import re
import shutil
import socketserver
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.processes import run_to_end

if "STARDRAFT_DOCS" not in os.environ:
    pytest.skip("needs the site: make docs, then STARDRAFT_DOCS=build/site", allow_module_level=True)

SITE = Path(os.environ["STARDRAFT_DOCS"]).resolve()
PAGES = sorted(SITE.rglob("*.html"))
# What these attributes name is fetched without being asked for. A `link` is one only with some relations.
LOADING = {
    "src": {"script", "img", "iframe", "audio", "video", "source", "embed", "input", "track"},
    "srcset": {"img", "source"},
    "data": {"object"},
    "poster": {"video"},
    "background": {"body", "table", "td"},
}
NOT_LOADED = {"canonical", "next", "prev", "license", "author", "edit", "alternate"}
# What the browser asks its maker by itself, whatever page is open.
BROWSERS_OWN = re.compile(
    r"\b(accounts|update|clients\d|content-autofill|optimizationguide-pa)\.google(apis)?\.com\b"
)
_ELSEWHERE = re.compile(r"\s*(?:[a-z]+:)?//", re.IGNORECASE)
_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


class Loads(HTMLParser):
    """What a browser fetches for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.classes |= set(given.get("class", "").split())
        self.found += [given[name] for name, tags in LOADING.items() if tag in tags and name in given]
        if tag == "link" and not set(given.get("rel", "").lower().split()) <= NOT_LOADED:
            self.found.append(given.get("href", ""))
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.found.append(given.get("content", "").partition("=")[2])
        self.found += list(styled(given.get("style", "")))


def styled(text: str) -> Iterator[str]:
    for one in _STYLE.finditer(text):
        yield one[1] or one[2]


def test_the_site_is_there() -> None:
    assert len(PAGES) > 15
    assert (SITE / "index.html") in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_a_page_loads_nothing_from_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    loads = Loads(text)
    wanted = [*loads.found, *styled("".join(re.findall(r"<style.*?</style>", text, re.DOTALL)))]
    assert wanted, "the page has no style: is it one of the site?"
    assert not [one for one in wanted if _ELSEWHERE.match(one)]
    # Here the theme would fetch a program for diagrams, and the number of a repository's stars.
    assert not loads.classes & {"mermaid", "md-source"}


def test_no_style_loads_anything_from_elsewhere() -> None:
    styles = list(SITE.rglob("*.css"))
    assert styles
    for style in styles:
        assert not [one for one in styled(style.read_text(encoding="utf-8")) if _ELSEWHERE.match(one)], style


@pytest.fixture
def trap() -> Iterator[tuple[int, list[str]]]:
    """A proxy that gives nothing, and keeps the first line of each request: (port, lines)."""
    asked: list[str] = []

    class Ask(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline(2000).decode("latin-1").strip())
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Ask) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1], asked
        server.shutdown()
        thread.join()


def find_chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium on the PATH")
    return found


def test_a_browser_asks_nobody(trap: tuple[int, list[str]], tmp_path: Path) -> None:
    """The real Chromium opens pages: what it wants from elsewhere would come to the trap."""
    chromium = find_chromium()
    port, asked = trap

    def open_page(page: Path) -> str:
        done = run_to_end(
            [
                *(
                    chromium,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                    "--disable-sync",
                ),
                *("--disable-background-networking", "--disable-component-update"),
                *(f"--user-data-dir={tmp_path / 'profile'}", f"--proxy-server=http://127.0.0.1:{port}"),
                *(
                    "--proxy-bypass-list=<-loopback>",
                    "--virtual-time-budget=3000",
                    "--dump-dom",
                    page.as_uri(),
                ),
            ],
            idle_s=60,
            check=True,
        )
        return done.stdout.decode()

    assert "Private code completion" in open_page(SITE / "index.html")
    mine = [line for line in asked if "fonts" in line or not BROWSERS_OWN.search(line)]
    assert not mine
    (tmp_path / "leak.html").write_text('<img src="http://elsewhere.invalid/counter.png">', encoding="utf-8")
    open_page(tmp_path / "leak.html")
    assert any("elsewhere.invalid" in line for line in asked), "the trap would not have seen it"


PHONE = """<!doctype html><iframe id="page" src="{address}" width="390" height="3000"></iframe>
<script>
  document.getElementById("page").onload = () => setTimeout(() => {{
    const page = document.getElementById("page").contentDocument;
    const lines = (one) => new Set([...one.getClientRects()].map((box) => Math.round(box.top))).size;
    const names = [...page.querySelectorAll("td:first-child code")];
    const chopped = names.filter((one) => !one.textContent.includes(" ") && lines(one) > 1);
    const charts = [...page.querySelectorAll('p > img[src$=".svg"]')].map((one) => one.width);
    const found = {{ names: names.length, chopped: chopped.map((one) => one.textContent), charts,
                     wide: page.documentElement.scrollWidth > 390 }};
    const told = document.createElement("pre");
    told.textContent = JSON.stringify(found);
    document.body.append(told);
  }}, 500);
</script>"""


@pytest.mark.parametrize(
    "name", ["configuration.html", "performance.html", "troubleshooting.html", "index.html"]
)
def test_on_a_phone_no_name_is_chopped_and_no_chart_is_tiny(name: str, tmp_path: Path) -> None:
    chromium = find_chromium()
    frame = tmp_path / "phone.html"
    frame.write_text(PHONE.format(address=(SITE / name).as_uri()), encoding="utf-8")
    done = run_to_end(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--allow-file-access-from-files", "--disable-web-security"),
            f"--user-data-dir={tmp_path / 'profile'}",
            *("--virtual-time-budget=5000", "--dump-dom", frame.as_uri()),
        ],
        idle_s=60,
        check=True,
    )
    told = re.search(r"<pre>(\{.*\})</pre>", done.stdout.decode())
    assert told is not None, "the page was not measured"
    found = json.loads(told[1])
    assert not found["chopped"]
    assert not found["wide"], "the page itself scrolls sideways"
    assert all(width >= 500 for width in found["charts"])
    assert found["names"] or name != "configuration.html", "there is nothing to be chopped"


def test_the_first_page_shows_what_it_looks_like() -> None:
    assert "images/vscode.png" in (SITE / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SITE).as_posix())
def test_a_page_has_one_title(page: Path) -> None:
    assert len(re.findall(r"<h1\b", page.read_text(encoding="utf-8"))) == 1
