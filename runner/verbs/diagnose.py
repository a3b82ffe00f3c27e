"""`sft diagnose`: what curves, scores and answers of an experiment say is wrong, and what to do."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from runner.verbs.common import add_home, find_experiment, open_ledger

if TYPE_CHECKING:
    from runner.records.experiments import ExperimentResult
    from runner.records.findings import Findings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="name or YAML")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def main(options: argparse.Namespace) -> int:
    result = find_experiment(open_ledger(options.home), options.experiment)
    findings = findings_of(result)
    if options.json:
        print(json.dumps(json.loads(findings.model_dump_json()), indent=1))
        return 0
    from rich.console import Console

    from runner.report.findings_terminal import print_findings

    print_findings(result, findings, Console(highlight=False))
    return 0


def findings_of(result: ExperimentResult) -> Findings:
    """Those of the last run, else what can be said by now."""
    from runner.experiment.findings import find_all, limits_of

    return result.findings or find_all(result, limits_of(result))
