"""Sweeps as files: what is wrong is refused, with file and line."""

import math
import re

import pytest
from preset_cases import GOOD, INERT, changed, line_of, quoted

from sims.figure_kinds import objection
from sims.preset import PresetError, load_preset, preset_names, preset_titles
from sims.request import Request
from statmech.errors import ParameterError, ParameterTypeError


@pytest.fixture
def load(tmp_path):
    """The request of a text."""
    file = tmp_path / "sweep.toml"

    def from_text(text, **options):
        file.write_text(text)
        return load_preset(str(file), **options)

    return from_text


def refuse(load, text, *words, line=None, **options):
    """The message, in which file, line and words must be."""
    with pytest.raises(PresetError) as caught:
        load(text, **options)
    message = str(caught.value)
    found = re.match(r".*?sweep\.toml:(\d+): ", message)
    assert found, message
    if line is not None:
        assert int(found[1]) == line, message
    for word in words:
        assert word in message
    assert message.isprintable()
    return message


def test_a_whole_file(load):
    request = load(GOOD)
    assert request == Request(
        task="dense-retrieval",
        axes={"temperature": (0.1, 0.2), "alpha": (0.05, 0.1), "sample": (0, 1)},
        constants={"n_spins": 60, "n_sweeps": 3, "n_burn_in": 0, "seed": 1},
        seed=1,
        title="a sweep",
        figure={
            "kind": "curves",
            "x": "alpha",
            "series": "temperature",
            "observable": "m",
        },
    )
    assert Request.from_json(request.to_json()) == request
    quick = load(GOOD, quick=True)
    assert (quick.shape, quick.constants["n_spins"]) == ((2, 1, 1), 50)
    other = load(GOOD, samples=5, seed=7)
    assert (other.shape, other.constants["seed"], other.seed) == ((2, 2, 5), 7, 7)
    short = 'measurement = "dense-retrieval"\n[constants]\nalpha = 0.1\n'
    short += "n_spins = 40\ntemperature = 0.0\n"
    assert load(short).axes == {"sample": (0,)}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("samples = 2", "sample = 2 # WRONG", ["'sample'", "'samples'"]),
        ("seed = 1", '"see\\u0064s" = 1 # WRONG', ["'seeds'", "'seed'"]),
        ("seed = 1", "a.b.c = 1 # WRONG", ["'a'", "known: title"]),
        ("n_sweeps = 3", "n_sweep = 3 # WRONG", ["n_sweep =", "'n_sweeps'"]),
        ("temperature = [0.1, 0.2]", "temprature = [1] # WRONG", ["'temperature'"]),
        ("samples = 1", "sampels = 1 # WRONG", ["'sampels' in [quick]", "'samples'"]),
        ("samples = 1", "include = 'x' # WRONG", ["unknown key 'include'"]),
        (
            "constants = { n_spins = 50 }",
            "constants.n_spin = 50 # WRONG",
            ["'n_spins'"],
        ),
        ("axes = { alpha = [0.05] }", "axes = { alpa = [1] } # WRONG", ["'alpha'"]),
        ('x = "alpha"', 'xs = "alpha" # WRONG', ["'xs' in [figure]", "'x'"]),
        (
            "alpha = { start = 0.05, stop = 0.1, count = 2 }",
            "alpha = { start = 1, stop = 2, counts = 2 } # WRONG",
            ["'counts' in [axes.alpha]", "'count'"],
        ),
        (
            "alpha = { start = 0.05, stop = 0.1, count = 2 }",
            "alpha.start = 1\nalpha.stop = 2\nalpha.number = 2 # WRONG",
            ["'number' in [axes.alpha]"],
        ),
        ("[figure]", "[figures] # WRONG", ["'figures'", "'figure'"]),
        ("[figure]", "[ 'fig' . \"x\" ] # WRONG", ["'fig'"]),
        ("[figure]", "[[figure]] # WRONG", ["must be a table, [figure]"]),
        ("samples = 2", "samples = 2\nsamples = 3 # WRONG", ["overwrite"]),
        ("n_spins = 60", 'n_spins = 60\n"n_spins" = 6 # WRONG', ["overwrite"]),
        ("[figure]", "[axes] # WRONG\n[figure]", ["twice"]),
        ("[figure]", "[axes.alpha] # WRONG\n[figure]", ["axes", "alpha"]),
    ],
)
def test_unknown_and_duplicate_keys(load, old, new, words):
    """At every level, with the name that was likely meant."""
    text = changed(old, new)
    refuse(load, text, *words, line=line_of("WRONG", text))


