"""Requests with worked examples in front, and how those are drawn."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.inference import draw_shots, requests_for
from runner.records import Example, Origin, Turn


def row(prompt: str, target: str, name: str = "r", system: str = "") -> Example:
    return Example(name, (Turn("user", prompt),), target, Origin("f", 1), system)


def test_shots_stand_before_the_rows_own_turns() -> None:
    history = (Turn("user", "a"), Turn("model", "b"), Turn("user", "c"))
    asked = Example("q", history, "d", Origin("f", 1), system="be brief")
    shot = row("one", "two", "s", system="never shown")
    (request,) = requests_for([asked], [shot, shot])
    assert request.id == "q"
    assert request.system == "be brief"
    worked = (Turn("user", "one"), Turn("model", "two"))
    assert request.contents == (*worked, *worked, *history)
    assert requests_for([asked])[0].contents == history


rows_of_text = st.lists(
    st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(["x", "y", "z"])),
    min_size=4,
    max_size=30,
    unique=True,
)


@given(rows_of_text, st.integers(1, 4), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_draw_knows_neither_row_order_nor_ids(
    pairs: list[tuple[str, str]], k: int, seed: int, rng: random.Random
) -> None:
    train = [row(prompt, target, f"{n}") for n, (prompt, target) in enumerate(pairs)]
    drawn = [(shot.prompt, shot.target) for shot in draw_shots(train, k, seed)]
    assert len(set(drawn)) == k
    rng.shuffle(pairs)
    again = [row(prompt, target, f"{n}") for n, (prompt, target) in enumerate(pairs)]
    assert [(shot.prompt, shot.target) for shot in draw_shots(again, k, seed)] == drawn
    fewer = draw_shots(train, k - 1, seed)
    assert [(shot.prompt, shot.target) for shot in fewer] == drawn[: k - 1]


def test_labels_take_turns() -> None:
    train = [row(f"mail {n}", "rare" if n % 10 == 0 else "often") for n in range(100)]
    counts = Counter(shot.target for shot in draw_shots(train, 4, 7))
    assert counts == {"rare": 2, "often": 2}


def test_long_rows_come_last_but_the_shortest_have_no_privilege() -> None:
    train = [row("x" * size, f"answer {size}") for size in range(1, 101)]
    drawn = [len(shot.prompt) for seed in range(40) for shot in draw_shots(train, 3, seed)]
    assert max(drawn) <= 51
    assert len(set(drawn)) > 25, "the seed decides among the shorter half"
    assert max(len(shot.prompt) for shot in draw_shots(train, 60, 0)) > 51


def test_repeated_rows_are_drawn_once_and_too_few_are_refused() -> None:
    train = [row("same", "x"), row("same", "x"), row("other", "x")]
    assert len(draw_shots(train, 2, 0)) == 2
    with pytest.raises(ConfigError, match="3 worked examples asked for, but train has 2"):
        draw_shots(train, 3, 0)
    assert draw_shots(train, 0, 0) == []
