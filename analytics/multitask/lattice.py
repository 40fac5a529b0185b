"""The law of M noisy examples of one entry, merged into the values of their mean.

An example is the entry times a sign that is right with probability (1 + r)/2. With
j of M right, the mean of the examples is xi k/M, k = 2j - M, and all a field can see
is v = xi k: a lattice of at most M + 2 values, each with its probability and the mean
of xi given it, tanh(v artanh r).
"""

from __future__ import annotations

import math

import numpy as np

from analytics.multitask.moments import ExactLaw, Words, all_words
from statmech.errors import ParameterError

# Products of more terms are refused: about 10 s for a state.
LARGEST_GRID = 20_000_000
# exp(-2 w**2/M) bounds what lies w beyond the mean (Hoeffding): 1e-20 with this.
_REACH = math.sqrt(0.5 * math.log(2e20))


def mean_square(n_examples: float, quality: float) -> float:
    """R = r**2 + (1 - r**2)/M = r**2 (1 + rho), mean square of the average example."""
    square = quality * quality
    return square + (1.0 - square) / n_examples


def _window(n_examples: int, quality: float) -> tuple[int, int]:
    """First and last j with k = 2j - M > 0 that are not left out."""
    mean = 0.5 * n_examples * (1.0 + quality)
    width = _REACH * math.sqrt(n_examples) + 1.0
    first = max(n_examples // 2 + 1, math.floor(mean - width))
    last = min(n_examples, math.ceil(mean + width))
    return (n_examples, n_examples) if quality == 1.0 else (first, last)


def lattice_size(n_examples: int, quality: float) -> int:
    """Number of values kept: at most M + 2, and about 20 sqrt(M) for large M."""
    first, last = _window(n_examples, quality)
    return 2 * (last - first + 1) + 1


def check_grid(n_patterns: int, n_examples: int, quality: float, remedy: str) -> None:
    """Refuse a product of lattices that is too large, before it is built."""
    size = lattice_size(n_examples, quality)
    terms = size**n_patterns
    if terms > LARGEST_GRID:
        raise ParameterError(
            "n_examples",
            n_examples,
            f"such that {size} values for each of {n_patterns} patterns make at most "
            f"{LARGEST_GRID:.0e} terms, not {terms:.1e}",
            remedy,
        )


def example_letter(n_examples: int, quality: float, dilution: float) -> Words:
    """Values of one entry, ascending and symmetric, 0 in the middle.

    Returns
    -------
    Words
        e = v/(M sqrt(R)), so that E[e**2] = 1 - d; x = E[xi | v]; spread =
        E[xi**2 (1 - (v/M)**2) | v], which at v = 0 counts ties but not blanks. What
        is left out has a probability below 1e-20.

    >>> letter = example_letter(2, 0.5, 0.5)
    >>> letter.weight.tolist(), letter.x.ravel().round(3).tolist()
    ([0.15625, 0.6875, 0.15625], [-0.8, 0.0, 0.8])
    """
    first, last = _window(n_examples, quality)
    j = np.arange(first, last + 1, dtype=np.float64)
    k = 2.0 * j - n_examples
    law, tie = np.ones(1), 0.0
    x = np.ones(1)
    if quality < 1.0:
        law, tie = _binomial(n_examples, quality, first, last)
        turn = k * math.atanh(quality)
        law = law * (1.0 + np.exp(-2.0 * turn))  # the same value from xi = -1
        x = np.tanh(turn)
    half = 0.5 * (1.0 - dilution) * law
    middle = dilution + (1.0 - dilution) * tie
    share = (1.0 - dilution) * tie / middle if tie > 0.0 else 0.0
    e = k / (n_examples * math.sqrt(mean_square(n_examples, quality)))
    spread = 1.0 - (k / n_examples) ** 2

    def column(values: np.ndarray, centre: float, parity: float) -> np.ndarray:
        return np.concatenate([parity * values[::-1], [centre], values])

    return Words(
        column(half, middle, 1.0),
        column(e, 0.0, -1.0)[:, None],
        column(x, 0.0, -1.0)[:, None],
        column(spread, share, 1.0)[:, None],
    )


def _binomial(
    n_examples: int, quality: float, first: int, last: int
) -> tuple[np.ndarray, float]:
    """P(j right) for j from first to last, and P(M/2), by ratios from the largest.

    Ratios of neighbours keep the relative accuracy that differences of log factorials
    lose at large M.
    """
    low = first - 1 if n_examples % 2 == 0 and first == n_examples // 2 + 1 else first
    j = np.arange(low, last, dtype=np.float64)
    odds = (1.0 + quality) / (1.0 - quality)
    steps = np.log((n_examples - j) / (j + 1.0) * odds)
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    logs -= logs.max()
    law = np.exp(logs)
    # The total over all j: those below M/2 mirror those above.
    k = 2.0 * np.arange(low, last + 1, dtype=np.float64) - n_examples
    mirror = np.exp(-2.0 * k * math.atanh(quality)) * (k > 0.0)
    law /= float((law * (1.0 + mirror)).sum())
    return (law[1:], float(law[0])) if low < first else (law, 0.0)


def example_law(
    n_patterns: int, n_examples: int, quality: float, dilution: float
) -> ExactLaw:
    """Exact law of what a site sees of K patterns with M examples each.

    A word and its mirror image count together, so that half of the words are kept.
    """
    letter = example_letter(n_examples, quality, dilution)
    cut = (n_patterns + 1) // 2
    left, right = all_words(letter, cut), all_words(letter, n_patterns - cut)
    # Of an odd number of words the middle one is its own image.
    middle = left.weight.size // 2
    left = Words(*(part[middle:] for part in left))
    weight = 2.0 * left.weight
    weight[0] *= 0.5
    return ExactLaw(left._replace(weight=weight), right, scale=1.0 - dilution)
