"""What the finite networks are given: odd arrays are taken, bad input is named."""

import math

import numpy as np
import pytest
from sampling_cases import INF, NAN, NOT_TRACKED, digest, sample, small

import statmech
from statmech import HebbianNetwork, anneal, group, observables, temper
from statmech.errors import ParameterError, ParameterTypeError
from statmech.kernels import hebbian as kernels
from statmech.patterns import corrupt, rademacher

# Observables ----------------------------------------------------------------------


def test_observables_by_hand():
    """Magnetisations, overlap, energy density, stabilities of small configurations."""
    patterns = [[1, 1, 1, 1], [1, 1, -1, -1]]
    s = [1, 1, 1, -1]
    np.testing.assert_array_equal(
        observables.mattis_magnetizations(s, patterns), [0.5, 0.5]
    )
    assert observables.replica_overlap(s, patterns[0]) == 0.5
    model = HebbianNetwork(patterns)
    # Pairs with equal products: e_2 = (S**2 - 4)/2 = 0 for S = 2, twice.
    assert observables.energy_density(model, s) == 0.0
    expected = np.empty(4)
    field = model.local_fields(s)
    for i in range(4):
        flipped = np.array(s)
        flipped[i] = -flipped[i]
        expected[i] = (model.energy(flipped) - model.energy(s)) / 2
    np.testing.assert_allclose(observables.stabilities(model, s), expected, atol=1e-15)
    np.testing.assert_allclose(s * field, expected, atol=1e-15)


def test_binder_ratio_of_known_laws():
    """1 for +-m, 0 for a Gaussian (40000 draws, |z| < 4.5), for any scale."""
    assert observables.binder_ratio([0.3, -0.3]) == pytest.approx(1.0)
    for scale in (5e-324, 1e-200, 1.0, 1e200, 1.7e308):
        assert observables.binder_ratio([scale, -scale]) == 1.0
        if scale > 1e-300:
            assert observables.binder_ratio([scale, 0.0]) == pytest.approx(0.5)
    draws = np.random.default_rng(1).normal(size=40_000)
    # Var(<m**4>/<m**2>**2) = 24 / n for a Gaussian.
    assert abs(observables.binder_ratio(draws)) < 4.5 * math.sqrt(24 / 40_000) / 2


# Unusual arrays -------------------------------------------------------------------


def disguises(array):
    """The same numbers in every form that NumPy has for them."""
    array = np.asarray(array)
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)
    wide[..., ::2] = array
    frozen = array.copy()
    frozen.flags.writeable = False
    yield wide[..., ::2]
    yield array[..., ::-1].copy()[..., ::-1]
    yield np.asfortranarray(array)
    yield frozen
    yield array.tolist()
    for kind in (">f8", "<f4", ">i4", "<i8", "i1", "f2"):
        if np.can_cast(array.dtype, kind, "same_kind") or array.dtype.kind == "i":
            yield array.astype(kind)


def test_disguised_arrays_give_the_same_run():
    """Patterns, states, fields, temperatures: strided, swapped, frozen, in lists."""
    patterns, start = rademacher(4, 12, seed=1), rademacher(2, 12, seed=2)
    field = np.linspace(-0.25, 0.25, 9)[np.arange(12) % 9]
    model = HebbianNetwork(patterns, 3, field=field)
    clean = digest(sample(model, initial=start))
    assert model.field.dtype == np.float64
    for other in disguises(patterns):
        changed = HebbianNetwork(other, 3, field=field)
        assert changed.patterns.dtype == np.int8
        assert changed.patterns.flags.c_contiguous
        assert digest(sample(changed, initial=start)) == clean
    for other in disguises(start):
        assert digest(sample(model, initial=other)) == clean
    for other in disguises(field.astype(np.float32).astype(float)):
        changed = HebbianNetwork(patterns, 3, field=other)
        assert np.abs(changed.field - field).max() < 1e-3
        sample(changed, initial=start)
    for other in (field[::-1].copy()[::-1], field.astype(">f8"), field.tolist()):
        changed = HebbianNetwork(patterns, 3, field=other)
        assert digest(sample(changed, initial=start)) == clean
    schedule = np.array([1.0, 0.5])
    cooled = digest(anneal(model, schedule))
    tempered = digest(temper(model, schedule[::-1], n_sweeps=5).trace)
    for other in disguises(schedule):
        assert digest(anneal(model, other)) == cooled
        assert digest(temper(model, other[::-1], n_sweeps=5).trace) == tempered


