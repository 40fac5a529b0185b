"""Spherical teacher and student against mpmath, thermodynamics and simulation."""

import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import t as student_t

from analytics.perceptron.spherical import RULES, solve_spherical
from statmech.errors import ParameterError, ParameterTypeError
from statmech.status import Status

ALPHAS = (0.05, 0.5, 1.0, 2.0, 6.0, 30.0, 1000.0)


def mp_phi(x):
    return mpmath.npdf(x)


def mp_tail(x):
    return mpmath.erfc(x / mpmath.sqrt(2)) / 2


def mp_integral(f, points):
    with mpmath.workdps(25):
        return float(mpmath.quad(f, points))


# Gibbs and Bayes -----------------------------------------------------------------


@pytest.mark.parametrize("alpha", ALPHAS)
def test_gibbs_equation(alpha):
    """R = (alpha/pi) sqrt(1 - R) int Dx exp(-R x**2/2) / H(sqrt(R) x), by mpmath."""
    student = solve_spherical(alpha, "gibbs")
    assert student.status is Status.CONVERGED
    error = student.generalization_error
    r = 1 - 2 * math.sin(0.5 * math.pi * error) ** 2
    gap = 2 * math.sin(0.5 * math.pi * error) ** 2
    pull = mp_integral(
        lambda x: mp_phi(x) * mpmath.exp(-r * x * x / 2) / mp_tail(mpmath.sqrt(r) * x),
        [-12, -4, 0, 4, 12],
    )
    assert r / math.sqrt(gap) == pytest.approx(alpha * pull / math.pi, rel=1e-12)
    assert student.teacher_overlap == pytest.approx(r, abs=1e-14)
    assert student.q == pytest.approx(student.teacher_overlap, abs=1e-15)
    assert (student.training_errors, student.margin) == (0.0, 0.0)


def share(a):
    """2 int Dz H(-a z) ln H(-a z), by mpmath over x = a z."""

    def integrand(x):
        return mp_phi(x / a) / a * mp_tail(-x) * mpmath.log(mp_tail(-x))

    return 2 * mp_integral(integrand, [-40, -8, -3, 0, 3, 8, 40])


def free_entropy(alpha, q, r):
    """Of spherical students at overlaps q and R, off the symmetric line q = R."""

    def patterns(z):
        weight = ndtr(r * z / math.sqrt(q - r * r)) if q > r * r else float(z > 0)
        log_phi = mpmath.log(mp_tail(-math.sqrt(q / (1 - q)) * z))
        return 2 * weight * float(log_phi) * math.exp(-z * z / 2)

    energy = quad(patterns, -9, 9, epsabs=1e-11, limit=200, points=[0.0])[0]
    room = 0.5 * math.log(1 - q) + (q - r * r) / (2 * (1 - q))
    return room + alpha * energy / math.sqrt(2 * math.pi)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 6.0])
def test_gibbs_entropy_is_stationary_in_q_and_r(alpha):
    student = solve_spherical(alpha, "gibbs")
    r = student.teacher_overlap
    assert student.entropy == pytest.approx(free_entropy(alpha, r, r), abs=1e-9)
    h = 1e-3 * (1 - r)
    for dq, dr in ((h, 0.0), (0.0, h)):
        slope = free_entropy(alpha, r + dq, r + dr) - free_entropy(
            alpha, r - dq, r - dr
        )
        # Third derivatives are of the order of (1 - R)**-3.
        assert slope / (2 * h) == pytest.approx(0.0, abs=1e-5 / (1 - r))


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropy_falls_by_what_a_pattern_removes(alpha):
    """ds/dalpha = 2 int Dz H(-a z) ln H(-a z), a = sqrt(R / (1 - R))."""
    step = 0.01 * alpha

    def difference(h):
        up, down = (solve_spherical(alpha + s, "gibbs").entropy for s in (h, -h))
        return (up - down) / (2 * h)

    slope = (4 * difference(step / 2) - difference(step)) / 3
    error = solve_spherical(alpha, "gibbs").generalization_error
    gap = 2 * math.sin(0.5 * math.pi * error) ** 2
    assert slope == pytest.approx(share(math.sqrt((1 - gap) / gap)), rel=1e-7)


