"""What is typed or swept wins over the file, by containment; what cannot be obeyed is refused; the
names of arms say what was composed."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
import yaml

from runner.base.errors import ConfigError
from runner.compose import ComposedPoint, Composition
from runner.compose.folders import groups, option_files
from runner.experiment.arms import expand, label
from tests.compose.composing import MINIMAL, compose_text, problems_of, write
from tests.config.test_options import NEEDED

BODY = (
    MINIMAL
    + """\
prepare:
  dedup: {fuzzy: {threshold: 0.9}}
template:
  name: own
  system: What the file says.
  prompt: "{{ input }}!"
"""
)
POLITE = "name: polite\nsystem: Please.\nprompt: '{{ input }}'\n"
GRID = "sweep: {grid: {tuning.epochs: [1, 2]}}\n"
PARAMS = "hydra: {sweeper: {params: {tuning.epochs: '1,2'}}}\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start from a folder of no meaning, and a template of the user's own."""
    write(tmp_path, {"start/nothing": "", "lab/conf/template/polite.yaml": POLITE})
    monkeypatch.chdir(tmp_path / "start")


def named(composition: Composition) -> dict[str, ComposedPoint]:
    """Every point by the name of its arm."""
    return {label(point.varying): point for point in composition.points}


def epochs(composition: Composition) -> dict[str, int | None]:
    return {name: point.experiment.tuning.epochs for name, point in named(composition).items()}


def refused(folder: Path, text: str, *argv: str) -> str:
    """The only problem, on one line."""
    (problem,) = problems_of(folder, text, *argv)
    return f"{problem.where}: {problem.key}: {problem.message}"


SWEPT_TEMPLATES: list[tuple[str, list[str]]] = [
    (BODY, ["-m", "template=plain,polite"]),
    (BODY + "sweep: {grid: {template: [plain, polite]}}\n", []),
    (BODY + "hydra: {sweeper: {params: {template: 'plain,polite'}}}\n", []),
]


@pytest.mark.parametrize(("text", "argv"), SWEPT_TEMPLATES)
def test_options_take_the_place_of_the_files_own_section(
    tmp_path: Path, text: str, argv: list[str]
) -> None:
    composition = compose_text(tmp_path, text, *argv)
    systems = {n: p.experiment.template.system for n, p in named(composition).items()}
    assert systems == {"plain": "", "polite": "Please."}
    (replaced,) = composition.replaced
    assert (replaced.key, replaced.where) == ("template", str(tmp_path / "lab/exp.yaml:8"))
    assert "template=plain,polite" in replaced.by or replaced.by.endswith("exp.yaml:12")


def test_a_typed_option_takes_the_place_of_a_part_of_a_section(tmp_path: Path) -> None:
    (point,) = compose_text(tmp_path, BODY, "prepare/dedup=exact").points
    assert point.experiment.prepare.dedup.fuzzy is None
    assert point.experiment.template.name == "own"


def test_a_typed_option_takes_the_place_of_options_inside_of_it(tmp_path: Path) -> None:
    text = BODY.replace("defaults:\n", "defaults:\n  - override /prepare/dedup: substring\n")
    composition = compose_text(tmp_path, text, "prepare=default")
    assert composition.points[0].experiment.prepare.dedup.substring is None
    assert [each.key for each in composition.replaced] == ["prepare", "prepare/dedup"]
    (point,) = compose_text(tmp_path, text, "prepare=default", "prepare/dedup=fuzzy").points
    assert point.experiment.prepare.dedup.fuzzy is not None


@pytest.mark.parametrize("name", ["conf/config.yaml", "conf/prepare/mine.yaml", "base.yaml"])
def test_a_typed_option_wins_over_every_file(tmp_path: Path, name: str) -> None:
    inner = "dedup: {fuzzy: {threshold: 0.9}}"
    packaged = Path(option_files("prepare", ())["default"]).parent.parent / "config.yaml"
    write(
        tmp_path,
        {
            "lab/conf/config.yaml": packaged.read_text() + f"prepare: {{{inner}}}\n",
            "lab/conf/prepare/mine.yaml": f"defaults: [default, _self_]\n{inner}\n",
            "lab/base.yaml": f"{MINIMAL}prepare: {{{inner}}}\n",
        },
    )
    text = MINIMAL
    if name.endswith("mine.yaml"):
        text = MINIMAL.replace("defaults:\n", "defaults:\n  - override /prepare: mine\n")
    elif name == "base.yaml":
        text = "defaults: [base, _self_]\n"
    if name != "conf/config.yaml":
        (tmp_path / "lab/conf/config.yaml").unlink()
    assert compose_text(tmp_path, text).points[0].experiment.prepare.dedup.fuzzy is not None
    (point,) = compose_text(tmp_path, text, "prepare/dedup=exact").points
    assert point.experiment.prepare.dedup.fuzzy is None


