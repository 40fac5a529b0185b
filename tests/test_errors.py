"""Messages carry name, value, what is allowed and what to do."""

import pickle

import numpy as np
import pytest

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_levels,
    check_real,
    check_temperature,
)
from statmech.status import Status


def test_message_names_everything():
    with pytest.raises(ParameterError) as caught:
        check_integer("n_samples", 3, 6, remedy="take more")
    assert str(caught.value) == "n_samples = 3: must be an integer >= 6; take more"
    assert (caught.value.name, caught.value.value) == ("n_samples", 3)


def test_any_value_leaves_a_message_of_one_short_line():
    """Integers without decimal text, endless nesting, a __repr__ that breaks."""

    class Odd:
        def __init__(self, text=None):
            self.text = text

        def __repr__(self):
            return self.text.upper()

    deep = []
    for _ in range(10_000):
        deep = [deep]
    for value, words in (
        (10**5000, "n = <int>: must"),
        (deep, "n = <list>: must"),
        (Odd(), "n = <Odd>: must"),
        (Odd("two\n lines"), "n = TWO LINES: must"),
        ("a\nb", "n = 'a\\nb': must"),
        (np.str_("\x1b[2J"), "n = '\\x1b[2J': must"),
        ("x" * 10**6, "xxx...: must"),
    ):
        with pytest.raises((ParameterError, ParameterTypeError)) as caught:
            check_integer("n", value, 0, 9)
        assert words in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 120


def test_kinds_are_the_builtin_ones():
    assert issubclass(ParameterError, ValueError)
    assert issubclass(ParameterTypeError, TypeError)


@pytest.mark.parametrize("kind", [ParameterError, ParameterTypeError])
def test_errors_survive_the_way_between_processes(kind):
    error = kind("alpha", -1.0, "a number >= 0", "raise it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)
    assert again.remedy == "raise it"


def test_intervals_are_spelled_out():
    for arguments, words in (
        ((0.0, 1.0), "a finite number >= 0 and <= 1"),
        ((0.0,), "a finite number >= 0"),
        ((), "a finite number"),
    ):
        with pytest.raises(ParameterError, match=words):
            check_real("x", float("nan"), *arguments)
    with pytest.raises(ParameterError, match="> 0 and < 1"):
        check_real("x", 1.0, 0.0, 1.0, low_open=True, high_open=True)


def test_ends_of_an_interval():
    assert check_real("x", 1, 0.0, 1.0) == 1.0
    assert check_temperature(np.float32(0.5)) == 0.5
    assert check_temperature(np.inf) == np.inf
    with pytest.raises(ParameterError):
        check_real("x", np.inf, 0.0)


@pytest.mark.parametrize("value", [True, np.True_, 1.0, "1", None, 1j, [1]])
def test_integers_are_integers(value):
    with pytest.raises(ParameterTypeError, match="n = "):
        check_integer("n", value, 0)


def test_numpy_integers_are_welcome():
    assert check_integer("n", np.int16(4), 1) == 4


def test_misspelt_choice_is_proposed():
    with pytest.raises(ParameterError, match="did you mean 'heat-bath'"):
        check_choice("dynamics", "heatbath", ("heat-bath", "metropolis"))


def test_arrays_are_converted_and_described():
    strange = np.array([[1, -1], [1, 1]], dtype=">i4")[:, ::-1]
    levels = check_levels("patterns", strange, (None, 2))
    assert levels.dtype == np.int8
    assert levels.flags.c_contiguous
    for bad in ([[0, 1]], [[1.5, 1]], [[np.nan, 1]], np.empty((0, 2))):
        with pytest.raises(ParameterError, match=r"patterns = array of shape"):
            check_levels("patterns", bad, (None, 2))
    with pytest.raises(ParameterError, match=r"shape \(any, 3\)"):
        check_levels("patterns", strange, (None, 3))
    with pytest.raises(ParameterTypeError):
        check_array("field", ["a"], (None,))
    with pytest.raises(ParameterError):
        check_array("field", [np.inf], (None,))


def test_every_status_is_a_sentence_with_a_remedy():
    assert {status for status in Status if status.ok} == {
        Status.CONVERGED,
        Status.CLOSED_FORM,
        Status.SEARCH,
        Status.RS_UNSTABLE,
    }
    for status in Status:
        assert str(status) == status.value
        assert status.ok or ("; " in status.value and ": " in status.value)
