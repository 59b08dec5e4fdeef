"""The init phase of a function, as far as garbage is concerned; each case is a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

_ROOT: Final = Path(__file__).parents[2]
_REPORT: Final = """
import gc, json
from runtime import CqrsApp
during = gc.get_threshold()
{body}
print(json.dumps([usual, during, gc.get_threshold(), gc.get_freeze_count() > exempt]))
"""


def run(body: str, **variables: str) -> list[Any]:
    """The collector's threshold at first, with the library imported, and after ``body``; and if it froze."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), **variables}
    done = subprocess.run(  # noqa: S603 - our own text
        [
            sys.executable,
            "-c",
            "import gc\nusual, exempt = gc.get_threshold(), gc.get_freeze_count()\n"
            + _REPORT.format(body=body),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("variable", ["AWS_LAMBDA_FUNCTION_NAME", "CQRS_FUNCTION"])
def test_a_function_looks_for_garbage_seldom_until_its_app_is_made(variable: str) -> None:
    usual, during, after, frozen = run("CqrsApp(modules=[]); CqrsApp(modules=[])", **{variable: "notifier"})
    assert during == [300_000, *usual[1:]]
    assert after == usual
    assert frozen


def test_a_function_without_an_app_still_looks() -> None:
    usual, during, after, frozen = run("", AWS_LAMBDA_FUNCTION_NAME="f")
    assert usual[0] < during[0] == after[0] == 300_000
    assert not frozen


def test_what_the_service_itself_sets_stays() -> None:
    _, _, after, frozen = run("gc.set_threshold(5, 6, 7); CqrsApp(modules=[])", AWS_LAMBDA_FUNCTION_NAME="f")
    assert after == [5, 6, 7]
    assert not frozen


def test_a_collector_that_was_switched_off_stays_off() -> None:
    body = "gc.disable(); CqrsApp(modules=[]); usual = gc.isenabled()"
    is_enabled, *_ = run(body, AWS_LAMBDA_FUNCTION_NAME="f")
    assert is_enabled is False


def test_nothing_changes_outside_of_lambda() -> None:
    usual, during, after, frozen = run("CqrsApp(modules=[])")
    assert usual == during == after
    assert not frozen
