"""What exact token counts take: the backend's tokenizer."""

from __future__ import annotations

from collections.abc import Callable

from runner.errors import MissingExtraError
from runner.experiment.stage import ArmRun


def get_tokenizer(run: ArmRun, say: Callable[[str], None]) -> None:
    """Fetch it before tokens are counted; without the extra that has it, counts are estimates,
    which is said. A service has none to fetch, so that checks and plans need no account."""
    if run.terms.remote:
        return
    try:
        run.backend.setup(run.context.watch("model"))
    except MissingExtraError as error:
        say(f"token counts are estimates: {error}")
