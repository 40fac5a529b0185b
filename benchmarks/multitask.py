"""What a multitasking network of up to a million spins costs: time and memory.

Run with `.venv/bin/python -m benchmarks.multitask`. K = 5 patterns, T = 0.1 from the
hierarchical state, one thread. The work of an update does not depend on N; its time
grows where the rows and spins leave the caches.
"""

from __future__ import annotations

import resource
import statistics
import time

import statmech

ROUNDS = 5


def rate(n_spins, dilution, n_chains):
    """(ns per update, sweeps per second of each chain) by the public API."""
    xi = statmech.patterns.diluted(5, n_spins, dilution, seed=1)
    network = statmech.HebbianNetwork(xi)
    sweeps = max(2, 4_000_000 // n_spins)

    def run(n_sweeps):
        start = time.perf_counter()
        statmech.sample(
            network,
            0.1,
            n_sweeps=n_sweeps,
            n_burn_in=0,
            n_chains=n_chains,
            initial="hierarchical",
            seed=1,
            n_threads=1,
        )
        return time.perf_counter() - start

    run(1)
    # The difference of two lengths leaves out what a run costs once.
    seconds = statistics.median(run(3 * sweeps) - run(sweeps) for _ in range(ROUNDS))
    updates = 2 * sweeps * n_spins * n_chains
    return 1e9 * seconds / updates, 2 * sweeps / seconds


def main() -> None:
    """Print the table."""
    print(f"{'N':>9} {'d':>5} {'chains':>6} {'ns an update':>13} {'sweeps/s':>10}")
    for n_spins in (10_000, 100_000, 1_000_000):
        for dilution in (0.25, 0.9):
            for n_chains in (1, 2):
                ns, sweeps = rate(n_spins, dilution, n_chains)
                print(
                    f"{n_spins:>9} {dilution:>5} {n_chains:>6} {ns:>13.1f} "
                    f"{sweeps:>10.1f}",
                    flush=True,
                )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
