"""Sweeps of multitasking networks: figures, regions, results that hang together."""

import numpy as np
import pytest
import xarray
from sweep_tools import dataset_of

from sims.figures import draw_sweep
from sims.multitask_figures import region_of

AMPLITUDES = """
measurement = "multitask-states"
samples = 3
[constants]
n_patterns = 2
temperature = 0.0
n_spins = 400
n_sweeps = 5
n_burn_in = 10
[axes]
dilution = [0.2, 0.5, 0.8]
[figure]
kind = "amplitudes"
x = "dilution"
"""
REGIONS = """
measurement = "multitask-states"
samples = 2
[constants]
n_patterns = 2
n_spins = 2000
n_sweeps = 20
n_burn_in = 40
[axes]
dilution = [0.3, 0.8]
temperature = [0.05, 0.35, 0.9]
[figure]
kind = "regions"
"""


LOSSES = """
measurement = "multitask-losses"
samples = 2
[constants]
n_patterns = 2
temperature = 0.1
n_spins = 300
n_sweeps = 8
patterns = "independent"
[axes]
dilution = [0.2, 0.6]
[figure]
kind = "losses"
"""
STEP = """
measurement = "multitask-min-examples"
samples = 6
[constants]
n_patterns = 2
dilution = 0.3
n_spins = 20000
[axes]
quality = [0.4, 0.6]
[figure]
kind = "curves"
x = "quality"
observable = "min_examples"
"""
NOISE = """
measurement = "multitask-states"
samples = 2
[constants]
n_patterns = 2
temperature = 0.0
protocol = "supervised"
quality = 0.1
n_spins = 5000
n_sweeps = 10
n_burn_in = 60
[axes]
dilution = [0.5]
n_examples = [198, 1980]
[figure]
kind = "noise"
"""


def test_amplitudes_are_sorted_and_drawn(tmp_path):
    data = dataset_of(tmp_path, AMPLITUDES)
    assert (data["m1_mean"] >= data["m2_mean"]).all()
    # Exactly (1 - d)(1, d) at T = 0, up to the rounding of class sizes.
    d = data["dilution"]
    for name, expected in (("m1", 1.0 - d), ("m2", (1.0 - d) * d)):
        np.testing.assert_allclose(data[f"{name}_theory"], expected, atol=1e-12)
        np.testing.assert_allclose(data[f"{name}_mean"], expected, atol=0.01)
    axes = draw_sweep(data).axes[0]
    assert len(axes.containers) == 2
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert any("m_{1}" in label for label in labels)


def test_regions_are_named_and_drawn(tmp_path):
    data = dataset_of(tmp_path, REGIONS)
    found = region_of(data, 2)
    assert found.tolist() == [
        ["hierarchical", "pure", "paramagnetic"],
        ["parallel", "paramagnetic", "paramagnetic"],
    ]
    labels = [
        text.get_text() for text in draw_sweep(data).axes[0].get_legend().get_texts()
    ]
    assert any("T_c" in label for label in labels)
    assert any("parallel state ends" in label for label in labels)


def test_losses_follow_their_identity_along_a_relaxation(tmp_path):
    """2 (N - 1) E / N = N (sum L+ L- - sum ((1 + q)/2)^2) + sum q, to rounding."""
    data = dataset_of(tmp_path, LOSSES)
    n = 300
    q = data["activity"]
    constant = (((1.0 + q) / 2.0) ** 2).sum("pattern")
    expected = 0.5 * (n * (data["losses"] - constant) + q.sum("pattern")) / (n - 1)
    np.testing.assert_allclose(data["energy"], expected, atol=1e-12)
    assert float(data["energy"].std()) > 0.01
    assert draw_sweep(data).axes[0].get_xlabel()


def test_one_step_needs_as_many_examples_as_theory_says(tmp_path):
    """r = .5, d = .3, K = 2: within 4 standard errors and half an example."""
    data = dataset_of(tmp_path, STEP)
    for cell in range(2):
        one = data.isel(quality=cell)
        away = abs(float(one["min_examples_mean"] - one["min_examples_theory"]))
        assert away < 4.0 * float(one["min_examples_error"]) + 0.5


def test_noise_makes_two_patterns_parallel(tmp_path):
    """d = .5: rho_s = .1413; rho = .05 is hierarchical, rho = .5 parallel."""
    data = dataset_of(tmp_path, NOISE)
    assert region_of(data, 2, "n_examples").tolist() == [["parallel", "hierarchical"]]
    assert draw_sweep(data).axes[0].get_yscale() == "log"


@pytest.mark.parametrize(
    ("amplitudes", "name"),
    [
        ((0.7, 0.21, 0.063), "hierarchical"),
        ((0.7, 0.21, 0.01), "hierarchical"),
        ((0.7, 0.01, 0.005), "pure"),
        ((0.3, 0.29, 0.28), "parallel"),
        ((0.3, 0.25, 0.15), "between"),
        ((0.02, 0.019, 0.018), "paramagnetic"),
    ],
)
def test_names_of_amplitudes(amplitudes, name):
    cell = ("dilution", "temperature")
    data = xarray.Dataset(
        {f"m{mu}_mean": (cell, [[m]]) for mu, m in enumerate(amplitudes, start=1)},
        coords={"dilution": [0.3], "temperature": [0.1]},
    )
    assert region_of(data, 3).item() == name
