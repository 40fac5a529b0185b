"""Boltzmann machines with one mean field: what is claimed of them, measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analytics.mean_field import curie_weiss
from sims.audit import Audit, Audited, Finding
from sims.experiments.dbm_models import (
    count_distinct,
    curie_weiss_model,
    pair_model,
    random_starts,
    repulsive_model,
    scaled_model,
    spin_glass,
)
from statmech.boltzmann import (
    BoltzmannMachine,
    enumerate_exact,
    magnetisations,
    sample_gibbs,
)
from statmech.errors import ParameterError, check_integer, check_real
from statmech.mean_field import tap
from statmech.monotone import METHODS, prox, solve
from statmech.rng import generator

Array = NDArray[np.float64]

# Branches of the seed path.
_MODELS, _STARTS, _GLASS, _GIBBS = range(4)
_MOST_STATES = 10**6  # joint states that are summed
_EXACT = 1e-13  # residual of what counts as the solution
_CURIE_WEISS = (40, 1.6, 0.05)  # N, coupling, field
_GLASS_SIZE, _GLASS_BETA = 12, 0.2
_GIBBS_FALSE_ALARM = 1e-3


class Dbm(Audited):
    """Mean field of Boltzmann machines beside exact sums, chains and proven bounds.

    Parameters
    ----------
    n_spins : int, optional
        Variables of the models that are summed exactly; default 8.
    n_states : int, optional
        States of each, from 2; default 3.
    kappa : float, optional
        Cap on lambda_max, in (0, 2); default 0.9.
    n_samples : int, optional
        Models; default 12 (4 with `quick`).
    n_starts : int, optional
        Random starts of each, from 2; default 50.
    seed : int
    quick : bool
        Smaller budget.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also where there are more than a million joint states.
    """

    name: ClassVar[str] = "dbm"

    def __init__(
        self,
        *,
        n_spins: int = 8,
        n_states: int = 3,
        kappa: float = 0.9,
        n_samples: int | None = None,
        n_starts: int = 50,
        seed: int = 0,
        quick: bool = False,
    ) -> None:
        self.n_spins = check_integer("n_spins", n_spins, 2)
        self.n_states = check_integer("n_states", n_states, 2, 1000)
        if self.n_spins * math.log(self.n_states) > math.log(_MOST_STATES):
            most = int(math.log(_MOST_STATES) / math.log(self.n_states))
            allowed = f"at most {most} with n_states = {self.n_states}"
            remedy = "all joint states are summed"
            raise ParameterError("n_spins", n_spins, allowed, remedy)
        self.kappa = check_real("kappa", kappa, 0.0, 2.0, low_open=True, high_open=True)
        self.n_samples = check_integer(
            "n_samples", (4 if quick else 12) if n_samples is None else n_samples, 1
        )
        self.n_starts = check_integer("n_starts", n_starts, 2, 10**4)
        self.seed = check_integer("seed", seed, 0)
        self.quick = bool(quick)

    def settings(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("seed", "n_spins", "n_states", "kappa", "n_samples")
        } | {"n_starts": self.n_starts, "quick": self.quick}

    def audit(self) -> Audit:
        """Every claim, one after the other."""
        models = [self._model(sample) for sample in range(self.n_samples)]
        solutions = [solve(model, tol=_EXACT).q for model in models]
        claims: tuple[Callable[..., Finding], ...] = (
            self._solvers_agree,
            self._certificate,
            self._contraction,
            self._bound,
        )
        findings = [claim(models, solutions) for claim in claims]
        findings += [
            self._weak_coupling(),
            self._curie_weiss(),
            self._reaction(),
            self._unique(),
            self._gibbs(models[0]),
        ]
        return Audit(self.name, self.settings(), tuple(findings))

    def _draw(self, *path: int) -> np.random.Generator:
        return generator(self.seed, path)

    def _model(self, sample: int) -> BoltzmannMachine:
        """From independent blocks to equal ones."""
        alignment = sample / max(self.n_samples - 1, 1)
        draw = self._draw(_MODELS, sample)
        return repulsive_model(self.n_spins, self.n_states, self.kappa, alignment, draw)

    def _methods(self) -> list[str]:
        """All that must converge: not the plain parallel updates."""
        barred = {"parallel"} | (
            {"peaceman-rachford-1"} if self.kappa >= 1.0 else set()
        )
        return [name for name in METHODS if name not in barred]

    def _solvers_agree(self, models: Any, solutions: Any) -> Finding:
        worst = control = 0.0
        for sample, (model, q) in enumerate(zip(models, solutions, strict=True)):
            start = random_starts(model, 1, self._draw(_STARTS, sample))[0]
            for method in self._methods():
                found = solve(model, method=method, initial=start, tol=1e-12)
                # NaN, and so a failure, where a method did not converge.
                worst = np.maximum(worst, np.abs(found.q - q).max())
            other = solve(model.with_biases(1.001 * model.biases), tol=_EXACT).q
            control = max(control, float(np.abs(other - q).max()))
        # |q - q*| is at most the residual times |Phi| / (2 - lambda_max).
        size = max(max(map(abs, model.spectrum())) for model in models)
        lever = size * math.sqrt(models[0].size) / (2.0 - self.kappa)
        return Finding(
            f"{len(self._methods())} solvers agree, max |dq|",
            float(worst),
            1e-12 * lever + 1e-13,
            control,
            "biases larger by a thousandth",
        )

    def _certificate(self, models: Any, solutions: Any) -> Finding:
        worst = control = 0.0
        for sample, (model, q) in enumerate(zip(models, solutions, strict=True)):
            starts = random_starts(model, self.n_starts, self._draw(_STARTS, sample, 1))
            for tol in (1e-1, 1e-2, 1e-4, 1e-6):
                found = solve(model, method="damping", initial=starts, tol=tol)
                error = np.linalg.norm(found.last - q, axis=1)
                worst = max(worst, float((error / (found.error_bound + 1e-13)).max()))
                wrong = solve(model.with_biases(model.biases + _tilt(model))).q
                away = np.linalg.norm(found.last - wrong, axis=1)
                control = max(control, float((away / found.error_bound).max()))
        return Finding(
            "error bound is above the error, error / bound",
            worst,
            1.0,
            control,
            "the solution of other biases",
        )

    def _contraction(self, models: Any, solutions: Any) -> Finding:
        worst = control = 0.0
        for sample, (model, q) in enumerate(zip(models, solutions, strict=True)):
            low, high = model.spectrum()
            m, largest = 1.0 - high, 1.0 - low
            best, rate = 2.0 / (m + largest), (largest - m) / (largest + m + 2.0)
            start = random_starts(model, 1, self._draw(_STARTS, sample, 2))[0]
            worst = max(worst, _largest_ratio(model, q, start, best) / rate)
            control = max(control, _largest_ratio(model, q, start, 4.0 * best) / rate)
        return Finding(
            "forward-backward contracts, ratio / rho(a*)",
            worst,
            1.0 + 1e-6,
            control,
            "four times the step a*",
        )

    def _bound(self, models: Any, solutions: Any) -> Finding:
        over, control = -math.inf, -math.inf
        for model, q in zip(models, solutions, strict=True):
            log_z = enumerate_exact(model).log_z
            over = max(over, -model.free_energy(q) - log_z)
            inner = 0.5 * model.product(q) + model.biases
            control = max(control, abs(float(q @ inner) - log_z))
        return Finding(
            "-F <= log Z, largest difference",
            float(over),
            1e-10,
            control,
            "the energy without the entropy",
        )

    def _weak_coupling(self) -> Finding:
        model = scaled_model(
            self.n_spins, self.n_states, 1.0, self._draw(_MODELS, 0, 1)
        )
        scales = (0.01, 0.005)
        errors, without = [], []
        for scale in scales:
            weak = BoltzmannMachine(
                scale * model.potentials, model.biases, model.n_states
            )
            exact = enumerate_exact(weak).marginals
            free = model.layout.softmax(model.biases)[0]
            errors.append(float(np.abs(solve(weak, tol=_EXACT).q - exact).max()))
            without.append(float(np.abs(free - exact).max()))
        return Finding(
            "exact marginals, |order of the error - 2|",
            abs(_slope(scales, errors) - 2.0),
            0.1,
            abs(_slope(scales, without) - 2.0),
            "variables without potentials",
        )

    def _curie_weiss(self) -> Finding:
        n, coupling, field = _CURIE_WEISS
        model = curie_weiss_model(n, coupling, field)
        found = solve(model, tol=_EXACT, initial=np.tile([0.9, 0.1], n))
        m = float(magnetisations(model, found.q).mean())
        return Finding(
            "Curie-Weiss, |m - root with (N - 1) / N|",
            abs(m - curie_weiss(n, coupling, field).value),
            1e-9,
            abs(m - curie_weiss(math.inf, coupling, field).value),
            "the root without it",
        )

    def _reaction(self) -> Finding:
        better: list[float] = []
        for sample in range(self.n_samples):
            draw = self._draw(_GLASS, sample)
            model = spin_glass(_GLASS_SIZE, _GLASS_BETA, 0.3, draw)
            exact = magnetisations(model, enumerate_exact(model).marginals)
            naive, corrected = (
                float(np.linalg.norm(magnetisations(model, found.q) - exact))
                for found in (solve(model, tol=_EXACT), tap(model, tol=1e-12))
            )
            better.append(corrected / naive)
        return Finding(
            "SK: TAP is nearer to exact, error / naive error",
            max(better),
            0.5,
            max(1.0 / ratio for ratio in better),
            "the two exchanged",
        )

    def _unique(self) -> Finding:
        counts: list[float] = []
        lost: list[int] = []
        for largest in (1.999, 2.001):
            model = pair_model(largest)
            starts = random_starts(model, self.n_starts, self._draw(_STARTS, 0, 3))
            found = solve(model, initial=starts, tol=1e-12, method="newton")
            counts.append(count_distinct(found.q[found.converged], 1e-3))
            lost.append(int((~found.converged).sum()))
        return Finding(
            f"one solution at lambda_max = 1.999, {self.n_starts} starts",
            math.nan if lost[0] else counts[0],
            1.0,
            counts[1],
            "lambda_max = 2.001",
        )

    def _gibbs(self, model: BoltzmannMachine) -> Finding:
        from scipy.special import ndtri

        trace = sample_gibbs(
            model,
            n_sweeps=2000 if self.quick else 20_000,
            n_burn_in=100,
            n_chains=4,
            seed=self.seed,
            path=(_GIBBS,),
        )
        hotter = BoltzmannMachine(
            0.5 * model.potentials, 0.5 * model.biases, model.n_states
        )
        z = [
            float(np.abs((trace.marginals - exact) / trace.errors).max())
            for exact in (
                enumerate_exact(model).marginals,
                enumerate_exact(hotter).marginals,
            )
        ]
        bound = -float(ndtri(0.5 * _GIBBS_FALSE_ALARM / model.size))
        return Finding(
            "Gibbs chains have exact marginals, max |z|",
            z[0],
            bound,
            z[1],
            "exact marginals at twice the temperature",
        )


def _tilt(model: BoltzmannMachine) -> Array:
    """1 on the first state of every variable."""
    tilt = np.zeros(model.size)
    tilt[model.layout.offsets[:-1]] = 1.0
    return tilt


def _largest_ratio(model: BoltzmannMachine, q: Array, start: Array, a: float) -> float:
    """max |q_(t+1) - q*| / |q_t - q*| of forward-backward with step a, 60 steps."""
    shape = (model.n_variables, -1)
    x, worst = start, 0.0
    before = float(np.linalg.norm(x - q))
    for _ in range(60):
        y = (1.0 - a) * x + a * model.logits(x)
        x = prox(y.reshape(shape), a).ravel()
        after = float(np.linalg.norm(x - q))
        if before < 1e-7:  # below, rounding tells
            break
        worst, before = max(worst, after / before), after
    return worst


def _slope(x: tuple[float, ...], y: list[float]) -> float:
    return math.log(y[0] / y[1]) / math.log(x[0] / x[1])
