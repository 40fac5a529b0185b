"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

# Where the system has no such flag there is nothing to refuse.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_whole(path: str | os.PathLike[str], write: Callable[[str], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then put it in its place.

    The folder is made if it is missing. A process killed meanwhile leaves the old
    file as it was, and a temporary one that the next call for `path` on this host
    removes. A link at `path` is replaced, not followed.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    # Opened with O_EXCL and O_NOFOLLOW. The stem is cut, since a name has a limit.
    handle, name = tempfile.mkstemp(
        dir=target.parent,
        prefix=f"{_prefix(target)}{os.getpid()}-",
        suffix=target.suffix,
    )
    os.close(handle)
    try:
        write(name)
        descriptor = os.open(name, os.O_RDWR | NO_FOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)
    return target


def _prefix(target: Path) -> str:
    """Of temporary files of this host; the process and random letters follow."""
    host = re.sub(r"\W", "", platform.node())[:32]
    return f".{target.stem[:32]}-{host}-"


def _remove_leftovers(target: Path) -> None:
    """What killed processes left beside `target`; others may be at work there."""
    prefix, suffix = _prefix(target), target.suffix
    for name in os.listdir(target.parent):
        if not (name.startswith(prefix) and name.endswith(suffix)):
            continue
        process = name.removeprefix(prefix).split("-")[0]
        if process.isascii() and process.isdigit() and not _is_alive(int(process)):
            with contextlib.suppress(OSError):
                (target.parent / name).unlink()


def _is_alive(process: int) -> bool:
    if os.name == "nt":  # where signal 0 would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name outlive a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
