"""Patterns: the disorder of a Hebbian network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from statmech.errors import check_integer, check_levels, check_real
from statmech.machine import require_memory, smaller
from statmech.rng import generator


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
