"""What this process may use of the machine, asked before it is used.

The system hands out more memory than it has and ends whoever touches it, so that a
request has to be weighed before anything is allocated.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from statmech.errors import MemoryLimitError

try:
    import resource
except ImportError:  # not a Unix
    resource = None  # type: ignore[assignment]

UNLIMITED = sys.maxsize

# Below this much nothing is asked: reading the limits costs as much as the request.
_ALWAYS_FITS = 16 * 2**20
# A proposal leaves this much, since what is free changes until it is tried.
_PROPOSED_SHARE = 0.95


def available_threads() -> int:
    """Cores this process may run on; NUMBA_NUM_THREADS, if set, lowers it.

    Workers that are told by that variable to use one thread then use one.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    limit = _number(os.environ.get("NUMBA_NUM_THREADS", ""))
    return cores if limit is None or limit < 1 else min(cores, limit)


def available_memory(root: str | Path = "/") -> int:
    """Bytes that this process can still take without being ended or refused.

    The least of what the machine has left, what each memory controller (cgroup) above
    this process leaves, and what the limits of the process (`ulimit`) leave.

    Parameters
    ----------
    root : path
        Where `proc` and `sys` are looked for.

    Returns
    -------
    int
        `UNLIMITED` where the system says nothing.
    """
    base = Path(root)
    left = [_machine_memory(base), *_controller_memory(base), *_process_memory(base)]
    return max(0, min((n for n in left if n is not None), default=UNLIMITED))


def require_memory(
    needed: int, what: str, *, remedy: str | Callable[[int], str]
) -> None:
    """Refuse what does not fit into memory, before it is allocated.

    Parameters
    ----------
    needed : int
        Bytes at the peak.
    what : str
        Needs them: begins the message.
    remedy : str or callable
        What to do instead; a function is given the bytes that are available, see
        `smaller`.

    Raises
    ------
    MemoryLimitError
        If `needed` exceeds `available_memory()`.
    """
    if needed <= _ALWAYS_FITS:
        return
    available = available_memory()
    if needed > available:
        advice = remedy if isinstance(remedy, str) else remedy(available)
        raise MemoryLimitError(what, needed, available, advice)


def smaller(
    **settings: tuple[int, Callable[[int], int]],
) -> Callable[[int], str]:
    """A remedy for `require_memory`: the first setting that has a value which fits.

    Parameters
    ----------
    **settings : (int, callable)
        Name of a parameter = its present value and the bytes as a function of it.

    Examples
    --------
    >>> smaller(n_spins=(10**6, lambda n: 8 * n))(4_000_000)
    'n_spins = 475000 fits'
    """

    def remedy(available: int) -> str:
        for name, (value, memory_of) in settings.items():
            best = largest_that_fits(value, memory_of, available)
            if best:
                return f"{name} = {best} fits"
        return f"lowering {' or '.join(settings)} alone is not enough"

    return remedy


def largest_that_fits(
    value: int, memory_of: Callable[[int], int], available: int
) -> int:
    """The largest number below `value` that fits, with 3 digits; 0 if 1 does not.

    `memory_of` must not decrease.
    """
    below = range(1, min(value, sys.maxsize))
    best = bisect_right(below, int(_PROPOSED_SHARE * available), key=memory_of)
    step = 10 ** max(0, len(str(best)) - 3)
    return best // step * step


def _machine_memory(base: Path) -> int | None:
    """What can be had without swapping."""
    for line in _lines(base / "proc/meminfo"):
        words = line.split()
        if words[:1] == ["MemAvailable:"] and len(words) > 1:
            kib = _number(words[1])
            if kib is not None:
                return 1024 * kib
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _controller_memory(base: Path) -> Iterator[int | None]:
    """What each memory controller leaves, from this process's own up to the mount."""
    for line in _lines(base / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" and not kinds:
            names = ("memory.max", "memory.current", "inactive_file")
            kind, default = "cgroup2", "sys/fs/cgroup"
        elif "memory" in kinds.split(","):
            # The total counts the groups below, as usage and limit do.
            names = (
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
            kind, default = "cgroup", "sys/fs/cgroup/memory"
        else:
            continue
        mount, top = _mount(base, kind) or (base / default, "/")
        own = PurePosixPath(path)
        # A container may see its own group as the root of the mount.
        inside = own.relative_to(top) if own.is_relative_to(top) else PurePosixPath()
        for level in (inside, *inside.parents):
            yield _left_in(mount / level, *names)


def _left_in(group: Path, limit: str, usage: str, cache: str) -> int | None:
    """Limit - usage of one controller; file pages that nobody uses can be taken."""
    most, used = _file_number(group / limit), _file_number(group / usage)
    if most is None or used is None:
        return None
    for line in _lines(group / "memory.stat"):
        words = line.split()
        if len(words) == 2 and words[0] == cache:
            used -= _number(words[1]) or 0
    return most - max(0, used)


def _mount(base: Path, kind: str) -> tuple[Path, str] | None:
    """Where the (memory) hierarchy of a kind is mounted, and which group is its top."""
    for line in _lines(base / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, types = before.split(), after.split()
        if len(fields) < 5 or len(types) < 3 or types[0] != kind:
            continue
        if kind == "cgroup2" or "memory" in types[2].split(","):
            return base / fields[4].lstrip("/"), fields[3]
    return None


def _process_memory(base: Path) -> Iterator[int | None]:
    """What the limits of this process leave: address space, data."""
    if resource is None:
        return
    sizes = [
        _number(word)
        for line in _lines(base / "proc/self/statm")
        for word in line.split()
    ]
    page = resource.getpagesize()
    # statm: address space first, data and stack sixth; without it nothing is known
    # of what is in use, and the limit itself is the bound.
    for name, column in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        limit, _ = resource.getrlimit(kind)
        if limit != resource.RLIM_INFINITY and limit >= 0:
            used = sizes[column] if len(sizes) > column else None
            yield limit - page * (used or 0)


def _lines(path: Path) -> list[str]:
    """Lines of a small file; none if it is not there or cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _file_number(path: Path) -> int | None:
    lines = _lines(path)
    return _number(lines[0]) if lines else None


def _number(text: str) -> int | None:
    """None where it is not one ("max" is no limit)."""
    word = text.strip()
    return int(word) if word.isascii() and word.isdigit() else None
