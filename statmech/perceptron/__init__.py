"""The perceptron, binary or spherical: examples, learners, samplers of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Census": "statmech.perceptron.enumeration",
    "Descent": "statmech.perceptron.descent",
    "Examples": "statmech.perceptron.examples",
    "GramRun": "statmech.perceptron.descent",
    "Learnt": "statmech.perceptron.rules",
    "Messages": "statmech.perceptron.messages",
    "WeightTrace": "statmech.perceptron.trace",
    "amp": "statmech.perceptron.message_passing",
    "anneal": "statmech.perceptron.sampling",
    "batch_perceptron": "statmech.perceptron.descent",
    "batch_perceptron_gram": "statmech.perceptron.descent",
    "bp": "statmech.perceptron.message_passing",
    "correlated_weights": "statmech.perceptron.examples",
    "extend": "statmech.perceptron.sampling",
    "find_solutions": "statmech.perceptron.enumeration",
    "generalization_error": "statmech.perceptron.examples",
    "hebb": "statmech.perceptron.rules",
    "logistic_descent": "statmech.perceptron.descent",
    "max_margin": "statmech.perceptron.rules",
    "perceptron_rule": "statmech.perceptron.rules",
    "random_examples": "statmech.perceptron.examples",
    "relabel": "statmech.perceptron.examples",
    "sample": "statmech.perceptron.sampling",
    "separate": "statmech.perceptron.rules",
    "take_census": "statmech.perceptron.enumeration",
    "teacher_examples": "statmech.perceptron.examples",
    "weight_overlap": "statmech.perceptron.examples",
}

if TYPE_CHECKING:
    from statmech.perceptron.descent import (
        Descent,
        GramRun,
        batch_perceptron,
        batch_perceptron_gram,
        logistic_descent,
    )
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
    from statmech.perceptron.message_passing import amp, bp
    from statmech.perceptron.messages import Messages
    from statmech.perceptron.rules import (
        Learnt,
        hebb,
        max_margin,
        perceptron_rule,
        separate,
    )
    from statmech.perceptron.sampling import anneal, extend, sample
    from statmech.perceptron.trace import WeightTrace

__all__ = [
    "Census",
    "Descent",
    "Examples",
    "GramRun",
    "Learnt",
    "Messages",
    "WeightTrace",
    "amp",
    "anneal",
    "batch_perceptron",
    "batch_perceptron_gram",
    "bp",
    "correlated_weights",
    "extend",
    "find_solutions",
    "generalization_error",
    "hebb",
    "logistic_descent",
    "max_margin",
    "perceptron_rule",
    "random_examples",
    "relabel",
    "sample",
    "separate",
    "take_census",
    "teacher_examples",
    "weight_overlap",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
