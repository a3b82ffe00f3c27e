"""`sft check`: config, data, limits and leakage; nothing is tuned. For the CI of data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.verbs.experiment import add_experiment, with_sweep

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.pipeline import Pipeline
    from runner.sweep.console import Console
    from runner.sweep.run import Sweep

SHOWN_CHARACTERS = 600


def arguments(parser: argparse.ArgumentParser) -> None:
    add_experiment(parser)


def main(options: argparse.Namespace) -> int:
    from runner.sweep.console import Console

    console = Console(silent=options.json)

    def use(composition: Composition, sweep: Sweep) -> int:
        found = [_checked(pipeline, names, console) for pipeline, names in _treatments(sweep)]
        console.close()
        if options.json:
            print(json.dumps({"treatments": found}, indent=1, ensure_ascii=False))
        else:
            for report in found:
                _show(report)
        return 2 if any(report["gemini_faults"] for report in found) else 0

    return with_sweep(options, console, use)


def _treatments(sweep: Sweep) -> list[tuple[Pipeline, list[str]]]:
    """One pipeline per distinct data treatment, with the names of the arms that use it."""
    from runner.store import digest_of

    found: dict[str, tuple[Pipeline, list[str]]] = {}
    tuned = [arm for arm in sweep.arms if arm.kind == "tuned"]
    for arm in tuned:
        config = arm.experiment.model_dump(mode="json", include={"prepare", "template", "source"})
        key = digest_of([config, arm.experiment.model.context_tokens, arm.experiment.seed])
        found.setdefault(key, (sweep.pipelines[arm.digest], []))[1].append(arm.name)
    return list(found.values())


def _checked(pipeline: Pipeline, names: list[str], console: Console) -> dict[str, Any]:
    from runner.prepare import check_report, validate_gemini
    from runner.report import write_data_card
    from runner.report.places import card_name
    from runner.sweep.plan import ready

    ready(pipeline, console)
    prepared, rendered = pipeline.prepared.path, pipeline.rendered.path
    limit = pipeline.experiment.model.context_tokens
    faults = [
        str(fault)
        for split in ("train", "validation")
        for fault in validate_gemini(rendered / "gemini" / f"{split}.jsonl", limit)
    ]
    card = pipeline.house.home / "reports" / card_name(rendered)
    card.parent.mkdir(parents=True, exist_ok=True)
    write_data_card(prepared, rendered, card)
    return {
        "arms": names,
        **check_report(prepared, rendered),
        "gemini_faults": faults,
        "data_card": str(card),
        "dropped": str(prepared / "dropped.jsonl"),
    }


def _show(report: Mapping[str, Any]) -> None:
    from rich.console import Console as Terminal

    terminal = Terminal(highlight=False, markup=False)
    terminal.print(f"data of: {', '.join(report['arms'])}")
    for key, value in report.items():
        if key in ("arms", "rendered", "gemini_faults", "data_card", "dropped"):
            continue
        _section(terminal, key, value, depth=0)
    for example in report.get("rendered", [])[:2]:
        terminal.print("\nrendered example")
        for part, text in _parts(example):
            terminal.print(f"  {part:<7} {text[:SHOWN_CHARACTERS]}", soft_wrap=True)
    for fault in report["gemini_faults"]:
        terminal.print(fault)
    terminal.print(f"\ndata card     {report['data_card']}", soft_wrap=True)
    terminal.print(f"dropped rows  {report['dropped']}", soft_wrap=True)


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
