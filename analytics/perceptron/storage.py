"""Binary weights that store random patterns with random labels."""

from __future__ import annotations

import math

from analytics.perceptron.binary import LARGEST_KAPPA, solve_storage_state
from analytics.perceptron.gardner import Rule
from analytics.perceptron.state import Student
from statmech.errors import check_real, check_temperature


def solve_storage(
    alpha: float, *, kappa: float = 0.0, temperature: float = 0.0
) -> Student:
    """Overlap q and entropy of the +-1 weights that store alpha N random patterns.

    A pattern is stored if its stability y J.x / (|J| sqrt(N)) exceeds kappa, where
    |x|**2 = |J|**2 = N.

    Parameters
    ----------
    alpha : float
        Patterns per weight, P / N >= 0.
    kappa : float
        Stability asked for, from -100 to 100.
    temperature : float
        T >= 0, inf legal: weights have a probability prop. to exp(-errors / T), where
        errors counts the patterns with a stability below kappa. T = 0: all weights
        without errors are alike.

    Returns
    -------
    Student
        `teacher_overlap` is 0 and `generalization_error` 1/2: labels are coins.
        `entropy` at T = 0 is the logarithm of the number of solutions per weight. Below
        0 (kappa = 0: alpha > 0.83308) there are typically none, and the saddle point is
        formal; it exists up to (2 / pi) / int Dz max(z + kappa, 0)**2, which is 4 / pi
        at kappa = 0, where q -> 1. Beyond it the status is NO_BRANCH. A negative
        entropy at T > 0 says the same of weights with that many errors. Replica
        symmetry is unstable above `find_transition("at")`, which is larger than the
        capacity.
        `margin` is kappa at T = 0, NaN above. Where the equations have several
        solutions (large |kappa|, far above capacity) it is the one of smallest q.
        NOT_CONVERGED at T > 0 means that q is 1 to rounding.

    Raises
    ------
    ParameterError, ParameterTypeError

    References
    ----------
    E. Gardner and B. Derrida, J. Phys. A 21, 271 (1988); W. Krauth and M. Mezard,
    J. Phys. France 50, 3057 (1989).

    Examples
    --------
    >>> student = solve_storage(0.5)
    >>> round(student.q, 6), round(student.entropy, 6)
    (0.322385, 0.31439)
    """
    load = check_real("alpha", alpha, 0.0)
    margin = check_real("kappa", kappa, -LARGEST_KAPPA, LARGEST_KAPPA)
    t = check_temperature(temperature)
    rule = Rule(margin, 1.0 / t if t > 0.0 else math.inf, teacher=False)
    state = solve_storage_state(rule, load)
    if not state.status.ok:
        return Student.missing(state.status, state.residual)
    return Student(
        teacher_overlap=0.0,
        q=state.overlaps.q,
        entropy=state.entropy,
        generalization_error=0.5,
        training_errors=state.energy,
        margin=margin if t == 0.0 else math.nan,
        residual=state.residual,
        quadrature_error=state.quadrature_error,
        error=state.error,
        status=state.status,
    )
