"""Child processes that run sweeps, with deadlines; checks of what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import psutil
from sweep_cases import grid, noisy

import sims
from sims import store
from sims.store import Store
from sims.verify import inspect

TESTS = Path(__file__).resolve().parent
DEADLINE = 60.0  # seconds that any child may take


def environment(**more):
    """Of a child: it finds the test modules, and uses one thread."""
    names = {k: v for k, v in os.environ.items() if not k.startswith("STATMECH_")}
    paths = [str(TESTS), str(TESTS.parent), names.get("PYTHONPATH", "")]
    names["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {
        **names,
        "OPENBLAS_NUM_THREADS": "1",
        **{k: str(v) for k, v in more.items()},
    }


@contextmanager
def child(*command, **variables):
    """A Python process in a group of its own; ended and waited for, whatever comes."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process, deadline=DEADLINE):
    """(exit code, stdout, stderr)."""
    out, err = process.communicate(timeout=deadline)
    return process.returncode, out, err


def driver(folder, n, workers, **variables):
    """A script that sweeps n points of `noisy` into a folder."""
    return child(TESTS / "sweep_cases.py", folder, n, workers, **variables)


def run_driver(folder, n, workers=1, **variables):
    """(exit code, stdout, stderr) of a driver that is left alone."""
    with driver(folder, n, workers, **variables) as process:
        return finish(process)


def executions(log):
    """How often each point was executed: {(x, sample): times}."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(tuple(line.split()[1:]) for line in lines)


def wait_until(condition, seconds, step=0.002):
    """Whether `condition()` came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def descendants(pid):
    """Processes below `pid` now."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def ended(processes, seconds=5.0):
    """Whether these are gone in time; a zombie that only waits for init counts."""

    def alive(process):
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return wait_until(lambda: not any(alive(p) for p in processes), seconds, 0.02)


def kill_group_member(process):
    """kill -9 of one recorded process; who was below it."""
    below = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(DEADLINE)
    return below


def uninterrupted(n):
    """Fingerprint of the n points of `noisy`, computed here."""
    with sims.store.memory() as store:
        fill(store, n)
        return store.fingerprint()


def fill(store: Store, n, executor=None, function=noisy, points=None, seed=3):
    """Complete a store to a grid, as `sims.run` does; how many were computed."""
    from sims.pool import SerialExecutor
    from sims.request import Request, split_grid
    from sims.runner import complete
    from sims.task import FunctionTask

    axes, constants = split_grid(grid(n) if points is None else points)
    task = FunctionTask(function, seed, (*axes, *constants))
    request = Request(
        task.name, axes, constants, seed, source=task.source, seeded=task.seeded
    )
    jobs = [task.job(point) for point in request.points()]
    store.add_request(request)
    return complete(task, jobs, store, executor or SerialExecutor())


def build(folder, n=10, **options):
    """A record of n points, closed; its fingerprint."""
    with sims.store.create(folder) as store:
        fill(store, n, **options)
        assert set(store.statuses().values()) == {"done"}
        return store.fingerprint()


def records(folder):
    """{key: digest} of sound points, as a reader sees them."""
    with sims.store.open(folder) as store:
        return {r.key: r.digest for r in store.records() if r.sound}


def assert_clean(folder):
    """Nothing is damaged, lost, or locked."""
    found = inspect(folder)
    assert not found.damaged, found.summary
    assert not found.lost, found.summary
    with sims.store.create(folder):
        pass


def dataset_of(tmp_path, text):
    """The data set of a sweep that was run from the command line."""
    from sims.cli import main

    file = tmp_path / "sweep.toml"
    file.write_text(text)
    out = str(tmp_path / "record")
    assert main(["sweep", str(file), "--out", out, "--workers", "1"]) == 0
    with store.open(out) as record:
        return record.dataset()
