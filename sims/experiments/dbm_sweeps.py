"""What is swept for Boltzmann machines: solvers, solutions, errors, magnetisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from analytics.mean_field import curie_weiss, curie_weiss_exact
from analytics.solve import Prediction
from sims.experiments.dbm_models import (
    count_distinct,
    curie_weiss_model,
    random_starts,
    repulsive_model,
    scaled_model,
    spin_glass,
)
from sims.experiments.dbm_points import (
    CurieWeissPoint,
    IterationPoint,
    SolutionPoint,
    SpinGlassPoint,
)
from sims.measurement import Measurement
from statmech.boltzmann import enumerate_exact, magnetisations, sample_gibbs
from statmech.errors import StatmechError
from statmech.mean_field import tap
from statmech.monotone import solve
from statmech.rng import generator
from statmech.status import Status

_CHAIN = ("chain", "draw")
_RUN = 1  # branch of a point's seed path; 0 is the model
# Between two solutions, of any component; the residual is 1e-10.
_APART = 1e-4


class Iterations(Measurement):
    """Products with Phi until the residual is `tol`, by one solver.

    `lambda_min` is that of the model. Where `converged` is 0 the solver gave up after
    so many. Every solver is given the same models.
    """

    name = "dbm-iterations"
    point: ClassVar[type[Any]] = IterationPoint
    observables: ClassVar[tuple[str, ...]] = ("iterations", "lambda_min", "converged")
    figures: ClassVar[tuple[str, ...]] = ("solver-iterations", "curves")

    def simulate(self, point: IterationPoint) -> Mapping[str, Any]:
        same = replace(point, solver="auto", tol=1e-8, max_iter=10_000)
        draw = generator(point.seed, same.path)
        model = repulsive_model(
            point.n_spins, point.n_states, point.kappa, point.alignment, draw
        )
        found = solve(
            model, method=point.solver, tol=point.tol, max_iter=point.max_iter
        )
        return _numbers(
            iterations=float(found.iterations),
            lambda_min=model.spectrum()[0],
            converged=float(found.status.ok),
        )

    def memory(self, point: IterationPoint) -> int:
        return 64 * (point.n_spins * point.n_states) ** 2

    def cost(self, point: IterationPoint) -> float:
        d = float(point.n_spins * point.n_states)
        return d**3 + d * d * min(point.max_iter, 1000)

    def shortened(self, point: IterationPoint) -> IterationPoint:
        return replace(point, max_iter=min(point.max_iter, 10))


class Solutions(Measurement):
    """Different solutions of mean field that random starts lead to.

    By coordinate ascent, which ends in minima of the free energy. Solutions differ if a
    probability differs by more than 1e-4. A start that does not converge fails the
    point.
    """

    name = "dbm-solutions"
    point: ClassVar[type[Any]] = SolutionPoint
    observables: ClassVar[tuple[str, ...]] = ("n_solutions",)
    figures: ClassVar[tuple[str, ...]] = ("solutions", "curves")

    def simulate(self, point: SolutionPoint) -> Mapping[str, Any]:
        draw = generator(point.seed, point.path)
        model = scaled_model(point.n_spins, point.n_states, point.largest, draw)
        starts = random_starts(model, point.n_starts, draw)
        found = solve(
            model, method="sequential", initial=starts, tol=1e-10, max_iter=10**5
        )
        if not found.status.ok:
            lost = int((~found.converged).sum())
            raise StatmechError(f"{lost} of {point.n_starts} starts: {found.status}")
        return _numbers(n_solutions=float(count_distinct(found.q, _APART)))

    def predict(self, point: SolutionPoint) -> Mapping[str, Prediction]:
        """One below lambda_max = 2; nothing is known beyond."""
        return self._at(point.largest)

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        return self._at(self.parse(parameters).largest)

    def _at(self, largest: float) -> dict[str, Prediction]:
        one = Prediction(1.0, 0.0, Status.CLOSED_FORM)
        several = Prediction.missing(Status.UNDEFINED)
        return {"n_solutions": one if largest < 2.0 else several}

    def memory(self, point: SolutionPoint) -> int:
        d = point.n_spins * point.n_states
        return 64 * d * d + 64 * point.n_starts * d

    def cost(self, point: SolutionPoint) -> float:
        d = float(point.n_spins * point.n_states)
        return d**3 + 200.0 * point.n_starts * d * d

    def shortened(self, point: SolutionPoint) -> SolutionPoint:
        return replace(point, n_starts=2)


class Errors(Measurement):
    """Error of the magnetisations of naive mean field and of TAP: rms over the spins.

    Against the sum over all states, of the same couplings g_ij at every beta. TAP
    equations that do not settle fail the point.
    """

    name = "dbm-errors"
    point: ClassVar[type[Any]] = SpinGlassPoint
    observables: ClassVar[tuple[str, ...]] = ("error_naive", "error_tap")
    figures: ClassVar[tuple[str, ...]] = ("mean-field-errors", "curves")

    def simulate(self, point: SpinGlassPoint) -> Mapping[str, Any]:
        draw = generator(point.seed, replace(point, beta=1.0).path)
        model = spin_glass(point.n_spins, point.beta, point.field, draw)
        exact = magnetisations(model, enumerate_exact(model).marginals)
        errors = {}
        for name, found in (("naive", solve(model)), ("tap", tap(model, damping=0.9))):
            if not found.status.ok:
                raise StatmechError(f"{name}: {found.status}")
            away = magnetisations(model, found.q) - exact
            errors[f"error_{name}"] = float(np.sqrt(np.mean(away * away)))
        return _numbers(**errors)

    def memory(self, point: SpinGlassPoint) -> int:
        return 2**25 + 64 * point.n_spins**2

    def cost(self, point: SpinGlassPoint) -> float:
        return 2.0**point.n_spins * point.n_spins

    def shortened(self, point: SpinGlassPoint) -> SpinGlassPoint:
        return replace(point, n_spins=min(point.n_spins, 8))


class Magnetisation(Measurement):
    """Curie-Weiss spins: m of mean field, and of Gibbs chains (|m| without a field).

    Theory: the root of m = tanh(c (N - 1)/N m + h), and the sum over all values of the
    magnetisation.
    """

    name = "dbm-magnetisation"
    point: ClassVar[type[Any]] = CurieWeissPoint
    observables: ClassVar[tuple[str, ...]] = ("m_mean_field", "m_gibbs")
    figures: ClassVar[tuple[str, ...]] = ("magnetisation", "curves")

    def warm(self) -> None:
        model = curie_weiss_model(4, 0.5, 0.0)
        sample_gibbs(model, n_sweeps=4, n_burn_in=0, n_chains=2, n_threads=1)

    def simulate(self, point: CurieWeissPoint) -> Mapping[str, Any]:
        model = curie_weiss_model(point.n_spins, point.coupling, point.field)
        up = np.tile([0.99, 0.01], point.n_spins)
        if point.field < 0.0:
            up = 1.0 - up
        found = solve(model, initial=up)
        if not found.status.ok:
            raise StatmechError(f"mean field: {found.status}")
        trace = sample_gibbs(
            model,
            n_sweeps=point.n_sweeps,
            n_burn_in=point.n_burn_in,
            n_chains=2,
            seed=point.seed,
            path=(*point.path, _RUN),
            n_threads=1,
        )
        m = 1.0 - 2.0 * trace.states.mean(axis=2)  # state 0 is spin +1
        return {
            **_numbers(m_mean_field=float(magnetisations(model, found.q).mean())),
            "m_gibbs": (_CHAIN, np.abs(m) if point.field == 0.0 else m),
        }

    def predict(self, point: CurieWeissPoint) -> Mapping[str, Prediction]:
        n, c, h = point.n_spins, point.coupling, point.field
        exact = curie_weiss_exact(n, c, h)
        value = exact.m_abs if h == 0.0 else exact.m
        return {
            "m_mean_field": curie_weiss(n, c, h),
            "m_gibbs": Prediction(value, 1e-12, Status.CLOSED_FORM),
        }

    def limit(self, parameters: Mapping[str, Any]) -> Mapping[str, Prediction]:
        return self.predict(self.parse(parameters))

    def memory(self, point: CurieWeissPoint) -> int:
        return 64 * point.n_spins**2 + 8 * point.n_spins * point.n_sweeps

    def cost(self, point: CurieWeissPoint) -> float:
        return 40.0 * point.n_spins**2 * (point.n_sweeps + point.n_burn_in)

    def shortened(self, point: CurieWeissPoint) -> CurieWeissPoint:
        return replace(point, n_sweeps=4, n_burn_in=0)


def _numbers(**values: float) -> dict[str, Any]:
    return {name: ((), np.float64(value)) for name, value in values.items()}
