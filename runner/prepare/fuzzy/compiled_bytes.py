"""Many bytes at a time: LLVM's vectors, for which numba has no words.

LLVM makes of them what the processor has (AVX-512, AVX2, SSE, NEON). Every function reads beyond
`at`: `VIEW` bytes `look`, `LANES` bytes `weighed`; that so many are there is the caller's part.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.np.arrayobj import make_array

from runner.prepare.fuzzy import hashing
from runner.prepare.machine import generated

VIEW, LANES = 64, 8
BIT, BYTE, WORD = ir.IntType(1), ir.IntType(8), ir.IntType(64)
POWERS = [pow(hashing.STEP, position, 1 << 64) for position in range(LANES)]
BLANK_LEADS = sorted({char.encode()[0] for char in "\x85\u1680\u2000\u3000"})
"""What the first byte of a blank beyond ASCII can be."""


@generated
def look(typing: Any, data: Any, at: Any) -> Any:
    """Of 64 bytes, a bit each, the first lowest: is it a blank of ASCII, is it beyond ASCII, may
    it begin a blank beyond ASCII."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        seen = _load(context, builder, signature.args[0], args[0], args[1], VIEW)
        blank = wide = lead = ir.Constant(ir.VectorType(BIT, VIEW), None)
        for low, high in _ranges(hashing.ASCII_BLANKS):
            moved = builder.sub(seen, _all(BYTE, VIEW, low))
            inside = builder.icmp_unsigned("<=", moved, _all(BYTE, VIEW, high - low))
            blank = builder.or_(blank, inside)
        wide = builder.icmp_unsigned(">=", seen, _all(BYTE, VIEW, 128))
        for first in BLANK_LEADS:
            lead = builder.or_(lead, builder.icmp_unsigned("==", seen, _all(BYTE, VIEW, first)))
        found = [builder.bitcast(bits, WORD) for bits in (blank, wide, lead)]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.uint64, 3)(data, types.int64), generate


@generated
def weighed(typing: Any, data: Any, at: Any, count: Any) -> Any:
    """The sum of (byte + 1) * STEP^position over `count` bytes, at most `LANES`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        seen = _load(context, builder, signature.args[0], args[0], args[1], LANES)
        lanes = ir.VectorType(WORD, LANES)
        none = ir.Constant(ir.VectorType(BYTE, LANES), ir.Undefined)
        count = builder.insert_element(none, builder.trunc(args[2], BYTE), ir.IntType(32)(0))
        count = builder.shuffle_vector(count, none, _all(ir.IntType(32), LANES, 0))
        position = ir.Constant(ir.VectorType(BYTE, LANES), list(range(LANES)))
        within = builder.icmp_unsigned("<", position, count)
        value = builder.add(builder.zext(seen, lanes), _all(WORD, LANES, 1))
        value = builder.mul(value, ir.Constant(lanes, POWERS))
        value = builder.select(within, value, _all(WORD, LANES, 0))
        name, kind = f"llvm.vector.reduce.add.v{LANES}i64", ir.FunctionType(WORD, [lanes])
        total = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(total, [value])

    return types.uint64(data, types.int64, types.int64), generate


@generated
def lowest(typing: Any, bits: Any) -> Any:
    """Position of the lowest bit that is set; 64 when none is."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], BIT(0))

    return types.int64(types.uint64), generate


@generated
def counted(typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


def _load(context: Any, builder: Any, kind: Any, array: Any, at: Any, count: int) -> Any:
    start = builder.gep(make_array(kind)(context, builder, array).data, [at])
    vector = builder.bitcast(start, ir.VectorType(BYTE, count).as_pointer())
    return builder.load(vector, align=1)


def _all(kind: Any, count: int, value: int) -> Any:
    return ir.Constant(ir.VectorType(kind, count), [value] * count)


def _ranges(values: bytes) -> list[tuple[int, int]]:
    """Runs of consecutive values, as first and last."""
    found: list[tuple[int, int]] = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found
