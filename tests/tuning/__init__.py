"""Watching tuning jobs."""
