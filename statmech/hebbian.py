"""Hebbian networks of any order of interaction."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    ParameterError,
    ParameterTypeError,
    check_array,
    check_choice,
    check_integer,
    check_levels,
    check_order,
    check_real,
)

if TYPE_CHECKING:
    from statmech.kernels.hebbian import SignRows

COINCIDENT = ("exclude", "keep")
LARGEST_FIELD = 1e290  # the energy of 2**31 spins stays finite


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
        overlaps = self.patterns.astype(np.int64) @ s.astype(np.int64)
        f = self._energy_of_sums
        total = f[(overlaps + self.n_spins) >> 1].sum()
        return float(-self.prefactor * total - self.field @ s)

    def local_fields(self, spins: ArrayLike) -> NDArray[np.float64]:
        """h (N,), where 2 s_i h_i is the energy cost of flipping spin i alone."""
        s = check_levels("spins", spins, (self.n_spins,)).astype(np.int64)
        xi = self.patterns.astype(np.int64)
        others = (xi @ s)[:, None] - xi * s
        table = self._field_of_sums
        terms = table[(others + self.n_spins - 1) >> 1]
        return self.prefactor * (xi * terms).sum(axis=0) + self.field

    @cached_property
    def _energy_of_sums(self) -> NDArray[np.float64]:
        """f(S) at S = -N, -N + 2, ..., N."""
        n, p = self.n_spins, self.order
        sums = np.arange(-n, n + 1, 2)
        if self.coincident == "exclude":
            return symmetric_sums(sums, n, p)
        if p == 2:
            return 0.5 * sums.astype(np.float64) ** 2
        return np.array([float(int(total) ** p) for total in sums])

    @cached_property
    def _field_of_sums(self) -> NDArray[Any]:
        """G(T) at T = -(N - 1), ..., N - 1, the sum of the other spins.

        int64 if no sum over the patterns can overflow, float64 rounded once otherwise.
        """
        n, p = self.n_spins, self.order
        sums = np.arange(-n + 1, n, 2)
        if p == 2:
            return sums
        if self.coincident == "exclude":
            exact = exact_symmetric_sums(sums, n - 1, p - 1)
        else:
            t = sums.astype(object)
            exact = ((t + 1) ** p - (t - 1) ** p) // 2
        largest = max(abs(int(exact.min())), abs(int(exact.max())))
        fits = largest * self.n_patterns < 2**62
        return exact.astype(np.int64 if fits else np.float64)

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


def symmetric_sums(
    sums: NDArray[Any], n_variables: int, degree: int
) -> NDArray[np.float64]:
    """e_degree of `n_variables` signs as a function of their sum, rounded once.

    >>> import numpy as np
    >>> symmetric_sums(np.array([-2, 0, 2]), 2, 2)
    array([ 1., -1.,  1.])
    """
    return exact_symmetric_sums(sums, n_variables, degree).astype(np.float64)


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
