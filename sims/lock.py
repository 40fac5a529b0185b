"""One writer at a time: a lock that dies with its process.

The lock is SQLite's own, on an empty data base: it is the operating system's, held by
an open file, so that it cannot outlive a process that was killed. Who holds it stands
in the file `owner`, for the message only.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sqlite3
import time
from pathlib import Path

from sims.database import FILES
from sims.ledger import StoreError

# Starts that collide step back and try again; one that is met writing does not.
_PATIENCE = 1.0  # seconds


class Lock:
    """Take the lock of a folder.

    Raises
    ------
    StoreError
        If another process has it, by pid and host; or a file of the folder is a link.
    """

    def __init__(self, folder: Path) -> None:
        check_links(folder)
        self._owner = folder / "owner"
        self._db = _take(folder)
        with contextlib.suppress(OSError):
            self._owner.write_text(f"process {os.getpid()} on {platform.node()}\n")

    def release(self) -> None:
        """Let others in."""
        with contextlib.suppress(OSError):
            self._owner.unlink(missing_ok=True)
        self._db.close()


def _take(folder: Path) -> sqlite3.Connection:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            db = sqlite3.connect(
                folder / "lock",
                isolation_level=None,
                timeout=_PATIENCE / 4.0,
                check_same_thread=False,
            )
            try:
                db.execute("BEGIN EXCLUSIVE")
                return db
            except BaseException:
                db.close()
                raise
        except sqlite3.Error as error:
            if "locked" not in str(error):
                raise StoreError(f"{folder / 'lock'}: {error}") from error
        holder = _holder(folder)
        if holder or time.monotonic() > deadline:
            raise StoreError(
                f"{folder} is being written by {holder or 'another process'}; wait for "
                "it, stop it, or give another folder"
            )


def _holder(folder: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (folder / "owner").read_text().strip()
    return ""


def check_links(folder: Path) -> None:
    """A record's files are its own: none may lead elsewhere."""
    for name in (*FILES, "lock", "lock-journal", "owner"):
        if (folder / name).is_symlink():
            raise StoreError(
                f"{folder / name} is a symbolic link; a record consists of its own "
                "files. Remove the link, or give another folder"
            )