def test_lines_are_right_behind_text_that_looks_like_keys(load):
    """Strings, comments, arrays and other line ends do not mislead."""
    decoys = (
        'title = """\n[axes]\nwrong = 1\n\\"""\n[constants]\nn_sweep = 3""""\n',
        "title = '''\n[axes]\n\"\nwrong = 1\n''''\n",
        "# wrong = 1\ntitle = 'a # ] [ = b' # [axes] wrong = 1\n",
        'title = "a \\" # wrong = 1 \u2028 \x85 b"\n',
        'title = "x"\n# \u2028\n# \x85\n',
    )
    for decoy in decoys:
        for end in ("\n", "\r\n"):
            text = GOOD.replace('title = "a sweep"\n', decoy)
            text = changed("n_sweeps = 3", "\n  n_sweep = 3 # WRONG", text)
            line = line_of("WRONG", text)
            refuse(load, text.replace("\n", end), "n_sweep", line=line)
    values = 'coincident = [ # ]\n  "]",\n "[figure]", # [quick]\n """\nx = 1"""\n]'
    text = changed("temperature = [0.1, 0.2]", f"temperature = [1]\n{values}")
    refuse(load, text, "coincident", "keep", line=line_of("coincident", text))
    text = changed("n_sweeps = 3", f"{values} # an array is no constant")
    refuse(load, text, "coincident", line=line_of("coincident", text))


WRONG_TYPES = {
    'title = "a sweep"': ["1", "true", "[]", "{}", "1979-05-27", f'"{"x" * 501}"'],
    'measurement = "dense-retrieval"': [
        '"dense"',
        '""',
        "1",
        "[]",
        '"Dense-retrieval"',
    ],
    "samples = 2": ["0", "-1", "2.0", '"2"', "true", "[2]", "10000001", "nan"],
    "seed = 1": ["-1", "1.0", '"1"', "true", "[1]", "9223372036854775808", "inf"],
    "n_spins = 60": ["60.0", '"60"', "1", "-60", "true", "[60]", "{}", "nan", "1e309"],
    "n_burn_in = 0": ["-1", "0.5", "00:00:01", "1979-05-27", "[]"],
    "temperature = [0.1, 0.2]": [
        *("0.1", '"0.1"', "true", "[]", "[[0.1]]", "[{}]", "{}", "[nan]", "[inf]"),
        *("[-0.1]", "[0.1, 0.1]", "[1, 1.0]", '["a"]', '[0.1, "a"]', "[true, 1]"),
        *("[0.1, nan]", "[-1e308]", "[1979-05-27]"),
    ],
    "alpha = { start = 0.05, stop = 0.1, count = 2 }": [
        "{ start = 0.05, stop = 0.1 }",
        "{ start = 0.05, stop = 0.1, count = 1 }",
        "{ start = 0.05, stop = 0.1, count = 1000000000000 }",
        "{ start = 0.05, stop = 0.1, count = 2.0 }",
        "{ start = 0.05, stop = 0.05, count = 2 }",
        "{ start = nan, stop = 0.1, count = 2 }",
        "{ start = 0.05, stop = inf, count = 2 }",
        "{ start = '0', stop = 0.1, count = 2 }",
        "{ start = true, stop = 0.1, count = 2 }",
        "{ start = -1.7e308, stop = 1.7e308, count = 3 }",
        "{ start = 0.0, stop = 0.1, count = 2, scale = 'log' }",
        "{ start = 0.1, stop = -0.1, count = 2, scale = 'log' }",
        "{ start = 5e-324, stop = 1e308, count = 9, scale = 'log' }",
        "{ start = 0.05, stop = 0.1, count = 2, scale = 'logarithmic' }",
        "{ start = 0.05, stop = 0.1, count = 2, scale = 1 }",
        "{ start = 0.05, stop = 0.1, count = 9999 }",  # times two temperatures
    ],
    "samples = 1": ["0", "1.5", "true", "[]"],
    "constants = { n_spins = 50 }": ["1", "[]", "{ n_spins = 50.5 }", "{ alpha = 1 }"],
    "axes = { alpha = [0.05] }": ["1", "{ alpha = [] }", "{ n_sweeps = [50, 60] }"],
    'kind = "curves"': ["1", '"curve"', "[]"],
    'x = "alpha"': ['"n_spins"', '"sample"', "1"],
    'series = "temperature"': ['"m"', "true"],
    'observable = "m"': ['"acceptance"', "{}"],
}


