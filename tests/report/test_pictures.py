"""Scales, thinned lines and colours: what the pictures rest on."""

from __future__ import annotations

import itertools
import math
import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records import SHARE
from runner.records.results import Score
from runner.report.charts import MAX_POINTS, Axis, ChartEntry, scale, thinned

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.booleans(), st.booleans())
def test_a_scale_holds_every_value_and_has_few_ticks(
    values: list[float], may_log: bool, whole: bool
) -> None:
    axis = Axis.over(values, may_log=may_log, whole=whole)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack
    assert 2 <= len(axis.ticks) <= 13
    places = [axis.at(tick) for tick in axis.ticks]
    assert places == sorted(places)
    assert all(0 <= axis.at(value) <= 100 for value in values)
    assert len({axis.label(tick) for tick in axis.ticks}) == len(axis.ticks)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.1, 0.35], ["0.10", "0.15", "0.20", "0.25", "0.30", "0.35"]),
        ([3.0, 1200.0], ["0", "250", "500", "750", "1,000", "1,250"]),
        ([], ["0.0", "0.5", "1.0"]),
        ([math.nan, math.inf], ["0.0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round(values: list[float], labels: list[str]) -> None:
    axis = Axis.over(values)
    assert [axis.label(tick) for tick in axis.ticks] == labels


def test_a_loss_that_explodes_gets_a_logarithmic_scale() -> None:
    axis = Axis.over([0.5, 4000.0], may_log=True)
    assert axis.log
    assert [axis.label(tick) for tick in axis.ticks] == ["0.1", "1", "10", "100", "1000", "10000"]
    assert axis.at(0.5) > 0


@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=3000))
def test_thinning_keeps_ends_order_and_extremes(heights: list[float]) -> None:
    points = [(float(x), y) for x, y in enumerate(heights)]
    kept = thinned(points)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert kept == sorted(set(kept))
    assert len(kept) <= MAX_POINTS + 4
    assert max(y for _, y in kept) == max(heights)
    assert min(y for _, y in kept) == min(heights)


# --- colours ------------------------------------------------------------------------------

CSS = (files("runner.report") / "templates" / "report.css").read_text(encoding="utf-8")
THEMES = [
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
    for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
]

EYES = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Linear RGB of what is seen; Machado, Oliveira and Fernandes 2009, severity 1."""


def linear(colour: str) -> list[float]:
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast ratio."""
    lights = [sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other)]  # fmt: skip # noqa: E501
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def lab(colour: str, eyes: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    """CIE L*a*b* under D65 of the colour as these eyes see it."""
    seen = [
        min(1.0, max(0.0, sum(map(float.__mul__, map(float, r), linear(colour))))) for r in eyes
    ]
    red, green, blue = seen
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    a, b, c = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * b - 16, 500 * (a - b), 200 * (b - c)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_and_marks_stand_out_from_the_page(theme: dict[str, str]) -> None:
    for name in ("ink", "soft", "link", "good", "bad", "open"):
        assert contrast(theme[name], theme["page"]) >= 4.5, name
    for name in ("good", "bad", "open"):
        assert contrast(theme[name], theme[f"{name}-card"]) >= 4.5, name
        assert contrast(theme["ink"], theme[f"{name}-card"]) >= 4.5, name
    marks = [name for name in theme if re.fullmatch(r"[cb]\d", name)]
    assert len(marks) == 9
    for name in [*marks, "kept", "drop"]:
        assert contrast(theme[name], theme["page"]) >= 3, name


@pytest.mark.parametrize("eyes", EYES.values(), ids=list(EYES))
@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_arm_colours_stay_apart(theme: dict[str, str], eyes: tuple[tuple[float, ...], ...]) -> None:
    colours = [value for name, value in theme.items() if re.fullmatch(r"c\d", name)]
    for one, other in itertools.combinations(colours, 2):
        assert math.dist(lab(one, eyes), lab(other, eyes)) >= 18, (one, other)


def test_a_scale_ends_where_the_metric_does() -> None:
    """All right, or all but: no room is drawn above the highest value there can be."""
    for values in ([1.0], [0.93, 1.0]):
        score = Score(value=1.0, low=min(values), high=1.0, n=40, scale=SHARE)
        axis = scale([ChartEntry("arm", "c1", score)])
        assert axis.high == 1.0
        assert 0.0 <= axis.low < 1.0
        assert axis.ticks[-1] <= 1.0
    assert scale([ChartEntry("arm", "c1", Score(value=0, low=0, high=0, n=9))]).low < 0
