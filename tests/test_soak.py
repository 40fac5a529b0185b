"""Many points in one process: memory and open files stay what they were."""

import os

import psutil
import pytest
import sweep_cases
from sweep_tools import fill

import sims
from sims.pool import SpawnPool

MOST_GROWTH = 50 * 2**20  # bytes


def resident():
    return psutil.Process().memory_info().rss


def open_files():
    return len(os.listdir("/proc/self/fd"))


def soak(tmp_path, n_points, n_parts):
    """Growth of memory and of open files over the parts after the first."""
    part = n_points // n_parts
    sizes, files = [], []
    for number in range(n_parts):
        with sims.store.create(tmp_path / f"record-{number % 2}") as store:
            points = {"x": list(range(number * part, (number + 1) * part))}
            assert fill(store, 0, None, sweep_cases.tiny, points) == part
        sizes.append(resident())
        files.append(open_files())
    return max(sizes[1:]) - sizes[0], max(files) - files[0]


def test_memory_and_open_files(tmp_path):
    growth, more = soak(tmp_path, 600, 6)
    assert growth < MOST_GROWTH
    assert more == 0


@pytest.mark.nightly
def test_memory_and_open_files_in_full(tmp_path):
    growth, more = soak(tmp_path, 20000, 10)
    print("growth", growth / 2**20, "MiB")
    assert growth < MOST_GROWTH
    assert more == 0


def test_pools_close_what_they_open():
    with SpawnPool(1) as pool:  # the first starts a process that Python keeps
        pool.submit(os.getpid).result()
    before = open_files()
    for _ in range(3):
        with SpawnPool(1) as pool:
            pool.submit(os.getpid).result()
    assert open_files() == before


def test_refused_folders_stay_closed(tmp_path):
    """Of a record that is damaged, in use, or no record, no file stays open."""
    before = open_files()
    with sims.store.create(tmp_path / "one") as store:
        fill(store, 5)
        with pytest.raises(sims.store.StoreError, match="being written"):
            sims.store.create(tmp_path / "one")
    assert open_files() == before
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "store.sqlite").write_text("no data base" * 1000)
    for action in (sims.store.create, sims.store.open):
        with pytest.raises(sims.store.StoreError):
            action(tmp_path / "two")
    assert open_files() == before
