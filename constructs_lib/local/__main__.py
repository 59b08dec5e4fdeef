"""Command line of the local AWS: `python -m constructs_lib.local`."""

from __future__ import annotations

import sys

from constructs_lib.local.program import main

if __name__ == "__main__":
    sys.exit(main())
