"""The numbers that decide how texts become shingles, signatures and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 1
"""datasketch's default, so that signatures equal those of a plain `MinHash`."""
UNITS = ("word", "char", "auto")
"""Position is the code the kernels know."""


@dataclass(frozen=True, slots=True)
class MinHashSettings:
    """What near-duplicates are.

    With the values given, two rows become candidates with probability 0.99 at similarity 0.8 and
    above 0.999 from 0.85; candidates are verified by their true similarity.
    """

    threshold: float = 0.8
    """Jaccard similarity of shingles, 0 to 1, from which two texts are near-duplicates."""
    unit: Literal["word", "char", "auto"] = "auto"
    """What shingles are made of; `auto` takes characters for scripts without blanks."""
    ngram: int = 3
    """Words a shingle."""
    char_ngram: int = 5
    """Characters a shingle, where characters are the unit."""
    permutations: int = 128
    """Hash values a text."""
    recall: float = 0.95
    """Share of the pairs exactly at the threshold that must become candidates."""
    bands: int | None = None
    """Number of bands, instead of the one that `recall` asks for; at most `permutations`."""
    engine: Literal["local", "daft", "ray"] = "local"
    """This process, Daft in this process, or Daft on a Ray cluster; the results are the same."""
    ray_address: str | None = None
    """``host:port`` of a cluster's head node; None starts one on this machine."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings, resolved for the kernels."""

    threshold: float
    unit: int
    """Position in `UNITS`."""
    ngram: int
    """Words a shingle."""
    char_ngram: int
    """Characters a shingle."""
    bands: int
    rows: int
    """Hash values a band."""
    multiply: NDArray[np.uint32]
    add: NDArray[np.uint32]
    """datasketch's affine32 permutations: value = multiply * hash + add, modulo 2^32."""


def plan_of(settings: MinHashSettings) -> Plan:
    """The plan that settings ask for."""
    bands, rows = layout(settings)
    multiply, add = permutations(settings.permutations)
    return Plan(
        settings.threshold,
        UNITS.index(settings.unit),
        settings.ngram,
        settings.char_ngram,
        bands,
        rows,
        multiply,
        add,
    )


def layout(settings: MinHashSettings) -> tuple[int, int]:
    """Bands and rows a band, as given or as `bands` finds them."""
    if settings.bands:
        return settings.bands, settings.permutations // settings.bands
    return bands(settings.threshold, settings.permutations, settings.recall)


def bands(threshold: float, permutations: int, recall: float) -> tuple[int, int]:
    """Bands and rows a band: the longest bands that still propose a pair at the threshold with
    probability `recall`, which is 1 - (1 - threshold^rows)^bands.

    datasketch's own choice weighs false candidates against missed ones and misses 60 % of the
    pairs at 0.8; candidates are verified here, so only missed ones count.
    """
    # All r values of a band agree with chance s^r (each agrees with chance s, the similarity), so
    # none of b bands agrees with chance (1 - s^r)^b. A longer band lets fewer dissimilar pairs
    # through: s^r falls faster for small s. Hence the longest that still reaches the recall.
    for rows in range(permutations // 2, 1, -1):
        count = permutations // rows
        if proposed(threshold, count, rows) >= recall:
            return count, rows
    return permutations, 1


def proposed(similarity: float, bands: int, rows: int) -> float:
    """Probability that a pair of this Jaccard similarity shares a band and becomes a candidate
    (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4.2)."""
    return float(1 - (1 - similarity**rows) ** bands)


def permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Multipliers (odd) and addends of `datasketch.MinHash(count, seed=SEED)`, scheme affine32,
    drawn as datasketch 2.0 draws them; importing it would cost a second."""
    import numpy as np

    draw = np.random.RandomState(SEED)
    multiply = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    # An odd factor has an inverse modulo 2^32, so x -> a * x + b is a permutation of the 32-bit
    # numbers.
    return multiply, draw.randint(0, 1 << 32, count, dtype=np.uint32)


# The hash functions, as numbers: every engine computes exactly these, modulo 2^64.
#
# token fmix64(sum of (byte + 1) * STEP^position) shingle fmix64(polynomial in ROLL of its tokens'
# hashes, the last token constant term) minhash datasketch affine32 over fmix32(low 32 bits of the
# shingle) band polynomial in ROLL of its hash values, then fmix64
#
# A text of fewer tokens than a shingle takes is one shingle; an empty text is shingle 0.

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
