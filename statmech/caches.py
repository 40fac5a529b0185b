"""What the forms of the kernels keep beside the overlaps, built from a network."""

from __future__ import annotations

import itertools
import math
import threading
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from statmech.kernels.lanes import LANES, Lanes
from statmech.kernels.layout import Cache, Chains
from statmech.kernels.network import all_alignments, fill_symmetric
from statmech.kernels.terms import LARGEST_TERM, follow_terms
from statmech.tables import exact_symmetric_sums

if TYPE_CHECKING:
    from statmech.interaction import Interaction

_BLOCK = 256  # sites whose couplings are made at one time

_building = threading.Lock()


def couplings_bytes(model: Interaction) -> int:
    """The matrix of `couplings` in bytes."""
    return model.n_spins**2 * np.dtype(_coupling_type(model)).itemsize


def _coupling_type(model: Interaction) -> Any:
    most = model.n_rows * model.largest_weight**2
    return np.int16 if most < 2**15 else np.int32


def has_couplings(model: Interaction) -> bool:
    """Whether the matrix of `couplings` has been made."""
    return "_couplings" in vars(model)


def couplings(model: Interaction) -> NDArray[Any]:
    """J_ij = sum_mu w_mu_i w_mu_j (N, N), exact, 0 for i = j; P = 2.

    It is made once for a network, whatever thread asks first, and kept with it.
    """
    with _building:
        kept: NDArray[Any] | None = vars(model).get("_couplings")
        if kept is None:
            kept = _couplings(model)
            vars(model)["_couplings"] = kept
    return kept


def _couplings(model: Interaction) -> NDArray[Any]:
    n, kind = model.n_spins, _coupling_type(model)
    # Sums of integers are exact in floats as long as they fit into the mantissa.
    most = model.n_rows * model.largest_weight**2
    rows: NDArray[Any] = model.weights.astype(
        np.float32 if most < 2**24 else np.float64
    )
    matrix = np.empty((n, n), dtype=kind)
    # Half of it, in blocks of columns that stay in the cache; the rest is its mirror.
    for first in range(0, n, _BLOCK):
        part = slice(first, first + _BLOCK)
        fill_symmetric(rows[:, part].T @ rows[:, first:], first, matrix)
    return matrix


def coupled_cache(model: Interaction, chains: Chains) -> Cache:
    """For the form "couplings"."""
    alignments = np.empty(chains.spins.shape, dtype=np.int32)
    for s, overlap, row in zip(chains.spins, chains.overlaps, alignments, strict=True):
        all_alignments(model.rows, s, overlap, row)
    return Cache(couplings=couplings(model), alignments=alignments)


def polynomials(
    n_spins: int, order: int, coincident: str
) -> tuple[list[list[int]], Fraction]:
    """V and L of `statmech.kernels.terms` as polynomials in j = floor(S / 2).

    Returns their coefficients, of 1, j, j**2, ..., as integers in a common unit, and
    this unit.

    >>> polynomials(100, 4, "keep")
    ([[0, 4, 0, 4], [-1, 0, -6, 0]], Fraction(8, 1))
    """
    parity = n_spins % 2
    sums = 2 * np.arange(-1, order + 1) + parity
    if coincident == "exclude":
        # Beyond |S| = N these are no sums of signs, but the same polynomial.
        f = [Fraction(int(x)) for x in exact_symmetric_sums(sums, n_spins, order)]
    elif order == 2:
        f = [Fraction(int(x) ** 2, 2) for x in sums]
    else:
        f = [Fraction(int(x) ** order) for x in sums]
    inner = range(1, order + 1)
    slopes = [(f[j + 1] - f[j - 1]) / 4 for j in inner]
    levels = [(2 * f[j] - f[j + 1] - f[j - 1]) / 4 for j in inner]
    parts = [_through(slopes), _through(levels)]
    every = [c for part in parts for c in part if c]
    unit = Fraction(
        math.gcd(*(c.numerator for c in every)),
        math.lcm(*(c.denominator for c in every)),
    )
    return [[int(c / unit) for c in part] for part in parts], unit


def _through(values: list[Fraction]) -> list[Fraction]:
    """Coefficients of the polynomial with these values at 0, 1, 2, ... (Newton)."""
    result = [Fraction(0)] * len(values)
    basis = [Fraction(1)]  # j (j - 1) ... (j - k + 1) / k!
    differences = list(values)
    for k in range(len(values)):
        for power, c in enumerate(basis):
            result[power] += differences[0] * c
        differences = [b - a for a, b in itertools.pairwise(differences)]
        shifted = [Fraction(0), *basis]
        for power, c in enumerate(basis):
            shifted[power] -= k * c
        basis = [c / (k + 1) for c in shifted]
    return result


def term_type(model: Interaction) -> Any:
    """int32 or int64 for the terms of a network; None where sums could overflow."""
    if model.order == 2 or not model.binary:
        return None
    parts, unit = polynomials(model.n_spins, model.order, model.coincident)
    largest = model.n_spins // 2 + 1
    most = max(
        sum(abs(c) * largest**power for power, c in enumerate(part)) for part in parts
    )
    if most * model.n_rows * max(unit.numerator, 1) >= 2**62:
        return None
    return np.int32 if most <= LARGEST_TERM else np.int64


