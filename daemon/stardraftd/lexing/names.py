"""Under which name a language's rules are found: by its LSP language id, or by its file's suffix."""

from pathlib import PurePosixPath

BY_ID = {
    "javascriptreact": "javascript",
    "typescriptreact": "tsx",
    "shellscript": "shell",
    "bash": "shell",
    "sh": "shell",
    "zsh": "shell",
    "ksh": "shell",
    "c++": "cpp",
    "cuda-cpp": "cpp",
    "cuda": "cpp",
    "objective-cpp": "objective-c",
    "objc": "objective-c",
    "c#": "csharp",
    "cs": "csharp",
    "py": "python",
    "js": "javascript",
    "jsx": "javascript",
    "ts": "typescript",
    "make": "makefile",
    "gnumakefile": "makefile",
    "golang": "go",
    "restructuredtext": "markdown",
    "git-commit": "markdown",
    "less": "scss",
}

BY_SUFFIX = {
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".js": "javascript",
    ".cjs": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".cts": "typescript",
    ".mts": "typescript",
    ".tsx": "tsx",
    ".go": "go",
    ".rs": "rust",
    ".java": "java",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hh": "cpp",
    ".hpp": "cpp",
    ".hxx": "cpp",
    ".cu": "cpp",
    ".m": "objective-c",
    ".cs": "csharp",
    ".rb": "ruby",
    ".rake": "ruby",
    ".php": "php",
    ".lua": "lua",
    ".sh": "shell",
    ".bash": "shell",
    ".zsh": "shell",
    # Languages without a grammar here.
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".swift": "swift",
    ".scala": "scala",
    ".dart": "dart",
    ".groovy": "groovy",
    ".gradle": "groovy",
    ".sql": "sql",
    ".css": "css",
    ".scss": "scss",
    ".html": "html",
    ".htm": "html",
    ".xml": "xml",
    ".vue": "vue",
    ".svelte": "svelte",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".toml": "toml",
    ".json": "json",
    ".hs": "haskell",
    ".ex": "elixir",
    ".exs": "elixir",
    ".pl": "perl",
    ".pm": "perl",
    ".r": "r",
    ".jl": "julia",
    ".zig": "zig",
    ".md": "markdown",
    ".mk": "makefile",
}


def language_of(language_id: str, path: str = "") -> str:
    """The name under which a language is known here; the id in small letters where it is not known.

    language_id: the editor's, as LSP lists them; "" and "plaintext" let the path decide.
    """
    name = language_id.lower()
    name = BY_ID.get(name, name)
    if name not in ("", "plaintext", "text"):
        return name
    return BY_SUFFIX.get(PurePosixPath(path.replace("\\", "/")).suffix.lower(), name)
