"""The record of a sweep: what is kept, what is computed again, what is refused."""

import json
import shutil
import sqlite3
import subprocess
import threading
from dataclasses import replace

import numpy as np
import pytest
import sweep_cases
from sweep_tools import (
    assert_clean,
    build,
    child,
    driver,
    executions,
    fill,
    finish,
    records,
    wait_until,
)

import sims
import statmech
from sims.record import digest_of
from sims.store import StoreError

GRID = {"x": [1.0, 2.0], "sample": range(3)}


def computed(folder, grid, function=sweep_cases.noisy):
    with sims.store.create(folder) as store:
        return fill(store, 0, None, function, grid)


def test_a_record_comes_back(tmp_path):
    fingerprint = build(tmp_path / "record", 10)
    with sims.store.open(tmp_path / "record") as store:
        assert store.fingerprint() == fingerprint
        assert store.meta("format") == "1"
        assert store.meta("task") == "sweep_cases:noisy"
        (request,) = store.requests()
        assert request.shape == (2, 5)
        (environment,) = store.environments()
        assert environment["statmech"] == statmech.__version__
        for record in store.records():
            assert record.sound
            assert store.get(record.key) == record
            trace = record.arrays()["trace"]
            assert trace[0] == ("draw",)
            assert trace[1].mean() == record.arrays()["mean"][1]
        assert store.get("0" * 64) is None
    assert_clean(tmp_path / "record")


def test_a_record_in_memory_is_the_same(tmp_path):
    with sims.store.memory() as store:
        fill(store, 10)
        assert store.fingerprint() == build(tmp_path, 10)
        with pytest.raises(StoreError, match="in memory"):
            store._rows("SELECT nothing")


def test_any_change_of_a_record_is_unsound(tmp_path):
    build(tmp_path, 5)
    with sims.store.open(tmp_path) as store:
        record = next(store.records())
    for name in ("key", "identity", "path", "status", "message", "digest"):
        changed = replace(record, **{name: getattr(record, name) + " "})
        assert not changed.sound
        assert not replace(record, **{name: None}).sound
    for payload in (record.payload[:-1], record.payload + b"x", b"", None, "text"):
        changed = replace(record, payload=payload)
        assert not changed.sound
        with pytest.raises(StoreError, match="changed"):
            changed.arrays()
    # Lengths are part of the digest: text cannot move from one field to the next.
    assert digest_of("ab", "c") != digest_of("a", "bc")


def test_only_the_difference_is_computed(tmp_path):
    assert computed(tmp_path, GRID) == 6
    assert computed(tmp_path, GRID) == 0
    before = records(tmp_path)
    assert computed(tmp_path, {"x": [1.0, 2.0], "sample": range(5)}) == 4
    assert computed(tmp_path, {"x": [1.0, 1.5, 2.0], "sample": range(5)}) == 5
    assert computed(tmp_path, {"sample": [4, 0], "x": [2.0]}) == 0
    after = records(tmp_path)
    assert len(after) == 15
    assert before.items() <= after.items()
    with sims.store.open(tmp_path) as store:
        assert [request.shape for request in store.requests()] == [
            (2, 3),
            (2, 5),
            (3, 5),
            (2, 1),
        ]
        assert {r.attempts for r in store.records()} == {1}


def test_the_data_set_is_labelled_and_complete(tmp_path):
    executor = sims.pool.SerialExecutor()
    function = sweep_cases.noisy
    result = sims.run(function, GRID, executor=executor, out=tmp_path, seed=3)
    assert dict(result.sizes) == {"x": 2, "sample": 3, "draw": 6}
    assert result["trace"].dims == ("x", "sample", "draw")
    np.testing.assert_array_equal(result["trace"].mean("draw"), result["mean"])
    assert len(np.unique(result["seed"])) == 6
    again = sims.run(function, GRID, executor=executor, seed=3)
    assert again["mean"].identical(result["mean"])
    other = sims.run(function, GRID, executor=executor, seed=4)
    assert not (other["mean"] == result["mean"]).any()
    provenance = json.loads(result.attrs["provenance"])
    with sims.store.open(tmp_path) as store:
        assert provenance["fingerprint"] == store.fingerprint()


def test_failed_points_are_nan_and_say_why():
    result = sims.run(
        sweep_cases.trouble,
        {"kind": ["fine", "raises"]},
        executor=sims.pool.SerialExecutor(),
    )
    assert result["y"].values[0] == 1.0
    assert np.isnan(result["y"].values[1])
    assert result["point_status"].values.tolist() == [1, 2]
    (failure,) = json.loads(result.attrs["provenance"])["failures"]
    assert failure["parameters"] == {"kind": "raises"}
    assert "no such phase" in failure["message"]


# Refusals ----------------------------------------------------------------------


def test_what_a_record_is_not_for(tmp_path):
    computed(tmp_path, {"x": [1]}, sweep_cases.tiny)
    with pytest.raises(StoreError, match="another folder"):
        computed(tmp_path, {"x": [1]}, sweep_cases.large)


