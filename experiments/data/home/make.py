"""Write the rows that `experiments/function_calling.yaml` tunes on: orders to a smart home.

    python experiments/data/home/make.py --out experiments/data/home

Writes ``train.jsonl``, ``validation.jsonl`` and ``test.jsonl`` in Gemini's tuning format: four
function declarations, an order, and the function call (sometimes two) that carries it out. The
same seed writes the same files. Rooms, artists and ways of asking of the test set are partly new.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

ROWS = {"train": 100, "validation": 20, "test": 40}
Call = dict[str, Any]


def declared(name: str, about: str, **fields: tuple[str, str]) -> dict[str, Any]:
    properties = {key: {"type": kind, "description": text} for key, (kind, text) in fields.items()}
    schema = {"type": "OBJECT", "properties": properties, "required": list(fields)}
    return {"name": name, "description": about, "parameters": schema}


TOOLS = [
    {
        "functionDeclarations": [
            declared(
                "set_light",
                "Set the brightness of a room's lights.",
                room=("STRING", "The room."),
                percent=("INTEGER", "0 is off, 100 is full."),
            ),
            declared(
                "set_heating",
                "Set the temperature of a room.",
                room=("STRING", "The room."),
                degrees=("INTEGER", "Degrees Celsius."),
            ),
            declared(
                "play_music",
                "Play an artist in a room.",
                artist=("STRING", "The artist."),
                room=("STRING", "The room."),
            ),
            declared("set_timer", "Start a timer.", minutes=("INTEGER", "Minutes from now.")),
        ]
    }
]
SEEN = {
    "rooms": ["kitchen", "bedroom", "bathroom", "hall", "study"],
    "artists": ["Nina Simone", "Daft Punk", "Bach", "Miles Davis"],
    "light": ["set the {room} light to {percent} percent", "{room} lights at {percent}%, please"],
    "heating": ["make it {degrees} degrees in the {room}", "heat the {room} to {degrees}"],
    "music": ["play {artist} in the {room}", "put on some {artist} in the {room}"],
    "timer": ["timer for {minutes} minutes", "wake me in {minutes} minutes"],
}
UNSEEN = {
    "rooms": [*SEEN["rooms"], "nursery", "attic"],
    "artists": [*SEEN["artists"], "Joni Mitchell", "Kraftwerk"],
    "light": [*SEEN["light"], "could the {room} be lit at {percent} percent?"],
    "heating": [*SEEN["heating"], "I'd like the {room} at {degrees} degrees"],
    "music": [*SEEN["music"], "let's hear {artist}, {room} speakers"],
    "timer": [*SEEN["timer"], "remind me when {minutes} minutes are up"],
}


def order(rng: random.Random, words: dict[str, list[str]]) -> tuple[str, Call]:
    """A way to ask, and the call that answers it."""
    what, room = rng.choice(["light", "heating", "music", "timer"]), rng.choice(words["rooms"])
    text = rng.choice(words[what])
    if what == "light":
        args: dict[str, Any] = {"room": room, "percent": rng.choice([0, 10, 25, 40, 60, 80, 100])}
    elif what == "heating":
        args = {"room": room, "degrees": rng.randint(16, 24)}
    elif what == "music":
        args = {"artist": rng.choice(words["artists"]), "room": room}
    else:
        args = {"minutes": rng.choice([3, 5, 10, 15, 20, 45, 90])}
    names = {
        "light": "set_light",
        "heating": "set_heating",
        "music": "play_music",
        "timer": "set_timer",
    }
    return text.format(**args), {"name": names[what], "args": args}


def row(rng: random.Random, split: str) -> dict[str, Any]:
    words = UNSEEN if split == "test" else SEEN
    asked = [order(rng, words) for _ in range(2 if rng.random() < 0.2 else 1)]
    text = " and ".join(text for text, _ in asked)
    calls = [{"functionCall": call} for _, call in asked]
    return {
        "systemInstruction": {"parts": [{"text": "You run a home. Call the functions asked for."}]},
        "contents": [
            {"role": "user", "parts": [{"text": f"{text[0].upper()}{text[1:]}"}]},
            {"role": "model", "parts": calls},
        ],
        "tools": TOOLS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    asked: set[str] = set()
    for split, rows in ROWS.items():
        with (options.out / f"{split}.jsonl").open("w", encoding="utf-8") as out:
            written = 0
            while written < rows:
                made = row(rng, split)
                text = made["contents"][0]["parts"][0]["text"]
                if text in asked:  # nobody is asked twice, least of all in another split
                    continue
                asked.add(text)
                out.write(json.dumps(made, ensure_ascii=False) + "\n")
                written += 1
    print(f"{sum(ROWS.values())} rows in {options.out}")


if __name__ == "__main__":
    main()
