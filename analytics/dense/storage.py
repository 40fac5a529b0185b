"""Replica-symmetric order parameters of the P-spin Hebbian network, storage."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.dense import glass
from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.curve import start_of_curve, top_of_curve
from analytics.dense.rising import (
    CONVERGED,
    N_COLUMNS,
    N_INTERVALS,
    fill_table,
    solve_row,
)
from analytics.dense.zero_temperature import solve_zero_temperature
from analytics.solve import SaddlePoint
from statmech.errors import (
    check_array,
    check_choice,
    check_integer,
    check_order,
    check_real,
    check_temperature,
)
from statmech.jit import kernel
from statmech.machine import available_threads
from statmech.status import Status

BRANCHES = ("retrieval", "spin-glass", "paramagnet")
COINCIDENT = ("exclude", "keep")

# Temperatures and loads below it are taken as 0: nothing differs by more than that,
# and beta**2 would overflow soon.
SMALLEST = 1e-100
LARGEST_LOAD = 1e6

# In the order of the codes of `analytics.dense.rising`.
_STATUS = (Status.CONVERGED, Status.NO_RETRIEVAL, Status.NOT_CONVERGED)


def solve_storage(
    order: int,
    alpha: float,
    temperature: float,
    *,
    branch: str = "retrieval",
    coincident: str = "exclude",
) -> SaddlePoint:
    """Replica-symmetric state of a P-spin Hebbian network that stores K patterns.

    Parameters
    ----------
    order : int
        P >= 2.
    alpha : float
        Load K / N**(P-1), from 0 to 1e6; below 1e-100 it is taken as 0.
    temperature : float
        T >= 0 in units J = 1, k_B = 1 (field of a recovered pattern = 1); 0 and inf
        are legal, and below 1e-100 it is taken as 0.
    branch : {"retrieval", "spin-glass", "paramagnet"}
        "retrieval": the state of largest m, metastable or not. "spin-glass": m = 0,
        q > 0, at P = 2 (for P >= 3 that state breaks replica symmetry and the status
        says so). "paramagnet": m = q = 0, stable or not.
    coincident : {"exclude", "keep"}
        Treatment of equal site indices, as in `statmech.HebbianNetwork`.

    Returns
    -------
    SaddlePoint
        m, q, free_energy, energy, replicon, residual, quadrature_error, n_iter,
        status. Where the branch does not exist m, q, ... are nan and the status says
        why.

    Raises
    ------
    ParameterError, ParameterTypeError
        For an order below 2, a negative or NaN load or temperature, or an unknown
        branch.

    Notes
    -----
    The retrieval state is found by a bracketed root on the curve of solutions at
    fixed temperature (`analytics.dense.curve`), so it cannot land on another branch.
    A theory whose noise has a standard deviation larger by a factor k is the theory
    at load k**2 alpha, at any P.

    References
    ----------
    D. J. Amit, H. Gutfreund and H. Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985) and
    Ann. Phys. 173, 30 (1987), for P = 2; E. Gardner, J. Phys. A 20, 3453 (1987), for
    P >= 3; J. R. L. de Almeida and D. J. Thouless, J. Phys. A 11, 983 (1978), for the
    replicon.

    Examples
    --------
    >>> state = solve_storage(2, 0.1, 0.2)
    >>> round(state.m, 4), round(state.q, 4), state.status.ok
    (0.9891, 0.9844, True)
    """
    p = check_order(order)
    a = usable_load(alpha)
    t = usable_temperature(temperature)
    check_choice("branch", branch, BRANCHES)
    check_choice("coincident", coincident, COINCIDENT)
    c = crosstalk_coefficients(p, coincident)
    if branch == "spin-glass":
        state = glass.solve_spin_glass(p, a, t)
    elif branch == "paramagnet":
        state = glass.solve_paramagnet(p, c, a, t)
    elif t == 0.0:
        state = solve_zero_temperature(p, c, a)
    else:
        state = _solve_retrieval(p, c, a, t)
    return _with_coincident_constant(state, p, a, coincident)


def usable_load(alpha: float) -> float:
    """Checked load; below 1e-100 it is 0."""
    a = check_real("alpha", alpha, 0.0, LARGEST_LOAD)
    return 0.0 if a < SMALLEST else a


def usable_temperature(temperature: float) -> float:
    """Checked temperature; below 1e-100 it is 0."""
    t = check_temperature(temperature)
    return 0.0 if t < SMALLEST else t


def _solve_retrieval(
    order: int, c: NDArray[np.float64], alpha: float, temperature: float
) -> SaddlePoint:
    out = np.empty((1, 1, 8))
    codes = np.empty((1, 1), dtype=np.int64)
    axes = np.array([temperature]), np.array([alpha])
    _solve_rows(order, c, *axes, 0, 1, np.empty(1), out, codes)
    status = _STATUS[codes[0, 0]]
    m, q, f, u, replicon, residual, error, n_iter = (float(x) for x in out[0, 0])
    if not status.ok:
        return SaddlePoint.missing(status, n_iter=int(n_iter), residual=residual)
    return SaddlePoint(m, q, f, u, replicon, residual, error, int(n_iter), status)


@kernel
def curve_limits(order, c, temperature):
    """Ends of the rising part of the curve: (start, top, alpha there, sigma there)."""
    start = 1.0 if temperature == math.inf else start_of_curve(order, temperature)
    if start > 0.0:
        return start, start, -1.0, 0.0
    top, top_alpha, top_sigma = top_of_curve(order, c, temperature, start)
    return start, top, top_alpha, top_sigma


@kernel
def _solve_rows(order, c, temperatures, alphas, first, step, spinodal, out, codes):
    """Rows first, first + step, ... of a grid, into out (n_temperature, n_alpha, 8)."""
    table = np.zeros((N_INTERVALS + 1, N_COLUMNS))
    for i in range(first, temperatures.shape[0], step):
        t = temperatures[i]
        start, top, top_alpha, top_sigma = curve_limits(order, c, t)
        spinodal[i] = max(top_alpha, 0.0)
        # Ends that serve the bracketing method where the table cannot be made.
        table[0, 0] = start
        table[N_INTERVALS, 0] = top
        table[N_INTERVALS, 1] = top_sigma * top_sigma
        rises = top_alpha > 0.0 and fill_table(
            order, c, t, start, top, top_sigma, table
        )
        solve_row(order, c, t, alphas, top_alpha, table, rises, out[i], codes[i])


@dataclass(frozen=True)
class StorageGrid:
    """Retrieval states on a grid; every array has shape (n_alpha, n_temperature).

    `m`, `q`, `free_energy`, `energy`, `replicon` are nan where `status` is not ok.
    `status` holds `Status` objects; `spinodal` (n_temperature,) is the load beyond
    which no retrieval state exists.
    """

    alpha: NDArray[np.float64]
    temperature: NDArray[np.float64]
    m: NDArray[np.float64]
    q: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    energy: NDArray[np.float64]
    replicon: NDArray[np.float64]
    residual: NDArray[np.float64]
    quadrature_error: NDArray[np.float64]
    status: NDArray[np.object_]
    spinodal: NDArray[np.float64]


def solve_storage_grid(
    order: int,
    alpha: ArrayLike,
    temperature: ArrayLike,
    *,
    coincident: str = "exclude",
    n_threads: int | None = None,
) -> StorageGrid:
    """`solve_storage` (retrieval branch) at every pair of two axes, T > 0, compiled.

    Parameters
    ----------
    order, coincident
        As in `solve_storage`.
    alpha : (n_alpha,) array, >= 0
    temperature : (n_temperature,) array, finite and at least 1e-100
    n_threads : int, optional
        Threads that share the temperatures; all cores that this process may use.

    Returns
    -------
    StorageGrid

    Notes
    -----
    Every point is bit for bit what `solve_storage` gives: it depends neither on the
    other points nor on the number of threads. At a converged point the residual is
    below 1e-10, and rounding leaves m open by less than 1e-7, which it does only next
    to the spinodal.
    """
    p = check_order(order)
    check_choice("coincident", coincident, COINCIDENT)
    loads = check_array("alpha", alpha, (None,))
    temperatures = check_array("temperature", temperature, (None,))
    for a in loads:
        check_real("alpha", a, 0.0, LARGEST_LOAD)
    for t in temperatures:
        check_real("temperature", t, SMALLEST)
    threads = available_threads() if n_threads is None else n_threads
    threads = min(check_integer("n_threads", threads, 1), max(1, temperatures.size))
    c = crosstalk_coefficients(p, coincident)
    shape = (temperatures.size, loads.size)
    out = np.empty((*shape, 8))
    codes = np.empty(shape, dtype=np.int64)
    spinodal = np.empty(temperatures.size)
    arguments = (p, c, temperatures, loads)

    def solve_part(first: int) -> None:
        _solve_rows(*arguments, first, threads, spinodal, out, codes)

    if threads == 1:
        solve_part(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(solve_part, range(threads)))
    out[..., :7][codes != CONVERGED] = math.nan
    columns = np.ascontiguousarray(np.moveaxis(out, (2, 1), (0, 1)))
    shift = _coincident_constant(p, loads, coincident)[:, None]
    return StorageGrid(
        alpha=loads,
        temperature=temperatures,
        m=columns[0],
        q=columns[1],
        free_energy=columns[2] + shift,
        energy=columns[3] + shift,
        replicon=columns[4],
        residual=columns[5],
        quadrature_error=columns[6],
        status=np.array(_STATUS, dtype=object)[codes.T],
        spinodal=spinodal,
    )


def _coincident_constant(order: int, alpha: Any, coincident: str) -> Any:
    """Energy per spin of the terms i = j at P = 2, -K/(2N)."""
    return -0.5 * alpha if (order == 2 and coincident == "keep") else 0.0 * alpha


def _with_coincident_constant(
    state: SaddlePoint, order: int, alpha: float, coincident: str
) -> SaddlePoint:
    from dataclasses import replace

    shift = float(_coincident_constant(order, alpha, coincident))
    if shift == 0.0 or not state.status.ok:
        return state
    return replace(
        state, free_energy=state.free_energy + shift, energy=state.energy + shift
    )