def test_bayes_is_the_centre_of_version_space():
    for alpha in ALPHAS:
        gibbs, bayes = (solve_spherical(alpha, rule) for rule in ("gibbs", "bayes"))
        assert bayes.q == gibbs.q
        assert bayes.teacher_overlap == pytest.approx(math.sqrt(gibbs.q), abs=1e-15)
        half = math.sin(0.5 * math.pi * gibbs.generalization_error)
        angle = math.asin(math.sqrt(2) * half) / math.pi
        assert bayes.generalization_error == pytest.approx(angle, rel=1e-13)
        assert math.isnan(bayes.entropy)


# Large load ----------------------------------------------------------------------


def test_constants_of_the_large_load():
    """alpha eps -> 0.6247 (Gibbs), 0.4417 (Bayes), 0.5005 (stability).

    From the equations at R = 1: sqrt(2) / int Dx exp(-x**2/2) / H(x), the same over
    sqrt(2), and 1 / (sqrt(2 pi) G(l)) with G(l) = int_{-inf}^l (l - s)**2 Phi(s) ds,
    G(l) = l Phi(l) + phi(l). Published: 0.62 and 0.44 (Opper and Haussler 1991), 0.50
    (Opper et al. 1990). Corrections are of relative order 1 / alpha**2.
    """
    pull = mp_integral(
        lambda x: mp_phi(x) * mpmath.exp(-x * x / 2) / mp_tail(x), [-12, -4, 0, 4, 12]
    )
    gibbs = math.sqrt(2) / pull

    def tilt(l):
        return l * mpmath.ncdf(l) + mpmath.npdf(l)

    def square(l):
        """int_{-inf}^l (l - s)**2 Phi(s) ds = E max(l - g, 0)**3 / 3."""
        return ((l**3 + 3 * l) * mpmath.ncdf(l) + (l * l + 2) * mpmath.npdf(l)) / 3

    root = mpmath.findroot(lambda l: tilt(l) - square(l), 0.8)
    stability = float(1 / (mpmath.sqrt(2 * mpmath.pi) * tilt(root)))
    for rule, constant, published in (
        ("gibbs", gibbs, 0.62),
        ("bayes", gibbs / math.sqrt(2), 0.44),
        ("max_margin", stability, 0.50),
    ):
        assert constant == pytest.approx(published, abs=0.005)
        for alpha in (1e4, 1e8, 1e12):
            error = solve_spherical(alpha, rule).generalization_error
            assert alpha * error == pytest.approx(constant, rel=10 / alpha**2 + 1e-12)


# Maximum stability -----------------------------------------------------------------


@pytest.mark.parametrize("alpha", ALPHAS)
def test_max_margin_equations(alpha):
    student = solve_spherical(alpha, "max_margin")
    sine = math.sin(math.pi * student.generalization_error)
    cosine = math.cos(math.pi * student.generalization_error)
    kappa = student.margin
    steep = cosine / sine
    first = mp_integral(
        lambda t: mp_phi(t) * (kappa - t) ** 2 * mpmath.ncdf(steep * t),
        sorted({-10.0, *(x / steep for x in (-10, -3) if x / steep > -10), 0.0, kappa}),
    )
    assert sine**2 == pytest.approx(2 * alpha * first, rel=1e-10)
    second = mp_integral(
        lambda t: mp_phi(t) * (kappa - sine * t),
        [-12, -3, min(0.0, kappa), kappa / sine],
    )
    assert cosine == pytest.approx(
        2 * alpha / math.sqrt(2 * math.pi) * second, rel=1e-10
    )
    assert student.teacher_overlap == pytest.approx(cosine, abs=1e-14)
    assert (student.q, student.training_errors) == (1.0, 0.0)
    assert math.isnan(student.entropy)


def test_max_margin_of_few_patterns():
    """Stabilities of orthogonal patterns: kappa = 1 / sqrt(alpha), to order sqrt."""
    for alpha in (1e-8, 1e-4):
        student = solve_spherical(alpha, "max_margin")
        scaled = student.margin * math.sqrt(alpha)
        assert scaled == pytest.approx(1.0, abs=alpha)
        hebb = solve_spherical(alpha, "hebb").teacher_overlap
        assert student.teacher_overlap == pytest.approx(hebb, rel=alpha)


