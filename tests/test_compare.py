"""Verdicts: right theories agree, wrong ones are rejected, and rows say what they can
tell. Points of P = 2, 3, 4 are chosen so that a wrong theory is far away there."""

import json
import math

import numpy as np
import pytest

import sims
from analytics.solve import Prediction
from sims.compare import _judge, compare, finite_size_slope
from sims.experiment import Experiment, stable_hash
from sims.experiments import REFERENCES, REGISTRY, SUMMARY, load_experiment
from statmech.errors import ParameterError, StatmechError
from statmech.stats import estimate
from statmech.status import Status

# At each of them twice the load is beyond the spinodal, or m differs by far more than
# the allowance, and chains of the sizes used rarely leave the retrieval state: where
# some do (P = 4, alpha = .015, T = .3) the error bars grow and power is lost.
POINTS = {
    2: [(0.05, 0.4), (0.08, 0.2), (0.1, 0.1)],
    3: [(0.06, 0.3), (0.07, 0.2), (0.05, 0.4)],
    4: [(0.018, 0.2), (0.02, 0.1), (0.018, 0.15)],
}
ALL_POINTS = [(p, a, t) for p, points in POINTS.items() for a, t in points]


@pytest.mark.parametrize(("order", "alpha", "temperature"), [ALL_POINTS[0]])
def test_theory_agrees_and_planted_noise_is_rejected(order, alpha, temperature):
    result = sims.check(
        "dense", order=order, alpha=alpha, temperature=temperature, n_spins=1000
    )
    assert result.verdict == "agrees", str(result)
    assert result.rejects_planted, str(result)


@pytest.mark.nightly
@pytest.mark.parametrize(("order", "alpha", "temperature"), ALL_POINTS)
def test_default_check_agrees_at_every_point(order, alpha, temperature):
    """Default budget; by chance a right theory fails with probability < 1.6 % each."""
    result = sims.check("dense", order=order, alpha=alpha, temperature=temperature)
    assert result.verdict == "agrees", str(result)
    assert result.rejects_planted, str(result)


@pytest.mark.parametrize("temperature", [0.3, 0.45])
def test_planted_theory_is_rejected_in_the_place_of_the_right_one(temperature):
    """At T = 0.3 the planted theory has a retrieval state, at T = 0.45 none."""
    experiment = load_experiment("dense")(
        order=2, alpha=0.05, temperature=temperature, n_spins=1000, n_samples=12
    )
    points = experiment.points()
    results = [experiment.simulate(point) for point in points]
    assert compare(experiment, points, results).verdict == "agrees"
    experiment.predict = experiment.plant
    experiment.plant = type(experiment).predict.__get__(experiment)
    assert compare(experiment, points, results).verdict == "disagrees"


class Toy(Experiment):
    """y = 1 + slope/N + noise, theory y = 1; planted theory at `planted`."""

    name = "toy"
    observables = ("y",)

    def __init__(self, slope=0.0, planted=2.0, noise=0.01, theory=1.0):
        self.slope, self.planted = slope, planted
        self.noise, self.theory = noise, theory
        self.rng = np.random.default_rng(5)

    def settings(self):
        return {}

    def points(self):
        from types import SimpleNamespace

        return [SimpleNamespace(n_spins=n) for n in (700, 1000) for _ in range(40)]

    def simulate(self, point):
        centre = 1.0 + self.slope / point.n_spins + self.noise * self.rng.normal()
        return {"y": centre + 1e-4 * self.rng.normal(size=(2, 200))}

    def count_escaped(self, traces, theory):
        return 0, 2

    def predict(self, point):
        return {"y": Prediction(self.theory, 1e-12, Status.CONVERGED)}

    def plant(self, point):
        return {"y": Prediction(self.planted, 1e-12, Status.CONVERGED)}


def judged(**settings):
    toy = Toy(**settings)
    points = toy.points()
    return compare(toy, points, [toy.simulate(point) for point in points])


def test_allowance_follows_the_slope_that_two_sizes_show():
    assert judged().rows[0].slope == 2.0
    steep = judged(slope=30.0, noise=1e-3)
    assert steep.rows[0].slope == pytest.approx(30.0, abs=5.0)
    assert steep.verdict == "agrees"
    flat = judged(noise=1e-5)
    assert flat.rows[0].slope < 0.2
    assert judged(noise=1e-5, theory=1.0015).verdict == "disagrees"


def test_row_is_not_informative_when_the_allowance_hides_a_wrong_theory():
    result = judged(planted=1.005)  # 2/N is .0029 and .002: half of .005 lies between
    assert [row.informative for row in result.rows] == [False, True]
    assert judged(planted=1.001).verdict == "not informative"
    assert not judged(planted=1.001).agrees


