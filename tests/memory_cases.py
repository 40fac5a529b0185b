"""Runs whose peak memory is predicted and measured; a script, for a new process.

`python memory_cases.py NAME SIZE` prints what was predicted and the peak of the
process, both in bytes. SIZE is "tiny" or "large": the difference of two processes is
what the run took.
"""

import resource
import sys
from pathlib import Path

import numpy as np

import statmech
from statmech.chains import chains_bytes
from statmech.hebbian import network_bytes
from statmech.kernels.lanes import LANES
from statmech.learning import examples_bytes
from statmech.patterns import diluted, noisy_examples, pattern_bytes, rademacher
from statmech.rows import form_bytes


def peak():
    """Largest resident set of this process so far."""
    # VmHWM begins with this program; ru_maxrss may have been the parent's.
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def draw(k, n):
    rademacher(k, n, seed=1)
    return pattern_bytes(k, n)


def run(k, n, order, function, chains, **arguments):
    """One run of a network, drawing its patterns included."""
    model = statmech.HebbianNetwork(rademacher(k, n, seed=1), order)
    getattr(statmech, function)(model, **arguments)
    running = network_bytes(k, n, order) + chains_bytes(k, n, **chains)
    return max(pattern_bytes(k, n), running)


def sample(k, n, order, n_draws, n_chains=2, n_tracked=1):
    chains = {"n_chains": n_chains, "n_draws": n_draws, "n_tracked": n_tracked}
    if n_chains >= LANES and order == 2:
        chains |= {"group_size": LANES, "lanes": True}
    return run(
        *(k, n, order, "sample", chains),
        temperature=0.5,
        n_sweeps=n_draws,
        n_burn_in=0,
        n_chains=n_chains,
        track=range(n_tracked),
    )


def anneal(k, n, n_draws, n_tracked):
    chains = {"n_chains": 2, "n_draws": n_draws, "n_tracked": n_tracked}
    return run(
        *(k, n, 2, "anneal", chains),
        temperatures=np.full(n_draws, 0.5),
        sweeps_per_temperature=1,
        track=range(n_tracked),
    )


def temper(k, n, n_temperatures, n_draws, n_tracked):
    chains = {"n_chains": n_temperatures, "n_draws": n_draws, "n_tracked": n_tracked}
    return run(
        *(k, n, 2, "temper", chains | {"group_size": n_temperatures}),
        temperatures=np.linspace(0.5, 1.0, n_temperatures),
        n_sweeps=n_draws,
        n_burn_in=0,
        track=range(n_tracked),
    )


def descend(k, n, order):
    chains = {"n_chains": 1, "n_draws": 1}
    return run(k, n, order, "descend", chains, max_sweeps=1)


def diluted_network(k, n, dilution):
    model = statmech.HebbianNetwork(diluted(k, n, dilution, seed=1))
    statmech.sample(model, 0.1, n_sweeps=1, n_burn_in=0, initial="hierarchical")
    run = form_bytes(model) + chains_bytes(k, n, n_chains=2, n_draws=1)
    return (k + 8) * n + run


def from_examples(protocol, k, m, n):
    xi = diluted(k, n, 0.3, seed=1)
    eta = noisy_examples(xi, m, 0.5, seed=1)
    make = getattr(statmech.HebbianNetwork, protocol)
    model = make(eta, quality=0.5, archetypes=xi)
    statmech.sample(model, 0.1, n_sweeps=1, n_burn_in=0)
    made = k * (m + 1) * n + 8 * n + examples_bytes(k, m, n)
    of_examples = {
        "rows_each": model.lesson.rows_per_pattern,
        "largest_weight": model.largest_weight,
        "from_examples": True,
    }
    run = chains_bytes(k, n, n_chains=2, n_draws=1, **of_examples)
    return made + form_bytes(model) + run


def point(alpha, n, order, n_sweeps):
    from sims.experiments.dense import retrieval_bytes, simulate_retrieval
    from sims.experiments.dense_points import Point

    one = Point(
        order=order,
        alpha=alpha,
        temperature=0.2,
        n_spins=n,
        n_sweeps=n_sweeps,
        n_burn_in=0,
    )
    simulate_retrieval(one)
    return retrieval_bytes(one)


# {name: (function, arguments of the large run, of the tiny one)}
CASES = {
    "patterns": (draw, (2000, 100_000), (2, 16)),
    "many short patterns": (draw, (3_000_000, 50), (2, 16)),
    "large network": (sample, (1000, 100_000, 2, 1), (2, 16, 2, 1)),
    "many draws": (sample, (2, 10, 3, 2_000_000), (2, 10, 3, 1)),
    "many chains": (sample, (5, 1000, 2, 1, 40_000), (5, 1000, 2, 1, 2)),
    "many tracked": (sample, (50, 60, 2, 200_000, 2, 50), (50, 60, 2, 1, 2, 50)),
    "annealing": (anneal, (20, 10, 100_000, 20), (20, 10, 1, 20)),
    "tempering": (temper, (5, 20, 10, 50_000, 5), (5, 20, 10, 1, 5)),
    "descent at P = 3": (descend, (4, 2_500_000, 3), (4, 10, 3)),
    "diluted network": (diluted_network, (5, 3_000_000, 0.5), (5, 100, 0.5)),
    "very diluted network": (diluted_network, (50, 800_000, 0.95), (50, 100, 0.95)),
    "network supervised": (
        *(from_examples, ("supervised", 3, 30, 500_000)),
        ("supervised", 3, 30, 100),
    ),
    "network unsupervised": (
        *(from_examples, ("unsupervised", 3, 30, 500_000)),
        ("unsupervised", 3, 30, 100),
    ),
    "point at P = 2": (point, (0.05, 40_000, 2, 1), (0.5, 16, 2, 1)),
    "point at P = 3": (point, (0.05, 1000, 3, 1), (0.05, 16, 3, 1)),
    "point of many sweeps": (point, (0.2, 10, 2, 2_000_000), (0.2, 10, 2, 1)),
}


if __name__ == "__main__":
    function, large, tiny = CASES[sys.argv[1]]
    predicted = function(*(large if sys.argv[2] == "large" else tiny))
    print(predicted, peak())
