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
print([name for name in ("sqlalchemy", "psycopg", "runtime.clients.tenant_sessions") if name in sys.modules])
"""


@pytest.mark.usefixtures("deployed")
def test_a_function_that_serves_http_only_leaves_out_what_it_does_not_use() -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "examples" / "todo")])
    environment = {**os.environ, "PYTHONPATH": path, "CQRS_FUNCTION": "api"}
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
