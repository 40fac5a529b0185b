"""The perceptron, binary or spherical: examples, learners, samplers of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Census": "statmech.perceptron.enumeration",
    "Examples": "statmech.perceptron.examples",
    "correlated_weights": "statmech.perceptron.examples",
    "find_solutions": "statmech.perceptron.enumeration",
    "generalization_error": "statmech.perceptron.examples",
    "random_examples": "statmech.perceptron.examples",
    "relabel": "statmech.perceptron.examples",
    "take_census": "statmech.perceptron.enumeration",
    "teacher_examples": "statmech.perceptron.examples",
    "weight_overlap": "statmech.perceptron.examples",
}

if TYPE_CHECKING:
    from statmech.perceptron.enumeration import Census, find_solutions, take_census
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
    "Census",
    "Examples",
    "correlated_weights",
    "find_solutions",
    "generalization_error",
    "random_examples",
    "relabel",
    "take_census",
    "teacher_examples",
    "weight_overlap",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