def term_cache(model: Interaction, chains: Chains) -> Cache:
    """For the form "terms"."""
    parts, unit = polynomials(model.n_spins, model.order, model.coincident)
    kind = term_type(model)
    coefficients = np.array(parts, dtype=np.float32 if kind is np.int32 else np.int64)
    if coefficients.shape[1] < 4:
        coefficients = np.pad(coefficients, ((0, 0), (0, 4 - coefficients.shape[1])))
    terms = np.empty(chains.overlaps.shape, dtype=kind)
    levels = np.empty(terms.shape[0], dtype=np.int64)
    for r, overlap in enumerate(chains.overlaps):
        levels[r] = follow_terms(coefficients, overlap, terms[r])
    totals = None
    table = model.rows.energy_table
    if max(table.max(), -table.min()) * model.n_rows < 2**53:
        sums = (chains.overlaps.astype(np.int64) + model.n_spins) >> 1
        totals = table[sums].sum(axis=1).astype(np.int64)
    return Cache(
        terms=terms,
        levels=levels,
        polynomials=coefficients,
        totals=totals,
        unit=np.array([unit.numerator, unit.denominator], dtype=np.int64),
    )


def dot_type(model: Interaction) -> Any:
    if "_dot_type" not in vars(model):
        vars(model)["_dot_type"] = _dot_type(model)
    return vars(model)["_dot_type"]


def _dot_type(model: Interaction) -> Any:
    """int16 or int32: holds sum_mu w_mu_i S_mu of every state; None if neither does.

    It is worked out once for a network.

    By Cauchy and Schwarz, it is at most sqrt(sum_mu w_mu_i**2 sum_mu S_mu**2), and the
    second sum at most N times the largest eigenvalue of the matrix w w^T.
    """
    most = model.n_rows * model.n_spins * model.largest_weight**2
    if most >= 2**31:
        return None
    if most < 2**15:
        return np.int16
    if model.n_spins * model.largest_weight >= 2**15 or model.n_rows > 512:
        return np.int32
    rows = model.weights.astype(np.float64)
    squares = model.n_spins * float(np.linalg.eigvalsh(rows @ rows.T)[-1])
    bound = math.sqrt(float((rows**2).sum(axis=0).max()) * squares)
    return np.int16 if 1.001 * bound < 2**15 else np.int32


def lane_bytes(n_rows: int, n_spins: int) -> int:
    """What the form "replicas" adds to a group of chains, in bytes."""
    padded = -(-n_rows // 8) * 8
    copy = n_spins * padded if padded > n_rows else 0
    return LANES * (n_spins + 4 * padded + 64) + copy


def lanes_of(model: Interaction, chains: Chains) -> Lanes:
    """For the form "replicas": the chains side by side."""
    n_chains, n = chains.spins.shape
    patterns = model.rows.patterns
    k = patterns.shape[1]
    if k % 8:
        patterns = np.zeros((n, k + 8 - k % 8), dtype=patterns.dtype)
        patterns[:, :k] = model.rows.patterns
    narrow = chains.overlaps.dtype
    lanes = Lanes(
        patterns=patterns,
        # Lanes of no chain start from all spins up.
        spins=np.ones((n, LANES), dtype=np.int8),
        overlaps=np.zeros((patterns.shape[1], LANES), dtype=narrow),
        seeds=np.ones(LANES, dtype=np.uint64),
        gammas=np.ones(LANES, dtype=np.uint64),
        half_temperatures=np.zeros(LANES),
        dots=np.zeros(LANES, dtype=dot_type(model)),
        turns=np.zeros(LANES, dtype=narrow),
        cuts=np.zeros(LANES),
        scales=np.zeros(LANES, dtype=np.float32),
        pulls=np.zeros(LANES, dtype=np.float32),
        coarse_cuts=np.zeros(LANES, dtype=np.float32),
        words=np.zeros(LANES, dtype=np.int32),
        accepted=np.zeros(LANES, dtype=np.int32),
        sums=np.zeros(LANES, dtype=np.int64),
    )
    lanes.spins[:, :n_chains] = chains.spins.T
    lanes.overlaps[:k, :n_chains] = chains.overlaps.T
    lanes.overlaps[:k, n_chains:] = model.weights.sum(axis=1, dtype=np.int64)[:, None]
    lanes.seeds[:n_chains] = chains.keys[:, 0]
    lanes.gammas[:n_chains] = chains.keys[:, 1]
    return lanes


def leave_lanes(lanes: Lanes, chains: Chains) -> None:
    """Bring spins and overlaps of the chains up to date with their lanes."""
    n_chains, k = chains.overlaps.shape
    chains.spins[...] = lanes.spins[:, :n_chains].T
    chains.overlaps[...] = lanes.overlaps[:k, :n_chains].T
