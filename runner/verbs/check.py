"""`sft check`: config, data, limits and leakage; nothing is tuned. For the CI of data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.verbs.common import add_experiment, add_pay, with_sweep

if TYPE_CHECKING:
    from rich.console import Console as Terminal

    from runner.compose import Composition
    from runner.config import Experiment
    from runner.experiment.arms import Arm
    from runner.experiment.console import Console
    from runner.experiment.run import Sweep
    from runner.experiment.stage import ArmRun
    from runner.records import Example
    from runner.records.check_report import CheckReport

SHOWN_CHARACTERS = 600
NAMES = {
    "data_card": "data card",
    "skew_page": "skew page",
    "leaks_page": "leaks",
    "dropped": "dropped rows",
    "unused": "rows not used",
    "faults_file": "faults",
    "augmented_file": "new rows",
    "gemini_train": "Gemini train",
    "gemini_validation": "Gemini validation",
}
"""What people call the files of a report."""
IN_WORDS = {
    *("rendered", "augmented", "conflicts", "conflicting_texts", "leakage", "lint"),
    *("leak_looks", "warnings", "first_faults"),
}
"""Numbers that are not part of the outline."""


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)
    add_pay(parser)
    parser.add_argument(
        "--fix",
        action="store_true",
        help="write repaired copies of JSONL files with rows in Gemini's format, and stop",
    )


def main(options: argparse.Namespace) -> int:
    if options.fix:
        from runner.verbs.fix import fix

        return fix(options)
    from runner.experiment.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        sweep.shut_accounts(not options.pay)
        found = [_checked(arms, sweep, console) for arms in _treatments(sweep)]
        console.close()
        if options.json:
            from runner.records import fields_of

            told = {"treatments": found}
            print(json.dumps(told, indent=1, ensure_ascii=False, default=fields_of))
        else:
            for report in found:
                _show(report)
        bad = any(report.gemini_faults or report.suite_faults for report in found)
        if bad:
            return 2
        return 4 if any(report.skew_refused for report in found) else 0

    return with_sweep(options, console, use)


def _treatments(sweep: Sweep) -> list[list[Arm]]:
    """The arms of each distinct data treatment."""
    from runner.base.digests import digest_of

    found: dict[str, list[Arm]] = {}
    tuned = [arm for arm in sweep.arms if arm.kind == "tuned"]
    for arm in tuned:
        data = {"prepare", "template", "source", "skew"}
        config = arm.experiment.model_dump(mode="json", include=data)
        model, limits = arm.experiment.model, arm.experiment.model.row_limits
        taken = limits.model_dump(mode="json") if limits else None
        key = digest_of([config, model.context_tokens, taken, arm.experiment.seed])
        found.setdefault(key, []).append(arm)
    return list(found.values())


def _checked(arms: list[Arm], sweep: Sweep, console: Console) -> CheckReport:
    from runner.experiment.prepare_stage import PrepareStage
    from runner.experiment.render_stage import RenderStage
    from runner.experiment.skew import find_skew
    from runner.experiment.stages import data_stages, get_tokenizer
    from runner.prepare import check_report
    from runner.records.check_report import CheckFiles, CheckReport
    from runner.report import write_data_card
    from runner.report.leaks import leaks_page
    from runner.report.page import card_name

    runs = [sweep.runs[arm.digest] for arm in arms]
    run = runs[0]
    get_tokenizer(run, console.say)
    for stage in data_stages(run, sweep.stages):
        run.make(stage)
    prepared, rendered = run.make(PrepareStage()).path, run.make(RenderStage()).path
    faults, warnings = _gemini(rendered / "gemini", runs)
    card = run.context.home / "reports" / card_name(rendered)
    card.parent.mkdir(parents=True, exist_ok=True)
    write_data_card(prepared, rendered, card)
    suite_faults, suite_warnings = _suite(runs)
    skew = find_skew(run, card.parent)
    return CheckReport(
        arms=tuple(arm.name for arm in arms),
        data=check_report(prepared, rendered),
        gemini_faults=faults,
        gemini_warnings=warnings,
        query_bytes=_billed(run.experiment),
        suite_faults=suite_faults,
        suite_warnings=suite_warnings,
        skew=tuple(skew.warnings) if skew else None,
        skew_refused=tuple(skew.refused) if skew else (),
        files=CheckFiles(
            data_card=str(card),
            skew_page=str(skew.page) if skew else "",
            leaks_page=str(page) if (page := leaks_page(card)).is_file() else "",
            dropped=str(prepared / "dropped.jsonl"),
            unused=str(left) if (left := rendered / "dropped.jsonl").stat().st_size else "",
            faults_file=str(prepared / "faults.jsonl"),
            augmented_file=str(new) if (new := rendered / "augmented.jsonl").is_file() else "",
            gemini_train=str(rendered / "gemini" / "train.jsonl"),
            gemini_validation=str(rendered / "gemini" / "validation.jsonl"),
        ),
    )


def _billed(experiment: Experiment) -> int | None:
    """Bytes that reading the source once more costs; None where it is no query."""
    from runner.config import BigQuerySource
    from runner.records import SPLITS

    source = experiment.source
    if not isinstance(source, BigQuerySource):
        return None
    from runner.sources.bigquery import bytes_read

    given = [split for split in SPLITS if getattr(source, split) is not None]
    return sum(bytes_read(source, split) for split in given)


def _gemini(folder: Path, runs: Sequence[ArmRun]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the model's service would refuse in the rendered files, and what is odd in them. The
    runs have data and limits in common."""
    from runner.backends.protocol import HasObjects
    from runner.gemini_format import validate_files
    from runner.verbs.clean import ObjectSizes

    model, backend = runs[0].experiment.model, runs[0].backend
    preference = any(each.experiment.tuning.method == "preference" for each in runs)
    files = {split: folder / f"{split}.jsonl" for split in ("train", "validation")}
    sizes = ObjectSizes(backend.object_size) if isinstance(backend, HasObjects) else None
    verdict = validate_files(files, model.context_tokens, model.row_limits, sizes, preference)
    more = [
        f"{rule}: {count:,} in all"
        for rule, count in verdict.counts.items()
        if count > sum(fault.rule == rule for fault in verdict.faults)
    ]
    unasked = [sizes.trouble] if sizes and sizes.trouble else []
    return (*map(str, verdict.faults), *more), (*verdict.warnings, *unasked)


