"""A sweep from a request to its record: plan, run, report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sims import store as stores
from sims.budget import WORKER_BYTES, require_fit
from sims.experiments import load_measurement
from sims.export import check_path
from sims.measurement import Measurement
from sims.pool import DaskExecutor, SerialExecutor, SpawnPool
from sims.request import Job, Request
from sims.runner import complete
from sims.store import Store
from sims.task import DONE, FAILED
from statmech.errors import ParameterError, ParameterTypeError, check_integer
from statmech.machine import available_threads

_CALIBRATION = 3.0  # seconds


@dataclass(frozen=True)
class Plan:
    """What a sweep would do.

    Attributes
    ----------
    n_points, n_there : int
        All points, and those that the record has already.
    workers : int
    seconds : float
        Predicted, all workers busy.
    memory : int
        Bytes at the peak, all workers together.
    """

    n_points: int
    n_there: int
    workers: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        return (
            f"points    {self.n_points} ({self.n_there} there already)\n"
            f"time      about {duration(self.seconds)} on {self.workers} "
            f"worker{'s' if self.workers > 1 else ''}\n"
            f"memory    {self.memory / 2**20:.0f} MiB at the peak"
        )


@dataclass(frozen=True)
class Progress:
    """Where a sweep stands.

    Attributes
    ----------
    n_points, done, failed, computed : int
        Of the request: all, done, failed; and computed just now.
    fingerprint : str
        Of the record, see `Store.fingerprint`.
    """

    n_points: int
    done: int
    failed: int
    computed: int
    fingerprint: str

    @property
    def missing(self) -> int:
        """Points that nothing is known of."""
        return self.n_points - self.done - self.failed

    def __str__(self) -> str:
        return (
            f"{self.n_points} points: {self.done} done, {self.failed} failed, "
            f"{self.missing} missing; {self.computed} computed now"
        )


def plan_sweep(
    request: Request, out: str | os.PathLike[str], *, workers: int | None = None
) -> Plan:
    """Points, time and memory of a sweep; nothing is written.

    The time is predicted from a few shortened points that are run for a few seconds.
    """
    task = _checked(request, out)
    n_workers = _workers(workers)
    jobs = jobs_of(request, task)
    there: dict[str, str] = {}
    if os.path.exists(os.path.join(out, "store.sqlite")):
        with stores.open(os.fspath(out)) as store:
            there = store.statuses()
    todo = [job for job in jobs if there.get(job.key) != DONE]
    points = [task.parse(job.parameters) for job in todo]
    largest = sorted((task.memory(point) for point in points), reverse=True)
    n_workers = max(1, min(n_workers, len(points)))
    each = WORKER_BYTES if n_workers > 1 else 0
    return Plan(
        n_points=len(jobs),
        n_there=len(jobs) - len(todo),
        workers=n_workers,
        seconds=_predict_seconds(task, points) / n_workers,
        memory=sum(largest[:n_workers]) + n_workers * each,
    )


def _predict_seconds(task: Measurement, points: list[Any]) -> float:
    """Time of all points in one process: a + b cost, from shortened points."""
    if not points:
        return 0.0
    task.warm()
    ordered = sorted(points, key=task.cost)
    chosen = [ordered[(len(ordered) - 1) * j // 4] for j in range(5)]
    stop = time.perf_counter() + _CALIBRATION
    rates = []
    for point in reversed(chosen):
        short = task.shortened(point)
        seconds = _timed(task, short)
        rates.append((seconds, task.cost(short)))
        if time.perf_counter() > stop:
            break
    # The costliest shortened point sets the rate of updates, the cheapest the rest.
    rate = max(cost / seconds for seconds, cost in rates)
    rest = sum(max(0.0, s - c / rate) for s, c in rates) / len(rates)
    return sum(task.cost(point) / rate + rest for point in points)


def _timed(task: Measurement, point: Any) -> float:
    start = time.perf_counter()
    task.simulate(point)
    return time.perf_counter() - start


def run_sweep(
    request: Request,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    dask: str | None = None,
    progress: str = "",
) -> Progress:
    """Complete the record in `out` to what is asked for.

    Parameters
    ----------
    request : Request
    out : path
        Folder of the record; made if it is missing.
    workers : int, optional
        Processes; default: the cores this process may use. 1 runs in this process.
    dask : str, optional
        Address of a Dask scheduler, instead of processes.
    progress : str
        Label of a progress bar on stderr; none if empty.

    Raises
    ------
    StoreError, MemoryLimitError, ParameterError, ParameterTypeError
        Before any point is computed, or when the record cannot be written.
    """
    task = _checked(request, out)
    n_workers = _workers(workers)
    if dask is not None and not isinstance(dask, str):
        raise ParameterTypeError("dask", dask, "the address of a scheduler, a text")
    jobs = jobs_of(request, task)
    if dask is None:
        n_workers = min(n_workers, len(jobs))
        require_fit(
            [task.parse(job.parameters) for job in jobs],
            task.memory,
            n_workers,
            per_worker=WORKER_BYTES if n_workers > 1 else 0,
            workers_name="workers",
        )
    with stores.create(out) as store:
        store.add_request(request)
        there = store.statuses()
        todo = [job for job in jobs if there.get(job.key) != DONE]
        # The costliest first: no worker is left alone with one at the end.
        todo.sort(key=lambda job: -task.cost(task.parse(job.parameters)))
        computed = 0
        if todo:
            # Compiled once and kept on disk, before the workers look for it.
            task.warm()
            with executor_for(workers, dask, len(todo)) as executor:
                computed = complete(task, todo, store, executor, progress=progress)
        return progress_of(store, jobs, computed)


def _checked(request: Request, out: str | os.PathLike[str]) -> Measurement:
    """The measurement of a request; what is no request or no path is refused."""
    if not isinstance(request, Request):
        raise ParameterTypeError("request", request, "a Request, see sims.preset")
    check_path("out", out)
    if ":" in request.task:
        allowed = "of a measurement; sims.run calls your own functions"
        raise ParameterError("request", request.task, allowed)
    measurement: Measurement = load_measurement(request.task)
    return measurement


@contextmanager
def executor_for(
    workers: int | None, dask: str | None, n_points: int
) -> Iterator[Executor]:
    """This process, a pool of processes, or a Dask cluster."""
    if dask is not None:
        executor: Executor = DaskExecutor(dask)
    else:
        n = min(_workers(workers), n_points)
        executor = SerialExecutor() if n == 1 else SpawnPool(n)
    with executor:
        yield executor


def jobs_of(request: Request, task: Measurement) -> list[Job]:
    """Every point of a request."""
    return [task.job(parameters) for parameters in request.points()]


def progress_of(store: Store, jobs: list[Job], computed: int = 0) -> Progress:
    """Where the points of a request stand."""
    statuses = store.statuses()
    of_request = [statuses.get(job.key) for job in jobs]
    return Progress(
        n_points=len(jobs),
        done=of_request.count(DONE),
        failed=of_request.count(FAILED),
        computed=computed,
        fingerprint=store.fingerprint(),
    )


def _workers(workers: int | None) -> int:
    if workers is None:
        return available_threads()
    return check_integer("workers", workers, 1, 1024)


def duration(seconds: float) -> str:
    """'2 min 05 s'."""
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
