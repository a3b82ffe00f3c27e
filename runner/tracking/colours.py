"""Run colours: one hue per data treatment, shades of it for arms on the same data, greys for
the untuned model. The same experiment always gets the same colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

from runner.manifest import digest_of
from runner.results import ArmResult

BASELINES = ("#5f6368", "#9aa0a6", "#bdc1c6")
HUES = 12
"""Places on the colour wheel; the first ones taken go by the treatment's digest, so the same
data keeps its colour from sweep to sweep."""
SHADES = (0.42, 0.60, 0.30, 0.72)


def treatment(arm: ArmResult) -> str:
    """Digest of what the arm was shown: source, preparation and template."""
    return digest_of({part: arm.config.get(part) for part in ("source", "prepare", "template")})


def colours(arms: Sequence[ArmResult]) -> dict[str, str]:
    """Arm digest to ``#rrggbb``."""
    hues = _hues({treatment(arm) for arm in arms if arm.kind == "tuned"})
    chosen: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for arm in arms:
        data = treatment(arm) if arm.kind == "tuned" else ""
        rank = ranks[data] = ranks.get(data, -1) + 1
        if data:
            chosen[arm.digest] = _hex(hues[data], SHADES[rank % len(SHADES)])
        else:
            chosen[arm.digest] = BASELINES[rank % len(BASELINES)]
    return chosen


def _hues(treatments: set[str]) -> dict[str, float]:
    """A hue for each: the place its digest wishes for, or the next one around the wheel that
    is free and not beside a taken one, as far as there is room."""
    taken: list[int] = []
    hues: dict[str, float] = {}
    apart = min(HUES // 4, HUES // max(1, len(treatments)))
    for digest in sorted(treatments):
        wish = int(digest[:8], 16) % HUES
        places = [(wish + offset) % HUES for offset in range(HUES)]
        place = max(places, key=lambda spot: min(apart, _nearest(spot, taken)))
        taken.append(place)
        hues[digest] = place / HUES
    return hues


def _nearest(spot: int, taken: list[int]) -> int:
    """Steps around the wheel to the nearest taken place."""
    return min((min((spot - other) % HUES, (other - spot) % HUES) for other in taken), default=HUES)


def _hex(hue: float, lightness: float) -> str:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
