"""The generator: published outputs, distinct streams, uniform numbers.

Seeds are fixed; the false-alarm rates quoted are those of a fresh seed.
"""

import hashlib
import math

import numpy as np
import pytest
import reference
from scipy.stats import chi2, kstest

from statmech import rng
from statmech.errors import ParameterError, ParameterTypeError

GOLDEN = np.array([0, reference.GOLDEN_GAMMA], dtype=np.uint64)


def words(key, first, n):
    """Words first, first + 1, ... from the naive twin."""
    counters = np.arange(first, first + n, dtype=np.uint64)
    return reference.mix64(key[0] + counters * key[1])


def transitions(gamma):
    """Bits of a 64-bit word that differ from their neighbour."""
    return (gamma ^ (gamma >> 1)).bit_count()


def test_published_outputs_of_seed_zero():
    """SplitMix64 seeded with 0, as in the references of xoshiro and of Java 8."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [rng.word(GOLDEN, np.uint64(t)) for t in (1, 2, 3)] == published
    assert rng.word(GOLDEN, np.uint64(0)) == 0


def test_published_outputs_of_seed_1234567():
    """The first five outputs that implementations of SplitMix64 are checked by."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    key = np.array([1234567, reference.GOLDEN_GAMMA], dtype=np.uint64)
    assert [rng.word(key, np.uint64(t)) for t in range(1, 6)] == published


def test_compiled_words_are_those_of_the_twin():
    """Every counter counts: small, wrapping, and with the bits that name a purpose."""
    draw = np.random.default_rng(1)
    for key in rng.stream_keys(3, (1, 4), 20):
        counters = [0, 1, 2**62 - 1, 2**62, 2**63, 2**63 + 2**62, 2**64 - 1]
        counters += [int(c) for c in draw.integers(0, 2**64, 50, dtype=np.uint64)]
        for counter in counters:
            w = rng.word(key, np.uint64(counter))
            assert w == reference.word(key, counter)
            unsigned = np.uint64(w)
            assert rng.mix64(unsigned) == reference.mix64(w)
            assert rng.uniform24_of(unsigned) == reference.uniform24_of(w)
            assert rng.uniform53_of(unsigned) == reference.uniform53_of(w)
            for n in (1, 2, 7, 1000, 2**31 - 1):
                assert rng.site_of(unsigned, n) == reference.site_of(w, n)
    key = rng.stream_keys(5)[0]
    assert list(words(key, 10, 3)) == [reference.word(key, t) for t in (10, 11, 12)]


def test_purposes_do_not_share_counters():
    """Trials, second words and permutations draw from disjoint ranges of counters."""
    assert int(rng.SECOND_WORD) == reference.SECOND_WORD == 2**62
    assert int(rng.PERMUTATION) == reference.PERMUTATION == 2**63
    assert int(rng.TIE) == reference.TIE == 2**62 + 2**63
    assert int(rng.GOLDEN_GAMMA) == reference.GOLDEN_GAMMA