@pytest.mark.parametrize("line", WRONG_TYPES)
def test_wrong_values_are_refused_by_name_and_line(load, line):
    key = line.split(" =")[0]
    for value in WRONG_TYPES[line]:
        text = changed(line, f"{key} = {value}")
        place = line_of(f"{key} = {value}", text)
        if "9999" in value:
            place = line_of("[axes]", text)  # it is all of them together
        refuse(load, text, line=place)


def test_axes_and_constants_that_collide(load):
    both = changed("n_sweeps = 3", "alpha = 0.1")
    refuse(
        load,
        both,
        "'alpha' is an axis and a constant",
        line=line_of("alpha = 0.1", both),
    )
    for key in ("sample", "seed"):
        text = changed("n_sweeps = 3", f"{key} = 5 # WRONG")
        refuse(load, text, f"'{key}'", line=line_of("WRONG", text))
        text = changed("temperature = [0.1, 0.2]", f"temperature = [1]\n{key} = [1, 2]")
        refuse(load, text, f"'{key}'", line=line_of(f"{key} = [1", text))


def test_figures_that_could_not_be_drawn(load):
    """Refused before anything is computed; without a figure all is well."""
    for old, new, words in (
        ('kind = "curves"', 'kind = "hysteresis"', ["'hysteresis'", "dense-retrieval"]),
        ('kind = "curves"', 'kind = "finite-size"', ["'finite-size'", "'n_spins'"]),
        ('x = "alpha"', 'x = "temperature"', ["series", "differ"]),
    ):
        text = changed(old, new)
        word = "series =" if "series" in words else new
        refuse(load, text, *words, line=line_of(word, text))
    text = changed("n_sweeps = 3", "", changed("seed = 1", ""))
    text = changed("[axes]", "[axes]\nn_sweeps = [3, 4]", text)
    refuse(load, text, "3 axes", line=line_of("kind =", text))
    assert load(text[: text.index("[figure]")]).shape == (2, 2, 2, 2)


@pytest.mark.parametrize(
    ("kind", "axes", "words"),
    [
        ("curves", ("a", "b"), ""),
        ("curves", ("a", "b", "c"), "3 axes"),
        ("finite-size", ("alpha",), "'n_spins'"),
        ("storage-diagram", ("alpha", "temperature"), ""),
        ("storage-diagram", ("alpha", "order"), "'temperature'"),
        ("learning-diagram", ("alpha", "temperature", "protocol"), ""),
        ("learning-diagram", ("alpha", "temperature", "quality"), "'quality'"),
        ("evolution", ("alpha",), ""),
        ("evolution", ("n_spins",), "cannot vary"),
        ("students", ("student",), "'alpha'"),
    ],
)
def test_axes_that_a_figure_can_show(kind, axes, words):
    reason = objection(kind, axes)
    assert words in reason
    assert bool(reason) == bool(words)


