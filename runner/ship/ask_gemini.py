"""Ask the tuned Gemini model exactly as it was evaluated.

    pip install google-genai jinja2
    gcloud auth application-default login
    python ask.py 'your question'

Or from Python: ``import ask; ask.ask({"column": "text"})``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from runner.ship.prompt import render, row_of, settings


def ask(row: Mapping[str, str], history: Sequence[Mapping[str, Any]] = (), system: str = "") -> str:
    """The model's answer; function calls as JSON. Raises ValueError when it was withheld."""
    client = settings()
    instruction, contents = render(client, row, history, system)
    config: dict[str, Any] = {**client["generationConfig"], **client["extras"]}
    if instruction:
        config["systemInstruction"] = {"role": "system", "parts": [{"text": instruction}]}
    config["automaticFunctionCalling"] = {"disable": True}
    gemini = connect(client)
    reply = gemini.models.generate_content(model=client["model"], contents=contents, config=config)
    return text_of(reply)


def connect(client: Mapping[str, Any]) -> Any:
    """A client for the place where the model answers."""
    from google import genai

    if not client["emulator"]:
        return genai.Client(vertexai=True, project=client["project"], location=client["location"])
    from google.oauth2.credentials import Credentials

    return genai.Client(
        vertexai=True,
        project=client["project"],
        location=client["location"],
        credentials=Credentials(token="emulator"),
        http_options={"base_url": client["emulator"]},
    )


def text_of(reply: Any) -> str:
    """The text of a reply, or its function calls."""
    if not reply.candidates:
        raise ValueError(f"the prompt was blocked: {reply.prompt_feedback}")
    parts = (reply.candidates[0].content and reply.candidates[0].content.parts) or []
    calls = [
        {"name": part.function_call.name, "args": part.function_call.args or {}}
        for part in parts
        if part.function_call
    ]
    if calls:
        return json.dumps(calls if len(calls) > 1 else calls[0], ensure_ascii=False)
    said = [part.text for part in parts if part.text and not part.thought]
    if not said and reply.candidates[0].finish_reason not in (None, "STOP", "MAX_TOKENS"):
        raise ValueError(f"the answer was withheld: {reply.candidates[0].finish_reason}")
    return "".join(said)


if __name__ == "__main__":
    print(ask(row_of(settings(), sys.argv[1:])))
