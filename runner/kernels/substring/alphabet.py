"""What a token is, defined once: a run of letters and digits, or one other character.

The characters of scripts that are written without blanks are tokens of their own, so that 50
tokens are a few lines of text in any language. The bytes' tables below and `TOKEN` say the same.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLANK, WORD, SINGLE, LOOK = range(4)
"""Kinds of a character; `LOOK`: the first two bytes do not decide, see `THIRD`."""

BLANKS = "\x00-\x20\x7f\x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""As classes of a regular expression, and so are the next two."""
WORDS = (
    "0-9A-Za-z\xaa\xb5\xba\xc0-\u0dff\u1080-\u177f\u1800-\u1fff\ua000-\uf8ff\ufb00-\ufeff"
    "\uff80-\uffff\U00010000-\U0001efff\U00040000-\U0010ffff"
)
TOKEN = re.compile(f"[{WORDS}]+|[^{WORDS}{BLANKS}]")
"""The tokens of a text."""

THIRD = {(0xE2, 0x80): (*range(0x80, 0x8B), 0xA8, 0xA9, 0xAF), (0xE2, 0x81): (0x9F,)}
"""First two bytes to the third bytes that make a blank; (0xE3, 0x80) is one with 0x80."""


def kind_of(character: str) -> int:
    if re.match(f"[{BLANKS}]", character):
        return BLANK
    return WORD if re.match(f"[{WORDS}]", character) else SINGLE


@cache
def tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Kind by byte (256 entries; `LOOK` beyond ASCII), and by the first two bytes beyond
    (65,536; `LOOK` where the third decides)."""
    import numpy as np

    narrow = np.full(256, LOOK, np.uint8)
    narrow[:128] = [kind_of(chr(code)) for code in range(128)]
    wide = np.full(65536, WORD, np.uint8)
    for lead in range(0xC2, 0xF5):
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        for second in range(0x80, 0xC0):
            low = (lead & (0x3F >> more)) << 6 | second & 0x3F
            low <<= 6 * (more - 1)
            if low <= 0x10FFFF:
                wide[lead << 8 | second] = kind_of(chr(low + (1 << 6 * (more - 1)) - 1))
    for lead, second in (*THIRD, (0xE3, 0x80)):
        wide[lead << 8 | second] = LOOK
    return narrow, wide


# The hash functions, as numbers.
#
# token fmix64(sum of (byte + 1) * STEP^position), modulo 2^64 window fmix64(sum of its tokens'
# hashes * ROLL^position)
#
# Both are sums of powers, so a window follows from the one before it, and all of them follow from
# running sums. Two different windows among n meet with a chance of n^2 / 2^65: 2e-5 for the 31
# million of 141 MB of text.

STEP = 0x9E3779B97F4A7C15
ROLL = 0xD1342543DE82EF95
"""Odd, so that they have an inverse modulo 2^64."""
ROLL_INVERSE = pow(ROLL, -1, 1 << 64)
STEP_INVERSE = pow(STEP, -1, 1 << 64)
FMIX64 = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
"""Finaliser of MurmurHash3 (Appleby, public domain); shifts of 33."""
MASK = (1 << 64) - 1
