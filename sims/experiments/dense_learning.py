"""Dense Hebbian networks that learn from examples: simulation and theory of a point."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import analytics.dense as theory
import statmech
from analytics.solve import Prediction
from sims.experiments.dense_points import Network
from sims.experiments.learning_points import LearningPoint
from statmech.chains import chains_bytes
from statmech.learning import examples_bytes
from statmech.rows import rows_bytes

OBSERVABLES = ("m", "overlap_examples", "q", "energy")


def network_from_examples(
    point: Network, protocol: str, n_examples: int, quality: float
) -> statmech.HebbianNetwork:
    """The network of the point's disorder sample."""
    xi = statmech.patterns.rademacher(
        point.n_patterns, point.n_spins, point.seed, path=(*point.path, 0)
    )
    eta = statmech.patterns.noisy_examples(
        xi, n_examples, quality, point.seed, path=(*point.path, 1)
    )
    build = getattr(statmech.HebbianNetwork, protocol)
    network: statmech.HebbianNetwork = build(
        eta,
        quality=quality,
        archetypes=xi,
        order=point.order,
        coincident=point.coincident,
    )
    return network


def simulate_learning(point: LearningPoint) -> dict[str, Any]:
    """Traces of m, W, q and energy of two replicas that start from an archetype.

    W = (1/N) sum_i etahat_i s_i, etahat the mean of the examples over its standard
    deviation sqrt(r**2 + (1 - r**2)/M).
    """
    model = network_from_examples(
        point, point.protocol, point.n_examples, point.quality
    )
    trace = statmech.sample(
        model,
        point.temperature,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        n_chains=2,
        seed=point.seed,
        path=(*point.path, 2),
        n_threads=1,
    )
    assert trace.example_overlaps is not None  # the network knows examples
    scale = 1.0 / math.sqrt(1.0 + model.lesson.rho)
    return {
        "m": trace.m,
        "overlap_examples": scale * trace.example_overlaps[:, :, 0],
        "q": trace.q,
        "energy": trace.energy,
    }


def predict_learning(
    point: LearningPoint, alpha: float | None = None, **changed: Any
) -> dict[str, Prediction]:
    """Replica-symmetric retrieval state at the realised load, or at `alpha`.

    changed: another `protocol` or `n_examples` than those of the point.
    """
    solve = getattr(theory, f"solve_{changed.get('protocol', point.protocol)}")
    state = solve(
        point.order,
        point.realised_alpha if alpha is None else alpha,
        point.temperature,
        n_examples=changed.get("n_examples", point.n_examples),
        quality=point.quality,
        coincident=point.coincident,
    )
    if not state.status.ok:
        return {name: Prediction.missing(state.status) for name in OBSERVABLES}
    error = max(state.residual, state.quadrature_error)
    return {
        name: Prediction(getattr(state, name), error, state.status)
        for name in OBSERVABLES
    }


def plant_learning(point: LearningPoint) -> Mapping[str, Prediction]:
    """A wrong theory: of half as many examples."""
    return predict_learning(point, n_examples=max(1, point.n_examples // 2))


def learning_bytes(point: Any) -> int:
    """Peak memory of one point in bytes, beyond what the process has anyway."""
    k, n, m = point.n_patterns, point.n_spins, point.n_examples
    rows = k * m if point.protocol == "unsupervised" else k
    # Supervised rows are wider, and several sums are kept of each.
    wide = 1 if point.protocol == "unsupervised" else 4
    kept = rows_bytes(rows * wide, n, point.order) + 40 * rows
    run = chains_bytes(rows, n, n_chains=2, n_draws=point.n_sweeps)
    return k * n * (m + 1) + examples_bytes(k, m, n) + kept + 6 * run
