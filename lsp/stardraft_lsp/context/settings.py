"""The bounds of what is looked at and sent from other files, with their units."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ContextSettings:
    """budget_characters: of all chunks of one prompt together, paths included.

    The engine gives other files a quarter of its window and leaves out the oldest beyond it, which moves
    the prompt's beginning: the budget should stay below that (about 3.5 characters of code a token).
    """

    enabled: bool = True
    budget_characters: int = 4_000
    chunk_lines: int = 30
    chunk_characters: int = 1_500
    max_file_bytes: int = 256 * 1024
    max_files: int = 20_000
    max_chunks: int = 120_000
    max_index_bytes: int = 40 * 1024 * 1024
    max_entries: int = 300_000  # names seen in folders, wanted or not
    max_scan_s: float = 600.0
    io_timeout_s: float = 2.0  # a folder that does not answer in this time is left out
    max_watched_folders: int = 4_000
    rescan_s: float = 600.0
    settle_s: float = 0.5  # how long a changed file is left alone: programs write in pieces
    reindex_s: float = 2.0  # the same for an open document
    use_global_excludes: bool = True
    # How still placed chunks stand: see placing.py.
    calm_s: float = 20.0
    unwanted_s: float = 300.0
