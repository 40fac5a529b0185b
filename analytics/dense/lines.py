"""Lines of the (alpha, T) phase diagram, each from its defining condition.

spinodal       where the retrieval state ends: the top of the curve of solutions
thermodynamic  where its free energy equals that of the m = 0 state
replicon       where its replicon eigenvalue vanishes (de Almeida-Thouless line)
glass          where the paramagnet freezes; P >= 3: the same as kauzmann
kauzmann       P >= 3: where it freezes into a glass with one step of breaking
dynamic        P >= 3: where it breaks up into exponentially many states
nishimori      T = alpha (P-1)!, P >= 3: there m = q and u = -1/P exactly
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.dense.breaking import (
    coupling,
    kept_paramagnet_end,
    transition_ratio,
)
from analytics.dense.broken_retrieval import BrokenConditions
from analytics.dense.conditions import TOP_ERROR, Conditions, LineRow
from analytics.dense.learning import PROTOCOLS
from analytics.dense.learning_lines import (
    replicon_load,
    spinodal_load,
    spinodal_temperature,
)
from analytics.dense.storage import COINCIDENT, usable_load, usable_temperature
from analytics.solve import Prediction
from statmech.errors import (
    ParameterError,
    check_choice,
    check_integer,
    check_order,
    check_real,
)
from statmech.status import Status

LOAD_KINDS = ("spinodal", "thermodynamic", "replicon")
FREEZING_KINDS = ("glass", "kauzmann", "dynamic")
TEMPERATURE_KINDS = ("spinodal", "thermodynamic", "replicon", *FREEZING_KINDS)
BREAKABLE_KINDS = ("spinodal", "thermodynamic")
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
    rsb: int = 0,
    n_examples: int | None = None,
    quality: float | None = None,
    protocol: str = "storage",
    etabar: str = "binomial",
) -> Prediction:
    """Load alpha = K / N**(P-1) at which a line is crossed at fixed temperature.

    Parameters
    ----------
    order : int
        P >= 2.
    temperature : float
        T >= 0, units J = 1.
    kind : {"spinodal", "thermodynamic", "replicon"}
        Where the retrieval state disappears; where its free energy equals that of the
        m = 0 state (P = 2: the replica-symmetric spin glass; P >= 3: the paramagnet or
        the glass with one step of replica symmetry breaking); where its replicon
        eigenvalue vanishes.
    coincident : {"exclude", "keep"}
        With "keep" and P >= 3 the m = 0 state is known above its freezing at even P
        only: elsewhere the thermodynamic line is NEEDS_RSB.
    rsb : {0, 1}
        Steps of replica symmetry breaking of the retrieval state. 1: spinodal and
        thermodynamic lines of P >= 3.
    n_examples, quality : int, float, optional
        M and r, where the patterns are learnt from examples.
    protocol : {"storage", "supervised", "unsupervised"}
        How they are learnt; spinodal and replicon lines, replica symmetric.
    etabar : {"binomial", "gaussian"}
        Law of the mean of the examples.

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
    lesson = _lesson(protocol, n_examples, quality)
    if lesson:
        _check_learnable_line(kind, ("spinodal", "replicon"), rsb)
        find = spinodal_load if kind == "spinodal" else replicon_load
        return find(p, t, **lesson, etabar=etabar, coincident=coincident)
    theory = _conditions(p, kind, coincident, rsb)
    if isinstance(theory, BrokenConditions) and kind == "spinodal":
        return theory.spinodal_load(t)
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
    rsb: int = 0,
    n_examples: int | None = None,
    quality: float | None = None,
    protocol: str = "storage",
    etabar: str = "binomial",
) -> Prediction:
    """Temperature at which a line is crossed at fixed load.

    Parameters
    ----------
    order : int
        P >= 2.
    alpha : float
        Load, >= 0.
    kind : {"spinodal", "thermodynamic", "replicon", "glass", "kauzmann", "dynamic"}
        The first three as in `find_critical_load`. "glass" is where the paramagnet
        freezes: T_g = 1 + sqrt(alpha) at P = 2, the Kauzmann temperature at P >= 3.
        "dynamic" is where it breaks up into exponentially many states, P >= 3.
    coincident : {"exclude", "keep"}
        With "keep" and P >= 3 the freezing is continuous at even P ("glass"), where
        the other two are UNDEFINED; at odd P a random field leaves none of them.
    rsb : {0, 1}
        As in `find_critical_load`. The highest temperature of the spinodal is where
        replica symmetry holds, with either.
    n_examples, quality, protocol, etabar
        As in `find_critical_load`, for the spinodal.

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
    lesson = _lesson(protocol, n_examples, quality)
    if lesson:
        _check_learnable_line(kind, ("spinodal",), rsb)
        return spinodal_temperature(
            p, a, **lesson, etabar=etabar, coincident=coincident
        )
    theory = _conditions(p, kind, coincident, rsb)
    if kind in FREEZING_KINDS:
        return _freezing_temperature(p, a, kind, coincident)
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
    rsb: int = 0,
) -> Line:
    """A whole line of the (alpha, T) diagram.

    Parameters
    ----------
    order : int
        P >= 2.
    kind : {"spinodal", "thermodynamic", "replicon", "glass", "kauzmann", "dynamic", \
"nishimori"}
    n_points : int
        At least 2.
    alpha_max : float, optional
        End of the glass, Kauzmann and dynamic lines; default 1.5 times the
        replica-symmetric capacity at T = 0.
    coincident : {"exclude", "keep"}
    rsb : {0, 1}
        As in `find_critical_load`.

    Returns
    -------
    Line
        Spinodal, thermodynamic and replicon lines run along T (from T = 0, or from
        1e-6 of its upper end for the replicon line, which reaches alpha = 0 only at
        T = 0; the thermodynamic line of a replica-symmetric retrieval state may start
        on the spinodal at T > 0); glass, Kauzmann, dynamic and Nishimori lines along
        alpha. The Nishimori line ends where it meets the maximum of the
        replica-symmetric spinodal; it exists for P >= 3 without coincident indices,
        and the status says UNDEFINED elsewhere.
    """
    p = check_order(order)
    check_choice("kind", kind, LINE_KINDS)
    n = check_integer("n_points", n_points, 2)
    check_choice("coincident", coincident, COINCIDENT)
    theory = _conditions(p, kind, coincident, rsb)
    if kind in FREEZING_KINDS:
        trial = _freezing_temperature(p, 1.0, kind, coincident)
        if not trial.status.ok:
            return _empty(kind, p, trial.status)
        end = 1.5 * theory.spinodal(0.0)
        if alpha_max is not None:
            end = check_real("alpha_max", alpha_max, 0.0)
        loads = np.linspace(0.0, end, n)
        found = [_freezing_temperature(p, float(a), kind, coincident) for a in loads]
        rows = [
            (float(a), point.value, 0.0, point.error, point.status)
            for a, point in zip(loads, found, strict=True)
        ]
        return _line(kind, p, rows)
    if kind == "nishimori":
        if p == 2 or coincident == "keep":
            return _empty(kind, p, Status.UNDEFINED)
        return _line(kind, p, theory.nishimori_rows(n))
    start = 0.0
    if kind == "replicon":
        meeting = theory.replicon_end()
        if not meeting.status.ok:
            return _empty(kind, p, meeting.status)
        temperatures = meeting.value * np.geomspace(1e-6, 1.0, n)
    else:
        # Denser at both ends, where the lines are steep or flat.
        top_t = theory.zero_load_temperature()
        if kind == "thermodynamic":
            start, top_t = theory.thermodynamic_start(), theory.zero_load_crossing
        temperatures = start + (top_t - start) * np.sin(np.linspace(0.0, np.pi / 2, n))
    rows = [theory.line_row(kind, float(t)) for t in temperatures]
    if kind == "replicon":
        # There lambda vanishes at the spinodal itself, to the root's accuracy.
        m, alpha = theory.top(meeting.value)
        rows[-1] = (alpha, meeting.value, m, meeting.error, meeting.status)
    elif start > 0.0:
        # There it leaves the spinodal.
        m, alpha = theory.top(start)
        rows[0] = (alpha, start, m, 1e-9, Status.CONVERGED)
    return _line(kind, p, rows)


def _lesson(
    protocol: str, n_examples: int | None, quality: float | None
) -> dict[str, Any]:
    """What the network learns from; empty for storage."""
    check_choice("protocol", protocol, ("storage", *PROTOCOLS))
    given = {"n_examples": n_examples, "quality": quality}
    for name, value in given.items():
        if (value is None) != (protocol == "storage"):
            needs = "not given" if protocol == "storage" else "given"
            raise ParameterError(name, value, f"{needs} for protocol = {protocol!r}")
    return {} if protocol == "storage" else {"protocol": protocol, **given}


def _check_learnable_line(kind: str, kinds: tuple[str, ...], rsb: int) -> None:
    """Refuse lines that are not known of networks that learn from examples."""
    if kind not in kinds:
        allowed = "one of " + ", ".join(kinds) + " where patterns are learnt"
        raise ParameterError("kind", kind, allowed)
    if check_integer("rsb", rsb, 0, 1):
        raise ParameterError("rsb", rsb, "0 where patterns are learnt from examples")


def _conditions(order: int, kind: str, coincident: str, rsb: int) -> Conditions:
    """The conditions at the wanted number of steps, after checking it."""
    if check_integer("rsb", rsb, 0, 1) == 0:
        return Conditions(order, coincident)
    if order == 2:
        allowed = "0 at P = 2"
        remedy = "one step of breaking of retrieval is available for P >= 3"
        raise ParameterError("rsb", rsb, allowed, remedy)
    if kind not in BREAKABLE_KINDS:
        allowed = f"0 for kind={kind!r}"
        raise ParameterError("rsb", rsb, allowed, "the line does not depend on it")
    return BrokenConditions(order, coincident)


def _freezing_temperature(
    order: int, alpha: float, kind: str, coincident: str
) -> Prediction:
    """Where the paramagnet freezes, or breaks up into many states."""
    if order == 2:
        if kind != "glass":
            return Prediction.missing(Status.UNDEFINED)
        return Prediction(1.0 + math.sqrt(alpha), 2.2e-16, Status.CLOSED_FORM)
    if alpha == 0.0:
        return Prediction(0.0, 0.0, Status.CLOSED_FORM)
    if coincident == "keep":
        if kind != "glass":
            return Prediction.missing(Status.UNDEFINED)
        end, continuous = kept_paramagnet_end(order)
        if not continuous:
            return Prediction.missing(Status.NEEDS_RSB)
        value = end * math.sqrt(alpha)
        return Prediction(value, 4e-16 * value, Status.CLOSED_FORM)
    ratio = transition_ratio(order, "dynamic" if kind == "dynamic" else "kauzmann")
    j = coupling(order, alpha)
    value = j * ratio.value
    return Prediction(value, j * ratio.error + 4e-16 * value, ratio.status)


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
