"""What a person sees while an experiment runs: one line per arm, a bar per stage."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console as Terminal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from runner.records import CurvePoint
    from runner.records.results import ArmResult

PLAIN_SECONDS = 30.0
"""Without a terminal, a stage that lasts says how far it is this often."""


class Console:
    """Bars on a terminal, plain lines in a log, nothing when `silent` (``--json``)."""

    def __init__(self, *, silent: bool = False, terminal: Terminal | None = None) -> None:
        self.terminal = terminal or Terminal(stderr=True, quiet=silent, highlight=False)
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._several = False
        self._mine = threading.local()
        """The arm that this thread runs: `name`, and where its `points` go."""

    def say(self, text: str) -> None:
        """One line for people."""
        self.terminal.print(escape(text), soft_wrap=True)

    def stage(self, name: str) -> None:
        """A stage without a bar has begun."""
        self._drop_bar()
        self.terminal.print(f"[dim]  {escape(name)} …[/dim]")

    def arm(self, number: int, total: int, name: str, note: str) -> None:
        """An arm has begun in this thread, or is passed over with a note."""
        self._mine.name = name
        self._drop_bar()
        tail = f" [dim]{escape(note)}[/dim]" if note else ""
        self.terminal.print(f"[bold]\\[{number}/{total}][/bold] {escape(name)}{tail}")

    def arm_done(self, result: ArmResult) -> None:
        """An arm has ended."""
        self._drop_bar()
        of = f" {escape(result.name)}" if self._several else ""
        if result.status != "done":
            first, *_ = result.error.splitlines() or [""]
            self.terminal.print(f"  [red]{result.status}{of}:[/red] {escape(first)}")
            self.terminal.print(f"  [dim]log: {escape(result.log)}[/dim]")
            return
        spent = sum(result.seconds.values())
        self.terminal.print(f"  [green]done[/green]{of} [dim]in {spent:.0f} s[/dim]")

    def on_points(self, forward: Callable[[Sequence[CurvePoint]], None]) -> None:
        """Send curve points of the arm that this thread runs to `forward`."""
        self._mine.points = forward

    def listen(self, points: Sequence[CurvePoint]) -> None:
        """New curve points of the arm that this thread runs."""
        if forward := getattr(self._mine, "points", None):
            forward(points)

    @contextmanager
    def parallel(self) -> Iterator[None]:
        """While several arms run in threads of their own: lines with names instead of bars."""
        self._drop_bar()
        self._several = True
        try:
            yield
        finally:
            self._several = False

    def watch(self, stage: str) -> Callable[..., None]:
        """A bar for a stage: call it with done, total and a note."""
        if self._several:
            return self._lines(f"{getattr(self._mine, 'name', '')}: {stage}")
        return self._bar(stage) if self.terminal.is_terminal else self._lines(stage)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._drop_bar()

    def _bar(self, stage: str) -> Callable[..., None]:
        def show(done: float, total: float, note: str = "") -> None:
            if self._bars is None or stage not in self._description():
                self._drop_bar()
                self._bars = Progress(
                    TextColumn("  {task.description:<18}"),
                    BarColumn(bar_width=28),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    TextColumn("[dim]{task.fields[note]}"),
                    console=self.terminal,
                    transient=True,
                )
                self._task = self._bars.add_task(stage, total=None, note="")
                self._bars.start()
            assert self._task is not None
            self._bars.update(self._task, completed=done, total=total or None, note=escape(note))

        return show

    def _description(self) -> str:
        if self._bars is None or self._task is None:
            return ""
        return str(self._bars.tasks[0].description)

    def _lines(self, stage: str) -> Callable[..., None]:
        last = time.monotonic()

        def show(done: float, total: float, note: str = "") -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_SECONDS:
                last = time.monotonic()
                self.say(f"  {stage} {done:.0f}/{total:.0f} {note}".rstrip())

        return show

    def _drop_bar(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            sys.stderr.flush()
