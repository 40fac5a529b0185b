"""Pairwise Boltzmann machines: the model, exact sums, Gibbs sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from statmech.lazy import lazy_namespace

_EXPORTS = {
    "BoltzmannMachine": "statmech.boltzmann.model",
    "ExactState": "statmech.boltzmann.exact",
    "GibbsTrace": "statmech.boltzmann.gibbs",
    "enumerate_exact": "statmech.boltzmann.exact",
    "from_binary": "statmech.boltzmann.ising",
    "from_ising": "statmech.boltzmann.ising",
    "magnetisations": "statmech.boltzmann.ising",
    "sample_gibbs": "statmech.boltzmann.gibbs",
    "to_ising": "statmech.boltzmann.ising",
}

if TYPE_CHECKING:
    from statmech.boltzmann.exact import ExactState, enumerate_exact
    from statmech.boltzmann.gibbs import GibbsTrace, sample_gibbs
    from statmech.boltzmann.ising import (
        from_binary,
        from_ising,
        magnetisations,
        to_ising,
    )
    from statmech.boltzmann.model import BoltzmannMachine

__all__ = [
    "BoltzmannMachine",
    "ExactState",
    "GibbsTrace",
    "enumerate_exact",
    "from_binary",
    "from_ising",
    "magnetisations",
    "sample_gibbs",
    "to_ising",
]

__getattr__, __dir__ = lazy_namespace(__name__, _EXPORTS)
