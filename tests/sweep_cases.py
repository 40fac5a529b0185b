"""Functions to sweep, importable in worker processes, and a driver that runs one.

Run as a program it is the driver: it calls `sims.run` as a user's script would.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np

import sims


def note(*words):
    """Append a line to the file SWEEP_LOG, if there is one: one write, never torn."""
    path = os.environ.get("SWEEP_LOG")
    if path:
        line = " ".join(map(str, (os.getpid(), *words)))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{line}\n".encode())
        os.close(handle)


def noisy(x, sample, seed):
    """A point with a random trace; takes SWEEP_SLEEP seconds, logs its execution."""
    note(x, sample)
    time.sleep(float(os.environ.get("SWEEP_SLEEP", "0")))
    trace = np.random.default_rng(seed).normal(x, size=6)
    return {"trace": (("draw",), trace), "mean": trace.mean(), "seed": seed}


def tiny(x):
    """As little as a point can be."""
    return {"y": 2 * x}


def large(x):
    """A point of 16 kB."""
    return {"y": np.arange(2000.0) + x}


def trouble(kind):
    """A point that ends as `kind` says."""
    note(kind)
    return _ENDS[kind]()


def _raise():
    raise ValueError("no such\nphase")


def _unprintable():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    raise Odd


def _no_text():
    raise OSError(os.fsdecode(b"caf\xe9"))


def _segfault():
    import ctypes
    import faulthandler

    faulthandler.disable()
    ctypes.string_at(0)


def _base():
    class Odd(BaseException):
        pass

    raise Odd("from below")


def _memory():
    raise MemoryError("8 TiB")


def _kill():
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


_ENDS = {
    "fine": lambda: {"y": 1.0},
    "also fine": lambda: {"y": 2.0},
    "raises": _raise,
    "raises from below": _base,
    "unprintable error": _unprintable,
    "error that is no text": _no_text,
    "out of memory": _memory,
    "exits": lambda: sys.exit(3),
    "returns nothing": lambda: None,
    "returns no dict": lambda: 3.0,
    "returns an empty dict": dict,
    "returns objects": lambda: {"y": np.array([object()])},
    "returns ragged": lambda: {"y": [[1.0], [1.0, 2.0]]},
    "returns a bad name": lambda: {"../y": 1.0},
    "returns wrong dims": lambda: {"y": (("a", "b"), np.zeros(3))},
    # Ends of processes; not for the process that runs the tests.
    "leaves": lambda: os._exit(7),
    "leaves quietly": lambda: os._exit(0),
    "segfault": _segfault,
    "killed": _kill,
}
DEADLY = ("leaves", "leaves quietly", "segfault", "killed")
HARMLESS = ("fine", "also fine")


def grid(n):
    """n points of `noisy`."""
    return {"x": [0.5 * j for j in range(n // 5)], "sample": range(5)}


def main(folder, n, workers):
    """Sweep n points of `noisy` into a folder, as a script; no data set is made."""
    import sweep_cases  # by its name: a worker finds the function there

    sims.store.Store.dataset = lambda *_: None
    executor = (
        sims.pool.SerialExecutor()
        if workers == "1"
        else sims.pool.SpawnPool(int(workers))
    )
    with executor:
        sims.run(sweep_cases.noisy, grid(int(n)), executor=executor, out=folder, seed=3)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except sims.store.StoreError as error:
        sys.exit(str(error))
