"""The package beside installable samplers, naive Numba and NumPy on fixed workloads.

    python -m benchmarks.workloads [--quick] [--only W1 --only W7]

Each rival is checked to sample the same law before it is timed; one that is not
installed is named and left out. The table is printed; a complete run (all workloads,
not --quick) also goes into `benchmarks/latest.json` and `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

# A twin that spreads a small product over busy cores waits for them: 2.5 times slower
# than on one. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# So that it runs as a script too.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numba

from benchmarks import grid, probes
from benchmarks.cases import CASES as NETWORK_CASES
from benchmarks.cases import Case
from benchmarks.contestants import Package
from benchmarks.perceptron import CASES as WEIGHT_CASES
from benchmarks.report import Outcome, document, keep, workloads_record
from benchmarks.rounds import (
    CHECK_RUNS,
    EQUILIBRIUM_SWEEPS,
    SMALL_SWEEPS,
    check,
    race,
    small_start,
    speed,
)
from statmech.machine import available_threads

CASES = (*NETWORK_CASES, *WEIGHT_CASES)
NAMES = (*(case.name for case in CASES), "W7")


def run_case(case: Case, n_rounds: int, seconds: float, quick: bool) -> Outcome:
    """Check the rivals, on few spins and, unless quick, on the system, then race."""
    system, start = case.system, case.start()
    ours, entries, rivals, missing = Package(system), [], [], []
    for entry in case.rivals:
        try:
            rivals.append(entry.on(system))
            entries.append(entry)
        except ImportError as error:
            print(f"{case.name}: no {entry.label} ({error})", file=sys.stderr)
            missing.append(entry.label)
    speeds = [speed(contestant, start, 0.1) for contestant in (ours, *rivals)]
    copies = start if start.shape[0] > 1 else start.repeat(CHECK_RUNS, axis=0)
    worst, compared = 0.0, 0
    few, states = case.small, small_start(case.small)
    for entry, rival, rate in zip(entries, rivals, speeds[1:], strict=True):
        same = entry.same_dynamics
        n_sweeps = SMALL_SWEEPS if same else EQUILIBRIUM_SWEEPS
        on_few = check(few, Package(few), entry.on(few), states, n_sweeps, same)
        worst, compared = max(worst, on_few), compared + (3 if same else 2)
        if same and not quick:
            # As many sweeps as take about a second in all, but a few at most.
            sweeps = rate * start.shape[0] / copies.shape[0]
            n_sweeps = min(5, max(1, round(sweeps)))
            many = start.shape[0] > 1
            on_all = check(system, ours, rival, copies, n_sweeps, side_by_side=many)
            worst, compared = max(worst, on_all), compared + 3
    limits = probes.measure()
    return Outcome(
        name=case.name,
        text=case.text,
        rates=race([ours, *rivals], speeds, start, n_rounds, seconds),
        expected_acceptance=case.expected_acceptance,
        bound=case.bound_rate(limits),
        bound_text=case.bound_text,
        rivals=tuple((entry.label, entry.goal) for entry in entries),
        missing=tuple(missing),
        checked=f"energy, m^2 and, where the dynamics is the same, distance from the "
        f"start agree within {worst:.1f} standard errors (largest of {compared})",
        limits=limits,
    )


def run_grid(n_rounds: int) -> Outcome:
    """W7."""
    checked, rates = grid.check_grid(), grid.race_grid(n_rounds)
    goals = getattr(grid, "GOALS", None) or {grid.TWIN: grid.GOAL}
    return Outcome(
        name="W7",
        text=grid.TEXT,
        rates=rates,
        expected_acceptance=None,
        bound=1e6 * grid.BOUND,
        bound_text=grid.BOUND_TEXT,
        rivals=tuple((label, goals.get(label)) for label in rates.labels[1:]),
        missing=(),
        checked=checked,
        limits=None,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two minutes; not kept")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    options = parser.parse_args(arguments)
    n_rounds, seconds = (3, 0.2) if options.quick else (7, 0.3)
    numba.set_num_threads(min(2, available_threads(), numba.config.NUMBA_NUM_THREADS))
    wanted = options.only or NAMES
    outcomes = []
    for case in CASES:
        if case.name in wanted:
            print(case.name, "...", file=sys.stderr, flush=True)
            outcomes.append(run_case(case, n_rounds, seconds, options.quick))
    if "W7" in wanted:
        print("W7 ...", file=sys.stderr, flush=True)
        outcomes.append(run_grid(n_rounds))
    text = document(outcomes)
    print(text)
    if not options.quick and options.only is None:
        keep("workloads", workloads_record(outcomes), text)


if __name__ == "__main__":
    main()
