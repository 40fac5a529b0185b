"""P-spin Hebbian networks: the retrieval state, theory and simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

import analytics.dense as theory
import statmech
from analytics.solve import Prediction, SaddlePoint
from sims.experiment import Experiment, Traces
from sims.experiments import dense_learning as learning
from sims.experiments.dense_points import MOST_SPINS, LoopPoint, Network, Point
from sims.experiments.learning_points import LearningPoint
from statmech.chains import chains_bytes
from statmech.errors import (
    ParameterError,
    check_choice,
    check_integer,
    check_order,
    check_real,
    check_temperature,
    nearest,
)
from statmech.hebbian import COINCIDENT, load_unit, network_bytes
from statmech.patterns import pattern_bytes

# Largest size by order: K N per sweep grows like N**P.
_DEFAULT_SPINS = {2: 2000, 3: 300, 4: 120, 5: 60, 6: 36}
_OPERATIONS = 4e6  # K N of one sweep that the default size may cost
_SMALLER = 0.7


class DenseStorage(Experiment):
    """Retrieval state of a network that stores K = alpha N**(P-1) random patterns.

    Parameters
    ----------
    alpha : float
        Load, > 0 and below the spinodal.
    temperature : float
        T >= 0, units J = 1.
    order : int
        P, default 2.
    n_spins : int, optional
        Largest size; a second one of about 0.7 N is run beside it.
    n_samples : int, optional
        Disorder samples a size, at least 6; default 24 (8 with `quick`).
    n_sweeps, n_burn_in : int, optional
        Defaults 300 and 100 (100 and 60 with `quick`).
    seed : int
    coincident : {"exclude", "keep"}
    protocol : {"storage", "supervised", "unsupervised"}
        Whether the network stores the patterns, or learns them from examples.
    n_examples, quality : int, float
        M and r of the examples, where there are any.
    quick : bool
        Smaller budget, less power.

    Raises
    ------
    ParameterError, ParameterTypeError
        Also for a load beyond the spinodal, where there is nothing to compare, and
        for unknown names.
    """

    name: ClassVar[str] = "dense"
    observables: tuple[str, ...] = ("m", "q", "energy")

    def __init__(
        self,
        *,
        alpha: float | None = None,
        temperature: float | None = None,
        order: int = 2,
        n_spins: int | None = None,
        n_samples: int | None = None,
        n_sweeps: int | None = None,
        n_burn_in: int | None = None,
        seed: int = 0,
        coincident: str = "exclude",
        protocol: str = "storage",
        n_examples: int | None = None,
        quality: float | None = None,
        quick: bool = False,
        **unknown: Any,
    ) -> None:
        _refuse_unknown(unknown)
        self.order = check_order(order)
        for name, value in (("alpha", alpha), ("temperature", temperature)):
            if value is None:
                raise ParameterError(name, value, "given: it has no default")
        self.alpha = check_real("alpha", alpha, 0.0, low_open=True)
        self.temperature = check_temperature(temperature)
        self.coincident = check_choice("coincident", coincident, COINCIDENT)
        # Theory refuses what does not go together, when it looks for the spinodal.
        self._taught: dict[str, Any] = {
            "protocol": protocol,
            "n_examples": n_examples,
            "quality": quality,
        }
        self.lesson: dict[str, Any] = {} if protocol == "storage" else self._taught
        if self.lesson:
            self.observables = learning.OBSERVABLES
            self.planted = "a theory of half as many examples"
        self.quick = bool(quick)
        # Samples vary by m ~ .01; 24 of them tell .006 apart at three sigma.
        self.n_samples = check_integer(
            "n_samples", _default(n_samples, 8 if quick else 24), 6
        )
        self.n_sweeps = check_integer(
            "n_sweeps", _default(n_sweeps, 100 if quick else 300), 10
        )
        self.n_burn_in = check_integer(
            "n_burn_in", _default(n_burn_in, 60 if quick else 100), 0
        )
        self.seed = check_integer("seed", seed, 0)
        self._check_spinodal()
        self.n_spins = self._check_size(n_spins)

    def _check_spinodal(self) -> None:
        limit = theory.find_critical_load(
            self.order, self.temperature, coincident=self.coincident, **self._taught
        )
        if not limit.status.ok:
            top = theory.find_transition_temperature(
                self.order, 0.0, coincident=self.coincident, **self.lesson
            )
            raise ParameterError(
                "temperature",
                self.temperature,
                f"below {top.value:.6g}",
                "above it no retrieval state exists at any load",
            )
        if self.alpha > limit.value:
            raise ParameterError(
                "alpha",
                self.alpha,
                f"at most {limit.value:.6g}, the spinodal at T = {self.temperature:g}",
                "beyond it theory has no retrieval state to compare with",
            )

    def _check_size(self, n_spins: int | None) -> int:
        if n_spins is None:
            n = _DEFAULT_SPINS.get(self.order, 3 * self.order)
            # A heavy load is simulated at a smaller size rather than for hours.
            while n > 3 * self.order and self._operations(n) > _OPERATIONS:
                n -= 1
        else:
            n = check_integer("n_spins", n_spins, 2 * self.order, MOST_SPINS)
        # The point of the smaller size refuses a load that rounds to no pattern.
        self._point(self.sizes(n)[0], 0)
        return n

    def _operations(self, n_spins: int) -> float:
        rows = self.alpha * load_unit(self.order, n_spins, self.coincident)
        if self.lesson.get("protocol") == "unsupervised":
            rows *= self.lesson["n_examples"]
        return rows * n_spins

    def sizes(self, n_spins: int | None = None) -> tuple[int, int]:
        """(about 0.7 N, N)."""
        n = self.n_spins if n_spins is None else n_spins
        return max(round(_SMALLER * n), self.order + 1), n

    def settings(self) -> dict[str, Any]:
        """Every parameter, defaults written back."""
        return {
            "order": self.order,
            "alpha": self.alpha,
            "temperature": self.temperature,
            "coincident": self.coincident,
            **(self.lesson or {"protocol": "storage"}),
            "n_spins": self.n_spins,
            "n_samples": self.n_samples,
            "n_sweeps": self.n_sweeps,
            "n_burn_in": self.n_burn_in,
            "seed": self.seed,
            "quick": self.quick,
        }

    def points(self) -> list[Point]:
        """Both sizes, every disorder sample."""
        return [
            self._point(n, sample)
            for n in self.sizes()
            for sample in range(self.n_samples)
        ]

    def _point(self, n_spins: int, sample: int) -> Point:
        kind = LearningPoint if self.lesson else Point
        return kind(
            **self.lesson,
            order=self.order,
            alpha=self.alpha,
            temperature=self.temperature,
            coincident=self.coincident,
            n_spins=n_spins,
            n_sweeps=self.n_sweeps,
            n_burn_in=self.n_burn_in,
            seed=self.seed,
            sample=sample,
        )

    def simulate(self, point: Point) -> Traces:
        if isinstance(point, LearningPoint):
            return learning.simulate_learning(point)
        return simulate_retrieval(point)

    def memory(self, point: Point) -> int:
        if isinstance(point, LearningPoint):
            return learning.learning_bytes(point)
        return retrieval_bytes(point)

    def kept(self, point: Point) -> int:
        # m, W or acceptance, and energy of two chains, q of the pair.
        return 8 * 7 * point.n_sweeps

    def count_escaped(
        self, traces: Traces, theory: Mapping[str, Prediction]
    ) -> tuple[int, int]:
        """Escaped: time-averaged m below half of the predicted one."""
        means = traces["m"].mean(axis=1)
        return int((means < 0.5 * theory["m"].value).sum()), means.size

    def predict(self, point: Point) -> Mapping[str, Prediction]:
        """Replica-symmetric retrieval state at the realised load."""
        if isinstance(point, LearningPoint):
            return learning.predict_learning(point)
        return predict_retrieval(point)

    def plant(self, point: Point) -> Mapping[str, Prediction]:
        """The theory whose noise has a standard deviation larger by sqrt(2)."""
        if isinstance(point, LearningPoint):
            return learning.plant_learning(point)
        return _as_predictions(
            theory.solve_storage(
                point.order,
                2.0 * point.realised_alpha,
                point.temperature,
                coincident=point.coincident,
            )
        )


def simulate_retrieval(point: Point) -> Traces:
    """Traces of m, q and energy of two replicas that start from the first pattern.

    The energy is reduced by the crosstalk energy of the pattern itself, whose
    disorder average is exactly zero without coincident indices and which carries
    nearly all of its sample-to-sample noise (a control variate with coefficient 1).
    """
    model = statmech.HebbianNetwork(
        statmech.patterns.rademacher(
            point.n_patterns, point.n_spins, point.seed, path=point.path
        ),
        point.order,
        coincident=point.coincident,
    )
    trace = statmech.sample(
        model,
        point.temperature,
        n_sweeps=point.n_sweeps,
        n_burn_in=point.n_burn_in,
        n_chains=2,
        seed=point.seed,
        path=(*point.path, 0),
        n_threads=1,
    )
    crosstalk = 0.0
    if point.coincident == "exclude":
        crosstalk = model.energy(model.patterns[0]) / model.n_spins + 1.0 / point.order
    return {
        "m": trace.m,
        "q": trace.q,
        "energy": trace.energy - crosstalk,
        "acceptance": trace.acceptance,
    }


def retrieval_bytes(point: Network) -> int:
    """Peak memory of one point in bytes, beyond what the process has anyway: its
    patterns are drawn, then two chains are run."""
    k, n = point.n_patterns, point.n_spins
    if isinstance(point, LoopPoint):
        n_draws = 2 * point.n_temperatures
    else:
        n_draws = getattr(point, "n_sweeps", 1)
    run = chains_bytes(k, n, n_chains=2, n_draws=n_draws)
    return max(pattern_bytes(k, n), network_bytes(k, n, point.order) + run)


def predict_retrieval(
    point: Point, alpha: float | None = None
) -> dict[str, Prediction]:
    """m, q, energy of the replica-symmetric retrieval state.

    At the realised load, or at `alpha`.
    """
    return _as_predictions(
        theory.solve_storage(
            point.order,
            point.realised_alpha if alpha is None else alpha,
            point.temperature,
            coincident=point.coincident,
        )
    )


def _as_predictions(state: SaddlePoint) -> dict[str, Prediction]:
    error = max(state.residual, state.quadrature_error)
    return {
        name: Prediction(getattr(state, name), error, state.status)
        for name in DenseStorage.observables
    }


def _default(value: int | None, default: int) -> int:
    return default if value is None else value


def _refuse_unknown(unknown: Mapping[str, Any]) -> None:
    known = [
        "alpha",
        "quick",
        *(f.name for f in fields(LearningPoint) if f.name != "sample"),
        "n_samples",
    ]
    for name, value in unknown.items():
        raise ParameterError(
            name, value, "one of " + ", ".join(known), nearest(name, known)
        )
