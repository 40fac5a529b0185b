"""Hebbian networks of any order of interaction."""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike, NDArray

from statmech.errors import (
    TERNARY,
    ParameterTypeError,
    check_levels,
    check_order,
)
from statmech.interaction import Interaction
from statmech.learning import Examples, Lesson, check_examples
from statmech.powers import check_powers, has_powers
from statmech.rows import check_extent, check_sums
from statmech.rows import integer_overlaps as integer_overlaps
from statmech.rows import network_bytes as network_bytes
from statmech.tables import COINCIDENT as COINCIDENT
from statmech.tables import load_unit as load_unit
from statmech.tables import symmetric_sums as symmetric_sums


class HebbianNetwork(Interaction):
    """P-spin Hebbian network that stores binary patterns.

    With S_mu = sum_i xi_mu_i s_i, spins +-1, patterns +-1 or 0 (blank, "diluted"), and
    units J = 1, k_B = 1:

        coincident="exclude":  E = -g c sum_mu e_P(S_mu) - sum_i b_i s_i,
                               c = (P-1)! / F,  F = (N-1)(N-2)...(N-P+1),
        coincident="keep":     E = -g (N/P) sum_mu (S_mu/N)**P - sum_i b_i s_i,

    where e_P is the sum over all sets of P distinct sites of the products
    xi_mu_i1 s_i1 ... xi_mu_iP s_iP, a function of S_mu and of the number of nonzero
    entries alone. In the first form, at g = 1, the field of a perfectly recovered
    pattern without blanks on its sites is exactly 1 and its energy exactly -N/P at
    every N. P = 2 is the Hopfield network without self-coupling,

        E = -g / (N-1) sum_mu sum_{i<j} xi_mu_i xi_mu_j s_i s_j.

    The normalisation does not know of blanks: with a fraction d of them the critical
    temperature at low load is 1 - d. Literature that divides E by 1 - d has
    g = 1/(1 - d); where E has 1/N in place of 1/(N-1), temperatures differ by the
    factor (N-1)/N.

    `HebbianNetwork.supervised` and `HebbianNetwork.unsupervised` make networks that
    know their patterns, then called archetypes, from examples only.

    Parameters
    ----------
    patterns : (K, N) array of -1, 0, +1
        For example from `statmech.patterns.rademacher` or `diluted`, or your own.
    order : int
        P, from 2 to 20; P <= N.
    coincident : {"exclude", "keep"}
        Whether terms with equal site indices are left out of the energy. For P >= 3
        and K of order N**(P-1) they change the physics at leading order.
    field : float or (N,) array
        External field b_i.
    gain : float
        g > 0, multiplies the interaction, not the external field.

    Attributes
    ----------
    patterns : (K, N) int8
        Stored patterns, or archetypes.
    weights : (R, N) integers
        Rows of the interaction: the patterns, or their examples.
    n_patterns, n_rows, n_spins, order : int
    coincident : str
    field : (N,) float64
    gain : float
    lesson : Lesson
        Protocol ("storage", "supervised", "unsupervised"), number and quality of the
        examples.
    alpha : float
        Load K / F ("exclude") or K / N**(P-1) ("keep").

    Raises
    ------
    ParameterError, ParameterTypeError
        If a pattern entry is not -1, 0, +1, P exceeds N, or the field is not finite.
    MemoryLimitError
        If the patterns have to be copied, or a table made, and there is no room.

    References
    ----------
    J. J. Hopfield, PNAS 79, 2554 (1982); E. Gardner, J. Phys. A 20, 3453 (1987);
    P. F. Baldi and S. S. Venkatesh, Phys. Rev. Lett. 58, 913 (1987);
    D. Krotov and J. J. Hopfield, NIPS 29 (2016), for the form that keeps coincident
    indices; E. Agliari, A. Barra, A. Galluzzi, F. Guerra and F. Moauro, Phys. Rev.
    Lett. 109, 268101 (2012), for blank entries.

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
        gain: float = 1.0,
    ) -> None:
        check_extent(patterns)
        xi = check_levels("patterns", patterns, (None,) * 2, TERNARY)
        self._build(xi, xi, Lesson(), order, coincident, field, gain)

    @classmethod
    def supervised(
        cls,
        examples: ArrayLike,
        *,
        quality: float,
        archetypes: ArrayLike | None = None,
        order: int = 2,
        coincident: str = "exclude",
        field: float | ArrayLike = 0.0,
        gain: float | None = None,
    ) -> HebbianNetwork:
        """A network that is told which examples belong to one archetype.

        With etabar_mu = (1/(r M)) sum_a eta_mu_a, the average of the examples, which
        takes the place of the patterns,

            coincident="exclude":  E = -g c sum_mu e_P(etabar_mu s) - sum_i b_i s_i,
            coincident="keep":     E = -g (N/P) sum_mu n_mu**P - sum_i b_i s_i,

        n_mu = (1/N) sum_i etabar_mu_i s_i, where e_P(a) is the sum over all sets of P
        distinct sites of a_i1 ... a_iP and c = (P-1)! / ((N-1)...(N-P+1)). For P = 2,

            E = -g / (N-1) sum_mu sum_{i<j} etabar_mu_i etabar_mu_j s_i s_j.

        Parameters
        ----------
        examples : (K, M, N) array of -1, 0, +1
            For example from `statmech.patterns.noisy_examples`; an entry that is
            blank in one example of a pattern is blank in all of them.
        quality : float
            r, from 1e-6 to 1: the mean product of an entry with its archetype.
        archetypes : (K, N) array of -1, 0, +1, optional
            What `Trace.m`, `target`, `track` and the initial states refer to; the
            interaction does not know them. Default: the majority of the examples,
            the best guess where archetypes are not known.
        order : int
            P, from 2 to 6, or to 20 where M = 1; P <= N.
        coincident, field
            As for a network that stores patterns.
        gain : float, optional
            g; default (1 + rho)**(-P/2), rho = (1 - r**2)/(M r**2): averages of
            examples that are divided by their standard deviation sqrt(1 + rho). For
            P = 2 the critical temperature is then that of storage.

        Returns
        -------
        HebbianNetwork

        Raises
        ------
        ParameterError, ParameterTypeError
            Beyond what `HebbianNetwork` refuses, if the examples of a pattern are
            blank at different sites, P > 6 with M > 1, or M is so large that sums over
            the spins leave 64 bits.

        Notes
        -----
        `Trace.example_overlaps` are n_mu, whose mean is 1 for s = xi_mu. The overlap
        with averages of unit variance, W_mu = (1/N) sum_i etabar_mu_i s_i /
        sqrt(1 + rho), is n_mu / sqrt(1 + rho).

        Fields of P >= 3 are sums of integers, so that an exactly vanishing one is found
        to be zero, as long as the sums over all rows fit into 64 bits in every state;
        for more spins, examples or patterns they are rounded.

        References
        ----------
        E. Agliari, F. Alemanno, A. Barra and G. De Marzo, Neural Networks 148, 232
        (2022), for P = 2; E. Agliari, L. Albanese, F. Alemanno, A. Alessandrelli,
        A. Barra, F. Giannotti, D. Lotito and D. Pedreschi, Physica A 626, 129076
        (2023), for P > 2.

        Examples
        --------
        >>> from statmech.patterns import diluted, noisy_examples
        >>> xi = diluted(2, 100, 0.3, seed=1)
        >>> eta = noisy_examples(xi, 9, 0.5, seed=2)
        >>> HebbianNetwork.supervised(eta, quality=0.5, archetypes=xi).gain
        0.75
        """
        taught = check_examples(examples, quality, archetypes)
        return cls._taught(
            taught, taught.sums(), "supervised", order, coincident, field, gain
        )

    @classmethod
    def unsupervised(
        cls,
        examples: ArrayLike,
        *,
        quality: float,
        archetypes: ArrayLike | None = None,
        order: int = 2,
        coincident: str = "exclude",
        field: float | ArrayLike = 0.0,
        gain: float | None = None,
    ) -> HebbianNetwork:
        """A network that stores each example as a pattern of its own.

            coincident="exclude":  E = -g c/(M r**P) sum_mu sum_a e_P(eta_mu_a s)
                                       - sum_i b_i s_i,
            coincident="keep":     E = -g N/(P M r**P) sum_mu sum_a
                                       ((1/N) sum_i eta_mu_a_i s_i)**P - sum_i b_i s_i,

        with e_P and c as in `supervised`. For P = 2 the first one is

            E = -g / ((N-1) M r**2) sum_mu sum_a sum_{i<j} eta_mu_a_i eta_mu_a_j s_i s_j
                - sum_i b_i s_i.

        Parameters as in `supervised`, but P from 2 to 20. The rows are K M patterns,
        tabulated as those of a network that stores them.

        References
        ----------
        E. Agliari, F. Alemanno, A. Barra and G. De Marzo, Neural Networks 148, 232
        (2022), for P = 2; E. Agliari, L. Albanese, F. Alemanno, A. Alessandrelli,
        A. Barra, F. Giannotti, D. Lotito and D. Pedreschi, Physica A 627, 129143
        (2023), for P > 2.
        """
        taught = check_examples(examples, quality, archetypes)
        each = taught.entries.reshape(-1, taught.entries.shape[2])
        return cls._taught(taught, each, "unsupervised", order, coincident, field, gain)

    @classmethod
    def _taught(
        cls,
        taught: Examples,
        weights: NDArray[Any],
        protocol: str,
        order: int,
        coincident: str,
        field: float | ArrayLike,
        gain: float | None,
    ) -> HebbianNetwork:
        lesson = Lesson(protocol, taught.n_examples, taught.quality)
        default = lesson.gain(check_order(order))
        network = cls.__new__(cls)
        network._build(
            taught.archetypes,
            weights,
            lesson,
            order,
            coincident,
            field,
            default if gain is None else gain,
        )
        if has_powers(network):
            check_powers(network)
        check_sums(network)
        return network

    def __repr__(self) -> str:
        more = "" if self.gain == 1.0 else f", gain={self.gain!r}"
        name = "HebbianNetwork"
        if self.lesson.protocol != "storage":
            name += f".{self.lesson.protocol}"
            more = (
                f", n_examples={self.lesson.n_examples}, "
                f"quality={self.lesson.quality!r}, gain={self.gain!r}"
            )
        return (
            f"{name}(n_patterns={self.n_patterns}, n_spins={self.n_spins}, "
            f"order={self.order}, coincident={self.coincident!r}{more})"
        )

    @property
    def alpha(self) -> float:
        return self.n_patterns / load_unit(self.order, self.n_spins, self.coincident)


def check_model(model: object) -> None:
    """Refuse anything that is not a network."""
    if not isinstance(model, HebbianNetwork):
        raise ParameterTypeError("model", model, "a HebbianNetwork")
