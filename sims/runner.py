"""Points into outcomes, on any executor.

No point is handed out before the result of another was taken back: what a killed
driver loses is at most one point a worker. A point whose worker dies is tried once
more, alone, to tell which one it was.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import closing
from typing import Any, TypeVar

from sims import payload as payloads
from sims.failpoints import failpoint
from sims.request import Job
from sims.store import Store
from sims.task import DONE, FAILED, Outcome, Task
from statmech.errors import StatmechError

P = TypeVar("P")
R = TypeVar("R")

_LONGEST = 1000  # characters of a reason


def compute(task: Task, job: Job) -> Outcome:
    """Run one point; whatever it raises becomes a failed outcome. Runs in workers."""
    from sims.info import versions

    start = time.perf_counter()
    status, payload, message = DONE, b"", ""
    try:
        failpoint("worker.before_point")
        payload = payloads.encode(task.compute(job))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        status, message = FAILED, _reason(error)
    seconds = time.perf_counter() - start
    environment = json.dumps(versions(), allow_nan=False, sort_keys=True)
    return Outcome(status, payload, message, seconds, environment)


def _reason(error: BaseException) -> str:
    """The error and the place it came from, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    # Without its folder: the same failure reads the same on every machine.
    place = ""
    if frames:
        place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})"
    try:
        text = " ".join(str(error).split())
    except Exception:  # of a user's own class
        text = "an error that cannot be printed"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ..."
    reason = f"{type(error).__name__}: {text}{place}"
    # Names of files may hold bytes that are no text.
    return reason.encode(errors="backslashreplace").decode()


def outcomes(
    task: Task, jobs: Iterable[Job], executor: Executor
) -> Generator[tuple[Job, Outcome], None, None]:
    """Outcomes as they come, in any order.

    Raises
    ------
    StatmechError
        If the executor broke and cannot be renewed.
    """
    waiting = iter(jobs)
    running: dict[Future[Outcome], Job] = {}
    suspects: list[Job] = []
    try:
        while True:
            while len(running) < window(executor):
                job = next(waiting, None)
                if job is None:
                    break
                try:
                    running[executor.submit(compute, task, job)] = job
                except BrokenExecutor:
                    suspects.append(job)
                    break
            if not running and not suspects:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                outcome = _outcome(future)
                if outcome is None:
                    suspects.append(job)
                else:
                    yield job, outcome
            if suspects and not running:
                yield from _alone(task, suspects, executor)
                suspects = []
    finally:
        for future in running:
            future.cancel()


def _outcome(future: Future[Outcome]) -> Outcome | None:
    """None if a worker died under it, or under its neighbour."""
    try:
        return future.result()
    except BrokenExecutor:
        return None
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # of Dask, which may not be there
            return None
        # The point could not be sent, or its result could not come back.
        return Outcome(FAILED, b"", _lost(error), 0.0, "{}")


def _lost(error: Exception) -> str:
    if type(error).__name__ in ("CancelledError", "FutureCancelledError"):
        raise StatmechError(
            f"the executor gave up ({error}); finished points are kept, run again"
        ) from error
    return _reason(error)


def _alone(
    task: Task, suspects: Sequence[Job], executor: Executor
) -> Iterator[tuple[Job, Outcome]]:
    """One of these killed its worker: run each by itself."""
    # Dask replaces its workers, a pool of our own is asked to.
    renew = getattr(executor, "renew", None)
    if renew is not None:
        renew()
    for job in suspects:
        try:
            outcome = _outcome(executor.submit(compute, task, job))
        except BrokenExecutor:
            raise StatmechError(
                f"a worker died while {len(suspects)} points were under way, and the "
                "executor given cannot be renewed; finished points are kept: run again"
            ) from None
        if outcome is None:
            end = renew() if renew else "it killed the workers that ran it"
            outcome = Outcome(FAILED, b"", end, 0.0, "{}")
        yield job, outcome


def window(executor: Executor) -> int:
    """How many points may be under way at once."""
    for name in ("window", "n_workers", "_max_workers"):
        size = getattr(executor, name, None)
        if isinstance(size, int):
            return max(1, size)
    from statmech.machine import available_threads

    return available_threads()


def complete(
    task: Task,
    jobs: Sequence[Job],
    store: Store,
    executor: Executor,
    *,
    progress: str = "",
) -> int:
    """Compute the jobs that the store lacks, and those that failed before.

    Returns
    -------
    int
        How many were computed.
    """
    done = {key for key, status in store.statuses().items() if status == DONE}
    todo = list({job.key: job for job in jobs if job.key not in done}.values())
    if not todo:
        return 0
    failures = 0
    with (
        bar(len(todo), progress) as shown,
        closing(outcomes(task, todo, executor)) as found,
    ):
        for job, outcome in found:
            store.put(job, outcome)
            if outcome.status == FAILED:
                failures += 1
                shown.set_postfix_str(f"{failures} failed", refresh=False)
            shown.update()
    return len(todo)


def run_points(
    function: Callable[[P], R],
    points: Sequence[P],
    *,
    n_threads: int | None = None,
    progress: str = "",
) -> list[R]:
    """[function(point) for point in points], in order, in threads of this process.

    Parameters
    ----------
    n_threads : int, optional
        Default: the cores this process may use. Results do not depend on it.
    progress : str
        Label of a progress bar on stderr; none is drawn if empty.
    """
    from statmech.machine import available_threads

    threads = available_threads() if n_threads is None else n_threads
    results: list[R] = []
    with bar(len(points), progress) as shown:
        if threads == 1 or len(points) < 2:
            for point in points:
                results.append(function(point))
                shown.update()
            return results
        # The first point goes alone, so that kernels are compiled once, not by
        # every thread.
        results.append(function(points[0]))
        shown.update()
        pool = ThreadPoolExecutor(threads)
        try:
            for result in pool.map(function, points[1:]):
                results.append(result)
                shown.update()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return results


def bar(total: int, label: str) -> Any:
    """Progress on stderr with rate and time left; silent without a label."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=label,
        disable=not label,
        file=sys.stderr,
        unit="point",
        mininterval=0.5 if sys.stderr.isatty() else 10.0,
    )
