"""What a project's file may set, and how: a repository that was cloned is not trusted.

A setting that is not named here is the user's alone, so a new one is closed to projects until somebody
decides. Those named can make suggestions fewer, later, shorter or other, never send more than the user
allows. Which model runs and what is ignored is in no project's power: those settings are not `[editor]`'s.
"""

from collections.abc import Mapping
from typing import Any, Literal

# off:    may be turned off, never on.       add:  names are added to the user's.
# lower:  the smaller of both numbers holds.  raise: the greater; a word of the user's own stays.
# free:   as the project says.
Rule = Literal["off", "add", "lower", "raise", "free"]

PROJECT_RULES: Mapping[str, Rule] = {
    "enabled": "off",
    "disabled_languages": "add",
    "mode": "free",
    "debounce_ms": "raise",
    "candidates": "lower",
    "streaming": "off",
    "max_block_lines": "lower",
    "in_comments": "off",
    "in_strings": "off",
    "mid_line": "off",
    "cross_file": "off",
}


def narrowed(key: str, own: Any, project: Any) -> Any:
    """What holds of a user's own value and a project's. Raises KeyError for what no project may set."""
    match PROJECT_RULES[key]:
        case "off":
            return own and project
        case "add":
            return (*own, *(name for name in project if name not in own))
        case "lower":
            return min(own, project)
        case "raise":
            return max(own, project) if isinstance(own, int) and isinstance(project, int) else own
        case "free":
            return project
