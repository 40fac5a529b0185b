"""Infinite systems: closed forms, saddle points and lines of phase diagrams.

Importing this package compiles nothing and loads nothing; names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

__distribution__ = "statmech"

_EXPORTS = {
    "Prediction": "analytics.solve",
    "SaddlePoint": "analytics.solve",
    "continual": "analytics.continual",
    "dense": "analytics.dense",
    "gauss": "analytics.gauss",
    "ising": "analytics.ising",
    "mean_field": "analytics.mean_field",
    "multitask": "analytics.multitask",
    "perceptron": "analytics.perceptron",
    "solve": "analytics.solve",
}

if TYPE_CHECKING:
    from analytics import (
        continual,
        dense,
        gauss,
        ising,
        mean_field,
        multitask,
        perceptron,
        solve,
    )
    from analytics.solve import Prediction, SaddlePoint

__all__ = [
    "Prediction",
    "SaddlePoint",
    "continual",
    "dense",
    "gauss",
    "ising",
    "mean_field",
    "multitask",
    "perceptron",
    "solve",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
