"""What a point of a sweep costs beyond its own work: serial, pool, Dask.

Run with `.venv/bin/python -m benchmarks.overhead`. A point sleeps 10 ms, so that the
machine's cores are free for what is measured. Overhead per point is wall time times
workers over points, less the time that a point itself took on average (a sleep of
10 ms takes longer on a busy machine), start-up of the workers not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import sims.store
from sims.pool import DaskExecutor, SerialExecutor, SpawnPool
from sims.request import Request
from sims.runner import complete
from sims.task import FunctionTask

SLEEP = 0.010
WORKERS = 2


def rest(x: float) -> dict[str, float]:
    """A point of 10 ms that needs no core."""
    time.sleep(SLEEP)
    return {"y": 2.0 * x}


def ready(executor, n_workers):
    """All workers started and warm: every one has computed points."""
    task = FunctionTask(rest, 0, ("x",))
    with sims.store.memory() as store:
        jobs = [task.job({"x": -1.0 - x}) for x in range(10 * n_workers)]
        complete(task, jobs, store, executor)


def overhead(executor, n_points, n_workers):
    """(seconds per point beyond the point's own, seconds of the whole)."""
    task = FunctionTask(rest, 0, ("x",))
    request = Request(task.name, {"x": tuple(float(x) for x in range(n_points))})
    jobs = [task.job(point) for point in request.points()]
    with (
        tempfile.TemporaryDirectory() as folder,
        sims.store.create(Path(folder) / "record") as store,
    ):
        store.add_request(request)
        start = time.perf_counter()
        complete(task, jobs, store, executor)
        wall = time.perf_counter() - start
        own = statistics.fmean(record.seconds for record in store.records())
    return wall * n_workers / n_points - own, wall


@contextmanager
def dask_cluster(n_workers):
    """A scheduler and workers on this machine, in processes."""
    import distributed

    with distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="200 points, one round")
    options = parser.parse_args()
    points = 200 if options.quick else options.points
    rounds = 1 if options.quick else options.rounds
    print(f"{points} points of {1e3 * SLEEP:.0f} ms, median of {rounds} rounds")
    print(f"{'executor':<24} {'overhead / ms a point':>22} {'whole / s':>10}")

    def line(name, executor, n_workers):
        ready(executor, n_workers)
        found = [overhead(executor, points, n_workers) for _ in range(rounds)]
        cost, wall = statistics.median(found)
        print(f"{name:<24} {1e3 * cost:>22.3f} {wall:>10.2f}", flush=True)

    line("serial", SerialExecutor(), 1)
    with SpawnPool(WORKERS) as pool:
        line(f"pool of {WORKERS}", pool, WORKERS)
    try:
        import distributed  # noqa: F401
    except ImportError:
        print("Dask                     not installed: pip install '.[distributed]'")
        return
    with dask_cluster(WORKERS) as address, DaskExecutor(address) as dask:
        line(f"Dask, {WORKERS} processes", dask, WORKERS)


if __name__ == "__main__":
    main()
