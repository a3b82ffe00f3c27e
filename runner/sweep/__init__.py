"""Sweeps: from composed points to arms, all of them run in one process, one verdict."""