def test_a_lacking_parameter_is_named(load):
    text = changed(
        "temperature = [0.1, 0.2]", "", changed('series = "temperature"', "")
    )
    refuse(load, text, "temperature", "no default", line=line_of("[constants]", text))
    text = changed("n_spins = 60", "order = 6\nn_spins = 5")
    refuse(load, text, "n_spins = 5", "at least P = 6", line=line_of("n_spins", text))
    text = changed("n_spins = 60", "n_spins = 6")
    refuse(load, text, "alpha = 0.05", "rounds to 0", line=line_of("alpha", text))


def test_the_quick_form_is_checked_without_being_asked_for(load):
    text = changed("constants = { n_spins = 50 }", "constants = { n_spins = 0 }")
    for quick in (False, True):
        refuse(
            load, text, "n_spins = 0", line=line_of("n_spins = 0", text), quick=quick
        )
    text = changed("n_spins = 60", "n_spins = 0")
    for quick in (False, True):
        refuse(
            load, text, "n_spins = 0", line=line_of("n_spins = 0", text), quick=quick
        )


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("1e-3", 1e-3), ("1_0.5", 10.5), ("+0.25", 0.25), ("1E-1", 0.1), ("1", 1.0)),
        *(("0x10", 16.0), ("0b1", 1.0), ("0o17", 15.0), ("-0.0", 0.0)),
        *((text, None) for text in ("no", "yes", "on", "~", "null", "012", "1:30")),
        *((text, None) for text in ("1e", ".5", "5.", "0x", "1__0", "1 000", "1;5")),
        *((text, None) for text in ("True", "NaN", "Infinity", "$T", "&a", "*a", "")),
    ],
)
def test_a_number_is_that_number_or_refused(load, value, number):
    text = changed("temperature = [0.1, 0.2]", f"temperature = [{value}]")
    if value == "":
        text = changed("temperature = [0.1, 0.2]", "temperature =")
    if number is None:
        refuse(load, text, line=line_of("temperature", text))
    else:
        (found,) = load(text).axes["temperature"]
        assert found == number
        assert math.copysign(1.0, found) == 1.0


@pytest.mark.parametrize("value", INERT)
def test_text_is_never_more_than_text(load, tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    assert load(changed('title = "a sweep"', f"title = {quoted(value)}")).title == value
    for key in ("coincident", "temperature"):
        text = changed("n_sweeps = 3", f"{key} = {quoted(value)}")
        refuse(load, text, line=line_of(f"\n{key} = {quoted(value)}", text) + 1)
    text = changed("n_sweeps = 3", f"{quoted(value)} = 1")
    refuse(load, text, line=line_of("n_burn_in", text) - 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sweep.toml"]


def test_arguments_are_refused_by_name_not_by_line():
    name = preset_names()[0]
    for samples in (0, -1, 1.5, True, "2", 10**9):
        with pytest.raises((ParameterError, ParameterTypeError), match=r"^samples = "):
            load_preset(name, samples=samples)
    for seed in (-1, 1.5, True, "2", 2**63):
        with pytest.raises((ParameterError, ParameterTypeError), match=r"^seed = "):
            load_preset(name, seed=seed)
    with pytest.raises(ParameterError, match="did you mean 'hysteresis'"):
        load_preset("hysteresys")


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", preset_names())
def test_shipped_sweeps(name, quick):
    """All are valid, differ in name and title, and have axes of few digits."""
    request = load_preset(name, quick=quick)
    assert request.title == preset_titles()[name]
    assert len(request.points()) == math.prod(request.shape) >= 4
    assert len(set(preset_titles().values())) == len(preset_names())
    for values in request.axes.values():
        assert list(values) == sorted(set(values))
        numbers = [value for value in values if not isinstance(value, str)]
        assert all(float(f"{value:.6g}") == value for value in numbers)
    assert "kind" in request.figure
    if quick:
        assert math.prod(request.shape) < math.prod(load_preset(name).shape)
