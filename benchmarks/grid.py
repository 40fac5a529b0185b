"""W7: the replica-symmetric equations at P = 2 on a grid, beside plain ones."""

from __future__ import annotations

import time

import numpy as np

from analytics.dense import solve_storage_grid
from benchmarks.loops import plain_fixed_point, root_and_quad
from benchmarks.rounds import DifferentPhysics, Rates

ALPHA = np.linspace(1e-3, 0.15, 100)
TEMPERATURE = np.linspace(0.01, 1.1, 100)
COARSE = slice(None, None, 10)
POINTS = ALPHA.size * TEMPERATURE.size

TEXT = "RS equations, P=2, 100 x 100 grid (points)"
TWIN = "NumPy fixed point, 1000 steps"
GOAL = 50.0
ROOT_TWIN = "scipy root + quad"
ROOT_GOAL = 400.0
GOALS = {TWIN: GOAL, ROOT_TWIN: ROOT_GOAL}
# Grids of the package in one round, which take as long as the twins on their part.
REPEATS = 10
# 1.04e7 double tanh and five sums each in 9 ms of one core.
BOUND = POINTS / 9e-3 / 1e6
BOUND_TEXT = "1e7 double tanh at 0.51 ns + sums, one core"

# The iteration stops moving at 1e-8 and is believed where the number of Gauss-Hermite
# nodes does not matter either; there a contraction by 0.99 a step leaves 1e-6.
STOPPED, SAME = 1e-8, 1e-6


def check_grid() -> str:
    """Compare m wherever the plain iteration can be believed; a sentence about it."""
    alpha, temperature = ALPHA[COARSE], TEMPERATURE[COARSE]
    grid = solve_storage_grid(2, alpha, temperature)
    m, change = plain_fixed_point(alpha, temperature)
    coarse_m, coarse_change = plain_fixed_point(alpha, temperature, n_nodes=120)
    stopped = change < STOPPED
    believed = stopped & (coarse_change < STOPPED) & (np.abs(m - coarse_m) < SAME)
    found = np.isfinite(grid.m)
    both = believed & found
    if not both.any():
        raise DifferentPhysics("the plain iteration found no state to compare with")
    largest = np.abs(m - grid.m)[both].max()
    if not largest < SAME:
        raise DifferentPhysics(f"m of the grids differs by {largest:.1e}")
    root = root_and_quad(alpha, temperature)
    # The step of the tanh is missed or not, depending on where the integral is cut.
    cut = root_and_quad(alpha, temperature, reach=9.0)
    rooted = (np.abs(root) > SAME) & (np.abs(root - cut) < SAME) & found
    if not rooted.any():
        raise DifferentPhysics(f"{ROOT_TWIN} found no state to compare with")
    farthest = np.abs(root - grid.m)[rooted].max()
    if not farthest < SAME:
        raise DifferentPhysics(f"m of {ROOT_TWIN} differs by {farthest:.1e}")
    # Beyond the spinodal the only fixed point that is left has m = 0.
    lost = believed & ~found & (np.abs(m) > SAME)
    return (
        f"of {m.size} points the package has a retrieval state at {found.sum()}, the "
        f"iteration stops at {stopped.sum()}; both, resolved by the quadrature: "
        f"{both.sum()}, where m differs by {largest:.0e} at most; the iteration stops "
        f"at m > 0 where the package has no state at {lost.sum()}; {ROOT_TWIN} finds "
        f"m > 0 at {(np.abs(root) > SAME).sum()}, of which {rooted.sum()} do not "
        f"depend on where the integrals are cut, and there m differs by "
        f"{farthest:.0e} at most"
    )


def race_grid(n_rounds: int) -> Rates:
    """Points a second; the twins on a hundredth of the grid."""
    twins = (plain_fixed_point, root_and_quad)
    rates = np.empty((1 + len(twins), n_rounds))
    alpha, temperature = ALPHA[COARSE], TEMPERATURE[COARSE]
    solve_storage_grid(2, ALPHA, TEMPERATURE)
    for column in range(n_rounds):
        begin = time.perf_counter()
        for _ in range(REPEATS):
            solve_storage_grid(2, ALPHA, TEMPERATURE)
        seconds = time.perf_counter() - begin
        rates[0, column] = REPEATS * POINTS / seconds
        for row, twin in enumerate(twins, 1):
            begin = time.perf_counter()
            twin(alpha, temperature)
            seconds = time.perf_counter() - begin
            rates[row, column] = alpha.size * temperature.size / seconds
    return Rates(["package", *GOALS], rates, float("nan"))
