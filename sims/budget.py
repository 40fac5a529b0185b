"""Whether the points of a run fit into memory together, asked before any is made."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from statmech.errors import MemoryLimitError, ParameterError
from statmech.machine import available_memory, largest_that_fits

# A worker process without a point. Measured: the peak of a new interpreter that ran a
# point of 16 spins at P = 2 and one at P = 3 is 211 MiB where it had to compile, 156
# where the kernels were on disk (Linux, Python 3.11, numba 0.68).
WORKER_BYTES = 220 * 2**20

_LOWERED = ("n_spins", "n_sweeps")


def require_fit(
    points: Sequence[Any],
    memory_of: Callable[[Any], int],
    n_workers: int,
    *,
    per_worker: int = WORKER_BYTES,
    kept_of: Callable[[Any], int] | None = None,
    workers_name: str = "n_workers",
) -> None:
    """Refuse points that do not fit into memory, the largest at the same time.

    Parameters
    ----------
    points : sequence of frozen dataclasses
        With at least the field `n_spins`.
    memory_of : callable
        Peak memory of one point in bytes.
    n_workers : int
        Points under way at the same time.
    per_worker : int
        Bytes of a worker without a point; 0 for threads of this process.
    kept_of : callable, optional
        Bytes that stay in this process of each finished point.
    workers_name : str
        What the caller calls `n_workers`.

    Raises
    ------
    MemoryLimitError
        With the largest `n_spins` or `n_sweeps`, and the most workers, that fit.
    """
    if not points:
        return
    at_once = min(n_workers, len(points))
    sizes = heapq.nlargest(at_once, map(memory_of, points))
    kept = 0 if kept_of is None else sum(map(kept_of, points))
    needed = sum(sizes) + at_once * per_worker + kept
    available = available_memory()
    if needed <= available:
        return
    largest = max(points, key=memory_of)

    def bytes_of(point: Any) -> int:
        # Every point as large as this one.
        stays = 0 if kept_of is None else len(points) * kept_of(point)
        return at_once * (memory_of(point) + per_worker) + stays

    advice = ""
    for name in _LOWERED:
        value = _largest_value(largest, name, bytes_of, available)
        if value:
            advice = f"{name} = {value} fits"
            break
    fewer = [
        n
        for n in range(1, at_once)
        if sum(sizes[:n]) + n * per_worker + kept <= available
    ]
    if fewer:
        workers = f"{workers_name} = {fewer[-1]} fits"
        advice = f"{advice}, or {workers}" if advice else workers
    raise MemoryLimitError(
        f"{at_once} point{'s' if at_once > 1 else ''} at the same time, "
        f"the largest with n_spins = {largest.n_spins}",
        needed,
        available,
        advice or "lower several of its parameters",
    )


def _largest_value(
    point: Any, name: str, bytes_of: Callable[[Any], int], available: int
) -> int:
    """The largest value of a field with which `point` fits; 0 if there is none."""
    value = getattr(point, name, None)
    if not isinstance(value, int):
        return 0

    def with_value(smaller: int) -> Any:
        # Where a size has to be odd, the one below an even one.
        for one in (smaller, smaller - 1):
            try:
                return replace(point, **{name: one})
            except ParameterError:
                continue
        return None  # too small to be a point

    def memory_with(smaller: int) -> int:
        found = with_value(smaller)
        return 0 if found is None else bytes_of(found)

    best = with_value(largest_that_fits(value, memory_with, available))
    return 0 if best is None else int(getattr(best, name))
