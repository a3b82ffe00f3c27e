"""Which look each arm has in every picture: the untuned model in greys, tuned arms in colours
that stay apart for colour-blind eyes, repeated with other dashes when the colours run out.

The style sheet holds the colours, once for light and once for dark; here are only the classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.results import ArmResult

COLOURS = 6
DASHES = 3
GREYS = 3


def looks(arms: Sequence[ArmResult]) -> dict[str, str]:
    """Arm digest to CSS classes. Goes by the arms' order, which the experiment fixes."""
    found: dict[str, str] = {}
    tuned = untuned = 0
    for arm in arms:
        if arm.kind == "tuned":
            found[arm.digest] = f"c{tuned % COLOURS} d{tuned // COLOURS % DASHES}"
            tuned += 1
        else:
            found[arm.digest] = f"b{untuned % GREYS} d0"
            untuned += 1
    return found
