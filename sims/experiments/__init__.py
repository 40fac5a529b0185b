"""The registry: name -> "module:class", imported on use."""

from __future__ import annotations

import importlib
from typing import Any

from statmech.errors import check_choice

REGISTRY = {
    "dense": "sims.experiments.dense:DenseStorage",
}

SUMMARY = {
    "dense": (
        "P-spin Hebbian (Hopfield) network, storage: m, q, energy of the retrieval "
        "state; spinodal, thermodynamic, glass, replicon and Nishimori lines"
    ),
}


def load_experiment(name: str) -> Any:
    """The class of an experiment.

    Raises
    ------
    ParameterError
        If there is no experiment of that name; the message lists them.
    """
    check_choice("experiment", name, tuple(REGISTRY))
    module, attribute = REGISTRY[name].split(":")
    return getattr(importlib.import_module(module), attribute)
