"""Draw the pictures that `experiments/image_captioning.yaml` tunes on, with their captions.

    python experiments/data/shapes/make.py --out experiments/data/shapes

Writes ``images/*.png`` (96 x 96 pixels, about 500 bytes each) and ``train.csv``,
``validation.csv``, ``test.csv`` with the columns ``id``, ``image``, ``caption``, ``scene``. The
same seed draws the same files. No picture of the test set shows two shapes in a combination of
colours that training has seen: ``scene`` tells single shapes from pairs.
"""

from __future__ import annotations

import argparse
import csv
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 96
COLOURS = {
    "red": (214, 40, 40),
    "blue": (29, 78, 216),
    "green": (22, 130, 60),
    "yellow": (240, 190, 20),
    "purple": (120, 40, 160),
}
SHAPES = ("circle", "square", "triangle")
SIZES = {"small": 12, "large": 20}
ROWS = {"train": 100, "validation": 20, "test": 40}


@dataclass(frozen=True)
class Thing:
    """One shape: its words are its caption."""

    size: str
    colour: str
    shape: str

    def __str__(self) -> str:
        return f"a {self.size} {self.colour} {self.shape}"

    def draw(self, pen: ImageDraw.ImageDraw, x: int, y: int) -> None:
        half = SIZES[self.size]
        box = (x - half, y - half, x + half, y + half)
        if self.shape == "circle":
            pen.ellipse(box, COLOURS[self.colour])
        elif self.shape == "square":
            pen.rectangle(box, COLOURS[self.colour])
        else:
            corners = [(x, y - half), (x - half, y + half), (x + half, y + half)]
            pen.polygon(corners, COLOURS[self.colour])


def scene(rng: random.Random, split: str) -> tuple[list[Thing], str]:
    """One or two shapes and their caption."""
    while True:
        things = [
            Thing(rng.choice(list(SIZES)), rng.choice(list(COLOURS)), rng.choice(SHAPES))
            for _ in range(rng.choice((1, 2)))
        ]
        colours = [thing.colour for thing in things]
        if len(set(colours)) < len(things):
            continue
        # Pairs whose colours stand in the order of COLOURS are kept for the test set.
        ordered = colours == sorted(colours, key=list(COLOURS).index)
        if len(things) == 1 or ordered == (split == "test"):
            words = " to the left of ".join(map(str, things))
            return things, f"{words[0].upper()}{words[1:]}."


def picture(things: list[Thing], rng: random.Random) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), (238, 238, 238))
    pen = ImageDraw.Draw(image)
    places = [SIDE // 2] if len(things) == 1 else [SIDE // 4, 3 * SIDE // 4]
    for thing, x in zip(things, places, strict=True):
        thing.draw(pen, x + rng.randint(-3, 3), SIDE // 2 + rng.randint(-18, 18))
    return image.quantize(16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    folder = options.out / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in ROWS.items():
        with (options.out / f"{split}.csv").open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(["id", "image", "caption", "scene"])
            for number in range(1, rows + 1):
                things, caption = scene(rng, split)
                name = f"{split}-{number:03}.png"
                picture(things, rng).save(folder / name, optimize=True)
                table.writerow(
                    [name[:-4], f"images/{name}", caption, ("one", "two")[len(things) - 1]]
                )
    print(f"{sum(ROWS.values())} pictures in {folder}")


if __name__ == "__main__":
    main()
