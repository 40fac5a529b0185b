"""Figures of Boltzmann machines: solvers, solutions, errors, magnetisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

_FINE = 200


def draw_iterations(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Products with Phi to the tolerance against |lambda_min|; a series each solver.

    Lines: what the proven rates of forward-backward and of Peaceman-Rachford need for
    as many digits. A solver is missing where it left a model unsolved.
    """
    from sims.figures import each_series, plot_points, series_style

    fixed = {**settings["constants"], **settings["defaults"]}
    series = "solver" if "solver" in settings["axes"] else ""
    lost = []
    for number, label, cut in each_series(dataset, series):
        solved = cut["converged_mean"] == 1.0
        y, error = cut["iterations_mean"].where(solved), cut["iterations_error"]
        x = -cut["lambda_min_mean"].values
        order = np.argsort(x)
        shade, _, _ = series_style(number)
        axes.plot(x[order], y.values[order], color=shade, lw=0.6, ls=":")
        plot_points(axes, number, label, x, y, error)
        if not solved.all():
            lost.append(label)
    least = -dataset["lambda_min_mean"].values
    low, high = float(least.min()), float(least.max())
    fine = np.geomspace(max(low, 0.1), high, _FINE)
    m, largest = 1.0 - fixed["kappa"], 1.0 + fine
    digits = np.log(1.0 / fixed["tol"])
    rate = (largest - m) / (largest + m + 2.0)
    text = r"forward-backward, proven $\rho(a^*)$"
    axes.plot(fine, digits / -np.log(rate), color="black", lw=1.3, label=text)
    if fixed["kappa"] < 2.0:
        # Step 1 / sqrt((m + 1)(L + 1)), at most 0.9.
        step = np.minimum(1.0 / np.sqrt((m + 1.0) * (largest + 1.0)), 0.9)
        ends = [np.abs(1.0 - step * t) / (1.0 + step * t) for t in (m + 1, largest + 1)]
        text = "Peaceman-Rachford, proven"
        axes.plot(
            fine,
            digits / -np.log(np.maximum(*ends)),
            color="black",
            lw=1.3,
            ls="--",
            label=text,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(r"repulsion $|\lambda_{\min}|$ on the tangent space")
    axes.set_ylabel(rf"products with $\Phi$ to residual {fixed['tol']:g}")
    note = f"not always solved by: {', '.join(lost)}" if lost else ""
    axes.legend(fontsize=6.5, ncols=2, title=note, title_fontsize=6.5)
    return axes


def draw_solutions(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """Solutions found against lambda_max; below 2 there is one."""
    from sims.figures import each_series, plot_points

    fixed = {**settings["constants"], **settings["defaults"]}
    others = [a for a in settings["axes"] if a not in ("largest", "sample")]
    axes.axvspan(0.0, 2.0, color="0.9", lw=0, zorder=0, label="proven: one solution")
    for number, label, cut in each_series(dataset, others[0] if others else ""):
        y, error = cut["n_solutions_mean"], cut["n_solutions_error"]
        plot_points(axes, number, label, cut["largest"], y, error)
    axes.plot([0.0, 2.0], [1.0, 1.0], color="black", lw=1.4, label="theory")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(r"strength of the couplings $\lambda_{\max}$ (tangent space)")
    axes.set_ylabel(f"different solutions from {fixed['n_starts']} random starts")
    axes.legend(fontsize=8)
    return axes


def draw_errors(axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]) -> Axes:
    """Errors of naive mean field and of TAP against beta; guides of order 2 and 3."""
    from sims.figures import plot_points

    beta = dataset["beta"].values
    for number, (name, text, order) in enumerate(
        (("error_naive", "naive mean field", 2), ("error_tap", "TAP", 3))
    ):
        y, error = dataset[f"{name}_mean"].values, dataset[f"{name}_error"].values
        plot_points(axes, number, text, beta, y, error)
        guide = y[0] * (beta / beta[0]) ** order
        dashes = ("-", "--")[number]
        label = rf"order of the expansion, $\beta^{order}$"
        axes.plot(beta, guide, color="0.5", lw=1.0, ls=dashes, label=label)
    axes.axvline(0.5, color="black", lw=0.8, ls=":")
    axes.text(
        0.51,
        0.03,
        r"$\lambda_{\max}(J) \to 1$",
        transform=axes.get_xaxis_transform(),
        fontsize=8,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(r"inverse temperature $\beta$ of the SK spins")
    axes.set_ylabel("rms error of the magnetisations")
    axes.legend(fontsize=8)
    return axes


def draw_magnetisation(
    axes: Axes, dataset: xarray.Dataset, settings: dict[str, Any]
) -> Axes:
    """m against the coupling: fixed points and chains over the closed forms."""
    from analytics.mean_field import curie_weiss, curie_weiss_exact
    from sims.figures import plot_points, series_style

    fixed = {**settings["constants"], **settings["defaults"]}
    sizes = (
        dataset["n_spins"].values if "n_spins" in dataset.dims else [fixed["n_spins"]]
    )
    h = fixed["field"]
    low, high = float(dataset["coupling"].min()), float(dataset["coupling"].max())
    fine = np.linspace(low, high, _FINE)
    place = 0
    for n in sizes:
        cut = dataset.sel(n_spins=n) if "n_spins" in dataset.dims else dataset
        exact = [curie_weiss_exact(int(n), c, h) for c in fine]
        lines = (
            (
                "m_mean_field",
                "mean field",
                [curie_weiss(int(n), c, h).value for c in fine],
            ),
            ("m_gibbs", "Gibbs", [e.m_abs if h == 0.0 else e.m for e in exact]),
        )
        for name, text, line in lines:
            shade, _, dashes = series_style(place)
            axes.plot(fine, line, color=shade, ls=dashes, lw=1.3)
            label = rf"{text}, $N = {n}$"
            y, error = cut[f"{name}_mean"], cut[f"{name}_error"]
            plot_points(axes, place, label, cut["coupling"], y, error)
            place += 1
    limit = [curie_weiss(np.inf, c, h).value for c in fine]
    axes.plot(fine, limit, color="0.7", lw=3.0, zorder=0, label=r"$N \to \infty$")
    text = "lines: root with $(N - 1)/N$; sum over all $M$"
    axes.plot([], [], color="black", lw=1.3, label=text)
    axes.set_xlabel(r"coupling $\beta J$")
    axes.set_ylabel(r"magnetisation $m$" + (r" ($|m|$ of chains)" if h == 0.0 else ""))
    axes.legend(fontsize=7.5)
    return axes
