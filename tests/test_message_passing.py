"""AMP and belief propagation against enumeration, naive twins and exact identities."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.stats import norm

from statmech.errors import ParameterError, ParameterTypeError
from statmech.kernels.gaussian import mills
from statmech.perceptron import (
    Examples,
    amp,
    bp,
    random_examples,
    relabel,
    teacher_examples,
)
from statmech.rng import generator
from statmech.status import Status

ALGORITHMS = (amp, bp)
both = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=("amp", "bp"))


def test_mills_kernel_against_mpmath() -> None:
    """Rounding of u**2 / 2 costs (1 + u**2) ulp on the right, a few ulp on the left."""
    sizes = np.concatenate([10.0 ** np.linspace(-12, 7, 120), np.linspace(0, 30, 181)])
    with mpmath.workdps(40):
        for u in [*-sizes, *sizes[sizes < 30.0]]:
            exact = mpmath.npdf(u) / mpmath.ncdf(u)
            error = abs(float((mills(u) - exact) / exact))
            assert error < (1e-13 if abs(u) < 20.0 else 3e-16 * (10.0 + u * u)) or (
                u < 0.0 and error < 1e-15
            )
    assert mills(np.inf) == 0.0
    assert mills(-1e200) == 1e200


def naive_amp(
    examples, n_iter, seed, *, onsager=1.0, sign=1.0, spherical=False, prior=0.0
):
    """The iteration as it is written on paper, labels apart; its planted errors."""
    p, n = examples.inputs.shape
    f = examples.inputs / math.sqrt(n)
    y = examples.labels
    m = 0.01 * generator(seed).standard_normal(n)
    g, v = np.zeros(p), 1.0 - m @ m / n
    if spherical:
        v = 1.0
    for _ in range(n_iter):
        omega = f @ m - onsager * v * g
        argument = y * omega / math.sqrt(v)
        psi = np.exp(norm.logpdf(argument) - norm.logcdf(argument))
        g = y * psi / math.sqrt(v)
        big = np.sum(g**2 + omega * g / v) / n
        h = f.T @ g + sign * big * m
        m = (prior + h) / (1.0 + big) if spherical else np.tanh(prior + h)
        # The floor is for the planted errors only.
        v = 1.0 / (1.0 + big) if spherical else max(1.0 - m @ m / n, 1e-3)
    return m


@pytest.mark.parametrize("inputs", ["binary", "gaussian"])
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_amp_is_its_naive_twin(weights: str, inputs: str) -> None:
    examples = teacher_examples(51, 40, seed=2, weights=weights, inputs=inputs)
    prior = np.linspace(-0.5, 0.5, 51)
    found = amp(
        examples,
        weights=weights,
        prior=prior,
        max_iterations=5,
        tolerance=1e-300,
        seed=9,
    )
    twin = naive_amp(examples, 5, 9, spherical=weights == "spherical", prior=prior)
    np.testing.assert_allclose(found.mean, twin, rtol=1e-10, atol=1e-12)
    assert found.n_iter == 5
    assert found.q.shape == found.teacher_overlap.shape == (6,)
    start = 0.01 * generator(9).standard_normal(51)
    assert found.q[0] == pytest.approx(start @ start / 51, rel=1e-13)
    assert found.q[-1] == pytest.approx(twin @ twin / 51)
    teacher = examples.teacher * math.sqrt(51) / np.linalg.norm(examples.teacher)
    assert found.teacher_overlap[-1] == pytest.approx(twin @ teacher / 51)
    cosine = twin @ teacher / np.linalg.norm(twin) / np.linalg.norm(teacher)
    assert found.generalization_error[-1] == pytest.approx(math.acos(cosine) / math.pi)


def naive_bp(examples, n_iter, seed, prior, spherical):
    """Messages m_{i -> mu} summed anew from all other contributions each time."""
    p, n = examples.inputs.shape
    f = examples.inputs * examples.labels[:, None] / math.sqrt(n)
    field = np.tile(0.01 * generator(seed).standard_normal(n) / p, (p, 1))
    precision = np.zeros((p, n))
    for _ in range(n_iter):
        for mu in range(p):
            others = np.arange(p) != mu
            h = prior + field[others].sum(axis=0)
            if spherical:
                v = 1.0 / (1.0 + precision[others].sum(axis=0))
                m = h * v
            else:
                m = np.tanh(h)
                v = 1.0 - m**2
            omega, total = f[mu] @ m, f[mu] ** 2 @ v
            u = omega / math.sqrt(total)
            g = math.exp(norm.logpdf(u) - norm.logcdf(u)) / math.sqrt(total)
            slope = g**2 + omega * g / total
            field[mu] = f[mu] * (g + f[mu] * slope * m)
            precision[mu] = f[mu] ** 2 * slope
    h = prior + field.sum(axis=0)
    return h / (1.0 + precision.sum(axis=0)) if spherical else np.tanh(h)


@pytest.mark.parametrize("inputs", ["binary", "gaussian"])
@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_bp_is_its_naive_twin(weights: str, inputs: str) -> None:
    examples = teacher_examples(11, 7, seed=2, weights=weights, inputs=inputs)
    prior = np.linspace(-0.5, 0.5, 11)
    found = bp(
        examples,
        weights=weights,
        prior=prior,
        max_iterations=3,
        tolerance=1e-300,
        seed=4,
    )
    twin = naive_bp(examples, 3, 4, prior, weights == "spherical")
    np.testing.assert_allclose(found.mean, twin, rtol=1e-9, atol=1e-12)


def enumerate_posterior(examples, prior=0.0, kappa=0.0):
    """Exact mean weight and log Z / N over all students without errors."""
    n = examples.n_weights
    students = np.array(list(itertools.product((-1, 1), repeat=n)))
    fields = students @ examples.inputs.T * examples.labels / math.sqrt(n)
    allowed = students[(fields >= kappa).all(axis=1)]
    boltzmann = np.exp((allowed * prior).sum(axis=1))
    mean = boltzmann @ allowed / boltzmann.sum()
    return mean, math.log(boltzmann.sum()) / n


N_INSTANCES = 30


def rms(differences) -> float:
    return math.sqrt(np.mean(np.square(np.concatenate(differences))))


@both
@pytest.mark.parametrize("n", [11, 13, pytest.param(15, marks=pytest.mark.nightly)])
def test_posterior_means_of_small_perceptrons(algorithm, n: int) -> None:
    """Corrections are O(1/N): below 1/N here, and those of planted errors above.

    Few instances of so small a size have messages that do not settle.
    """
    good, no_onsager, wrong_sign, entropies = [], [], [], []
    for seed in range(N_INSTANCES):
        examples = teacher_examples(n, 3, seed)
        exact, entropy = enumerate_posterior(examples)
        found = algorithm(examples, max_iterations=1000)
        if not found.status.ok:
            continue
        good.append(found.mean - exact)
        entropies.append(found.entropy - entropy)
        no_onsager.append(naive_amp(examples, 100, 0, onsager=0.0) - exact)
        wrong_sign.append(naive_amp(examples, 100, 0, sign=-1.0) - exact)
    assert len(good) >= 0.9 * N_INSTANCES
    assert rms(good) < 1.0 / n
    assert rms(no_onsager) > 1.0 / n
    assert rms(wrong_sign) > 1.2 * rms(good)
    # Per weight the Bethe entropy is right to O(1/N) of its O(1/N) corrections.
    assert abs(np.mean(entropies)) < 1.0 / n**2


@both
def test_prior_fields_and_margin(algorithm) -> None:
    differences, entropies, without_prior, without_margin = [], [], [], []
    prior = np.linspace(-0.5, 0.5, 13)
    for seed in range(N_INSTANCES):
        examples = random_examples(13, 2, seed, inputs="gaussian")
        exact, entropy = enumerate_posterior(examples, prior, kappa=-0.5)
        found = algorithm(examples, prior=prior, kappa=-0.5, max_iterations=1000)
        if not found.status.ok:
            continue
        differences.append(found.mean - exact)
        entropies.append(found.entropy - entropy)
        without_prior.append(algorithm(examples, kappa=-0.5).mean - exact)
        without_margin.append(algorithm(examples, prior=prior).mean - exact)
    assert len(differences) >= 0.9 * N_INSTANCES
    assert rms(differences) < 1.0 / 13
    assert abs(np.mean(entropies)) < 0.02
    assert rms(without_prior) > 2.0 * rms(differences)
    assert rms(without_margin) > 2.0 * rms(differences)


@both
def test_spherical_posterior_by_rejection(algorithm) -> None:
    """2**18 Gaussian students, those without errors kept: error 0.01 on a mean."""
    students = np.random.default_rng(1).standard_normal((2**18, 12))
    differences, entropies = [], []
    for seed in range(6):
        examples = teacher_examples(12, 4, seed, weights="spherical", inputs="gaussian")
        fields = students @ examples.inputs.T * examples.labels
        allowed = students[(fields > 0.0).all(axis=1)]
        found = algorithm(examples, weights="spherical", max_iterations=1000)
        assert found.status is Status.CONVERGED
        differences.append(found.mean - allowed.mean(axis=0))
        entropies.append(found.entropy - math.log(len(allowed) / len(students)) / 12)
    assert rms(differences) < 1.0 / 12
    assert abs(np.mean(entropies)) < 0.02


@pytest.mark.parametrize("weights", ["binary", "spherical"])
def test_both_have_one_fixed_point(weights: str) -> None:
    """They differ by O(1/sqrt(N)) at worst; by less than a tenth of that on average."""
    examples = teacher_examples(1001, 500, seed=3, weights=weights)
    one = amp(examples, weights=weights)
    two = bp(examples, weights=weights)
    assert one.status.ok
    assert two.status.ok
    assert np.abs(one.mean - two.mean).max() < 1.0 / math.sqrt(1001)
    assert abs(one.q[-1] - two.q[-1]) < 0.1 / math.sqrt(1001)
    assert abs(one.entropy - two.entropy) < 0.1 / math.sqrt(1001)


def z_score(values) -> float:
    values = np.asarray(values)
    return float(values.mean() / (values.std(ddof=1) / math.sqrt(values.size)))


def test_nishimori_of_enumeration() -> None:
    """<R> = <q> is exact for the posterior mean of a teacher drawn from the prior.

    |z| < 4: false alarm 6e-5 (200 instances). Planted: a teacher not drawn from it.
    """
    gaps, planted = [], []
    for seed in range(200):
        examples = teacher_examples(9, 6, seed)
        mean, _ = enumerate_posterior(examples)
        gaps.append((mean @ examples.teacher - mean @ mean) / 9)
        fixed = relabel(examples, mean)  # the most typical teacher instead
        planted.append((mean @ np.sign(fixed.teacher) - mean @ mean) / 9)
    assert abs(z_score(gaps)) < 4.0
    assert abs(z_score(planted)) > 4.0


@pytest.mark.parametrize(
    ("n", "n_samples"),
    [(1001, 16), pytest.param(501, 200, marks=pytest.mark.nightly)],
)
def test_nishimori_of_amp(n: int, n_samples: int) -> None:
    """R = q of the teacher's own labels; |z| < 4, and a bias of O(1/N) allowed for."""
    gaps, entropies = [], []
    for seed in range(n_samples):
        found = amp(teacher_examples(n, n // 2, seed))
        assert found.status.ok
        gaps.append(found.teacher_overlap[-1] - found.q[-1])
        entropies.append(found.entropy)
    error = np.std(gaps, ddof=1) / math.sqrt(n_samples)
    assert abs(np.mean(gaps)) < 4.0 * error + 1.0 / n
    assert 4.0 * error + 1.0 / n < 0.1 * found.q[-1]  # so that R = 0 would be seen


@both
def test_teacher_is_found_exactly(algorithm) -> None:
    """alpha = 2, beyond 1.493: no other student, and nothing that hides the teacher."""
    for seed in range(4):
        examples = teacher_examples(1001, 2002, seed)
        found = algorithm(examples)
        assert found.status is Status.CONVERGED
        np.testing.assert_array_equal(np.sign(found.mean), examples.teacher)
        assert found.entropy == 0.0
        assert found.q[-1] > 1.0 - 0.2 / 1001


def test_hard_phase_is_a_fixed_point_away_from_the_teacher() -> None:
    found = amp(teacher_examples(2001, 2601, seed=1), max_iterations=1000)
    assert found.q[-1] < 0.9


@both
def test_outcomes(algorithm) -> None:
    examples = random_examples(101, 40, seed=1)
    found = algorithm(examples)
    assert found.status.ok
    assert np.isnan(found.teacher_overlap).all()
    assert np.isnan(found.generalization_error).all()
    short = algorithm(examples, max_iterations=1)
    assert short.status is Status.NOT_CONVERGED
    assert math.isnan(short.entropy)
    assert short.q.shape == (2,)
    # Beyond capacity nothing is there to be found, whatever the messages do.
    lost = algorithm(random_examples(51, 300, seed=1), max_iterations=100)
    assert not lost.status.ok
    assert np.isfinite(lost.mean).all()


@both
@pytest.mark.parametrize("weights", ["binary", "spherical"])
@pytest.mark.parametrize(
    "change", [{"kappa": 1e3}, {"kappa": -1e3}, {"prior": np.full(21, 1e6)}]
)
def test_extremes_end_without_a_warning(algorithm, weights: str, change) -> None:
    found = algorithm(random_examples(21, 9, seed=1), weights=weights, **change)
    assert np.isfinite(found.mean).all()
    assert found.status.ok == math.isfinite(found.entropy)


@both
def test_repeats_and_follows_the_seed(algorithm) -> None:
    examples = random_examples(101, 40, seed=1)
    first, second = (algorithm(examples, max_iterations=3, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.mean, second.mean)
    other = algorithm(examples, max_iterations=3, seed=5, path=(1,))
    assert (first.mean != other.mean).any()


def test_symmetries() -> None:
    """A gauge transformation of patterns and labels maps the fixed point."""
    examples = teacher_examples(101, 50, seed=1)
    gauge = np.where(np.arange(101) % 3 == 0, -1, 1)
    moved = Examples(examples.inputs * gauge, examples.labels)
    for algorithm in ALGORITHMS:
        one = algorithm(examples, initial_noise=0.0, tolerance=1e-12)
        two = algorithm(moved, initial_noise=0.0, tolerance=1e-12)
        np.testing.assert_allclose(one.mean * gauge, two.mean, atol=1e-9)


def test_damping_keeps_the_fixed_point() -> None:
    examples = teacher_examples(201, 100, seed=1)
    plain, damped = (
        amp(examples, damping=d, max_iterations=1000, tolerance=1e-12)
        for d in (0.0, 0.4)
    )
    assert damped.status.ok
    assert damped.n_iter > plain.n_iter
    np.testing.assert_allclose(plain.mean, damped.mean, atol=1e-9)


@both
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"weights": "ternary"}, ParameterError),
        ({"weights": 1}, ParameterTypeError),
        ({"prior": [0.0, 1.0]}, ParameterError),
        ({"prior": [math.nan] * 5}, ParameterError),
        ({"prior": "strong"}, ParameterTypeError),
        ({"prior": [1e7] * 5}, ParameterError),
        ({"kappa": math.inf}, ParameterError),
        ({"kappa": 1001.0}, ParameterError),
        ({"initial_noise": -0.1}, ParameterError),
        ({"initial_noise": 0.5}, ParameterError),
        ({"max_iterations": 0}, ParameterError),
        ({"max_iterations": 2.5}, ParameterTypeError),
        ({"tolerance": 0.0}, ParameterError),
        ({"seed": -1}, ParameterError),
        ({"path": "a"}, ParameterTypeError),
    ],
)
def test_bad_input(algorithm, change, error) -> None:
    examples = random_examples(5, 3, seed=1)
    with pytest.raises(error, match=next(iter(change))):
        algorithm(examples, **change)


@both
def test_examples_are_asked_for(algorithm) -> None:
    with pytest.raises(ParameterTypeError, match="examples"):
        algorithm(np.ones((3, 5)))


def test_damping_is_checked() -> None:
    with pytest.raises(ParameterError, match="damping"):
        amp(random_examples(5, 3, seed=1), damping=1.0)
