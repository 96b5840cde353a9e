"""The SQLite file: its tables and their versions, writing to it, and what happens when it is damaged.

Language servers of several editors write at once. Each opens the file for one short transaction and closes
it, so that no lock outlives a batch, and a file that was put aside or deleted is noticed at the next batch.
A write-ahead log is not used: it would need shared memory beside the file, which network home folders lack.
"""

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from stardraft_lsp.stats.facts import Cost, Fate, Look, Silence
from stardraft_lsp.stats.kept import LOOKS_S, kept_share
from stardraftd.errors import StardraftError
from stardraftd.files import atomic
from stardraftd.logs import last_silence
from stardraftd.paths import state_dir, tilde

KEEP_DAYS = 400
MAX_ROWS = 100_000  # about 20 MB
MAX_TALLIES = 100_000
BUSY_S = 5.0
_PRUNE_EVERY = 200

# What makes each version of the file from the one before; `PRAGMA user_version` says which it is.
STEPS: tuple[str, ...] = (
    """
    CREATE TABLE secret (salt BLOB NOT NULL);
    CREATE TABLE suggestions (
        id INTEGER PRIMARY KEY,
        at_s INTEGER NOT NULL,
        document TEXT NOT NULL,
        language TEXT NOT NULL,
        editor TEXT NOT NULL,
        invoked INTEGER NOT NULL,
        n_chars INTEGER NOT NULL,
        n_lines INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        part TEXT NOT NULL,
        told INTEGER NOT NULL,
        accepted_chars INTEGER NOT NULL,
        typed_chars INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        waited_ms REAL,
        queue_ms REAL,
        prefill_ms REAL,
        decode_ms REAL,
        first_token_ms REAL,
        total_ms REAL,
        n_prompt INTEGER,
        n_evaluated INTEGER,
        n_reused INTEGER,
        n_generated INTEGER,
        n_chunks INTEGER,
        n_chunks_reused INTEGER,
        kept_30s REAL,
        kept_120s REAL,
        kept_600s REAL
    );
    CREATE TABLE silences (
        day TEXT NOT NULL,
        language TEXT NOT NULL,
        editor TEXT NOT NULL,
        reason TEXT NOT NULL,
        n INTEGER NOT NULL,
        n_evaluated INTEGER NOT NULL,
        n_reused INTEGER NOT NULL,
        n_generated INTEGER NOT NULL,
        PRIMARY KEY (day, language, editor, reason)
    ) WITHOUT ROWID;
    """,
    # Until then nobody counted which pieces of other files stood where they did: 0 was "not known".
    "UPDATE suggestions SET n_chunks_reused = NULL;",
    "ALTER TABLE suggestions ADD COLUMN source TEXT NOT NULL DEFAULT 'model';",
)

_COST = Cost.__struct_fields__
_FATE = (
    "id",
    "at_s",
    "document",
    "language",
    "editor",
    "invoked",
    "n_chars",
    "n_lines",
    "outcome",
    "part",
    "told",
    "accepted_chars",
    "typed_chars",
    "visible_ms",
    "waited_ms",
    "source",
    *_COST,
)
# The editor's late word changes how a suggestion ended, not when and where it was shown.
_INSERT = (
    f"INSERT INTO suggestions ({', '.join(_FATE)}) VALUES ({', '.join('?' * len(_FATE))}) "  # noqa: S608
    "ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, part = excluded.part, told = excluded.told, "
    "accepted_chars = excluded.accepted_chars, typed_chars = excluded.typed_chars"
)
_LOOKS = {
    after_s: f"UPDATE suggestions SET kept_{after_s}s = ? WHERE id = ?"  # noqa: S608
    for after_s in LOOKS_S
}
_TALLY = (
    "INSERT INTO silences VALUES (?, ?, ?, ?, 1, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET n = n + 1, n_evaluated = n_evaluated + excluded.n_evaluated, "
    "n_reused = n_reused + excluded.n_reused, n_generated = n_generated + excluded.n_generated"
)


class StatsError(StardraftError):
    """The file of the figures cannot be used. `may_pass`: trying again may help."""

    code = "stats"

    def __init__(self, message: str, hint: str = "", *, may_pass: bool = False) -> None:
        super().__init__(message, hint)
        self.may_pass = may_pass


class _DamagedError(Exception):
    """What is in the file is not what was written."""


def stats_path() -> Path:
    """The file of the figures; it need not exist."""
    return state_dir() / "stats.sqlite"


