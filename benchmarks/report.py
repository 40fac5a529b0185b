"""The table of rates, and the file that keeps the last one."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
import scipy

import statmech
from benchmarks.rounds import Rates
from statmech.machine import available_threads

RESULTS = Path(__file__).resolve().parent / "results" / "workloads.md"
COLUMNS = (
    "workload",
    "M updates/s",
    "acceptance (expected)",
    "of bound (M/s)",
    "twin",
    "twin M/s",
    "ratio (min - max)",
    "goal",
)


@dataclass(frozen=True)
class Outcome:
    """A race with what it was run for; `twins` holds (label, goal)."""

    name: str
    text: str
    rates: Rates
    expected_acceptance: float | None
    bound: float | None
    bound_text: str
    twins: tuple[tuple[str, float | None], ...]
    checked: str


def number(x: float) -> str:
    """Three digits, never an exponent."""
    if x >= 100.0:
        return f"{x:.0f}"
    return f"{x:.3g}" if x >= 1e-3 else f"{x:.5f}"


def rows(outcome: Outcome) -> list[list[str]]:
    """One row a twin; what concerns the package alone is in the first."""
    ours = outcome.rates.rates[0] / 1e6
    acceptance = "-"
    if np.isfinite(outcome.rates.acceptance):
        wanted = outcome.expected_acceptance
        expected = "-" if wanted is None else f"{wanted:.1%}"
        acceptance = f"{outcome.rates.acceptance:.2%} ({expected})"
    share = "-"
    if outcome.bound is not None:
        share = f"{np.median(ours) / outcome.bound:.3f} ({number(outcome.bound)})"
    table = []
    for label, goal in outcome.twins:
        ratio = outcome.rates.ratio(label)
        theirs = outcome.rates.rates[outcome.rates.labels.index(label)] / 1e6
        verdict = "-"
        if goal is not None:
            met = "met" if np.median(ratio) >= goal else "not met"
            verdict = f"{number(goal)}, {met}"
        spread = f"{number(ratio.min())} - {number(ratio.max())}"
        first = [outcome.name, number(float(np.median(ours))), acceptance, share]
        table.append(
            (first if not table else [""] * 4)
            + [label, number(float(np.median(theirs)))]
            + [f"{number(float(np.median(ratio)))} ({spread})", verdict]
        )
    return table


def markdown(table: Iterable[list[str]]) -> str:
    """An aligned table, readable as text too."""
    lines = [list(COLUMNS), *table]
    widths = [max(len(line[j]) for line in lines) for j in range(len(COLUMNS))]
    text = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(text)


def processor() -> str:
    """What the system calls its CPU."""
    try:
        with open("/proc/cpuinfo") as lines:
            known: dict[str, Any] = dict(
                [part.strip() for part in line.split(":", 1)]
                for line in lines
                if ":" in line
            )
        family = f"family {known['cpu family']} model {known['model']}"
        return f"{known['model name']} ({family})"
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def document(outcomes: list[Outcome], options: str) -> str:
    """The whole file."""
    table = [row for outcome in outcomes for row in rows(outcome)]
    n_rounds = outcomes[0].rates.rates.shape[1]
    parts = [
        "# Updates a second beside naive code",
        f"Printed by `python -m benchmarks.workloads{options}` on "
        f"{datetime.date.today().isoformat()}: {processor()}, {available_threads()} "
        f"cores; Python {platform.python_version()}, NumPy {np.__version__}, Numba "
        f"{numba.__version__}, llvmlite {llvmlite.__version__}, SciPy "
        f"{scipy.__version__}, statmech {statmech.__version__}.",
        f"Medians of {n_rounds} interleaved rounds; smallest and largest ratio of a "
        "round in brackets. Rates move with the neighbours of the machine, ratios "
        "less. One thread but for W2. The bound is what measured bandwidths allow, "
        "not what a kernel reached; a goal is a ratio.",
        markdown(table),
        "Workloads and bounds:",
        "\n".join(f"* {o.name}: {o.text}. Bound: {o.bound_text}." for o in outcomes),
        "Checked before timing:",
        "\n".join(f"* {o.name}: {o.checked}." for o in outcomes),
    ]
    return "\n\n".join(parts) + "\n"
