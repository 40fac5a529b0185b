"""Files are whole or absent, also when whoever wrote them was killed."""

import os
import signal
import subprocess
import sys

import pytest
from sweep_tools import environment

from statmech.files import _prefix, write_whole

EXPORT = """
import os, signal, sys
from statmech.files import write_whole

def stop():
    os.kill(os.getpid(), signal.SIGKILL)

def write(name):
    with open(name, "w") as file:
        file.write("new, half")
        file.flush()
        if sys.argv[2] == "half": stop()
        file.write(" and whole")

where = sys.argv[2]
if where in ("fsync", "replace"):
    kept = getattr(os, where)
    def patched(*arguments):
        kept(*arguments)
        stop()
    setattr(os, where, patched)
if where == "open":
    write = lambda name: stop()
write_whole(sys.argv[1], write)
"""


@pytest.mark.parametrize("where", ["open", "half", "fsync", "replace"])
def test_a_killed_export_is_whole_or_absent(tmp_path, where):
    """What it leaves beside its target goes with the next export."""
    target = tmp_path / "result.csv"
    target.write_text("old")
    command = [sys.executable, "-c", EXPORT, str(target)]
    done = subprocess.run([*command, where], timeout=60, env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == (
        "new, half and whole" if where == "replace" else "old"
    )
    subprocess.run([*command, "nowhere"], timeout=60, env=environment(), check=True)
    assert target.read_text() == "new, half and whole"
    assert list(tmp_path.iterdir()) == [target]


def test_temporary_files_of_the_living_are_left_alone(tmp_path):
    """And those of other hosts, whose processes cannot be asked."""
    target = tmp_path / "result.csv"
    prefix = _prefix(target)
    names = [f"{prefix}{os.getpid()}-abc.csv", ".result-elsewhere-1-abc.csv"]
    names += [f"{prefix}x-abc.csv", ".result-.csv", "result-1.csv"]
    for name in names:
        (tmp_path / name).write_text("of others")
    write_whole(target, lambda name: None)
    assert {path.name for path in tmp_path.iterdir()} == {*names, "result.csv"}
