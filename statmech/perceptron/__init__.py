"""The perceptron, binary or spherical: examples, learners, samplers of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Examples": "statmech.perceptron.examples",
    "correlated_weights": "statmech.perceptron.examples",
    "generalization_error": "statmech.perceptron.examples",
    "random_examples": "statmech.perceptron.examples",
    "relabel": "statmech.perceptron.examples",
    "teacher_examples": "statmech.perceptron.examples",
    "weight_overlap": "statmech.perceptron.examples",
}

if TYPE_CHECKING:
    from statmech.perceptron.examples import (
        Examples,
        correlated_weights,
        generalization_error,
        random_examples,
        relabel,
        teacher_examples,
        weight_overlap,
    )

__all__ = [
    "Examples",
    "correlated_weights",
    "generalization_error",
    "random_examples",
    "relabel",
    "teacher_examples",
    "weight_overlap",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
