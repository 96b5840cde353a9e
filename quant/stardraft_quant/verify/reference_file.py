"""The reference model's logits, on disk between its pass and those of the models that are compared with it.

So only one model is in memory at a time. The file has no name, or loses it as soon as it is open (on Windows
it goes with its handle): whatever ends the process ends the file. Logits are stored as they are, 4 bytes
each; StarCoder2's vocabulary makes that 197 kB a token.
"""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stardraftd.errors import PathError

SPARE_BYTES = 64 * 1024 * 1024  # what is left to others on the disk
_HINT = "Set TMPDIR to a folder with more room, or give a smaller --rows."


class ReferenceFile:
    """Written once, rows in order; then read from the start, as often as there are models."""

    def __init__(self, n_tokens: int, n_vocab: int, folder: Path | None = None) -> None:
        """For `n_tokens` rows of `n_vocab` logits. Raises PathError where there is no room for them."""
        self._n_vocab = n_vocab
        self._folder = folder or scratch_folder()
        wanted = n_tokens * n_vocab * 4
        try:
            free = shutil.disk_usage(self._folder).free
            if free < wanted + SPARE_BYTES:
                raise PathError(
                    f"The reference's logits take {wanted / 1e9:,.2f} GB for a while, and {self._folder} has "
                    f"{free / 1e9:,.2f} GB free.",
                    _HINT,
                )
            # Unbuffered: what is written is larger than any buffer.
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="stardraft-verify-", buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise self._failed(error) from error

    def append(self, logits: NDArray[np.float32]) -> None:
        """Adds rows, (n, n_vocab). Raises PathError when the disk is full after all."""
        rest = np.ascontiguousarray(logits, np.float32).data.cast("B")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._failed(error) from error

    def rewind(self) -> None:
        self._file.seek(0)

    def read(self, n_rows: int) -> NDArray[np.float32]:
        """The next `n_rows` rows, (n_rows, n_vocab). Raises PathError when they cannot be read."""
        out = np.empty((n_rows, self._n_vocab), np.float32)
        rest = out.data.cast("B")
        try:
            while rest and (n := self._file.readinto(rest)):
                rest = rest[n:]
        except OSError as error:
            raise self._failed(error) from error
        if rest:
            raise IndexError(f"{n_rows} more rows were asked for than were written")
        return out

    def _failed(self, error: OSError) -> PathError:
        return PathError(
            f"The reference's logits cannot be kept in {self._folder}: {error.strerror or error}.", _HINT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def scratch_folder() -> Path:
    """Where large temporary files go: TMPDIR; else /var/tmp, for /tmp is often memory; else the system's."""
    large = Path("/var/tmp")  # noqa: S108 - the file made in it has no name
    if not any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")) and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())
