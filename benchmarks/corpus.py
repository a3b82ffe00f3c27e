"""Corpora of 10,000 to 1,000,000 English documents with planted near-duplicates, from the text a
Debian machine with Python has: package descriptions, manual pages, documentation, docstrings.

    python benchmarks/corpus.py 100000 --out DIR

Documents are cut to 50-500 words. Where the machine has less text than asked for, the rest is
made by shuffling sentences of what it has, and the command says how many. What nearly repeats
something else by itself (word 5-gram Jaccard 0.6 and more, as found by the engine) is left out, so
that the planted truth is the whole truth. 11 % of the documents are planted, in clusters of 2-5:

    exact    the text again
    variant  other case and white space, the same words
    near     words replaced, removed, added; true word 5-gram Jaccard recorded, 0.70-0.97
    span     60-200 words of another document pasted in (no near-duplicate: for other methods)

Writes ``corpus-N.parquet`` (text) and ``truth-N.parquet`` (row, source, kind, jaccard), the same
bytes for the same seed, number and machine.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SEED = 17
PLANTED = 0.11
KINDS = (("near", 0.6), ("exact", 0.15), ("variant", 0.15), ("span", 0.1))
DOCSTRING = re.compile(r'"""(.{200,}?)"""', re.DOTALL)
ROFF = re.compile(r"^[.'].*$|\\f[A-Z]|\\[-&|(][a-z]{0,2}", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.!?])\s+")
NGRAM = 5


def package_descriptions() -> Iterator[str]:
    """What apt knows, one stanza a text."""
    done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=False)
    for stanza in done.stdout.split("\n\n"):
        yield stanza.partition("Description")[2]


def manual_pages() -> Iterator[str]:
    for path in sorted(Path("/usr/share/man").glob("man*/*.gz")):
        if not path.is_symlink():
            yield ROFF.sub("", gzip.decompress(path.read_bytes()).decode("utf-8", "replace"))


def documents() -> Iterator[str]:
    for path in sorted(Path("/usr/share/doc").rglob("*")):
        if path.is_symlink() or not path.is_file() or path.name == "copyright":
            continue
        if path.name.endswith(".gz"):
            yield gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        elif path.suffix in (".txt", ".md", ".rst", "") and path.stat().st_size < 4 << 20:
            yield path.read_bytes().decode("utf-8", "replace")


def docstrings() -> Iterator[str]:
    folders = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib"))
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py")):
            yield "\n".join(DOCSTRING.findall(path.read_bytes().decode("utf-8", "replace")))


def chunks(texts: Iterable[str], draw: random.Random) -> Iterator[str]:
    """Stretches of 50-500 words, 150 in the middle, each beginning seen once."""
    seen = set()
    for text in texts:
        words = [word for word in text.split() if len(word) < 40]
        at = 0
        while len(words) - at >= 50:
            size = max(50, min(500, int(draw.lognormvariate(4.9, 0.5))))
            chunk, at = words[at : at + size], at + size
            letters = sum(map(len, chunk))
            if len(chunk) >= 50 and (head := hash(tuple(chunk[:20]))) not in seen and letters > 150:
                seen.add(head)
                yield " ".join(chunk)


def shuffled(texts: list[str], count: int, draw: random.Random) -> Iterator[str]:
    """Documents of sentences from anywhere, as long as real ones are."""
    pool = [s for text in texts for s in SENTENCE.split(text) if 5 <= s.count(" ") <= 40]
    for _ in range(count):
        size, words, parts = max(50, min(500, int(draw.lognormvariate(4.9, 0.5)))), 0, []
        while words < size:
            parts.append(pool[int(draw.random() * len(pool))])
            words += parts[-1].count(" ") + 1
        yield " ".join(parts)


def unlike(texts: list[str]) -> list[str]:
    """Without what nearly repeats an earlier one."""
    from runner.kernels.minhash import MinHashSettings, near_duplicates

    config = MinHashSettings(threshold=0.6, ngram=NGRAM, recall=0.8)
    gone = {near.row for near in near_duplicates((t.lower() for t in texts), config)}
    return [text for row, text in enumerate(texts) if row not in gone]


def base_texts(count: int, draw: random.Random) -> list[str]:
    """So many documents that are unlike each other; real ones as far as they go."""
    made: list[str] = []
    for source in (package_descriptions, docstrings, documents, manual_pages):
        if len(made) < 1.4 * count:
            fresh = list(chunks(source(), draw))
            print(f"{source.__name__:22}{len(fresh):>10,} documents", file=sys.stderr)
            made += fresh
    draw.shuffle(made)
    made = unlike(made[: int(1.5 * count)])[:count]
    missing = count - len(made)
    print(f"{'real, unlike':22}{len(made):>10,}", file=sys.stderr)
    if missing > 0:
        print(f"{'of shuffled sentences':22}{missing:>10,}", file=sys.stderr)
        made = unlike([*made, *shuffled(made, int(1.05 * missing) + 10, draw)])[:count]
        draw.shuffle(made)
    return made


def shingles(words: list[str]) -> set[tuple[str, ...]]:
    words = [word.lower() for word in words]
    return {tuple(words[at : at + NGRAM]) for at in range(max(1, len(words) - NGRAM + 1))}


def jaccard(one: list[str], two: list[str]) -> float:
    mine, theirs = shingles(one), shingles(two)
    return len(mine & theirs) / len(mine | theirs)


def edited(words: list[str], vocabulary: list[str], draw: random.Random) -> list[str]:
    """Word edits towards a Jaccard similarity between 0.70 and 0.97."""
    wanted = draw.uniform(0.70, 0.97)
    edits = max(1, round(len(words) * (1 - wanted) / (NGRAM * (1 + wanted))))
    out = list(words)
    for at in sorted(draw.sample(range(len(words)), edits), reverse=True):
        kind, word = draw.random(), draw.choice(vocabulary)
        out[at : at + 1] = [word] if kind < 0.6 else [] if kind < 0.8 else [word, out[at]]
    return out


def varied(text: str, draw: random.Random) -> str:
    case = draw.choice((str.lower, str.upper, str.title, str))
    return "".join(draw.choice((" ", "  ", "\n", "\t ")) + word for word in case(text).split(" "))


@dataclass(slots=True)
class Planting:
    """Documents with their planted relatives, before they are shuffled."""

    draw: random.Random
    vocabulary: list[str]
    texts: list[str] = field(default_factory=list)
    truth: list[tuple[int, int, str, float]] = field(default_factory=list)

    def add(self, base: str, relatives: int) -> None:
        source = len(self.texts)
        self.texts.append(base)
        for _ in range(relatives):
            kinds, weights = zip(*KINDS, strict=True)
            (kind,) = self.draw.choices(kinds, weights)
            text = self.relative(base, kind)
            score = jaccard(base.split(), text.split()) if kind in ("near", "span") else 1.0
            self.truth.append((len(self.texts), source, kind, score))
            self.texts.append(text)

    def relative(self, base: str, kind: str) -> str:
        if kind == "exact":
            return base
        if kind == "variant":
            return varied(base, self.draw)
        words = base.split()
        if kind == "near":
            return " ".join(edited(words, self.vocabulary, self.draw))
        host = self.draw.choice(self.texts).split()
        span = self.draw.randint(60, 200)
        low, at = self.draw.randrange(max(1, len(words) - span)), self.draw.randrange(len(host))
        return " ".join([*host[:at], *words[low : low + span], *host[at:]])


def make(count: int, seed: int, out: Path) -> None:
    """Write a corpus of `count` documents and its truth."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = random.Random(seed)
    relatives = int(count * PLANTED)
    bases = base_texts(count - relatives, draw)
    planting = Planting(draw, sorted({w for text in bases[:2000] for w in text.split()}))
    left = relatives
    for base in bases:
        size = min(left, draw.randint(1, 4))
        planting.add(base, size)
        left -= size
    order = list(range(len(planting.texts)))
    draw.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    texts = pa.array([planting.texts[old] for old in order], pa.large_string())
    out.mkdir(parents=True, exist_ok=True)
    group = 20_000
    pq.write_table(pa.table({"text": texts}), out / f"corpus-{count}.parquet", row_group_size=group)
    rows = [(place[row], place[source], kind, score) for row, source, kind, score in planting.truth]
    names = ("row", "source", "kind", "jaccard")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), out / f"truth-{count}.parquet")
    size = sum(len(t.encode()) for t in planting.texts)
    print(f"{len(order):,} documents, {size / 1e6:,.1f} MB, {len(rows):,} planted", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    for count in arguments.count:
        make(count, arguments.seed, arguments.out)


if __name__ == "__main__":
    main()
