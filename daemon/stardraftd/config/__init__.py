"""The configuration: its schema, loading it with line and key, watching, editing, and the reference
page.
"""

from stardraftd.config.loading import (
    CompletionConfig,
    Config,
    EditorConfig,
    ModelConfig,
    load_config,
)

__all__ = [
    "CompletionConfig",
    "Config",
    "EditorConfig",
    "ModelConfig",
    "load_config",
]
