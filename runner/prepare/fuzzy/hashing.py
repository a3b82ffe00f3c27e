"""The hash functions, as numbers: every engine computes exactly these, modulo 2^64.

token    fmix64(sum of (byte + 1) * STEP^position)
shingle  fmix64(polynomial in ROLL of its tokens' hashes, the last token constant term)
minhash  datasketch affine32 over fmix32(low 32 bits of the shingle)
band     polynomial in ROLL of its hash values, then fmix64

A text of fewer tokens than a shingle takes is one shingle; an empty text is shingle 0.
"""

from __future__ import annotations

STEP = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse modulo 2^64."""
STEP_INVERSE = pow(STEP, -1, 1 << 64)
ROLL = 0xD1342543DE82EF95
FMIX64 = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
"""Finaliser of MurmurHash3 (Appleby, public domain); shifts of 33."""
FMIX32 = (0x85EBCA6B, 0xC2B2AE35)
"""The 32-bit one, with shifts of 16, 13 and 16."""
MASK = (1 << 64) - 1

ASCII_BLANKS = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
"""What `str.split` takes for blank in ASCII."""
WIDE_BLANKS = "\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""The same beyond ASCII, as a regular expression's class."""
UNSPACED = (
    (0x0E00, 0x109F),  # Thai, Lao, Tibetan, Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, further planes
)
"""Code points of scripts written without blanks between words."""
UNSPACED_SHARE = 10
"""`auto` reads a text by characters when at least one in this many is of such a script."""
