"""How fast Gemini tuning files are judged, and in how much memory.

    python benchmarks/validate_rows.py [--rows 100000]

Writes rows of four kinds (a short classification, a system instruction with a longer text, a chat
of four turns, a function call with its declaration; plus a photo in every tenth), judges them
against gemini-3.1-flash-lite's limits in this process, and prints rows a second, seconds and the
peak of the process's memory above what it had before the first row.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from runner.compose.folders import packaged_conf
from runner.compose.yaml_files import read_yaml
from runner.config import GeminiModel
from runner.gemini_format import validate_gemini

WORDS = "the order of my card is late and nobody told me where it went or when it will come".split()


def text(draw: random.Random, words: int) -> dict[str, str]:
    return {"text": " ".join(draw.choices(WORDS, k=words))}


def turn(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def rows(count: int, seed: int = 17) -> Iterator[dict[str, Any]]:
    """Valid rows of all kinds in turn."""
    draw = random.Random(seed)
    tools = [
        {
            "functionDeclarations": [
                {
                    "name": "track",
                    "description": "Where an order is",
                    "parameters": {"type": "OBJECT", "properties": {"id": {"type": "STRING"}}},
                }
            ]
        }
    ]
    for n in range(count):
        system = turn("system", {"text": "Answer for a bank."})
        asked, label = text(draw, 12), {"text": draw.choice(WORDS)}
        if n % 10 == 9:
            photo = {"fileData": {"mimeType": "image/png", "fileUri": f"gs://bucket/{n}.png"}}
            contents = [turn("user", asked, photo), turn("model", label)]
        elif n % 4 == 0:
            contents = [turn("user", asked), turn("model", label)]
        elif n % 4 == 1:
            contents = [turn("user", text(draw, 150)), turn("model", text(draw, 40))]
        elif n % 4 == 2:
            contents = [turn(role, text(draw, 20)) for role in ("user", "model") * 2]
        else:
            call = {"functionCall": {"name": "track", "args": {"id": str(n)}}}
            yield {"contents": [turn("user", asked), turn("model", call)], "tools": tools}
            continue
        yield {"systemInstruction": system, "contents": contents}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    file = packaged_conf() / "model" / "gemini_3_1_flash_lite.yaml"
    model = GeminiModel.model_validate(read_yaml(file))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        with path.open("wb") as out:
            out.writelines(orjson.dumps(row) + b"\n" for row in rows(count))
        size, before = path.stat().st_size, peak_mb()
        start, busy = time.perf_counter(), time.process_time()
        verdict = validate_gemini(
            {"train": path}, model.context_tokens, model.limits, exists=lambda uri: 200_000
        )
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    if verdict.faults:
        raise SystemExit(f"valid rows were refused: {verdict.faults[0]}")
    print(f"rows            {count:,} ({size / 1e6:,.0f} MB)")
    print(f"seconds         {seconds:.2f}")
    print(f"CPU seconds     {busy:.2f}  (what it takes on a quiet machine)")
    print(f"rows a second   {count / seconds:,.0f}")
    print(f"peak MB above   {peak_mb() - before:.1f}")


if __name__ == "__main__":
    main()
