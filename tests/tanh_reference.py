"""Averages of tanh and its relatives over a Gaussian, with mpmath, and their table.

Run as a script it writes `data/tanh_averages.json`: 30-digit values on a grid, so that
the comparison at every commit costs nothing. The rule here is made to be independent
of the one in the package: Gauss-Legendre in z on panels cut at the transition of the
tanh and at every unit of z, in 35-digit arithmetic, no limit taken out.
"""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path

import mpmath

TABLE = Path(__file__).parent / "data" / "tanh_averages.json"
FIELDS = ("tanh", "one_minus_tanh", "sech2", "sech4", "tanh_sech2", "log_2cosh")
DIGITS = 35
KEPT = 30

BETAS = (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 1e4)
MAGNETISATIONS = (-1.0, -0.3, 0.0, 1e-3, 0.1, 0.5, 0.9, 1.0)
OVERLAPS = (0.0, 1e-8, 1e-4, 0.01, 0.1, 0.5, 0.9, 1.0)
SWITCH = 1.5  # where the package changes its rule


@functools.cache
def gauss_legendre(n: int, digits: int = DIGITS) -> list[tuple]:
    """Nodes and weights on [-1, 1] by Newton's method on the Legendre polynomial."""
    rule = []
    with mpmath.workdps(digits + 10):
        for j in range(n):
            x = mpmath.cos(mpmath.pi * (j + 0.75) / (n + 0.5))
            for _ in range(8):
                low, high = mpmath.mpf(1), x
                for k in range(2, n + 1):
                    low, high = high, ((2 * k - 1) * x * high - (k - 1) * low) / k
                slope = n * (x * high - low) / (x * x - 1)
                x -= high / slope
            rule.append((x, 2 / ((1 - x * x) * slope**2)))
    return rule


def edges(mu, sigma):
    """Cuts in z: everywhere the integrand lives, and around y = mu + sigma z = 0."""
    # The averages that vanish with exp(-2|mu|) live where Gaussian times exp(-4|y|)
    # is largest, possibly far from z = 0.
    # Farther out than 58 there is nothing above 1e-700.
    far = min(4 * sigma, abs(mu) / sigma, 45) + 13
    low, high = (-far, mpmath.mpf(13)) if mu >= 0 else (mpmath.mpf(-13), far)
    cuts = {low, high} | {mpmath.mpf(k) for k in range(int(low) - 1, int(high) + 2)}
    for y in (0, 1, 2, 4, 8, 16, 32, 64):
        cuts |= {(y - mu) / sigma, (-y - mu) / sigma}
    inside = sorted(cut for cut in cuts if low <= cut <= high)
    return itertools.pairwise(inside)


def exact_averages(mu: float, sigma: float, n_nodes: int = 24) -> dict:
    """The six averages as mpmath numbers, good to about 30 digits of themselves, of 1
    where they vanish by symmetry."""
    with mpmath.workdps(DIGITS):
        mu, sigma = mpmath.mpf(mu), mpmath.mpf(sigma)
        if sigma == 0:
            return dict(zip(FIELDS, integrands(mu), strict=True))
        total = [mpmath.mpf(0)] * len(FIELDS)
        norm = 1 / mpmath.sqrt(2 * mpmath.pi)
        for low, high in edges(mu, sigma):
            half, middle = (high - low) / 2, (high + low) / 2
            for x, weight in gauss_legendre(n_nodes):
                z = middle + half * x
                w = half * weight * norm * mpmath.exp(-z * z / 2)
                for k, value in enumerate(integrands(mu + sigma * z)):
                    total[k] += w * value
        return dict(zip(FIELDS, total, strict=True))


def integrands(y):
    """tanh y, 1 - tanh y, sech^2 y, sech^4 y, tanh y sech^2 y, log 2cosh y."""
    e = mpmath.exp(-2 * abs(y))
    low = 2 * e / (1 + e)
    square = low * (2 - low)
    sign = 1 if y >= 0 else -1
    tanh = sign * (1 - low)
    complement = low if y >= 0 else 2 - low
    return tanh, complement, square, square**2, tanh * square, abs(y) + mpmath.log1p(e)


def table_points() -> list[tuple[float, float]]:
    """(mu, sigma): a grid of (beta, m, q), both sides of the switch, far corners."""
    points = {
        (beta * m, beta * q**0.5)
        for beta, m, q in itertools.product(BETAS, MAGNETISATIONS, OVERLAPS)
    }
    for mu in (0.0, 0.2, 1.0, 4.0, 12.0, 40.0, 300.0):
        for sigma in (SWITCH, SWITCH * (1 + 2**-52), SWITCH * (1 - 2**-52), 1.6, 2.5):
            points |= {(mu, sigma), (-mu, sigma)}
    # Ordered phases at low temperature: 1 - m down to 1e-300.
    for mu, sigma in itertools.product(
        (20.0, 60.0, 200.0, 345.0), (0.3, 1.4, 3.0, 6.0)
    ):
        points |= {(mu, sigma), (-mu, sigma)}
    points |= {(1000.0, 30.0), (1000.0, 28.0), (230.0, 10.0), (1e4, 300.0), (5.0, 1e6)}
    return sorted(points)


def load_table() -> list[tuple[float, float, dict]]:
    """(mu, sigma, averages) for each stored point; the averages are text."""
    rows = json.loads(TABLE.read_text(encoding="ascii"))["rows"]
    return [
        (mu, sigma, dict(zip(FIELDS, row, strict=True))) for mu, sigma, *row in rows
    ]


def write_table() -> None:
    """Compute and store the table; about a minute."""
    rows = []
    for mu, sigma in table_points():
        exact = exact_averages(mu, sigma)
        texts = [mpmath.nstr(exact[name], KEPT) for name in FIELDS]
        rows.append([mu, sigma, *texts])
    TABLE.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps(["mu", "sigma", *FIELDS])
    TABLE.write_text(
        f'{{"columns": {head},\n"rows": [\n{lines}\n]}}\n', encoding="ascii"
    )


if __name__ == "__main__":
    write_table()