def test_disguised_arrays_give_the_same_observables():
    model, s = small(), rademacher(1, 30, seed=3)[0]
    xi = model.patterns
    for other in disguises(s):
        assert model.energy(other) == model.energy(s)
        assert (model.local_fields(other) == model.local_fields(s)).all()
        stable = observables.stabilities(model, other)
        assert (stable == observables.stabilities(model, s)).all()
        m = observables.mattis_magnetizations(other, xi)
        assert (m == observables.mattis_magnetizations(s, xi)).all()
        assert observables.replica_overlap(other, other) == 1.0
        assert (corrupt(other, 0.5, 1) == corrupt(s, 0.5, 1)).all()


def test_numpy_integers_and_floats_are_numbers():
    """np.int64, np.uint8, 0-d arrays where a number is wanted."""
    model = small()
    clean = digest(sample(model, 0.5, n_chains=2, seed=3, target=1))
    other = sample(
        model,
        np.array(0.5),
        n_sweeps=np.uint8(20),
        n_chains=np.int64(2),
        seed=np.array(3),
        target=np.int8(1),
    )
    assert digest(other) == clean
    assert digest(sample(model, seed=2**200)) != clean


# Bad input ------------------------------------------------------------------------


RAGGED = [[1, 1], [1]]


HUGE = 10**309


NOT_A_NUMBER = [None, "abc", b"a", 1j, True, [1.0], np.ones(2), object(), NAN, -INF]


NOT_A_COUNT = [*NOT_A_NUMBER, INF, 1.5, 1e308, 5e-324, -1, np.float64(3), -HUGE]


NOT_A_TEXT = [None, 1, 1.0, True, NAN, [], ["keep"], b"random", "", "rando", object()]


NOT_A_PATH = [
    *(None, 1, 1.5, NAN, True, "ab", b"ab", [-1], [0.5], [NAN], ["a"], [None], [[1]]),
    *([True], np.array([0.5]), object(), iter([1])),
]


NOT_SIGNS = [
    *(None, b"a", 1j, True, 1.0, object(), [], [[]], RAGGED, np.zeros((0, 3))),
    *([NAN] * 30, [INF] * 30, [0] * 30, [-2] * 30, [1e308] * 30, [5e-324] * 30),
    *([1j] * 30, [True] * 30, ["a"] * 30, [None] * 30, np.ones((2, 2, 30))),
    *(np.ones(30, dtype=bool), np.full(30, 255, dtype=np.uint8), np.array(1)),
]


NOT_SPINS = [*NOT_SIGNS, "abc", [1] * 29, [[1] * 30], [[1] * 30] * 3]


NOT_PATTERNS = [*NOT_SIGNS, "abc", [1] * 30, [[1, 1], [1, 2]], [[1]]]


NOT_A_FIELD = [
    *(None, "abc", b"a", 1j, True, object(), NAN, INF, -INF, 1e308, HUGE, [], RAGGED),
    *([NAN] * 30, [INF] * 30, [1e308] * 30, [1j] * 30, [True] * 30, ["a"] * 30),
    *([None] * 30, [1.0] * 29, np.ones((1, 30))),
]


NOT_A_TEMPERATURE = [*NOT_A_NUMBER, -1, -5e-324, -1e308]


NOT_A_SCHEDULE = [
    *(None, "abc", 1j, True, 1.0, object(), [], RAGGED, [NAN], [-1.0], [-INF], [1j]),
    *([True], ["a"], [None], [[1.0]], [1.0, -5e-324]),
]


