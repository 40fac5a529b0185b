"""The perceptron, binary or spherical: storage, teacher and student, potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Student": "analytics.perceptron.state",
    "find_capacity": "analytics.perceptron.lines",
    "find_transition": "analytics.perceptron.lines",
    "franz_parisi": "analytics.perceptron.potential",
    "solve_storage": "analytics.perceptron.storage",
    "solve_teacher_student": "analytics.perceptron.teacher",
    "state_evolution": "analytics.perceptron.evolution",
}

if TYPE_CHECKING:
    from analytics.perceptron.evolution import state_evolution
    from analytics.perceptron.lines import find_capacity, find_transition
    from analytics.perceptron.potential import franz_parisi
    from analytics.perceptron.state import Student
    from analytics.perceptron.storage import solve_storage
    from analytics.perceptron.teacher import solve_teacher_student

__all__ = [
    "Student",
    "find_capacity",
    "find_transition",
    "franz_parisi",
    "solve_storage",
    "solve_teacher_student",
    "state_evolution",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
