"""Many bytes at a time: LLVM's vectors, for which numba has no words.

LLVM makes of them what the processor has (AVX-512, AVX2, SSE, NEON). What is read goes beyond
`at`: `VIEW` bytes for masks, `LANES` bytes for `weighed`; that so many are there is the caller's
part.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.np.arrayobj import make_array

from runner.kernels.jit import generated, inlined

VIEW, LANES = 64, 8
STEP = 0x9E3779B97F4A7C15
"""That of the hash functions in `minhash.plan` and `substring.alphabet`."""
BIT, BYTE, WORD = ir.IntType(1), ir.IntType(8), ir.IntType(64)
POWERS = [pow(STEP, position, 1 << 64) for position in range(LANES)]
ONE, AFTER = np.uint64(1), np.uint64(pow(STEP, LANES, 1 << 64))


def masks(*kinds: Iterable[int]) -> Any:
    """A function for compiled code: of the 64 bytes from `at`, 64 bits for each of the kinds of
    bytes, the first byte's lowest."""
    ranges = [_ranges(kind) for kind in kinds]

    def look(typing: Any, data: Any, at: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            seen = _load(context, builder, signature.args[0], args[0], args[1], VIEW)
            found = [builder.bitcast(_inside(builder, seen, each), WORD) for each in ranges]
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(types.uint64, len(ranges))(data, types.int64), generate

    return generated(look)


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
        # One is added to each byte so that zero bytes count: "a" and "a\0" would have equal sums.
        # Eight bytes times eight powers is one multiplication of a 512-bit vector; lanes beyond
        # `count` add 0.
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


@inlined
def noted(bits: Any, base: int, places: Any, count: Any) -> Any:
    """Write down the places of the bits, eight at a time: rather some too many than a guess. The
    number of places after that; `places` has room for 72 more than there were."""
    # A loop "while bits" would end at a place that cannot be foreseen, and the processor would
    # guess wrong about once a view. Eight places are always written; those beyond `more` are
    # garbage that the next call overwrites (of 0 the lowest bit is 64, which is harmless).
    more = counted(bits)
    for low in range(0, max(more, 1), 8):
        for at in range(8):
            places[count + low + at] = base + lowest(bits)
            # x & (x - 1) clears the lowest bit that is set (Wegner 1960).
            bits &= bits - ONE
    return count + more


@inlined
def hashed(data: Any, begins: Any, ends: Any, count: Any, hashes: Any, long: Any) -> Any:
    """The sum of (byte + 1) * STEP^position of each token: its first bytes, then the next ones of
    those that have some, and so on. `long` is for the numbers of these."""
    more = 0
    for token in range(count):
        length = ends[token] - begins[token]
        hashes[token] = weighed(data, begins[token], min(length, LANES))
        long[more] = token
        more += length > LANES
    # STEP^(8k + i) = (STEP^8)^k * STEP^i, so what `weighed` gives for bytes 8k to 8k + 7 is only to
    # be multiplied by (STEP^8)^k. Most words end within eight bytes: the second round is over few.
    power, done = ONE, np.int64(0)
    while more:
        power *= AFTER
        done += LANES
        rest, more = more, 0
        for at in range(rest):
            token = long[at]
            place = begins[token] + done
            length = ends[token] - place
            hashes[token] += power * weighed(data, place, min(length, LANES))
            long[more] = token
            more += length > LANES


def _inside(builder: Any, seen: Any, ranges: list[tuple[int, int]]) -> Any:
    """Which bytes are in any of the ranges."""
    found = ir.Constant(ir.VectorType(BIT, VIEW), None)
    for low, high in ranges:
        # low <= x <= high is one comparison: x - low wraps round to a large number where x < low.
        moved = builder.sub(seen, _all(BYTE, VIEW, low))
        inside = builder.icmp_unsigned("<=", moved, _all(BYTE, VIEW, high - low))
        found = builder.or_(found, inside)
    return found


def _load(context: Any, builder: Any, kind: Any, array: Any, at: Any, count: int) -> Any:
    start = builder.gep(make_array(kind)(context, builder, array).data, [at])
    # Texts begin anywhere, so nothing may be assumed about the address (align 1 below).
    vector = builder.bitcast(start, ir.VectorType(BYTE, count).as_pointer())
    return builder.load(vector, align=1)


def _all(kind: Any, count: int, value: int) -> Any:
    return ir.Constant(ir.VectorType(kind, count), [value] * count)


def _ranges(values: Iterable[int]) -> list[tuple[int, int]]:
    """Runs of consecutive values, as first and last."""
    found: list[tuple[int, int]] = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1] = (found[-1][0], value)
        else:
            found.append((value, value))
    return found
