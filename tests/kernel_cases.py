"""Small networks and runs that several tests of the kernels share."""

import copy
from fractions import Fraction

import numpy as np
import reference

from statmech import HebbianNetwork
from statmech.chains import DYNAMICS, SCANS
from statmech.forms import dense_rows, sparse_rows
from statmech.group import Group
from statmech.kernels.layout import Rules
from statmech.patterns import diluted, rademacher
from statmech.rng import stream_keys

EPS = np.finfo(np.float64).eps


CONVENTIONS = ("exclude", "keep")


TRACKED = np.zeros(1, dtype=np.int64)


def rules(dynamics="heat-bath", scan="random", wide=False, ties=False):
    return Rules(DYNAMICS.index(dynamics), SCANS.index(scan), wide, ties)


def network(n, k, order, coincident="exclude", field=0.0, seed=0):
    """A network and its naive twin; `field` is a standard deviation."""
    patterns = rademacher(k, n, seed, path=(n, k, order))
    b = field * np.random.default_rng(seed).normal(size=n)
    model = HebbianNetwork(patterns, order, coincident=coincident, field=b)
    return model, reference.Network(patterns, order, coincident, b)


def diluted_network(
    n, k, order=2, coincident="exclude", field=0.0, seed=0, dilution=0.4, gain=1.0
):
    """`network` of patterns with blanks."""
    patterns = diluted(k, n, dilution, seed, path=(n, k, order))
    b = field * np.random.default_rng(seed).normal(size=n)
    model = HebbianNetwork(patterns, order, coincident=coincident, field=b, gain=gain)
    twin = reference.Network(patterns, order, coincident, b, Fraction(gain))
    return model, twin


def in_form(model, name):
    """The same network, read by the kernels as "dense" or as "sparse" rows."""
    other = copy.copy(model)
    make = {"dense": dense_rows, "sparse": sparse_rows}[name]
    vars(other)["rows"] = make(other)
    return other


def random_spins(shape, seed):
    signs = 2 * np.random.default_rng(seed).integers(0, 2, shape) - 1
    return np.ascontiguousarray(signs, dtype=np.int8)


def overlaps_of(model, s):
    return model.weights.astype(np.int64) @ s.astype(np.int64)


def run(model, spins, betas, n_draws, *, thin=1, seed=0, dtype=None, **how):
    """Advance copies of `spins` (R, N); returns the group and its record."""
    keys = stream_keys(seed, (), len(spins))
    group = Group(model, spins.copy(), keys, TRACKED)
    if dtype is not None:
        wider = group.chains.overlaps.astype(dtype)
        group.chains = group.chains._replace(overlaps=wider)
    record = group.record(n_draws)
    betas = np.full(len(spins), betas, dtype=np.float64)
    group.advance(betas, rules(**how), n_draws, thin, record)
    return group, record
