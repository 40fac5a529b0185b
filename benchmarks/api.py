"""What the public API costs besides updates: a call, the first call, and memory.

    python -m benchmarks.api [--quick]

A call is compared with the kernels alone: the same sweeps of the same chains with
nothing set up and nothing recorded. The rest is measured in fresh processes. The first
call is the whole life of a process
that imports the package and samples ten sweeps, interpreter included, with a warm
kernel cache. Memory is the peak of a process (VmHWM) beside what the package predicts
before it allocates, plus the peak of a process that samples a tiny network.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

import numpy as np

import statmech
from benchmarks.cases import CASES, Case
from benchmarks.report import keep, machine, markdown, number, summary, where
from benchmarks.report import spread as spread_of
from statmech.chains import chain_rules, choose_sites, prepare, spread

SHARE_GOAL = 0.8
SHARES = ("W1", "W2")
SECONDS = 0.5  # of a timed call
FIRST_CALL_GOAL = 1.5
RATIO_GOAL = (0.8, 1.5)
CHAINS = (2, 100)
SIZES = ((100_000, 1000), (1_000_000, 50))
BASELINE = (1000, 5)

FIRST_CALL = """
import statmech
network = statmech.HebbianNetwork(statmech.patterns.rademacher(50, 1000, seed=1))
statmech.sample(
    network, 0.3, n_sweeps=10, n_burn_in=0, n_chains={n_chains}, seed=1
)
"""

# What the parent of a process took counts in `ru_maxrss` of its child; VmHWM does not.
MEMORY = """
import statmech
xi = statmech.patterns.rademacher({k}, {n}, seed=1)
assert xi.dtype.itemsize == 1
network = statmech.HebbianNetwork(xi)
statmech.sample(network, 0.3, n_sweeps=2, n_burn_in=0, n_chains=2, seed=1)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(1024 * int(line.split()[1]))
"""


def run(program: str) -> tuple[float, str]:
    """Seconds that a fresh interpreter took for the program, and what it printed."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return time.perf_counter() - begin, done.stdout


def alone(case: Case, start: Any, n_sweeps: int) -> float:
    """Seconds of the kernels: no set-up, no measurement."""
    system = case.system
    chains = prepare(
        system.network,
        start.shape[0],
        start,
        0,
        1.0,
        (),
        1,
        (),
        n_draws=1,
        sites=choose_sites(None, system.network, start.shape[0], system.temperature),
        n_threads=system.n_threads,
    )
    rules = chain_rules(system.dynamics, "random", 24)

    def advance(group: Any) -> None:
        betas = np.full(group.chains.spins.shape[0], 1.0 / system.temperature)
        group.sweeps_left = n_sweeps
        group.advance(betas, rules, n_sweeps, 1, group.record(0))

    begin = time.perf_counter()
    spread(advance, chains.groups, system.n_threads)
    return time.perf_counter() - begin


def whole(case: Case, start: Any, n_sweeps: int) -> float:
    """Seconds of the call that a user makes, recording every sweep."""
    system = case.system
    begin = time.perf_counter()
    statmech.sample(
        system.network,
        system.temperature,
        n_sweeps=n_sweeps,
        n_burn_in=0,
        n_chains=start.shape[0],
        initial=start,
        dynamics=system.dynamics,
        seed=1,
        n_threads=system.n_threads,
    )
    return time.perf_counter() - begin


def shares(rounds: int) -> tuple[dict[str, Any], str]:
    """Rate of a call over that of the kernels: a record and a table."""
    record, table = {}, []
    for case in CASES:
        if case.name not in SHARES:
            continue
        start = case.start()
        whole(case, start, 1)
        n_sweeps = 100
        n_sweeps = max(1, round(n_sweeps * SECONDS / alone(case, start, n_sweeps)))
        ratios = [
            alone(case, start, n_sweeps) / whole(case, start, n_sweeps)
            for _ in range(rounds)
        ]
        middle = summary(ratios)
        met = middle["median"] >= SHARE_GOAL
        record[case.name] = {"shares": ratios, **middle, "goal": SHARE_GOAL, "met": met}
        table.append([case.name, spread_of(ratios), f">= {SHARE_GOAL}, {verdict(met)}"])
    columns = ("workload", "rate of the call / of the kernels (min - max)", "goal")
    return record, markdown(columns, table)


def first_call(n_chains: int, rounds: int) -> list[float]:
    """Seconds, the first of a possibly cold cache left out."""
    program = FIRST_CALL.format(n_chains=n_chains)
    run(program)
    return [run(program)[0] for _ in range(rounds)]


def predicted(n: int, k: int) -> int:
    """Bytes of the network and of the run, as the package counts them."""
    from statmech.chains import chains_bytes
    from statmech.rows import network_bytes

    return network_bytes(k, n, 2) + chains_bytes(k, n, n_chains=2, n_draws=2)


def peak(n: int, k: int) -> int:
    """Bytes at the peak of a process that makes patterns and samples two sweeps."""
    program = MEMORY.format(n=n, k=k)
    run(program)
    return int(run(program)[1])


def verdict(met: bool) -> str:
    """In the words of the tables."""
    return "met" if met else "not met"


def calls(rounds: int) -> tuple[dict[str, Any], str]:
    """The first call: a record and a table."""
    record, table = {}, []
    for n_chains in CHAINS:
        seconds = first_call(n_chains, rounds)
        middle = summary(seconds)
        met = middle["median"] < FIRST_CALL_GOAL
        record[str(n_chains)] = {
            "seconds": seconds,
            **middle,
            "goal": FIRST_CALL_GOAL,
            "met": met,
        }
        table.append(
            [str(n_chains), spread_of(seconds), f"< {FIRST_CALL_GOAL}, {verdict(met)}"]
        )
    columns = ("chains", "s of the process (min - max)", "goal")
    return record, markdown(columns, table)


def memory() -> tuple[dict[str, Any], str]:
    """Peaks beside predictions: a record and a table."""
    if not sys.platform.startswith("linux"):
        return {}, "Peak memory is read from /proc: not measured here."
    n, k = BASELINE
    # Without the little that the tiny network itself needs.
    base = peak(n, k) - predicted(n, k)
    record: dict[str, Any] = {"baseline": base}
    table = []
    for n, k in SIZES:
        found, expected = peak(n, k), base + predicted(n, k)
        ratio = found / expected
        met = RATIO_GOAL[0] <= ratio <= RATIO_GOAL[1]
        record[f"N={n} K={k}"] = {
            "peak": found,
            "predicted": expected,
            "ratio": ratio,
            "goal": RATIO_GOAL,
            "met": met,
        }
        table.append(
            [
                str(n),
                str(k),
                number(found / 2**20),
                number(expected / 2**20),
                f"{ratio:.2f}",
                f"{RATIO_GOAL[0]} - {RATIO_GOAL[1]}, {verdict(met)}",
            ]
        )
    columns = ("N", "K", "peak / MiB", "predicted / MiB", "ratio", "goal")
    text = f"Baseline of a process that samples N=1000, K=5: {base / 2**20:.0f} MiB."
    return record, f"{text}\n\n{markdown(columns, table)}"


def main() -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds; not kept")
    options = parser.parse_args()
    seconds, first = calls(3 if options.quick else 7)
    peaks, second = memory()
    calls_alone, third = shares(3 if options.quick else 7)
    text = f"{where()}\n\n{third}\n\n{first}\n\n{second}\n"
    print(text)
    if not options.quick:
        record = {"shares": calls_alone, "first_call": seconds, "memory": peaks}
        keep("api", {**machine(), **record}, text)


if __name__ == "__main__":
    main()
