"""`sft ui`: MLflow's own interface on the runs of this folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from runner.verbs.common import add_home


def arguments(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    parser.add_argument("--uri", help="tracking URI, as in tracking.uri; else that of --home")
    parser.add_argument("--port", type=int, help="default 5000, or a free one")


def main(options: argparse.Namespace) -> int:
    from runner.compose.resolve import make_absolute
    from runner.config import MlflowTracking
    from runner.tracking import tracking_uri
    from runner.tracking.ui import serve

    home = Path(options.home).expanduser().resolve()
    tracking = {"uri": options.uri}
    # As a run reads it: from the working directory.
    make_absolute({"tracking": tracking}, Path.cwd(), ())
    return serve(tracking_uri(MlflowTracking(kind="mlflow", **tracking), home), home, options.port)
