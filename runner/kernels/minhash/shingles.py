"""From text to shingles as machine code: words or characters, and runs of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from runner.kernels.jit import inlined
from runner.kernels.minhash import plan
from runner.kernels.simd import VIEW, hashed, lowest, masks, noted

ROLL = np.uint64(plan.ROLL)
MIX64_A, MIX64_B = map(np.uint64, plan.FMIX64)
SHIFT = np.uint64(33)
UNSPACED = np.array(plan.UNSPACED, np.int64)
SHARE = plan.UNSPACED_SHARE


@inlined
def fmix64(value: Any) -> Any:
    # MurmurHash3's finaliser: each step is a bijection of 64 bits, so different sums stay
    # different, and every input bit reaches every output bit with a chance near one half.
    value ^= value >> SHIFT
    value *= MIX64_A
    value ^= value >> SHIFT
    value *= MIX64_B
    return value ^ (value >> SHIFT)


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
    # unspaced / characters >= 1 / SHARE, without a division.
    return unspaced * SHARE >= characters and unspaced > 0


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
            # The hash of one blank, as of any other character: byte + 1 times STEP^0.
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
def shingled(tokens: Any, count: Any, size: int, out: Any) -> Any:
    """Hash the runs of `size` tokens, all runs one token further at a time: a run that rolls
    along would wait for its own last value."""
    for at in range(count):
        tokens[at] = fmix64(tokens[at])
    size = min(size, count)
    runs = max(1, count - size + 1)
    for at in range(runs):
        out[at] = tokens[at] if count else np.uint64(0)
    # Horner's rule, ((t0 * R + t1) * R + t2) ..., for all runs at once: the inner loop has no
    # dependency between its rounds, so it is vectorised. A rolling hash needs fewer
    # multiplications, but each would wait for the one before it (3 to 4 cycles each on one chain).
    for behind in range(1, size):
        for at in range(runs):
            out[at] = out[at] * ROLL + tokens[at + behind]
    for at in range(runs):
        out[at] = fmix64(out[at])
    return runs


@inlined
def shingles_room(most: Any) -> Any:
    """Scratch for `shingles_of` texts of at most so many bytes: tokens, and room for words."""
    return np.empty(most + 1, np.uint64), words_room()


@inlined
def shingles_of(data: Any, low: int, high: int, unit: int, sizes: Any, out: Any, room: Any) -> Any:
    """Shingles of one text, repeats included; `out` takes one more than the text has bytes."""
    tokens, places = room
    by_characters, count = unit == 1, np.int64(0)
    if not by_characters:
        count, wide = words(data, low, high, tokens, places)
        by_characters = unit == 2 and wide and mostly_unspaced(data, low, high)
    if by_characters:
        return shingled(tokens, characters(data, low, high, tokens), sizes[1], out)
    return shingled(tokens, count, sizes[0], out)


# Words and the blanks between them, as machine code.

ONE, ALL = np.uint64(1), np.uint64(plan.MASK)
TOP, WIDTH = np.uint64(63), np.uint64(VIEW)
STEP = np.uint64(plan.STEP)
BLANK = np.isin(np.arange(256), list(plan.ASCII_BLANKS)).astype(np.uint8)
look = masks(
    plan.ASCII_BLANKS, range(128, 256), {char.encode()[0] for char in "\x85\u1680\u2000\u3000"}
)
"""Blanks of ASCII, bytes beyond ASCII, and those that can begin a blank there."""
KEPT = 1024
"""Places of words that are kept until the words are hashed; they stay in the nearest cache."""


@inlined
def words_room() -> Any:
    """Room for where words begin and end, and for the numbers of the long ones."""
    more = KEPT + 2 * VIEW
    return np.empty(more, np.int64), np.empty(more, np.int64), np.empty(more, np.int64)


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
    """Bytes of the blank that starts here, 0 for none."""
    if data[at] < 128:
        return np.int64(BLANK[data[at]])
    return np.int64(wide_blank(data, at, high))


@inlined
def words(data: Any, low: int, high: int, tokens: Any, room: Any) -> Any:
    """Hash the words of a text; how many, and whether the text goes beyond ASCII.

    Sixty-four bytes become bits, and where a bit differs from the one before it a word begins or
    ends. Nothing here asks what a byte is: where words end cannot be foreseen, and each wrong
    guess would cost the processor more than a word.
    """
    if high + VIEW > len(data):  # `look` would read beyond the end
        return last_words(data, low, high, tokens)
    begins, ends, long = room
    count, begun, ended = np.int64(0), np.int64(0), np.int64(0)
    before, spill, wide = ONE, np.uint64(0), False
    for base in range(low, high, VIEW):
        blank, beyond, lead = look(data, base)
        # Bits of the view that lie behind the text: taken for blanks below, so that a last word
        # ends.
        past = np.uint64(0)
        if high - base < VIEW:
            past = ALL << np.uint64(high - base)
        if beyond & ~past:
            wide = True
            blank |= spill
            spill = np.uint64(0)
            lead &= ~past
            while lead:
                place = lowest(lead)
                lead &= lead - ONE
                size = np.uint64(wide_blank(data, base + place, high))
                # A blank of two or three bytes: that many bits from the place of its first byte.
                # size is 0 where this lead byte begins none, and then bits is 0 as well.
                bits = (ONE << size) - ONE
                blank |= bits << np.uint64(place)
                if np.uint64(place) + size > WIDTH:
                    # The rest of a blank that lies across the border belongs to the next view's
                    # first bits.
                    spill = bits >> (WIDTH - np.uint64(place))
        blank |= past
        # Bit i of `after` says whether byte i - 1 is a blank (`before` carries the last byte of the
        # view before this one, and is 1 at the start of the text). A word begins where a byte is
        # none and the one before it is; it ends where a byte is one and the one before it is not.
        after = (blank << ONE) | before
        before = blank >> TOP
        begun = noted(after & ~blank, base, begins, begun)
        ended = noted(blank & ~after, base, ends, ended)
        if ended >= KEPT:
            hashed(data, begins, ends, ended, tokens[count:], long)
            count += ended
            if begun > ended:
                begins[0] = begins[ended]
            begun, ended = begun - ended, np.int64(0)
    if begun > ended:
        ends[ended] = high
    hashed(data, begins, ends, begun, tokens[count:], long)
    return count + begun, wide


@inlined
def last_words(data: Any, low: int, high: int, tokens: Any) -> Any:
    """The same, byte by byte."""
    count, value, power, wide = np.int64(0), np.uint64(0), ONE, False
    at = low
    while at < high:
        wide |= data[at] >= 128
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
    return count, wide
