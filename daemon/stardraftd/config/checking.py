"""The one checker of settings, whichever source gives them, and the sentences about what is wrong with one.

A source makes a `Given` of what stands there: the configuration file, the environment and the command line
in `stardraftd.config.loading`, an editor's options and settings and a project's file in
`stardraft_lsp.settings`. `check` answers with data: a `Checked` value, or a `Mistake`. `told` is the one
place that makes an error's sentence of a mistake, `Outdated.notice` that of a name from the version before.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from stardraftd.config.old_names import KNOWN_UNTIL, OLD, OLD_VALUES
from stardraftd.config.schema import SECTIONS, Setting, settings, toml
from stardraftd.errors import ConfigError

MAX_SHOWN = 80


class Source(Struct, frozen=True, kw_only=True):
    """A kind of place where settings are given, and its words.

    spelled:  a setting's name there.
    unknown:  the sentence about a name that is none, of {place} and {name}.
    names:    what to do about it, of {section} and {names}.
    correct:  what to do about a wrong value, of {name} and {default}.
    sections: those whose settings can be given there.
    is_text:  values are text, which is read as TOML where it is TOML.
    """

    spelled: Callable[[Setting], str]
    unknown: str
    names: str
    correct: str
    sections: tuple[str, ...] = tuple(SECTIONS)
    is_text: bool = False


class Origin(Struct, frozen=True, kw_only=True):
    """Where a setting was given.

    place:  the beginning of a sentence: "~/config.toml, line 7:".
    prefix: what stands there before the setting's name: "stardraft.languages.go.".
    short:  for a list: "config.toml line 7".
    folder: where a relative path starts.
    """

    source: Source
    place: str
    prefix: str = ""
    short: str = ""
    folder: Path = Path()

    def name(self, setting: Setting) -> str:
        """What a setting is called at this place."""
        return f"{self.prefix}{self.source.spelled(setting)}"


class Given(Struct, frozen=True, kw_only=True):
    """A setting as a source gives it: `called` so there, with a value of TOML or JSON, or as text."""

    section: str
    key: str
    called: str
    value: Any
    origin: Origin

    @property
    def name(self) -> str:
        """The setting's name in the configuration."""
        return f"{self.section}.{self.key}"

    @property
    def text(self) -> str:
        """As `load_config` and a daemon's command line take it, where the value came as text."""
        return f"{self.name}={self.value}"

    @property
    def has_present_name(self) -> bool:
        """Whether it is not called as in the version before."""
        return self.name not in OLD


class Outdated(Struct, frozen=True, kw_only=True):
    """A name, or a value's name, from the version before. now: the present one; "" where there is none.

    instead: what holds without the setting.
    """

    place: str
    called: str
    now: str = ""
    instead: str = ""

    @property
    def notice(self) -> str:
        """One line: what was given, and what to do."""
        if not self.now:
            return f"{self.place} {self.called} is not a setting any more: {self.instead}. Remove it."
        return (
            f"{self.place} {self.called} is called {self.now} now. Rename it: the old name works until "
            f"version {KNOWN_UNTIL}."
        )


class Checked(Struct, frozen=True, kw_only=True):
    """A value as it goes into the configuration. setting: None where the setting is not one any more."""

    setting: Setting | None
    value: Any = None
    outdated: Outdated | None = None


class Mistake(Struct, frozen=True, kw_only=True):
    """What is wrong with a setting that was given.

    kind:    its name is "unknown", its "value" is wrong, or it is no "path".
    key:     the setting's name, "section.key", as far as it can be told.
    shown:   the value as the user wrote it.
    allowed: what a value must be, as the end of "it must be ..."; why it is no path; or the setting's name
             that was probably meant.
    """

    kind: Literal["unknown", "value", "path"]
    key: str
    shown: str
    allowed: str
    given: Given


def accepted(given: Given) -> Checked:
    """The value as it goes into the configuration. Raises ConfigError."""
    found = check(given)
    if isinstance(found, Mistake):
        raise told(found)
    return found


