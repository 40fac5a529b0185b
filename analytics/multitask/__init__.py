"""Multitasking networks: several diluted patterns retrieved at once, at low load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "State": "analytics.multitask.state",
    "disorder_covariance": "analytics.multitask.fluctuations",
    "find_energy_crossing": "analytics.multitask.hierarchy",
    "find_hierarchy_threshold": "analytics.multitask.hierarchy",
    "find_example_temperature": "analytics.multitask.learning",
    "find_min_examples": "analytics.multitask.noise",
    "find_noise_threshold": "analytics.multitask.example_noise",
    "find_parallel_temperature": "analytics.multitask.lines",
    "find_pure_temperature": "analytics.multitask.lines",
    "find_states": "analytics.multitask.states",
    "hierarchy_min_examples": "analytics.multitask.example_noise",
    "level_temperatures": "analytics.multitask.lines",
    "loss_product": "analytics.multitask.loss",
    "losses": "analytics.multitask.loss",
    "one_step_magnetization": "analytics.multitask.noise",
    "parallel_dilution": "analytics.multitask.example_noise",
    "solve": "analytics.multitask.storage",
    "solve_conditioned": "analytics.multitask.conditioned",
    "solve_learning": "analytics.multitask.learning",
    "thermal_covariance": "analytics.multitask.fluctuations",
}

if TYPE_CHECKING:
    from analytics.multitask.conditioned import solve_conditioned
    from analytics.multitask.example_noise import (
        find_noise_threshold,
        hierarchy_min_examples,
        parallel_dilution,
    )
    from analytics.multitask.fluctuations import (
        disorder_covariance,
        thermal_covariance,
    )
    from analytics.multitask.hierarchy import (
        find_energy_crossing,
        find_hierarchy_threshold,
    )
    from analytics.multitask.learning import find_example_temperature, solve_learning
    from analytics.multitask.lines import (
        find_parallel_temperature,
        find_pure_temperature,
        level_temperatures,
    )
    from analytics.multitask.loss import loss_product, losses
    from analytics.multitask.noise import find_min_examples, one_step_magnetization
    from analytics.multitask.state import State
    from analytics.multitask.states import find_states
    from analytics.multitask.storage import solve

__all__ = [
    "State",
    "disorder_covariance",
    "find_energy_crossing",
    "find_example_temperature",
    "find_hierarchy_threshold",
    "find_min_examples",
    "find_noise_threshold",
    "find_parallel_temperature",
    "find_pure_temperature",
    "find_states",
    "hierarchy_min_examples",
    "level_temperatures",
    "loss_product",
    "losses",
    "one_step_magnetization",
    "parallel_dilution",
    "solve",
    "solve_conditioned",
    "solve_learning",
    "thermal_covariance",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
