"""Findings in a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.records.experiments import ExperimentResult
from runner.records.findings import Findings
from runner.report.findings import command
from runner.report.format import one_line, visible

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"severe": "bold red", "warning": "bold yellow", "note": "bold cyan"}
MOST = 200


def print_findings(result: ExperimentResult, findings: Findings, console: Console) -> None:
    """All findings, those of the arm in focus first; then what was not found in it, and what could
    not be looked for."""

    def say(text: str, style: str = "") -> None:
        console.print(visible(text), style=style or None, markup=False, highlight=False)

    names = {arm.digest: arm.name for arm in result.arms}
    say(f"{result.name}: {plural(len(findings.found), 'finding')}")
    if not findings.focus:
        say("No arm was tuned, so there is nothing to diagnose.")
        return
    for each in findings.found:
        where = one_line(each.arm_name or names.get(each.arm, ""), 60)
        say(f"\n{each.severity}: {each.title} ({each.id}, in {where})", STYLES[each.severity])
        say(f"  {each.evidence} (confidence {100 * each.confidence:.0f} %)")
        say(f"  probable cause: {each.cause}")
        say(f"  what to do: {each.advice}")
        if typed := command(each, result):
            console.print(f"    {visible(typed)}", markup=False, highlight=False, soft_wrap=True)
        if each.rows:
            say(f"  rows: {one_line(', '.join(each.rows), MOST)}")
    own = [check for check in findings.checks if check.arm == findings.focus]
    clear = [check.id for check in own if check.outcome == "not_found"]
    say(
        f"\nin {one_line(names.get(findings.focus, ''), 60)} looked for and not found: "
        f"{', '.join(clear) or 'none'}"
    )
    unseen = [check for check in own if check.outcome == "not_looked_at"]
    if unseen:
        say("not looked at:")
    for check in unseen:
        say(f"  {check.id}: {check.why}")


def findings_line(result: ExperimentResult) -> str:
    """What was found in the arm that would be shipped, in one line; empty where nothing was
    diagnosed."""
    findings = result.findings
    if findings is None or not findings.focus:
        return ""
    own = [each for each in findings.found if each.arm == findings.focus]
    named = ", ".join(f"{each.id} ({each.severity})" for each in own) or "none"
    elsewhere = len(findings.found) - len(own)
    others = f"; {elsewhere} in other arms" if elsewhere else ""
    typed = shlex.join(["sft", "diagnose", result.name, "--home", result.home])
    return f"{named}{others}: {typed}"