def _suite(runs: list[ArmRun]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the suites of these arms cannot judge, and where they miss right answers; a sweep may
    vary the suite."""
    from runner.base.errors import ConfigError, DataError
    from runner.experiment.score_stage import check_targets

    found: dict[str, None] = {}
    warned: dict[str, None] = {}
    for run in {each.experiment.suite.model_dump_json(): each for each in runs}.values():
        try:
            warned.update(dict.fromkeys(check_targets(run)))
        except ConfigError as error:
            found.update(dict.fromkeys(map(str, error.problems)))
        except DataError as error:
            found.update(dict.fromkeys(str(error).splitlines()))
    return tuple(found), tuple(warned)


def _show(report: CheckReport) -> None:
    from rich.console import Console as Terminal

    from runner.records import fields_of
    from runner.report.format import visible
    from runner.verbs.check_rows import check_warnings

    terminal = Terminal(highlight=False, markup=False)
    terminal.print(f"data of: {', '.join(report.arms)}")
    for key, value in fields_of(report.data).items():
        if key not in IN_WORDS:
            _section(terminal, key, value, depth=0)
    if report.query_bytes is not None:
        _section(terminal, "query_bytes", report.query_bytes, depth=0)
    for line in check_warnings(report):
        terminal.print(line, soft_wrap=True)
    for example in report.data.rendered[:2]:
        terminal.print("\nrendered example")
        for part, text in _parts(example):
            terminal.print(f"  {part:<7} {visible(text[:SHOWN_CHARACTERS])}", soft_wrap=True)
    terminal.print()
    for key, path in fields_of(report.files).items():
        if path:
            terminal.print(f"{NAMES[key]:<18} {path}", soft_wrap=True)


def _section(terminal: Terminal, key: str, value: object, depth: int) -> None:
    """Numbers as an indented outline; long lists only by their length."""
    from runner.records import fields_of

    indent = "  " * depth
    if is_dataclass(value):
        value = fields_of(value)
    if isinstance(value, Mapping):
        terminal.print(f"{indent}{key}")
        for name, item in value.items():
            _section(terminal, str(name), item, depth + 1)
    elif isinstance(value, tuple) and (len(value) > 6 or any(map(is_dataclass, value))):
        terminal.print(f"{indent}{key}: {len(value)}")
    elif isinstance(value, tuple):
        terminal.print(f"{indent}{key}: {list(value)}", soft_wrap=True)
    else:
        terminal.print(f"{indent}{key}: {value}", soft_wrap=True)


def _parts(example: Example) -> list[tuple[str, str]]:
    parts = [("system", example.system)] if example.system else []
    parts += [(turn.role, turn.text) for turn in example.contents]
    return [*parts, ("target", example.target)]