def test_what_a_replaced_section_no_longer_says_has_to_be_typed(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL, "source=files")
    exp = tmp_path / "lab/exp.yaml"
    assert problem.key == "source.train"
    assert problem.hint == (
        f"{exp}:4 gave way to override source=files: type source.train=VALUE as well"
    )


def test_debug_stays_on_top_of_typed_options(tmp_path: Path) -> None:
    (point,) = compose_text(tmp_path, MINIMAL, "debug=smoke", "suite=qa").points
    suite = point.experiment.suite
    assert (suite.name, suite.generation.max_tokens) == ("qa", 8)


@pytest.mark.parametrize("sweep", [GRID, PARAMS])
def test_a_typed_mapping_fixes_the_swept_keys_it_holds(tmp_path: Path, sweep: str) -> None:
    assert epochs(compose_text(tmp_path, MINIMAL + sweep, "tuning={epochs: 3}")) == {"": 3}
    composition = compose_text(tmp_path, MINIMAL + sweep, "tuning={adapter_size: 4}")
    assert epochs(composition) == {"epochs 1": 1, "epochs 2": 2}
    assert {point.experiment.tuning.adapter_size for point in composition.points} == {4}


def test_a_typed_key_wins_over_a_part_of_a_swept_mapping(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + "sweep: {grid: {tuning: [{epochs: 1, adapter_size: 2}, {epochs: 2, adapter_size: 4}]}}\n"
    )
    composition = compose_text(tmp_path, text, "tuning.epochs=3")
    assert epochs(composition) == {"rank 2": 3, "rank 4": 3}
    for point in composition.points:
        (again,) = compose_text(tmp_path, text, *point.overrides).points
        assert again.config == point.config


def test_an_empty_mapping_empties(tmp_path: Path) -> None:
    assert len(compose_text(tmp_path, MINIMAL + GRID, "sweep.grid={}").points) == 1
    points = compose_text(tmp_path, MINIMAL + GRID, "sweep.grid={seed: [4, 5]}").points
    assert [point.varying for point in points] == [{"seed": "4"}, {"seed": "5"}]
    text = MINIMAL + "prepare: {leakage: {suites: {old: old.jsonl}}}\n"
    (point,) = compose_text(tmp_path, text, "prepare.leakage.suites={}").points
    assert point.config["prepare"]["leakage"]["suites"] == {}


def test_a_path_keeps_the_folder_of_the_file_that_says_it(tmp_path: Path) -> None:
    (point,) = compose_text(tmp_path, MINIMAL, "source={test: t.csv}").points
    source = point.config["source"]
    assert source["train"] == str(tmp_path / "lab/data/train.jsonl")
    assert source["test"] == str(tmp_path / "start/t.csv")


OVERLAPS = [
    *permutations(["tuning.epochs=1,2", "tuning={epochs: 3}"]),
    *permutations(["tuning.epochs=1,2", "tuning.epochs=3"]),
    *permutations(["tuning.epochs=1,2", "tuning={epochs: 3},{epochs: 4}"]),
    *permutations(["tuning=default,quick", "tuning=quick"]),
]


@pytest.mark.parametrize("words", OVERLAPS, ids=" ".join)
def test_typed_words_of_which_one_loses_are_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    message = refused(tmp_path, MINIMAL, "-m", *words)
    assert all(f"override {word}" in message for word in words)


@pytest.mark.parametrize("sweep", [GRID, PARAMS])
@pytest.mark.parametrize("typed", [["tuning=quick"], ["-m", "tuning=default,quick"]])
def test_a_typed_option_that_says_what_is_swept_is_refused(
    tmp_path: Path, sweep: str, typed: list[str]
) -> None:
    message = refused(tmp_path, MINIMAL + sweep, *typed)
    line = tmp_path / "lab/exp.yaml:6"
    assert message == (
        f"{line}: tuning.epochs: is swept here, and override {typed[-1]} chooses it for all arms "
        "as well"
    )


