"""Skew of an experiment: compared once for each distinct set of prompts, its page, its gate."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.base.errors import GateError, SftError
from runner.config.skew import FileSkew, NoSkew, SkewLimits, TracesSkew
from runner.experiment.render_stage import RenderStage
from runner.experiment.stage import ArmRun
from runner.records import Example, fields_of, read_jsonl, read_record
from runner.records.skew import NAME, SkewComparison


@dataclass(frozen=True, slots=True)
class SkewResult:
    """What came of one comparison."""

    warnings: list[str]
    refused: list[str]
    page: Path


def find_skew(run: ArmRun, folder: Path) -> SkewResult | None:
    """Compare the arm's rendered prompts with production and write the page into `folder`; None
    with ``skew: none``. The comparison is an artifact of the store.

    Raises:
        ConfigError, DataError: what `skew` names is missing or holds no prompts.
        MissingExtraError: traces without MLflow.
    """
    from runner.report.page import skew_name
    from runner.report.skew import write_skew
    from runner.skew import SKEW_VERSION, compare, refusals, warnings

    experiment = run.experiment
    config = experiment.skew
    if isinstance(config, NoSkew):
        return None
    records = _production(config)
    rendered = run.make(RenderStage())
    drawn = SkewLimits.model_fields.keys() - {"max_findings", "max_auc", "max_changed"}
    key = {
        "version": SKEW_VERSION,
        "rendered": rendered.digest,
        "production": digest_of(records),
        "config": config.model_dump(mode="json", include=set(drawn)),
        "seed": experiment.seed,
    }

    def build(out: Path) -> None:
        rows = map(Example.from_json, read_jsonl(run.read(RenderStage()).file(config.split)))
        count = run.backend.count_tokens
        exact = count if count([]) is not None else None
        template = experiment.template.prompt
        found = compare(rows, records, config, experiment.seed, template, exact)
        text = json.dumps(found, ensure_ascii=False, default=fields_of)
        (out / NAME).write_text(text, encoding="utf-8")

    artifact = run.context.store.make("skew", key, build)
    found = read_record(artifact.path / NAME, SkewComparison)
    page = folder / skew_name(rendered.path)
    said, refused = warnings(found), refusals(found, config)
    write_skew(found, said, refused, page)
    return SkewResult(said, refused, page)


def gate_skew(runs: Iterable[ArmRun], folder: Path) -> dict[str, SkewResult]:
    """Page name to what was found, for the distinct prompts of these arms.

    An arm whose rows cannot be rendered is left out: that failure is told where the arm runs.
    Raises GateError, after every page is written, when a limit of `skew` is crossed.
    """
    found: dict[str, SkewResult] = {}
    for run in runs:
        if isinstance(run.experiment.skew, NoSkew):
            continue
        try:
            run.make(RenderStage())
        except SftError:
            continue
        if one := find_skew(run, folder):
            found[one.page.name] = one
    if any(one.refused for one in found.values()):
        lines = [f"{line}\n  see {one.page}" for one in found.values() for line in one.refused]
        what = "production prompts are not what this experiment tunes on:"
        hint = "  mend the template or the rows; or raise the limit, or set skew=none"
        raise GateError("\n".join([what, *lines, hint]))
    return found


def _production(config: FileSkew | TracesSkew) -> list[dict[str, Any]]:
    """The production prompts as JSON rows."""
    if isinstance(config, FileSkew):
        from runner.skew import read_production

        return read_production(Path(config.production))
    from runner.sources.traces import production_prompts

    return production_prompts(config)
