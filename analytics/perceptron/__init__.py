"""The perceptron, binary or spherical: storage, teacher and student, potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Student": "analytics.perceptron.state",
}

if TYPE_CHECKING:
    from analytics.perceptron.state import Student

__all__ = ["Student"]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
