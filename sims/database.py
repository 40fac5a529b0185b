"""The SQLite file of a record: its tables, how it is opened, what its errors mean."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sims.ledger import StoreError
from sims.record import digest_of

JOURNALS = ("store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal")
FILES = ("store.sqlite", *JOURNALS, "ledger.txt")

_SCHEMA = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE requests (
    id INTEGER PRIMARY KEY, content TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TABLE environments (
    id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, digest TEXT NOT NULL
);
CREATE TABLE points (
    key TEXT PRIMARY KEY,      -- SHA-256 of identity
    identity TEXT NOT NULL,    -- what the result is a function of, JSON
    path TEXT NOT NULL,        -- in the seed tree, JSON
    status TEXT NOT NULL,      -- done, failed
    message TEXT NOT NULL,     -- why it failed
    payload BLOB NOT NULL,     -- see sims.payload
    digest TEXT NOT NULL,      -- SHA-256 of all of the above
    environment INTEGER NOT NULL REFERENCES environments (id),
    seconds REAL NOT NULL,     -- of computation
    attempts INTEGER NOT NULL
);
"""
COLUMNS = "key, identity, path, status, message, payload, digest, seconds, attempts"
RECORD = (
    f"SELECT {COLUMNS}, (SELECT content FROM environments AS e "
    "WHERE e.id = environment) FROM points"
)


def damaged(what: str) -> StoreError:
    """The error for what is not as it was written, with the way to a repair."""
    return StoreError(
        f"{what} was changed since it was written; run "
        "`statmech status DIR --repair`, which sets damaged points aside and "
        "computes them again"
    )


def initialise(db: sqlite3.Connection, facts: Mapping[str, str]) -> None:
    """Make the tables, and note what is true of the whole record."""
    rows = "".join(
        f"INSERT INTO meta VALUES ('{name}', '{value}', '{digest_of(name, value)}');"
        for name, value in facts.items()
    )
    db.executescript(f"BEGIN;{_SCHEMA}{rows}COMMIT;")


def tables(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Names and definitions; none in a file whose first transaction did not end."""
    return db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def connect(target: str, uri: bool = False) -> sqlite3.Connection:
    """A connection whose transactions begin and end where they are told to."""
    # check_same_thread: results may arrive in any thread, but one at a time.
    db = sqlite3.connect(
        target, uri=uri, isolation_level=None, timeout=10.0, check_same_thread=False
    )
    db.execute("PRAGMA cell_size_check = ON")
    return db


def connect_readonly(file: Path) -> sqlite3.Connection:
    """`file` for reading, also where nothing can be written beside it."""
    address = file.resolve().as_uri()
    db = connect(f"{address}?mode=ro", uri=True)
    try:
        db.execute("SELECT name FROM sqlite_master").fetchone()
        return db
    except sqlite3.OperationalError as error:
        db.close()
        if "unable to open" not in str(error):
            raise
    except BaseException:
        db.close()
        raise
    # In a folder that cannot be written to nobody else writes either. What a killed
    # process left in the journal would be passed over, though.
    journal = file.with_name(f"{file.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise StoreError(
            f"{file.parent} was left by a process that was killed, and cannot be read "
            "to the end where nothing can be written: copy the folder, open the copy"
        )
    return connect(f"{address}?immutable=1", uri=True)


@contextmanager
def telling(path: Path | None) -> Iterator[None]:
    """Errors of files and of SQLite as `StoreError`."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _told(path, error) from error


def _told(path: Path | None, error: Exception) -> StoreError:
    """What went wrong, where, and how much space there is."""
    if path is None:
        return StoreError(f"the record in memory: {error}")
    # Of this very class: a file that is no data base, or a malformed one.
    if type(error) is sqlite3.DatabaseError or "decode" in str(error):
        return damaged(f"{path}: {error}: it")
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    return StoreError(
        f"{path}: {error} ({free / 2**20:.1f} MiB free there); points acknowledged "
        "before are safe, and the same command goes on from them"
    )
