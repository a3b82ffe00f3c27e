"""Tuning: submit a job once, watch it to its end, keep what it left."""

from runner.tuning.watch import TUNE_VERSION, tune

__all__ = ["TUNE_VERSION", "tune"]
