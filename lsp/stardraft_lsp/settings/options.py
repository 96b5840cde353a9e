"""Settings that do not come from the configuration file: the editor's, and the command line's.

`initializationOptions` are what an editor sets for its own session. The keys are those of `[editor]` in the
configuration, in camelCase; `settings` holds "section.key=value" texts for all the others. They stand above
the configuration file and the environment.
"""

from collections.abc import Iterable, Sequence

from stardraftd.config.checking import Given, Origin, accepted, unknown
from stardraftd.config.loading import ON_COMMAND_LINE, absolute, given_override
from stardraftd.config.sources import EDITOR, snake
from stardraftd.errors import ConfigError

_PLACE = "initializationOptions of your editor's configuration"
_OPTIONS = Origin(source=EDITOR, place=f"{_PLACE}:", short="initializationOptions")


def overrides(options: object) -> tuple[Given, ...]:
    """The options as `load_config` takes them. Raises ConfigError that names the wrong one."""
    if options is None:
        return ()
    if not isinstance(options, dict):
        raise ConfigError(f"{_PLACE} are not an object.", 'An example: {"debounceMs": 50}')
    settings = options.get("settings") or []
    if not isinstance(settings, list | tuple) or not all(isinstance(text, str) for text in settings):
        raise ConfigError(
            f"{_PLACE}: settings is not a list of texts.", 'An example: {"settings": ["model.gpu_layers=0"]}'
        )
    given = [
        _given(str(key), value)
        for key, value in options.items()
        if key != "settings" and value is not None  # null is "not set", as in an editor's settings
    ]
    for one in given:
        accepted(one)
    place = f"{_PLACE}: in settings,"
    return (*(given_override(text, place) for text in checked(settings, place)), *given)


def for_daemon(overrides: Iterable[str | Given]) -> tuple[str, ...]:
    """Those that a daemon is started with: what the editor sets for itself is nothing to it."""
    return tuple(
        one if isinstance(one, str) else one.text
        for one in overrides
        if isinstance(one, str) or one.origin.source.is_text
    )


def checked(settings: Sequence[str], place: str = ON_COMMAND_LINE) -> tuple[str, ...]:
    """ "section.key=value" texts that are right, with paths that mean the same in the daemon's folder.

    Raises ConfigError; `place` is the beginning of its sentence.
    """
    return tuple(absolute(setting, place) for setting in settings)


def _given(key: str, value: object) -> Given:
    given = Given(section="editor", key=snake(key), called=key, value=value, origin=_OPTIONS)
    if "_" in key:  # as the file has it: here there is one way to write a name
        raise unknown(given)
    return given
