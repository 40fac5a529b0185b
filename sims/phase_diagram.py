"""The (alpha, T) phase diagram of a Hebbian network, measured and computed together.

One labelled data set holds the Monte Carlo map of the retrieval magnetisation, the
lines from theory, and a table of theory against simulation at points between them.
"""

from __future__ import annotations

import itertools
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

import analytics.dense as theory
from sims.budget import require_fit
from sims.compare import Comparison, compare
from sims.experiments.dense import (
    DenseStorage,
    retrieval_bytes,
    simulate_retrieval,
)
from sims.experiments.dense_points import Point
from sims.runner import run_points
from statmech.errors import check_integer, check_order
from statmech.hebbian import load_unit
from statmech.machine import available_threads
from statmech.stats import estimate

if TYPE_CHECKING:
    import xarray

# Name in the data set: kind of the line, steps of replica symmetry breaking.
LINES = {
    "spinodal": ("spinodal", 0),
    "broken_spinodal": ("spinodal", 1),
    "thermodynamic": ("thermodynamic", 0),
    "broken_thermodynamic": ("thermodynamic", 1),
    "glass": ("glass", 0),
    "dynamic": ("dynamic", 0),
    "replicon": ("replicon", 0),
    "nishimori": ("nishimori", 0),
}
_MAP_OPERATIONS = 2.5e5  # K N a sweep at the corner of the map, P >= 3


@dataclass(frozen=True)
class Plan:
    """What is run: the map's axes and size, and the points of the table."""

    order: int
    alphas: tuple[float, ...]
    temperatures: tuple[float, ...]
    n_spins: int
    n_samples: int
    n_sweeps: int
    n_burn_in: int
    seed: int
    table: tuple[tuple[float, float], ...]
    table_spins: int | None = None  # largest size of the table; None: the default

    def points(self) -> list[Point]:
        """Every sample of every grid point, sample by sample."""
        return [
            Point(
                order=self.order,
                alpha=alpha,
                temperature=t,
                coincident="exclude",
                n_spins=self.n_spins,
                n_sweeps=self.n_sweeps,
                n_burn_in=self.n_burn_in,
                seed=self.seed,
                sample=sample,
            )
            for alpha in self.alphas
            for t in self.temperatures
            for sample in range(self.n_samples)
        ]


def plan_phase_diagram(order: int, *, seed: int = 0) -> Plan:
    """A 16 x 15 grid that reaches beyond the retrieval region, and 12 table points.

    The table lies at fractions of the spinodal load large enough that a theory with
    sqrt(2) times the noise has no retrieval state there, and small enough that
    systems of the sizes used stay in it.
    """
    p = check_order(order)
    top_t = theory.find_transition_temperature(p, 0.0).value
    line = theory.trace_line(p, "spinodal", n_points=41)
    top_alpha = float(np.max(line.alpha))
    alphas = top_alpha * np.linspace(0.07, 1.15, 16)
    temperatures = top_t * np.linspace(0.05, 1.17, 15)
    if p == 2:
        n, fractions = 1000, (0.55, 0.65, 0.75)
    else:
        n, fractions = 3 * p, (0.51, 0.55, 0.59)
        while load_unit(p, n + 1) * alphas[-1] * (n + 1) < _MAP_OPERATIONS:
            n += 1
    table = tuple(
        (_few_digits(fraction * theory.find_critical_load(p, t).value), t)
        for t in (_few_digits(x * top_t) for x in (0.1, 0.25, 0.45, 0.65))
        for fraction in fractions
    )
    return Plan(
        order=p,
        alphas=tuple(_few_digits(a) for a in alphas),
        temperatures=tuple(_few_digits(t) for t in temperatures),
        n_spins=n,
        n_samples=6,
        n_sweeps=150,
        n_burn_in=100,
        seed=check_integer("seed", seed, 0),
        table=table,
    )


def _few_digits(x: float) -> float:
    """x to four digits: seeds come from the parameters, which must not depend on how
    the last bit of a solved number falls out."""
    return float(f"{x:.4g}")


def run_phase_diagram(
    plan: Plan, *, progress: bool = False
) -> tuple[xarray.Dataset, list[Comparison]]:
    """Measure the map and the table, trace the lines, label everything.

    Raises
    ------
    MemoryLimitError
        Before anything is generated.
    """
    points = plan.points()
    jobs = [point for e in table_experiments(plan) for point in e.points()]
    require_fit([*points, *jobs], retrieval_bytes, available_threads(), per_worker=0)
    measured = run_points(
        simulate_retrieval, points, progress="map" if progress else ""
    )
    comparisons = run_table(plan, progress=progress)
    return _dataset(plan, measured, comparisons, trace_lines(plan.order)), comparisons


def trace_lines(order: int) -> dict[str, theory.Line]:
    """All lines of theory; at P = 2 those that keep replica symmetry, and the glass."""
    return {
        name: theory.trace_line(order, kind, rsb=steps)
        for name, (kind, steps) in LINES.items()
        if order > 2 or (steps == 0 and kind != "dynamic")
    }


