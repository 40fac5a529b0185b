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


NOT_TRACKED = [None, 1, 1.5, NAN, True, 1j, "ab", b"ab", [-1], [5], [1.0], [[1]]]


NOT_TRACKED += [[True], [None], object(), iter([1])]
