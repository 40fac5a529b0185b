"""Points that end badly are recorded with their reason; the others are computed."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import sweep_cases
from sweep_tools import descendants, ended, executions, fill

import sims
from sims.pool import SerialExecutor, SpawnPool
from sims.runner import window
from statmech.errors import StatmechError

REASONS = {
    "raises": "ValueError: no such phase",
    "raises from below": "Odd: from below",
    "unprintable error": "Odd: an error that cannot be printed",
    "error that is no text": "OSError: caf\\udce9",
    "out of memory": "MemoryError: 8 TiB",
    "exits": "SystemExit: 3",
    "returns nothing": "result = None",
    "returns no dict": "result = 3.0",
    "returns an empty dict": "at least one entry",
    "returns objects": "must be numbers",
    "returns ragged": "must be numbers",
    "returns a bad name": "../y",
    "returns wrong dims": "2 dimensions",
    "leaves": "exit code 7",
    "leaves quietly": "worker process died",
    "segfault": "SIGSEGV",
    "killed": "SIGKILL",
}


def messages(folder):
    """{kind: (status, message)} of a record of `trouble`."""
    import json

    with sims.store.open(folder) as store:
        return {
            json.loads(r.identity)["parameters"]["kind"]: (r.status, r.message)
            for r in store.records()
        }


def workers_here():
    """Processes below this one, but for the one that Python keeps to tidy up."""

    def command(process):
        try:
            return " ".join(process.cmdline())
        except psutil.Error:  # gone, or going
            return "resource_tracker"

    found = descendants(os.getpid())
    return [p for p in found if "resource_tracker" not in command(p)]


def check_troubles(folder, kinds, executor):
    with sims.store.create(folder) as store:
        fill(store, 0, executor, sweep_cases.trouble, {"kind": kinds})
    found = messages(folder)
    assert set(found) == set(kinds)
    for kind, (status, message) in found.items():
        if kind in sweep_cases.HARMLESS:
            assert (status, message) == ("done", "")
        else:
            assert status == "failed"
            assert REASONS[kind] in message
            assert "\n" not in message


def test_every_bad_end_has_its_reason(tmp_path):
    """In this process; but for the ends that would take it along."""
    kinds = [*sweep_cases.HARMLESS, *REASONS]
    kinds = [kind for kind in kinds if kind not in sweep_cases.DEADLY]
    check_troubles(tmp_path, kinds, SerialExecutor())


def test_dead_workers_are_replaced(tmp_path, monkeypatch):
    """Whoever was under way with the culprit is tried again, and only once."""
    log = tmp_path / "log"
    monkeypatch.setenv("SWEEP_LOG", str(log))
    kinds = ["fine", "leaves", "exits", "also fine"]
    with SpawnPool(2) as pool:
        check_troubles(tmp_path / "record", kinds, pool)
    times = executions(log)
    assert times[("leaves",)] == 2
    assert sum(times.values()) <= len(kinds) + 2
    assert ended(workers_here())


@pytest.mark.nightly
def test_every_deadly_end_has_its_reason(tmp_path):
    kinds = [*REASONS, *sweep_cases.HARMLESS]
    with SpawnPool(2) as pool:
        check_troubles(tmp_path, kinds, pool)


def test_failed_points_are_tried_again(tmp_path, monkeypatch):
    ends = dict(sweep_cases._ENDS)
    grid = {"kind": ["fine", "raises"]}
    with sims.store.create(tmp_path) as store:
        fill(store, 0, None, sweep_cases.trouble, grid)
    monkeypatch.setitem(sweep_cases._ENDS, "raises", ends["fine"])
    with sims.store.create(tmp_path) as store:
        assert fill(store, 0, None, sweep_cases.trouble, grid) == 1
        assert set(store.statuses().values()) == {"done"}
        assert [r.attempts for r in store.records()].count(2) == 1
    assert messages(tmp_path)["raises"] == ("done", "")


def test_a_script_without_its_guard_is_told_so(tmp_path):
    from sweep_tools import child, finish

    script = tmp_path / "script.py"
    script.write_text(
        "import sims\n"
        "def f(x):\n    return {'y': x}\n"
        "sims.run(f, {'x': [1, 2, 3]}, executor=sims.pool.SpawnPool(2))\n"
    )
    with child(script) as process:
        code, _, err = finish(process)
    assert code == 1
    assert "needs the line `if __name__ ==" in err


def test_an_executor_that_cannot_be_renewed(tmp_path):
    """Of the user: what it finished is kept, and the rest is told."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    kinds = ["fine", "leaves", "also fine"]
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        sims.store.create(tmp_path) as store,
    ):
        with pytest.raises(StatmechError, match="run again"):
            fill(store, 0, pool, sweep_cases.trouble, {"kind": kinds})
        assert list(store.statuses().values()) == ["done"]


