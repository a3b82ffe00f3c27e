"""`sft schema`: the JSON schema that editors check an experiment YAML with."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def main(options: argparse.Namespace) -> int:
    from runner.compose import schema_json

    del options
    print(json.dumps(schema_json(), indent=1))
    return 0
