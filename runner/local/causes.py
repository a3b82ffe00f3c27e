"""From an exception in a worker to a sentence a person can act on."""

from __future__ import annotations

from runner.errors import SftError


class LossDiverged(Exception):
    """The training loss is not a number any more."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the training loss became nan or infinite at step {step}")


class Cancelled(Exception):
    """Somebody asked the job to stop."""


def explain(error: BaseException) -> str:
    """The cause and the cure in one or two sentences; the traceback is in the log."""
    text = str(error).strip()
    if isinstance(error, SftError):
        return text
    if isinstance(error, LossDiverged):
        return f"{text}; lower tuning.learning_rate_multiplier"
    if isinstance(error, MemoryError) or _out_of_memory(error, text):
        return (
            "out of memory; lower backend.batch_size (and raise backend.gradient_accumulation "
            "by as much), or shorten the rows"
        )
    if isinstance(error, OSError) and error.errno == 28:
        return f"the disk is full: {text}"
    last = text.splitlines()[-1] if text else "no message"
    return f"{type(error).__name__}: {last}"


def _out_of_memory(error: BaseException, text: str) -> bool:
    # By name, because torch must not be imported for this; the allocator on the CPU raises a
    # plain RuntimeError with this text.
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in text
