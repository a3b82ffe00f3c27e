"""What one check comes to: a `Finding`, nothing found, or that it could not look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runner.records.findings import Finding


@dataclass(frozen=True, slots=True)
class Clear:
    """It looked and found nothing. `why` names another finding that explains what it saw."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Unseen:
    """It could not look, and why."""

    why: str


Outcome = Finding | Clear | Unseen
Checker = Callable[[Any, Any], Outcome]


def sure(*reasons: tuple[bool, float], base: float = 0.5) -> float:
    """A confidence: `base`, and of what is left the given share for each reason that holds."""
    left = 1 - base
    for holds, share in reasons:
        left *= 1 - share if holds else 1
    return round(1 - left, 2)


def percent(share: float) -> str:
    """``12 %``."""
    return f"{100 * share:.0f} %" if abs(share) >= 0.1 else f"{100 * share:.1f} %"
