"""Random numbers as a pure function of (seed, path): nothing to share, order or lose.

Seeds. One integer opens a tree of `numpy.random.SeedSequence`, addressed by a path of
integers (experiment, point, sample, chain). Neighbouring seeds or paths give
independent streams.

Streams. A stream is a *key* of two 64-bit words (seed, gamma), gamma odd. Its word
number t is SplitMix64 used as a counter-based generator, mix64(seed + t * gamma): any
word can be had without the ones before it, and since gamma is odd no state repeats
within 2**64 words. The upper two bits of the counter name the purpose of a word, so
that a trial can have a second word without disturbing the first:

    purpose 0   site (high 32 bits) and uniform (low 24 bits) of trial t
    purpose 1   a 53-bit uniform of trial t
    purpose 2   permutations of the sites, swaps between chains
    purpose 3   a coin for a spin in zero field at T = 0

References
----------
G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014 (mix64: Stafford's variant 13; mixGamma: section 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from statmech.errors import ParameterTypeError, check_integer
from statmech.jit import kernel

GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)

SECOND_WORD = np.uint64(1 << 62)
PERMUTATION = np.uint64(1 << 63)
TIE = np.uint64(3 << 62)


@kernel
def mix64(z):
    """The output function of SplitMix64: a bijection of 64-bit words."""
    z = np.uint64(z)
    z = np.uint64(z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = np.uint64(z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@kernel
def word(key, counter):
    """Word number `counter` of the stream `key` (2,) uint64."""
    return mix64(np.uint64(key[0] + np.uint64(counter) * key[1]))


@kernel
def site_of(w, n):
    """A site in [0, n) from the high half of a word (bias at most n / 2**32)."""
    return np.int64(((w >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@kernel
def uniform24_of(w):
    """A uniform in (0, 1) from the low 24 bits: (k + 1/2) / 2**24, never 0 or 1."""
    return (np.float64(w & np.uint64(0xFFFFFF)) + 0.5) * 5.9604644775390625e-08


@kernel
def uniform53_of(w):
    """A uniform in (0, 1) from the high 53 bits of a word, never 0 or 1."""
    # The last midpoint has 54 bits and would be rounded to 1.
    u = (np.float64(w >> np.uint64(11)) + 0.5) * 1.1102230246251565e-16
    return min(u, 0.9999999999999999)


def seed_sequence(seed: int, path: Sequence[int] = ()) -> np.random.SeedSequence:
    """The node of the seed tree at `path`.

    Parameters
    ----------
    seed : int
        Any non-negative integer.
    path : sequence of int
        Non-negative integers, for example (point, sample, chain).
    """
    entropy = check_integer("seed", seed, 0)
    return np.random.SeedSequence(entropy, spawn_key=check_path(path))


def check_path(path: object) -> tuple[int, ...]:
    """Return `path` as a tuple of integers >= 0."""
    if not isinstance(path, (Sequence, np.ndarray)) or isinstance(path, (str, bytes)):
        raise ParameterTypeError("path", path, "a sequence of integers >= 0")
    return tuple(check_integer("path", step, 0) for step in path)


def generator(seed: int, path: Sequence[int] = ()) -> np.random.Generator:
    """A NumPy generator (Philox) for drawing disorder at `path` of the seed tree."""
    return np.random.Generator(np.random.Philox(seed_sequence(seed, path)))


def stream_keys(
    seed: int, path: Sequence[int] = (), n_streams: int = 1
) -> NDArray[np.uint64]:
    """Keys (n_streams, 2) uint64 of the streams path + (0,), path + (1,), ...

    Stream i is the same whatever `n_streams` is.
    """
    node = seed_sequence(seed, path)
    keys = np.empty((n_streams, 2), dtype=np.uint64)
    for i in range(n_streams):
        child = np.random.SeedSequence(node.entropy, spawn_key=(*node.spawn_key, i))
        start, raw_gamma = child.generate_state(2, np.uint64)
        keys[i] = start, mix_gamma(int(raw_gamma))
    return keys


def mix_gamma(z: int) -> int:
    """An odd gamma with enough 01 and 10 transitions (Steele, Lea and Flood 2014).

    >>> mix_gamma(0) % 2
    1
    """
    mask = (1 << 64) - 1
    z = ((z ^ (z >> 33)) * 0xFF51AFD7ED558CCD) & mask
    z = ((z ^ (z >> 33)) * 0xC4CEB9FE1A85EC53) & mask
    z = (z ^ (z >> 33)) | 1
    if (z ^ (z >> 1)).bit_count() < 24:
        z ^= 0xAAAAAAAAAAAAAAAA
    return z
