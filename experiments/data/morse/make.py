"""Key the recordings that `experiments/audio_transcription.yaml` tunes on: Morse code.

    python experiments/data/morse/make.py --out experiments/data/morse

Writes ``audio/*.wav`` (mono, 8 bit, 8 kHz, one to eight seconds) and ``train.csv``,
``validation.csv``, ``test.csv`` with the columns ``id``, ``audio``, ``text``, ``speed``. The same
seed keys the same files. Words of the test set do not occur in training; pitch, speed and noise
vary from recording to recording.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import wave
from collections.abc import Iterator
from pathlib import Path

RATE = 8000
CODE = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- "
        "...- .-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. "
        "----.".split(),
        strict=True,
    )
)
"""International Morse code (ITU-R M.1677-1)."""

TRAIN_WORDS = (
    "ANCHOR HARBOUR NORTH WIND SHIP LIGHT TIDE STORM CREW SAIL PORT ROPE DECK FOG BELL CARGO "
    "CAPTAIN SIGNAL ISLAND REEF MAST KEEL WAVE CHART PILOT FUEL RADIO ENGINE WATCH STERN BOW "
    "LOG KNOT GALE CALM MOON STAR EAST RIVER DOCK"
).split()
TEST_WORDS = (
    "BEACON COMPASS SOUTH CURRENT FERRY LANTERN OCEAN SQUALL SAILOR CANVAS QUAY CHAIN CABIN MIST "
    "WHISTLE FREIGHT"
).split()
ROWS = {"train": 100, "validation": 20, "test": 40}
SPEEDS = {"slow": 0.08, "fast": 0.05}
"""Seconds a dot."""


def message(rng: random.Random, split: str) -> str:
    words = TEST_WORDS if split == "test" else TRAIN_WORDS
    text = rng.choice(words)
    return f"{text} {rng.randint(2, 99)}" if rng.random() < 0.4 else text


def keyed(text: str) -> Iterator[tuple[bool, int]]:
    """Key down or up, and for how many dots."""
    for word in text.split():
        for letter in word:
            for mark in CODE[letter]:
                yield True, 1 if mark == "." else 3
                yield False, 1
            yield False, 2
        yield False, 4


def samples(text: str, dot: float, rng: random.Random) -> bytes:
    pitch, noise = rng.uniform(450, 800), rng.uniform(0, 6)
    out = bytearray()
    for down, dots in keyed(text):
        for _ in range(int(dots * dot * RATE)):
            tone = 90 * math.sin(2 * math.pi * pitch * len(out) / RATE) if down else 0.0
            out.append(int(128 + tone + rng.gauss(0, noise)) & 0xFF)
    return bytes(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    folder = options.out / "audio"
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in ROWS.items():
        with (options.out / f"{split}.csv").open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(["id", "audio", "text", "speed"])
            for number in range(1, rows + 1):
                text, speed = message(rng, split), rng.choice(list(SPEEDS))
                name = f"{split}-{number:03}.wav"
                with wave.open(str(folder / name), "wb") as sound:
                    sound.setnchannels(1)
                    sound.setsampwidth(1)
                    sound.setframerate(RATE)
                    sound.writeframes(samples(text, SPEEDS[speed], rng))
                table.writerow([name[:-4], f"audio/{name}", text, speed])
    print(f"{sum(ROWS.values())} recordings in {folder}")


if __name__ == "__main__":
    main()
