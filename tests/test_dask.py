"""Sweeps on a Dask cluster: the same numbers, whatever happens to its workers.

The clusters live in child processes, so that their threads, loggers and warnings stay
there.
"""

import json

import pytest
import sweep_cases
from sweep_tools import child, executions, fill, finish

import sims

pytest.importorskip("distributed")

HEAD = """
import json, os, signal, sys, threading, time
import sims, sweep_cases
from sweep_tools import fill
from sims.pool import DaskExecutor

def cluster(**options):
    import dask, distributed
    dask.config.set({"distributed.scheduler.allowed-failures": 2})
    return distributed.LocalCluster(
        threads_per_worker=1, dashboard_address=":0", host="127.0.0.1", **options
    )
"""

SAME = (
    HEAD
    + """
if __name__ == "__main__":
    with (
        cluster(n_workers=1, processes=False, protocol="tcp") as place,
        DaskExecutor(place.scheduler_address) as executor,
        sims.store.memory() as store,
    ):
        fill(store, 20, executor)
        print(json.dumps([store.fingerprint(), executor.window]))
"""
)

PRESET = (
    HEAD
    + """
from dataclasses import replace
from sims.preset import load_preset
from sims.sweep import run_sweep

if __name__ == "__main__":
    request = load_preset("magnetisation-load", quick=True)
    small = {"n_spins": 60, "n_sweeps": 20, "n_burn_in": 10}
    axes = {"temperature": (0.05,), "alpha": (0.02, 0.06), "sample": (0, 1, 2)}
    request = replace(request, axes=axes, constants=request.constants | small)
    here = run_sweep(request, sys.argv[1] + "/here", workers=1)
    with cluster(n_workers=2, processes=True) as place:
        there = run_sweep(request, sys.argv[1] + "/there", dask=place.scheduler_address)
    print(json.dumps([here.fingerprint, there.fingerprint, there.done]))
"""
)

KILLS = (
    HEAD
    + """
def killer(place, ends):
    # The processes of workers of this cluster, one after the other.
    for _ in range(int(sys.argv[2])):
        time.sleep(0.5)
        for _ in range(100):
            nannies = list(place.workers.values())
            found = [n.pid for n in nannies if n.status.name == "running" and n.pid]
            if found:
                break
            time.sleep(0.05)
        os.kill(found[len(ends) % len(found)], signal.SIGKILL)
        ends.append(found)

if __name__ == "__main__":
    import psutil

    ends = []
    with (
        cluster(n_workers=2, processes=True) as place,
        DaskExecutor(place.scheduler_address) as executor,
        sims.store.create(sys.argv[1]) as store,
    ):
        thread = threading.Thread(target=killer, args=(place, ends))
        thread.start()
        fill(store, 200, executor)
        thread.join()
        statuses = list(store.statuses().values())
        fingerprint = store.fingerprint()
        executor._client.wait_for_workers(2, timeout=30)
        below = [p for p in psutil.Process().children(recursive=True)
                 if "resource_tracker" not in " ".join(p.cmdline())]
    _, alive = psutil.wait_procs(below, 10)
    zombies = [p for p in psutil.Process().children() if p.status() == "zombie"]
    print(json.dumps([fingerprint, statuses.count("done"), len(ends),
                      len(alive), len(zombies)]))
"""
)

POISON = (
    HEAD
    + """
if __name__ == "__main__":
    kinds = ["fine", "leaves", "raises", "also fine"]
    with (
        cluster(n_workers=2, processes=True) as place,
        DaskExecutor(place.scheduler_address) as executor,
        sims.store.memory() as store,
    ):
        fill(store, 0, executor, sweep_cases.trouble, {"kind": kinds})
        # Dask does not close well while it starts a worker.
        executor._client.wait_for_workers(2, timeout=30)
        found = {json.loads(r.identity)["parameters"]["kind"]: [r.status, r.message]
                 for r in store.records()}
        print(json.dumps(found))
"""
)


def run(tmp_path, program, *arguments, **variables):
    """What a program printed last, as JSON."""
    script = tmp_path / "program.py"
    script.write_text(program)
    variables["DASK_LOGGING__DISTRIBUTED"] = "critical"
    with child(script, *arguments, **variables) as process:
        code, out, err = finish(process, 120.0)
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def serial(n):
    with sims.store.memory() as store:
        fill(store, n)
        return store.fingerprint()


def test_a_cluster_computes_the_same(tmp_path):
    fingerprint, window = run(tmp_path, SAME)
    assert fingerprint == serial(20)
    assert window == 2


@pytest.mark.nightly
def test_a_cluster_computes_the_same_preset(tmp_path):
    here, there, done = run(tmp_path, PRESET, tmp_path)
    assert here == there
    assert done == 6


@pytest.mark.nightly
def test_killed_workers_lose_nothing(tmp_path, record_property):
    log, kills = tmp_path / "log", 5
    fingerprint, done, killed, alive, zombies = run(
        tmp_path, KILLS, tmp_path / "record", kills, SWEEP_LOG=log, SWEEP_SLEEP=0.05
    )
    assert (done, killed) == (200, kills)
    assert fingerprint == serial(200)
    assert (alive, zombies) == (0, 0)
    times = executions(log)
    assert len(times) == 200
    print("executions", times.total(), "of 200 points")
    record_property("kills", kills)
    record_property("points_lost", 200 - done)
    record_property("points_duplicated", 0)
    record_property("points_recomputed", times.total() - 200)


@pytest.mark.nightly
def test_a_point_that_kills_its_workers(tmp_path):
    found = run(tmp_path, POISON)
    assert set(found) == {"fine", "leaves", "raises", "also fine"}
    for kind, (status, message) in found.items():
        expected = "done" if kind in sweep_cases.HARMLESS else "failed"
        assert status == expected, (kind, message)
    assert "killed the workers" in found["leaves"][1]
    assert "no such phase" in found["raises"][1]


def test_no_scheduler_is_said_at_once(tmp_path):
    program = """
import json, sys, time
from sims import pool
from statmech.errors import StatmechError
pool._DASK_TIMEOUT = 0.5
start = time.monotonic()
said = []
for address in sys.argv[1:]:
    try:
        pool.DaskExecutor(address)
    except StatmechError as error:
        said.append(str(error))
assert time.monotonic() - start < 10.0
print(json.dumps(said))
"""
    addresses = ("tcp://127.0.0.1:9", "no address at all")
    said = run(tmp_path, program, *addresses)
    for address, message in zip(addresses, said, strict=True):
        assert address in message
        assert "dask scheduler" in message
