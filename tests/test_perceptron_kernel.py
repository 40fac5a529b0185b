"""The kernels of the binary perceptron against moves made one by one, bit for bit."""

import itertools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from kernel_cases import rules
from perceptron_cases import (
    INF,
    Target,
    acceptance,
    energies,
    examples_of,
    groups_of,
    is_error,
    play,
    random_weights,
    stabilities,
)

from statmech.chains import DYNAMICS, SCANS
from statmech.errors import StatmechError
from statmech.kernels import perceptron as kernels
from statmech.kernels.bits import count_bits, vectors
from statmech.kernels.stabilities import BOUNDARY, DIGITS, ERRORS, decode, encode
from statmech.perceptron.chains import (
    flip_probabilities,
    noise_keys,
    pack,
    state_rows,
    threshold_of,
    thresholds_of,
)

SIZES = (1, 3, 15, 63, 65, 101, 255, 257)
LOADS = (1, 63, 64, 65, 511, 512, 513, 1000, 1024, 1025, 1600)
WAYS = list(itertools.product(DYNAMICS, SCANS, (False, True)))
TEMPERATURES = (0.0, 0.05, 0.3, 4.0, INF)


def run(examples, weights, temperature, n_sweeps, *, seed=0, kappa=0.0, **how):
    """Final weights, errors (R, draws), flips (R, draws) of the kernels."""
    (group,) = groups_of(examples, weights, seed, kappa, together=True)
    way = rules(**how)
    record = group.record(n_sweeps)
    thresholds = thresholds_of(way, temperature, examples.n_patterns)
    group.advance(thresholds, way, 0, n_sweeps, 1, record)
    group.check()
    flips = np.rint(record.accepted * examples.n_weights).astype(np.int64)
    return group.chains.weights, record.errors, flips


def assert_same_moves(
    examples, weights, temperature, n_sweeps, *, seed=0, kappa=0.0, **how
):
    """Against `play`; returns how many flips were accepted."""
    found, errors, flips = run(
        examples, weights, temperature, n_sweeps, seed=seed, kappa=kappa, **how
    )
    keys = noise_keys(seed, (), len(weights))
    names = {"dynamics": "dynamics", "scan": "order", "wide": "wide"}
    more = {names[name]: value for name, value in how.items()}
    for r, (one, key) in enumerate(zip(weights.copy(), keys, strict=True)):
        wanted = play(examples, one, temperature, n_sweeps, key, kappa=kappa, **more)
        np.testing.assert_array_equal(errors[r], wanted[0])
        np.testing.assert_array_equal(flips[r], wanted[1])
        np.testing.assert_array_equal(found[r], one)
    return flips.sum()


def kernel_costs(examples, weights, kappa=0.0):
    """(R, N) Delta E of every flip, as the kernels find it."""
    (group,) = groups_of(examples, weights, kappa=kappa, together=True)
    columns, n = group.examples.columns, examples.n_weights
    n_vectors = columns.shape[0] // n
    costs = np.empty(weights.shape, dtype=np.int64)
    for r, state in enumerate(group.chains.state):
        size = state.shape[0] // n_vectors
        mended = kernels.mended_by_any(state, size, n_vectors)
        for i in range(n):
            weight = weights[r, i]
            how = (columns, state, size, n_vectors, i, weight)
            costs[r, i] = kernels.lost_by(*how) - mended
    return costs


# The same moves --------------------------------------------------------------------


