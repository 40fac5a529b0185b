"""What several tests of sampling share."""

import hashlib
import math

import numpy as np

import statmech
from statmech import HebbianNetwork
from statmech.patterns import rademacher

INF, NAN = math.inf, math.nan


def small(order=3, n=30, k=5, **more):
    return HebbianNetwork(rademacher(k, n, seed=1), order, **more)


def sample(model, temperature=0.8, **more):
    return statmech.sample(model, temperature, **{"n_sweeps": 20, **more})


def arrays(trace):
    names = ("m", "energy", "q", "acceptance", "overlaps", "spins", "temperature")
    return {name: getattr(trace, name) for name in names}


def digest(trace):
    """SHA-256 of every bit of a trace."""
    parts = [np.ascontiguousarray(a).tobytes() for a in arrays(trace).values()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def joined(*traces):
    """The arrays of several parts of one run, draws side by side."""
    parts = [arrays(trace) for trace in traces]
    return {
        name: (
            parts[-1]["spins"]
            if name == "spins"
            else np.concatenate(
                [p[name] for p in parts], axis=int(name != "temperature")
            )
        )
        for name in parts[0]
    }


def assert_same(found, wanted):
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def assert_same_state(a, b):
    np.testing.assert_array_equal(a.spins, b.spins)
    np.testing.assert_array_equal(a.keys, b.keys)
    assert (a.clock, a.model) == (b.clock, b.model)


NOT_TRACKED = [None, 1, 1.5, NAN, True, 1j, "ab", b"ab", [-1], [5], [1.0], [[1]]]


NOT_TRACKED += [[True], [None], object(), iter([1])]
