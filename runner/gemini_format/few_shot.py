"""Worked examples in a text, by the labels they show by: ``Input: ... Output:``."""

from __future__ import annotations

import re

INPUTS = "input|question|query|text|message|sentence|user|human|customer|prompt|source"
ANSWERS = "output|answer|label|response|assistant|model|ai|bot|agent|completion|target|result"
LABEL = re.compile(
    rf"^[ \t>*#-]*(?:(?P<input>{INPUTS}|q)|(?P<answer>{ANSWERS}|a))[ \t]*\d*\**[ \t]*:"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
NUMBERED = re.compile(r"^[ \t>*#-]*(?:example|sample|shot)[ \t]*#?\d+\b", re.I | re.M)
INLINE = re.compile(r"\bQ\d*: .+?\bA\d*: *[^\s:].*?\bQ\d*: ", re.DOTALL)


def labelled_examples(text: str) -> str:
    """The labels by which worked examples show, e.g. ``Input: ... Output:``; empty if none."""
    if text.count("\n") < 2 and " A" not in text:
        return ""
    if len(NUMBERED.findall(text)) > 1:
        return "numbered examples"
    if INLINE.search(text):
        return "Q: ... A: ... Q:"
    asked: set[str] = set()
    answered: dict[str, str] = {}
    for found in LABEL.finditer(text):
        label = (found["input"] or found["answer"]).lower()
        if found["answer"]:
            after = text[found.end() :].lstrip()
            if found["rest"].strip() or (after and not LABEL.match(after)):
                answered |= dict.fromkeys(asked - answered.keys(), label)
        elif label in answered:
            return f"{label}: ... {answered[label]}: ... {label}:"
        else:
            asked.add(label)
    return ""
