"""Names of reasons, rules and steps in words that need no manual."""

from __future__ import annotations

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