@pytest.mark.parametrize("p", LOADS)
def test_moves_at_every_size(p):
    """Sizes about the words and vectors; dynamics, orders, bits and T in turn."""
    for j, n in enumerate(SIZES):
        for k, temperature in enumerate(TEMPERATURES):
            dynamics, scan, wide = WAYS[(j + 5 * k + LOADS.index(p)) % len(WAYS)]
            examples = examples_of(n, p, taught=k % 2 == 0)
            how = {"dynamics": dynamics, "scan": scan, "wide": wide}
            weights = random_weights((1, n), seed=j)
            assert_same_moves(examples, weights, temperature, 1 + 60 // n, **how)


@pytest.mark.parametrize(("dynamics", "scan", "wide"), WAYS)
def test_moves_in_every_way(dynamics, scan, wide):
    """Two chains each; some flips are accepted, and above T = 0 some that cost."""
    how = {"dynamics": dynamics, "scan": scan, "wide": wide}
    for n, p in ((33, 70), (65, 130)):
        examples = examples_of(n, p)
        for temperature in TEMPERATURES:
            weights = random_weights((2, n), seed=n)
            assert assert_same_moves(examples, weights, temperature, 3, **how) > 0


@pytest.mark.parametrize("kappa", [-3.0, -0.7, 0.2, 0.9, 3.0])
def test_moves_with_a_margin(kappa):
    """Errors are patterns below kappa sqrt(N), whatever its sign and size."""
    for n, p in ((1, 5), (9, 40), (65, 100)):
        examples = examples_of(n, p, taught=False)
        margin = max(-math.sqrt(n), min(math.sqrt(n), kappa))
        for temperature in (0.0, 1.0, INF):
            weights = random_weights((1, n), seed=n)
            assert_same_moves(examples, weights, temperature, 5, kappa=margin)


def test_moves_of_more_than_one_block():
    """N beyond the 512 trials that are drawn at one time."""
    examples = examples_of(1101, 600)
    for scan in SCANS:
        weights = random_weights((1, 1101), 1)
        assert_same_moves(examples, weights, 1.0, 1, scan=scan, seed=3)


# Delta E, noise --------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [0.0, 0.4, -0.9])
def test_costs_of_all_flips(kappa):
    """Delta E of every flip in 120 states against the errors counted anew: 2e4."""
    n_flips = 0
    for n, p in ((1, 3), (9, 200), (65, 513), (101, 1000)):
        examples = examples_of(n, p, taught=False)
        weights = random_weights((40, n), seed=p)
        # Near the teacher of other examples the boundary is as crowded as anywhere.
        costs = kernel_costs(examples, weights, kappa)
        before = energies(examples, weights, kappa)
        for i in range(n):
            turned = weights.copy()
            turned[:, i] *= -1
            wanted = energies(examples, turned, kappa) - before
            np.testing.assert_array_equal(costs[:, i], wanted)
            n_flips += wanted.size
    assert n_flips > 7000


def test_costs_of_all_states():
    """Every flip of all 2**9 states."""
    aim = Target(9, 600, 50.0, seed=1)
    np.testing.assert_array_equal(kernel_costs(aim.examples, aim.states), aim.costs)


def test_detailed_balance():
    """pi_a P_ab = pi_b P_ba with the acceptances that the kernels compare with.

    What they compare with is a number of 2**53 uniforms: 1e-16 from the probability.
    """
    for n, p, seed in ((3, 9, 1), (5, 30, 2), (7, 600, 3)):
        aim = Target(n, p, 50.0, seed)
        costs = kernel_costs(aim.examples, aim.states)
        here = np.arange(2**n)[:, None]
        there = here ^ (1 << np.arange(n))
        for dynamics in DYNAMICS:
            thresholds = thresholds_of(
                rules(dynamics=dynamics, wide=True), aim.temperature, p
            )
            rates = thresholds[costs + p] / 2.0**53 / n
            back = np.take_along_axis(rates[there], np.arange(n)[None, :, None], 2)
            flow = aim.law[:, None] * rates
            flow_back = aim.law[there] * back[:, :, 0]
            assert np.abs(flow - flow_back).max() < 1e-14
            # Control: the law of a temperature that is 5 % off.
            wrong = aim.law_at(1.05 * aim.temperature)
            flow, flow_back = wrong[:, None] * rates, wrong[there] * back[:, :, 0]
            assert np.abs(flow - flow_back).max() > 1e-6


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 0.01, 0.3, 4.0, 1e4, 1e300, INF])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_thresholds(dynamics, temperature):
    """As many uniforms are accepted as are below the probability of each Delta E."""
    way = DYNAMICS.index(dynamics)
    p = 40
    probabilities = flip_probabilities(way, temperature, p)
    for bits in (24, 53):
        how = rules(dynamics=dynamics, wide=bits == 53)
        thresholds = thresholds_of(how, temperature, p)
        assert (np.diff(thresholds) <= 0).all()
        for cost in range(-p, p + 1):
            wanted = acceptance(dynamics, temperature, cost)
            j = cost + p
            assert probabilities[j] == pytest.approx(wanted, rel=1e-13, abs=1e-300)
            assert abs(thresholds[j] - wanted * 2.0**bits) <= 1.0
    if dynamics == "metropolis":
        assert (thresholds[: p + 1] == 2**53).all()


