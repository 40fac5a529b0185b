"""The binary perceptron by brute force: energies, moves and the exact law.

Nothing here is from the code under test but the examples and the chains it runs on.
"""

import math

import numpy as np
import reference
from scipy.stats import chisquare

from statmech.perceptron.chains import make_groups, noise_keys, rows_of, thresholds_of
from statmech.perceptron.examples import random_examples, teacher_examples

INF = math.inf


def examples_of(n, p, seed=1, taught=True):
    make = teacher_examples if taught else random_examples
    return make(n, p, seed, path=(n, p))


def random_weights(shape, seed):
    signs = 2 * np.random.default_rng(seed).integers(0, 2, shape) - 1
    return np.ascontiguousarray(signs, dtype=np.int8)


def is_error(stabilities, n, kappa=0.0):
    return stabilities < kappa * math.sqrt(n)


def stabilities(examples, weights):
    """(..., P) integers y J.x."""
    rows = examples.aligned.astype(np.int64)
    return np.asarray(weights, dtype=np.int64) @ rows.T


def energies(examples, weights, kappa=0.0):
    """Errors of weights (..., N)."""
    s = stabilities(examples, weights)
    return is_error(s, examples.n_weights, kappa).sum(axis=-1)


def acceptance(dynamics, temperature, cost):
    """Probability of a flip that costs Delta E, and its limits at T = 0 and inf."""
    heat = dynamics == "heat-bath"
    if cost == 0 or temperature == INF:
        return 0.5 if heat else 1.0
    if temperature == 0.0 or abs(cost) > 700.0 * temperature:
        return 1.0 if cost < 0 else 0.0
    if heat:
        return 1.0 / (1.0 + math.exp(cost / temperature))
    return min(1.0, math.exp(-cost / temperature))


def play(
    examples,
    weights,
    temperature,
    n_sweeps,
    key,
    *,
    dynamics="heat-bath",
    order="random",
    wide=False,
    kappa=0.0,
    clock=0,
):
    """The moves of one chain, trial by trial: its errors after every sweep, its flips.

    `weights` (N,) changes in place. The cost of a flip is that of all patterns.
    """
    n = examples.n_weights
    rows = examples.aligned.astype(np.int64)
    s = rows @ weights
    errors, flips = [], []
    for _ in range(n_sweeps):
        sites = reference.sites_of(n, order, clock, key)
        moved = 0
        for trial, i in enumerate(sites):
            u = reference.uniform24_of(reference.word(key, clock + trial))
            if wide:
                second = reference.SECOND_WORD + clock + trial
                u = reference.uniform53_of(reference.word(key, second))
            after = s - 2 * int(weights[i]) * rows[:, i]
            cost = int(is_error(after, n, kappa).sum() - is_error(s, n, kappa).sum())
            if u < acceptance(dynamics, temperature, cost):
                s, moved = after, moved + 1
                weights[i] = -weights[i]
        errors.append(int(is_error(s, n, kappa).sum()))
        flips.append(moved)
        clock += n
    return errors, flips


def groups_of(examples, weights, seed=0, kappa=0.0, together=False):
    """Groups on copies of `weights` (R, N): pairs, or all chains together."""
    rows = rows_of(examples, kappa)
    weights = weights.copy()
    keys = noise_keys(seed, (), len(weights))
    if not together:
        return make_groups(rows, weights, keys)
    (first, *_) = make_groups(rows, weights[:2], keys[:2])
    return [type(first)(rows, weights, keys)]


# The exact law ---------------------------------------------------------------------


def acceptances(costs, dynamics, temperature):
    table = {
        int(c): acceptance(dynamics, temperature, int(c)) for c in np.unique(costs)
    }
    return np.vectorize(table.get)(costs)


