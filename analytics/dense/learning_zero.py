"""Retrieval from noisy examples at T = 0, where the curve of solutions is explicit.

With x = W**(P-1)/sqrt(2 Delta): W = E[v erf(v x)], m = E[sgn(xi) ...] = E[erf(v x)],
q = 1, chi = lim beta (1 - q) = 2 E[exp(-(v x)**2)]/sqrt(2 pi Delta), and

    P >= 3:  alpha(x) = W**(2(P-1))/(2 x**2 C'(1)),
    P = 2:   alpha(x) = Delta/sum_k n_k (lambda_k/D_k)**2,  D_k = 1 - lambda_k chi.

The curve starts from alpha = 0 at x = inf. At P = 2 and even M, the ties among the
examples (v = 0) form a spin glass at any load, D_1 < 0 at large x, and the curve starts
where D_1 = 0. The state of a load is the first one that has it, as at T > 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytics.dense.crosstalk import first_derivative
from analytics.dense.example_law import ExampleLaw, step_averages
from statmech.jit import kernel

LOG_X_MAX = math.log(1e8)  # alpha is below 1e-16 there
_LOG_X_MIN = math.log(0.05)
_STEP = 0.06


@kernel
def zero_load(noise, law, log_x):
    """(alpha with the sign of D_1, W, Delta, chi) at x."""
    x = math.exp(log_x)
    _, w, density, _ = step_averages(law, x)
    root = w ** (noise.order - 1) / (x * 1.4142135623730951)  # sqrt(Delta)
    chi = density * 1.4142135623730951 / root
    delta = root * root
    if noise.order > 2:
        return delta / first_derivative(noise.c, 1.0), w, delta, chi
    d = 1.0 - chi
    d2 = 1.0 - noise.second * chi
    small = noise.number * (noise.second * d / d2) ** 2
    return delta * d * abs(d) / (1.0 + small), w, delta, chi


def zero_grid(law: ExampleLaw) -> NDArray[np.float64]:
    """Values of log x, falling: few where every v x is large."""
    least = 1.0
    if law.rho == 0.0:
        least = float(law.sizes[law.sizes > 0.0].min())
    plain = min(math.log(8.0 / least), LOG_X_MAX - 1.0)
    n = math.ceil((plain - _LOG_X_MIN) / _STEP) + 1
    fine = np.linspace(plain, _LOG_X_MIN, n)
    return np.concatenate([np.linspace(LOG_X_MAX, plain, 24)[:-1], fine])


@kernel
def run_zero(noise, law, grid, target, loads):
    """Loads along the grid, up to the first that reaches `target`.

    Returns how many, and whether the target was reached.
    """
    for j in range(grid.shape[0]):
        loads[j] = zero_load(noise, law, grid[j])[0]
        if loads[j] >= target:
            return j + 1, True
    return grid.shape[0], False


@kernel
def zero_thermodynamics(noise, alpha, w, chi):
    """Energy (= free energy) at T = 0, without the constant of equal site indices."""
    if noise.order > 2:
        order = noise.order
        return -(w**order) / order - alpha * first_derivative(noise.c, 1.0) * chi
    heat = 0.0
    for k in range(2):
        number, value = 1.0, 1.0
        if k == 1:
            number, value = noise.number, noise.second
        d = 1.0 - value * chi
        heat += number * value * value / d * (1.0 + 1.0 / d)
    return -0.5 * w * w - 0.5 * alpha * chi * heat
