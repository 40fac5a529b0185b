"""The package beside naive Numba and NumPy on a fixed set of workloads.

    python -m benchmarks.workloads [--quick] [--only W1 --only W7]

Each twin is checked to sample the same law before it is timed. The table is printed;
a complete run (all workloads, not --quick) also writes it to
`benchmarks/results/workloads.md`.
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

from benchmarks import grid
from benchmarks.cases import CASES, Case
from benchmarks.contestants import Package
from benchmarks.report import RESULTS, Outcome, document
from benchmarks.rounds import (
    CHECK_RUNS,
    SMALL_SWEEPS,
    check,
    race,
    small_start,
    speed,
)
from statmech.machine import available_threads

NAMES = (*(case.name for case in CASES), "W7")


def run_case(case: Case, n_rounds: int, seconds: float) -> Outcome:
    """Check the twins, on few spins and on the system itself, then race."""
    system, start = case.system, case.start()
    ours, twins = Package(system), [twin.on(system) for twin in case.twins]
    copies = start if start.shape[0] > 1 else start.repeat(CHECK_RUNS, axis=0)
    speeds = [speed(contestant, start, 0.1) for contestant in (ours, *twins)]
    worst = 0.0
    few, states = case.small, small_start(case.small)
    for entry, twin, rate in zip(case.twins, twins, speeds[1:], strict=True):
        on_few = check(few, Package(few), entry.on(few), states, SMALL_SWEEPS)
        # As many sweeps as take about a second in all, but a few at most.
        sweeps = rate * start.shape[0] / copies.shape[0]
        n_sweeps = min(5, max(1, round(sweeps)))
        on_all = check(system, ours, twin, copies, n_sweeps)
        worst = max(worst, on_few, on_all)
    return Outcome(
        name=case.name,
        text=case.text,
        rates=race([ours, *twins], speeds, start, n_rounds, seconds),
        expected_acceptance=case.expected_acceptance,
        bound=case.bound,
        bound_text=case.bound_text,
        twins=tuple((twin.label, twin.goal) for twin in case.twins),
        checked=f"energy, m^2 and distance from the start agree within {worst:.1f} "
        f"standard errors (largest of {6 * len(twins)})",
    )


def run_grid(n_rounds: int) -> Outcome:
    """W7."""
    checked = grid.check_grid()
    return Outcome(
        name="W7",
        text=grid.TEXT,
        rates=grid.race_grid(n_rounds),
        expected_acceptance=None,
        bound=grid.BOUND,
        bound_text=grid.BOUND_TEXT,
        twins=((grid.TWIN, grid.GOAL),),
        checked=checked,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    options = parser.parse_args(arguments)
    n_rounds, seconds = (5, 0.05) if options.quick else (7, 0.3)
    numba.set_num_threads(min(2, available_threads(), numba.config.NUMBA_NUM_THREADS))
    wanted = options.only or NAMES
    outcomes = []
    for case in CASES:
        if case.name in wanted:
            print(case.name, "...", file=sys.stderr, flush=True)
            outcomes.append(run_case(case, n_rounds, seconds))
    if "W7" in wanted:
        print("W7 ...", file=sys.stderr, flush=True)
        outcomes.append(run_grid(n_rounds))
    text = document(outcomes, " --quick" if options.quick else "")
    print(text)
    if not options.quick and options.only is None:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
