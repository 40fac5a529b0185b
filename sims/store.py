"""The record of a sweep: a folder whose every acknowledged point survives a kill.

    store.sqlite   one row a point, one transaction a row, its SHA-256 beside it
    ledger.txt     what was acknowledged, line by line (see `sims.ledger`)
    lock, owner    held by the one process that writes
    quarantine/    what a repair set aside

SQLite is in WAL mode (a rollback journal where the file system refuses it), with
synchronous=NORMAL: nothing is lost when a process dies; when the machine loses power
the last points may be, which the ledger notices, and they are computed again. On
network file systems the lock is as good as their file locks.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import statmech
from sims.database import (
    COLUMNS,
    RECORD,
    connect,
    connect_readonly,
    damaged,
    initialise,
    tables,
    telling,
)
from sims.export import check_path
from sims.failpoints import failpoint
from sims.ledger import Ledger, StoreError, read_ledger
from sims.lock import Lock, check_links
from sims.record import Record, digest_of

if TYPE_CHECKING:
    import xarray

    from sims.request import Job, Request
    from sims.task import Outcome, Task

__all__ = ["Record", "Store", "StoreError", "create", "memory", "open"]

FORMAT = 1


class Store:
    """An open record; made by `open`, `create` or `memory`, closed by `with`."""

    def __init__(
        self, path: Path | None, db: sqlite3.Connection, lock: Lock | None = None
    ) -> None:
        self.path = path
        self._db = db
        self._ledger = Ledger(path / "ledger.txt") if path and lock else None
        self._environments: dict[str, int] = {}
        self._closing = ExitStack()
        if lock:
            self._closing.callback(lock.release)
        if self._ledger:
            self._closing.callback(self._ledger.close)
        self._closing.callback(db.close)
        if lock:
            self._closing.callback(self._settle)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave whole files and no lock."""
        with telling(self.path):
            self._closing.close()

    def _settle(self) -> None:
        """One file when nobody writes: it can be copied, and read where nothing can
        be written."""
        # A reader may hold the log open; then it stays, and does no harm.
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA journal_mode = DELETE").fetchone()

    # --- reading -------------------------------------------------------------

    def meta(self, name: str) -> str:
        """A fact about the record: format, physics_version, task."""
        query = "SELECT value, digest FROM meta WHERE name = ?"
        for value, digest in self._rows(query, name):
            if digest != digest_of(name, value):
                raise damaged(f"{self.path}: its {name}")
            return str(value)
        return ""

    def requests(self) -> list[Request]:
        """What was asked for, the last request last."""
        from sims.request import Request

        rows = self._rows("SELECT content FROM requests ORDER BY id")
        return [Request.from_json(content) for (content,) in rows]

    def statuses(self) -> dict[str, str]:
        """{key: status} of every point."""
        return dict(self._rows("SELECT key, status FROM points"))

    def records(self) -> Iterator[Record]:
        """All points, by key."""
        with telling(self.path):
            for row in self._db.execute(f"{RECORD} ORDER BY key"):
                yield Record(*row)

    def get(self, key: str) -> Record | None:
        """The point `key`, if it is there."""
        rows = self._rows(f"{RECORD} WHERE key = ?", key)
        return Record(*rows[0]) if rows else None

    def environments(self) -> list[dict[str, Any]]:
        """Versions and machines that computed points."""
        rows = self._rows("SELECT content FROM environments ORDER BY id")
        return [json.loads(content) for (content,) in rows]

    def fingerprint(self) -> str:
        """SHA-256 of keys and digests: equal records, equal fingerprints."""
        rows = self._rows("SELECT key, digest FROM points ORDER BY key")
        text = "\n".join(f"{key} {digest}" for key, digest in rows)
        return hashlib.sha256(text.encode()).hexdigest()

    def dataset(
        self, request: Request | None = None, task: Task | None = None
    ) -> xarray.Dataset:
        """A request (default: the last one) as a labelled data set.

        Points that are missing or failed are nan, and so said by `point_status`.
        """
        from sims.labelled import dataset
        from sims.task import load_task

        if request is None:
            known = self.requests()
            if not known:
                raise StoreError(f"{self.path} holds no request yet")
            request = known[-1]
        return dataset(self, request, task or load_task(request))

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with telling(self.path):
            return self._db.execute(query, values).fetchall()

    # --- writing -------------------------------------------------------------

    def add_request(self, request: Request) -> None:
        """Note what is asked for; refuse what this record is not for."""
        task = self.meta("task")
        if task and task != request.task:
            raise StoreError(
                f"{self.path} holds {task!r}, this is {request.task!r}; give another "
                "folder"
            )
        earlier = self.requests()
        if any(other.source != request.source for other in earlier):
            raise StoreError(
                f"the function {request.task!r} was edited since the points in "
                f"{self.path} were computed; give another folder, or undo the edit"
            )
        if earlier and earlier[-1] == request:
            return
        content = request.to_json()
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('task', ?, ?)",
                (request.task, digest_of("task", request.task)),
            )
            self._db.execute(
                "INSERT INTO requests (content, digest) VALUES (?, ?)",
                (content, digest_of(content)),
            )
        self.note_request(request)

    def put(self, job: Job, outcome: Outcome) -> None:
        """Commit a finished or failed point; it survives whatever comes after."""
        path = json.dumps(job.path)
        fields = (
            job.key,
            job.identity,
            path,
            outcome.status,
            outcome.message,
            outcome.payload,
        )
        self.put_record(
            Record(
                *fields,
                digest=digest_of(*fields),
                seconds=outcome.seconds,
                environment=outcome.environment,
            )
        )

    def put_record(self, record: Record) -> None:
        """`put` of a record that is there already."""
        environment = self._environment_id(record.environment)
        with telling(self.path):
            failpoint("store.before_insert")
        with self._transaction():
            self._db.execute(
                f"INSERT INTO points ({COLUMNS}, environment) "
                "VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET "
                "status=excluded.status, message=excluded.message, "
                "payload=excluded.payload, digest=excluded.digest, "
                "environment=excluded.environment, seconds=excluded.seconds, "
                "attempts=attempts + 1",
                (*_values(record), environment),
            )
            failpoint("store.in_transaction")
        with telling(self.path):
            failpoint("store.after_commit")
        self.note_point(record)

    def note_point(self, record: Record) -> None:
        """The line of the ledger for a point that has its row."""
        line = {"key": record.key, "digest": record.digest, "status": record.status}
        self._note("point", line)

    def note_request(self, request: Request) -> None:
        """The line of the ledger for a request that has its row."""
        self._note("request", json.loads(request.to_json()))

    def _environment_id(self, content: str) -> int:
        if content not in self._environments:
            with self._transaction():
                self._db.execute(
                    "INSERT OR IGNORE INTO environments (content, digest) "
                    "VALUES (?, ?)",
                    (content, digest_of(content)),
                )
            query = "SELECT id FROM environments WHERE content = ?"
            self._environments[content] = int(self._rows(query, content)[0][0])
        return self._environments[content]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with telling(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                failpoint("store.before_commit")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _note(self, kind: str, content: Mapping[str, Any]) -> None:
        if self._ledger:
            with telling(self.path):
                self._ledger.append(kind, content)


def _values(record: Record) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in COLUMNS.split(", "))


