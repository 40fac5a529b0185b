"""Ctrl-C and SIGTERM in the middle of a sweep; disks that are full."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from sweep_tools import (
    TESTS,
    assert_clean,
    child,
    descendants,
    driver,
    ended,
    environment,
    executions,
    fill,
    finish,
    records,
    run_driver,
    uninterrupted,
    wait_until,
)

import sims
from sims.cli import main
from sims.preset import load_preset
from sims.store import StoreError
from sims.sweep import run_sweep
from sims.verify import inspect

SOON = 5.0  # seconds
FULL = pytest.mark.nightly
PRESET = """
measurement = "dense-retrieval"
samples = {samples}
[constants]
order = 2
n_spins = {n_spins}
n_sweeps = 200
n_burn_in = 100
alpha = 0.05
[axes]
temperature = [0.1, 0.2]
"""


def write_preset(folder, samples, n_spins=300):
    path = folder / "small.toml"
    path.write_text(PRESET.format(samples=samples, n_spins=n_spins))
    return str(path)


def stop(process, number, begun):
    """Signal the group of a driver that has begun; its code, stderr, and workers."""
    assert wait_until(lambda: begun() or process.poll() is not None, 60.0)
    assert process.poll() is None, process.communicate()
    below = descendants(process.pid)
    start = time.monotonic()
    os.killpg(process.pid, number)
    code, _, err = finish(process, SOON)
    assert time.monotonic() - start < SOON
    assert ended(below, SOON), "workers outlive their driver"
    return code, err


def check_left(folder):
    """What was finished is there and nothing is damaged or locked."""
    found = inspect(folder)
    assert not found.damaged, found.summary
    assert not found.lost, found.summary
    assert found.n_points > 0
    with sims.store.create(folder):
        pass
    return found.n_points


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGINT, 1),
        (signal.SIGTERM, 2),
        pytest.param(signal.SIGINT, 2, marks=FULL),
        pytest.param(signal.SIGTERM, 1, marks=FULL),
    ],
)
def test_a_script_that_is_stopped(tmp_path, number, workers):
    folder, log = tmp_path / "record", tmp_path / "log"
    with driver(folder, 200, workers, SWEEP_LOG=log, SWEEP_SLEEP=0.05) as process:
        code, _ = stop(process, number, lambda: executions(log).total() > 4)
    # A shell shows 130 and 143.
    assert code == -number
    check_left(folder)
    code, _, err = run_driver(folder, 200, SWEEP_LOG=log)
    assert code == 0, err
    with sims.store.open(folder) as store:
        assert store.fingerprint() == uninterrupted(200)
    assert executions(log).total() <= 200 + workers


@pytest.mark.parametrize(
    ("number", "code", "word", "workers"),
    [
        (signal.SIGINT, 130, "interrupted", 2),
        pytest.param(signal.SIGTERM, 143, "terminated", 1, marks=FULL),
        pytest.param(signal.SIGINT, 130, "interrupted", 1, marks=FULL),
        pytest.param(signal.SIGTERM, 143, "terminated", 2, marks=FULL),
    ],
)
def test_the_command_that_is_stopped(tmp_path, number, code, word, workers):
    folder = tmp_path / "record"
    command = ["-m", "sims", "sweep", write_preset(tmp_path, 2000), "--out", folder]

    def begun():
        ledger = folder / "ledger.txt"
        return ledger.exists() and ledger.read_text().count(" point ") > 2

    with child(*command, "--workers", workers) as process:
        found, err = stop(process, number, begun)
    assert found == code, err
    assert err.splitlines()[-1] == f"statmech: {word}"
    assert "Traceback" not in err
    n_points = check_left(folder)
    assert not (folder / "owner").exists()
    few = load_preset(write_preset(tmp_path, n_points // 2 + 2))
    assert run_sweep(few, folder, workers=1).missing == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_exit_codes_of_signals(tmp_path, monkeypatch, capsys, number, code):
    """And the handler that was there before is there again."""

    def signalled(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(5.0)

    monkeypatch.setattr("sims.sweep.run_sweep", signalled)
    before = signal.getsignal(signal.SIGTERM)
    preset = write_preset(tmp_path, 2)
    assert main(["sweep", str(preset), "--out", str(tmp_path / "record")]) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == before


# Full disks --------------------------------------------------------------------


def limited(size):
    """A function for a child: files have at most `size` bytes, and no signal."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def check_refusal(folder, code, err):
    """One line, below that of progress, with the path and the free space."""
    assert code in (1, 2), err
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert str(folder) in last
    assert "MiB free" in last


@pytest.mark.parametrize(
    "size",
    [70_000, pytest.param(20_000, marks=FULL), pytest.param(150_000, marks=FULL)],
)
def test_files_that_may_not_grow(tmp_path, size):
    """Whichever file meets the limit: the first points are kept, and it goes on."""
    folder = tmp_path / "record"
    done = subprocess.run(
        [sys.executable, TESTS / "sweep_cases.py", folder, "400", "1"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        preexec_fn=limited(size),
        check=False,
    )
    check_refusal(folder, done.returncode, done.stderr)
    found = inspect(folder)
    assert not found.damaged, found.summary
    assert not found.lost, found.summary
    before = records(folder) if found.n_points else {}
    assert before or size < 50_000
    code, _, err = run_driver(folder, 400)
    assert code == 0, err
    assert before.items() <= records(folder).items()
    with sims.store.open(folder) as store:
        assert store.fingerprint() == uninterrupted(400)
    assert_clean(folder)


SMALL_DISK = """
set -e
mount -t tmpfs -o size="$5" none "$1"
mkdir "$1/record"
"$2" -m sims sweep "$3" --out "$1/record" --workers 1 2> "$4/errors" || echo $?
mkdir "$4/kept"
cp "$1"/record/* "$4/kept"
"""


@pytest.mark.parametrize("size", ["256k", pytest.param("64k", marks=FULL)])
def test_a_small_disk_that_fills_up(tmp_path, size):
    """At the very start, and after some points."""
    disk = tmp_path / "disk"
    disk.mkdir()
    namespace = ["unshare", "-rm", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=64k none "$1"'
    if (
        not shutil.which("unshare")
        or subprocess.run(
            [*namespace, mount, "sh", str(disk)], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no user namespaces here")
    preset = write_preset(tmp_path, 50, 50)
    arguments = [disk, sys.executable, preset, tmp_path, size]
    done = subprocess.run(
        [*namespace, SMALL_DISK, "sh", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "2"
    check_refusal(disk / "record", 2, (tmp_path / "errors").read_text())
    kept = tmp_path / "kept"
    found = inspect(kept)
    assert not found.damaged, found.summary
    assert not found.lost, found.summary
    before = records(kept) if found.n_points else {}
    assert before or size == "64k"
    assert run_sweep(load_preset(preset), kept, workers=1).missing == 0
    assert before.items() <= records(kept).items()


def test_a_disk_that_fills_up_at_any_write(tmp_path, monkeypatch):
    """The ledger after the row, the row after its environment, the close."""
    from sims import ledger

    def full(*_):
        raise OSError(28, "No space left on device")

    for name in ("write", "fsync"):
        folder = tmp_path / name
        with monkeypatch.context() as patch, sims.store.create(folder) as store:
            fill(store, 5)
            patch.setattr(ledger.os, name, full)
            with pytest.raises(StoreError, match=r"No space left.*MiB free"):
                fill(store, 10) if name == "write" else store.close()
        with sims.store.create(folder) as store:
            fill(store, 10)
            assert store.fingerprint() == uninterrupted(10)
        assert_clean(folder)
