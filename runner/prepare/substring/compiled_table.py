"""Open tables of hashes as machine code, and the sieve that stands before a large one.

A hash has its lowest bit set: 0 is a free slot.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from runner.prepare.machine import inlined, machine

ONE, TWO, SIXTY_THREE = map(np.uint64, (1, 2, 63))
SPARE = 8
"""Slots of a table for a word of its sieve."""
HASHES = numba.uint64[::1]
WHOLE = numba.int64[::1]


@inlined
def slot_of(table: Any, key: Any) -> Any:
    """Where the key stands in an open table, or the free slot (0) where it would."""
    mask = np.uint64(len(table) - 1)
    at = (key >> TWO) & mask
    while table[at] != 0 and table[at] != key:
        at = (at + ONE) & mask
    return at


@inlined
def two_bits(key: Any) -> Any:
    """The bits of a hash within its word of the sieve."""
    return ONE << ((key >> np.uint64(40)) & SIXTY_THREE) | ONE << (key >> np.uint64(58))


@machine(numba.void(HASHES, HASHES))
def fill_sieve(table: Any, bits: Any) -> None:
    mask = np.uint64(len(bits) - 1)
    for key in table:
        if key != 0:
            bits[(key >> TWO) & mask] |= two_bits(key)


def sieve(table: Any) -> Any:
    """Two bits in a word for every hash of the table, so that most of the others (99 of 100) need
    not be looked up (a blocked Bloom filter, Putze et al. 2007)."""
    bits = np.zeros(max(1, len(table) // SPARE), np.uint64)
    fill_sieve(table, bits)
    return bits


@inlined
def passes(bits: Any, key: Any) -> Any:
    asked = two_bits(key)
    return bits[(key >> TWO) & np.uint64(len(bits) - 1)] & asked == asked


@machine(HASHES(HASHES))
def twice(ordered: Any) -> Any:
    """The hashes that come more than once, each once; they are given in order."""
    count = 0
    for at in range(1, len(ordered)):
        count += ordered[at] == ordered[at - 1] and (at < 2 or ordered[at] != ordered[at - 2])
    out, done = np.empty(count, np.uint64), 0
    for at in range(1, len(ordered)):
        if ordered[at] == ordered[at - 1] and (at < 2 or ordered[at] != ordered[at - 2]):
            out[done] = ordered[at]
            done += 1
    return out


@machine(numba.void(HASHES, HASHES))
def fill_table(keys: Any, table: Any) -> None:
    for key in keys:
        table[slot_of(table, key)] = key


def open_table(keys: Any) -> Any:
    """An open table of these hashes, at most half full. Large arrays are allocated by numpy, which
    asks for huge pages: a look into a large table costs a miss less with them."""
    room = 16
    while room < 2 * len(keys):
        room *= 2
    table = np.zeros(room, np.uint64)
    fill_table(keys, table)
    return table


@machine(numba.void(HASHES, HASHES, WHOLE))
def slots(table: Any, keys: Any, out: Any) -> None:
    """The slot of every key that stands in the table."""
    for at in range(len(keys)):
        out[at] = slot_of(table, keys[at])
