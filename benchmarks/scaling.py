"""How the cost of an update grows with spins, patterns and chains: a figure.

    python -m benchmarks.scaling [--quick]

Time per update through `statmech.sample`, one thread, recording every sweep. Points are
medians, bars smallest and largest of all rounds; every round measures every point once,
so that a slow minute of the machine spoils no one curve. Lines are the growth that
counting operations predicts: constants are taken from one measured point, or from the
first and the last where a fixed cost is part of the law; no exponent is free.

Writes `benchmarks/scaling.png`, the numbers into `benchmarks/latest.json` and a table
into the README; with --quick only a figure in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import statmech
from benchmarks.report import keep, machine, markdown, spread, summary, where
from statmech.kernels.lanes import LANES
from statmech.kernels.plan import costs as expected_costs
from statmech.kernels.plan import default_sites

FIGURE = Path(__file__).resolve().parent / "scaling.png"


@dataclass(frozen=True)
class Series:
    """One curve: `network(x)`, sampled at `temperature` by `n_chains(x)` chains.

    `growth(x)` is the predicted cost up to a factor, which the point `anchor` fixes, or
    without an anchor up to a factor and a constant; `law` is how it is called.
    """

    label: str
    values: tuple[int, ...]
    network: Callable[[int], statmech.HebbianNetwork]
    temperature: float
    initial: str
    growth: Callable[[Any], Any]
    law: str
    anchor: int | None = None
    n_chains: Callable[[int], int] = lambda x: 1

    def predicted(self, x: Any, cost: Any) -> Any:
        """Predicted costs at `x`, given those measured at `values`."""
        shape = self.growth(np.asarray(x))
        if self.anchor is not None:
            at = cost[self.values.index(self.anchor)]
            return at * shape / self.growth(self.anchor)
        first, last = self.growth(self.values[0]), self.growth(self.values[-1])
        slope = (cost[-1] - cost[0]) / (last - first)
        return cost[0] + slope * (shape - first)


@dataclass(frozen=True)
class Panel:
    """Curves over one variable."""

    variable: str
    series: tuple[Series, ...]


def dense(k: int, n: int, order: int = 2) -> statmech.HebbianNetwork:
    """K random patterns without blanks."""
    xi = statmech.patterns.rademacher(k, n, seed=1)
    convention = "keep" if order > 2 else "exclude"
    return statmech.HebbianNetwork(xi, order, coincident=convention)


def diluted(k: int, n: int) -> statmech.HebbianNetwork:
    """K patterns with a quarter of blanks."""
    return statmech.HebbianNetwork(statmech.patterns.diluted(k, n, 0.25, seed=1))


def flat(x: Any) -> Any:
    return np.ones_like(np.asarray(x, dtype=float))


def proportional(x: Any) -> Any:
    return np.asarray(x, dtype=float)


def planned(network: statmech.HebbianNetwork) -> Callable[[Any], Any]:
    """What the plan of the kernels expects of R chains: one by one, then in lanes."""

    def one(r: float) -> float:
        sites = default_sites(network, round(r), 0.3)
        together = min(round(r), LANES)
        how = {"n_chains": together, "sites": sites, "acceptance": ACCEPTANCE}
        return min(expected_costs(network, **how).values())

    return np.vectorize(one, otypes=[float])


ACCEPTANCE = 0.1  # of both series over chains
SPINS = (1000, 4000, 16_000, 64_000, 256_000)
PATTERNS = (8, 16, 32, 64, 128, 256, 512, 1024)
CHAINS = (1, 2, 4, 8, 16, 31, 32, 64, 128)

PANELS = (
    Panel(
        "number of spins N",
        (
            Series(
                "K = 5 diluted, T = 0.3",
                (*SPINS, 1_000_000),
                lambda n: diluted(5, n),
                0.3,
                "hierarchical",
                flat,
                "flat",
                16_000,
            ),
            Series(
                "K = 50, T = 0.3",
                SPINS,
                lambda n: dense(50, n),
                0.3,
                "pattern",
                flat,
                "flat",
                4000,
            ),
            Series(
                "P = 4, K = 200, T = 0.2",
                SPINS[:3],
                lambda n: dense(200, n, 4),
                0.2,
                "pattern",
                flat,
                "flat",
                4000,
            ),
        ),
    ),
    Panel(
        "number of patterns K",
        (
            Series(
                "P = 2, N = 4000, T = 0.6",
                PATTERNS,
                lambda k: dense(k, 4000),
                0.6,
                "pattern",
                proportional,
                "a + b K",
            ),
            Series(
                "P = 2, N = 4000, T = 0.1",
                PATTERNS,
                lambda k: dense(k, 4000),
                0.1,
                "pattern",
                flat,
                "flat",
                64,
            ),
            Series(
                "P = 4, N = 200, T = 0.2",
                (*PATTERNS, 4096, 16_384),
                lambda k: dense(k, 200, 4),
                0.2,
                "pattern",
                proportional,
                "a + b K",
            ),
        ),
    ),
    Panel(
        "number of chains R",
        (
            Series(
                "K = 5 diluted, N = 10000",
                CHAINS,
                lambda r: diluted(5, 10_000),
                0.3,
                "hierarchical",
                planned(diluted(5, 10_000)),
                f"lanes from R = {LANES // 2} on",
                1,
                lambda r: r,
            ),
            Series(
                "K = 50, N = 1000",
                CHAINS,
                lambda r: dense(50, 1000),
                0.3,
                "random",
                planned(dense(50, 1000)),
                f"lanes from R = {LANES // 2} on",
                1,
                lambda r: r,
            ),
        ),
    ),
)


class Point:
    """One system, its chains in equilibrium, and how many sweeps take a while."""

    def __init__(self, series: Series, x: int, seconds: float) -> None:
        self.series, self.x = series, x
        self.model, self.n_chains = series.network(x), series.n_chains(x)
        self.state: Any = series.initial
        self.calls, self.n_sweeps = 0, 1
        self.run(max(10, 200_000 // self.model.n_spins))
        while self.run(self.n_sweeps) < 0.6 * seconds:
            self.n_sweeps *= 2

    def run(self, n_sweeps: int) -> float:
        """Seconds of one call, which goes on where the last one ended."""
        self.calls += 1
        begin = time.perf_counter()
        trace = statmech.sample(
            self.model,
            self.series.temperature,
            n_sweeps=n_sweeps,
            n_burn_in=0,
            n_chains=self.n_chains,
            initial=self.state,
            seed=self.calls,
            n_threads=1,
        )
        elapsed = time.perf_counter() - begin
        self.state = trace.spins
        return elapsed

    def cost(self) -> float:
        """ns an update."""
        updates = self.n_sweeps * self.model.n_spins * self.n_chains
        return 1e9 * self.run(self.n_sweeps) / updates


def measure(n_rounds: int, seconds: float) -> list[list[Any]]:
    """ns an update, (rounds, values) of every series of every panel."""
    points = [
        [[Point(series, x, seconds) for x in series.values] for series in panel.series]
        for panel in PANELS
    ]
    costs = [[np.empty((n_rounds, len(row))) for row in panel] for panel in points]
    for turn in range(n_rounds):
        for panel, found in zip(points, costs, strict=True):
            for row, cost in zip(panel, found, strict=True):
                cost[turn] = [point.cost() for point in row]
    return costs


def draw(costs: list[list[Any]], path: Path) -> None:
    """The figure: filled, open and crossed markers, so that grey is enough."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    figure, axes = plt.subplots(1, 3, figsize=(12.0, 4.2), layout="constrained")
    looks = (("o", "black", "-"), ("s", "white", "--"), ("D", "0.6", ":"))
    for panel, found, ax in zip(PANELS, costs, axes, strict=True):
        for series, cost, look in zip(panel.series, found, looks, strict=False):
            marker, face, line = look
            x, middle = np.array(series.values), np.median(cost, axis=0)
            bars = np.stack([middle - cost.min(axis=0), cost.max(axis=0) - middle])
            ax.errorbar(
                x,
                middle,
                bars,
                fmt=marker,
                color="black",
                markerfacecolor=face,
                capsize=2,
                markersize=5,
                label=f"{series.label}: {series.law}",
            )
            fine = np.geomspace(x[0], x[-1], 200)
            ax.plot(fine, series.predicted(fine, middle), line, color="0.45", lw=1)
        ax.set(xscale="log", yscale="log", xlabel=panel.variable)
        ax.grid(which="major", color="0.9")
        ax.set_axisbelow(True)
        low, high = ax.get_ylim()
        # Room for the legend above the points.
        ax.set_ylim(low / 1.2, high * (high / low) ** 0.35)
        # Numbers as in the table, between powers of ten too where there are few.
        wide = high / low > 300.0
        ax.yaxis.set_minor_locator(LogLocator(subs=() if wide else (2.0, 5.0)))
        for plain in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
            plain(StrMethodFormatter("{x:g}"))
        ax.legend(fontsize=8, loc="upper left", frameon=False)
    axes[0].set_ylabel("time per update (ns)")
    figure.suptitle(
        "One thread; points: median, smallest and largest; lines: predicted growth",
        fontsize=9,
    )
    figure.savefig(path, dpi=160)


