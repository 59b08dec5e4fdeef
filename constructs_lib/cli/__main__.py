"""`python -m constructs_lib.cli` is `cqrs`."""

from __future__ import annotations

import sys

from constructs_lib.cli.program import main

sys.exit(main())
