"""How often the skew check fires: on random halves of one population (it should not), and on
planted shifts (it should), by the number of prompts a side.

    python benchmarks/skew_power.py TRAIN.csv --runs 200 --out docs/images/skew_power.svg

TRAIN.csv has a column `text` with questions of one population (the figure: Banking77, train).
The shifts: *informal* (lower case, contractions, no question mark), *longer* (a sentence of
context before a third of the prompts), *another language* (one prompt in five is German),
*template* (the serving side wraps the question). Prints a table; writes the figure as SVG.
"""

from __future__ import annotations

import argparse
import csv
import random
import time
from collections.abc import Callable
from pathlib import Path

from runner.config.skew import FileSkew
from runner.records import Example, Origin, Turn
from runner.skew import compare, warnings

GERMAN = (
    "Warum wurde meine Karte nicht angenommen?",
    "Wie kann ich meine PIN ändern, bitte?",
    "Wann ist meine Überweisung auf dem Konto?",
    "Ich habe mein Geld noch nicht erhalten.",
    "Was kostet der Umtausch von einer Währung?",
    "Die Karte ist weg, was soll ich tun?",
)
CONTEXT = "I have been a customer for a few years now and this has never come up before. "
CONTRACTED = {"I am": "im", "What is": "whats", "do not": "dont", "cannot": "cant", "you": "u"}


def informal(text: str, at: int) -> str:
    for formal, short in CONTRACTED.items():
        text = text.replace(formal, short)
    return text.lower().rstrip("?.")


SHIFTS: dict[str, Callable[[str, int], str]] = {
    "none": lambda text, at: text,
    "informal": informal,
    "longer": lambda text, at: CONTEXT + text if at % 3 == 0 else text,
    "another language": lambda text, at: f"{GERMAN[at % 6]} {at}" if at % 5 == 0 else text,
    "template": lambda text, at: f"Customer question: {text}\nIntent:",
}
SIZES = (50, 100, 200)
CONFIG = FileSkew(kind="file", production="-")


def fires(texts: list[str], size: int, shift: Callable[[str, int], str], seed: int) -> bool:
    drawn = random.Random(seed).sample(texts, 2 * size)
    tuning = [
        Example(f"t{n}", (Turn("user", text),), "", Origin("t", n))
        for n, text in enumerate(drawn[:size])
    ]
    production = [{"text": shift(t, n), "system": ""} for n, t in enumerate(drawn[size:])]
    return bool(warnings(compare(tuning, production, CONFIG, seed, "{{ text }}")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--runs", type=int, default=200, help="runs without a shift, a size")
    parser.add_argument("--shifted", type=int, default=40, help="runs with a shift, a size")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with options.texts.open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    found: dict[str, list[tuple[int, int, int]]] = {}
    for name, shift in SHIFTS.items():
        for size in SIZES:
            runs = options.runs if name == "none" else options.shifted
            start = time.perf_counter()
            hits = sum(fires(texts, size, shift, 1000 * size + run) for run in range(runs))
            each = (time.perf_counter() - start) / runs
            found.setdefault(name, []).append((size, hits, runs))
            print(
                f"{name:<18} {size:>4} a side: {hits:>3} of {runs} ({each:.2f} s each)", flush=True
            )
    if options.out:
        options.out.write_text(figure(found), encoding="utf-8")


COLOURS = ("#6b7280", "#0b6bcb", "#c2410c", "#15803d", "#7c3aed")


def figure(found: dict[str, list[tuple[int, int, int]]]) -> str:
    """Share of runs that fire by size, one line a shift; 5 % is dashed."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 340" font-family="sans-serif" '
        'font-size="13"><rect width="720" height="340" fill="#fff"/>'
        '<text x="60" y="24" font-size="15">Share of skew checks that fire (Banking77)</text>'
    ]
    x = {size: 60 + 420 * at / (len(SIZES) - 1) for at, size in enumerate(SIZES)}

    def y(share: float) -> float:
        return 290 - 240 * share

    for tick in (0.0, 0.05, 0.25, 0.5, 0.75, 1.0):
        dash = ' stroke-dasharray="5 4"' if tick == 0.05 else ""
        parts.append(
            f'<line x1="60" x2="480" y1="{y(tick)}" y2="{y(tick)}" stroke="#ccc"{dash}/>'
            f'<text x="52" y="{y(tick) + 4}" text-anchor="end">{tick:.0%}</text>'
        )
    parts += [f'<text x="{x[s]}" y="312" text-anchor="middle">{s}</text>' for s in SIZES]
    parts.append('<text x="270" y="332" text-anchor="middle">prompts a side</text>')
    for row, (colour, (name, cells)) in enumerate(zip(COLOURS, found.items(), strict=True)):
        spots = " ".join(f"{x[size]},{y(hits / runs)}" for size, hits, runs in cells)
        label = "no shift (false alarms)" if name == "none" else name
        parts.append(
            f'<polyline points="{spots}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
            f'<line x1="500" x2="525" y1="{60 + 26 * row}" y2="{60 + 26 * row}" stroke="{colour}" '
            f'stroke-width="3"/><text x="532" y="{64 + 26 * row}">{label}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
