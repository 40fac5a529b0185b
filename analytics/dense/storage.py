"""Replica-symmetric order parameters of the P-spin Hebbian network, storage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.dense import glass
from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.curve import (
    curve_point,
    excess,
    find_on_curve,
    noise_variance,
    signal,
    start_of_curve,
    thermodynamics,
    top_of_curve,
)
from analytics.dense.zero_temperature import solve_zero_temperature
from analytics.gauss import tanh_averages_kernel
from analytics.solve import SaddlePoint
from statmech.errors import (
    check_array,
    check_choice,
    check_order,
    check_real,
    check_temperature,
)
from statmech.jit import kernel
from statmech.status import Status

BRANCHES = ("retrieval", "spin-glass", "paramagnet")
COINCIDENT = ("exclude", "keep")
RESIDUAL_TOLERANCE = 1e-10
ERROR_TOLERANCE = 1e-7  # of m: at a spinodal rounding moves it by 1e-8

# Temperatures and loads below it are taken as 0: nothing differs by more than that,
# and beta**2 would overflow soon.
SMALLEST = 1e-100
LARGEST_LOAD = 1e6

_CONVERGED, _NO_RETRIEVAL, _NOT_CONVERGED = 0, 1, 2
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
    start, top, top_alpha, top_sigma = curve_limits(order, c, temperature)
    row = np.empty((1, 8))
    codes = np.empty(1, dtype=np.int64)
    _solve_row(
        order,
        c,
        temperature,
        np.array([alpha]),
        start,
        top,
        top_alpha,
        top_sigma,
        row,
        codes,
    )
    status = _STATUS[codes[0]]
    m, q, f, u, replicon, residual, error, n_iter = (float(x) for x in row[0])
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
def _solve_row(
    order, c, temperature, alphas, start, top, top_alpha, top_sigma, out, codes
):
    """Retrieval states of many loads at one temperature, into out (n, 8)."""
    guess = top_sigma
    for j in range(alphas.shape[0]):
        alpha = alphas[j]
        out[j, :] = math.nan
        out[j, 7] = 0
        if alpha > top_alpha:
            codes[j] = _NO_RETRIEVAL
            continue
        sigma = 0.0
        log_delta = start
        n_iter = 1
        if alpha > 0.0:
            log_delta, point = find_on_curve(
                order, c, temperature, alpha, start, top, guess
            )
            n_iter = point.n_iter
            sigma = point.sigma
            guess = sigma
        error = position_error(order, c, temperature, alpha, log_delta, sigma)
        # Residual: the map itself, from (m, q), independent of the search.
        beta = 1.0 / temperature
        delta = math.exp(log_delta)
        mu = signal(order, beta, delta)
        found = tanh_averages_kernel(mu, max(sigma, 0.0))
        noise = noise_variance(order, c, temperature, alpha, found.sech2)
        image = tanh_averages_kernel(mu, beta * math.sqrt(noise))
        residual = max(
            abs(image.one_minus_tanh - delta), abs(image.sech2 - found.sech2)
        )
        m = 1.0 - delta
        f, u, replicon = thermodynamics(order, c, temperature, alpha, m, image)
        out[j, 0] = m
        out[j, 1] = 1.0 - found.sech2
        out[j, 2] = f
        out[j, 3] = u
        out[j, 4] = replicon
        out[j, 5] = residual
        out[j, 6] = found.error
        out[j, 7] = n_iter
        good = residual < RESIDUAL_TOLERANCE and error < ERROR_TOLERANCE
        codes[j] = _CONVERGED if good else _NOT_CONVERGED


@kernel
def position_error(order, c, temperature, alpha, log_delta, sigma):
    """Distance of m from the exact solution that rounding leaves open.

    Where the solution is marginal the equations hold nearly everywhere around it, so a
    small residual says little; rounding over the slope of the curve says how little.
    """
    rounding = 4e-16
    delta = math.exp(log_delta)
    if alpha == 0.0:
        h = 1e-6 * delta
        beta = 1.0 / temperature
        rise = excess(order, beta, delta + h) - excess(order, beta, delta - h)
        # exp(-2 signal) turns a rounding of the signal into one of delta.
        size = delta * (1.0 + 2.0 * signal(order, beta, delta))
        return rounding * size / abs(rise / (2.0 * h))
    h = 1e-6 * max(abs(log_delta), 1e-3)
    here = curve_point(order, c, temperature, log_delta, sigma).alpha
    near = curve_point(order, c, temperature, log_delta - h, sigma).alpha
    if near < 0.0:  # the curve begins in between
        near = curve_point(order, c, temperature, log_delta + h, sigma).alpha
    slope = abs(near - here) / h
    return delta * (rounding * alpha + abs(here - alpha)) / slope


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
) -> StorageGrid:
    """`solve_storage` (retrieval branch) at every pair of two axes, T > 0, compiled.

    Parameters
    ----------
    order, coincident
        As in `solve_storage`.
    alpha : (n_alpha,) array, >= 0
    temperature : (n_temperature,) array, finite and at least 1e-100

    Returns
    -------
    StorageGrid
    """
    p = check_order(order)
    check_choice("coincident", coincident, COINCIDENT)
    loads = check_array("alpha", alpha, (None,))
    temperatures = check_array("temperature", temperature, (None,))
    for a in loads:
        check_real("alpha", a, 0.0, LARGEST_LOAD)
    for t in temperatures:
        check_real("temperature", t, SMALLEST)
    c = crosstalk_coefficients(p, coincident)
    shape = (temperatures.size, loads.size)
    out = np.empty((*shape, 8))
    codes = np.empty(shape, dtype=np.int64)
    spinodal = np.empty(temperatures.size)
    for i, t in enumerate(temperatures):
        start, top, top_alpha, top_sigma = curve_limits(p, c, t)
        spinodal[i] = max(top_alpha, 0.0)
        _solve_row(p, c, t, loads, start, top, top_alpha, top_sigma, out[i], codes[i])
    out[..., :7][codes != _CONVERGED] = math.nan
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