# --- opening --------------------------------------------------------------------------


def open(path: str | os.PathLike[str]) -> Store:
    """Open the record in the folder `path` for reading.

    It may be written to by another process meanwhile.

    Raises
    ------
    StoreError
        If there is none, or it cannot be read.
    """
    folder = check_path("path", path)
    file = folder / "store.sqlite"
    check_links(folder)
    if not file.is_file():
        raise StoreError(f"{folder} holds no record (no file store.sqlite)")
    with telling(folder):
        db = connect_readonly(file)
        if not tables(db):
            db.close()
            raise StoreError(f"{folder} holds no record yet: its first start was cut")
    return Store(folder, db)


def create(path: str | os.PathLike[str]) -> Store:
    """Open the record in `path` for writing, making it if there is none.

    Raises
    ------
    StoreError
        If another process writes to it, it is damaged, or it was written by another
        physics version.
    """
    folder = check_path("out", path)
    with telling(folder):
        folder.mkdir(parents=True, exist_ok=True)
    check_links(folder)
    with ExitStack() as undo:
        lock = Lock(folder)
        undo.callback(lock.release)
        with telling(folder):
            db = _writable(folder)
            undo.callback(db.close)
            store = Store(folder, db, lock)
        undo.pop_all()
    try:
        _check_versions(store)
        _reconcile(store)
    except BaseException:
        store.close()
        raise
    return store


def memory() -> Store:
    """A record that lives as long as it is open."""
    db = connect(":memory:")
    initialise(db, _facts())
    return Store(None, db)


def _facts() -> dict[str, str]:
    return {
        "format": str(FORMAT),
        "physics_version": str(statmech.PHYSICS_VERSION),
    }


def _writable(folder: Path) -> sqlite3.Connection:
    file = folder / "store.sqlite"
    # A kill during the very first transaction leaves a file without tables.
    begun = bool(read_ledger(folder / "ledger.txt").events)
    if begun and not file.exists():
        raise damaged(f"{file} is missing: the record")
    db = connect(str(file))
    try:
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        db.execute("PRAGMA synchronous = NORMAL")
        if not tables(db):
            if begun:
                raise damaged(f"{file} is empty: the record")
            initialise(db, _facts())
    except BaseException:
        db.close()
        raise
    return db


def _check_versions(store: Store) -> None:
    for name, here in _facts().items():
        there = store.meta(name)
        if there != here:
            raise StoreError(
                f"{store.path} was written with {name} {there or 'unknown'}, this is "
                f"{here}: their numbers do not belong together. Give another folder; "
                "`statmech export` still reads this one"
            )


def _reconcile(store: Store) -> None:
    """Refuse damage; give lines to rows that a kill left without."""
    from sims.verify import inspect

    assert store.path is not None
    found = inspect(store.path)
    if found.damaged:
        raise damaged(f"{store.path}: {found.summary}: it")
    for request in store.requests()[found.n_requests :]:
        store.note_request(request)
    for key in found.unlisted:
        record = store.get(key)
        assert record is not None
        store.note_point(record)
