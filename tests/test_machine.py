"""What the machine leaves to this process, from files laid out for the test."""

import os
import pickle
import subprocess
import sys

import pytest

from statmech import machine
from statmech.errors import MemoryLimitError, StatmechError
from statmech.machine import (
    UNLIMITED,
    available_memory,
    available_threads,
    largest_that_fits,
    require_memory,
    smaller,
)

GIB = 2**30
HUGE = 2**60


def lay(root, files):
    """A folder that holds `files` {path: content}."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(content))
    return root


def meminfo(n_bytes=HUGE):
    kib = n_bytes // 1024
    return {
        "proc/meminfo": f"MemTotal: {2 * kib} kB\nMemAvailable:   {kib} kB\n",
        "proc/self/statm": "1 1 1 1 0 1 0\n",
    }


def group(folder, version, limit, used, cache=0):
    """Files of one memory controller."""
    if version == 2:
        names, lines = ("memory.max", "memory.current"), ""
    else:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        lines = f"total_inactive_file {cache}\n"
        cache = 1  # of this group alone
    stat = f"anon 5\ninactive_file {cache}\n{lines}"
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{used}\n",
        f"{folder}/memory.stat": stat,
    }


TOP = "sys/fs/cgroup"
LINES = {1: "7:cpu,cpuacct:/x\n4:memory:{}\n1:name=systemd:/\n", 2: "0::{}\n"}
FOLDER = {1: f"{TOP}/memory", 2: TOP}


def test_memory_of_the_machine(tmp_path):
    assert available_memory(lay(tmp_path, meminfo(3 * GIB))) == 3 * GIB


def test_memory_of_this_machine_is_a_sensible_number():
    assert 2**20 < available_memory() < 2**50


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_controller_counts(tmp_path, version):
    """Of all levels from the process to the mount; pages of files can be taken back."""
    lay(tmp_path, meminfo())
    lay(tmp_path, {"proc/self/cgroup": LINES[version].format("/a/b")})
    top = FOLDER[version]
    lay(tmp_path, group(f"{top}/a/b", version, 4 * GIB, GIB))
    assert available_memory(tmp_path) == 3 * GIB
    lay(tmp_path, group(f"{top}/a/b", version, 4 * GIB, GIB, cache=GIB // 2))
    assert available_memory(tmp_path) == 3.5 * GIB
    lay(tmp_path, group(f"{top}/a", version, 2 * GIB, GIB))
    assert available_memory(tmp_path) == GIB
    lay(tmp_path, group(top, version, 10 * GIB, 10 * GIB + 1))
    assert available_memory(tmp_path) == 0
    none = "max" if version == 2 else 2**63 - 4096
    for folder in (top, f"{top}/a", f"{top}/a/b"):
        lay(tmp_path, group(folder, version, none, GIB))
    assert available_memory(tmp_path) == HUGE


@pytest.mark.parametrize("version", [1, 2])
def test_the_controller_of_a_container(tmp_path, version):
    """The mount shows the group of the container as its top, somewhere else."""
    lay(tmp_path, meminfo())
    lay(tmp_path, {"proc/self/cgroup": LINES[version].format("/docker/12/task")})
    kind = "cgroup2 cgroup rw" if version == 2 else "cgroup cgroup rw,memory"
    other = "30 28 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    mount = f"31 28 0:27 /docker/12 /mnt/group rw shared:4 - {kind}\n"
    lay(tmp_path, {"proc/self/mountinfo": other + "odd line\n" + mount})
    lay(tmp_path, group("mnt/group", version, 3 * GIB, GIB))
    assert available_memory(tmp_path) == 2 * GIB
    lay(tmp_path, group("mnt/group/task", version, 3 * GIB, 2 * GIB))
    assert available_memory(tmp_path) == GIB
    lay(tmp_path, {"proc/self/cgroup": LINES[version].format("/elsewhere")})
    assert available_memory(tmp_path) == 2 * GIB


def test_both_versions_at_once(tmp_path):
    lay(tmp_path, meminfo())
    lines = LINES[1].format("/a") + LINES[2].format("/b")
    lay(tmp_path, {"proc/self/cgroup": lines})
    lay(tmp_path, group(f"{TOP}/memory/a", 1, 4 * GIB, GIB))
    lay(tmp_path, group(f"{TOP}/b", 2, 2 * GIB, GIB))
    assert available_memory(tmp_path) == GIB


def test_unreadable_files_say_nothing(tmp_path, monkeypatch):
    """No file, odd files, no system call: a number all the same."""
    whole = available_memory(tmp_path)
    assert whole > 2**20
    odd = dict.fromkeys(("proc/meminfo", "proc/self/cgroup"), "odd\n\n:::\n")
    lay(tmp_path, odd | {"proc/self/statm": "x\n", "proc/self/mountinfo": " - \n"})
    assert available_memory(tmp_path) == whole
    lay(tmp_path, {"proc/self/cgroup": "0::/\n", f"{TOP}/memory.max": ""})
    assert available_memory(tmp_path) == whole
    monkeypatch.setattr(machine, "resource", None)
    monkeypatch.delattr(os, "sysconf")
    assert available_memory(tmp_path) == UNLIMITED


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_process(limit):
    """2 GiB less what is in use; the limit is set in a process of its own."""
    script = (
        "import resource, sys; from statmech.machine import available_memory; "
        f"resource.setrlimit(resource.{limit}, (2**31, 2**31)); "
        "sys.stdout.write(str(available_memory()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert GIB < int(run.stdout) < 2 * GIB


def test_threads_follow_the_cores_and_the_variable(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    cores = available_threads()
    assert 1 <= cores <= (os.cpu_count() or 1)
    for text, expected in (("1", 1), ("100000", cores), ("0", cores), ("two", cores)):
        monkeypatch.setenv("NUMBA_NUM_THREADS", text)
        assert available_threads() == expected
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_threads() == os.cpu_count()


def test_what_does_not_fit_is_refused_with_a_setting_that_does(monkeypatch):
    monkeypatch.setattr(machine, "available_memory", lambda: GIB)
    remedy = smaller(n_spins=(10**9, lambda n: 8 * n))
    require_memory(GIB, "spins", remedy=remedy)
    with pytest.raises(MemoryLimitError) as caught:
        require_memory(8 * 10**9, "spins", remedy=remedy)
    error = caught.value
    assert (error.needed, error.available) == (8 * 10**9, GIB)
    assert isinstance(error, MemoryError)
    assert isinstance(error, StatmechError)
    assert str(error) == (
        "spins: needs 7.45 GiB of memory, 1.00 GiB is available; "
        "n_spins = 127000000 fits"
    )
    with pytest.raises(MemoryLimitError, match="lowering n_spins alone is not enough"):
        require_memory(HUGE, "x", remedy=smaller(n_spins=(10, lambda n: n + HUGE)))
    monkeypatch.setattr(machine, "available_memory", lambda: GIB // 2)
    with pytest.raises(MemoryLimitError, match="MiB is available; buy more"):
        require_memory(GIB, "x", remedy="buy more")


def test_the_error_survives_the_way_between_processes():
    error = MemoryLimitError("spins", 10**300, 5, "take fewer")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is MemoryLimitError
    assert (again.needed, again.remedy) == (10**300, "take fewer")
    assert str(again) == str(error)
    assert len(str(again)) < 100


def test_the_largest_value_that_fits():
    """Against a search one by one, up to three digits and a twentieth held back."""
    for value in (1, 2, 7, 100, 5000):
        for available in (0, 5, 40, 1000, 10**6):
            best = max(
                (n for n in range(1, value) if 3 * n * n <= int(0.95 * available)),
                default=0,
            )
            got = largest_that_fits(value, lambda n: 3 * n * n, available)
            assert best * 0.99 < got <= best or got == best
    assert largest_that_fits(10**400, lambda n: n, 1000) == 950
