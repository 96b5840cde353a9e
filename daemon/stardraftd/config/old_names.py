"""Settings that the version before this one had: what they are called now, or what holds instead.

A name that is here is no mistake, in whichever source it stands: a renamed setting works as before, one that
became a constant has no effect, and either is told in one line (`checking.Outdated`). The reasons are
docs/decisions/0031-fewer-settings.md. Each row goes with the version after this one.
"""

from collections.abc import Mapping

from msgspec import Struct

# The first version that does not know these names any more.
KNOWN_UNTIL = "0.2"


class Old(Struct, frozen=True):
    """now:     the setting's name, "section.key"; "" where there is none any more.
    instead: what holds without it, as the end of a sentence.
    """

    now: str = ""
    instead: str = ""


_PER_REQUEST = "`stardraft complete` and the daemon's API take it for one request"

OLD: Mapping[str, Old] = {
    "model.saved_mb": Old("model.kv_snapshot_mb"),
    "editor.languages_off": Old("editor.disabled_languages"),
    "editor.before_text": Old("editor.mid_line"),
    "model.batch_tokens": Old(instead="a prompt is evaluated 512 tokens at a time"),
    "model.flash_attention": Old(instead="it is used on a GPU that supports it, and off on the CPU"),
    "model.saved_days": Old(instead="what was not used for 7 days is deleted"),
    "completion.temperature": Old(instead=f"suggestions are the likeliest text; {_PER_REQUEST}"),
    "completion.top_k": Old(instead=f"suggestions are the likeliest text; {_PER_REQUEST}"),
    "completion.top_p": Old(instead=f"suggestions are the likeliest text; {_PER_REQUEST}"),
    "completion.seed": Old(instead=f"suggestions are the likeliest text; {_PER_REQUEST}"),
    "completion.layout": Old(
        instead=f"the order that costs less at the moment is chosen; {_PER_REQUEST}",
    ),
    "completion.target_ms": Old(instead="the planner aims at 600 ms to the first token"),
    "daemon.log_max_bytes": Old(instead="the log is rotated at 5 MB"),
    "daemon.log_backups": Old(instead="three full log files are kept"),
    "daemon.drain_seconds": Old(instead="running completions have 30 seconds to finish"),
    "editor.max_prefix_bytes": Old(instead="at most 48,000 bytes before the cursor are sent"),
    "editor.max_suffix_bytes": Old(instead="at most 24,000 bytes after the cursor are sent"),
}

# Values that have another name now, by the setting that has them.
OLD_VALUES: Mapping[str, Mapping[str, str]] = {"completion.background": {"on_mains": "on_ac_power"}}
