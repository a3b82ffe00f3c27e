"""Numbers in text: separators, currencies, percent, fractions and units.

Values are exact fractions, so that ``0.1`` is one tenth and no tolerance is needed for it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from runner.config import NumberMatch

LONGEST = 400
"""More digits than this, or a larger exponent, are no number: nobody writes one, and exact
arithmetic would fill the memory."""

_CURRENCY = r"[$€£¥₹₩₽]"
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
_SPACES = "'’_\u00a0\u2009\u202f"
"""What separates thousands besides the comma or the point, and a plain blank."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction
    unit: str
    """Currency, ``%`` or the word behind it, case folded; empty when there is none."""


def equal(answer: str, reference: str, metric: NumberMatch) -> bool:
    """Whether the number in `answer` equals that in `reference`."""
    found, wanted = number_in(answer, metric), number_in(reference, metric)
    if found is None or wanted is None:
        return False
    if metric.units == "same" and wanted.unit and wanted.unit != found.unit:
        return False
    absolute = Fraction(str(metric.absolute_tolerance))
    relative = Fraction(str(metric.relative_tolerance)) * abs(wanted.value)
    return abs(found.value - wanted.value) <= max(absolute, relative)


@lru_cache(maxsize=1 << 15)
def number_in(text: str, metric: NumberMatch) -> Number | None:
    """The first or last number in `text`, None when there is none."""
    found = None
    for match in _pattern(metric.decimal, metric.fractions).finditer(text):
        number = _number(match, metric)
        if number is not None:
            found = number
            if metric.which == "first":
                return found
    return found


@lru_cache(maxsize=4)
def _pattern(decimal: str, fractions: bool) -> re.Pattern[str]:
    """Digits that stand within a word (``GPT4``, ``v2``) are no number of their own."""
    mark, comma = re.escape(decimal), re.escape("," if decimal == "." else ".")
    thousands = rf"\d{{1,3}}(?:(?P<by>[{comma}{_SPACES}])\d{{3}}(?:(?P=by)\d{{3}})*)(?!\d)"
    # ``5 100/200`` is five and a half.
    blanks = r"[1-9]\d{0,2}(?: \d{3})+(?!\d)(?!\s?[/⁄]\s?\d)"
    digits = rf"(?:{thousands}|{blanks}|\d+)(?:{mark}\d+)?|{mark}\d+"
    over = rf"(?:\s*(?P<vulgar>[{_VULGAR}])|(?P<top>\s+\d+)?\s?[/⁄]\s?(?P<bottom>\d+)(?![/⁄\d]))?"
    alone = f"|(?P<alone>[{_VULGAR}])" if fractions else ""
    inside = "(?<![/⁄])" if fractions else ""
    behind = over if fractions else ""
    return re.compile(
        rf"(?<!\w){inside}(?<!\d{mark})"
        rf"(?P<minus>(?<!\w)[-−–])?(?:(?P<money>{_CURRENCY})\s?(?P<minus2>[-−])?)?"
        rf"(?:(?P<digits>{digits})(?P<exponent>[eE][+-]?\d+)?(?!\d){behind}{alone})"
        rf"(?P<unit>\s?(?:%|{_CURRENCY}|[^\W\d_]+))?"
    )


def _number(match: re.Match[str], metric: NumberMatch) -> Number | None:
    parts = match.groupdict()
    if len(match.group()) > LONGEST or abs(int((parts["exponent"] or "e0")[1:])) > LONGEST:
        return None
    value = _value(parts, metric)
    if value is None:
        return None
    unit = (parts["money"] or parts["unit"] or "").strip().casefold()
    unit = "%" if unit == "percent" else unit
    if unit == "%" and metric.percent == "share":
        value /= 100
    return Number(-value if parts["minus"] or parts["minus2"] else value, unit)


def _value(parts: dict[str, str | None], metric: NumberMatch) -> Fraction | None:
    """None for a fraction over zero."""
    if alone := parts.get("alone"):
        return _vulgar(alone)
    comma = "," if metric.decimal == "." else "."
    digits = re.sub(rf"[{re.escape(comma)}{_SPACES} ]", "", parts["digits"] or "")
    plain = digits.replace(metric.decimal, ".")
    value = Fraction(plain if plain[0] != "." else f"0{plain}")
    value *= Fraction(10) ** int((parts["exponent"] or "e0")[1:])
    if vulgar := parts.get("vulgar"):
        return value + _vulgar(vulgar)
    if bottom := parts.get("bottom"):
        if int(bottom) == 0:
            return None
        top = parts.get("top")
        return value + Fraction(int(top), int(bottom)) if top else value / int(bottom)
    return value


def _vulgar(sign: str) -> Fraction:
    top, _, bottom = unicodedata.normalize("NFKC", sign).partition("⁄")
    return Fraction(int(top), int(bottom))
