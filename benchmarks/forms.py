"""Cost of an update in every form of the kernels, beside what the plan expects.

    python -m benchmarks.forms

The coefficients of `statmech.kernels.plan` were fitted to this table. One thread; the
median of five runs from the same state, which is thermalised first.
"""

from __future__ import annotations

import statistics
import time

import statmech
from statmech.caches import couplings_bytes
from statmech.kernels.plan import costs, possible
from statmech.patterns import diluted, rademacher

ROUNDS = 5
SECONDS = 0.1  # of a run
LARGEST = 4 * 2**30  # bytes of couplings


def networks():
    """(text, network, temperature, chains) of the table."""
    for k in (8, 24, 50, 100, 200, 400, 800):
        yield f"P=2 N=2000 K={k}", _hopfield(k, 2000), 0.3, 64
    for n in (500, 8000, 32000):
        yield f"P=2 N={n} K=100", _hopfield(100, n), 0.3, 64
    for t in (0.1, 1.0, 4.0):
        yield f"P=2 N=4000 K=200 T={t}", _hopfield(200, 4000), t, 64
    for n in (10_000, 1_000_000):
        xi = diluted(5, n, 0.25, seed=1)
        yield f"P=2 d=.25 N={n} K=5", statmech.HebbianNetwork(xi), 0.3, 64
    xi = diluted(100, 2000, 0.95, seed=1)
    yield "P=2 d=.95 N=2000 K=100", statmech.HebbianNetwork(xi), 0.3, 2
    for order, n, k in (
        (4, 2000, 200),
        (4, 100, 20_000),
        (3, 500, 2000),
        (6, 200, 500),
    ):
        for t in (0.1, 1.0):
            model = statmech.HebbianNetwork(rademacher(k, n, seed=1), order)
            yield f"P={order} N={n} K={k} T={t}", model, t, 1


def _hopfield(k, n):
    return statmech.HebbianNetwork(rademacher(k, n, seed=1))


def measured(model, temperature, start, n_sweeps, **how):
    """(seconds, acceptance) of one call."""
    begin = time.perf_counter()
    trace = statmech.sample(
        model,
        temperature,
        n_sweeps=n_sweeps,
        n_burn_in=0,
        thin=n_sweeps,
        n_chains=start.shape[0],
        initial=start,
        n_threads=1,
        **how,
    )
    return time.perf_counter() - begin, float(trace.acceptance.mean())


def main() -> None:
    """Print the table."""
    print(f"{'network':<30}{'form':<11}{'acceptance':>11}{'ns':>8}{'expected':>10}")
    for text, model, temperature, n_chains in networks():
        start = statmech.sample(
            model, temperature, n_sweeps=1, n_burn_in=50, n_chains=n_chains
        ).spins
        for form in possible(model, n_chains, "shared"):
            if form == "couplings" and couplings_bytes(model) > LARGEST:
                continue
            chains = n_chains if form == "replicas" else 1
            some = start[:chains]
            how = {"form": form, "sites": "shared"}
            measured(model, temperature, some, 1, **how)
            one, _ = measured(model, temperature, some, 1, **how)
            n_sweeps = max(1, round(SECONDS / one))
            one, _ = measured(model, temperature, some, n_sweeps, **how)
            n_sweeps = max(1, round(n_sweeps * SECONDS / one))
            runs = [
                measured(model, temperature, some, n_sweeps, **how)
                for _ in range(ROUNDS)
            ]
            seconds = statistics.median(run[0] for run in runs)
            acceptance = runs[0][1]
            expected = costs(
                model, n_chains=chains, sites="shared", acceptance=acceptance
            ).get(form, float("nan"))
            ns = seconds / (n_sweeps * some.size) * 1e9
            print(
                f"{text:<30}{form:<11}{acceptance:>11.4f}{ns:>8.2f}{expected:>10.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
