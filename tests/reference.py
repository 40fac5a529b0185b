"""Slow, obvious twins of the compiled code, in pure Python and NumPy.

Nothing is imported from the package: what the two have in common is the physics and
the published generators. Energies are exact (integers and fractions); a float enters
only where a probability does.
"""

import itertools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

MASK = (1 << 64) - 1
GOLDEN_GAMMA = 0x9E3779B97F4A7C15
SECOND_WORD, PERMUTATION, TIE = 1 << 62, 1 << 63, 3 << 62


# Words -----------------------------------------------------------------------------


def mix64(z):
    """SplitMix64's output function; for a Python int, or elementwise for uint64."""
    if isinstance(z, int):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def word(key, counter):
    """Word number `counter` of the stream (start, gamma)."""
    start, gamma = (int(part) for part in key)
    return mix64((start + counter * gamma) & MASK)


def site_of(w, n):
    return ((w >> 32) * n) >> 32


def uniform24_of(w):
    return ((w & 0xFFFFFF) + 0.5) / 2**24


def uniform53_of(w):
    return min(((w >> 11) + 0.5) / 2**53, 1.0 - 2.0**-53)


def philox4x32(counter, key, rounds=10):
    """Philox4x32 of counters (..., 4) under a key (2,): uint64 arrays below 2**32.

    J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, SC'11 (2011).
    """
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = np.moveaxis(np.asarray(counter, dtype=np.uint64), -1, 0)
    k0, k1 = (int(part) for part in key)
    for _ in range(rounds):
        product0, product1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> half) ^ c1 ^ np.uint64(k0),
            product1 & low,
            (product0 >> half) ^ c3 ^ np.uint64(k1),
            product0 & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1)


# Energies --------------------------------------------------------------------------


class Network(NamedTuple):
    """A Hebbian network as the literature writes it down."""

    patterns: Any  # (K, N) of -1, 0, +1, or of any integers
    order: int
    coincident: str
    field: Any  # (N,) of float
    scale: Any = Fraction(1)  # multiplies the interaction

    @property
    def n_spins(self):
        return len(self.field)


def states(n):
    """(2**n, n) int8: spin i of state number c is up where bit i of c is set."""
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return (2 * bits - 1).astype(np.int8)


def codes(spins):
    """The number of each state in `states`; the spins are on the last axis."""
    return (np.asarray(spins) > 0) @ (1 << np.arange(np.shape(spins)[-1]))


def coupling(network):
    """c: (P-1)! / ((N-1)...(N-P+1)), or 1 / (P N**(P-1)) with coincident indices."""
    n, p = network.n_spins, network.order
    if network.coincident == "exclude":
        c = Fraction(math.factorial(p - 1), math.perm(n - 1, p - 1))
    else:
        c = Fraction(n, p) * Fraction(1, n**p)
    return network.scale * c


def interaction_sums(network, spins):
    """sum_mu of the P-fold sums, (R,) integers, for configurations (R, N).

    Distinct indices: term by term, over all sets of P sites. Otherwise S_mu**P.
    """
    a = np.asarray(spins, dtype=object)[:, None, :] * np.asarray(network.patterns)
    if network.coincident == "keep":
        return (a.sum(axis=2) ** network.order).sum(axis=1)
    assert math.comb(network.n_spins, network.order) < 2**40
    a = a.astype(np.int64)
    total = np.zeros(len(a), dtype=np.int64)
    for sites in itertools.combinations(range(network.n_spins), network.order):
        total += a[:, :, sites].prod(axis=2).sum(axis=1)
    return total.astype(object)


def energies(network, spins):
    """Exact energies of configurations (R, N), a list of fractions."""
    c = coupling(network)
    field = [Fraction(float(b)) for b in network.field]
    return [
        -c * int(total) - sum(b * int(one) for b, one in zip(field, s, strict=True))
        for total, s in zip(interaction_sums(network, spins), spins, strict=True)
    ]


def symmetric_sum(values, degree):
    """e_degree(values), the coefficient of z**degree in prod (1 + z value)."""
    coefficients = [1] + [0] * degree
    for value in values:
        for k in range(degree, 0, -1):
            coefficients[k] += value * coefficients[k - 1]
    return coefficients[degree]


def alignment(network, s, i):
    """s_i h_i, half the energy cost of flipping spin i, as a fraction."""
    total = 0
    for pattern in network.patterns:
        a = [int(x) * int(y) for x, y in zip(pattern, s, strict=True)]
        if network.coincident == "exclude":
            total += 2 * a[i] * symmetric_sum(a[:i] + a[i + 1 :], network.order - 1)
        else:
            total += sum(a) ** network.order - (sum(a) - 2 * a[i]) ** network.order
    return coupling(network) * total / 2 + Fraction(float(network.field[i])) * int(s[i])


# Dynamics --------------------------------------------------------------------------


def acceptance(dynamics, beta, x):
    """Probability to accept a flip of alignment x (half its energy cost)."""
    if beta == math.inf:
        return 1.0 if x < 0 else 0.0
    if dynamics == "heat-bath":
        return 1.0 / (1.0 + math.exp(2.0 * beta * x))
    return min(1.0, math.exp(-2.0 * beta * x))


