"""Binary perceptrons that learn one task after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "FieldLoss": "statmech.continual.loss",
    "FieldRun": "statmech.continual.field_run",
    "FieldSequence": "statmech.continual.field_run",
    "FieldTrace": "statmech.continual.field_trace",
    "TaskSequence": "statmech.continual.handover",
    "draw_tasks": "statmech.continual.tasks",
    "field_loss": "statmech.continual.loss",
    "learn_field_space": "statmech.continual.variational",
    "learn_sequence": "statmech.continual.variational",
    "sample_field_space": "statmech.continual.field_space",
    "sample_two_tasks": "statmech.continual.field_space",
    "sequential_amp": "statmech.continual.handover",
}

if TYPE_CHECKING:
    from statmech.continual.field_run import FieldRun, FieldSequence
    from statmech.continual.field_space import sample_field_space, sample_two_tasks
    from statmech.continual.field_trace import FieldTrace
    from statmech.continual.handover import TaskSequence, sequential_amp
    from statmech.continual.loss import FieldLoss, field_loss
    from statmech.continual.tasks import draw_tasks
    from statmech.continual.variational import learn_field_space, learn_sequence

__all__ = [
    "FieldLoss",
    "FieldRun",
    "FieldSequence",
    "FieldTrace",
    "TaskSequence",
    "draw_tasks",
    "field_loss",
    "learn_field_space",
    "learn_sequence",
    "sample_field_space",
    "sample_two_tasks",
    "sequential_amp",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
