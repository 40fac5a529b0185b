"""Hebbian networks of any order of interaction."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    blocks,
    check_array,
    check_choice,
    check_integer,
    check_levels,
    check_order,
    check_real,
)
from statmech.machine import require_memory, smaller

if TYPE_CHECKING:
    from statmech.kernels.hebbian import SignRows

COINCIDENT = ("exclude", "keep")
LARGEST_FIELD = 1e290  # the energy of 2**31 spins stays finite
MOST = 2**31 - 1  # patterns and spins: sites and counts are 32 bits in the kernels

_TABLE_BLOCK = 2**14  # entries of a table that are Python's integers at one time


class HebbianNetwork:
    """P-spin Hebbian network that stores binary patterns.

    With S_mu = sum_i xi_mu_i s_i, spins and patterns +-1, and units J = 1, k_B = 1:

        coincident="exclude":  E = -c sum_mu e_P(S_mu) - sum_i b_i s_i,
                               c = (P-1)! / F,  F = (N-1)(N-2)...(N-P+1),
        coincident="keep":     E = -(N/P) sum_mu (S_mu/N)**P - sum_i b_i s_i,

    where e_P is the sum over all sets of P distinct sites of the products
    xi_mu_i1 s_i1 ... xi_mu_iP s_iP, a function of S_mu alone. In the first form the
    field of a perfectly recovered pattern on its sites is exactly 1 and its energy
    exactly -N/P at every N. P = 2 is the Hopfield network without self-coupling.

    Parameters
    ----------
    patterns : (K, N) array of +-1
        For example from `statmech.patterns.rademacher`, or your own.
    order : int
        P, from 2 to 20; P <= N.
    coincident : {"exclude", "keep"}
        Whether terms with equal site indices are left out of the energy. For P >= 3
        and K of order N**(P-1) they change the physics at leading order.
    field : float or (N,) array
        External field b_i.

    Attributes
    ----------
    patterns : (K, N) int8
    n_patterns, n_spins, order : int
    coincident : str
    field : (N,) float64
    alpha : float
        Load K / F ("exclude") or K / N**(P-1) ("keep").

    Raises
    ------
    ParameterError, ParameterTypeError
        If a pattern entry is not +-1, P exceeds N, or the field is not finite.
    MemoryLimitError
        If the patterns have to be copied, or a table made, and there is no room.

    References
    ----------
    J. J. Hopfield, PNAS 79, 2554 (1982); E. Gardner, J. Phys. A 20, 3453 (1987);
    P. F. Baldi and S. S. Venkatesh, Phys. Rev. Lett. 58, 913 (1987);
    D. Krotov and J. J. Hopfield, NIPS 29 (2016), for the form that keeps coincident
    indices.

    Examples
    --------
    >>> import numpy as np
    >>> network = HebbianNetwork(np.ones((1, 6)), order=3)
    >>> network.energy(np.ones(6))
    -2.0
    >>> network.local_fields(np.ones(6))
    array([1., 1., 1., 1., 1., 1.])
    """

    def __init__(
        self,
        patterns: ArrayLike,
        order: int = 2,
        *,
        coincident: str = "exclude",
        field: float | ArrayLike = 0.0,
    ) -> None:
        _check_extent(patterns)
        self.patterns: NDArray[np.int8] = check_levels(
            "patterns", patterns, (None,) * 2
        )
        self.n_patterns, self.n_spins = self.patterns.shape
        check_integer("n_spins", self.n_spins, 2, remedy="patterns has shape (K, N)")
        self.order = check_order(order)
        if self.order > self.n_spins:
            raise ParameterError(
                "order", order, f"at most n_spins = {self.n_spins}", "take more spins"
            )
        self.coincident = check_choice("coincident", coincident, COINCIDENT)
        self.field = _check_field(field, self.n_spins)

    def __repr__(self) -> str:
        return (
            f"HebbianNetwork(n_patterns={self.n_patterns}, n_spins={self.n_spins}, "
            f"order={self.order}, coincident={self.coincident!r})"
        )

    @property
    def alpha(self) -> float:
        return self.n_patterns / load_unit(self.order, self.n_spins, self.coincident)

    @property
    def prefactor(self) -> float:
        """c of the energy, multiplying integer sums."""
        n, p = self.n_spins, self.order
        if self.coincident == "exclude":
            return math.factorial(p - 1) / load_unit(p, n, "exclude")
        return 1.0 / n if p == 2 else 1.0 / (p * n ** (p - 1))

    def energy(self, spins: ArrayLike) -> float:
        """Total energy E of a configuration `spins` (N,) of +-1."""
        s = check_levels("spins", spins, (self.n_spins,))
        overlaps = integer_overlaps(self.patterns, s)
        f = self._energy_of_sums
        total = f[(overlaps + self.n_spins) >> 1].sum()
        return float(-self.prefactor * total - self.field @ s)

    def local_fields(self, spins: ArrayLike) -> NDArray[np.float64]:
        """h (N,), where 2 s_i h_i is the energy cost of flipping spin i alone."""
        s = check_levels("spins", spins, (self.n_spins,)).astype(np.int64)
        table = self._field_of_sums
        total = np.zeros((0, self.n_spins), dtype=table.dtype)
        for part in _row_blocks(self.patterns):
            xi = part.astype(np.int64)
            others = (xi @ s)[:, None] - xi * s
            terms = xi * table[(others + self.n_spins - 1) >> 1]
            # The sum so far is the first row: floats are added in the order of one
            # sum over all patterns.
            total = np.concatenate([total, terms]).sum(axis=0, keepdims=True)
        return self.prefactor * total[0] + self.field

    @cached_property
    def _energy_of_sums(self) -> NDArray[np.float64]:
        """f(S) at S = -N, -N + 2, ..., N."""
        n, p = self.n_spins, self.order
        self._require_tables()
        sums = np.arange(-n, n + 1, 2)
        if self.coincident == "exclude":
            return symmetric_sums(sums, n, p)
        if p == 2:
            return 0.5 * sums.astype(np.float64) ** 2
        return _tabulate(lambda s: s.astype(object) ** p, sums, np.float64)

    @cached_property
    def _field_of_sums(self) -> NDArray[Any]:
        """G(T) at T = -(N - 1), ..., N - 1, the sum of the other spins.

        int64 if no sum over the patterns can overflow, float64 rounded once otherwise.
        """
        n, p = self.n_spins, self.order
        self._require_tables()
        sums = np.arange(-n + 1, n, 2)
        if p == 2:
            return sums
        # The largest entry is the last: all spins equal.
        if self.coincident == "exclude":
            largest = math.comb(n - 1, p - 1)
        else:
            largest = (n**p - (n - 2) ** p) // 2

        def exact(t: NDArray[Any]) -> NDArray[Any]:
            if self.coincident == "exclude":
                return exact_symmetric_sums(t, n - 1, p - 1)
            t = t.astype(object)
            return ((t + 1) ** p - (t - 1) ** p) // 2

        fits = largest * self.n_patterns < 2**62
        return _tabulate(exact, sums, np.int64 if fits else np.float64)

    def _require_tables(self) -> None:
        require_memory(
            table_bytes(self.n_spins, self.order),
            f"tables of n_spins = {self.n_spins} at order = {self.order}",
            remedy=smaller(
                n_spins=(self.n_spins, lambda n: table_bytes(n, self.order))
            ),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the moves depend on: the same network, the same digest."""
        kind = ("HebbianNetwork", self.patterns.shape, self.order, self.coincident)
        content = hashlib.sha256(repr(kind).encode())
        content.update(self.patterns.reshape(-1).view(np.uint8).data)
        # The sum makes a negative zero, which acts as zero, look like it.
        for part in blocks(self.field):
            content.update((part + 0.0).astype("<f8", copy=False).data)
        return content.hexdigest()

    @cached_property
    def rows(self) -> SignRows:
        """The form that the kernels read."""
        from statmech.kernels.hebbian import SignRows

        n, k = self.n_spins, self.n_patterns
        pairwise = self.order == 2
        excluded = -0.5 * n * k if self.coincident == "exclude" else 0.0
        return SignRows(
            patterns=np.ascontiguousarray(self.patterns.T),
            self_terms=np.full(n, k, dtype=np.int32),
            field_table=None if pairwise else self._field_of_sums,
            energy_table=None if pairwise else self._energy_of_sums,
            prefactor=self.prefactor,
            shift=excluded if pairwise else 0.0,
            external=self.field,
        )