class Store:
    """The file, for one editor's facts.

    steps, keep_days, max_rows: the defaults are those of this version.
    """

    def __init__(
        self,
        file: Path,
        editor: str = "",
        *,
        steps: Sequence[str] = STEPS,
        keep_days: float = KEEP_DAYS,
        max_rows: int = MAX_ROWS,
        busy_s: float = BUSY_S,
    ) -> None:
        self.file = file
        self._editor = editor
        self._steps = steps
        self._keep_days = keep_days
        self._max_rows = max_rows
        self._busy_s = busy_s
        self._n_writes = 0

    def write(self, facts: Sequence[Fate | Look | Silence]) -> StatsError | None:
        """Writes all of them or none. Raises StatsError when it cannot.

        Returns what a user should know: that the file was damaged and put aside, and begun anew.
        """
        mended = None
        try:
            self._write(facts)
        except _DamagedError as error:
            mended = self._put_aside(error)
            try:
                self._write(facts)
            except _DamagedError as again:
                raise StatsError(f"{tilde(self.file)} cannot be written: {again}.") from again
        return mended

    def _write(self, facts: Sequence[Fate | Look | Silence]) -> None:
        with self._opened() as connection, _transaction(connection):
            (salt,) = connection.execute("SELECT salt FROM secret").fetchone()
            for fact in facts:
                match fact:
                    case Fate():
                        connection.execute(_INSERT, self._row(fact, salt))
                    case Look():
                        share = kept_share(fact.accepted, fact.now)
                        connection.execute(_LOOKS[fact.after_s], (round(share, 4), fact.id))
                    case Silence():
                        connection.execute(_TALLY, self._tally(fact))
            if self._n_writes % _PRUNE_EVERY == 0:
                self._prune(connection)
            self._n_writes += 1

    def _row(self, fact: Fate, salt: bytes) -> tuple[object, ...]:
        cost = [None] * len(_COST) if fact.cost is None else [getattr(fact.cost, name) for name in _COST]
        uri = fact.uri.encode("utf-8", "surrogatepass")
        return (
            fact.id,
            fact.at_ms // 1000,
            hashlib.blake2s(uri, key=salt, digest_size=8).hexdigest(),
            fact.language,
            self._editor,
            fact.invoked,
            fact.n_chars,
            fact.n_lines,
            fact.outcome,
            fact.part,
            fact.told,
            fact.accepted_chars,
            fact.typed_chars,
            fact.visible_ms,
            fact.waited_ms,
            fact.source,
            *cost,
        )

    def _tally(self, fact: Silence) -> tuple[object, ...]:
        return (
            fact.day,
            fact.language,
            self._editor,
            fact.reason,
            fact.n_evaluated,
            fact.n_reused,
            fact.n_generated,
        )

    def _prune(self, connection: sqlite3.Connection) -> None:
        oldest = time.time() - self._keep_days * 86_400
        day = time.strftime("%Y-%m-%d", time.localtime(oldest))
        connection.execute("DELETE FROM suggestions WHERE at_s < ?", (oldest,))
        connection.execute("DELETE FROM silences WHERE day < ?", (day,))
        connection.execute(
            "DELETE FROM suggestions WHERE id <= "
            "(SELECT id FROM suggestions ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (self._max_rows,),
        )
        connection.execute(
            "DELETE FROM silences WHERE day <= (SELECT day FROM silences ORDER BY day DESC LIMIT 1 OFFSET ?)",
            (MAX_TALLIES,),
        )

    def read(self, since_s: float = 0.0) -> tuple[list[sqlite3.Row], list[sqlite3.Row]]:
        """Rows of `suggestions` and of `silences` since a moment; none when there is no file.

        Raises StatsError, also for a damaged file: reading puts nothing aside.
        """
        if not self.file.exists():
            return [], []
        day = time.strftime("%Y-%m-%d", time.localtime(since_s))
        try:
            with self._opened() as connection, _damage(self.file):
                connection.row_factory = sqlite3.Row
                return (
                    connection.execute(
                        "SELECT * FROM suggestions WHERE at_s >= ? ORDER BY id", (since_s,)
                    ).fetchall(),
                    connection.execute(
                        "SELECT * FROM silences WHERE day >= ? ORDER BY day", (day,)
                    ).fetchall(),
                )
        except _DamagedError as error:
            raise StatsError(
                f"{tilde(self.file)} is damaged: {error}.",
                "The next editor that uses stardraft puts it aside; `stardraft stats --forget` deletes it.",
            ) from error

    def forget(self) -> None:
        """Deletes all figures, and files that were put aside. Raises StatsError.

        Servers that run go on writing into the same file, so it is emptied rather than removed.
        """
        for old in self.file.parent.glob(f"{self.file.name}.damaged-*"):
            old.unlink(missing_ok=True)
        self.file.with_name(last_silence.FILE).unlink(missing_ok=True)
        if not self.file.exists():
            return
        try:
            with self._opened() as connection, _damage(self.file):
                connection.execute("PRAGMA secure_delete = ON")
                with _transaction(connection):
                    connection.execute("DELETE FROM suggestions")
                    connection.execute("DELETE FROM silences")
                    connection.execute("UPDATE secret SET salt = ?", (secrets.token_bytes(32),))
                connection.execute("VACUUM")
        except _DamagedError:
            self.file.unlink(missing_ok=True)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file with its tables as they are now. Raises StatsError and _DamagedError."""
        try:
            _make_private(self.file)
        except OSError as error:
            raise StatsError(
                f"The figures for `stardraft stats` cannot be kept: {tilde(self.file)}: "
                f"{error.strerror or error}.",
                "Suggestions work without. STARDRAFT_STATE_DIR names another folder.",
            ) from error
        with _damage(self.file):
            connection = sqlite3.connect(self.file, timeout=self._busy_s, isolation_level=None)
        with closing(connection):
            with _damage(self.file):
                self._migrate(connection)
            yield connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < len(self._steps):
            with _transaction(connection):
                (version,) = connection.execute("PRAGMA user_version").fetchone()  # another may have done it
                for number in range(version, len(self._steps)):
                    for statement in self._steps[number].split(";"):
                        if statement.strip():
                            connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {number + 1}")
                if version == 0:
                    connection.execute("INSERT INTO secret VALUES (?)", (secrets.token_bytes(32),))
        elif version > len(self._steps):
            raise StatsError(
                f"{tilde(self.file)} was written by a newer stardraft (version {version} of the file).",
                "Figures are not kept by this one; update it, or end its editors.",
            )
        # Fails where the tables are not those of this version.
        if connection.execute("SELECT salt FROM secret").fetchone() is None:
            raise _DamagedError("its tables are incomplete")
        connection.execute(f"SELECT {', '.join(_FATE)}, kept_600s FROM suggestions LIMIT 0")  # noqa: S608
        connection.execute("SELECT n, n_generated FROM silences LIMIT 0")

    def _put_aside(self, reason: _DamagedError) -> StatsError | None:
        """Renames the damaged file, unless another server has by now. Raises StatsError."""
        from filelock import FileLock, Timeout

        aside = self.file.with_name(f"{self.file.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            with FileLock(self.file.with_name(f"{self.file.name}.lock"), timeout=self._busy_s):
                try:
                    with self._opened():
                        return None
                except _DamagedError:
                    os.replace(self.file, aside)  # noqa: PTH105 - atomic, over an older one too
                    with suppress(FileNotFoundError):
                        self.file.with_name(f"{self.file.name}-journal").unlink()
        except (OSError, Timeout) as error:
            raise StatsError(
                f"{tilde(self.file)} is damaged ({reason}), and cannot be put aside: {error}.",
                "Delete it, or use `stardraft stats --forget`.",
            ) from error
        return StatsError(
            f"The figures for `stardraft stats` were damaged ({reason}); counting begins anew.",
            f"The old file is {tilde(aside)}.",
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The lock is taken at once: one that is taken later can fail half-way."""
    with _damage(None):
        connection.execute("BEGIN IMMEDIATE")
    try:
        with _damage(None):
            yield
            connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _damage(file: Path | None) -> Iterator[None]:
    """SQLite's errors as what they mean here: a damaged file, or one that cannot be used now."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such" in str(error) or "already exists" in str(error):
            raise _DamagedError(str(error)) from error
        where = f" ({tilde(file)})" if file is not None else ""
        raise StatsError(
            f"The figures for `stardraft stats` cannot be written{where}: {error}.",
            "Suggestions work without.",
            may_pass=error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        ) from error
    except sqlite3.DatabaseError as error:
        raise _DamagedError(str(error)) from error


def _make_private(file: Path) -> None:
    """The file exists, and is this user's alone. Raises OSError."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = atomic.open_file(file, os.O_RDWR | os.O_CREAT, own=True)
    try:
        if hasattr(os, "fchmod") and os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