NOT_A_LADDER = [*NOT_A_SCHEDULE, [0.0, 1.0], [1.0], [1.0, 1.0], [2.0, 1.0], [1.0, NAN]]


NOT_AN_OVERLAP = [*NOT_A_NUMBER, INF, 1.0001, -1.0001, 1e308]


NOT_A_MODEL = [None, 1, "abc", np.ones((3, 30)), object(), HebbianNetwork]


# What every way to run chains shares; some lack one or two.
SHARED = {
    "model": NOT_A_MODEL,
    "initial": [*NOT_SPINS, "", "pattrn", [[1] * 29] * 2],
    "target": [*NOT_A_COUNT, 5, HUGE],
    "cue_overlap": NOT_AN_OVERLAP,
    "seed": NOT_A_COUNT,
    "path": NOT_A_PATH,
    "order": [*NOT_A_TEXT, "sequentially"],
    "n_chains": [*NOT_A_COUNT, 0, HUGE],
    "dynamics": [*NOT_A_TEXT, "heat bath", "glauber"],
    "track": NOT_TRACKED,
    "uniform_bits": [*NOT_A_COUNT, 0, 23, 25, 54, HUGE],
    "n_threads": [*NOT_A_COUNT[1:], 0],
}


SWEEPS = [*NOT_A_COUNT, HUGE, 10**18]


OWN = {
    "sample": {
        "temperature": NOT_A_TEMPERATURE,
        "n_sweeps": [*SWEEPS, 0],
        "n_burn_in": SWEEPS,
        "thin": [*NOT_A_COUNT, 0, 21, HUGE],
    },
    "anneal": {
        "temperatures": NOT_A_SCHEDULE,
        "sweeps_per_temperature": [*SWEEPS, 0],
    },
    "temper": {
        "temperatures": NOT_A_LADDER,
        "n_sweeps": [*SWEEPS, 0],
        "n_burn_in": SWEEPS,
    },
    "descend": {"max_sweeps": [*SWEEPS, 0]},
}


LACKS = {
    "temper": {"n_chains", "n_threads"},
    "descend": {"dynamics", "track", "uniform_bits"},
}


GOOD = {
    "sample": {"temperature": 0.5, "n_sweeps": 20},
    "anneal": {"temperatures": [0.5]},
    "temper": {"temperatures": [0.5, 1.0], "n_sweeps": 20},
    "descend": {"n_chains": 2},
}


RUNS = [
    (function, name, values)
    for function in GOOD
    for name, values in (SHARED | OWN[function]).items()
    if name not in LACKS.get(function, ())
]


def assert_refused(call, name, values, record_property):
    """Each value raises an error of ours that begins with the name it is about."""
    wrong = []
    for value in values:
        try:
            result = call(value)
        except (ParameterError, ParameterTypeError) as error:
            fits = error.name == name and str(error).startswith(f"{name} = ")
            if not (fits and "must be " in str(error)):
                wrong.append((value, error))
        except Exception as error:
            wrong.append((value, repr(error)))
        else:
            wrong.append((value, result))
    record_property("bad_inputs", len(values))
    record_property("bad_inputs_refused", len(values) - len(wrong))
    assert not wrong


@pytest.mark.parametrize(("function", "name", "values"), RUNS)
def test_bad_arguments_of_a_run_are_refused(
    monkeypatch, record_property, function, name, values
):
    """Named, with the allowed range, before the first update."""

    def started(*_):
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(kernels, "advance", started)
    monkeypatch.setattr(group, "advance_lanes", started)
    good = {"model": small(), **GOOD[function]}
    run = getattr(statmech, function)
    if function == "descend" and name == "order":
        values = [*values, "random"]
    assert_refused(
        lambda value: run(**(good | {name: value})), name, values, record_property
    )


STATES = np.ones(30, dtype=np.int8)


