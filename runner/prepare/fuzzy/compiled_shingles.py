"""From text to shingles as machine code: blanks, words, characters, runs of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.prepare.fuzzy import hashing
from runner.prepare.machine import inlined

ONE = np.uint64(1)
STEP, ROLL = np.uint64(hashing.STEP), np.uint64(hashing.ROLL)
MIX64_A, MIX64_B = map(np.uint64, hashing.FMIX64)
SHIFT = np.uint64(33)
BLANK = np.isin(np.arange(256), list(hashing.ASCII_BLANKS)).astype(np.uint8)
BLOCK = 4096
"""Bytes whose words are hashed in one go; the tables for it stay in the nearest cache."""
POWER, BACK = (
    np.cumprod(np.array([1] + [base] * (BLOCK - 1), np.uint64), dtype=np.uint64)
    for base in (hashing.STEP, hashing.STEP_INVERSE)
)
UNSPACED = np.array(hashing.UNSPACED, np.int64)
SHARE = hashing.UNSPACED_SHARE


@inlined
def fmix64(value: Any) -> Any:
    value ^= value >> SHIFT
    value *= MIX64_A
    value ^= value >> SHIFT
    value *= MIX64_B
    return value ^ (value >> SHIFT)


@inlined
def is_ascii(data: Any, low: int, high: int) -> Any:
    seen = np.uint8(0)
    for at in range(low, high):
        seen |= data[at]
    return seen < 128


@inlined
def wide_blank(data: Any, at: int, high: int) -> Any:
    """Bytes of the blank that starts here beyond ASCII; 0 for none (see `WIDE_BLANKS`)."""
    if at + 1 < high and data[at] == 0xC2:
        return 2 if data[at + 1] == 0x85 or data[at + 1] == 0xA0 else 0
    if at + 2 >= high:
        return 0
    lead, middle, last = data[at], data[at + 1], data[at + 2]
    if lead == 0xE2 and middle == 0x80:
        return 3 if last <= 0x8A or last == 0xA8 or last == 0xA9 or last == 0xAF else 0
    odd = (
        (lead == 0xE1 and middle == 0x9A and last == 0x80)
        or (lead == 0xE2 and middle == 0x81 and last == 0x9F)
        or (lead == 0xE3 and middle == 0x80 and last == 0x80)
    )
    return 3 if odd else 0


@inlined
def blank_here(data: Any, at: int, high: int) -> Any:
    if data[at] < 128:
        return np.int64(BLANK[data[at]])
    return np.int64(wide_blank(data, at, high))


@inlined
def code_point(data: Any, at: int, high: int) -> Any:
    """The code point of three or four bytes that starts here; 0 for shorter ones."""
    lead = np.int64(data[at])
    if lead >= 0xF0 and at + 3 < high:
        head = ((lead & 7) << 18) | ((np.int64(data[at + 1]) & 63) << 12)
        return head | ((np.int64(data[at + 2]) & 63) << 6) | (np.int64(data[at + 3]) & 63)
    if lead >= 0xE0 and at + 2 < high:
        head = ((lead & 15) << 12) | ((np.int64(data[at + 1]) & 63) << 6)
        return head | (np.int64(data[at + 2]) & 63)
    return np.int64(0)


@inlined
def mostly_unspaced(data: Any, low: int, high: int) -> Any:
    """Whether enough characters are of scripts without blanks to read the text by characters."""
    unspaced = characters = 0
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            at += blank
            continue
        if data[at] & 0xC0 != 0x80:
            characters += 1
            point = code_point(data, at, high)
            for script in range(len(UNSPACED)):
                if UNSPACED[script, 0] <= point <= UNSPACED[script, 1]:
                    unspaced += 1
        at += 1
    return unspaced * SHARE >= characters and unspaced > 0


@inlined
def ascii_words(data: Any, low: int, high: int, tokens: Any, edges: Any, sums: Any) -> Any:
    """Hash the words between blanks, block by block, without a branch a byte: where a word ends
    cannot be foreseen. Sums run through the block; a word's is the difference at its edges (even
    ones are where it begins), moved to position 0."""
    count, at = np.int64(0), low
    while at < high:
        size = min(high - at, BLOCK)
        total, edge, before = np.uint64(0), np.int64(0), np.uint8(1)
        for place in range(size):
            byte = data[at + place]
            blank = BLANK[byte]
            edges[edge], sums[edge] = place, total
            edge += np.int64(blank != before)
            before = blank
            total += (np.uint64(byte) + ONE) * POWER[place]
        edges[edge], sums[edge] = size, total
        for word in range(edge // 2):
            first = edges[2 * word]
            tokens[count + word] = (sums[2 * word + 1] - sums[2 * word]) * BACK[first]
        count += edge // 2
        if edge % 2 == 0:  # the block ends between words
            at += size
        elif at + size == high or edges[edge - 1] == 0:  # with the text, or within a long word
            tokens[count], at = long_word(data, at + edges[edge - 1], high)
            count += 1
        else:
            at += edges[edge - 1]
    return count


@inlined
def long_word(data: Any, low: int, high: int) -> Any:
    """Hash the word that begins here, and where it ends."""
    value, power, at = np.uint64(0), ONE, low
    while at < high and not BLANK[data[at]]:
        value += (np.uint64(data[at]) + ONE) * power
        power *= STEP
        at += 1
    return value, at


@inlined
def wide_words(data: Any, low: int, high: int, tokens: Any) -> Any:
    count, value, power = 0, np.uint64(0), ONE
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            if power != ONE:
                tokens[count] = value
                count += 1
            value, power = np.uint64(0), ONE
            at += blank
            continue
        value += (np.uint64(data[at]) + ONE) * power
        power *= STEP
        at += 1
    if power != ONE:
        tokens[count] = value
        count += 1
    return count


@inlined
def characters(data: Any, low: int, high: int, tokens: Any) -> Any:
    """Hash the characters; a run of blanks between others is one blank, at the ends none."""
    count, gap = 0, False
    at = low
    while at < high:
        blank = blank_here(data, at, high)
        if blank:
            gap = count > 0
            at += blank
            continue
        if gap:
            tokens[count] = np.uint64(0x21)
            count, gap = count + 1, False
        value, power = np.uint64(data[at]) + ONE, STEP
        at += 1
        while at < high and data[at] & 0xC0 == 0x80:
            value += (np.uint64(data[at]) + ONE) * power
            power *= STEP
            at += 1
        tokens[count] = value
        count += 1
    return count


@inlined
def shingled(tokens: Any, count: int, size: int) -> Any:
    """Hash the runs of `size` tokens in place of the tokens."""
    for at in range(count):
        tokens[at] = fmix64(tokens[at])
    value, top = np.uint64(0), ONE
    for at in range(min(size, count)):
        value = value * ROLL + tokens[at]
        top *= ROLL
    for at in range(size, count):
        oldest = tokens[at - size]
        tokens[at - size] = fmix64(value)
        value = value * ROLL + tokens[at] - oldest * top
    runs = max(1, count - size + 1)
    tokens[runs - 1] = fmix64(value)
    return runs


@inlined
def shingles_of(
    data: Any, low: int, high: int, unit: int, sizes: Any, out: Any, edges: Any, sums: Any
) -> Any:
    """Shingles of one text, repeats included; `out` takes one more than the text has bytes,
    `edges` and `sums` (of `block`) are for what is known in between."""
    plain = is_ascii(data, low, high)
    if unit == 1 or (unit == 2 and not plain and mostly_unspaced(data, low, high)):
        return shingled(out, characters(data, low, high, out), sizes[1])
    if plain:
        return shingled(out, ascii_words(data, low, high, out, edges, sums), sizes[0])
    return shingled(out, wide_words(data, low, high, out), sizes[0])


@inlined
def block() -> Any:
    """Room for the edges of a block's words, and for the sums there."""
    return np.empty(BLOCK + 1, np.int64), np.empty(BLOCK + 1, np.uint64)
