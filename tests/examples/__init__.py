"""Tests of the example. Its folder is the root of a function's code, as in Lambda."""

from __future__ import annotations

import sys
from pathlib import Path

CODE = Path(__file__).parents[2] / "examples" / "todo"

sys.path.insert(0, str(CODE))
