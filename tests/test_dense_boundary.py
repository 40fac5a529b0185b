"""Bad arguments of the theory of storage are refused by name."""

import math

import numpy as np
import pytest

from analytics.dense import (
    find_critical_load,
    find_transition_temperature,
    solve_storage,
    solve_storage_grid,
    trace_line,
)
from statmech.errors import ParameterError, ParameterTypeError

BAD_REALS = [
    (math.nan, ParameterError),
    (-1e-9, ParameterError),
    (-math.inf, ParameterError),
    (True, ParameterTypeError),
    ("0.1", ParameterTypeError),
    (0.1 + 0j, ParameterTypeError),
    (None, ParameterTypeError),
    ([0.1], ParameterTypeError),
    (np.array([0.1, 0.2]), ParameterTypeError),
]


BAD_ORDERS = [
    (1, ParameterError),
    (-2, ParameterError),
    (21, ParameterError),
    (2.0, ParameterTypeError),
    (math.nan, ParameterTypeError),
    (True, ParameterTypeError),
    ("2", ParameterTypeError),
    (None, ParameterTypeError),
    (np.array([2, 3]), ParameterTypeError),
]


BAD_CHOICES = [
    ("spinodel", ParameterError),
    ("", ParameterError),
    (None, ParameterTypeError),
    (3, ParameterTypeError),
    (True, ParameterTypeError),
]


BAD_ARRAYS = [
    (0.1, ParameterError),
    ([[0.1, 0.2]], ParameterError),
    ([0.1, math.nan], ParameterError),
    ([0.1, math.inf], ParameterError),
    ([0.1, -0.1], ParameterError),
    (["0.1"], ParameterTypeError),
    ([True, False], ParameterTypeError),
    ([0.1 + 0j], ParameterTypeError),
    ([None], ParameterTypeError),
    ([[0.1], [0.1, 0.2]], ParameterTypeError),
    (None, ParameterTypeError),
]


BAD_STEPS = [
    (-1, ParameterError),
    (2, ParameterError),
    (1.0, ParameterTypeError),
    (True, ParameterTypeError),
    ("1", ParameterTypeError),
    (None, ParameterTypeError),
]


INFINITE_LOAD = (math.inf, ParameterError)


BAD_INPUTS = {
    solve_storage: (
        {"order": 2, "alpha": 0.1, "temperature": 0.2},
        {
            "order": BAD_ORDERS,
            "alpha": [*BAD_REALS, INFINITE_LOAD],
            "temperature": BAD_REALS,
            "branch": BAD_CHOICES,
            "coincident": BAD_CHOICES,
        },
    ),
    solve_storage_grid: (
        {"order": 2, "alpha": [0.1], "temperature": [0.2]},
        {
            "order": BAD_ORDERS,
            "alpha": BAD_ARRAYS,
            "temperature": [*BAD_ARRAYS, ([0.0], ParameterError)],
            "coincident": BAD_CHOICES,
        },
    ),
    find_critical_load: (
        {"order": 2, "temperature": 0.2},
        {
            "order": BAD_ORDERS,
            "temperature": BAD_REALS,
            "kind": [*BAD_CHOICES, ("glass", ParameterError)],
            "coincident": BAD_CHOICES,
            "rsb": BAD_STEPS,
        },
    ),
    find_transition_temperature: (
        {"order": 2, "alpha": 0.05},
        {
            "order": BAD_ORDERS,
            "alpha": [*BAD_REALS, INFINITE_LOAD],
            "kind": [*BAD_CHOICES, ("nishimori", ParameterError)],
            "coincident": BAD_CHOICES,
            "rsb": BAD_STEPS,
        },
    ),
    trace_line: (
        {"order": 2, "kind": "glass", "n_points": 3, "alpha_max": 0.1},
        {
            "order": BAD_ORDERS,
            "kind": BAD_CHOICES,
            "n_points": [(1, ParameterError), *BAD_ORDERS[3:]],
            "alpha_max": [row for row in BAD_REALS if row[0] is not None],
            "coincident": BAD_CHOICES,
            "rsb": BAD_STEPS,
        },
    ),
}


@pytest.mark.parametrize("function", BAD_INPUTS, ids=lambda function: function.__name__)
def test_bad_arguments_are_named(function):
    good, bad = BAD_INPUTS[function]
    function(**good)
    for name, rows in bad.items():
        for value, error in rows:
            with pytest.raises(error, match=rf"^{name} = ") as caught:
                function(**{**good, name: value})
            assert caught.value.name == name


def test_misspelt_choices_are_corrected():
    with pytest.raises(ParameterError, match="did you mean 'retrieval'"):
        solve_storage(2, 0.1, 0.2, branch="retreival")
    with pytest.raises(ParameterError, match="did you mean 'spinodal'"):
        find_critical_load(2, 0.1, kind="spinodel")


def test_numpy_scalars_are_numbers():
    plain = solve_storage(3, 0.05, 0.3)
    state = solve_storage(np.int64(3), np.float32(0.05), np.array(0.3))
    assert state.m == pytest.approx(plain.m, abs=1e-7)
    assert isinstance(plain.m, float)
