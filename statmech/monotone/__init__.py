"""Monotone deep Boltzmann machines: mean field with one solution, and its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "METHODS": "statmech.monotone.solvers",
    "FreeEnergyGradient": "statmech.monotone.objectives",
    "ImplicitGradient": "statmech.monotone.gradients",
    "factor_gradient": "statmech.monotone.gradients",
    "free_energy_difference": "statmech.monotone.objectives",
    "free_energy_gradient": "statmech.monotone.objectives",
    "from_factor": "statmech.monotone.parameterisation",
    "implicit_gradient": "statmech.monotone.gradients",
    "prox": "statmech.monotone.proximal",
    "prox_jacobian": "statmech.monotone.proximal",
    "prox_jacobian_product": "statmech.monotone.proximal",
    "scale_to": "statmech.monotone.parameterisation",
    "solve": "statmech.monotone.solvers",
    "to_factor": "statmech.monotone.parameterisation",
}

if TYPE_CHECKING:
    from statmech.monotone.gradients import (
        ImplicitGradient,
        factor_gradient,
        implicit_gradient,
    )
    from statmech.monotone.objectives import (
        FreeEnergyGradient,
        free_energy_difference,
        free_energy_gradient,
    )
    from statmech.monotone.parameterisation import from_factor, scale_to, to_factor
    from statmech.monotone.proximal import (
        prox,
        prox_jacobian,
        prox_jacobian_product,
    )
    from statmech.monotone.solvers import METHODS, solve

__all__ = [
    "METHODS",
    "FreeEnergyGradient",
    "ImplicitGradient",
    "factor_gradient",
    "free_energy_difference",
    "free_energy_gradient",
    "from_factor",
    "implicit_gradient",
    "prox",
    "prox_jacobian",
    "prox_jacobian_product",
    "scale_to",
    "solve",
    "to_factor",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
