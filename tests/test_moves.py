"""Sites and cuts against their definitions, and the same bits however they are drawn.

A cut is a logarithm of our own. It is compared with mpmath, and a cut drawn in a block,
by itself, in a lane, or from a word by hand has to be the same number.
"""

import math

import mpmath
import numpy as np
import pytest
import reference

from statmech.chains import DYNAMICS, SCANS
from statmech.kernels import lanes
from statmech.kernels.layout import Rules
from statmech.kernels.moves import (
    BLOCK,
    COARSE,
    accepts,
    block_of,
    coarse_log_ratio,
    draw_cuts,
    draw_sites,
    half_temperature,
    log_ratio,
    permute,
)
from statmech.rng import stream_keys

HEAT_BATH, METROPOLIS = map(DYNAMICS.index, ("heat-bath", "metropolis"))
RANDOM, PERMUTED = map(SCANS.index, ("random", "permutation"))
UNIT = 2.0**-53  # a rounding, relative
BETAS = (0.3, 1.0, 17.0)

# Of log(a / b) = e log 2 + t, t = 2 artanh(y): y = (a - b)/(a + b) has an exact
# numerator and two roundings; the rest of the series, below 0.011 of t, has less than
# ten; the cut of the series is below 0.2 of a unit. One more sum gives t, another one
# the result, which is larger than |t| if e is not 0.
LOG_ERROR = (2.0 + 0.11 + 0.2 + 1.0 + 1.0) * UNIT


def uniforms(key, clock, wide=False):
    """u of one trial, from its word."""
    if wide:
        return reference.uniform53_of(
            reference.word(key, reference.SECOND_WORD + clock)
        )
    return reference.uniform24_of(reference.word(key, clock))


def cuts_of(rules, beta, key, clock, count):
    cuts = np.empty(count)
    draw_cuts(rules, beta, key, clock, cuts)
    return cuts


def by_hand(dynamics, beta, u):
    """The cut, from the scalar logarithm."""
    if dynamics == HEAT_BATH:
        return half_temperature(beta) * log_ratio(1.0 - u, u)
    return half_temperature(beta) * log_ratio(1.0, u)


# The logarithm ---------------------------------------------------------------------


def pairs():
    """(a, b): over 106 powers of two, next to one, and as the dynamics ask for them."""
    draw = np.random.default_rng(3)
    a, b = 2.0 ** draw.uniform(-53.0, 53.0, (2, 50_000))
    yield from zip(a.tolist(), b.tolist(), strict=True)
    # Of similar size: the logarithm is small, and its relative error the question.
    near = 1.0 + 2.0 ** draw.uniform(-52.0, 0.0, 20_000) * draw.choice([-0.5, 1.0])
    scale = 2.0 ** draw.integers(-50, 50, near.size)
    yield from zip((near * scale).tolist(), scale.tolist(), strict=True)
    # About the factor sqrt(2), where the mantissas are brought together, or are not.
    root = math.sqrt(2.0) * (1.0 + draw.uniform(-1e-14, 1e-14, 1000))
    for x in root.tolist():
        yield from ((x, 1.0), (1.0, x), (2.0, x), (x, 2.0))
    for u in (draw.integers(0, 2**24, 15_000) + 0.5) / 2.0**24:
        yield from ((1.0 - u, u), (1.0, u))
    for k in range(1, 1075):
        if k < 1022:
            yield from ((1.0, 2.0**-k), (2.0**-k, 1.0))
    for power in (2.0**-53, 2.0**53):
        yield from ((power, 1.0 - UNIT), (1.0 - UNIT, power), (power, power))


def test_logarithm_of_a_ratio():
    """More than 10**5 pairs: 4.3 units of 2**-53, relative, 0 where a = b."""
    worst, count = 0.0, 0
    with mpmath.workdps(40):
        for a, b in pairs():
            exact = mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))
            got = log_ratio(a, b)
            count += 1
            if a == b:
                assert got == 0.0
            else:
                worst = max(worst, abs(float((got - exact) / exact)))
    assert count > 100_000
    assert worst <= LOG_ERROR, worst / UNIT


def test_logarithm_is_odd_and_free_of_scale():
    """log(a/b) = -log(b/a), and powers of two common to both change no bit."""
    draw = np.random.default_rng(4)
    for a, b in 2.0 ** draw.uniform(-3.0, 3.0, (2000, 2)):
        x = log_ratio(a, b)
        assert log_ratio(b, a) == -x
        assert log_ratio(2.0**40 * a, 2.0**40 * b) == x


