"""The same points, whoever computes them and in whatever order."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sweep_cases
from sweep_tools import fill

import sims
from sims.pool import SerialExecutor, SpawnPool
from sims.preset import load_preset
from sims.request import Request
from sims.runner import complete, outcomes
from sims.sweep import jobs_of, progress_of, run_sweep
from sims.task import FunctionTask, load_task

GRID = {"x": [0.0, 0.5, 1.0, 1.5], "sample": list(range(5))}
SEED = 20261123


def parts(n_parts):
    """The points of GRID, shuffled and dealt out."""
    print("seed", SEED)
    task = FunctionTask(sweep_cases.noisy, 3, tuple(GRID))
    request = Request(task.name, GRID, seed=3)
    jobs = [task.job(point) for point in request.points()]
    random.Random(SEED + n_parts).shuffle(jobs)
    return task, [jobs[start::n_parts] for start in range(n_parts)]


@pytest.fixture(scope="module")
def reference():
    with sims.store.memory() as store:
        fill(store, 0, None, sweep_cases.noisy, GRID)
        return store.fingerprint()


@pytest.fixture(scope="module", params=["serial", "threads", "processes"])
def executor(request):
    made = {
        "serial": SerialExecutor,
        "threads": lambda: ThreadPoolExecutor(3),
        "processes": lambda: SpawnPool(2),
    }[request.param]()
    with made:
        yield made


@pytest.mark.parametrize("n_parts", [1, 2, 7])
def test_order_and_place_do_not_matter(reference, executor, n_parts):
    task, chunks = parts(n_parts)
    with sims.store.memory() as store:
        for jobs in chunks:
            assert complete(task, jobs, store, executor) == len(jobs)
        assert store.fingerprint() == reference
        assert complete(task, chunks[0], store, executor) == 0


def test_a_point_that_is_asked_for_twice_is_computed_once(reference):
    task, (jobs,) = parts(1)
    with sims.store.memory() as store:
        assert complete(task, jobs + jobs, store, SerialExecutor()) == len(jobs)
        assert store.fingerprint() == reference


def test_results_are_taken_back_before_more_is_handed_out():
    """So that a killed driver loses at most one point a worker."""
    lock = threading.Lock()
    under_way, most = set(), 0

    def slow(x):
        nonlocal most
        with lock:
            under_way.add(x)
            most = max(most, len(under_way))
        return {"y": x}

    task = FunctionTask(slow, 0, ("x",))
    jobs = [task.job({"x": x}) for x in range(40)]
    with ThreadPoolExecutor(3) as threads:
        for job, outcome in outcomes(task, jobs, threads):
            assert outcome.status == "done"
            with lock:
                under_way.discard(job.parameters["x"])
    assert most <= 3
    assert not under_way


def test_an_interrupt_is_not_a_failed_point():
    def interrupted(x):
        raise KeyboardInterrupt

    with sims.store.memory() as store:
        with pytest.raises(KeyboardInterrupt):
            fill(store, 0, None, interrupted, {"x": [1]})
        assert store.statuses() == {}


# A real measurement ------------------------------------------------------------


@pytest.fixture(scope="module")
def measurement():
    """Ten small points of a preset."""
    request = load_preset("magnetisation-load", quick=True)
    small = {"n_spins": 60, "n_sweeps": 20, "n_burn_in": 10}
    axes = {"temperature": (0.05,), "alpha": (0.02, 0.06), "sample": tuple(range(5))}
    return replace(request, axes=axes, constants=request.constants | small)


def test_a_preset_is_the_same_in_other_processes(tmp_path, measurement):
    here = run_sweep(measurement, tmp_path / "here", workers=1)
    assert (here.done, here.computed) == (10, 10)
    there = run_sweep(measurement, tmp_path / "there", workers=2)
    assert there.fingerprint == here.fingerprint
    assert run_sweep(measurement, tmp_path / "there", workers=2).computed == 0


@pytest.mark.parametrize("n_parts", [2, 7])
def test_a_preset_in_parts(tmp_path, measurement, n_parts):
    task = load_task(measurement)
    jobs = jobs_of(measurement, task)
    random.Random(SEED).shuffle(jobs)
    with (
        sims.store.memory() as store,
        sims.store.memory() as other,
        ThreadPoolExecutor(2) as threads,
    ):
        complete(task, jobs_of(measurement, task), other, SerialExecutor())
        for start in range(n_parts):
            complete(task, jobs[start::n_parts], store, threads)
        assert store.fingerprint() == other.fingerprint()
        assert progress_of(store, jobs).missing == 0


def test_more_samples_compute_only_the_difference(tmp_path, measurement):
    run_sweep(measurement, tmp_path, workers=1)
    axes = measurement.axes | {"sample": tuple(range(7))}
    more = run_sweep(replace(measurement, axes=axes), tmp_path, workers=1)
    assert (more.n_points, more.computed) == (14, 4)
    finer = measurement.axes | {"alpha": (0.02, 0.04, 0.06)}
    assert (
        run_sweep(replace(measurement, axes=finer), tmp_path, workers=1).computed == 5
    )
