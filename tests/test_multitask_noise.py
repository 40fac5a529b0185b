"""One step of retrieval and the number of examples it needs; the loss of a pattern."""

import math
from functools import cache

import numpy as np
import pytest
from learning_reference import Sites
from multitask_reference import law_of_classes
from scipy.stats import binom

from analytics.multitask import (
    find_min_examples,
    hierarchy_min_examples,
    loss_product,
    losses,
    one_step_magnetization,
)
from analytics.multitask.noise import _Crosstalk
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

sites = cache(Sites)


def step(k, d, m, r, law="binomial"):
    found = one_step_magnetization(k, d, n_examples=m, quality=r, law=law)
    assert found.status.ok
    assert found.error < 1e-11
    return found.value


# One step ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "system",
    [(1, 0.3, 5, 0.4), (2, 0.3, 3, 0.4), (2, 0.5, 4, 0.2), (3, 0.4, 2, 0.6)],
    ids=str,
)
def test_listed_outcomes_take_the_same_step(system):
    k, d, m, r = system
    assert step(k, d, m, r) == pytest.approx(sites(k, d, m, r).one_step(), abs=1e-13)


def test_without_blanks_it_is_a_majority_vote():
    for m, r in ((7, 0.3), (8, 0.3), (401, 0.05)):
        vote = 1 - 2 * binom.cdf((m - 1) // 2, m, 0.5 * (1 + r))
        vote -= binom.pmf(m // 2, m, 0.5 * (1 + r)) if m % 2 == 0 else 0.0
        assert step(1, 0.0, m, r) == pytest.approx(vote, abs=1e-13)
        assert step(5, 0.0, m, r) == pytest.approx(vote, abs=1e-13)


def test_gaussian_step_class_by_class():
    for k, d, m, r in ((2, 0.3, 7, 0.4), (4, 0.55, 30, 0.2)):
        rho = (1 - r * r) / (m * r * r)
        total = 0.0
        for weight, xi in law_of_classes(k, d):
            signal = sum(x * d**mu for mu, x in enumerate(xi))
            square = rho * sum((x * d**mu) ** 2 for mu, x in enumerate(xi))
            if xi[0]:
                total += weight * xi[0] * math.erf(signal / math.sqrt(2 * square))
        assert step(k, d, m, r, "gaussian") == pytest.approx(total, abs=1e-14)


def test_many_examples_are_gaussian():
    for k in (2, 3):
        gap = [
            abs(step(k, 0.3, m, 1 / math.sqrt(1 + 0.7 * m)) - limit)
            for m in (25, 401)
            for limit in [step(k, 0.3, m, 1 / math.sqrt(1 + 0.7 * m), "gaussian")]
        ]
        assert gap[1] < gap[0] / 4
        assert gap[1] < 1e-3


@pytest.mark.parametrize(
    ("system", "printed"),
    [
        ((2, 0.3, 7, 0.4), 0.7177),
        ((3, 0.3, 4, 0.5), 0.6875),
        ((3, 0.5, 15, 0.3), 0.6996),
    ],
)
def test_printed_steps(system, printed):
    assert round(step(*system) / (1 - system[1]), 4) == printed


def test_step_without_noise():
    for law in ("closed", "gaussian", "binomial"):
        assert step(1, 0.3, 3, 1.0, law) == pytest.approx(0.7)
    for law in ("gaussian", "binomial"):
        assert step(3, 0.3, 3, 1.0, law) == pytest.approx(0.7)
        # Beyond the hierarchical threshold two patterns outvote the first.
        flipped = 2 * 0.3 * 0.15**2
        assert step(3, 0.7, 3, 1.0, law) == pytest.approx(0.3 - flipped)


# Numbers of examples -----------------------------------------------------------

# (K, d, r), closed, exact cross-talk, exact
TABLE = [
    ((2, 0.3, 0.2), "27.23", "27.19", 28),
    ((3, 0.3, 0.3), "11.60", "11.59", 12),
    ((2, 0.3, 0.4), "5.956", "5.948", 7),
    ((2, 0.5, 0.4), "6.750", "6.629", 7),
    ((5, 0.5, 0.4), "7.340", "7.210", 8),
    ((3, 0.5, 0.5), "4.111", "4.037", 5),
]
every_row = pytest.mark.parametrize(
    ("system", "closed", "crosstalk", "exact"), TABLE, ids=str
)


@every_row
def test_printed_numbers_of_examples(system, closed, crosstalk, exact):
    digits = len(closed.split(".")[1])
    for law, printed in (("closed", closed), ("gaussian", crosstalk)):
        found = find_min_examples(*system, law=law)
        assert f"{found.value:.{digits}f}" == printed
        assert found.error < 1e-12
    assert find_min_examples(*system, law="binomial").value == exact


@every_row
def test_it_is_the_smallest_that_holds_for_good(system, closed, crosstalk, exact):
    k, d, r = system
    goal = (1 - d) * math.erf(2**-0.5)
    assert step(k, d, exact - 1, r) < goal
    for m in range(exact, exact + 12 if k == 5 else exact + 60):
        assert step(k, d, m, r) >= goal


def test_criterion_holds_where_it_says():
    """The Gaussian number put back, as a noise level that a long lattice can have."""
    for theta in (0.3, 2**-0.5, 1.5):
        for law in ("closed", "gaussian"):
            number = find_min_examples(2, 0.3, 0.3, theta=theta, law=law).value
            rho = (1 - 0.09) / (number * 0.09)
            r = 1 / math.sqrt(1 + 1000 * rho)
            value = step(2, 0.3, 1000, r, law)
            assert value == pytest.approx(0.7 * math.erf(theta), abs=1e-12)


def test_bound_never_exceeds_the_exact_value_nor_decreases():
    for k, d, r in ((2, 0.3, 0.2), (3, 0.5, 0.5), (3, 0.7, 0.4), (1, 0.2, 0.05)):
        crosstalk, last = _Crosstalk(k, d), -1.0
        for m in [*range(1, 40), 100, 101, 300]:
            bound = crosstalk.bound(m, r)
            assert last <= bound <= step(k, d, m, r) + 1e-14
            last = bound
        assert crosstalk.bound(10**9, r) == pytest.approx(crosstalk.gaussian(0.0))


def test_where_no_number_suffices():
    # A = 1/(2 theta**2): the closed form diverges.
    d = 0.6
    edge = math.sqrt(0.5 / (d * d * (1 - d**8) / (1 + d)))
    for factor, status in ((0.999, Status.CLOSED_FORM), (1.001, Status.NO_TRANSITION)):
        theta = factor * edge
        assert find_min_examples(5, d, 0.4, theta=theta, law="closed").status is status
    # Three patterns beyond d = 0.618: 1 in 44 of the sites of the first are lost.
    for law in ("gaussian", "binomial"):
        lost = find_min_examples(3, 0.7, 0.4, theta=1.5, law=law)
        assert lost.status is Status.NO_TRANSITION
        assert find_min_examples(3, 0.7, 0.4, law=law).status.ok


def test_perfect_and_poor_examples():
    assert find_min_examples(2, 0.3, 1.0).value == 0.0
    assert find_min_examples(2, 0.3, 1.0, law="binomial").value == 1.0
    assert find_min_examples(1, 0.3, 0.3, law="closed").value == pytest.approx(
        0.91 / 0.09
    )
    assert find_min_examples(4, 0.0, 0.3).value == pytest.approx(0.91 / 0.09)
    few = find_min_examples(2, 0.3, 0.01, law="binomial").value
    assert few == math.ceil(find_min_examples(2, 0.3, 0.01).value)
    assert find_min_examples(2, 0.3, 1e-6).value == pytest.approx(
        1.1328602e12, rel=1e-3
    )


def test_printed_hierarchy():
    printed = {(0.3, 0.4): "14.25", (0.3, 0.2): "65.1", (0.5, 0.4): "37.2"}
    for (d, r), text in printed.items():
        found = hierarchy_min_examples(2, d, r)
        assert f"{found.value:.{len(text) - 3}f}" == text
    assert hierarchy_min_examples(3, 0.0, 0.3).status is Status.NO_TRANSITION
    assert hierarchy_min_examples(2, 0.3, 1.0).value == 0.0


# Loss --------------------------------------------------------------------------


def test_losses_and_energy_of_configurations():
    """Machine precision, for archetypes and for averaged examples."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        k, n = rng.integers(1, 5), rng.integers(1, 60)
        entries = rng.choice([-1.0, 0.0, 1.0], size=(k, n), p=[0.3, 0.4, 0.3])
        for rows in (entries, entries * rng.normal(1.0, 0.7, size=(k, n))):
            spins = rng.choice([-1.0, 1.0], size=n)
            m, q = rows @ spins / n, (rows**2).mean(axis=1)
            plus, minus = losses(m, q)
            assert plus == pytest.approx(((rows - spins) ** 2).mean(axis=1) / 2)
            assert minus == pytest.approx(((rows + spins) ** 2).mean(axis=1) / 2)
            product = loss_product(m, q)
            energy = -((rows @ spins) ** 2).sum() / (2 * n * n)
            found = 0.5 * (product - (0.5 * (1 + q)) ** 2).sum()
            assert found == pytest.approx(energy, abs=1e-14 * (1 + (q**2).sum()))


# Bad input ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda: step(0, 0.3, 5, 0.4), ParameterError, "n_patterns"),
        (lambda: step(13, 0.3, 5, 0.4), ParameterError, "n_patterns"),
        (lambda: step(2, 1.0, 5, 0.4), ParameterError, "dilution"),
        (lambda: step(2, 0.3, 0, 0.4), ParameterError, "n_examples"),
        (lambda: step(2, 0.3, 5, 0.0), ParameterError, "quality"),
        (lambda: step(2, 0.3, 5, 0.4, "exact"), ParameterError, "law"),
        (lambda: step(8, 0.3, 90, 0.4), ParameterError, "n_patterns"),
        (lambda: find_min_examples(2.0, 0.3, 0.4), ParameterTypeError, "n_patterns"),
        (lambda: find_min_examples(2, -0.1, 0.4), ParameterError, "dilution"),
        (lambda: find_min_examples(2, 0.3, 1.4), ParameterError, "quality"),
        (lambda: find_min_examples(2, 0.3, 0.4, theta=0.0), ParameterError, "theta"),
        (lambda: find_min_examples(2, 0.3, 0.4, theta=9.0), ParameterError, "theta"),
        (lambda: find_min_examples(2, 0.3, 0.4, law="b"), ParameterError, "law"),
        (lambda: hierarchy_min_examples(1, 0.3, 0.4), ParameterError, "n_patterns"),
        (lambda: hierarchy_min_examples(2, 0.3, -1), ParameterError, "quality"),
        (lambda: loss_product(0.9, 0.7), ParameterError, "m"),
        (lambda: loss_product(0.1, -0.7), ParameterError, "activity"),
        (lambda: loss_product([0.1, math.nan], 0.7), ParameterError, "m"),
        (lambda: loss_product("0.1", 0.7), ParameterTypeError, "m"),
        (lambda: losses([[0.1], [0.1, 0.2]], 0.7), ParameterTypeError, "m"),
    ],
)
def test_bad_input(call, error, name):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.name == name
