"""What one core of this machine can do, by loops that do nothing else.

    python -m benchmarks.probes

Plain Numba: LLVM vectorises the loops as it does those of a kernel, and fused
multiply-adds are allowed (`contract`), nothing else. The numbers are what this reached,
a few per cent to a factor of two below what hand-written vector code reaches on a quiet
machine; `python -m benchmarks.probes` prints them beside such figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numba import njit

from statmech.kernels import bits
from statmech.rng import mix64, site_of, uniform24_of, word

ROUNDS = 5
SECONDS = 0.01
KIB = 1024


@dataclass(frozen=True)
class Limits:
    """Rates of one core, in units of 1e9 a second.

    Four are single trials and say what a trial costs that does nothing but draw its
    numbers: a scalar one whose load hits the first-level cache, one whose load hits the
    second, one lane of many that draw at once, and a scalar one whose numbers were
    drawn many at a time. The last two are of bits, 512 in a vector.
    """

    multiply_adds_f32: float
    multiply_adds_i16: float
    l1_bytes: float
    l2_bytes: float
    l3_bytes: float
    dram_bytes: float
    trials_l1: float
    trials_l2: float
    trials_lane: float
    trials_ahead: float
    common_bytes: float
    digits: float

    @property
    def multiply_adds(self) -> float:
        """The faster of the two kinds: integers of 16 bits hold most overlaps."""
        return max(self.multiply_adds_f32, self.multiply_adds_i16)


TEXT = {
    "multiply_adds_f32": "fused multiply-adds, float32, in registers (G/s)",
    "multiply_adds_i16": "multiply-adds, int16 to int32, operands in L1 (G/s)",
    "l1_bytes": "read 24 KiB (GB/s)",
    "l2_bytes": "read 512 KiB (GB/s)",
    "l3_bytes": "read 8 MiB (GB/s)",
    "dram_bytes": "read 256 MiB (GB/s)",
    "trials_l1": "trials that are rejected, field of 16 KB (G/s)",
    "trials_l2": "trials that are rejected, rows of 1 MB (G/s)",
    "trials_lane": "noise and exponential of one lane in many (G/s)",
    "trials_ahead": "trials that are rejected, numbers drawn ahead (G/s)",
    "common_bytes": "bits that two rows share, counted in L1 (GB/s)",
    "digits": "binary digit of 512 counters that change by 1 (G/s)",
}
# gcc 12, intrinsics, one core of a quiet AMD EPYC (Zen 5, AVX-512) at 4 GHz.
STATED = {
    "multiply_adds_f32": 123.0,
    "multiply_adds_i16": 241.0,
    "l1_bytes": 518.0,
    "l2_bytes": 190.0,
    "l3_bytes": 100.0,
    "dram_bytes": 41.0,
    "trials_l1": 0.23,
}


@njit(error_model="numpy", fastmath={"contract"})
def _multiply_add(x, a, b, n_rounds):
    """12 dependent multiply-adds of every entry; entries are independent."""
    for _ in range(n_rounds):
        for i in range(x.size):
            v = x[i]
            for _step in range(12):
                v = v * a + b
            x[i] = v


@njit(error_model="numpy")
def _dot16(a, b, n_rounds):
    """Products of int16 summed in int32, as the field of an overlap kernel."""
    total = np.int32(0)
    for _ in range(n_rounds):
        part = np.int32(0)
        for i in range(a.size):
            part = np.int32(part + np.int32(np.int32(a[i]) * np.int32(b[i])))
        total = np.int32(total ^ part)
        # So that no round may be left out.
        a[0] = np.int16(total & np.int32(1))
    return total


@njit(error_model="numpy")
def _read(x, n_rounds):
    """Sum of integers: one load and one addition each."""
    total = np.int64(0)
    for _ in range(n_rounds):
        part = np.int64(0)
        for i in range(x.size):
            part += x[i]
        total ^= part
        x[0] = total & 1
    return total


@njit(error_model="numpy")
def _reject(field, key, n_trials):
    """Trials of one chain: a word, its site and uniform, a load, a comparison."""
    accepted = 0
    for t in range(n_trials):
        w = word(key, t)
        i = site_of(w, field.size)
        if uniform24_of(w) * field[i] > 1.0:
            field[i] = -field[i]
            accepted += 1
    return accepted


@njit(error_model="numpy", fastmath={"contract"})
def _lanes(starts, steps, field, n_trials, accepted):
    """Trials of all lanes: a word, its uniform, a polynomial in place of exp."""
    one, unit = np.float32(1.0), np.float32(2.0**-24)
    for t in range(n_trials):
        for lane in range(field.size):
            w = mix64(starts[lane] + np.uint64(t) * steps[lane])
            u = np.float32(np.int32(w & np.uint64(0xFFFFFF))) * unit
            x = field[lane]
            e = one
            for _degree in range(5):
                e = e * x + one
            if u * (one + e) < one:
                accepted[lane] += np.int32(1)


@njit(error_model="numpy")
def _ahead(cost, key, thresholds, sites, noise, n_blocks):
    """Trials of one chain: numbers of a block, then two loads and a comparison each."""
    accepted = 0
    for block in range(n_blocks):
        for j in range(sites.size):
            w = word(key, block * sites.size + j)
            sites[j] = site_of(w, cost.size)
            noise[j] = np.int64(w & np.uint64(0xFFFFFF))
        for j in range(sites.size):
            i = np.uint64(sites[j])
            if noise[j] < thresholds[np.uint64(cost[i])]:
                cost[i] = np.int8(1)
                accepted += 1
    return accepted


@njit(error_model="numpy")
def _share(rows, mask, n_rounds):
    """Bits that each row shares with a mask, counted."""
    most = np.int64(0)
    for _ in range(n_rounds):
        counted = bits.repeat(0)
        for row in range(rows.shape[0]):
            common = bits.both(bits.load(rows, row), bits.load(mask, row & 1))
            counted = bits.plus(counted, bits.counts(common))
        most |= bits.total(counted)
        # So that no round may be left out.
        bits.store(rows, 0, bits.repeat(most))
    return most


@njit(error_model="numpy")
def _count_up(digits, carries, n_rounds):
    """Six digits of 512 counters, carries included, many vectors one after another."""
    for _ in range(n_rounds):
        for first in range(0, digits.shape[0], 6):
            carry = bits.load(carries, first & 1)
            for k in range(6):
                digit = bits.load(digits, first + k)
                bits.store(digits, first + k, bits.differ(digit, carry))
                carry = bits.both(digit, carry)


def _ones(size: int, dtype: Any) -> Any:
    """On a cache line: a vector that lies on two of them is read twice."""
    room = np.ones(size + 64, dtype=dtype)
    first = -room.ctypes.data % 64 // room.itemsize
    return room[first : first + size]


def _rate(run: Callable[[int], Any], work: float) -> float:
    """Best rate of `work` a round, in 1e9 a second."""
    run(1)
    n = 1
    while True:
        begin = time.perf_counter()
        run(n)
        elapsed = time.perf_counter() - begin
        if elapsed > SECONDS:
            break
        n *= 4
    # The best: what the machine can do, when its neighbours let it.
    for _ in range(ROUNDS - 1):
        begin = time.perf_counter()
        run(n)
        elapsed = min(elapsed, time.perf_counter() - begin)
    return n * work / elapsed / 1e9


def measure() -> Limits:
    """All probes on one core, in about a second once they are compiled."""
    x = _ones(2048, np.float32)
    a, b = np.float32(0.5), np.float32(0.25)
    shorts = _ones(2 * 2048, np.int16).reshape(2, 2048)
    blocks = {
        name: _ones(size * KIB // 8, np.int64)
        for name, size in (
            ("l1_bytes", 24),
            ("l2_bytes", 512),
            ("l3_bytes", 8 * KIB),
            ("dram_bytes", 256 * KIB),
        )
    }
    reads = {
        name: _rate(lambda n, block=block: _read(block, n), block.nbytes)
        for name, block in blocks.items()
    }
    key = np.array([1, 0x9E3779B97F4A7C15], dtype=np.uint64)
    near, far = np.zeros(4000, dtype=np.float32), np.zeros(250_000, dtype=np.float32)
    starts = np.arange(128, dtype=np.uint64) << np.uint64(40)
    steps = np.full(128, key[1])
    field = np.full(128, 0.3, dtype=np.float32)
    accepted = np.zeros(128, dtype=np.int32)
    cost, thresholds = np.zeros(1001, dtype=np.int8), np.zeros(2, dtype=np.int64)
    sites, noise = np.empty(512, dtype=np.int32), np.empty(512, dtype=np.int64)
    vectors = bits.vectors(120), bits.vectors(2)
    return Limits(
        multiply_adds_f32=_rate(lambda n: _multiply_add(x, a, b, n), 12 * x.size),
        multiply_adds_i16=_rate(lambda n: _dot16(*shorts, n), shorts.shape[1]),
        **reads,
        trials_l1=_rate(lambda n: _reject(near, key, 1000 * n), 1000),
        trials_l2=_rate(lambda n: _reject(far, key, 1000 * n), 1000),
        trials_lane=_rate(lambda n: _lanes(starts, steps, field, n, accepted), 128),
        trials_ahead=_rate(
            lambda n: _ahead(cost, key, thresholds, sites, noise, n), sites.size
        ),
        common_bytes=_rate(lambda n: _share(*vectors, n), vectors[0].nbytes),
        digits=_rate(lambda n: _count_up(*vectors, n), len(vectors[0])),
    )


def best(measured: list[Limits]) -> Limits:
    """The largest of every rate."""
    names = [field.name for field in fields(Limits)]
    return Limits(**{name: max(getattr(m, name) for m in measured) for name in names})


def markdown(limits: Limits) -> str:
    """A table of the rates beside the stated ones."""
    lines = ["| one core | measured | hand-written, quiet |", "|---|---|---|"]
    for name, rate in asdict(limits).items():
        stated = f"{STATED[name]:.3g}" if name in STATED else "-"
        lines.append(f"| {TEXT[name]} | {rate:.3g} | {stated} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown(measure()))
