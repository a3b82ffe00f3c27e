"""The request to reword a text, from its template."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import ConfigError, Problem

KEY = "prepare.augment.paraphrase.prompt"


def prompts(template: str, texts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Id and filled template of every (id, text). Raises ConfigError when it does not compile,
    fails, or leaves the text out."""
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    try:
        made = environment.from_string(template)
        filled = [(name, made.render(text=text)) for name, text in texts]
    except TemplateError as error:
        hint = "it knows one name: {{ text }}"
        raise ConfigError([Problem(KEY, f"is no template: {error}", hint=hint)]) from error
    if any(text not in prompt for (_, text), (_, prompt) in zip(texts, filled, strict=True)):
        hint = "put {{ text }} where it is to stand"
        raise ConfigError([Problem(KEY, "does not show the text to be reworded", hint=hint)])
    return filled
