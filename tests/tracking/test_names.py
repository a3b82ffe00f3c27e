"""Names as MLflow takes them: judged by MLflow's own validators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.tracking import facts

TEXT = st.text(min_size=0, max_size=400)


@given(TEXT)
def test_mlflow_accepts_every_key(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param

    key = facts.key(name)
    _validate_metric_name(key)
    _validate_param(key, "x")


@given(TEXT, TEXT)
def test_different_names_stay_different(one: str, other: str) -> None:
    """Up to the two readable replacements, which people would not use both ways."""
    readable = str.maketrans({"=": ":", "+": "p"})
    if one.translate(readable) != other.translate(readable):
        assert facts.key(one) != facts.key(other)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=60))
def test_plain_names_stay_as_they_are(name: str) -> None:
    assert facts.key(name) == name
    assert facts.key(f"test/{name}_low") == f"test/{name}_low"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("chrf++", "chrfpp"),
        ("slice/phrasing=unseen", "slice/phrasing:unseen"),
        ("json_field/a.b", "json_field/a.b"),
    ],
)
def test_common_names_read_well(name: str, key: str) -> None:
    assert facts.key(name) == key


@given(st.text(max_size=2000), st.integers(20, 600))
def test_values_are_cut_to_size_and_stay_different(text: str, limit: int) -> None:
    assert len(facts.value(text, limit)) <= limit
    if len(text) <= limit:
        assert facts.value(text, limit) == text
    assert facts.value(text + "a", limit) != facts.value(text + "b", limit)


@given(TEXT)
def test_mlflow_accepts_every_model_name(name: str) -> None:
    from mlflow.utils.validation import _validate_logged_model_name

    _validate_logged_model_name(facts.model_name(name))
