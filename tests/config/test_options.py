"""Every shipped YAML composes and validates: all options of all groups, all experiments."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from runner.compose.folders import groups, option_files, packaged_conf
from runner.compose.schema_files import FOLDER, schema_files
from runner.config import Experiment
from tests.compose.composing import compose_text

CHECKOUT = Path(__file__).resolve().parents[2]
CONF = packaged_conf()
EXPERIMENTS = sorted((CHECKOUT / "experiments").glob("*.yaml"))
OPTIONS = [(group, option) for group in groups(()) for option in option_files(group, ())]

CLOUD = ["backend.project=p", "backend.bucket=gs://bucket"]
GEMINI = ["backend=vertex", *CLOUD, "tuning.adapter_size=null", "model.force_retired=true"]
"""What goes with every Gemini model, also with one that is retired by now."""
NEEDED = {
    ("source", "hub"): ["source.dataset=org/data"],
    ("skew", "file"): ["skew.production=prompts.jsonl"],
    ("skew", "traces"): ["skew.experiment=served"],
    ("template", "instruction"): ["template.system=Answer."],
    ("model", "huggingface"): ["model.name=m", "model.path=org/model"],
    ("model", "gguf"): ["model.name=m", "model.path=m.gguf"],
    ("backend", "plugin"): ["backend.name=mine"],
    ("backend", "vertex"): ["model=gemini_3_1_flash_lite", *CLOUD],
    ("prepare/select", "hard"): ["prepare.select.hard.scores=rows.jsonl"],
    ("baseline", "none"): ["baseline.skip_reason=measured elsewhere"],
}
"""What an option leaves to the user."""


def test_every_yaml_is_an_option_of_a_group() -> None:
    files = {path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")}
    options = {f"{group}/{option}.yaml" for group, option in OPTIONS}
    assert files == options | {"config.yaml", "launch.yaml"}
    assert len(OPTIONS) >= 34


def test_the_groups_are_the_schemas() -> None:
    """A reader who knows the one knows the other; `debug` changes any of them."""
    top = {group for group in groups(()) if "/" not in group}
    assert top - {"debug"} == set(Experiment.model_fields) - {
        "name",
        "planning",
        "question",
        "replicates",
        "seed",
        "sweep",
    }
    for group in set(groups(())) - top:
        part, name = group.split("/")
        field = Experiment.model_fields[part].annotation
        assert field is not None
        assert name in field.model_fields


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_option_composes(tmp_path: Path, group: str, option: str) -> None:
    needed = NEEDED.get((group, option), [])
    around = GEMINI if group == "model" and option.startswith("gemini_") else []
    argv = [f"{group}={option}", "source.train=a.jsonl", *needed, *around]
    (point,) = compose_text(tmp_path, "", *argv).points
    for key in needed:
        # What the user gives is all that is left to give.
        with pytest.raises(Exception, match=re.escape(key.partition("=")[0])):
            compose_text(tmp_path, "", *(word for word in argv if word != key))
    if group != "debug":
        value: object = point.config
        for name in group.split("/"):
            assert isinstance(value, dict)
            value = value[name]
        written = yaml.safe_load((CONF / group / f"{option}.yaml").read_text())
        written.pop("defaults", None)
        assert isinstance(value, dict)
        assert set(written) <= set(value)


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_every_experiment_composes(tmp_path: Path, file: Path) -> None:
    from runner.compose import Composition, compose

    seen: list[Composition] = []

    def on_batch(composition: Composition) -> list[float]:
        seen.append(composition)
        return [0.0] * len(composition.points)

    text = file.read_text()
    given = [f"source.{split}={tmp_path / split}.csv" for split in ("train", "test")]
    compose(file, given if re.search(r": +\?\?\?", text) else [], on_batch)
    assert seen[0].points
    assert seen[0].shadowed == ()
    opening = text.partition("defaults:")[0]
    for word in ("Question", "Command", "Cost", "Expected"):
        assert re.search(rf"^# {word}\b", opening, re.MULTILINE), f"no '# {word}' on top of {file}"


def test_an_experiment_of_nothing_gets_the_schemas_own_values(tmp_path: Path) -> None:
    """`conf/` shows the values; the schema holds them for files that say less. Both are one."""
    (point,) = compose_text(tmp_path, "", "source.train=a.jsonl").points
    for group in ("prepare", "tuning", "baseline", "store", "tracking", "backend"):
        model = type(getattr(point.experiment, group))
        kind = {"kind": point.config[group]["kind"]} if "kind" in point.config[group] else {}
        assert model.model_validate(kind).model_dump(mode="json") == point.config[group]


HEADED = sorted(CONF.rglob("*.yaml")) + EXPERIMENTS


@pytest.mark.parametrize("file", HEADED, ids=lambda file: file.relative_to(CHECKOUT).as_posix())
def test_every_yaml_points_an_editor_to_its_schema(file: Path) -> None:
    header = re.search(r"^# yaml-language-server: \$schema=(\S+)$", file.read_text(), re.MULTILINE)
    assert header, f"no line '# yaml-language-server: $schema=...' in {file}"
    schema = (file.parent / header[1]).resolve()
    group = ".".join(file.relative_to(CONF).parts[:-1]) if file.is_relative_to(CONF) else ""
    name = group if group not in ("", "debug") else "experiment"
    assert schema == CONF / FOLDER / f"{name}.json"


def test_the_schema_files_are_fresh() -> None:
    files = schema_files()
    stale = [file.name for file, text in files.items() if file.read_text() != text]
    assert not stale, "run: python -m runner.compose.schema_files"
    assert set((CONF / FOLDER).iterdir()) == set(files)


def test_the_schema_of_an_experiment_is_what_sft_schema_prints() -> None:
    from runner.compose import schema_json

    schema = schema_json()
    assert json.loads((CONF / FOLDER / "experiment.json").read_text()) == schema
    assert "required" not in schema
    assert {"defaults", "hydra", "source", "sweep"} <= set(schema["properties"])
    assert schema["additionalProperties"] is False
