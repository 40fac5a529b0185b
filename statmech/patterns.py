"""Patterns: the disorder of a Hebbian network; noisy examples of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import TERNARY, check_integer, check_levels, check_real
from statmech.machine import require_memory, smaller
from statmech.rng import check_path, generator

_BLOCK = 2**16  # uniforms at one time


def pattern_bytes(n_patterns: int, n_spins: int) -> int:
    """Peak memory of `rademacher` in bytes; n_patterns x n_spins of them stay."""
    drawn = n_patterns * ((n_spins + 7) // 8)
    # NumPy holds four copies of the random words while it makes them bytes.
    return max(4 * drawn, drawn + n_patterns * n_spins)


def rademacher(
    n_patterns: int, n_spins: int, seed: int, *, path: Sequence[int] = ()
) -> NDArray[np.int8]:
    """Independent fair signs, xi[mu, i] = +1 or -1 with probability 1/2 each.

    Parameters
    ----------
    n_patterns, n_spins : int
        K >= 1 and N >= 1.
    seed : int
        Non-negative; the same seed and path give the same patterns on any machine.
    path : sequence of int
        Address in the seed tree, for example (point, sample).

    Returns
    -------
    (K, N) int8 array

    Raises
    ------
    ParameterError, ParameterTypeError
        If a count is below 1, or the seed is negative or not an integer.
    MemoryLimitError
        If they do not fit into memory.

    Examples
    --------
    >>> rademacher(2, 5, seed=1).shape
    (2, 5)
    """
    k = check_integer("n_patterns", n_patterns, 1, 2**31 - 1)
    n = check_integer("n_spins", n_spins, 1, 2**31 - 1)
    require_memory(
        pattern_bytes(k, n),
        f"n_patterns = {k} of n_spins = {n}",
        remedy=smaller(
            n_patterns=(k, lambda fewer: pattern_bytes(fewer, n)),
            n_spins=(n, lambda fewer: pattern_bytes(k, fewer)),
        ),
    )
    # One random bit a spin; the rows end on byte boundaries so that pattern mu of a
    # given path does not depend on how many patterns follow it.
    row_bytes = (n + 7) // 8
    raw = np.frombuffer(generator(seed, path).bytes(k * row_bytes), dtype=np.uint8)
    signs = np.unpackbits(raw.reshape(k, row_bytes), axis=1, count=n).view(np.int8)
    signs *= 2
    signs -= 1
    return signs


def diluted(
    n_patterns: int,
    n_spins: int,
    dilution: float,
    seed: int,
    *,
    path: Sequence[int] = (),
) -> NDArray[np.int8]:
    """Independent entries: 0 with probability d, else a fair sign.

    Parameters
    ----------
    n_patterns, n_spins : int
        K >= 1 and N >= 1.
    dilution : float
        d from 0 to 1, 1 excluded: P(0) = d, P(+1) = P(-1) = (1 - d)/2.
    seed, path : int, sequence of int
        As in `rademacher`. Pattern mu does not depend on how many
        follow it.

    Returns
    -------
    (K, N) int8 array

    Raises
    ------
    ParameterError, ParameterTypeError
        If a count is below 1, d is out of range, or the seed or path is not one.
    MemoryLimitError
        If they do not fit into memory.

    Examples
    --------
    >>> bool((diluted(2, 1000, 0.25, seed=1) == 0).mean() < 0.3)
    True
    """
    k, n = _check_shape(n_patterns, n_spins)
    d = _check_dilution(dilution)
    draw = generator(seed, path)
    _require(k, n, lambda n: k * n)
    xi = np.empty(k * n, dtype=np.int8)
    plus = d + (1.0 - d) / 2.0
    for first in range(0, xi.size, _BLOCK):
        part = xi[first : first + _BLOCK]
        u = draw.random(part.size)
        part[...] = 1
        part[u < plus] = -1
        part[u < d] = 0
    return xi.reshape(k, n)


def class_exact(
    n_patterns: int,
    n_spins: int,
    dilution: float,
    seed: int,
    *,
    path: Sequence[int] = (),
) -> NDArray[np.int8]:
    """Diluted patterns in which every class of sites has its expected size.

    A site belongs to one of 3**K classes, by its entries in the K patterns, with the
    probability ((1 - d)/2)**n d**(K - n), n the number of entries that are not 0.
    Each class gets N times that many sites, rounded so that they sum to N, in random
    order: the disorder of `diluted` without its fluctuations of order N**(-1/2).

    Parameters
    ----------
    n_patterns : int
        K from 1 to 14.
    others
        As in `diluted`.

    Returns
    -------
    (K, N) int8 array

    Examples
    --------
    >>> xi = class_exact(2, 1600, 0.5, seed=1)
    >>> [int((row == 0).sum()) for row in xi], int((~xi.any(axis=0)).sum())
    ([800, 800], 400)
    """
    k, n = _check_shape(n_patterns, n_spins)
    k = check_integer("n_patterns", k, 1, 14, remedy="there are 3**K classes")
    d = _check_dilution(dilution)
    draw = generator(seed, path)
    _require(k, n, lambda n: (k + 16) * n + (k + 40) * 3**k)
    # Entry mu of class c is the digit mu of c in base 3, less 1.
    powers = 3 ** np.arange(k)
    classes = np.arange(3**k)
    entries = (classes // powers[:, None] % 3 - 1).astype(np.int8)
    n_nonzero = np.count_nonzero(entries, axis=0)
    expected = n * ((1.0 - d) / 2.0) ** n_nonzero * d ** (k - n_nonzero)
    counts = np.floor(expected).astype(np.int64)
    # The largest remainders are rounded up; which of equal ones is left to chance.
    by_chance = draw.permutation(classes.size)
    order = np.argsort(-(expected - counts)[by_chance], kind="stable")
    counts[by_chance[order[: n - int(counts.sum())]]] += 1
    site_class = np.repeat(classes, counts)
    draw.shuffle(site_class)
    xi = np.empty((k, n), dtype=np.int8)
    for row, values in zip(xi, entries, strict=True):
        row[...] = values[site_class]
    return xi


def noisy_examples(
    patterns: ArrayLike,
    n_examples: int,
    quality: float,
    seed: int,
    *,
    path: Sequence[int] = (),
) -> NDArray[np.int8]:
    """eta_mu_a = xi_mu chi: independent signs chi, +1 with probability (1 + r)/2.

    Blank entries stay blank in every example.

    Parameters
    ----------
    patterns : (K, N) array of -1, 0, +1
        Archetypes.
    n_examples : int
        M >= 1 of each.
    quality : float
        r from 0 to 1, the mean of chi.
    seed, path : int, sequence of int
        As in `rademacher`. Example a of pattern mu depends neither
        on M nor on K.

    Returns
    -------
    (K, M, N) int8 array

    Examples
    --------
    >>> import numpy as np
    >>> eta = noisy_examples(np.array([[1, 0, -1]]), 3, 1.0, seed=0)
    >>> eta[0].tolist()
    [[1, 0, -1], [1, 0, -1], [1, 0, -1]]
    """
    xi = check_levels("patterns", patterns, (None, None), TERNARY)
    m = check_integer("n_examples", n_examples, 1, 2**31 - 1)
    r = check_real("quality", quality, 0.0, 1.0)
    address = check_path(path)
    check_integer("seed", seed, 0)
    k, n = xi.shape
    require_memory(
        k * m * n,
        f"n_examples = {m} of each of {k} patterns of {n} spins",
        remedy=smaller(n_examples=(m, lambda fewer: k * fewer * n)),
    )
    eta = np.empty((k, m, n), dtype=np.int8)
    for mu in range(k):
        draw = generator(seed, (*address, mu))
        for one in eta[mu]:
            for first in range(0, n, _BLOCK):
                part = one[first : first + _BLOCK]
                kept = draw.random(part.size) < (1.0 + r) / 2.0
                part[...] = xi[mu, first : first + _BLOCK]
                np.negative(part, out=part, where=~kept)
    return eta


def corrupt(
    pattern: ArrayLike, overlap: float, seed: int, *, path: Sequence[int] = ()
) -> NDArray[np.int8]:
    """A copy of `pattern` with exactly round(N (1 - overlap) / 2) spins flipped.

    Parameters
    ----------
    pattern : (N,) array of +-1
    overlap : float
        Wanted Mattis magnetisation with `pattern`, from -1 to 1; it is met to 1/N.
    seed, path
        As in `rademacher`; the flipped sites are uniform.

    Examples
    --------
    >>> import numpy as np
    >>> int(corrupt(np.ones(10), 0.6, seed=0).sum())
    6
    """
    spins = check_levels("pattern", pattern, (None,)).copy()
    wanted = check_real("overlap", overlap, -1.0, 1.0)
    draw = generator(seed, path)
    n_flips = round(spins.size * (1.0 - wanted) / 2.0)
    if n_flips == 0:
        return spins
    sites = draw.permutation(spins.size)[:n_flips]
    spins[sites] = -spins[sites]
    return spins


def hierarchical(patterns: NDArray[np.int8]) -> NDArray[np.int8]:
    """Each site of the first pattern that is not blank there, (N,); 0 where all are."""
    state = patterns[0].copy()
    for row in patterns[1:]:
        np.copyto(state, row, where=state == 0)
    return state


def _check_shape(n_patterns: int, n_spins: int) -> tuple[int, int]:
    return (
        check_integer("n_patterns", n_patterns, 1, 2**31 - 1),
        check_integer("n_spins", n_spins, 1, 2**31 - 1),
    )


def _check_dilution(dilution: float) -> float:
    return check_real("dilution", dilution, 0.0, 1.0, high_open=True)


def _require(n_patterns: int, n_spins: int, needed: Callable[[int], int]) -> None:
    """Refuse patterns that do not fit; `needed` gives bytes for a number of spins."""
    require_memory(
        needed(n_spins) + 25 * _BLOCK,
        f"n_patterns = {n_patterns} of n_spins = {n_spins}",
        remedy=smaller(n_spins=(n_spins, lambda n: needed(n) + 25 * _BLOCK)),
    )
