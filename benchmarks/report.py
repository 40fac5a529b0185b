"""What a run of the bench leaves: the table, `latest.json`, a section of the README."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import probes
from benchmarks.probes import Limits
from benchmarks.rounds import Rates
from statmech.machine import available_threads

FOLDER = Path(__file__).resolve().parent
LATEST, README = FOLDER / "latest.json", FOLDER / "README.md"
PACKAGES = (
    "statmech",
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "dwave-samplers",
    "dimod",
    "openjij",
    "jax",
    "jaxlib",
)
COLUMNS = (
    "workload",
    "M updates/s (min - max)",
    "acceptance (expected)",
    "of bound (M/s)",
    "beside",
    "M updates/s",
    "ratio (min - max)",
    "goal",
)


@dataclass(frozen=True)
class Outcome:
    """A race with what it was run for; `rivals` holds (label, goal).

    `bound` is a rate in updates a second, `limits` what it was computed from.
    """

    name: str
    text: str
    rates: Rates
    expected_acceptance: float | None
    bound: float
    bound_text: str
    rivals: tuple[tuple[str, float | None], ...]
    missing: tuple[str, ...]
    checked: str
    limits: Limits | None

    @property
    def share(self) -> float:
        """Median rate over the bound."""
        return float(np.median(self.rates.rates[0]) / self.bound)

    def record(self) -> dict[str, Any]:
        """All that was measured, for JSON."""
        acceptance = self.rates.acceptance
        rivals = {}
        for label, goal in self.rivals:
            ratio = self.rates.ratio(label)
            rivals[label] = {
                "ratio": summary(ratio),
                "goal": goal,
                "met": None if goal is None else bool(np.median(ratio) >= goal),
            }
        return {
            "text": self.text,
            "updates_per_second": {
                label: row.tolist()
                for label, row in zip(self.rates.labels, self.rates.rates, strict=True)
            },
            "median": float(np.median(self.rates.rates[0])),
            "acceptance": acceptance if np.isfinite(acceptance) else None,
            "expected_acceptance": self.expected_acceptance,
            "bound": self.bound,
            "bound_is": self.bound_text,
            "share_of_bound": self.share,
            "probes": None if self.limits is None else asdict(self.limits),
            "beside": rivals,
            "missing": list(self.missing),
            "checked": self.checked,
        }


def summary(values: Any) -> dict[str, float]:
    """Median and spread."""
    return {
        "median": float(np.median(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
    }


def number(x: float) -> str:
    """Three digits, never an exponent."""
    if x >= 100.0:
        return f"{x:.0f}"
    return f"{x:.3g}" if x >= 1e-3 else f"{x:.5f}"


def spread(values: Any) -> str:
    """Median (min - max)."""
    middle, low, high = np.median(values), np.min(values), np.max(values)
    return f"{number(float(middle))} ({number(float(low))} - {number(float(high))})"


def rows(outcome: Outcome) -> list[list[str]]:
    """One row a rival; what concerns the package alone is in the first."""
    acceptance = "-"
    if np.isfinite(outcome.rates.acceptance):
        wanted = outcome.expected_acceptance
        expected = "-" if wanted is None else f"{wanted:.1%}"
        acceptance = f"{outcome.rates.acceptance:.2%} ({expected})"
    first = [
        outcome.name,
        spread(outcome.rates.rates[0] / 1e6),
        acceptance,
        f"{outcome.share:.2f} ({number(outcome.bound / 1e6)})",
    ]
    table = []
    for label, goal in outcome.rivals:
        ratio = outcome.rates.ratio(label)
        theirs = outcome.rates.rates[outcome.rates.labels.index(label)] / 1e6
        verdict = "-"
        if goal is not None:
            met = "met" if np.median(ratio) >= goal else "not met"
            verdict = f"{number(goal)}, {met}"
        table.append([label, number(float(np.median(theirs))), spread(ratio), verdict])
    table += [[label, "not installed", "-", "-"] for label in outcome.missing]
    return [(first if not j else [""] * 4) + row for j, row in enumerate(table)]


def markdown(columns: tuple[str, ...], table: list[list[str]]) -> str:
    """An aligned table, readable as text too."""
    lines = [list(columns), *table]
    widths = [max(len(line[j]) for line in lines) for j in range(len(columns))]
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


def machine() -> dict[str, Any]:
    """Where and with what this runs."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": available_threads(),
        "versions": versions,
    }


def where() -> str:
    """`machine` as a sentence."""
    known = machine()
    parts = [f"{name} {v or '(missing)'}" for name, v in known["versions"].items()]
    return (
        f"{known['date']}, {known['processor']}, {known['cores']} cores; "
        f"{', '.join(parts)}."
    )


def document(outcomes: list[Outcome]) -> str:
    """The whole section of a run of workloads."""
    table = [row for outcome in outcomes for row in rows(outcome)]
    n_rounds = outcomes[0].rates.rates.shape[1]
    parts = [
        where(),
        f"Medians of {n_rounds} interleaved rounds, smallest and largest of a round in "
        "brackets.",
        markdown(COLUMNS, table),
    ]
    limits = [o.limits for o in outcomes if o.limits is not None]
    if limits:
        parts += [
            "Limits of one core, the best of what was measured before each workload, "
            "beside what vector code written by hand reached on a quiet machine of "
            "this kind:",
            probes.markdown(probes.best(limits)),
        ]
    parts += [
        "Bounds, from the limits measured before each workload:",
        "\n".join(f"* {o.name}: {o.bound_text}." for o in outcomes),
        "Checked before timing:",
        "\n".join(f"* {o.name}: {o.checked}." for o in outcomes),
    ]
    return "\n\n".join(parts) + "\n"


def workloads_record(outcomes: list[Outcome]) -> dict[str, Any]:
    """The same for JSON."""
    limits = [o.limits for o in outcomes if o.limits is not None]
    return {
        **machine(),
        "rounds": outcomes[0].rates.rates.shape[1],
        "probes": asdict(probes.best(limits)) if limits else None,
        "workloads": {outcome.name: outcome.record() for outcome in outcomes},
    }


def keep(section: str, record: dict[str, Any], text: str) -> None:
    """Put a run into `latest.json` and between the marks of its section in README."""
    known = json.loads(LATEST.read_text("utf-8")) if LATEST.exists() else {}
    known[section] = record
    LATEST.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    whole = README.read_text("utf-8")
    begin, end = f"<!-- {section}: begin -->\n", f"<!-- {section}: end -->"
    before, rest = whole.split(begin)
    README.write_text(before + begin + text + end + rest.split(end)[1], "utf-8")
