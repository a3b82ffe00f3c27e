"""``python -m runner`` is ``sft``."""

import sys

from runner.cli import main

sys.exit(main())
