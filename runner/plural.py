"""A number and what it counts, in one or in many."""

from __future__ import annotations


def plural(number: int, noun: str) -> str:
    """``1 row``, ``2 rows``, ``12,345 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
