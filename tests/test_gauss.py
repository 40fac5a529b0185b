"""Gaussian averages against 30-digit values, at any temperature, and their limits."""

import math

import mpmath
import numpy as np
import pytest
from tanh_reference import (
    FIELDS,
    SWITCH,
    TABLE,
    exact_averages,
    integrands,
    load_table,
    table_points,
)

from analytics.gauss import TanhAverages, tanh_averages, tanh_averages_kernel
from statmech.errors import ParameterError, ParameterTypeError

ABSOLUTE = 1e-12
RELATIVE = 1e-11  # of what vanishes as exp(-2 mu) in an ordered phase


def deviations(averages, exact):
    """|value - exact| of each field."""
    with mpmath.workdps(40):
        return {
            name: float(abs(mpmath.mpf(getattr(averages, name)) - exact[name]))
            for name in FIELDS
        }


def as_numbers(row):
    with mpmath.workdps(40):
        return {name: mpmath.mpf(text) for name, text in row.items()}


def complaints(mu, sigma, exact):
    """What is wrong with the averages at one point; empty if nothing."""
    averages = tanh_averages_kernel(mu, sigma)
    off = deviations(averages, exact)
    scale = dict.fromkeys(FIELDS, 1.0)
    scale["log_2cosh"] = max(1.0, float(exact["log_2cosh"]))
    found = []
    for name in FIELDS:
        if not off[name] <= ABSOLUTE * scale[name]:
            found.append(f"{name} off by {off[name]:.1e} at {mu}, {sigma}")
        if not off[name] <= 10.0 * averages.error:
            found.append(f"{name} off by {off[name]:.1e}, said {averages.error:.1e}")
    if mu >= 0.0:
        for name in ("one_minus_tanh", "sech2"):
            if exact[name] > 1e-300 and off[name] > RELATIVE * exact[name]:
                found.append(f"{name} = {float(exact[name]):.1e} has lost its digits")
    return found


@pytest.fixture(scope="module")
def table():
    return [(mu, sigma, as_numbers(row)) for mu, sigma, row in load_table()]


def test_against_table(table):
    assert len(table) >= 600
    found = [complaints(*row) for row in table]
    assert [line for lines in found for line in lines] == []