class KilledWorker(Exception):
    """As Dask's, which blames all points that a dead worker had."""


class Blaming(ThreadPoolExecutor):
    """Fails every point once, and the guilty one always, as Dask would."""

    def __init__(self):
        super().__init__(2)
        self.blamed = set()

    def submit(self, fn, task, job):
        kind = job.parameters["kind"]
        if kind in self.blamed and kind not in sweep_cases.DEADLY:
            return super().submit(fn, task, job)
        self.blamed.add(kind)
        return super().submit(self.fail)

    def fail(self):
        raise KilledWorker


def test_points_beside_a_deadly_one_are_not_blamed(tmp_path):
    with Blaming() as executor, sims.store.create(tmp_path) as store:
        kinds = ["fine", "leaves", "also fine"]
        fill(store, 0, executor, sweep_cases.trouble, {"kind": kinds})
    found = messages(tmp_path)
    assert found.pop("leaves") == ("failed", "it killed the workers that ran it")
    assert set(found.values()) == {("done", "")}


def test_functions_that_cannot_travel_fail_one_by_one(tmp_path):
    with SpawnPool(1) as pool, sims.store.memory() as store:
        fill(store, 0, pool, lambda x: {"y": x}, {"x": [1, 2]})
        assert set(store.statuses().values()) == {"failed"}
        assert all("pickle" in r.message for r in store.records())


def test_windows():
    """No more points are under way than there is somebody to compute them."""
    with SpawnPool(3) as pool:
        assert window(pool) == 3
    with ThreadPoolExecutor(5) as threads:
        assert window(threads) == 5
    assert window(SerialExecutor()) == 1
    for bad in (0, -1, 1.5, "2", 5000):
        with pytest.raises(StatmechError, match="workers"):
            SpawnPool(bad)


def test_workers_are_quiet_single_threaded_and_leave():
    with SpawnPool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        handler = pool.submit(signal.getsignal, signal.SIGINT).result()
        assert handler == signal.SIG_IGN
        workers = workers_here()
        assert workers
    assert ended(workers)


def test_leaving_by_an_error_does_not_wait_for_points():
    start = time.monotonic()
    workers = []

    def leave():
        with SpawnPool(1) as pool:
            future = pool.submit(time.sleep, 60.0)
            while not future.running():
                time.sleep(0.01)
            workers.extend(workers_here())
            raise KeyError

    with pytest.raises(KeyError):
        leave()
    assert time.monotonic() - start < 10.0
    assert ended(workers)


def test_a_failing_store_stops_the_executor_it_was_lent(tmp_path):
    """Points that wait are not computed for nobody."""
    begun = []

    def slow(x):
        begun.append(x)
        time.sleep(0.01)
        return {"y": x}

    with ThreadPoolExecutor(2) as threads, sims.store.create(tmp_path) as store:
        store.put = lambda job, outcome: (_ for _ in ()).throw(StatmechError("full"))
        with pytest.raises(StatmechError, match="full"):
            fill(store, 0, threads, slow, {"x": list(range(50))})
    assert len(begun) <= 4
    assert threading.active_count() < 20


def test_nothing_heavy_is_loaded_before_the_data_set(tmp_path):
    from sweep_tools import child, finish

    program = (
        "import sys, sims, sweep_cases\n"
        "sims.store.Store.dataset = lambda *_: None\n"
        "sims.run(sweep_cases.tiny, {'x': [1, 2]}, executor=sims.pool.SerialExecutor(),"
        f" out={str(tmp_path / 'record')!r})\n"
        "heavy = {'numba', 'scipy', 'xarray', 'pandas', 'matplotlib', 'distributed'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)\n"
    )
    with child("-c", program) as process:
        code, _, err = finish(process)
    assert (code, err) == (0, "")