def sweep(network, s, beta, dynamics, scan, wide, clock, key, ties=False):
    """N updates of the list `s` in place, from words clock, clock + 1, ... of `key`.

    With `ties`, a spin in zero field at T = 0 turns if the top bit of a word is set.
    Returns the number of accepted updates.
    """
    n = network.n_spins
    order = list(range(n))
    if scan == "permutation":
        for i in range(n - 1, 0, -1):
            j = site_of(word(key, PERMUTATION + clock + i), i + 1)
            order[i], order[j] = order[j], order[i]
    n_accepted = 0
    for trial in range(n):
        w = word(key, clock + trial)
        i = site_of(w, n) if scan == "random" else order[trial]
        u = uniform24_of(w)
        if wide:
            u = uniform53_of(word(key, SECOND_WORD + clock + trial))
        x = alignment(network, s, i)
        rate = acceptance(dynamics, beta, float(x))
        if ties and beta == math.inf and x == 0:
            rate = word(key, TIE + clock + trial) >> 63
        if u < rate:
            s[i] = -s[i]
            n_accepted += 1
    return n_accepted


# The exact law ---------------------------------------------------------------------


def boltzmann(energy, beta):
    """Probabilities exp(-beta E) / Z of all states."""
    energy = np.array([float(e) for e in energy])
    weights = np.exp(-beta * (energy - energy.min()))
    return weights / math.fsum(weights)


def half_costs(energy):
    """(2**n, n) float64: half the cost of flipping spin i in every state."""
    n = len(energy).bit_length() - 1
    return np.array(
        [
            [float((energy[c ^ (1 << i)] - energy[c]) / 2) for i in range(n)]
            for c in range(2**n)
        ]
    )


def site_matrix(rates, i):
    """Transition matrix of one update of spin i, from acceptances (2**n, n)."""
    size = len(rates)
    here = np.arange(size)
    matrix = np.zeros((size, size))
    matrix[here, here ^ (1 << i)] = rates[:, i]
    matrix[here, here] = 1.0 - rates[:, i]
    return matrix


def relaxation(costs, law, beta, dynamics):
    """Largest integrated autocorrelation time, in sweeps, of random-site updates.

    No observable is slower than (1 + x)/(1 - x), x the second eigenvalue of the
    transition matrix to the power N; the matrix is symmetric in the scalar product
    that the stationary law defines.
    """
    size, n = costs.shape
    rates = np.array([[acceptance(dynamics, beta, x) for x in row] for row in costs])
    here = np.arange(size)
    rows, columns = np.repeat(here, n), (here[:, None] ^ (1 << np.arange(n))).ravel()
    moves = csr_array((rates.ravel() / n, (rows, columns)), shape=(size, size))
    root = np.sqrt(law)
    symmetric = diags_array(root) @ moves @ diags_array(1.0 / root)
    symmetric = symmetric + diags_array(1.0 - rates.sum(axis=1) / n)
    start = np.random.default_rng(0).standard_normal(size)
    values = eigsh(symmetric, k=2, which="LA", v0=start, return_eigenvectors=False)
    slowest = float(values.min()) ** n
    return (1.0 + slowest) / (1.0 - slowest)


def wander(costs, beta, here, n_trials, draw, bug=""):
    """`n_trials` heat-bath updates of random sites, of many chains at once.

    Parameters
    ----------
    costs : (2**n, n)
        From `half_costs`.
    here : (R,) int
        State numbers of the chains at the start.
    draw : callable
        draw(trial) -> two (R,) arrays of uniforms, for the site and the acceptance.
    bug : {"", "stale", "factor"}
        "stale": a flip does not reach the fields before the next trial;
        "factor": down spins are proposed always, up spins half of the time, without
        the factor that makes up for it.

    Returns
    -------
    (R,) int, the states at the end
    """
    n = costs.shape[1]
    here = np.array(here)
    seen = here.copy()
    for trial in range(n_trials):
        site_uniform, u = draw(trial)
        site = np.minimum((site_uniform * n).astype(np.int64), n - 1)
        x = costs[here, site]
        if bug == "stale":
            # The spin itself is known, its neighbours as they were a trial ago.
            same = (here ^ seen) >> site & 1 == 0
            x = np.where(same, 1.0, -1.0) * costs[seen, site]
        rate = 1.0 / (1.0 + np.exp(2.0 * beta * x))
        if bug == "factor":
            rate = np.where(here >> site & 1 == 1, 0.5 * rate, rate)
        seen = here
        here = np.where(u < rate, here ^ (1 << site), here)
    return here


# Chains that share their sites -----------------------------------------------------


def sites_of(n, scan, clock, key):
    """The sites of the sweep that begins with trial `clock`, from their own key."""
    if scan == "random":
        return [site_of(word(key, clock + trial), n) for trial in range(n)]
    order = list(range(n))
    if scan == "permutation":
        for i in range(n - 1, 0, -1):
            j = site_of(word(key, PERMUTATION + clock + i), i + 1)
            order[i], order[j] = order[j], order[i]
    return order


def sweep_sites(network, s, beta, dynamics, sites, wide, clock, key, ties=False):
    """`sweep` with given sites: only the noise is from `key`."""
    n_accepted = 0
    for trial, i in enumerate(sites):
        u = uniform24_of(word(key, clock + trial))
        if wide:
            u = uniform53_of(word(key, SECOND_WORD + clock + trial))
        x = alignment(network, s, i)
        rate = acceptance(dynamics, beta, float(x))
        if ties and beta == math.inf and x == 0:
            rate = word(key, TIE + clock + trial) >> 63
        if u < rate:
            s[i] = -s[i]
            n_accepted += 1
    return n_accepted
