"""What the theory of a perceptron says about its student."""

from __future__ import annotations

import math
from dataclasses import dataclass

from statmech.status import Status


@dataclass(frozen=True)
class Student:
    """A student in the space of weights, N -> infinity, replica symmetric.

    Attributes
    ----------
    teacher_overlap : float
        R = J.W / (|J| |W|), of the student J with the teacher W; 0 in storage.
    q : float
        J.J' / (|J| |J'|) of two students of the same ensemble; 1 for a rule with one
        solution.
    entropy : float
        Per weight, natural logarithm: of the number of students for binary weights, of
        their share of the sphere for spherical ones. NaN for a rule with one solution.
    generalization_error : float
        Probability that student and teacher differ on a new random pattern.
    training_errors : float
        Misclassified patterns per weight (not per pattern: divide by alpha for that).
    margin : float
        Smallest stability y J.x / |J| of the patterns, |x|**2 = N; NaN where the rule
        does not fix it.
    residual : float
        Largest mismatch of the saddle-point equations.
    quadrature_error : float
        Estimated absolute error of the Gaussian averages in them.
    error : float
        Estimated numerical uncertainty of `teacher_overlap` and `q`.
    status : Status
        Numbers are NaN unless `status.ok`.
    """

    teacher_overlap: float
    q: float
    entropy: float
    generalization_error: float
    training_errors: float
    margin: float
    residual: float
    quadrature_error: float
    error: float
    status: Status

    @classmethod
    def missing(cls, status: Status, residual: float = math.nan) -> Student:
        """No solution, and why."""
        nan = math.nan
        return cls(nan, nan, nan, nan, nan, nan, residual, nan, nan, status)
