"""YAML is read as OmegaConf reads it, and values are written as Hydra reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from runner.compose.values import assignment
from runner.compose.yaml_files import key_lines, read_yaml

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(
        ["1e-3", "2024-01-01", "null", "on", "1_000", "0x1f", "~", "12:30", "'", "\\"]
    )
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)


@settings(max_examples=150)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), VALUES, max_size=4))
def test_yaml_is_read_as_omegaconf_reads_it(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("yaml") / "x.yaml"
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        expected = OmegaConf.to_container(OmegaConf.load(file))
    except Exception:  # keys and texts that OmegaConf itself refuses, such as a broken ${
        return
    assert read_yaml(file) == expected


@pytest.mark.parametrize("scalar", ["1e-3", "1e3", ".5", "2024-01-01", "1_000", "12:30.5", ".inf"])
def test_plain_scalars_are_read_as_omegaconf_reads_them(tmp_path: Path, scalar: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"a: {scalar}\n", encoding="utf-8")
    assert read_yaml(file) == OmegaConf.to_container(OmegaConf.load(file))


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("# top\na:\n  b.c: [1, {d: 2}]\n  e:\n    - f\n    -\n      g: 3\n")
    assert key_lines(file) == {
        ("a",): 2,
        ("a", "b.c"): 3,
        ("a", "b.c", 0): 3,
        ("a", "b.c", 1): 3,
        ("a", "b.c", 1, "d"): 3,
        ("a", "e"): 4,
        ("a", "e", 0): 5,
        ("a", "e", 1): 7,
        ("a", "e", 1, "g"): 7,
    }


KEYS = st.from_regex(r"[a-z_]{1,6}", fullmatch=True).filter(
    lambda key: key not in ("null", "true", "false", "nan", "inf")
)
HYDRA_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@settings(max_examples=300)
@given(HYDRA_VALUES)
def test_a_value_written_as_override_is_read_back_by_hydra(value: object) -> None:
    parsed = OverridesParser.create().parse_override(assignment("key", value))
    assert not parsed.is_sweep_override()
    assert plain(parsed.value()) == plain(value)


def plain(value: Any) -> Any:
    """Hydra's quoted texts as plain ones; -0.0 and 0.0 told apart."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return (value, math.copysign(1, value)) if isinstance(value, float) else value
