"""A binary perceptron that learns one task after another, N -> infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "Handover": "analytics.continual.handover",
    "HandoverEvolution": "analytics.continual.handover",
    "SingleTask": "analytics.continual.state",
    "TwoTasks": "analytics.continual.state",
    "evolve_handover": "analytics.continual.handover",
    "solve_single_task": "analytics.continual.single",
    "solve_two_tasks": "analytics.continual.two_tasks",
    "state_evolution": "analytics.continual.handover",
}

if TYPE_CHECKING:
    from analytics.continual.handover import (
        Handover,
        HandoverEvolution,
        evolve_handover,
        state_evolution,
    )
    from analytics.continual.single import solve_single_task
    from analytics.continual.state import SingleTask, TwoTasks
    from analytics.continual.two_tasks import solve_two_tasks

__all__ = [
    "Handover",
    "HandoverEvolution",
    "SingleTask",
    "TwoTasks",
    "evolve_handover",
    "solve_single_task",
    "solve_two_tasks",
    "state_evolution",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
