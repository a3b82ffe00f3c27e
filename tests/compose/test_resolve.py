"""A draft's values set on top of its base, with and without OmegaConf."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.compose import resolve
from runner.compose.resolve import resolved

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False),
    st.sampled_from(["", "a", "1", "true", "null", "x y", "$", "a.b", "${base}", "???"]),
)
NAMES = st.sampled_from(["a", "b", "c"])
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
KEYS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)


@given(st.dictionaries(NAMES, TREES, max_size=3), st.lists(st.tuples(KEYS, TREES), max_size=3))
def test_the_short_way_gives_what_omegaconf_gives(
    base: dict[str, Any], values: list[tuple[str, Any]]
) -> None:
    before = copy.deepcopy((base, values))
    short = resolved(base, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve, "_merged", lambda base, values: None)
        assert short == resolved(base, values)
    assert (base, values) == before, "the base belongs to all drafts"


def test_plain_values_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("not needed")

    monkeypatch.setattr(resolve.OmegaConf, "create", refused)
    base = {"tuning": {"epochs": 1, "seeds": [1, 2]}, "name": "x"}
    config, wrong = resolved(base, [("tuning.epochs", 3), ("tuning", {"seeds": []})])
    assert config == {"tuning": {"epochs": 3, "seeds": []}, "name": "x"}
    assert not wrong