# State -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "p"), [(101, 1000), (15, 64), (513, 700)])
def test_bookkeeping_after_a_million_updates(n, p):
    """Stabilities, boundary and errors are those of the weights, exactly."""
    examples = examples_of(n, p, taught=False)
    (group,) = groups_of(examples, random_weights((2, n), 4), together=True)
    how, columns = rules(), group.examples.columns
    size = group.chains.state.shape[1] // (columns.shape[0] // n)
    for temperature in (INF, 3.0, 0.3):
        n_sweeps = -(-(10**6) // (6 * n))
        thresholds = thresholds_of(how, temperature, p)
        group.advance(thresholds, how, 0, 1, n_sweeps, group.record(1))
        wanted = stabilities(examples, group.chains.weights)
        found = np.empty(p, dtype=np.int32)
        for r, state in enumerate(group.chains.state):
            decode(state, group.examples.threshold, size, found)
            np.testing.assert_array_equal(found, wanted[r])
            assert group.chains.errors[r] == is_error(wanted[r], n).sum()
            vector_starts = range(0, len(state), size)
            boundary = sum(count_bits(state, v, v + 1) for v in vector_starts)
            assert boundary == (np.abs(wanted[r]) == 1).sum()
    group.check()


@pytest.mark.parametrize("row", [BOUNDARY, ERRORS, *range(DIGITS, 6)])
def test_a_wrong_bit_is_found(row):
    """Any bit of the state of a pattern, and the number of errors."""
    examples = examples_of(15, 70)
    (group,) = groups_of(examples, random_weights((1, 15), 4))
    group.check()
    group.chains.state[0, row, 1] ^= np.uint64(4)
    with pytest.raises(StatmechError, match="not those of its weights"):
        group.check()
    group.chains.state[0, row, 1] ^= np.uint64(4)
    group.check()
    group.chains.errors[0] += 1
    with pytest.raises(StatmechError, match="not those of its weights"):
        group.check()


def test_a_wrong_bit_ends_a_run():
    """Within `CHECK` sweeps."""
    examples = examples_of(15, 70)
    (group,) = groups_of(examples, random_weights((1, 15), 4))
    group.chains.state[0, DIGITS, 0] ^= np.uint64(1)
    how = rules()
    thresholds = thresholds_of(how, 1.0, 70)
    with pytest.raises(StatmechError, match="the run was given up"):
        group.advance(thresholds, how, 0, 1, kernels.CHECK, group.record(1))


def test_columns():
    """Bit mu of column i is y x_i > 0; what is beyond P is not set."""
    for n, p in ((1, 1), (7, 64), (9, 513), (3, 1030)):
        examples = examples_of(n, p)
        columns = pack(examples)
        assert columns.shape == (n * max(2, -(-p // 512)), 8)
        assert columns.ctypes.data % 64 == 0
        bits = np.unpackbits(
            columns.view(np.uint8).reshape(n, -1), axis=1, bitorder="little"
        )
        np.testing.assert_array_equal(bits[:, :p], examples.aligned.T > 0)
        assert not bits[:, p:].any()


@pytest.mark.parametrize("n", [1, 3, 7, 9, 101, 1023, 1025, 2**15 + 1])
def test_digits_hold_every_stability(n):
    """From -N to N, at every threshold, and a threshold is odd."""
    for kappa in (0.0, 0.5, -0.5, math.sqrt(n), -math.sqrt(n)):
        threshold = threshold_of(n, kappa)
        assert threshold % 2 == 1
        assert threshold >= kappa * math.sqrt(n) > threshold - 2
        size = state_rows(n, threshold)
        s = np.array([-n, -1, 1, n, threshold, threshold - 2], dtype=np.int32)
        s = np.clip(s, -n, n)
        state, found = vectors(size), np.empty_like(s)
        assert encode(s, threshold, size, state) == (s < threshold).sum()
        decode(state, threshold, size, found)
        np.testing.assert_array_equal(found, s)


def test_vectors_lie_on_lines_of_the_cache():
    for n in (1, 3, 10):
        assert vectors(n).ctypes.data % 64 == 0
        assert vectors(n).shape == (n, 8)


PLAIN = """
import warnings
import numba
assert numba.config.DISABLE_JIT == {disabled}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # words wrap, of which Python's integers warn
    from statmech.perceptron import sample, teacher_examples
    for p in (20, 600, 1100):
        examples = teacher_examples(9, p, 1)
        for order in ("random", "permutation"):
            trace = sample(examples, 3.0, n_sweeps=3, n_burn_in=1, order=order)
            print(trace.errors.tolist(), trace.weights.tolist())
"""


def test_without_compilation_the_moves_are_the_same():
    """NUMBA_DISABLE_JIT=1, where vectors are arrays; one, two and three vectors."""
    runs = []
    for disabled in (0, 1):
        run = subprocess.run(
            [sys.executable, "-c", PLAIN.format(disabled=disabled)],
            env=os.environ | {"NUMBA_DISABLE_JIT": str(disabled)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        runs.append(run.stdout)
    assert runs[0] == runs[1] != ""
