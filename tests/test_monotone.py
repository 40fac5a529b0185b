"""The parameterisation: what is symmetric, hollow and below kappa, and what is lost."""

from __future__ import annotations

import factor_reference as reference
import numpy as np
import pytest

from statmech.boltzmann import BoltzmannMachine
from statmech.errors import ParameterError, ParameterTypeError
from statmech.monotone import from_factor, scale_to, to_factor

MIXED = [2, 3, 1, 4, 2]
EPS = float(np.finfo(np.float64).eps)


def free_factor(seed, rank, n_states, scale=1.0):
    return np.random.default_rng(seed).normal(size=(rank, sum(n_states))) * scale


def biases_of(seed, n_states):
    return np.random.default_rng(seed).normal(size=sum(n_states))


def hollow_symmetric(seed, n_states, scale=1.0):
    d = sum(n_states)
    phi = np.random.default_rng(seed).normal(size=(d, d)) * scale
    phi += phi.T
    for first, last in reference.bounds(n_states):
        phi[first:last, first:last] = 0.0
    return phi


def check_class(phi, n_states, kappa):
    """Raises unless Phi is symmetric, hollow and below kappa, the first two exactly."""
    assert (phi == phi.T).all()
    for first, last in reference.bounds(n_states):
        assert (phi[first:last, first:last] == 0.0).all()
    values = np.linalg.eigvalsh(phi)
    assert values[-1] <= kappa + 8 * EPS * len(phi) * np.abs(values).max()


@pytest.mark.parametrize("kappa", [0.1, 0.95, 1.0, 1.999])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("n_states", [[2] * 6, MIXED, [1, 1, 1]])
@pytest.mark.parametrize("rank", [1, 2, 9])
def test_class(kappa, center, n_states, rank):
    for scale in (0.1, 1.0, 30.0):
        factor = free_factor(rank, rank, n_states, scale)
        b = biases_of(1, n_states)
        model = from_factor(factor, b, n_states, kappa=kappa, center=center)
        check_class(model.potentials, n_states, kappa)
        plain = reference.capped_potentials(factor, n_states, kappa, center)
        size = 16 * EPS * rank * kappa
        assert np.abs(model.potentials - plain).max() <= size
        q = np.random.default_rng(2).random((3, model.size))
        product = q @ plain
        assert np.abs(model.product(q) - product).max() <= size * model.size
        assert model.guarantee == ("monotone" if kappa < 1.0 else model.guarantee)
        assert model.guarantee != "none"


def test_scaling_rows_only_is_noticed():
    """The planted bug: each row scaled by its own block gives an asymmetric matrix."""
    factor = free_factor(3, 4, MIXED, 2.0)
    check_class(
        from_factor(factor, np.zeros(12), MIXED, kappa=0.9).potentials, MIXED, 0.9
    )
    broken = reference.capped_potentials(factor, MIXED, 0.9, bug="rows only")
    assert np.abs(broken - broken.T).max() > 0.01
    with pytest.raises(AssertionError):
        check_class(broken, MIXED, 0.9)


def test_a_block_within_the_bound_is_not_touched():
    """The cap moves what is above it only: small factors give A^T A to the bit."""
    factor = free_factor(4, 3, MIXED, 0.05)
    model = from_factor(factor, np.zeros(12), MIXED, kappa=0.5)
    assert (model.factor == factor).all()
    factor[:, 2:5] *= 1000.0
    model = from_factor(factor, np.zeros(12), MIXED, kappa=0.5)
    untouched = np.r_[0:2, 5:12]
    assert (model.factor[:, untouched] == factor[:, untouched]).all()
    norm = np.linalg.norm(model.factor[:, 2:5], 2)
    assert abs(norm / np.sqrt(0.5) - 1.0) < 8 * EPS


def test_one_sided():
    """Equal blocks of full norm: lambda_min = -(n - 1) kappa, the most repulsive."""
    n, kappa = 7, 0.9
    block = np.random.default_rng(5).normal(size=(2, 3)) * 10.0
    block -= block.mean(axis=1, keepdims=True)
    model = from_factor(np.tile(block, n), np.zeros(3 * n), 3, kappa=kappa)
    low, high = model.spectrum()
    assert abs(low + (n - 1) * kappa) < 1e-12
    assert 0.0 <= high <= kappa * (1 + 1e-12)


def test_centred_factor_is_the_fixed_gauge():
    """Without a cap, `center` gives P Phi P; with one, the bound on tangents stays."""
    factor = free_factor(6, 5, MIXED, 0.05)
    b = biases_of(7, MIXED)
    plain = from_factor(factor, b, MIXED, kappa=1.5)
    centred = from_factor(factor, b, MIXED, kappa=1.5, center=True)
    fixed, _ = plain.gauge_fixed()
    assert np.abs(centred.potentials - fixed.potentials).max() < 1e-15
    # Columns that are equal within each variable: no cap where they have no part.
    shifted = factor + np.repeat(free_factor(8, 5, [1] * 5, 50.0), MIXED, axis=1)
    again = from_factor(shifted, b, MIXED, kappa=1.5, center=True)
    assert np.abs(again.potentials - centred.potentials).max() < 1e-12
    capped = from_factor(shifted, b, MIXED, kappa=1.5)
    assert capped.spectrum()[1] < 0.1 * centred.spectrum()[1]


def test_gauge_leaves_the_fixed_point():
    factor = free_factor(9, 5, MIXED)
    model = from_factor(factor, biases_of(10, MIXED), MIXED, kappa=0.9)
    fixed, _ = model.gauge_fixed()
    q = reference.solve_mean_field(model.potentials, model.biases, MIXED)
    again = reference.solve_mean_field(fixed.potentials, fixed.biases, MIXED)
    assert np.abs(q - again).max() < 1e-13


