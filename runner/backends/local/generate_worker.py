"""The process that answers: ``python -m runner.backends.local.generate_worker LIFELINE SETTINGS``.

Reads and writes the lines that `generator` describes. Whatever a library prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runner.backends.local import process
from runner.backends.local.process import explain
from runner.records import Generation, Request, Turn

if TYPE_CHECKING:
    from runner.backends.local.answer import Answerer


def main(arguments: list[str]) -> int:
    process.hold(int(arguments[0]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    answerer: Answerer | None = None
    for line in sys.stdin:
        try:
            if answerer is None:
                answerer = _load(json.loads(arguments[1]))
            _answer(answerer, json.loads(line), answers)
        except Exception as error:
            traceback.print_exc()
            _say(answers, {"error": explain(error)})
    return 0


def _load(settings: dict[str, Any]) -> Answerer:
    from runner.backends.local.answer import Answerer

    return Answerer(Path(settings.pop("folder")), **settings)


def _answer(answerer: Answerer, question: Mapping[str, Any], answers: IO[str]) -> None:
    requests = [
        Request(raw["id"], tuple(map(Turn.from_json, raw["contents"])), raw["system"])
        for raw in question["requests"]
    ]
    generation = Generation(
        **{**question["generation"], "stop": tuple(question["generation"]["stop"])}
    )
    for prediction in answerer.answer(question["adapter"], requests, generation):
        _say(answers, {"prediction": prediction.to_json()})
    _say(answers, {"done": True})


def _say(answers: IO[str], message: Mapping[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
