"""What a function of an example imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from main import app
from tests.support.http_events import http_event
assert app(http_event("GET", "/todos", claims={"custom:tenant": "a"}), None)["statusCode"] == 200
print("sqlalchemy" in sys.modules, "psycopg" in sys.modules)
"""


@pytest.mark.usefixtures("deployed")
def test_a_function_that_serves_http_only_leaves_sql_out() -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "examples" / "todo")])
    environment = {**os.environ, "PYTHONPATH": path, "CQRS_FUNCTION": "api"}
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
