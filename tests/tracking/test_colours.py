"""Colours that tell the data treatments apart, and stay."""

from __future__ import annotations

import colorsys

from hypothesis import given
from hypothesis import strategies as st

from runner.base.digests import digest_of
from runner.records.results import ArmResult
from runner.tracking.views import colours

SIZES = st.lists(st.integers(1, 10_000), min_size=1, max_size=6, unique=True)


def arm(size: int, rate: float = 1.0) -> ArmResult:
    return ArmResult(
        digest=digest_of([size, rate]),
        name=f"{size} {rate}",
        kind="tuned",
        config={"prepare": {"select": {"size": size}}, "tuning": {"rate": rate}},
    )


def hue(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return 360 * colorsys.rgb_to_hls(red, green, blue)[0]


def apart(one: float, other: float) -> float:
    return min((one - other) % 360, (other - one) % 360)


@given(SIZES)
def test_up_to_six_treatments_look_different(sizes: list[int]) -> None:
    hues = [hue(colour) for colour in colours([arm(size) for size in sizes]).values()]
    for place, one in enumerate(hues):
        assert all(apart(one, other) > 25 for other in hues[:place])


@given(SIZES)
def test_colours_do_not_depend_on_the_order_of_treatments(sizes: list[int]) -> None:
    arms = [arm(size) for size in sizes]
    assert colours(arms) == colours(arms[::-1])


def test_arms_on_the_same_data_are_shades_of_one_hue() -> None:
    arms = [arm(80, rate) for rate in (0.5, 1.0, 2.0)]
    chosen = list(colours(arms).values())
    assert len(set(chosen)) == 3
    assert all(apart(hue(chosen[0]), hue(colour)) < 3 for colour in chosen)


def test_untuned_arms_are_grey() -> None:
    (colour,) = colours([ArmResult(digest="a", name="zero-shot", kind="zero_shot")]).values()
    assert colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))[2] < 0.1
