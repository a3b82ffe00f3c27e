"""`sft check`: config, data, limits and leakage; nothing is tuned. For the CI of data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.verbs.experiment import add_experiment, add_pay, with_sweep

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.config import Experiment
    from runner.pipeline import Pipeline
    from runner.sweep.arms import Arm
    from runner.sweep.console import Console
    from runner.sweep.run import Sweep

SHOWN_CHARACTERS = 600
FILES = {
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
"""Keys of the report that are paths, and what people call them."""
IN_WORDS = {
    *("arms", "rendered", "gemini_faults", "gemini_warnings", "suite_faults"),
    *("skew", "skew_refused", "augmented"),
    *("conflicts", "conflicting_texts", "leakage", "leak_looks", "lint", "first_faults"),
    "warnings",
}
"""Keys that are not part of the outline of numbers."""


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
    from runner.sweep.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        sweep.shut_purses(not options.pay)
        found = [_checked(arms, sweep, console) for arms in _treatments(sweep)]
        console.close()
        if options.json:
            print(json.dumps({"treatments": found}, indent=1, ensure_ascii=False))
        else:
            for report in found:
                _show(report)
        bad = any(report["gemini_faults"] or report["suite_faults"] for report in found)
        if bad:
            return 2
        return 4 if any(report["skew_refused"] for report in found) else 0

    return with_sweep(options, console, use)


def _treatments(sweep: Sweep) -> list[list[Arm]]:
    """The arms of each distinct data treatment."""
    from runner.config import GeminiModel
    from runner.store import digest_of

    found: dict[str, list[Arm]] = {}
    tuned = [arm for arm in sweep.arms if arm.kind == "tuned"]
    for arm in tuned:
        data = {"prepare", "template", "source", "skew"}
        config = arm.experiment.model_dump(mode="json", include=data)
        model = arm.experiment.model
        limits = model.limits.model_dump(mode="json") if isinstance(model, GeminiModel) else None
        key = digest_of([config, model.context_tokens, limits, arm.experiment.seed])
        found.setdefault(key, []).append(arm)
    return list(found.values())


def _checked(arms: list[Arm], sweep: Sweep, console: Console) -> dict[str, Any]:
    from runner.prepare import check_report
    from runner.report import write_data_card
    from runner.report.leaks import leaks_page
    from runner.report.places import card_name
    from runner.sweep.plan import ready
    from runner.sweep.skew import find_skew

    pipelines = [sweep.pipelines[arm.digest] for arm in arms]
    pipeline = pipelines[0]
    ready(pipeline, console)
    prepared, rendered = pipeline.prepared.path, pipeline.rendered.path
    judged = _gemini(rendered / "gemini", [each.experiment for each in pipelines])
    card = pipeline.house.home / "reports" / card_name(rendered)
    card.parent.mkdir(parents=True, exist_ok=True)
    write_data_card(prepared, rendered, card)
    skew = find_skew(pipeline, card.parent)
    return {
        "arms": [arm.name for arm in arms],
        **check_report(prepared, rendered),
        **judged,
        **_billed(pipeline.experiment),
        "suite_faults": _suite_faults(pipelines),
        "skew": skew.warnings if skew else None,
        "skew_refused": skew.refused if skew else [],
        "data_card": str(card),
        "skew_page": str(skew.page) if skew else "",
        "leaks_page": str(page) if (page := leaks_page(card)).is_file() else "",
        "dropped": str(prepared / "dropped.jsonl"),
        "unused": str(left) if (left := rendered / "dropped.jsonl").stat().st_size else "",
        "faults_file": str(prepared / "faults.jsonl"),
        "augmented_file": str(new) if (new := rendered / "augmented.jsonl").is_file() else "",
        "gemini_train": str(rendered / "gemini" / "train.jsonl"),
        "gemini_validation": str(rendered / "gemini" / "validation.jsonl"),
    }


def _billed(experiment: Experiment) -> dict[str, int]:
    """Bytes that reading the source once more costs, where it is a query."""
    from runner.config import BigQuerySource
    from runner.records import SPLITS

    source = experiment.source
    if not isinstance(source, BigQuerySource):
        return {}
    from runner.sources.bigquery import bytes_read

    given = [split for split in SPLITS if getattr(source, split) is not None]
    return {"query_bytes": sum(bytes_read(source, split) for split in given)}


def _gemini(folder: Path, experiments: Sequence[Experiment]) -> dict[str, list[str]]:
    """What the model's service would refuse in the rendered files, and what is odd in them. The
    experiments have data and limits in common."""
    from runner.config import GeminiModel, VertexBackend
    from runner.prepare import judge_gemini
    from runner.verbs.objects import Sizes

    model, backend = experiments[0].model, experiments[0].backend
    preference = any(each.tuning.method == "preference" for each in experiments)
    limits = model.limits if isinstance(model, GeminiModel) else None
    files = {split: folder / f"{split}.jsonl" for split in ("train", "validation")}
    sizes = Sizes(backend) if isinstance(backend, VertexBackend) else None
    verdict = judge_gemini(files, model.context_tokens, limits, sizes, preference)
    more = [
        f"{rule}: {count:,} in all"
        for rule, count in verdict.counts.items()
        if count > sum(fault.rule == rule for fault in verdict.faults)
    ]
    unasked = [sizes.trouble] if sizes and sizes.trouble else []
    return {
        "gemini_faults": [*map(str, verdict.faults), *more],
        "gemini_warnings": [*verdict.warnings, *unasked],
    }


def _suite_faults(pipelines: list[Pipeline]) -> list[str]:
    """What the suites of these arms cannot judge; a sweep may vary the suite."""
    from runner.errors import DataError

    found: dict[str, None] = {}
    for suite in {p.experiment.suite.model_dump_json(): p for p in pipelines}.values():
        try:
            suite.check_targets()
        except DataError as error:
            found.update(dict.fromkeys(str(error).splitlines()))
    return list(found)


def _show(report: Mapping[str, Any]) -> None:
    from rich.console import Console as Terminal

    from runner.report.wording import visible
    from runner.verbs.findings import findings

    terminal = Terminal(highlight=False, markup=False)
    terminal.print(f"data of: {', '.join(report['arms'])}")
    for key, value in report.items():
        if key not in IN_WORDS and key not in FILES:
            _section(terminal, key, value, depth=0)
    for line in findings(report):
        terminal.print(line, soft_wrap=True)
    for example in report.get("rendered", [])[:2]:
        terminal.print("\nrendered example")
        for part, text in _parts(example):
            terminal.print(f"  {part:<7} {visible(text[:SHOWN_CHARACTERS])}", soft_wrap=True)
    terminal.print()
    for key, name in FILES.items():
        if report[key]:
            terminal.print(f"{name:<18} {report[key]}", soft_wrap=True)


def _section(terminal: Any, key: str, value: Any, depth: int) -> None:
    """Numbers as an indented outline; long lists only by their length."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        terminal.print(f"{indent}{key}")
        for name, item in value.items():
            _section(terminal, str(name), item, depth + 1)
    elif isinstance(value, list) and (len(value) > 6 or any(isinstance(v, dict) for v in value)):
        terminal.print(f"{indent}{key}: {len(value)}")
    else:
        terminal.print(f"{indent}{key}: {value}", soft_wrap=True)


def _parts(example: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = [("system", example["system"])] if example.get("system") else []
    parts += [(turn["role"], turn["text"]) for turn in example["contents"]]
    return [*parts, ("target", example["target"])]
