"""Vectors of 512 bits: one bit of each of 512 patterns, in a register.

The compiler has to prove that arrays do not overlap before it puts a loop over words
into vector registers, and asks at run time where it cannot, which for a few words
costs more than the loop. Vectors that are values of their own leave nothing to prove.
LLVM splits them where registers are shorter.

Arrays that hold vectors are (rows, 8) uint64, contiguous; a vector is a row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from statmech.jit import kernel

WORDS = 8
BITS = 64 * WORDS

_WORD = ir.IntType(64)
_KIND = ir.VectorType(_WORD, WORDS)


class Bits(types.Type):
    """The type of a vector inside a kernel."""

    def __init__(self) -> None:
        super().__init__(name="Bits512")


bits = Bits()


@register_model(Bits)
class _BitsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _KIND)


def _row(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Pointer to a row of a contiguous array."""
    made = context.make_array(kind)(context, builder, array)
    start = builder.bitcast(made.data, _KIND.as_pointer())
    return builder.gep(start, [row])


def _call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, arguments)


def _load(typing_context: Any, array: Any, row: Any) -> Any:
    """array[row] as a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _row(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=8)

    return bits(array, types.int64), generate


def _store(typing_context: Any, array: Any, row: Any, a: Any) -> Any:
    """array[row] = a."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _row(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, bits), generate


def _both(typing_context: Any, a: Any, b: Any) -> Any:
    """a and b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.and_(*arguments)

    return bits(bits, bits), generate


def _either(typing_context: Any, a: Any, b: Any) -> Any:
    """a or b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.or_(*arguments)

    return bits(bits, bits), generate


def _differ(typing_context: Any, a: Any, b: Any) -> Any:
    """a xor b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.xor(*arguments)

    return bits(bits, bits), generate


def _without(typing_context: Any, a: Any, b: Any) -> Any:
    """a and not b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.and_(arguments[0], builder.not_(arguments[1]))

    return bits(bits, bits), generate


def _repeat(typing_context: Any, word: Any) -> Any:
    """A vector of eight equal words."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = builder.insert_element(
            ir.Constant(_KIND, ir.Undefined), arguments[0], ir.IntType(32)(0)
        )
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS)
        return builder.shuffle_vector(one, ir.Constant(_KIND, ir.Undefined), lanes)

    return bits(types.int64), generate


def _counts(typing_context: Any, a: Any) -> Any:
    """How many bits are set in each word, as a vector of eight numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "llvm.ctpop.v8i64", _KIND, [arguments[0]])

    return bits(bits), generate


def _plus(typing_context: Any, a: Any, b: Any) -> Any:
    """Sums of eight numbers each."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.add(*arguments)

    return bits(bits, bits), generate


def _total(typing_context: Any, a: Any) -> Any:
    """The sum of eight numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, "llvm.vector.reduce.add.v8i64", _WORD, [arguments[0]])

    return types.int64(bits), generate


def _some(typing_context: Any, a: Any) -> Any:
    """Whether any bit is set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_KIND, [0] * WORDS)
        lanes = builder.icmp_unsigned("!=", arguments[0], nothing)
        packed = builder.bitcast(lanes, ir.IntType(WORDS))
        return builder.icmp_unsigned("!=", packed, ir.IntType(WORDS)(0))

    return types.boolean(bits), generate


def _python_store(array: Any, row: Any, a: Any) -> None:
    array[row] = a


def _python_counts(a: Any) -> Any:
    return np.array([int(word).bit_count() for word in a], dtype=np.uint64)


# The same for kernels that run as plain Python: a vector is an array (8,).
_IN_PYTHON: dict[Any, Callable[..., Any]] = {
    _load: lambda array, row: array[row].copy(),
    _store: _python_store,
    _both: lambda a, b: a & b,
    _either: lambda a, b: a | b,
    _differ: lambda a, b: a ^ b,
    _without: lambda a, b: a & ~b,
    _repeat: lambda word: np.full(WORDS, word, dtype=np.int64).view(np.uint64),
    _counts: _python_counts,
    _plus: lambda a, b: a + b,
    _total: lambda a: int(a.sum()),
    _some: lambda a: bool(a.any()),
}


def _made(function: Any) -> Any:
    if getattr(numba.config, "DISABLE_JIT", 0):
        return _IN_PYTHON[function]
    return intrinsic(function)


load, store = _made(_load), _made(_store)
both, either, differ, without = map(_made, (_both, _either, _differ, _without))
repeat, counts, some = map(_made, (_repeat, _counts, _some))
plus, total = map(_made, (_plus, _total))


@kernel
def count_bits(array, first, last):
    """How many bits are set in rows `first` to `last` - 1."""
    sums = repeat(0)
    for row in range(first, last):
        sums = plus(sums, counts(load(array, row)))
    return total(sums)


def vectors(n_rows: int) -> Any:
    """(n_rows, 8) zeros, each row on one line of the cache: else two are read."""
    room = np.zeros(WORDS * n_rows + WORDS, dtype=np.uint64)
    first = -room.ctypes.data % 64 // 8
    return room[first : first + WORDS * n_rows].reshape(n_rows, WORDS)
