"""Is every point of a record what was written? If not: set aside, keep the rest.

A damaged byte shows in a row's SHA-256, in SQLite's own check of its pages, or in the
ledger, which lists what must be there.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sims.database import (
    COLUMNS,
    FILES,
    JOURNALS,
    RECORD,
    connect,
    connect_readonly,
    initialise,
    tables,
    telling,
)
from sims.ledger import Entries, StoreError, read_ledger
from sims.lock import Lock
from sims.record import Record, digest_of
from sims.request import Request
from sims.store import create
from sims.task import DONE, FAILED

# Columns that a row's digest is of.
_TEXTS = {
    "meta": ("name", "value"),
    "requests": ("content",),
    "environments": ("content",),
}
_UNREADABLE = (sqlite3.Error, OverflowError, UnicodeDecodeError)


@dataclass(frozen=True)
class Findings:
    """What a look at every byte found.

    Attributes
    ----------
    n_points : int
        Rows that are what was written.
    pages : list of str
        What SQLite says of its file; empty if it is whole.
    changed : list of str
        Keys of points that were changed.
    lost : list of str
        Keys that the ledger lists and the file lacks.
    unlisted : list of str
        Sound points without a line in the ledger, as a kill leaves them.
    lines : list of int
        Lines of the ledger that were changed.
    n_requests : int
        Requests that have a line in the ledger.
    """

    n_points: int = 0
    pages: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    n_requests: int = 0

    @property
    def damaged(self) -> bool:
        """Whether a repair is needed; points that are only missing are not damage."""
        return bool(self.pages or self.changed or self.lines)

    @property
    def summary(self) -> str:
        """One line."""
        parts = [f"{self.n_points} points sound"]
        if self.changed:
            names = ", ".join(key[:12] for key in self.changed[:8])
            parts.append(f"{len(self.changed)} changed ({names})")
        if self.lost:
            names = ", ".join(key[:12] for key in self.lost[:8])
            parts.append(f"{len(self.lost)} lost ({names})")
        if self.lines:
            parts.append(f"ledger.txt damaged in {len(self.lines)} lines")
        if self.pages:
            parts.append(f"store.sqlite: {self.pages[0]}")
        return "; ".join(parts)


def inspect(path: str | Path) -> Findings:
    """Look at every byte of the record in the folder `path`; change nothing."""
    folder = Path(path)
    # The ledger first: what is written meanwhile then has its row.
    with telling(folder):
        ledger = read_ledger(folder / "ledger.txt")
    listed = _listed(ledger)
    pages: list[str] = []
    keys: set[str] = set()
    sound: set[str] = set()
    changed: list[str] = []
    file = folder / "store.sqlite"
    if not file.is_file():
        pages.append("missing")
    else:
        try:
            with closing(connect_readonly(file)) as db:
                # A kill, or a full disk, at the very start leaves no tables.
                begun = bool(ledger.events or tables(db))
                pages = _check_head(file) + _check_pages(db) if begun else []
                # Also with damaged pages: what can be read is looked at.
                for record in _points(db) if begun else ():
                    keys.add(record.key)
                    if _is_sound(record, listed):
                        sound.add(record.key)
                    else:
                        changed.append(str(record.key))
        except _UNREADABLE as error:
            pages.append(str(error))
    return Findings(
        n_points=len(sound),
        pages=pages,
        changed=changed,
        lost=[key for key in listed if key not in keys],
        unlisted=sorted(sound - set(listed)),
        lines=ledger.bad,
        n_requests=len(_requests(ledger)),
    )


def _points(db: sqlite3.Connection) -> Iterator[Record]:
    for row in db.execute(f"SELECT {COLUMNS} FROM points"):
        yield Record(*row)


def _listed(ledger: Entries) -> dict[str, Any]:
    """{key: its last line}."""
    return {c["key"]: c for kind, c in ledger.events if kind == "point"}


def _requests(ledger: Entries) -> list[str]:
    return [json.dumps(c) for kind, c in ledger.events if kind == "request"]


def _is_sound(row: Record, listed: dict[str, Any]) -> bool:
    if not row.sound or row.status not in (DONE, FAILED):
        return False
    line = listed.get(row.key)
    # A kill between the row and its line leaves an older line, of a failure.
    return line is None or line["digest"] == row.digest or line["status"] == FAILED


def _check_head(file: Path) -> list[str]:
    """Of two bytes that SQLite reads as 'a newer version may write this, not I'."""
    with file.open("rb") as head:
        versions = head.read(20)[18:]
    known = (b"\1\1", b"\2\2")  # a rollback journal, WAL
    return [] if versions in known else ["its format version was changed"]


def _check_pages(db: sqlite3.Connection) -> list[str]:
    """What is wrong with the file, its tables, and the rows that are no points."""
    found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
    found = [] if found == ["ok"] else found
    with closing(connect(":memory:")) as new:
        initialise(new, {})
        if tables(db) != tables(new):
            return [*found, "its tables are not those that were made"]
    for table, columns in _TEXTS.items():
        query = f"SELECT {', '.join(columns)}, digest FROM {table}"
        for *texts, digest in db.execute(query):
            if digest != digest_of(*map(str, texts)):
                found.append(f"a row of {table} was changed")
    return found


def repair(path: str | Path) -> Findings:
    """Move a damaged record to quarantine/ and build a new one from what is sound.

    Nothing is deleted. Points that are not sound are missing afterwards, so that the
    next run computes them again.

    Returns
    -------
    Findings
        Before the repair.

    Raises
    ------
    StoreError
        If another process writes to the record, or its request cannot be recovered.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise StoreError(f"{folder} holds no record (no such folder)")
    with _locked(folder), telling(folder):
        found = inspect(folder)
        ledger = read_ledger(folder / "ledger.txt")
        if not found.damaged and not ledger.torn:
            return found
        sound, requests = _salvage(folder, ledger)
        aside = _copy_aside(folder)
        if not requests and not sound:
            _remove(folder)
            raise StoreError(
                f"{folder}: neither the request nor a point could be recovered; run "
                f"the sweep again (the old files are in {aside})"
            )
        with TemporaryDirectory(dir=aside, prefix="new-") as new:
            _build(Path(new), sound, requests)
            _replace(folder, Path(new))
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The lock of a folder, for a while."""
    lock = Lock(folder)
    try:
        yield
    finally:
        lock.release()


def _salvage(folder: Path, ledger: Entries) -> tuple[list[Record], list[str]]:
    """Sound points, and the requests in order, from both witnesses."""
    listed = _listed(ledger)
    requests = _requests(ledger)
    file = folder / "store.sqlite"
    if not file.is_file():
        return [], requests
    sound: dict[str, Record] = {}
    try:
        db = connect_readonly(file)
    except sqlite3.Error:
        return [], requests
    with closing(db):
        # One row at a time: a damaged page then costs only what is on it.
        last = max(_one(db, "SELECT max(rowid) FROM points"), 2 * len(listed)) + 64
        wanted = [("rowid", rowid) for rowid in range(1, last)]
        for column, value in [*wanted, *(("key", key) for key in listed)]:
            if column == "key" and value in sound:
                continue
            record = _record(db, column, value)
            if record and _is_sound(record, listed):
                sound[record.key] = record
        # Those that a kill, or a damaged ledger, left without a line.
        n = _one(db, "SELECT max(id) FROM requests")
        query = "SELECT content, digest FROM requests WHERE id = ?"
        for number in range(len(requests) + 1, n + 1):
            content, digest = _row(db, query, number) or ("", "")
            if isinstance(content, str) and digest == digest_of(content):
                requests.append(content)
    return list(sound.values()), requests


def _record(db: sqlite3.Connection, column: str, value: Any) -> Record | None:
    row = _row(db, f"{RECORD} WHERE {column} = ?", value)
    if row is None:
        # Who computed it may be unreadable where the point is not.
        row = _row(db, f"SELECT {COLUMNS} FROM points WHERE {column} = ?", value)
    if row is None:
        return None
    record = Record(*row)
    return record if record.environment else replace(record, environment="{}")


def _row(db: sqlite3.Connection, query: str, value: Any) -> Any:
    try:
        return db.execute(query, (value,)).fetchone()
    except _UNREADABLE:
        return None


def _one(db: sqlite3.Connection, query: str) -> int:
    try:
        return min(int(db.execute(query).fetchone()[0] or 0), 10**7)
    except (*_UNREADABLE, TypeError, ValueError):
        return 0


def _copy_aside(folder: Path) -> Path:
    """Where the old files are kept, under a number of their own."""
    quarantine = folder / "quarantine"
    if quarantine.is_symlink():
        raise StoreError(f"{quarantine} is a symbolic link; remove it")
    number = 1
    while (quarantine / str(number)).exists():
        number += 1
    aside = quarantine / str(number)
    aside.mkdir(parents=True)
    for name in FILES:
        if (folder / name).is_file():
            shutil.copy2(folder / name, aside / name)
    return aside


def _build(folder: Path, sound: list[Record], requests: list[str]) -> None:
    with create(folder) as store:
        for text in requests:
            store.add_request(Request.from_json(text))
        for record in sound:
            store.put_record(record)


def _replace(folder: Path, new: Path) -> None:
    """Put new files in the place of the old ones.

    In this order: whenever it is cut short, the ledger and the rows do not agree, and
    what is missing shows.
    """
    os.replace(new / "ledger.txt", folder / "ledger.txt")
    _remove(folder, JOURNALS)
    os.replace(new / "store.sqlite", folder / "store.sqlite")


def _remove(folder: Path, names: Sequence[str] = FILES) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
