"""Finite systems: models, kernels, dynamics and Monte Carlo statistics.

Importing this package compiles nothing and loads nothing; names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

__version__ = "0.1.0"
__distribution__ = "statmech"

# Part of the record of every result: raised when a change alters numbers.
PHYSICS_VERSION = 2

_EXPORTS = {
    "HebbianNetwork": "statmech.hebbian",
    "Descent": "statmech.sampling",
    "Estimate": "statmech.stats",
    "Status": "statmech.status",
    "Tempering": "statmech.tempering",
    "Trace": "statmech.trace",
    "anneal": "statmech.sampling",
    "descend": "statmech.sampling",
    "extend": "statmech.sampling",
    "sample": "statmech.sampling",
    "temper": "statmech.tempering",
    "boltzmann": "statmech.boltzmann",
    "checkpoint": "statmech.checkpoint",
    "continual": "statmech.continual",
    "errors": "statmech.errors",
    "mean_field": "statmech.mean_field",
    "monotone": "statmech.monotone",
    "observables": "statmech.observables",
    "patterns": "statmech.patterns",
    "perceptron": "statmech.perceptron",
    "special": "statmech.special",
    "stats": "statmech.stats",
}

if TYPE_CHECKING:
    from statmech import (
        boltzmann,
        checkpoint,
        continual,
        errors,
        mean_field,
        monotone,
        observables,
        patterns,
        perceptron,
        special,
        stats,
    )
    from statmech.hebbian import HebbianNetwork
    from statmech.sampling import Descent, anneal, descend, extend, sample
    from statmech.stats import Estimate
    from statmech.status import Status
    from statmech.tempering import Tempering, temper
    from statmech.trace import Trace

__all__ = [
    "PHYSICS_VERSION",
    "Descent",
    "Estimate",
    "HebbianNetwork",
    "Status",
    "Tempering",
    "Trace",
    "__version__",
    "anneal",
    "boltzmann",
    "checkpoint",
    "continual",
    "descend",
    "errors",
    "extend",
    "mean_field",
    "monotone",
    "observables",
    "patterns",
    "perceptron",
    "sample",
    "special",
    "stats",
    "temper",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
