"""A tuned model to take away: a folder with a small client that asks it as it was evaluated."""

from runner.ship.client import write_client
from runner.ship.client_facts import client_of

__all__ = ["client_of", "write_client"]