def test_an_edited_function_is_refused(tmp_path):
    """Not one whose comments or layout changed."""
    script = tmp_path / "edited.py"

    def run(body):
        script.write_text(
            f"import sims\ndef f(x):\n    {body}\n"
            "if __name__ == '__main__':\n"
            "    sims.store.Store.dataset = lambda *_: None\n"
            "    sims.run(f, {'x': [1]}, executor=sims.pool.SerialExecutor(),"
            f" out={str(tmp_path / 'record')!r})\n"
        )
        with child(script) as process:
            return finish(process)

    assert run("return {'y': x}")[0] == 0
    assert run("return {'y':   x}  # the same")[0] == 0
    code, _, err = run("return {'y': x + 1}")
    assert code == 1
    assert "edited" in err
    assert "another folder" in err


@pytest.mark.parametrize("name", ["PHYSICS_VERSION", "FORMAT"])
def test_another_version_is_refused_for_writing_only(tmp_path, monkeypatch, name):
    fingerprint = build(tmp_path, 5)
    module = statmech if name == "PHYSICS_VERSION" else sims.store
    monkeypatch.setattr(module, name, 99)
    with pytest.raises(StoreError, match=rf"{name.lower()} \d+, this is 99.*export"):
        sims.store.create(tmp_path)
    with sims.store.open(tmp_path) as store:
        assert store.fingerprint() == fingerprint


def test_folders_that_hold_no_record(tmp_path):
    with pytest.raises(StoreError, match="no record"):
        sims.store.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("text")
    for bad in (tmp_path / "file", tmp_path / "file" / "below", "a\0b"):
        with pytest.raises((StoreError, ValueError)):
            sims.store.create(bad)
    (tmp_path / "store.sqlite").write_text("no data base" * 1000)
    with pytest.raises(StoreError, match="repair"):
        sims.store.open(tmp_path)
    with pytest.raises(StoreError, match="repair"):
        sims.store.create(tmp_path)
    assert not (tmp_path / "owner").exists()


@pytest.mark.parametrize("name", ["store.sqlite", "ledger.txt", "lock", "owner"])
def test_links_are_not_followed(tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "record"
    folder.mkdir()
    (folder / name).symlink_to(outside)
    with pytest.raises(StoreError, match="symbolic link"):
        sims.store.create(folder)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("name", ["store.sqlite", "ledger.txt", "lock", "owner"])
def test_folders_in_the_place_of_files(tmp_path, name):
    (tmp_path / name).mkdir()
    if name == "owner":  # of no consequence
        build(tmp_path, 5)
    else:
        with pytest.raises(StoreError):
            sims.store.create(tmp_path)


# Readers and other threads -----------------------------------------------------


def test_a_writer_is_read_while_it_writes(tmp_path):
    folder, log = tmp_path / "record", tmp_path / "log"
    counts = []
    with driver(folder, 60, 2, SWEEP_LOG=log, SWEEP_SLEEP=0.01) as process:
        assert wait_until(lambda: executions(log).total() > 2, 30.0)
        while process.poll() is None:
            with sims.store.open(folder) as store:
                found = list(store.records())
                assert all(record.sound for record in found)
                counts.append(len(found))
        code, _, err = finish(process)
    assert code == 0, err
    assert counts == sorted(counts)
    assert len(records(folder)) == 60
    assert_clean(folder)


def test_results_may_come_in_any_thread(tmp_path):
    with sims.store.create(tmp_path) as store:
        thread = threading.Thread(target=fill, args=(store, 10))
        thread.start()
        thread.join()
        assert len(store.statuses()) == 10


READ = """
import sys, sims
with sims.store.open(sys.argv[1]) as store:
    print(len(store.statuses()))
"""


def read_only(folder):
    """(exit code, stdout, stderr) of a reader that sees `folder` mounted read-only."""
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && '
    command = ["unshare", "-rm", "sh", "-c", script + 'exec "$@"', "sh", str(folder)]
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*command, "true"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no user namespaces here")
    import sys

    from sweep_tools import environment

    done = subprocess.run(
        [*command, sys.executable, "-c", READ, str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path):
    build(tmp_path / "record", 5)
    assert read_only(tmp_path / "record") == (0, "5\n", "")


def test_a_journal_is_not_passed_over(tmp_path):
    """Points that a killed process left there are not silently missing."""
    folder = tmp_path / "record"
    with sims.store.create(tmp_path / "live") as store:
        fill(store, 5)
        shutil.copytree(tmp_path / "live", folder)
    (folder / "store.sqlite-shm").unlink()
    code, out, err = read_only(folder)
    assert (code, out) == (1, "")
    assert "copy" in err.splitlines()[-1]
    assert len(records(folder)) == 5


def test_the_file_is_what_it_says(tmp_path):
    """Other programs find rows of SQLite, JSON and .npy; nothing executable."""
    build(tmp_path, 5)
    db = sqlite3.connect(tmp_path / "store.sqlite")
    rows = db.execute("SELECT identity, payload FROM points").fetchall()
    db.close()
    for identity, payload in rows:
        assert json.loads(identity)["function"] == "sweep_cases:noisy"
        assert b"\x93NUMPY" in payload
