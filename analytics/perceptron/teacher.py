"""A student perceptron that learns from the examples of a teacher of the same kind."""

from __future__ import annotations

import math

from analytics.perceptron.binary import (
    State,
    solve_teacher,
    solve_teacher_equilibrium,
)
from analytics.perceptron.gardner import Overlaps
from analytics.perceptron.state import Student
from statmech.errors import (
    ParameterError,
    check_choice,
    check_real,
    check_temperature,
)
from statmech.status import Status

WEIGHTS = ("binary", "spherical")
RULES = ("gibbs", "bayes", "max_margin", "hebb")
BRANCHES = ("continuous", "equilibrium")


def solve_teacher_student(
    alpha: float,
    *,
    weights: str = "binary",
    rule: str = "gibbs",
    temperature: float = 0.0,
    branch: str = "continuous",
) -> Student:
    """Overlap R of a student with its teacher after alpha N random examples, N -> inf.

    Parameters
    ----------
    alpha : float
        Examples per weight, P / N >= 0.
    weights : {"binary", "spherical"}
        Of student and teacher: +-1, or real with |J|**2 = N.
    rule : {"gibbs", "bayes", "max_margin", "hebb"}
        Which student. "gibbs": drawn with probability prop. to exp(-errors / T), at
        T = 0 uniformly among those without training errors. "bayes": the majority of
        these, which is the student with their mean weight. "max_margin" (of largest
        stability) and "hebb" (J prop. to the sum of y x) are for spherical weights.
    temperature : float
        T >= 0, inf legal, energy = number of misclassified examples. Spherical weights
        are solved at T = 0 only.
    branch : {"continuous", "equilibrium"}
        Of binary weights, where two solutions exist. "continuous": the one with R < 1
        that begins at alpha = 0, to its end (at T = 0: alpha = 1.4926); it is what a
        local algorithm finds. "equilibrium": the one of larger free entropy
        f = s - e / T, which is R = 1 where f < 0 (at T = 0: above alpha = 1.2447).
        Beyond the end R = 1 is the only one, and both give it.

    Returns
    -------
    Student
        CONVERGED on the branch R < 1, where replica symmetry is locally stable at all
        temperatures; CLOSED_FORM at R = q = 1, with entropy and errors 0, and where
        R < 1e-9, to first order in alpha. An entropy below 0 (continuous branch, at
        T = 0 above alpha = 1.2447) means that there are typically no such students:
        the branch is metastable.
        "bayes": `teacher_overlap` and `generalization_error` are those of the mean
        weight, R / sqrt(q) and arccos(R / sqrt(q)) / pi with R and q of two Gibbs
        students; `q` is still theirs; `training_errors` is 0 at T = 0, where all of
        which it is the mean are right, and NaN above; `entropy` and `margin` are NaN.
        "gibbs": `margin` is 0 at T = 0 and NaN above.
        Other numbers of spherical weights: see `analytics.perceptron.spherical`.

    Raises
    ------
    ParameterError, ParameterTypeError
        If a value is out of range, the rule is not defined for binary weights, or
        T > 0 is asked for spherical ones.

    References
    ----------
    G. Gyorgyi, Phys. Rev. A 41, 7097 (1990), for the transition at 1.245;
    H. Sompolinsky, N. Tishby and H. S. Seung, Phys. Rev. Lett. 65, 1683 (1990);
    H. S. Seung, H. Sompolinsky and N. Tishby, Phys. Rev. A 45, 6056 (1992); M. Opper
    and D. Haussler, Phys. Rev. Lett. 66, 2677 (1991), for the Bayes student.

    Examples
    --------
    >>> student = solve_teacher_student(1.0)
    >>> round(student.teacher_overlap, 6), round(student.entropy, 6)
    (0.560715, 0.106108)
    >>> solve_teacher_student(1.3, branch="equilibrium").teacher_overlap
    1.0
    """
    load = check_real("alpha", alpha, 0.0)
    check_choice("weights", weights, WEIGHTS)
    check_choice("rule", rule, RULES)
    t = check_temperature(temperature)
    check_choice("branch", branch, BRANCHES)
    if weights == "spherical":
        if t > 0.0:
            remedy = "spherical weights are solved at zero training errors only"
            raise ParameterError("temperature", t, "0 for spherical weights", remedy)
        from analytics.perceptron.spherical import solve_spherical

        return solve_spherical(load, rule)
    if rule not in ("gibbs", "bayes"):
        remedy = f"{rule!r} makes real weights; for it take weights='spherical'"
        raise ParameterError("rule", rule, "'gibbs' or 'bayes' (binary)", remedy)
    solve = solve_teacher if branch == "continuous" else solve_teacher_equilibrium
    state = solve(load, 1.0 / t if t > 0.0 else math.inf)
    if not state.status.ok:
        return Student.missing(state.status, state.residual)
    return _gibbs(state, t) if rule == "gibbs" else _bayes(state, t)


def angle_error(gap: float) -> float:
    """arccos(1 - gap) / pi, with all digits at small gap."""
    return 2.0 / math.pi * math.asin(math.sqrt(0.5 * gap))


def _gibbs(state: State, temperature: float) -> Student:
    return Student(
        teacher_overlap=state.overlaps.r,
        q=state.overlaps.q,
        entropy=state.entropy,
        generalization_error=angle_error(state.overlaps.gap_r),
        training_errors=state.energy,
        margin=0.0 if temperature == 0.0 else math.nan,
        residual=state.residual,
        quadrature_error=state.quadrature_error,
        error=state.error,
        status=state.status,
    )


def _bayes(state: State, temperature: float) -> Student:
    gap = _mean_weight_gap(state)
    # y J.x > 0 of all students makes it so for their mean.
    right = temperature == 0.0 or state.overlaps.gap_q == 0.0
    # d(R / sqrt(q)) of changes of R and q by the same error.
    lever = 1.0
    if 0.0 < state.overlaps.q < 1.0:
        lever = 1.0 / math.sqrt(state.overlaps.q) + 0.5 / state.overlaps.q
    return Student(
        teacher_overlap=1.0 - gap,
        q=state.overlaps.q,
        entropy=math.nan,
        generalization_error=angle_error(gap),
        training_errors=0.0 if right else math.nan,
        margin=math.nan,
        residual=state.residual,
        quadrature_error=state.quadrature_error,
        error=lever * state.error,
        status=state.status,
    )


def _mean_weight_gap(state: State) -> float:
    """1 - R / sqrt(q), from the gaps."""
    if state.status is Status.CLOSED_FORM and state.overlaps.gap_q > 0.0:
        # Small load: q and R are the fields, which have more digits than the gaps.
        return 1.0 - (state.r_hat / math.sqrt(state.q_hat) if state.q_hat else 0.0)
    gaps: Overlaps = state.overlaps
    root = math.sqrt(gaps.q)
    # sqrt(q) - R without cancellation
    return (gaps.gap_r - gaps.gap_q / (1.0 + root)) / root