def test_table_is_what_its_script_makes():
    """The stored points are those of the script; a few, other ones at every size of
    the table, are computed again."""
    rows = load_table()
    assert [row[:2] for row in rows] == table_points()
    for mu, sigma, row in rows[:: len(rows) // 6]:
        assert_stored_value(mu, sigma, row)


def assert_stored_value(mu, sigma, row):
    exact = exact_averages(mu, sigma)
    stored = as_numbers(row)
    for name in FIELDS:
        # Averages that vanish by symmetry are stored with the rounding of their sum.
        assert abs(exact[name] - stored[name]) <= 1e-28 * max(abs(exact[name]), 1e-6)


@pytest.mark.nightly
def test_every_stored_value():
    for mu, sigma, row in load_table():
        assert_stored_value(mu, sigma, row)


def test_reference_against_other_rules():
    """The rule behind the table has converged in its nodes, and agrees with mpmath's
    adaptive one where that can follow."""
    for mu, sigma in ((0.3, 0.5), (200.0, 10.0), (-4.0, 1.5)):
        coarse = exact_averages(mu, sigma)
        fine = exact_averages(mu, sigma, n_nodes=40)
        for name in FIELDS:
            assert abs(coarse[name] - fine[name]) <= 1e-29 * abs(fine[name])
    with mpmath.workdps(25):
        direct = mpmath.quad(
            lambda z: mpmath.npdf(z) * integrands(mpmath.mpf("0.3") + z / 2)[3],
            mpmath.linspace(-11, 11, 12),
        )
        assert abs(direct - exact_averages(0.3, 0.5)["sech4"]) < 1e-16


@pytest.mark.nightly
def test_random_points():
    """Where the grid of the table has no point, in particular the ordered phase."""
    rng = np.random.default_rng(11)
    found = []
    for _ in range(400):
        sigma = 10.0 ** rng.uniform(-2.0, 4.0)
        if rng.random() < 0.3:
            sigma = rng.uniform(1.2, 8.0)
        mu = rng.choice(
            [
                sigma * rng.uniform(-6.0, 6.0),
                2.0 * sigma**2 * rng.uniform(0.3, 1.6),
                rng.uniform(0.0, 60.0),
            ]
        )
        found += complaints(mu, sigma, exact_averages(mu, sigma))
    assert found == []


def test_rules_agree_at_the_switch():
    for mu in np.linspace(-30.0, 30.0, 121):
        below = tanh_averages_kernel(mu, SWITCH)
        above = tanh_averages_kernel(mu, np.nextafter(SWITCH, 2.0))
        np.testing.assert_allclose(below, above, rtol=4e-15, atol=2e-15)


def test_fixed_gauss_hermite_fails_the_same_table(table):
    """Control: 64 nodes miss much of the table, some of it by several percent."""
    z, w = np.polynomial.hermite_e.hermegauss(64)
    w = w / math.sqrt(2.0 * math.pi)
    off = []
    for mu, sigma, exact in table:
        e = np.exp(-2.0 * abs(mu + sigma * z))
        off.append(abs(w @ (4.0 * e / (1.0 + e) ** 2) - float(exact["sech2"])))
    assert np.mean(np.array(off) > ABSOLUTE) > 0.3
    assert max(off) > 0.03


# Limits ------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "q"), [(0.0, 0.5), (0.3, 0.5), (0.9, 0.1), (-0.5, 1.0)])
def test_zero_temperature_limit(m, q):
    """<tanh> tends to an erf and beta <sech**k> to a density, at least like 1/beta."""
    width = math.sqrt(q)
    density = math.exp(-m * m / (2.0 * q)) / (width * math.sqrt(2.0 * math.pi))
    sign = math.erf(m / (width * math.sqrt(2.0)))
    size = 2.0 * q * density + m * sign
    limits = np.array([sign, 1.0 - sign, 2.0 * density, 4.0 / 3.0 * density, size])
    betas = 10.0 ** np.arange(3, 7)
    gaps = []
    for beta in betas:
        a = tanh_averages(beta * m, beta * width)
        values = [
            *(a.tanh, a.one_minus_tanh),
            *(beta * a.sech2, beta * a.sech4, a.log_2cosh / beta),
        ]
        assert np.isfinite(values).all()
        gaps.append(abs(np.array(values) - limits))
    gaps = np.array(gaps)
    # Rounding is all that is left where the difference has fallen to it.
    floor = 4e-15 * (1.0 + abs(limits))
    bound = gaps[0] * betas[0] / betas[:, None]
    assert (gaps <= np.maximum(bound, floor)).all()
    assert (gaps[0] < 1e-5).all()


@pytest.mark.parametrize("beta", [1e9, 1e15, 1e100, 1e300])
def test_extremely_cold(beta):
    a = tanh_averages(0.3 * beta, 0.5 * beta)
    assert np.isfinite(a).all()
    assert a.tanh == pytest.approx(math.erf(0.6 / math.sqrt(2.0)), abs=1e-15)
    assert a.log_2cosh / beta == pytest.approx(
        0.5 * math.sqrt(2.0 / math.pi) * math.exp(-0.18) + 0.3 * a.tanh, rel=1e-14
    )


@pytest.mark.parametrize("sigma", [1e5, 1e8, 1e40, 1e99])
@pytest.mark.parametrize("ratio", [1e-3, 0.5, 3.0, 20.0])
def test_odd_average_keeps_its_digits(sigma, ratio):
    """<tanh y sech**2 y> tends to (mu / sigma**3) times the density at mu / sigma,
    far below the density itself, of which it is a difference."""
    a = tanh_averages(ratio * sigma, sigma)
    density = math.exp(-0.5 * ratio**2) / math.sqrt(2.0 * math.pi)
    scaled = a.tanh_sech2 * sigma**2
    assert scaled == pytest.approx(ratio * density, rel=1e3 / sigma**2 + 1e-12)


@pytest.mark.parametrize("mu", [0.0, 1e-300, 1e-8, 0.3, -2.0, 20.0, -700.0, 1e6])
def test_no_noise(mu):
    a = tanh_averages(mu, 0.0)
    tanh, complement, square, fourth, product, log = integrands(mpmath.mpf(mu))
    for value, exact in zip(
        a[:-1], (tanh, complement, square, fourth, product, log), strict=True
    ):
        assert value == pytest.approx(float(exact), rel=1e-14, abs=1e-15)


def test_symmetry_bounds_and_identities():
    rng = np.random.default_rng(3)
    for _ in range(300):
        mu, sigma = rng.normal(0.0, 30.0), 10.0 ** rng.uniform(-3.0, 3.0)
        a, b = tanh_averages(mu, sigma), tanh_averages(-mu, sigma)
        assert a.tanh == pytest.approx(-b.tanh, abs=1e-15)
        assert a.tanh_sech2 == pytest.approx(-b.tanh_sech2, abs=1e-15)
        assert a.sech2 == pytest.approx(b.sech2, rel=1e-12, abs=1e-300)
        assert a.tanh + a.one_minus_tanh == pytest.approx(1.0, abs=4e-15)
        assert 0.0 <= a.sech4 <= a.sech2 <= 1.0 + 1e-15
        # <tanh>**2 <= <tanh**2>
        assert a.tanh**2 <= 1.0 - a.sech2 + 1e-15
        assert a.log_2cosh >= max(abs(mu), math.log(2.0)) * (1.0 - 1e-15)


def test_derivatives():
    """d<log 2cosh>/dmu = <tanh>, d<tanh>/dmu = <sech**2>; by parts in sigma."""
    h = 1e-5
    for mu, sigma in ((0.2, 0.4), (3.0, 1.2), (3.0, 2.0), (-40.0, 30.0)):
        a = tanh_averages(mu, sigma)
        up, down = tanh_averages(mu + h, sigma), tanh_averages(mu - h, sigma)
        wide, narrow = tanh_averages(mu, sigma + h), tanh_averages(mu, sigma - h)

        def slope(high, low, name):
            return (getattr(high, name) - getattr(low, name)) / (2.0 * h)

        assert slope(up, down, "log_2cosh") == pytest.approx(a.tanh, abs=1e-8)
        assert slope(up, down, "tanh") == pytest.approx(a.sech2, abs=1e-8)
        assert slope(up, down, "sech2") == pytest.approx(-2 * a.tanh_sech2, abs=1e-8)
        assert slope(wide, narrow, "log_2cosh") == pytest.approx(
            sigma * a.sech2, abs=1e-8 * (1.0 + abs(mu))
        )
        assert slope(wide, narrow, "tanh") == pytest.approx(
            -2.0 * sigma * a.tanh_sech2, abs=1e-8
        )


# Boundary ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mu", "sigma", "name", "error"),
    [
        (math.nan, 1.0, "mu", ParameterError),
        (math.inf, 1.0, "mu", ParameterError),
        ("1", 1.0, "mu", ParameterTypeError),
        (1j, 1.0, "mu", ParameterTypeError),
        (True, 1.0, "mu", ParameterTypeError),
        (None, 1.0, "mu", ParameterTypeError),
        (np.zeros(2), 1.0, "mu", ParameterTypeError),
        (0.0, -1e-300, "sigma", ParameterError),
        (0.0, math.nan, "sigma", ParameterError),
        (0.0, math.inf, "sigma", ParameterError),
        (0.0, [1.0], "sigma", ParameterTypeError),
    ],
)
def test_bad_arguments_are_named(mu, sigma, name, error):
    with pytest.raises(error, match=rf"^{name} = ") as caught:
        tanh_averages(mu, sigma)
    assert caught.value.name == name


def test_fields_and_table_are_in_place():
    assert TanhAverages._fields == (*FIELDS, "error")
    assert TABLE.is_file()