# Cuts ------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", [HEAT_BATH, METROPOLIS])
@pytest.mark.parametrize("wide", [False, True])
def test_cuts_are_the_thresholds_of_the_acceptance(dynamics, wide):
    """An alignment next below the cut is accepted, the cut itself is not."""
    (key,) = stream_keys(5, (), 1)
    rules = Rules(dynamics, RANDOM, wide)
    for beta in BETAS:
        cuts = cuts_of(rules, beta, key, 700, 200)
        for j, cut in enumerate(cuts):
            u = uniforms(key, 700 + j, wide)
            assert accepts(dynamics, beta, np.nextafter(cut, -math.inf), u)
            assert not accepts(dynamics, beta, cut, u)


@pytest.mark.parametrize("dynamics", [HEAT_BATH, METROPOLIS])
def test_a_cut_is_the_same_number_however_it_is_drawn(dynamics):
    """Bit for bit: 2048 uniforms of 64 chains, in blocks, alone, in lanes, by hand."""
    keys = stream_keys(6, (), lanes.LANES)
    rules = Rules(dynamics, RANDOM, False)
    clock = 10**9
    betas = np.geomspace(0.05, 40.0, lanes.LANES)
    half_t = np.array([half_temperature(beta) for beta in betas])
    blocks = np.array(
        [
            cuts_of(rules, beta, key, clock, BLOCK)
            for beta, key in zip(betas, keys, strict=True)
        ]
    )
    seeds, gammas = keys.T.copy()
    for trial in (*range(16), *range(200, 208), *range(BLOCK - 8, BLOCK)):
        together = np.empty(lanes.LANES)
        now = np.uint64(clock + trial)
        lanes.lane_cuts(dynamics, seeds, gammas, half_t, now, together)
        assert (together == blocks[:, trial]).all()
        for r, key in enumerate(keys):
            (alone,) = cuts_of(rules, betas[r], key, clock + trial, 1)
            u = uniforms(key, clock + trial)
            assert alone == by_hand(dynamics, betas[r], u) == together[r]


def test_coarse_logarithm():
    """Of any two of the 2**24 uniforms u and 1 - u, at the ends, in the middle, amid.

    Off by at most `COARSE`, with the rounding of the arguments to 24 bits included.
    """
    draw = np.random.default_rng(5)
    ends, half = np.arange(4000), 2**23
    parts = (
        ends,
        2**24 - 1 - ends,
        half - 2000 + ends,
        draw.integers(0, 2**24, 20_000),
    )
    k = np.unique(np.concatenate([*parts, 2 ** np.arange(24)]))
    u, rest = (k + 0.5).tolist(), (2**24 - 1 - k + 0.5).tolist()
    worst = 0.0
    for a, b in zip(u, rest, strict=True):
        u32, rest32 = np.float32(a), np.float32(b)
        exact = math.log(b / a), math.log(2.0**24 / a)
        found = (
            coarse_log_ratio(rest32, u32),
            coarse_log_ratio(np.float32(2.0**24), u32),
        )
        worst = max(worst, abs(found[0] - exact[0]), abs(found[1] - exact[1]))
    assert 1e-7 < worst < COARSE, worst


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 511])
def test_cuts_do_not_depend_on_the_length_of_the_block(count):
    """What is left over by the SIMD lanes is the same number too; any beginning."""
    (key,) = stream_keys(7, (), 1)
    for dynamics, wide in ((0, False), (1, False), (0, True), (1, True)):
        rules = Rules(dynamics, RANDOM, wide)
        whole = cuts_of(rules, 0.7, key, 0, BLOCK)
        for first in (0, 1, 7, BLOCK - count):
            part = cuts_of(rules, 0.7, key, first, min(count, BLOCK - first))
            assert (part == whole[first : first + part.size]).all()


def test_special_lanes_are_single_chains():
    """T = 0 with ties, T = inf and 53 bits, lane after lane."""
    keys = stream_keys(8, (), 5)
    betas = np.array([0.0, 0.4, 3.0, math.inf, math.inf])
    for dynamics, wide in ((0, False), (1, True)):
        rules = Rules(dynamics, RANDOM, wide, True)
        for trial in range(50):
            cuts = np.empty(lanes.LANES)
            lanes.lane_special_cuts(rules, betas, keys, trial, cuts)
            for r in range(5):
                assert cuts[r] == cuts_of(rules, betas[r], keys[r], trial, 1)[0]