@pytest.mark.parametrize("n_states", [[2] * 5, [3] * 4, MIXED, [1, 1]])
def test_complete(n_states):
    """Any symmetric hollow Phi <= kappa I comes back from its factor, by no cap."""
    phi = hollow_symmetric(11, n_states)
    for kappa in (0.3, 1.7):
        largest = np.linalg.eigvalsh(phi)[-1]
        for share in (0.2, 1.0 - 1e-9, 1.0):
            wanted = phi * (share * kappa / largest)
            factor = to_factor(wanted, kappa)
            b = np.zeros(len(phi))
            back = from_factor(factor, b, n_states, kappa=kappa).potentials
            size = max(kappa, np.linalg.norm(wanted, 2))
            assert np.abs(back - wanted).max() < 16 * EPS * len(phi) * size
            if share < 0.5:
                assert factor.shape[0] == len(phi)
            model = BoltzmannMachine(wanted, b, n_states)
            assert (to_factor(model, kappa) == factor).all()


def test_no_factor_above_the_bound():
    phi = hollow_symmetric(12, MIXED)
    largest = float(np.linalg.eigvalsh(phi)[-1])
    with pytest.raises(ParameterError) as raised:
        to_factor(phi, 0.9)
    assert raised.value.name == "kappa"
    assert repr(largest)[:10] in str(raised.value)
    # The gauge may be what is too large: on tangents this Phi is nothing.
    phi = np.zeros((4, 4))
    phi[:2, 2:] = phi[2:, :2] = 3.0
    model = BoltzmannMachine(phi, np.zeros(4), 2)
    with pytest.raises(ParameterError):
        to_factor(model, 0.9)
    assert np.allclose(to_factor(model.gauge_fixed()[0], 0.9), np.sqrt(0.9) * np.eye(4))


def test_rescaling():
    phi = hollow_symmetric(13, MIXED)
    model = BoltzmannMachine(phi, biases_of(14, MIXED), MIXED)
    scaled, factor = scale_to(model, 0.8)
    assert np.abs(scaled.potentials - factor * phi).max() < 1e-15
    fresh = BoltzmannMachine(scaled.potentials, scaled.biases, MIXED)
    assert np.allclose(scaled.spectrum(), fresh.spectrum(), rtol=1e-12)
    assert abs(fresh.spectrum()[1] - 0.8) < 1e-12
    assert (scaled.biases == model.biases).all()
    low_rank = from_factor(free_factor(15, 2, MIXED), np.zeros(12), MIXED, kappa=0.9)
    scaled, factor = scale_to(low_rank, 4.0)
    assert scaled.low_rank
    assert scaled.guarantee == "none"
    assert np.abs(scaled.potentials - factor * low_rank.potentials).max() < 1e-14
    fresh = BoltzmannMachine(scaled.potentials, scaled.biases, MIXED)
    assert abs(fresh.spectrum()[1] - 4.0) < 1e-12
    with pytest.raises(ParameterError, match="lambda_max"):
        scale_to(BoltzmannMachine(np.zeros((4, 4)), np.zeros(4), 2), 1.0)
    with pytest.raises(ParameterTypeError):
        scale_to(phi, 1.0)
    with pytest.raises(ParameterError):
        scale_to(model, 0.0)


def test_extreme_factors():
    """No overflow in the norms of large blocks, nothing lost in those of small ones."""
    factor = free_factor(16, 3, MIXED)
    b = np.zeros(12)
    large = from_factor(1e200 * factor, b, MIXED, kappa=0.7)
    reference_model = from_factor(1e3 * factor, b, MIXED, kappa=0.7)
    assert np.abs(large.potentials - reference_model.potentials).max() < 1e-14
    small = from_factor(1e-170 * factor, b, MIXED, kappa=0.7)
    assert (small.factor == 1e-170 * factor).all()
    for empty in (np.zeros((0, 12)), np.zeros((2, 12))):
        model = from_factor(empty, b, MIXED, kappa=0.7, center=True)
        assert not model.potentials.any()
        assert not model.product(np.ones(12)).any()


def test_arguments_are_left_alone():
    factor, b = free_factor(17, 3, MIXED), biases_of(18, MIXED)
    before = factor.copy(), b.copy()
    from_factor(factor, b, MIXED, kappa=0.5, center=True)
    from_factor(factor, b, MIXED, kappa=1.5)
    assert (factor == before[0]).all()
    assert (b == before[1]).all()
    factor[0, 0] = b[0] = 1.0  # still writable


@pytest.mark.parametrize(
    ("change", "error", "name"),
    [
        ({"kappa": 2.0}, ParameterError, "kappa"),
        ({"kappa": 0.0}, ParameterError, "kappa"),
        ({"kappa": "1"}, ParameterTypeError, "kappa"),
        ({"center": 1}, ParameterTypeError, "center"),
        ({"factor": np.ones((3, 11))}, ParameterError, "factor"),
        ({"factor": np.full((3, 12), np.nan)}, ParameterError, "factor"),
        ({"factor": np.ones(12)}, ParameterError, "factor"),
        ({"biases": np.ones(5)}, ParameterError, "n_states"),
        ({"n_states": 5}, ParameterError, "n_states"),
    ],
)
def test_bad_input(change, error, name):
    arguments = {"factor": np.ones((3, 12)), "biases": np.ones(12), "n_states": MIXED}
    with pytest.raises(error) as raised:
        from_factor(**(arguments | {"kappa": 0.5} | change))
    assert raised.value.name == name


def test_factor_of_what_has_none():
    for source in (np.ones((2, 3)), np.array([[0.0, 1.0], [0.5, 0.0]])):
        with pytest.raises(ParameterError, match="source"):
            to_factor(source, 0.9)