class Target:
    """All 2**N states of weights on one set of examples, and their Boltzmann law."""

    def __init__(self, n, p, peak, seed, kappa=0.0, taught=True):
        self.examples, self.kappa = examples_of(n, p, seed, taught), kappa
        self.states = reference.states(n)
        self.energy = energies(self.examples, self.states, kappa)
        self.temperature = float(np.ptp(self.energy)) / math.log(peak)
        self.law = self.law_at(self.temperature)
        here = np.arange(2**n)[:, None] ^ (1 << np.arange(n))
        self.costs = self.energy[here] - self.energy[:, None]
        s = stabilities(self.examples, self.states)
        # Next to the boundary: right by the least, wrong by the least.
        plus = s == math.ceil(kappa * math.sqrt(n)) // 2 * 2 + 1
        minus = s == math.ceil(kappa * math.sqrt(n)) // 2 * 2 - 1
        rows = self.examples.aligned.astype(np.int64)
        lowered = (rows.T[None] * self.states[:, :, None]) > 0
        self.lost = (plus[:, None, :] & lowered).sum(axis=2)
        self.mended = (minus[:, None, :] & ~lowered).sum(axis=2)
        self.plus, self.minus = plus.sum(axis=1), minus.sum(axis=1)

    def law_at(self, temperature):
        if temperature == INF:
            return np.full(len(self.energy), 1.0 / len(self.energy))
        weights = np.exp(-(self.energy - self.energy.min()) / temperature)
        return weights / math.fsum(weights)

    def tau(self, dynamics):
        return reference.relaxation(
            self.costs / 2.0, self.law, 1.0 / self.temperature, dynamics
        )

    def wander(self, here, n_trials, draw, bug=""):
        """Metropolis trials at random weights, of many chains, perhaps with a bug.

        "stale": the patterns next to the boundary are those before the last trial;
        "sign": the patterns that a flip mends are added, not taken away.
        """
        n = self.examples.n_weights
        seen = here.copy()
        for _ in range(n_trials):
            i = draw.integers(0, n, here.size)
            lost, mended = self.lost[here, i], self.mended[here, i]
            if bug == "stale":
                same = (here ^ seen) >> i & 1 == 0
                lost = np.where(
                    same, self.lost[seen, i], self.plus[seen] - self.lost[seen, i]
                )
                mended = np.where(
                    same, self.mended[seen, i], self.minus[seen] - self.mended[seen, i]
                )
            cost = lost + mended if bug == "sign" else lost - mended
            accepted = draw.random(here.size) < np.exp(-cost / self.temperature)
            seen, here = here, np.where(accepted, here ^ (1 << i), here)
        return here


def histogram(aim, seed, dynamics, order, scale=1.0, n_chains=500, n_samples=200_000):
    """Counts of all states in independent draws of the kernels at scale * T."""
    from kernel_cases import rules

    n = aim.examples.n_weights
    thin = math.ceil(5.0 * aim.tau(dynamics))
    weights = random_weights((n_chains, n), seed)
    (group,) = groups_of(aim.examples, weights, seed, aim.kappa, together=True)
    how = rules(dynamics=dynamics, scan=order)
    thresholds = thresholds_of(how, scale * aim.temperature, aim.examples.n_patterns)
    nothing = group.record(0)
    group.advance(thresholds, how, 0, 2, thin, nothing)
    counts = np.zeros(2**n, dtype=np.int64)
    for _ in range(n_samples // n_chains):
        group.advance(thresholds, how, 0, 1, thin, nothing)
        codes = reference.codes(group.chains.weights)
        counts += np.bincount(codes, minlength=2**n)
    group.check()
    return counts


def p_value(counts, law):
    """Chi-square, with states pooled until each cell is expected 5 times."""
    expected = counts.sum() * law
    order = np.argsort(expected, kind="stable")
    cells = np.zeros(len(law), dtype=np.int64)
    cell, filled = 0, 0.0
    for state in order:
        if filled >= 5.0:
            cell, filled = cell + 1, 0.0
        cells[state] = cell
        filled += expected[state]
    observed = np.bincount(cells, weights=counts)
    wanted = np.bincount(cells, weights=expected)
    return float(chisquare(observed, wanted * observed.sum() / wanted.sum()).pvalue)