def table(costs: list[list[Any]]) -> list[list[str]]:
    """One row a point."""
    lines = []
    for panel, found in zip(PANELS, costs, strict=True):
        for series, cost in zip(panel.series, found, strict=True):
            for j, x in enumerate(series.values):
                name = f"{series.label}; {panel.variable}" if j == 0 else ""
                lines.append([name, str(x), spread(cost[:, j])])
    return lines


def main() -> None:
    """Measure, draw, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds; not kept")
    options = parser.parse_args()
    costs = measure(*((3, 0.05) if options.quick else (5, 0.2)))
    path = Path(tempfile.gettempdir()) / FIGURE.name if options.quick else FIGURE
    draw(costs, path)
    print(f"Figure: {path}\n")
    text = markdown(("series", "at", "ns an update (min - max)"), table(costs))
    text = f"{where()}\n\n{text}\n"
    print(text)
    if not options.quick:
        record = {
            panel.variable: {
                series.label: {
                    str(x): {"ns": cost[:, j].tolist(), **summary(cost[:, j])}
                    for j, x in enumerate(series.values)
                }
                for series, cost in zip(panel.series, found, strict=True)
            }
            for panel, found in zip(PANELS, costs, strict=True)
        }
        keep("scaling", {**machine(), "series": record}, text)


if __name__ == "__main__":
    main()