# Hebb ------------------------------------------------------------------------------


def hebb_samples(n, alpha, n_samples, seed):
    """Teacher overlap and training errors per weight of Hebb students, (2, samples)."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(n_samples):
        x = generator.standard_normal((round(alpha * n), n))
        w = generator.standard_normal(n)
        y = np.sign(x @ w)
        j = y @ x
        overlap = j @ w / np.linalg.norm(j) / np.linalg.norm(w)
        rows.append((overlap, np.count_nonzero(y * (x @ j) < 0) / n))
    return np.array(rows).T


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_hebb_by_simulation(alpha):
    """Two averages within t standard errors, false alarm 1e-5 each, and O(1/N).

    The wrong theory, errors on new patterns instead of training patterns, fails.
    """
    n, n_samples = 400, 16
    student = solve_spherical(alpha, "hebb")
    expected = (student.teacher_overlap, student.training_errors)
    samples = hebb_samples(n, alpha, n_samples, seed=5)
    factor = student_t.isf(0.5e-5, n_samples - 1)
    allowed = factor * samples.std(axis=1, ddof=1) / math.sqrt(n_samples) + 1 / n
    assert (np.abs(samples.mean(axis=1) - expected) < allowed).all()
    wrong = alpha * student.generalization_error
    assert abs(samples[1].mean() - wrong) > allowed[1]


def test_hebb_closed_form():
    for alpha in ALPHAS:
        student = solve_spherical(alpha, "hebb")
        r = math.sqrt(2 * alpha / (2 * alpha + math.pi))
        assert student.teacher_overlap == pytest.approx(r, rel=1e-15)
        assert student.generalization_error == pytest.approx(
            math.acos(r) / math.pi, rel=1e-12
        )
        assert student.status is Status.CLOSED_FORM
        slope = math.sqrt(2 * alpha / math.pi)
        wrong = quad(
            lambda t, a=alpha, s=slope: (
                2 * ndtr(-1 / math.sqrt(a) - s * t) * math.exp(-t * t / 2)
            ),
            0,
            12,
            points=[1 / slope],
            epsabs=1e-14,
        )[0]
        expected = alpha * wrong / math.sqrt(2 * math.pi)
        assert student.training_errors == pytest.approx(expected, abs=1e-11 * alpha)


# Whole range -----------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_whole_range(rule):
    """R rises from 0 to 1, without a warning, and says how good it is."""
    last = -1.0
    for alpha in (0.0, 1e-300, 1e-9, 1e-3, 0.3, 1.0, 4.0, 1e2, 1e6, 1e12):
        student = solve_spherical(alpha, rule)
        assert student.status.ok
        assert last <= student.teacher_overlap <= 1.0
        last = student.teacher_overlap
        assert student.residual < 1e-11
        assert student.error < 1e-13
    nothing = solve_spherical(0.0, rule)
    assert (nothing.teacher_overlap, nothing.generalization_error) == (0.0, 0.5)
    # One student per pattern: sqrt(2 alpha / pi), two Gibbs students 2 alpha / pi.
    small = solve_spherical(1e-300, rule).teacher_overlap
    first = 2e-300 / math.pi
    expected = first if rule == "gibbs" else math.sqrt(first)
    assert small == pytest.approx(expected, rel=1e-11)
    assert solve_spherical(1e12, rule).teacher_overlap > 1 - 1e-11


def test_order_of_the_rules():
    """Bayes is best; Gibbs is worse than the student of largest stability."""
    for alpha in (0.5, 2.0, 10.0, 100.0):
        error = {r: solve_spherical(alpha, r).generalization_error for r in RULES}
        assert error["bayes"] < error["max_margin"] < error["gibbs"]
        assert error["bayes"] < error["hebb"]


def test_bad_input():
    with pytest.raises(ParameterError):
        solve_spherical(-1.0, "gibbs")
    with pytest.raises(ParameterError):
        solve_spherical(2e12, "gibbs")
    with pytest.raises(ParameterError, match="max_margin"):
        solve_spherical(1.0, "max_margn")
    with pytest.raises(ParameterTypeError):
        solve_spherical("1", "gibbs")