def test_frozen_row_agrees_but_tells_nothing():
    """At T = 0 two replicas are equal: q = 1 exactly, and no fluctuation was seen."""
    result = sims.check(
        "dense", alpha=0.1, temperature=0.0, n_spins=400, n_samples=12, n_sweeps=20
    )
    rows = {row.observable: row for row in result.rows if row.n_spins == 400}
    assert not rows["q"].estimate.reliable
    assert rows["q"].verdict == "not informative"
    assert rows["m"].verdict == "agrees"


def test_row_that_disagrees_counts_even_where_it_could_not_tell_the_planted_theory():
    result = judged(planted=1.101, theory=1.1)
    assert not any(row.informative for row in result.rows)
    assert {row.verdict for row in result.rows} == {"DISAGREES"}
    assert result.verdict == "disagrees"


def test_false_alarm_rate_of_a_row():
    """A right theory fails with probability 2.7e-3 whatever the number of samples:
    of 4000 rows with 6 samples, 11 +- 3.3 expected; 3 SE would give 120."""
    rng = np.random.default_rng(11)
    right = Prediction(0.0, 0.0, Status.CONVERGED)
    fails = 0
    for _ in range(4000):
        samples = list(rng.normal(size=(6, 1, 2)).mean(axis=2, keepdims=True))
        row = _judge("y", 10**9, right, right, estimate(samples), 0.0)
        fails += not row.agrees
    assert 2 <= fails <= 25


def test_no_prediction_never_agrees():
    row = _judge(
        "y",
        100,
        Prediction.missing(Status.NO_RETRIEVAL),
        Prediction.missing(Status.NO_RETRIEVAL),
        estimate(list(np.random.default_rng(0).normal(size=(8, 2, 50)))),
        2.0,
    )
    assert not row.agrees


def test_slope_needs_two_sizes():
    one = {100: estimate(list(np.random.default_rng(0).normal(size=(8, 2, 50))))}
    assert finite_size_slope(one) == 2.0


def test_json_is_strict_and_table_names_everything():
    result = judged()
    text = json.dumps(result.to_dict(), allow_nan=False)
    row = json.loads(text)["rows"][0]
    assert {"observable", "prediction", "estimate", "allowance", "z", "agrees"} <= set(
        row
    )
    assert "verdict: agrees" in str(result)
    assert "0 of 160 chains" in str(result)


def test_points_are_pure_functions_of_their_content():
    experiment = load_experiment("dense")(
        alpha=0.05, temperature=0.3, n_spins=100, n_sweeps=10, n_burn_in=0
    )
    first, *_, last = experiment.points()
    again = experiment.simulate(first)
    for name, trace in experiment.simulate(first).items():
        assert np.array_equal(trace, again[name])
    assert not np.array_equal(experiment.simulate(last)["m"], again["m"])
    assert (
        first.path
        == load_experiment("dense")(
            alpha=0.05, temperature=0.3, n_spins=100, n_sweeps=10, n_burn_in=0, seed=4
        )
        .points()[0]
        .path
    )
    assert stable_hash("a", 1) == stable_hash("a", 1) != stable_hash("a", 2)


def test_threads_do_not_change_the_result():
    settings = {"alpha": 0.05, "temperature": 0.3, "n_spins": 100, "quick": True}
    one = sims.check("dense", n_threads=1, **settings)
    two = sims.check("dense", n_threads=2, **settings)
    assert [row.estimate for row in one.rows] == [row.estimate for row in two.rows]


def test_escapes_are_counted_and_kept():
    """P = 3 close to its spinodal at N = 60: many chains leave."""
    result = sims.check(
        "dense", order=3, alpha=0.125, temperature=0.3, n_spins=60, n_samples=12
    )
    assert result.escaped > 0
    means = [r["m"].mean() for r in result.results[12:]]
    row = next(r for r in result.rows if r.observable == "m" and r.n_spins == 60)
    assert row.estimate.mean == pytest.approx(np.mean(means))


GOOD = {"alpha": 0.05, "temperature": 0.2}
BAD = [
    ("alpha", [None, math.nan, math.inf, -1.0, 0.0, "x", True, 1j, 1e308, 5e-324, []]),
    ("temperature", [None, math.nan, math.inf, -1.0, "x", True, 1j, 1e308, []]),
    ("order", [1, 0, -1, 2.0, "2", True, None, 21]),
    ("n_spins", [0, -1, 3, 1.5, "100", True]),
    ("n_samples", [0, 5, -1, 6.0, True, "9"]),
    ("n_sweeps", [0, -1, 1.5, True]),
    ("n_burn_in", [-1, 1.5, True]),
    ("seed", [-1, 1.5, True, None]),
    ("coincident", ["kept", 1, None]),
    ("alhpa", [0.1]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, v) for name, values in BAD for v in values]
)
def test_bad_parameter_is_refused_by_name(name, value):
    with pytest.raises((ParameterError, StatmechError), match=name):
        load_experiment("dense")(**(GOOD | {name: value}))


def test_registry_is_complete():
    assert set(REGISTRY) == set(SUMMARY) == set(REFERENCES)
    with pytest.raises(ParameterError, match="dense"):
        load_experiment("dens")
