"""One writer at a time, whatever becomes of it."""

import platform
import time
from contextlib import ExitStack

import pytest
from sweep_tools import (
    TESTS,
    assert_clean,
    child,
    driver,
    executions,
    finish,
    records,
    wait_until,
)

import sims


def start_together(folder, n, log):
    """n drivers at once: (how many completed, what the others said)."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(driver(folder, 10, 1, SWEEP_LOG=log, SWEEP_SLEEP=0.02))
            for _ in range(n)
        ]
        ends = [finish(process, 120.0) for process in processes]
    return sum(code == 0 for code, _, _ in ends), [e for c, _, e in ends if c != 0]


@pytest.mark.parametrize("n", [6, pytest.param(50, marks=pytest.mark.nightly)])
def test_simultaneous_starts(tmp_path, n):
    """One writes, the others are told who does; no point is computed twice."""
    folder, log = tmp_path / "record", tmp_path / "log"
    completed, refusals = start_together(folder, n, log)
    assert completed >= 1
    assert completed + len(refusals) == n
    for line in refusals:
        assert "being written by process " in line, line
        assert f"on {platform.node()}" in line
    assert set(executions(log).values()) == {1}
    assert len(records(folder)) == 10
    assert_clean(folder)


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, record_property):
    log, folder = tmp_path / "log", tmp_path / "record"
    with driver(folder, 10, 1, SWEEP_LOG=log, SWEEP_SLEEP=30) as process:
        assert wait_until(lambda: executions(log).total() == 1, 30.0)
        assert str(process.pid) in (folder / "owner").read_text()
        start = time.monotonic()
        with pytest.raises(sims.store.StoreError, match=f"process {process.pid} on"):
            sims.store.create(folder)
        record_property("refusal_seconds", time.monotonic() - start)
        process.kill()
        process.wait(10.0)
        with sims.store.create(folder):
            pass


def test_a_lock_that_is_no_lock(tmp_path):
    (tmp_path / "lock").write_text("something else entirely" * 100)
    with pytest.raises(sims.store.StoreError, match="lock"):
        sims.store.create(tmp_path)
    with child(TESTS / "sweep_cases.py", tmp_path / "lock", 5, 1) as process:
        code, _, err = finish(process)
    assert code == 1
    assert err.count("\n") == 1
