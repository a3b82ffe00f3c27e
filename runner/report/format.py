"""Values as text: numbers, intervals and times for people, and text that hides nothing.

Dataset text and model output are hostile, so every string on its way to a page or a terminal
passes `visible`: control characters, lone surrogates and direction overrides become signs that
can be seen and that change nothing around them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from runner.records.results import Difference, Score

MISSING = "–"
"""Stands where there is no value; never a zero."""

_KEPT = "\n\t"
_SIGNS: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in _KEPT},
    0x7F: "␡",
    **{code: f"⟨U+{code:04X}⟩" for code in range(0x80, 0xA0)},
    **{code: f"⟨U+{code:04X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
    **{code: f"⟨U+{code:04X}⟩" for code in (0xFFFE, 0xFFFF)},
}


def visible(text: str) -> str:
    """`text` with every control character, direction override and lone surrogate shown as a
    sign, so that it can be encoded and cannot steer a terminal or a browser."""
    return text.translate(_SIGNS)


def clip(text: str, limit: int) -> str:
    """`text`, or its first `limit` characters and how many more there are."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [{count(len(text) - limit)} more characters]"


def one_line(text: str, limit: int) -> str:
    """The text on one line, cut at `limit` characters."""
    flat = " ".join(visible(text).split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def decimals(scores: Iterable[Score | Difference]) -> int:
    """How many decimals a metric needs, the same for all of its scores."""
    known = list(scores)
    values = [value for each in known for value in (each.value, each.low, each.high)]
    return known[0].scale.places(*values) if known else 3


def number(value: float | None, places: int = 3) -> str:
    """``0.663``; a dash when it is not defined."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def signed(value: float, places: int = 3) -> str:
    """``+0.338``, with a real minus sign."""
    return MISSING if not math.isfinite(value) else f"{value:+.{places}f}".replace("-", "−")


def interval(low: float, high: float, places: int = 3) -> str:
    """``[0.550, 0.763]``; empty when it is not defined."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, places)}, {number(high, places)}]".replace("-", "−")


def p_value(value: float) -> str:
    """``0.012``; below a thousandth only that."""
    if not math.isfinite(value):
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def score_text(score: Score | None, places: int = 3) -> str:
    """``0.663 [0.550, 0.763]``."""
    if score is None or not math.isfinite(score.value):
        return MISSING
    return f"{number(score.value, places)} {interval(score.low, score.high, places)}".strip()


def seconds(value: float | None) -> str:
    """``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def dollars(value: float | None) -> str:
    """``12.30``; below one dollar four decimals, a dash when it is not known."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.2f}" if value >= 1 or not value else f"{value:.4f}"


def count(value: int) -> str:
    """``12,345``."""
    return f"{value:,}"


def share(value: float) -> str:
    """``12 %``, ``0.4 %``."""
    if not math.isfinite(value):
        return MISSING
    percent = 100 * value
    return f"{percent:.1f} %" if 0 < percent < 10 else f"{percent:.0f} %"


# Names of reasons, rules and steps in words that need no manual.

WORDS = {
    "bad_json": "not valid JSON",
    "bad_encoding": "not valid text in the file's encoding",
    "bad_quote": "quote that never ends",
    "bad_role": "unknown role",
    "bad_order": "turns out of order",
    "bad_turns": "no turns",
    "bad_value": "value that cannot be read",
    "ragged": "too many or too few columns",
    "missing_column": "a needed column is missing",
    "empty_target": "no answer",
    "empty_input": "no input",
    "empty_id": "empty key",
    "duplicate_id": "key that was there before",
    "exact_duplicate": "exact duplicate",
    "near_duplicate": "near-duplicate",
    "conflict": "same input, another answer",
    "leak_test": "also in test (leak)",
    "leak_validation": "also in validation (leak)",
    "leak_suite": "also in an external suite (leak)",
    "repeated_span": "holds a span that stands elsewhere",
    "group_in_test": "its group is in test",
    "group_in_validation": "its group is in validation",
    "cap": "beyond the cap",
    "moved_to_validation": "moved to validation",
    "moved_to_test": "moved to test",
    "not_selected": "not selected",
    "too_long": "too long for the model",
    "few_words": "too few words",
    "many_words": "too many words",
    "few_target_words": "too few words in the answer",
    "many_target_words": "too many words in the answer",
    "other_script": "in another script",
    "other_language": "in another language",
}
"""Reason to how it reads behind a number: ``3 × exact duplicate``."""


def in_words(name: str) -> str:
    """The reason in words; names that are not known lose their underscores."""
    return WORDS.get(name, name.replace("_", " "))


def is_move(reason: str) -> bool:
    """Rows that left their split for another one are not lost."""
    return reason.startswith("moved_to_")


def is_set_aside(reason: str) -> bool:
    """Good rows that a cap or a chosen size leaves out."""
    return reason in ("cap", "not_selected")


def is_leak(reason: str) -> bool:
    return reason.startswith(("leak_", "group_in_"))


def is_conflict(reason: str) -> bool:
    return "conflict" in reason


def is_duplicate(reason: str) -> bool:
    return "duplicate" in reason and reason != "duplicate_id"
