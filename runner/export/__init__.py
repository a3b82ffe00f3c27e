"""Results in other tools' formats."""

from runner.export.tensorboard import write_events

__all__ = ["write_events"]