OTHERS = {
    "HebbianNetwork": [
        (HebbianNetwork, "patterns", NOT_PATTERNS[:-1]),
        (HebbianNetwork, "n_spins", [[[1]], [[1], [-1]]]),
        (lambda v: HebbianNetwork([STATES], v), "order", NOT_A_COUNT),
        (lambda v: HebbianNetwork([STATES], v), "order", [0, 1, 21, HUGE]),
        (lambda v: HebbianNetwork([STATES[:5]], v), "order", [6, 20]),
        (lambda v: HebbianNetwork([STATES], coincident=v), "coincident", NOT_A_TEXT),
        (lambda v: HebbianNetwork([STATES], field=v), "field", NOT_A_FIELD),
        (lambda v: small().energy(v), "spins", NOT_SPINS),
        (lambda v: small().local_fields(v), "spins", NOT_SPINS),
    ],
    "rademacher": [
        (lambda v: rademacher(v, 3, 1), "n_patterns", [*NOT_A_COUNT, 0, HUGE]),
        (lambda v: rademacher(3, v, 1), "n_spins", [*NOT_A_COUNT, 0, HUGE]),
        (lambda v: rademacher(3, 3, v), "seed", NOT_A_COUNT),
        (lambda v: rademacher(3, 3, 1, path=v), "path", NOT_A_PATH),
    ],
    "corrupt": [
        (lambda v: corrupt(v, 0.5, 1), "pattern", [*NOT_SIGNS, "abc", [STATES]]),
        (lambda v: corrupt(STATES, v, 1), "overlap", NOT_AN_OVERLAP),
        (lambda v: corrupt(STATES, 0.5, v), "seed", NOT_A_COUNT),
        (lambda v: corrupt(STATES, 1.0, v), "seed", NOT_A_COUNT),
        (lambda v: corrupt(STATES, 0.5, 1, path=v), "path", NOT_A_PATH),
        (lambda v: corrupt(STATES, 1.0, 1, path=v), "path", NOT_A_PATH),
    ],
    "observables": [
        (lambda v: observables.energy_density(v, STATES), "model", NOT_A_MODEL),
        (lambda v: observables.stabilities(v, STATES), "model", NOT_A_MODEL),
        (lambda v: observables.energy_density(small(), v), "spins", NOT_SPINS),
        (lambda v: observables.stabilities(small(), v), "spins", NOT_SPINS),
        (lambda v: observables.replica_overlap(v, STATES), "spins", NOT_SIGNS),
        (lambda v: observables.replica_overlap(STATES, v), "others", NOT_SPINS),
        (
            lambda v: observables.mattis_magnetizations(v, [STATES]),
            "spins",
            [*NOT_SIGNS, "abc", [STATES]],
        ),
        (
            lambda v: observables.mattis_magnetizations(STATES, v),
            "patterns",
            [*NOT_PATTERNS, [STATES[:29]]],
        ),
        (
            observables.binder_ratio,
            "magnetization",
            [None, "abc", 1j, 1.0, [], [[1.0]], RAGGED, [NAN], [INF], [1j], [True]],
        ),
        (observables.binder_ratio, "magnetization", [[0.0, 0.0], ["a"], object()]),
    ],
}


@pytest.mark.parametrize("group", OTHERS)
def test_bad_arguments_are_refused(group, record_property):
    for call, name, values in OTHERS[group]:
        assert_refused(call, name, values, record_property)


def test_counts_at_their_limits_are_accepted():
    """The smallest legal counts, and a sequence of every kind for a path."""
    model = small()
    trace = statmech.sample(model, 0.5, n_sweeps=1, n_burn_in=0, n_chains=1)
    assert trace.m.shape == (1, 1)
    assert anneal(model, [0.0], sweeps_per_temperature=1, n_chains=1).m.shape == (1, 1)
    assert rademacher(1, 1, 0).shape == (1, 1)
    kinds = ([1, 2], (1, 2), range(1, 3), np.array([1, 2]), [np.int8(1), np.uint64(2)])
    assert len({rademacher(2, 60, 5, path=path).tobytes() for path in kinds}) == 1
    assert len({digest(sample(model, path=path)) for path in kinds}) == 1
    network = HebbianNetwork(np.ones((1, 2)), 2)
    assert network.energy([1, 1]) == -1.0
