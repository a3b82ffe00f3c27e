"""What the service knows about its models: the files ``conf/model/gemini_*.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import runner
from runner.config import GeminiModel

ADAPTERS = {size: f"ADAPTER_SIZE_{name}" for size, name in {
    1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO",
}.items()}  # fmt: skip
SIZES = {name: size for size, name in ADAPTERS.items()}


def conf_folder() -> Path:
    """The shipped defaults: inside the installed package, or beside it in a checkout."""
    package = Path(runner.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@cache
def models() -> dict[str, GeminiModel]:
    """Every model by the id that the API calls it by."""
    import yaml

    found = {}
    for file in sorted((conf_folder() / "model").glob("gemini_*.yaml")):
        model = GeminiModel.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        found[model.id] = model
    return found


def serving_location(model: GeminiModel, location: str) -> str:
    """Where a model that is tuned in `location` answers: there, or in its continent's
    multi-region."""
    if "job" in model.serving_locations:
        return location
    continent = "eu" if location.startswith("eu") else "us"
    return continent if continent in model.serving_locations else model.serving_locations[0]


def multi_region(model: GeminiModel) -> bool:
    """Whether the model answers in multi-regions (and the global location) only."""
    return "job" not in model.serving_locations
