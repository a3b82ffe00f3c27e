"""What people look at: the report of an experiment, the data card, the terminal's leaderboard."""

from __future__ import annotations

from pathlib import Path

from runner.records.experiments import ExperimentResult

REPORT_VERSION = "5"
"""Raised when the same result would give another page; a finished experiment is written anew."""


def write_report(result: ExperimentResult, out: Path) -> None:
    """Write the experiment's report to `out`: one HTML file that needs nothing else.

    Works at any point of an experiment's life. Prediction files and artifact folders that are
    gone leave their sections with a sentence that says so. Raises OSError when `out` cannot be
    written.
    """
    from runner.report.experiment import write_experiment

    write_experiment(result, REPORT_VERSION, out)


def write_data_card(prepared: Path, rendered: Path, out: Path) -> None:
    """Write the data card of a prepared and a rendered artifact folder to `out`.

    Reads the rows as a stream: memory grows with what is distinct, not with their number.
    Raises OSError when `out` cannot be written.
    """
    from runner.report.card import write_card

    write_card(prepared, rendered, REPORT_VERSION, out)


def leaderboard(result: ExperimentResult) -> str:
    """The arms as a plain text table, 140 columns wide: for logs, mails and issue threads."""
    from runner.report.terminal import plain_leaderboard

    return plain_leaderboard(result)
