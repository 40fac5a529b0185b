"""Drivers that die at any moment, and writes that fail at the worst one."""

import random
import signal

import pytest
from sweep_tools import (
    assert_clean,
    descendants,
    driver,
    ended,
    executions,
    kill_group_member,
    records,
    run_driver,
    uninterrupted,
    wait_until,
)

import sims
from sims.verify import inspect

SEED = 20261122
WORKERS = 2


def kill_at_random(process, log, rng):
    """kill -9 within the start, or a while after the next execution.

    Returns who was below the driver, or None if it had ended by itself.
    """
    before = executions(log).total()
    if rng.random() < 0.2:
        wait_until(lambda: process.poll() is not None, rng.uniform(0.0, 0.5))
    else:
        wait_until(
            lambda: process.poll() is not None or executions(log).total() > before, 30.0
        )
        wait_until(lambda: process.poll() is not None, rng.uniform(0.0, 0.25))
    return None if process.poll() is not None else kill_group_member(process)


def soak(tmp_path, n_points, n_kills, sleep):
    """Kill the driver n times, let it finish; what was lost, doubled, done again."""
    folder, log = tmp_path / "record", tmp_path / "log"
    print("seed", SEED)
    rng = random.Random(SEED)
    acknowledged = {}
    kills = starts = 0
    while kills < n_kills and starts < 3 * n_kills:
        starts += 1
        with driver(
            folder, n_points, WORKERS, SWEEP_LOG=log, SWEEP_SLEEP=sleep
        ) as process:
            below = kill_at_random(process, log, rng)
        if below is None:
            continue
        kills += 1
        assert ended(below), "workers outlive their driver"
        if (folder / "ledger.txt").exists():
            found = inspect(folder)
            assert not found.damaged, found.summary
            assert not found.lost, found.summary
            now = records(folder)
            assert acknowledged.items() <= now.items()
            acknowledged = now
    code, _, err = run_driver(folder, n_points, WORKERS, SWEEP_LOG=log)
    assert code == 0, err
    times = executions(log)
    with sims.store.open(folder) as store:
        statuses = store.statuses()
        assert set(statuses.values()) == {"done"}
        assert store.fingerprint() == uninterrupted(n_points)
    assert_clean(folder)
    assert len(times) == n_points
    recomputed = times.total() - n_points
    assert recomputed <= kills * WORKERS
    return {
        "kills": kills,
        "points_lost": n_points - len(statuses),
        # A key is a row, so that a doubled point would be one more key.
        "points_duplicated": max(0, len(statuses) - n_points),
        "points_recomputed": recomputed,
    }


def test_killed_drivers_lose_nothing(tmp_path, record_property):
    counts = soak(tmp_path, 60, 3, 0.02)
    assert counts["kills"] == 3
    assert counts["points_lost"] == counts["points_duplicated"] == 0
    for name, value in counts.items():
        record_property(name, value)


@pytest.mark.nightly
def test_killed_drivers_lose_nothing_in_full(tmp_path, record_property):
    counts = soak(tmp_path, 500, 20, 0.03)
    assert counts["kills"] == 20
    assert counts["points_lost"] == counts["points_duplicated"] == 0
    for name, value in counts.items():
        record_property(name, value)


FAILPOINTS = (
    "store.before_insert",
    "store.in_transaction",
    "store.before_commit",
    "store.after_commit",
    "ledger.append",
    "worker.before_point",
)
ACTIONS = ("kill", "enospc", "eio")
QUICK = {("store.in_transaction", "kill"), ("ledger.append", "enospc")}


def crash(folder, failpoint, action, count, n=10):
    """Run a driver into a failpoint; whoever reads then sees whole points."""
    code, _, err = run_driver(
        folder,
        n,
        STATMECH_TESTING=1,
        STATMECH_FAILPOINTS=f"{failpoint}:{action}:{count}",
    )
    if action == "kill":
        assert code == -signal.SIGKILL
    elif failpoint == "worker.before_point":
        assert code == 0  # a failed point
    else:
        assert code == 1
        assert err.count("\n") == 1
        assert str(folder) in err
        assert "MiB free" in err
    found = inspect(folder)
    assert not found.damaged, found.summary
    assert not found.lost, found.summary
    with sims.store.open(folder) as store:
        return {r.key: r.digest for r in store.records() if r.status == "done"}


def check_crash(tmp_path, failpoint, action, count=4):
    folder = tmp_path / "record"
    before = crash(folder, failpoint, action, count)
    assert before
    code, _, err = run_driver(folder, 10)
    assert code == 0, err
    after = records(folder)
    assert before.items() <= after.items()
    assert len(after) == 10
    assert_clean(folder)
    with sims.store.open(folder) as store:
        assert store.fingerprint() == uninterrupted(10)
    left = {
        path.name.removesuffix("-wal").removesuffix("-shm") for path in folder.iterdir()
    }
    assert left <= {"store.sqlite", "ledger.txt", "lock"}


@pytest.mark.parametrize(("failpoint", "action"), sorted(QUICK))
def test_a_crash_inside_a_write(tmp_path, failpoint, action):
    check_crash(tmp_path, failpoint, action)


@pytest.mark.nightly
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("failpoint", FAILPOINTS)
def test_a_crash_inside_a_write_in_full(
    tmp_path, failpoint, action, count, record_property
):
    folder = tmp_path / "record"
    if count == 1:  # perhaps before there is anything to read
        run_driver(
            folder,
            10,
            STATMECH_TESTING=1,
            STATMECH_FAILPOINTS=f"{failpoint}:{action}:1",
        )
        code, _, err = run_driver(folder, 10)
        assert code == 0, err
        assert_clean(folder)
        with sims.store.open(folder) as store:
            assert store.fingerprint() == uninterrupted(10)
    else:
        check_crash(tmp_path, failpoint, action)
    record_property("kills", int(action == "kill"))


def test_failpoints_in_this_process(tmp_path, monkeypatch):
    """Every failing write of the matrix, without the cost of a process."""
    from sweep_tools import fill

    from sims import failpoints

    for name in FAILPOINTS[:-1]:
        for action in ("enospc", "eio"):
            for count in (1, 2, 5):
                folder = tmp_path / f"{name}-{action}-{count}"
                with monkeypatch.context() as patch:
                    patch.setattr(failpoints, "_PLANNED", {name: (action, count)})
                    patch.setattr(failpoints, "_PASSED", {})
                    with (
                        pytest.raises(sims.store.StoreError, match="MiB free"),
                        sims.store.create(folder) as store,
                    ):
                        fill(store, 10)
                with sims.store.create(folder) as store:
                    fill(store, 10)
                    assert store.fingerprint() == uninterrupted(10)
                assert_clean(folder)


def test_failpoints_are_for_tests_only(tmp_path):
    code, _, err = run_driver(
        tmp_path / "record", 5, STATMECH_FAILPOINTS="store.before_insert:kill:1"
    )
    assert code == 0, err


def test_no_worker_outlives_a_killed_driver(tmp_path):
    """Also when the workers are in the middle of long points."""
    log = tmp_path / "log"
    with driver(
        tmp_path / "record", 10, WORKERS, SWEEP_LOG=log, SWEEP_SLEEP=30
    ) as process:
        assert wait_until(lambda: executions(log).total() == WORKERS, 30.0)
        below = descendants(process.pid)
        assert len(below) >= WORKERS
        process.kill()
        assert ended(below)
