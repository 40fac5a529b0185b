"""How long the foundation takes: start-up, theory on a grid, updates of spins.

Run with `.venv/bin/python benchmarks/foundation.py`. Rates depend on the machine and
its neighbours; the ratios are taken in one run, the median of five rounds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

ROUNDS = 5


def timed(function):
    """(median seconds, result) over the rounds, after one call to warm up."""
    result = function()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def start_up():
    """Python alone, importing everything, and the help text."""
    for label, program in (
        ("python alone", "pass"),
        ("import statmech, analytics, sims", "import statmech, analytics, sims"),
        ("statmech --help", "from sims.cli import main; main(['--help'])"),
    ):
        seconds, _ = timed(
            lambda program=program: subprocess.run(
                [sys.executable, "-c", program], capture_output=True, check=True
            )
        )
        print(f"{label:<40} {seconds:8.3f} s")


def plain_fixed_point(alpha, temperature, n_nodes=200, n_iterations=1000):
    """The RS equations at P = 2 as a user would iterate them, on the whole grid."""
    z, w = np.polynomial.hermite_e.hermegauss(n_nodes)
    w = w / w.sum()
    a, t = np.meshgrid(alpha, temperature, indexing="ij")
    m, q = np.ones_like(a), np.ones_like(a)
    with np.errstate(all="ignore"):
        for _ in range(n_iterations):
            noise = np.sqrt(a * q) / (1 - (1 - q) / t)
            field = np.tanh((m[..., None] + noise[..., None] * z) / t[..., None])
            m, q = field @ w, field**2 @ w
    return m


def theory():
    """The RS grid, and the plain iteration on a hundredth of it."""
    from analytics.dense import solve_storage_grid

    alpha, temperature = np.linspace(1e-3, 0.15, 100), np.linspace(0.01, 1.1, 100)
    seconds, grid = timed(lambda: solve_storage_grid(2, alpha, temperature))
    found = np.isfinite(grid.m).mean()
    print(f"{'RS grid 100 x 100, P = 2':<40} {seconds:8.3f} s")
    print(f"{'  points with a retrieval state':<40} {found:8.1%}")
    print(f"{'  largest residual':<40} {np.nanmax(grid.residual):8.1e}")
    coarse = slice(None, None, 10)
    start = time.perf_counter()
    plain_fixed_point(alpha[coarse], temperature[coarse])
    plain = 100 * (time.perf_counter() - start)
    print(f"{'  NumPy iteration, 1000 steps, scaled up':<40} {plain:8.1f} s")
    print(f"{'  ratio':<40} {plain / seconds:8.0f}")


def naive_sweep(xi, s, temperature, rng):
    """One NumPy sweep of heat bath, the field from the overlaps anew each time."""
    n = s.size
    for i in rng.integers(0, n, n):
        h = (xi[:, i] @ (xi @ s) - xi.shape[0] * s[i]) / (n - 1)
        s[i] = 1 if rng.random() * (1 + np.exp(-2 * h / temperature)) < 1 else -1


def updates():
    """Updates a second through the public API, one thread."""
    import statmech

    for order, n, k, t in (
        (2, 2000, 200, 0.2),
        (3, 300, 4455, 0.3),
        (4, 100, 9411, 0.2),
    ):
        network = statmech.HebbianNetwork(
            statmech.patterns.rademacher(k, n, seed=1), order
        )
        sweeps = max(2, int(4e8 / (n * k)))
        seconds, trace = timed(
            lambda network=network, t=t, sweeps=sweeps: statmech.sample(
                network, t, n_sweeps=sweeps, n_burn_in=0, seed=1, n_threads=1
            )
        )
        rate = 2 * sweeps * n / seconds
        label = f"P = {order}, N = {n}, K = {k}, T = {t}"
        print(f"{label:<40} {rate / 1e6:8.2f} M updates/s, one thread")
        print(f"{'  acceptance':<40} {trace.acceptance.mean():8.4f}")
        if order == 2:
            xi = network.patterns.astype(float)
            s = xi[0].copy()
            rng = np.random.default_rng(0)
            start = time.perf_counter()
            naive_sweep(xi, s, t, rng)
            naive = n / (time.perf_counter() - start)
            print(f"{'  ratio to NumPy, overlaps anew':<40} {rate / naive:8.0f}")


if __name__ == "__main__":
    start_up()
    theory()
    updates()