def test_extreme_words_give_uniforms_inside_the_interval():
    """Neither 0 nor 1 is possible, and sites stay below n."""
    for w in (np.uint64(0), np.uint64(2**64 - 1)):
        assert 0.0 < rng.uniform24_of(w) < 1.0
        assert 0.0 < rng.uniform53_of(w) < 1.0
        assert 0 <= rng.site_of(w, 5) < 5
    assert rng.uniform24_of(np.uint64(0)) == 2.0**-25
    assert rng.uniform53_of(np.uint64(0)) == 2.0**-54
    assert rng.uniform53_of(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53


def test_keys_are_those_of_the_seed_sequence():
    """Keys are a published function of (seed, path): the same on any machine."""
    keys = rng.stream_keys(12, (3, 1), 4)
    for i, (start, gamma) in enumerate(keys):
        node = np.random.SeedSequence(12, spawn_key=(3, 1, i))
        expected, raw = node.generate_state(2, np.uint64)
        assert start == expected
        assert gamma == rng.mix_gamma(int(raw))
    digest = hashlib.sha256(keys.astype("<u8").tobytes()).hexdigest()
    assert digest[:16] == "f9e8a3a18fc7ecc6"


def test_gammas_are_odd_and_irregular():
    """Steele, Lea and Flood (2014), section 3: at least 24 bits change sides.

    Too regular words come up 2 times in 100, so the remedy is exercised as well.
    """
    draw = np.random.default_rng(7).integers(0, 2**64, 20_000, dtype=np.uint64)
    gammas = [rng.mix_gamma(int(z)) for z in draw]
    assert all(gamma % 2 == 1 and 0 < gamma < 2**64 for gamma in gammas)
    assert min(map(transitions, gammas)) >= 24
    # Of 63 fair bits fewer than 24 come up with probability 0.0224; the remedy turns
    # them into more than 39.
    assert np.mean([transitions(gamma) > 40 for gamma in gammas]) > 0.02


def test_no_two_of_many_streams_begin_alike():
    """10**5 (point, replica) addresses: all first words and all gammas differ.

    Equal 64-bit words occur by chance with probability 3e-10.
    """
    keys = np.concatenate([rng.stream_keys(2024, (p,), 1000) for p in range(100)])
    first = words(keys.T, 0, 1)
    assert len(np.unique(first)) == len(keys) == 100_000
    assert len(np.unique(keys[:, 0])) == len(keys)
    assert len(np.unique(keys[:, 1])) == len(keys)
    assert (keys[:, 1] & np.uint64(1)).all()


def test_a_stream_does_not_depend_on_how_many_there_are():
    many = rng.stream_keys(8, (2,), 10)
    assert many.shape == (10, 2)
    assert many.dtype == np.uint64
    for n in (1, 3, 9):
        assert (rng.stream_keys(8, (2,), n) == many[:n]).all()


def test_neighbouring_seeds_and_paths_differ():
    keys = [
        tuple(rng.stream_keys(seed, path)[0])
        for seed in (0, 1, 2)
        for path in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("of", ["uniform24", "uniform53"])
def test_uniforms_are_uniform(of):
    """Mean, variance, law and lag-one correlation of 4 x 250000 uniforms.

    Each of 4 streams makes three tests at |z| < 4.5 and one at p > 1e-5: false-alarm
    rate 1e-4 for each form.
    """
    n = 250_000
    convert = {
        "uniform24": lambda w: (
            ((w & np.uint64(0xFFFFFF)).astype(float) + 0.5) / 2.0**24
        ),
        "uniform53": lambda w: ((w >> np.uint64(11)).astype(float) + 0.5) / 2.0**53,
    }[of]
    for key in rng.stream_keys(99, (), 4):
        u = convert(words(key, 0, n))
        d = u - 0.5
        assert u.min() > 0.0
        assert u.max() < 1.0
        assert abs(d.mean()) < 4.5 * math.sqrt(1 / 12 / n)
        assert abs(np.mean(d**2) - 1 / 12) < 4.5 * math.sqrt(1 / 180 / n)
        assert abs(np.mean(d[1:] * d[:-1])) < 4.5 / 12 / math.sqrt(n)
        assert kstest(u, "uniform").pvalue > 1e-5


@pytest.mark.parametrize("n_sites", [7, 10, 1000])
def test_sites_are_uniform_and_independent_of_the_uniform(n_sites):
    """Chi-square of sites, and of (site, quarter of the uniform); p > 1e-5 each."""
    w = words(rng.stream_keys(4, (n_sites,))[0], 0, 1_000_000)
    site = ((w >> np.uint64(32)) * np.uint64(n_sites) >> np.uint64(32)).astype(int)
    quarter = (w & np.uint64(0xFFFFFF)).astype(int) >> 22
    for cell, n_cells in ((site, n_sites), (4 * site + quarter, 4 * n_sites)):
        counts = np.bincount(cell, minlength=n_cells)
        assert len(counts) == n_cells
        expected = len(w) / n_cells
        statistic = ((counts - expected) ** 2).sum() / expected
        assert chi2.sf(statistic, n_cells - 1) > 1e-5


def test_words_of_different_streams_are_uncorrelated():
    """Chains side by side: correlation of uniforms of 200 streams, |z| < 5 for all.

    19900 pairs: false-alarm rate 1e-2.
    """
    n = 2000
    keys = rng.stream_keys(6, (), 200)
    u = np.array([words(key, 0, n) >> np.uint64(11) for key in keys]) / 2.0**53 - 0.5
    correlation = 12.0 * (u @ u.T) / math.sqrt(n)
    assert np.abs(correlation[np.triu_indices(200, 1)]).max() < 5.0


def test_generator_is_a_function_of_seed_and_path():
    a = rng.generator(5, (1, 2)).integers(0, 2**63, 10)
    assert (a == rng.generator(5, (1, 2)).integers(0, 2**63, 10)).all()
    assert (a != rng.generator(5, (1, 3)).integers(0, 2**63, 10)).any()
    assert (a != rng.generator(6, (1, 2)).integers(0, 2**63, 10)).any()


@pytest.mark.parametrize(
    ("arguments", "name", "error"),
    [
        ((-1,), "seed", ParameterError),
        ((1.0,), "seed", ParameterTypeError),
        ((True,), "seed", ParameterTypeError),
        ((None,), "seed", ParameterTypeError),
        (("1",), "seed", ParameterTypeError),
        ((0, (-1,)), "path", ParameterError),
        ((0, (0.5,)), "path", ParameterTypeError),
        ((0, "ab"), "path", ParameterTypeError),
    ],
)
def test_bad_seeds_are_refused_by_name(arguments, name, error):
    for function in (rng.seed_sequence, rng.generator, rng.stream_keys):
        with pytest.raises(error, match=name):
            function(*arguments)


@pytest.mark.parametrize(
    ("counter", "key", "known"),
    [
        ([0] * 4, [0] * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([2**32 - 1] * 4, [2**32 - 1] * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_second_opinion_has_its_known_answers(counter, key, known):
    """Philox4x32-10 against the vectors of Salmon, Moraes, Dror and Shaw (2011)."""
    got = reference.philox4x32(counter, key)
    assert " ".join(f"{int(w):08x}" for w in got) == known
