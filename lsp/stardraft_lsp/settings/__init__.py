"""Which settings hold for a document: configuration < the editor's settings < the project's file.

The way of the data:

    config.toml, environment, --set, initializationOptions ──► EditorConfig (stardraftd.config, options)
    workspace/configuration, didChangeConfiguration ──► editor_settings.read_editor_settings ──► Layer
    .stardraft.toml, nearest above the document ──► project_file.load ──► Layer
                                        all of them ──► effective.Settings.for_document ──► Effective

    settings = Settings(config.editor, folders)
    settings.config = news.editor                                the configuration changed
    settings.take_editor(raw)                                    raises ConfigError, the old ones stay
    errors = await asyncio.to_thread(settings.load_projects, uri, roots)   by folder; a document was opened,
                                                                           or such a file saved
    settings.snooze(until_s); settings.wake(); settings.switch(False)
    found = settings.for_document(uri, language, now_s)          on every request: found.config, or found.off

Every layer may have sections per language and per folder; within a layer they are stronger than what stands
outside them, folders the strongest, later ones over earlier ones. A project's file comes with a repository,
from anyone: `policy` says what it may set, and that it can only narrow what the user allows.
"""

from stardraft_lsp.settings.editor_settings import read_editor_settings
from stardraft_lsp.settings.effective import Effective, OffReason, Settings
from stardraft_lsp.settings.layer import Layer
from stardraft_lsp.settings.policy import PROJECT_RULES
from stardraftd.config.sources import PROJECT_FILE

__all__ = [
    "PROJECT_FILE",
    "PROJECT_RULES",
    "Effective",
    "Layer",
    "OffReason",
    "Settings",
    "read_editor_settings",
]
