"""Scores as statistics, their intervals, and tests of differences."""
