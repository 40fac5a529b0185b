"""Which form of the kernels is the cheapest for a network, and why.

All forms make the same moves, so the choice is about time alone. The cost of a trial
is a sum over what the form reads and writes, with coefficients fitted to measurements;
how many trials are accepted, which decides between the forms at P = 2, is measured as
a run goes on, and the choice reviewed.

    form         for                  trial                        accepted one
    "overlaps"   P = 2, any rows      K products                   K sums
                 P >= 3, integers     P K products                 P K products
    "couplings"  P = 2, dense rows    one look at the alignment    N sums, K sums
    "replicas"   P = 2, many chains   K products in SIMD lanes     in the same lanes
    "terms"      P >= 3, no blanks    K products                   K polynomials
    "table"      P >= 3, any rows     K looks into a table         K sums
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from statmech import caches
from statmech.errors import ParameterError, check_choice
from statmech.kernels.lanes import LANES
from statmech.machine import available_memory, require_memory
from statmech.powers import has_powers

if TYPE_CHECKING:
    from statmech.hebbian import HebbianNetwork

FORMS = ("overlaps", "couplings", "replicas", "terms", "table")
SITES = ("private", "shared")

# Fitted to `python -m benchmarks.forms` on one core of an AMD EPYC (Zen 5), in ns.
_TRIAL = 4.2  # site, noise, comparison
_LOOKED_UP = 2.8  # the same where the alignment is looked up
_LANE = 1.4  # the same in a lane
_FLIP = 25.0  # a branch that was not expected, and what had been begun behind it
_PRODUCT = 0.02  # of a row and the overlaps, four trials at a time
_SUM = 0.1  # an overlap after a flip
_ENTRY = 0.9  # an entry of a sparse row, by itself
_FIELD = 0.055  # an alignment after a flip
_FAR_FIELD = 0.1  # the same where the couplings are not in the cache
_CACHE = 16 * 2**20
_LANE_PRODUCT = 0.027  # product and sum of 16 bits
_WIDE = 1.3  # times as much for 32 bits
_TERM = {4: 0.0175, 8: 0.03}  # by the bytes of a term
_NEW_TERM = {4: 0.16, 8: 0.24}
_LOOK = 0.48  # into a table
_POWER = 0.035  # one of the P sums of a row of integers
_NEW_POWER = 0.08  # the same after a flip
_PAIR = 0.006  # a product of the couplings while they are made
_PLACE = 2.0  # one of them, put into the matrix

_EXPECTED_ACCEPTANCE = 0.1  # before anything is known
_LARGEST_SHARE = 0.25  # of the free memory, for couplings
MOST_LANE_ROWS = 256


@dataclass(frozen=True)
class Plan:
    """A form, and what it was chosen for.

    Attributes
    ----------
    form : str
    reason : str
        One sentence.
    costs : dict
        ns an update on one core of the machine the model was fitted on, of every form
        that this network can take.
    """

    form: str
    reason: str
    costs: dict[str, float] = field(repr=False)


def possible(
    model: HebbianNetwork, n_chains: int = 2, sites: str = "private"
) -> tuple[str, ...]:
    """The forms that a network can take."""
    # The rows, if they have been laid out, tell more than the rule by which they are.
    rows = vars(model).get("rows")
    sparse = model.sparse if rows is None else rows.patterns is None
    if has_powers(model):
        return ("overlaps",)
    if model.order > 2:
        terms = not sparse and caches.term_type(model) is not None
        return ("terms", "table") if terms else ("table",)
    if sparse:
        return ("overlaps",)
    forms = ["overlaps"]
    narrow = model.n_rows * model.n_spins * model.largest_weight**2 < 2**31
    if narrow:
        forms.append("couplings")
    if narrow and sites == "shared" and n_chains > 1:
        forms.append("replicas")
    return tuple(forms)


def default_sites(model: HebbianNetwork, n_chains: int, temperature: float) -> str:
    """Whether chains share the order of their sites if nothing is said about it.

    They do where lanes pay: at least 32 chains with P = 2 and at most 256 rows. At
    T = 0, where there is no noise to tell chains from one start apart, never.
    """
    many = n_chains >= LANES // 2 and model.n_rows <= MOST_LANE_ROWS
    lanes = many and model.order == 2 and not model.sparse and temperature > 0.0
    return "shared" if lanes else "private"


def costs(
    model: HebbianNetwork,
    *,
    n_chains: int = 2,
    sites: str = "private",
    acceptance: float = _EXPECTED_ACCEPTANCE,
    n_sweeps: float = 0.0,
) -> dict[str, float]:
    """ns an update in every form that is possible.

    `n_sweeps` of each chain are still to be made: what has to be built first is
    spread over them.
    """
    k, n, a = model.n_rows, model.n_spins, acceptance
    result = {}
    for form in possible(model, n_chains, sites):
        if form == "overlaps" and model.sparse:
            entries = float(model.n_nonzero.sum()) / n
            cost = _TRIAL + _ENTRY * entries + a * (_FLIP + _ENTRY * entries)
        elif has_powers(model):
            once = model.order * k
            cost = _TRIAL + _POWER * once + a * (_FLIP + _NEW_POWER * once)
        elif form == "overlaps":
            cost = _TRIAL + _PRODUCT * k + a * (_FLIP + _SUM * k)
        elif form == "couplings":
            size = caches.couplings_bytes(model)
            field = _FIELD if size < _CACHE else _FAR_FIELD
            cost = _LOOKED_UP + a * (_FLIP + field * n + _SUM * k)
            if not caches.has_couplings(model):
                if size > _LARGEST_SHARE * available_memory():
                    continue
                build = n * (_PAIR * k + _PLACE)
                cost += build / (n_sweeps * n_chains) if n_sweeps else math.inf
        elif form == "replicas":
            wide = 1.0 if caches.dot_type(model) is np.int16 else _WIDE
            cost = (_LANE + wide * _LANE_PRODUCT * k) * LANES / n_chains
        elif form == "terms":
            size = np.dtype(caches.term_type(model)).itemsize
            cost = _TRIAL + _TERM[size] * k + a * (_FLIP + _NEW_TERM[size] * k)
        else:
            cost = _TRIAL + _LOOK * k + a * (_FLIP + _SUM * k)
        result[form] = cost
    return result


def plan(
    model: HebbianNetwork,
    *,
    n_chains: int = 2,
    sites: str | None = None,
    temperature: float = 1.0,
    acceptance: float | None = None,
    n_sweeps: float = 1100.0,
    form: str | None = None,
) -> Plan:
    """Choose a form of the kernels.

    Parameters
    ----------
    model : HebbianNetwork
    n_chains : int
    sites : {"private", "shared"}, optional
        As in `statmech.sample`.
    temperature : float
        Only whether it is 0 matters.
    acceptance : float, optional
        Fraction of accepted updates; 0.1 where nothing is known.
    n_sweeps : float
        Sweeps to be made, that tables are built for.
    form : str, optional
        To be taken whatever it costs.

    Returns
    -------
    Plan

    Raises
    ------
    ParameterError
        If the network cannot take `form`.
    """
    where = default_sites(model, n_chains, temperature) if sites is None else sites
    known = _EXPECTED_ACCEPTANCE if acceptance is None else acceptance
    together = min(n_chains, LANES)
    table = costs(
        model,
        n_chains=together,
        sites=where,
        acceptance=known,
        n_sweeps=n_sweeps,
    )
    if form is not None:
        check_form(model, form, n_chains, where)
        return Plan(form, "it was asked for", table)
    best = min(table, key=lambda name: table[name])
    reason = (
        f"{table[best]:.3g} ns an update at acceptance {known:.2g} with {where} sites"
    )
    others = [f"{name} {cost:.3g}" for name, cost in table.items() if name != best]
    if others:
        reason += f"; {', '.join(others)}"
    return Plan(best, reason, table)


def check_form(model: HebbianNetwork, form: str, n_chains: int, sites: str) -> None:
    """Refuse a form that this network cannot take."""
    check_choice("form", form, FORMS)
    allowed = possible(model, n_chains, sites)
    if form not in allowed:
        remedy = "leave it out, and the cheapest is taken"
        if form == "replicas" and sites == "private":
            remedy = 'sites="shared" lets chains go side by side'
        names = " or ".join(repr(name) for name in allowed)
        raise ParameterError("form", form, f"{names} for this network", remedy)
    if form == "couplings" and not caches.has_couplings(model):
        require_memory(
            caches.couplings_bytes(model),
            f"couplings of n_spins = {model.n_spins}",
            remedy='form="overlaps" needs none',
        )
