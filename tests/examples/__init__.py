"""Tests of the examples. Their folders are roots of functions' code, as in Lambda."""

from __future__ import annotations

import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = EXAMPLES / "todo"

sys.path[:0] = [str(CODE), str(EXAMPLES / "product" / "service")]
