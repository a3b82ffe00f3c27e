"""`sft ui`: MLflow's own interface on the runs of this folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from runner.verbs.home import add_home


def arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    parser.add_argument("--uri", help="tracking URI, when tracking.uri was set")
    parser.add_argument("--port", type=int, help="default 5000, or a free one")


def main(options: argparse.Namespace) -> int:
    from runner.config import MlflowTracking
    from runner.tracking import tracking_uri
    from runner.tracking.ui import serve

    home = Path(options.home).expanduser().resolve()
    uri = tracking_uri(MlflowTracking(kind="mlflow", uri=options.uri), home)
    return serve(uri, home, options.port)