def table_bytes(n_spins: int, order: int) -> int:
    """Peak memory of the two tables of a network in bytes, 16 N of which stay."""
    # A block is a few arrays of Python's integers, of at most `bits` bits.
    bits = order * max(n_spins, 2).bit_length()
    block = min(n_spins, _TABLE_BLOCK) * 5 * (48 + bits // 8)
    return (24 if order > 2 else 32) * n_spins + block


def network_bytes(n_patterns: int, n_spins: int, order: int) -> int:
    """Peak memory of a `HebbianNetwork` that is run, in bytes, its patterns included.

    The kernels read a second copy of the patterns, site by site.
    """
    return n_patterns * n_spins + rows_bytes(n_patterns, n_spins, order)


def rows_bytes(n_patterns: int, n_spins: int, order: int) -> int:
    """What `HebbianNetwork.rows` adds to the patterns, in bytes."""
    tables = table_bytes(n_spins, order) if order > 2 else 0
    return n_patterns * n_spins + 4 * n_spins + tables


def _row_blocks(patterns: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """Whole rows whose 64-bit copies stay small."""
    n_patterns, n_spins = patterns.shape
    step = max(1, 2**18 // n_spins)
    for first in range(0, n_patterns, step):
        yield patterns[first : first + step]


def integer_overlaps(
    patterns: NDArray[np.int8], spins: NDArray[np.int8]
) -> NDArray[np.int64]:
    """S_mu = sum_i xi_mu_i s_i (K,), exact, of patterns (K, N)."""
    s = spins.astype(np.int64)
    return np.concatenate([xi.astype(np.int64) @ s for xi in _row_blocks(patterns)])


def _check_extent(patterns: Any) -> None:
    """Refuse an array whose sizes or whose copy go beyond what can be kept."""
    if not isinstance(patterns, np.ndarray) or patterns.ndim != 2:
        return  # `check_levels` says more
    k, n = patterns.shape
    for name, count in (("n_patterns", k), ("n_spins", n)):
        if count > MOST:
            raise ParameterError(name, count, f"at most {MOST}")
    if patterns.dtype != np.int8 or not patterns.flags.c_contiguous:
        require_memory(
            k * n,
            f"an int8 copy of n_patterns = {k} of n_spins = {n}",
            remedy="give a C-contiguous int8 array, which is used as it is",
        )


def check_model(model: object) -> None:
    """Refuse anything that is not a network."""
    if not isinstance(model, HebbianNetwork):
        raise ParameterTypeError("model", model, "a HebbianNetwork")


def _check_field(field: Any, n_spins: int) -> NDArray[np.float64]:
    """One number, or one a site, as (N,) float64."""
    limit = LARGEST_FIELD
    try:
        single = np.ndim(field) == 0
    except ValueError:  # ragged: not an array either, which check_array says
        single = False
    if single:
        return np.full(n_spins, check_real("field", field, -limit, limit))
    b = check_array("field", field, (n_spins,))
    for extreme in (b.min(), b.max()):
        check_real("field", extreme, -limit, limit)
    return b


def load_unit(order: int, n_spins: int, coincident: str = "exclude") -> float:
    """K / alpha: F = (N-1)...(N-P+1), or N**(P-1) where coincident indices are kept.

    >>> load_unit(3, 10)
    72.0
    """
    check_choice("coincident", coincident, COINCIDENT)
    if coincident == "keep":
        return float(n_spins ** (order - 1))
    return float(math.perm(n_spins - 1, order - 1))


def _tabulate(
    exact: Callable[[NDArray[Any]], NDArray[Any]], sums: NDArray[Any], dtype: Any
) -> NDArray[Any]:
    """exact(sums), rounded once; block by block, since its integers may be Python's."""
    table = np.empty(sums.shape, dtype=dtype)
    pairs = zip(blocks(table, _TABLE_BLOCK), blocks(sums, _TABLE_BLOCK), strict=True)
    for part, some in pairs:
        part[...] = exact(some)
    return table


def symmetric_sums(
    sums: NDArray[Any], n_variables: int, degree: int
) -> NDArray[np.float64]:
    """e_degree of `n_variables` signs as a function of their sum, rounded once.

    >>> import numpy as np
    >>> symmetric_sums(np.array([-2, 0, 2]), 2, 2)
    array([ 1., -1.,  1.])
    """
    return _tabulate(
        lambda some: exact_symmetric_sums(some, n_variables, degree), sums, np.float64
    )


def exact_symmetric_sums(
    sums: NDArray[Any], n_variables: int, degree: int
) -> NDArray[Any]:
    """`symmetric_sums` in integers: int64, or Python's where that could overflow.

    From (k+1) e_{k+1} = S e_k - (n-k+1) e_{k-1}.
    """
    # |e_k| <= C(n, k); beyond int64 Python's integers take over, at their price.
    largest = max(math.comb(n_variables, k) for k in range(degree + 1))
    total = np.asarray(sums, dtype=np.int64)
    if (n_variables + 1) * largest >= 2**62:
        total = total.astype(object)
    before, now = total * 0, total * 0 + 1
    for k in range(degree):
        before, now = now, (total * now - (n_variables - k + 1) * before) // (k + 1)
    return now