def check(given: Given) -> Checked | Mistake:
    """Whether a setting is one, and its value one of its values."""
    old = OLD.get(given.name)
    if given.section not in given.origin.source.sections:
        return _unknown(given)
    outdated = outdated_name(given)
    if old is not None and not old.now:
        return Checked(setting=None, outdated=outdated)
    setting = settings().get(given.name if old is None else old.now)
    if setting is None:
        return _unknown(given)
    value = _of_text(given.value, setting) if given.origin.source.is_text else given.value
    if isinstance(value, str) and (now := OLD_VALUES.get(setting.name, {}).get(value)):
        outdated = _outdated(given, of=f"{given.called} = {toml(value)}", now=toml(now))
        value = now
    try:
        value = msgspec.convert(value, setting.type)
    except (msgspec.ValidationError, OverflowError):
        return _mistake("value", setting, given, setting.allowed)
    if setting.name == "model.path" and value:
        try:
            value = str((given.origin.folder / Path(value).expanduser()).absolute())
        except (RuntimeError, ValueError, OSError) as error:  # no such user's home, no current folder
            return _mistake("path", setting, given, str(error))
    return Checked(setting=setting, value=value, outdated=outdated)


def outdated_name(given: Given) -> Outdated | None:
    """What there is to tell of a name from the version before, whatever the value; None of a present one."""
    old = OLD.get(given.name)
    if old is None:
        return None
    now = given.origin.name(settings()[old.now]) if old.now else ""
    return _outdated(given, now=now, instead=old.instead)


def told(mistake: Mistake) -> ConfigError:
    """The mistake as an error: what is wrong, where, and what to do."""
    given, source = mistake.given, mistake.given.origin.source
    place, name = given.origin.place, f"{given.origin.prefix}{given.called}"
    if mistake.kind == "unknown":
        meant = settings().get(mistake.allowed)
        section = given.section if meant is None else meant.section
        known = [one for one in settings().values() if one.section == section]
        message = source.unknown.format(place=place, name=cut(name))
        hint = source.names.format(section=section, names=", ".join(map(source.spelled, known)))
        return ConfigError(f"{message}{f'; did you mean {source.spelled(meant)}?' if meant else '.'}", hint)
    subject = f"{place} {name} is {cut(mistake.shown)}"
    hint = source.correct.format(name=name, default=settings()[mistake.key].default_shown)
    if mistake.kind == "path":
        return ConfigError(f"{subject}, which is not a path: {mistake.allowed}.", hint)
    return ConfigError(f"{subject}; it must be {mistake.allowed}.", hint)


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like an unknown one; "" if none is."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def cut(text: str, length: int = MAX_SHOWN) -> str:
    """What a user wrote, short enough for a sentence."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def unknown(given: Given) -> ConfigError:
    """That a source has no such name. For one that spells it otherwise, too."""
    return told(_unknown(given))


def _unknown(given: Given) -> Mistake:
    known = [one for one in settings().values() if one.section in given.origin.source.sections]
    elsewhere = [one.name for one in known if one.key == given.key]
    close = closest(given.key[:MAX_SHOWN], [one.key for one in known if one.section == given.section])
    meant = elsewhere[0] if elsewhere else f"{given.section}.{close}" if close else ""
    return Mistake(kind="unknown", key=given.name, shown=_shown(given.value), allowed=meant, given=given)


def _shown(value: Any) -> str:
    """A value as the user wrote it; one that is nested deeper than Python goes, in words."""
    try:
        return toml(value)
    except RecursionError:
        return "nested too deeply"


def _mistake(kind: Literal["value", "path"], setting: Setting, given: Given, allowed: str) -> Mistake:
    return Mistake(kind=kind, key=setting.name, shown=_shown(given.value), allowed=allowed, given=given)


def _outdated(given: Given, *, of: str = "", now: str = "", instead: str = "") -> Outdated:
    called = f"{given.origin.prefix}{of or given.called}"
    return Outdated(place=given.origin.place, called=called, now=now, instead=instead)


def _of_text(text: str, setting: Setting) -> Any:
    """A value that was given as text: TOML where it is TOML, else the text itself."""
    text = text.strip()
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        parsed = {}
    value = parsed["value"] if len(parsed) == 1 else text  # not one: a line break smuggled in another key
    if setting.is_text:
        # a file may be named `1` or `true`
        return value if isinstance(value, str) else text
    if isinstance(setting.default, tuple) and isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    return value
