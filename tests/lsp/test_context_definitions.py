"""How definitions look in a prompt. Cases to add to: tests/data/lsp/context/definitions.toml."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stardraft_lsp.context.access.kinds import family_of
from stardraft_lsp.context.index.definitions import Imported, PlainOutliner, agreement, names_near
from stardraft_lsp.context.index.outlining import SyntaxOutliner

CASES = tomllib.loads(
    (Path(__file__).parent.parent / "data" / "lsp" / "context" / "definitions.toml").read_text(
        encoding="utf-8"
    )
)


@pytest.mark.parametrize("outliner", [PlainOutliner(), SyntaxOutliner()], ids=["plain", "syntax"])
@pytest.mark.parametrize("case", CASES["case"], ids=lambda case: case["why"])
def test_a_definition_is_shown_by_its_head(case: dict[str, str], outliner: PlainOutliner) -> None:
    family = family_of(case["path"])
    assert case["name"] in outliner.defined(case["text"], family)
    assert outliner.outline(case["text"].split("\n"), case["name"], 0, family) == case["outline"]


@pytest.mark.parametrize("outliner", [PlainOutliner(), SyntaxOutliner()], ids=["plain", "syntax"])
@pytest.mark.parametrize("case", CASES["imports"], ids=lambda case: case["path"])
def test_imports_say_where_a_name_is_from(case: dict[str, Any], outliner: PlainOutliner) -> None:
    found = outliner.imports(case["text"], family_of(case["path"]))
    for name, module in case["found"]:
        assert Imported(name, module) in found


def test_the_nearest_of_several_definitions_is_shown() -> None:
    lines = ["def work(a): pass"] + [""] * 20 + ["    def work(self, b): pass"]
    assert PlainOutliner().outline(lines, "work", 19, "python") == "    def work(self, b): pass\n"
    assert PlainOutliner().outline(lines, "work", 2, "python") == "def work(a): pass\n"
    assert PlainOutliner().outline(lines, "nothing", 2, "python") == ""


def test_the_names_nearest_to_the_cursor_come_first() -> None:
    prefix = "from far import Away\n" + "\n" * 20 + "shelf = Shelf()\nitem = shelf.find("
    assert names_near(prefix, "\nlast(Thing)\n") == ["find", "shelf", "item", "Shelf", "Thing", "last"]


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("src/shop/shelf.py", "shop.shelf"),
        ("shop/__init__.py", "shop"),
        ("web/geometry/point.ts", "../geometry/point"),
        ("web/geometry/index.ts", "./geometry"),
        ("src/shop/mod.rs", "crate::shop"),
        ("com/shop/Shelf.java", "com.shop.Shelf"),
    ],
)
def test_a_file_is_known_as_the_module_that_is_imported(path: str, module: str) -> None:
    assert agreement(path, module) > agreement(f"other/{path.rpartition('/')[2]}", "somewhere.else")
    assert agreement(path, module) > 0
    assert agreement("other/place.py", module) == 0


@pytest.mark.parametrize(
    "family", ["python", "javascript", "c", "jvm", "go", "rust", "lua", "swift", "php", "text"]
)
@pytest.mark.parametrize("unit", ["a", "a ", "public ", "x<", "a::", "(", "[", "def ", "a*", "\t", "const "])
def test_no_line_however_odd_takes_long(family: str, unit: str) -> None:
    """Without the bound on lines some of these would take minutes; the test's timeout is the measure."""
    outliner = PlainOutliner()
    outliner.defined(unit * 20_000, family)
    outliner.imports(unit * 20_000, family)
    outliner.outline([unit * 20_000, unit * 100], "a", 0, family)


def test_what_the_plain_way_does_not_see_is_found_in_the_tree() -> None:
    text = "class Shelf:\n    @property\n    def widest_item(self):\n        return max(self.items)\n"
    assert "widest_item" in SyntaxOutliner().outline(text.split("\n"), "widest_item", 0, "python")
    spread = "export const\n  area = (shape: Shape): number => shape.width * shape.height\n"
    assert PlainOutliner().outline(spread.split("\n"), "area", 0, "javascript") == ""
    assert "area" in SyntaxOutliner().outline(spread.split("\n"), "area", 0, "javascript")
