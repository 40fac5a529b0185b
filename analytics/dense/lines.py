"""Lines of the (alpha, T) phase diagram, each from its defining condition.

spinodal       where the retrieval state ends: the top of the curve of solutions
thermodynamic  where its free energy equals that of the m = 0 state
replicon       where its replicon eigenvalue vanishes (de Almeida-Thouless line)
glass          where the paramagnet freezes
nishimori      T = alpha (P-1)!, P >= 3: there m = q and u = -1/P exactly
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.dense.conditions import TOP_ERROR, Conditions, LineRow
from analytics.dense.storage import COINCIDENT, usable_load, usable_temperature
from analytics.solve import Prediction
from statmech.errors import (
    check_choice,
    check_integer,
    check_order,
    check_real,
)
from statmech.status import Status

LOAD_KINDS = ("spinodal", "thermodynamic", "replicon")
TEMPERATURE_KINDS = ("spinodal", "thermodynamic", "glass", "replicon")
LINE_KINDS = (*TEMPERATURE_KINDS, "nishimori")


@dataclass(frozen=True)
class Line:
    """A line of the phase diagram.

    Attributes
    ----------
    kind : str
    order : int
    alpha, temperature : (n,) float64
        Points in the order they were traced; nan where `statuses` is not ok.
    m : (n,) float64
        Retrieval magnetisation on the line (0 on the glass line).
    error : (n,) float64
        Numerical uncertainty of the coordinate that was solved for.
    statuses : tuple of Status
    status : Status
        CONVERGED if every point may be used, otherwise why not; a line that does not
        exist has no points.
    """

    kind: str
    order: int
    alpha: NDArray[np.float64]
    temperature: NDArray[np.float64]
    m: NDArray[np.float64]
    error: NDArray[np.float64]
    statuses: tuple[Status, ...]
    status: Status


def find_critical_load(
    order: int,
    temperature: float = 0.0,
    *,
    kind: str = "spinodal",
    coincident: str = "exclude",
) -> Prediction:
    """Load alpha = K / N**(P-1) at which a line is crossed at fixed temperature.

    Parameters
    ----------
    order : int
        P >= 2.
    temperature : float
        T >= 0, units J = 1.
    kind : {"spinodal", "thermodynamic", "replicon"}
        Where the retrieval state (replica symmetric) disappears; where its free
        energy equals that of the m = 0 state (P = 2; for P >= 3 that state is 1RSB
        and the status is NEEDS_RSB); where its replicon eigenvalue vanishes.
    coincident : {"exclude", "keep"}

    Returns
    -------
    Prediction
        The largest such load. nan with NO_TRANSITION where the line is not crossed.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    D. J. Amit, H. Gutfreund and H. Sompolinsky, Ann. Phys. 173, 30 (1987).

    Examples
    --------
    >>> print(find_critical_load(2))
    0.1379055665 +- 1e-13
    """
    p = check_order(order)
    t = usable_temperature(temperature)
    check_choice("kind", kind, LOAD_KINDS)
    check_choice("coincident", coincident, COINCIDENT)
    theory = Conditions(p, coincident)
    if kind == "spinodal":
        top = theory.spinodal(t)
        if top <= 0.0:
            return Prediction.missing(Status.NO_TRANSITION)
        return Prediction(top, TOP_ERROR * (1.0 + top), Status.CONVERGED)
    if kind == "thermodynamic":
        return theory.thermodynamic_load(t)
    return theory.replicon_load(t)[0]


def find_transition_temperature(
    order: int,
    alpha: float,
    *,
    kind: str = "spinodal",
    coincident: str = "exclude",
) -> Prediction:
    """Temperature at which a line is crossed at fixed load.

    Parameters
    ----------
    order : int
        P >= 2.
    alpha : float
        Load, >= 0.
    kind : {"spinodal", "thermodynamic", "glass", "replicon"}
        As in `find_critical_load`; "glass" is where the paramagnet freezes
        (P = 2: T_g = 1 + sqrt(alpha); P >= 3: NEEDS_RSB).
    coincident : {"exclude", "keep"}

    Returns
    -------
    Prediction
        The highest such temperature; nan with NO_TRANSITION if there is none.

    Raises
    ------
    ParameterError, ParameterTypeError

    Examples
    --------
    >>> print(find_transition_temperature(2, 0.05, kind="glass"))
    1.223606798 +- 2e-16
    """
    p = check_order(order)
    a = usable_load(alpha)
    check_choice("kind", kind, TEMPERATURE_KINDS)
    check_choice("coincident", coincident, COINCIDENT)
    if kind == "glass":
        if p != 2:
            return Prediction.missing(Status.NEEDS_RSB)
        return Prediction(1.0 + math.sqrt(a), 2.2e-16, Status.CLOSED_FORM)
    theory = Conditions(p, coincident)
    if kind == "spinodal":
        return theory.spinodal_temperature(a)
    if kind == "thermodynamic":
        return theory.thermodynamic_temperature(a)
    return theory.replicon_temperature(a)


def trace_line(
    order: int,
    kind: str,
    *,
    n_points: int = 81,
    alpha_max: float | None = None,
    coincident: str = "exclude",
) -> Line:
    """A whole line of the (alpha, T) diagram.

    Parameters
    ----------
    order : int
        P >= 2.
    kind : {"spinodal", "thermodynamic", "glass", "replicon", "nishimori"}
    n_points : int
        At least 2.
    alpha_max : float, optional
        End of the glass line; default 1.5 times the capacity at T = 0.
    coincident : {"exclude", "keep"}

    Returns
    -------
    Line
        Spinodal, thermodynamic and replicon lines run along T (from T = 0, or from
        1e-6 of its upper end for the replicon line, which reaches alpha = 0 only at
        T = 0); glass and Nishimori lines along alpha. The Nishimori line ends where
        it meets the maximum of the spinodal; it exists for P >= 3 without coincident
        indices, and the status says UNDEFINED elsewhere.
    """
    p = check_order(order)
    check_choice("kind", kind, LINE_KINDS)
    n = check_integer("n_points", n_points, 2)
    check_choice("coincident", coincident, COINCIDENT)
    theory = Conditions(p, coincident)
    if kind == "glass":
        if p != 2:
            return _empty(kind, p, Status.NEEDS_RSB)
        end = 1.5 * theory.spinodal(0.0)
        if alpha_max is not None:
            end = check_real("alpha_max", alpha_max, 0.0)
        loads = np.linspace(0.0, end, n)
        rows = [
            (a, 1.0 + math.sqrt(a), 0.0, 2.2e-16, Status.CLOSED_FORM) for a in loads
        ]
        return _line(kind, p, rows)
    if kind == "nishimori":
        if p == 2 or coincident == "keep":
            return _empty(kind, p, Status.UNDEFINED)
        return _line(kind, p, theory.nishimori_rows(n))
    if kind == "thermodynamic" and p != 2:
        return _empty(kind, p, Status.NEEDS_RSB)
    if kind == "replicon":
        meeting = theory.replicon_end()
        if not meeting.status.ok:
            return _empty(kind, p, meeting.status)
        temperatures = meeting.value * np.geomspace(1e-6, 1.0, n)
    else:
        # Denser at both ends, where the lines are steep or flat.
        top_t = theory.zero_load_temperature()
        temperatures = top_t * np.sin(np.linspace(0.0, np.pi / 2, n))
    rows = [theory.line_row(kind, float(t)) for t in temperatures]
    if kind == "replicon":
        # There lambda vanishes at the spinodal itself, to the root's accuracy.
        m, alpha = theory.top(meeting.value)
        rows[-1] = (alpha, meeting.value, m, meeting.error, meeting.status)
    return _line(kind, p, rows)


def _line(kind: str, order: int, rows: list[LineRow]) -> Line:
    bad = [row[4] for row in rows if not row[4].ok]
    alpha, temperature, m, error = (
        np.array([row[j] for row in rows], dtype=np.float64) for j in range(4)
    )
    return Line(
        kind,
        order,
        alpha,
        temperature,
        m,
        error,
        statuses=tuple(row[4] for row in rows),
        status=bad[0] if bad else Status.CONVERGED,
    )


def _empty(kind: str, order: int, status: Status) -> Line:
    nothing = np.empty(0)
    return Line(kind, order, nothing, nothing, nothing, nothing, (), status)
