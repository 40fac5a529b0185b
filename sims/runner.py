"""Run a function over points in threads; compiled kernels release the GIL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

P = TypeVar("P")
R = TypeVar("R")


def run_points(
    function: Callable[[P], R],
    points: Sequence[P],
    *,
    n_threads: int | None = None,
    progress: str = "",
) -> list[R]:
    """[function(point) for point in points], in order, with a progress bar on stderr.

    Parameters
    ----------
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.
    progress : str
        Label of the bar; none is drawn if empty.
    """
    from statmech.chains import available_threads

    threads = available_threads() if n_threads is None else n_threads
    results: list[R] = []
    with _bar(len(points), progress) as bar:
        if threads == 1 or len(points) < 2:
            for point in points:
                results.append(function(point))
                bar.update()
            return results
        # The first point goes alone, so that kernels are compiled once, not by
        # every thread.
        results.append(function(points[0]))
        bar.update()
        pool = ThreadPoolExecutor(threads)
        try:
            for result in pool.map(function, points[1:]):
                results.append(result)
                bar.update()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return results


def _bar(total: int, label: str) -> Any:
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=label,
        disable=not label,
        file=sys.stderr,
        unit="run",
        mininterval=0.5 if sys.stderr.isatty() else 10.0,
    )
