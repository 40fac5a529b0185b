"""The curve of solutions of one model that learns from examples, and its branches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analytics.dense.crosstalk import crosstalk_coefficients
from analytics.dense.example_law import (
    ExampleLaw,
    binomial_law,
    gaussian_law,
    realised_law,
)
from analytics.dense.learning_curve import (
    Noise,
    curve_ends,
    curve_grid,
    is_stable,
    load_point,
    overlap_at,
    run_curve,
)
from analytics.dense.learning_zero import run_zero, zero_grid, zero_load

Vector = NDArray[np.float64]

FULL = 2e-15  # tolerance of sigma


@dataclass(frozen=True)
class Top:
    """End of a stable part: y at T > 0, log x at T = 0, and the load there."""

    place: float
    alpha: float


class Run(NamedTuple):
    """Points of the curve, and whether the last one reaches the load asked for."""

    places: Vector
    loads: Vector
    sigmas: Vector
    stable: NDArray[np.bool_]
    reached: bool


class LearningCurve:
    """One model: order, protocol, law of the examples, treatment of equal indices."""

    def __init__(
        self,
        order: int,
        protocol: str,
        n_examples: int,
        quality: float,
        etabar: str,
        coincident: str,
        values: ArrayLike | None = None,
    ) -> None:
        self.order, self.protocol = order, protocol
        self.n_examples, self.quality = n_examples, quality
        if values is not None:
            self.law: ExampleLaw = realised_law(values, n_examples, quality)
        elif etabar == "gaussian":
            self.law = gaussian_law(n_examples, quality)
        else:
            self.law = binomial_law(n_examples, quality)
        self.gaussian = values is None and etabar == "gaussian"
        self.noise = crosstalk_of_examples(
            order, protocol, n_examples, quality, coincident
        )
        # Energy per spin and load of the terms i = j at P = 2.
        self.constant = 0.0
        if order == 2 and coincident == "keep":
            self.constant = -0.5 * (1.0 + self.noise.number * self.noise.second)

    # --- the curve --------------------------------------------------------------

    def ends(self, temperature: float) -> tuple[float, float]:
        """y of the start and the end of the curve at T > 0; 1e3 if there is none."""
        start, end = curve_ends(self.order, self.law, temperature)
        return float(start), float(end)

    def _run(self, temperature: float, target: float) -> Run:
        """The curve up to the first load >= target."""
        if temperature == 0.0:
            grid = zero_grid(self.law)
            loads = np.empty(grid.size)
            n, found = run_zero(self.noise, self.law, grid, target, loads)
            always = np.ones(n, dtype=np.bool_)
            return Run(grid[:n], loads[:n], np.zeros(n), always, bool(found))
        grid = curve_grid(self.law, *self.ends(temperature))
        loads, sigmas = np.empty(grid.size), np.empty(grid.size)
        stable = np.empty(grid.size, dtype=np.bool_)
        n, found = run_curve(
            self.noise, self.law, temperature, grid, target, loads, sigmas, stable
        )
        return Run(grid[:n], loads[:n], sigmas[:n], stable[:n], bool(found))

    def load_at(self, temperature: float, place: float, guess: float = 0.0) -> float:
        """alpha at a place of the curve; negative where no state is."""
        if temperature == 0.0:
            return float(zero_load(self.noise, self.law, place)[0])
        point = load_point(self.noise, self.law, temperature, place, guess, FULL)
        return float(point.alpha)

    def tops(self, temperature: float) -> list[Top]:
        """Ends of stable parts that are higher than all before, from the start on."""
        if temperature > 0.0 and self.ends(temperature)[0] > 100.0:
            return []
        found: list[Top] = []
        for top in self._tops_of(temperature, self._run(temperature, math.inf)):
            if top.alpha > max([0.0, *(other.alpha for other in found)]):
                found.append(top)
        return found

    def _tops_of(self, temperature: float, run: Run) -> list[Top]:
        """Maxima, and points where stability is lost though the load still rises."""
        tops = [(j, self._refine(temperature, run, j)) for j in _maxima(run.loads)]
        stable = run.stable
        for j in np.flatnonzero(stable[:-1] & ~stable[1:]):
            top = self._lose_stability(temperature, run, int(j))
            if top.alpha > 0.0:
                tops.append((int(j), top))
        return [top for _, top in sorted(tops, key=lambda pair: pair[0])]

    def _refine(self, temperature: float, run: Run, j: int) -> Top:
        """The maximum next to a point of the grid; alpha = -1 if it is not stable."""
        from scipy.optimize import minimize_scalar

        last = run.places.size - 1
        sides = (
            float(run.places[max(j - 1, 0)]),
            float(run.places[min(j + 1, last)]),
        )
        guess = float(run.sigmas[j])
        result = minimize_scalar(
            lambda place: -self.load_at(temperature, float(place), guess),
            bounds=(min(sides), max(sides)),
            method="bounded",
            options={"xatol": 1e-9},
        )
        place = float(run.places[j] if -result.fun < run.loads[j] else result.x)
        alpha = self.load_at(temperature, place, guess)
        stable = self.stable_at(temperature, place, guess)
        return Top(place, alpha if stable else -1.0)

    def _lose_stability(self, temperature: float, run: Run, j: int) -> Top:
        """Where tr J = 2 after a point of the grid; alpha = -1 if the load falls."""
        low, high = float(run.places[j]), float(run.places[j + 1])
        guess = float(run.sigmas[j])
        while high - low > 1e-14 * max(1.0, abs(low)):
            middle = 0.5 * (low + high)
            if self.stable_at(temperature, middle, guess):
                low = middle
            else:
                high = middle
        alpha = self.load_at(temperature, low, guess)
        before = self.load_at(temperature, low - 1e-6, guess)
        return Top(low, alpha if alpha > before else -1.0)

    def stable_at(self, temperature: float, place: float, guess: float = 0.0) -> bool:
        """Whether tr J < 2 there; at T = 0 always."""
        if temperature == 0.0:
            return True
        w, _ = overlap_at(self.law, place)
        point = load_point(self.noise, self.law, temperature, place, guess, FULL)
        return bool(is_stable(self.noise, temperature, w, point))

    def bracket(
        self, temperature: float, alpha: float
    ) -> tuple[float, float, float] | None:
        """(before, after, sigma there) around the first place with a load; or None.

        `before` equals `after` where already the first load is higher.
        """
        run = self._run(temperature, alpha)
        places = run.places
        # A maximum between two points of the grid may reach the load earlier.
        for j in _maxima(run.loads):
            if run.loads[j] < alpha:
                top = self._refine(temperature, run, j)
                if top.alpha >= alpha:
                    forward = (top.place - places[j]) * (places[-1] - places[0]) > 0.0
                    before = places[j] if forward else places[max(j - 1, 0)]
                    return float(before), top.place, float(run.sigmas[j])
        if not run.reached:
            return None
        last = places.size - 1
        before = max(last - 1, 0)
        return float(places[before]), float(places[last]), float(run.sigmas[last])

    def zero_load_temperature(self) -> float:
        """Highest T with a retrieval state at alpha = 0."""
        low, high = 0.0, 1.0
        if self.order == 2:
            if self.law.rho > 0.0:
                return 1.0
            return float(self.law.weights @ self.law.sizes**2)
        while self.ends(high)[0] < 100.0:
            high *= 2.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            if self.ends(middle)[0] < 100.0:
                low = middle
            else:
                high = middle
            if high - low < 1e-15 * high:
                break
        return low


def crosstalk_of_examples(
    order: int, protocol: str, n_examples: int, quality: float, coincident: str
) -> Noise:
    """Crosstalk at unit load.

    Unsupervised, P >= 3: the k-body part of C has the factor
    (r**(2k) + (1 - r**(2k))/M)/R**P, the mean over pairs of examples of their
    correlation to the power k. P = 2: eigenvalues of the M x M block of correlations.
    """
    c = crosstalk_coefficients(order, coincident)
    if protocol == "supervised":
        return Noise(order, c, 0.0, 0.0)
    r2 = quality * quality
    square = r2 + (1.0 - r2) / n_examples
    powers = r2 ** np.arange(order + 1)
    c = c * (powers + (1.0 - powers) / n_examples) / square**order
    second = (1.0 - quality) * (1.0 + quality) / (n_examples * square)
    return Noise(order, c, second, n_examples - 1.0)


def _maxima(loads: Vector) -> list[int]:
    """Indices of points not below their neighbours, and above 0 themselves."""
    last = loads.size - 1
    return [
        j
        for j in range(last)
        if loads[j] > 0.0
        and (j == 0 or loads[j] >= loads[j - 1])
        and loads[j] > loads[j + 1]
    ]