def test_an_option_and_a_key_that_it_leaves_open_go_together(tmp_path: Path) -> None:
    text = MINIMAL + "sweep: {grid: {prepare.select.size: [80, 240]}}\n"
    points = named(compose_text(tmp_path, text, "prepare/select=diverse"))
    assert list(points) == ["80 rows", "240 rows"]
    assert all(point.experiment.prepare.select.diverse for point in points.values())


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        (MINIMAL, ["seed=1,1"], "seed=1 stands there twice"),
        (MINIMAL, ["tuning=default,same"], "tuning=default and tuning=same"),
        (MINIMAL, ["tuning=default,quick", "tuning.epochs=1", "tuning.adapter_size=2"], "=quick"),
        (MINIMAL + "sweep: {grid: {tuning: [default, same]}}\n", [], "tuning=default and"),
    ],
)
def test_points_that_are_the_same_are_refused(
    tmp_path: Path, text: str, words: list[str], told: str
) -> None:
    write(tmp_path, {"lab/conf/tuning/same.yaml": "epochs: 3\n"})
    message = refused(tmp_path, text, "-m", *words)
    assert told in message
    assert "exp.yaml:6" in message or f"override {words[0]}" in message


def test_points_that_differ_in_nothing_an_arm_depends_on_are_refused(tmp_path: Path) -> None:
    points = compose_text(tmp_path, MINIMAL, "-m", "question=why,how").points
    with pytest.raises(ConfigError, match="question: 'question why' and 'question how' are the"):
        expand(points, ["data", "data"])


def test_an_untuned_arm_is_not_named_after_what_it_does_not_feel(tmp_path: Path) -> None:
    points = compose_text(tmp_path, MINIMAL, "-m", "model.base_learning_rate=0.1,0.2").points
    names = [arm.name for arm in expand(points, ["data", "data"]) if arm.kind != "tuned"]
    assert names == ["zero-shot", "3-shot"]


def test_a_group_overridden_twice_in_one_file_is_refused(tmp_path: Path) -> None:
    twice = "defaults:\n  - override /model: tiny_random\n  - override /model: smollm2_135m\n"
    lab = tmp_path / "lab/exp.yaml"
    assert refused(tmp_path, twice + "source: {train: a.csv}\n") == (
        f"{lab}:3: model: is overridden twice, at {lab}:2 as well"
    )


def test_an_option_that_is_not_there_can_be_written(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, MINIMAL, "template=terse_german")
    where = tmp_path / "lab/conf/template/terse_german.yaml"
    assert problem.hint == f"to have one of your own, write {where}"


GROUPS = [group for group in groups(()) if group != "debug"]
OTHER = {
    "backend": "kind: local\nthreads: 3\n",
    "baseline": "few_shot: [1]\n",
    "paths": "home: elsewhere\n",
    "prepare": "defaults: [default, _self_]\nsplit: {test: 60}\n",
    "skew": "kind: file\nproduction: p.jsonl\n",
    "store": "root: elsewhere\n",
    "template": POLITE,
}
"""A second option of groups that have but one that asks for nothing more."""


def _two_options(folder: Path, group: str) -> list[str]:
    known = option_files(group, ())
    free = [name for name in known if (group, name) not in NEEDED and "gemini_" not in name]
    if group in OTHER:
        write(folder, {f"lab/conf/{group}/mine.yaml": OTHER[group]})
    return [*free[:1], "mine"] if group in OTHER else free[:2]


def _sections(group: str, options: list[str]) -> str:
    """A file's own section of the group: everything that its first option says."""
    section = yaml.safe_load(option_files(group, ())[options[0]].read_text()) or {}
    section.pop("defaults", None)
    for name in reversed(group.split("/")):
        section = {name: section}
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in section.items())


@pytest.mark.parametrize("form", ["typed", "grid", "params"])
@pytest.mark.parametrize("group", GROUPS)
def test_an_arm_named_after_an_option_has_what_the_option_says(
    tmp_path: Path, group: str, form: str
) -> None:
    """Over every group of `conf/`: whatever section of it a file has, an arm's name is true."""
    options = _two_options(tmp_path, group)
    assert len(options) == 2
    joined = ",".join(options)
    sweeps = {
        "grid": f"sweep: {{grid: {{{group}: [{joined}]}}}}\n",
        "params": f"hydra: {{sweeper: {{params: {{{group}: '{joined}'}}}}}}\n",
    }
    argv = ["-m", f"{group}={joined}"] if form == "typed" else []
    text = _sections(group, options) + sweeps.get(form, "")
    points = compose_text(tmp_path, text, *argv, "source.train=a.jsonl").points
    assert [point.varying[group] for point in points] == options
    for point, option in zip(points, options, strict=True):
        (alone,) = compose_text(tmp_path, "", f"{group}={option}", "source.train=a.jsonl").points
        assert point.config[group.split("/")[0]] == alone.config[group.split("/")[0]]
        name = label(point.varying)
        assert option in name or name == f"no {group.split('/')[-1]}"