def test_wide_uniforms_come_from_the_second_word():
    (key,) = stream_keys(9, (), 1)
    for dynamics in (HEAT_BATH, METROPOLIS):
        cuts = cuts_of(Rules(dynamics, RANDOM, True), 0.9, key, 40, 300)
        wanted = [
            by_hand(dynamics, 0.9, uniforms(key, 40 + j, True)) for j in range(300)
        ]
        assert cuts.tolist() == wanted


@pytest.mark.parametrize("wide", [False, True])
def test_at_zero_temperature_only_the_sign_counts(wide):
    """Cut 0: x < 0 turns. With ties the coin lets x = 0 turn as well, but no x > 0."""
    (key,) = stream_keys(10, (), 1)
    for dynamics in (HEAT_BATH, METROPOLIS):
        keep = cuts_of(Rules(dynamics, RANDOM, wide), math.inf, key, 90, 400)
        assert (keep == 0.0).all()
        ties = cuts_of(Rules(dynamics, RANDOM, wide, True), math.inf, key, 90, 400)
        coins = [reference.word(key, reference.TIE + 90 + j) >> 63 for j in range(400)]
        assert 0 < sum(coins) < 400
        assert ((ties > 0.0) == np.array(coins, dtype=bool)).all()
        assert set(ties.tolist()) == {0.0, 5e-324}  # no alignment in between


@pytest.mark.parametrize("wide", [False, True])
def test_at_infinite_temperature_the_energy_does_not_count(wide):
    """Heat bath turns every spin half of the time; Metropolis turns every spin."""
    (key,) = stream_keys(11, (), 1)
    heat = cuts_of(Rules(HEAT_BATH, RANDOM, wide), 0.0, key, 5, 400)
    u = np.array([uniforms(key, 5 + j, wide) for j in range(400)])
    assert (heat == np.where(u < 0.5, math.inf, -math.inf)).all()
    metropolis = cuts_of(Rules(METROPOLIS, RANDOM, wide), 0.0, key, 5, 400)
    assert (metropolis == math.inf).all()


@pytest.mark.parametrize("beta", [5e-324, 1e-300, 1e300, 1.7976931348623157e308])
def test_extreme_temperatures_give_no_nan(beta):
    (key,) = stream_keys(12, (), 1)
    for dynamics in (HEAT_BATH, METROPOLIS):
        cuts = cuts_of(Rules(dynamics, RANDOM, False), beta, key, 0, 500)
        assert not np.isnan(cuts).any()
        u = np.array([uniforms(key, j) for j in range(500)])
        assert ((cuts >= 0.0) == ((u < 0.5) | (dynamics == METROPOLIS))).all()


# Sites -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 10, 511, 512, 513, 700, 2**20])
def test_sites_are_those_of_their_words(n):
    """In range, from the high half of the word; in order; or as the twin shuffles."""
    (key,) = stream_keys(13, (), 1)
    count = min(n, BLOCK)
    sites = np.empty(count, dtype=np.int32)
    clock, first = 10**12, n - count
    draw_sites(RANDOM, key, clock, first, n, sites)
    words = [reference.word(key, clock + first + j) for j in range(count)]
    assert sites.tolist() == [reference.site_of(w, n) for w in words]
    assert sites.min() >= 0
    assert sites.max() < n
    draw_sites(SCANS.index("sequential"), key, clock, first, n, sites)
    assert sites.tolist() == list(range(first, n))
    if n > 1000:
        return
    whole = np.empty(n, dtype=np.int32)
    permute(whole, clock, key)
    assert whole.tolist() == shuffled(n, key, clock)


def shuffled(n, key, clock):
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = reference.site_of(
            reference.word(key, reference.PERMUTATION + clock + i), i + 1
        )
        order[i], order[j] = order[j], order[i]
    return order


def test_blocks_make_up_a_sweep():
    """N = 1300, blocks of 512, 512 and 276, in every order of the sites."""
    n, clock = 1300, 2600
    (key,) = stream_keys(14, (), 1)
    words = [reference.word(key, clock + j) for j in range(n)]
    wanted = {
        "random": [reference.site_of(w, n) for w in words],
        "permutation": shuffled(n, key, clock),
        "sequential": list(range(n)),
    }
    for scan in SCANS:
        code = SCANS.index(scan)
        sites, found = np.empty(n, dtype=np.int32), []
        if code == PERMUTED:
            permute(sites, clock, key)
        while len(found) < n:
            block = block_of(code, key, clock, len(found), n, sites)
            assert block.size == min(BLOCK, n - len(found))
            found += block.tolist()
        assert found == wanted[scan]
