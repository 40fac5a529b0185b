"""A second witness of what a store holds: a text file that only ever grows.

One line an event: a CRC-32, a kind, and strict JSON. A line is appended after the
transaction it speaks of, so that every line has its row, whatever the moment at which
the process was killed; a row whose line is missing is given one at the next start.
What the ledger has and the store has not, was lost.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sims.failpoints import failpoint
from statmech.errors import StatmechError


class StoreError(StatmechError):
    """A record cannot be read, written or shared; the message says what to do."""


@dataclass(frozen=True)
class Entries:
    """What a ledger says.

    Attributes
    ----------
    events : list of (kind, content)
    bad : list of int
        Numbers of lines that are not what was written.
    torn : bool
        Whether the last line ends in the middle, as after a crash or a full disk.
    """

    events: list[tuple[str, Any]]
    bad: list[int]
    torn: bool


class Ledger:
    """The file `path`, opened to append."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            _cut_torn(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        self._file = os.open(path, flags, 0o644)

    def append(self, kind: str, content: Any) -> None:
        """Add one line."""
        failpoint("ledger.append")
        line = _line(kind, content)
        # A line that does not fit on the disk must not leave half of itself behind.
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError("only a part of a line could be written")
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def close(self) -> None:
        """Close the file, what was appended being on the disk."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)


def _cut_torn(path: Path) -> None:
    """Drop the half of a line that a crash left: its row is given another."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def _line(kind: str, content: Any) -> bytes:
    text = f"{kind} {json.dumps(content, allow_nan=False, sort_keys=True)}"
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def read_ledger(path: Path) -> Entries:
    """All lines of a ledger; a missing file has none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Entries([], [], False)
    events, bad = [], []
    lines = data.split(b"\n")
    torn = lines.pop() != b""
    for number, line in enumerate(lines, start=1):
        event = _parse(line)
        if event is None:
            bad.append(number)
        else:
            events.append(event)
    return Entries(events, bad, torn)


def _parse(line: bytes) -> tuple[str, Any] | None:
    try:
        checksum, kind, content = line.decode().split(" ", 2)
        if int(checksum, 16) != zlib.crc32(f"{kind} {content}".encode()):
            return None
        return kind, json.loads(content)
    except (ValueError, RecursionError):
        return None
