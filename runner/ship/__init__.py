"""A tuned model to take away: a folder with a small client that asks it as it was evaluated."""

from runner.ship.folder import write_client
from runner.ship.told import client_of

__all__ = ["client_of", "write_client"]
