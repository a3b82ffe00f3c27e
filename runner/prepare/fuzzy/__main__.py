"""Keep the fingerprints of a prepared dataset, for `prepare.dedup.fuzzy.index` of later ones.

    python -m runner.prepare.fuzzy PREPARED INDEX/NAME.parquet

PREPARED is the folder of a prepared artifact (``train.jsonl`` in it). The settings must be those
of the experiments that will look: name them when they are not the defaults.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from runner.config import Dedup, FuzzyDedup
from runner.plural import plural
from runner.prepare.fuzzy.past import write_fingerprints
from runner.records import Row, read_jsonl


def main() -> None:
    """Parse the command line and write the file."""
    default = Dedup(fuzzy=FuzzyDedup())
    assert default.fuzzy
    parser = argparse.ArgumentParser(
        prog="python -m runner.prepare.fuzzy", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("prepared", type=Path, help="folder of a prepared artifact")
    parser.add_argument("index", type=Path, help="file to write, ending in .parquet")
    parser.add_argument("--unit", choices=("word", "char", "auto"), default=default.fuzzy.unit)
    parser.add_argument("--ngram", type=int, default=default.fuzzy.ngram)
    parser.add_argument("--char-ngram", type=int, default=default.fuzzy.char_ngram)
    parser.add_argument("--normalize", nargs="*", default=default.normalize)
    given = parser.parse_args()
    train = given.prepared / "train.jsonl"
    if not train.is_file():
        parser.error(f"there is no {train}; a prepared folder holds one")
    if given.index.suffix != ".parquet":
        parser.error(f"{given.index} must end in .parquet, or the index does not see it")
    fuzzy = {"unit": given.unit, "ngram": given.ngram, "char_ngram": given.char_ngram}
    config = Dedup.model_validate({"normalize": given.normalize, "fuzzy": fuzzy})
    given.index.parent.mkdir(parents=True, exist_ok=True)
    count = write_fingerprints(map(Row.from_json, read_jsonl(train)), config, given.index)
    sys.stdout.write(f"{plural(count, 'fingerprint')} in {given.index}\n")


if __name__ == "__main__":
    main()
