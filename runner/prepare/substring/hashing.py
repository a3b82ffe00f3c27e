"""The hash functions, as numbers: the compiled and the numpy kernels compute exactly these.

token    fmix64(sum of (byte + 1) * STEP^position), modulo 2^64
window   fmix64(sum of its tokens' hashes * ROLL^position)

Both are sums of powers, so a window follows from the one before it, and all of them follow from
running sums. Two different windows among n meet with a chance of n^2 / 2^65: 2e-5 for the 31
million of 141 MB of text.
"""

from __future__ import annotations

STEP = 0x9E3779B97F4A7C15
ROLL = 0xD1342543DE82EF95
"""Odd, so that they have an inverse modulo 2^64."""
ROLL_INVERSE = pow(ROLL, -1, 1 << 64)
STEP_INVERSE = pow(STEP, -1, 1 << 64)
FMIX64 = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
"""Finaliser of MurmurHash3 (Appleby, public domain); shifts of 33."""
MASK = (1 << 64) - 1