def table_experiments(plan: Plan) -> list[DenseStorage]:
    """One check a point of the table."""
    return [
        DenseStorage(
            order=plan.order,
            alpha=a,
            temperature=t,
            n_spins=plan.table_spins,
            seed=plan.seed,
            n_samples=16,
            n_sweeps=200,
        )
        for a, t in plan.table
    ]


def run_table(plan: Plan, *, progress: bool = False) -> list[Comparison]:
    """Theory against simulation at the table points, two sizes each."""
    experiments = table_experiments(plan)
    points = [e.points() for e in experiments]
    jobs = [(e, p) for e, mine in zip(experiments, points, strict=True) for p in mine]
    results = run_points(
        lambda job: job[0].simulate(job[1]), jobs, progress="table" if progress else ""
    )
    remaining = iter(results)
    return [
        compare(e, mine, list(itertools.islice(remaining, len(mine))))
        for e, mine in zip(experiments, points, strict=True)
    ]


def _dataset(
    plan: Plan,
    measured: Sequence[Any],
    comparisons: Sequence[Comparison],
    lines: dict[str, theory.Line],
) -> xarray.Dataset:
    import xarray

    shape = (len(plan.alphas), len(plan.temperatures), plan.n_samples)
    samples = np.array([r["m"].mean() for r in measured]).reshape(shape)
    cells = [
        [r["m"] for r in measured[j : j + plan.n_samples]]
        for j in range(0, len(measured), plan.n_samples)
    ]
    estimates = [estimate(cell) for cell in cells]
    grid = ("alpha", "temperature")
    data: dict[str, Any] = {
        "m_samples": ((*grid, "sample"), samples, {"long_name": "Mattis m, a sample"}),
        "m": (grid, np.array([e.mean for e in estimates]).reshape(shape[:2])),
        "m_error": (grid, np.array([e.error for e in estimates]).reshape(shape[:2])),
        "m_reliable": (
            grid,
            np.array([e.reliable for e in estimates], dtype=np.int8).reshape(shape[:2]),
        ),
        "m_theory": (grid, _theory_map(plan)),
    }
    for kind, line in lines.items():
        if line.alpha.size:
            dim = f"{kind}_point"
            data[f"{kind}_alpha"] = (dim, line.alpha)
            data[f"{kind}_temperature"] = (dim, line.temperature)
            data[f"{kind}_error"] = (dim, line.error)
    data |= _table_variables(comparisons)
    return xarray.Dataset(
        data,
        coords={
            "alpha": ("alpha", list(plan.alphas), {"long_name": "K / N**(P-1)"}),
            "temperature": (
                "temperature",
                list(plan.temperatures),
                {"units": "J"},
            ),
        },
        attrs={"provenance": provenance(plan, lines)},
    )


def _theory_map(plan: Plan) -> Any:
    """Predicted m at the realised loads; nan where there is no retrieval state."""
    unit = load_unit(plan.order, plan.n_spins)
    realised = [round(a * unit) / unit for a in plan.alphas]
    return theory.solve_storage_grid(plan.order, realised, plan.temperatures).m


def _table_variables(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Rows of all checks as variables over (check, row)."""
    rows = [c.rows for c in comparisons]
    dims = ("check", "row")

    def column(get: Any) -> Any:
        return dims, np.array([[get(row) for row in check] for check in rows])

    return {
        "check_alpha": ("check", np.array([c.settings["alpha"] for c in comparisons])),
        "check_temperature": (
            "check",
            np.array([c.settings["temperature"] for c in comparisons]),
        ),
        "check_verdict": ("check", np.array([c.verdict for c in comparisons])),
        "check_escaped": ("check", np.array([c.escaped for c in comparisons])),
        "row_observable": ("row", np.array([r.observable for r in rows[0]])),
        "row_n_spins": column(lambda r: r.n_spins),
        "row_prediction": column(lambda r: r.prediction.value),
        "row_estimate": column(lambda r: r.estimate.mean),
        "row_error": column(lambda r: r.estimate.error),
        "row_allowance": column(lambda r: r.allowance),
        "row_z": column(lambda r: r.z),
    }


def provenance(plan: Plan, lines: dict[str, theory.Line]) -> str:
    """One JSON string: what was asked for, by which versions, which lines exist."""
    import statmech

    content = {
        "order": plan.order,
        "coincident": "exclude",
        "n_spins": plan.n_spins,
        "n_samples": plan.n_samples,
        "n_chains": 2,
        "n_sweeps": plan.n_sweeps,
        "n_burn_in": plan.n_burn_in,
        "initial": "pattern",
        "seed": plan.seed,
        "lines": {kind: str(line.status) for kind, line in lines.items()},
        "physics_version": statmech.PHYSICS_VERSION,
        "versions": {
            name: metadata.version(name)
            for name in ("statmech", "numpy", "numba", "scipy", "xarray")
        },
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    return json.dumps(content, allow_nan=False, sort_keys=True)
