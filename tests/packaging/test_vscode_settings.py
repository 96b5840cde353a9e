"""The VS Code extension has the server's settings for documents, with the same types, limits and defaults."""

import json
from pathlib import Path
from typing import Any

import pytest

from stardraftd.config.old_names import KNOWN_UNTIL, OLD
from stardraftd.config.schema import Setting, settings
from stardraftd.config.sources import EDITOR

MANIFEST = Path(__file__).parents[2] / "packaging" / "vscode" / "package.json"
TYPES = {"boolean": bool, "integer": int, "array": list, "string": str}
OURS = [setting for setting in settings().values() if setting.section in EDITOR.sections]


def properties() -> dict[str, Any]:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return {
        key: value
        for group in manifest["contributes"]["configuration"]
        for key, value in group["properties"].items()
    }


@pytest.mark.parametrize("setting", OURS, ids=lambda setting: setting.key)
def test_each_setting_is_the_servers(setting: Setting) -> None:
    found = properties()[f"stardraft.{EDITOR.spelled(setting)}"]
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    assert found["default"] == default
    if "type" in found:
        assert isinstance(default, TYPES[found["type"]])
    for words in found.get("enum", []), [one["const"] for one in found.get("anyOf", []) if "const" in one]:
        assert all(f'"{word}"' in setting.allowed for word in words)
    for bounds in (found, *found.get("anyOf", [])):
        if "maximum" in bounds:
            assert setting.allowed.endswith(f"from {bounds['minimum']} to {bounds['maximum']}")


def test_there_is_no_setting_that_the_server_has_not() -> None:
    present = {
        key.removeprefix("stardraft.")
        for key, value in properties().items()
        if "markdownDeprecationMessage" not in value
    }
    own = {"folders", "serverPath", "interpreter", "serverArguments", "trace.server"}
    assert present - own == {EDITOR.spelled(setting) for setting in OURS}


@pytest.mark.parametrize("old", [name for name in OLD if name.startswith("editor.")])
def test_each_old_name_is_struck_out_with_what_to_do(old: str) -> None:
    first, *rest = old.partition(".")[2].split("_")
    found = properties()["stardraft." + first + "".join(map(str.capitalize, rest))]
    said = found["markdownDeprecationMessage"]
    if now := OLD[old].now:
        assert f"`#stardraft.{EDITOR.spelled(settings()[now])}#`" in said
        assert KNOWN_UNTIL in said
    else:
        assert said.endswith("Remove it.")
    assert "default" not in found
