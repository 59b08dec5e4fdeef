from __future__ import annotations

import json
import time

import pytest

from constructs_lib.local.logs.log_line import LogLine, parse, render

RUN = "/srv/shop/.local-aws/run-x/tmp/ministack-lambda-Shop-Api-ab12"


def test_a_line_of_the_logger_is_its_message_with_what_it_is_about() -> None:
    line = parse(
        json.dumps(
            {
                "level": "WARNING",
                "location": "boom:11",
                "message": "careful",
                "timestamp": "2026-11-29 00:47:22,980+0000",
                "service": "cqrs",
                "tenant": "acme",
                "tries": 2,
                "xray_trace_id": "1-6b0b7619",
            }
        )
    )
    assert line == LogLine("WARNING", "careful", ("tenant=acme", "tries=2"))
    moment = int(time.mktime((2026, 11, 29, 12, 30, 5, 0, 0, -1))) * 1000 + 42
    text = render(line, milliseconds=moment, label="api", width=8)
    assert text == "12:30:05.042  api       WARNING   careful  tenant=acme  tries=2"


def test_the_frames_of_ones_own_code_are_below_an_error() -> None:
    stack = [f"{RUN}/layer_0/python/runtime/entry/http/api.py:63 handler", f"{RUN}/code/routes.py:14 boom"]
    line = parse(
        json.dumps({"level": "ERROR", "message": "failed", "errors": [{"type": "E", "stack": stack}]})
    )
    assert line == LogLine("ERROR", "failed", (), ("E", "  routes.py:14 boom"))
    inside = json.dumps(
        {"level": "ERROR", "message": "failed", "errors": [{"type": "E", "stack": stack[:1]}]}
    )
    assert parse(inside) == LogLine(
        "ERROR", "failed", (), ("E", "  layer:runtime/entry/http/api.py:63 handler")
    )
    traced = parse(
        json.dumps({"level": "error", "message": {"a": 1}, "exception": f'File "{RUN}/code/x.py"\nE'})
    )
    assert traced == LogLine("ERROR", '{"a": 1}', (), ('File "x.py"', "E"))


def test_a_traceback_is_one_error() -> None:
    line = parse(f'Traceback (most recent call last):\n  File "{RUN}/code/main.py", line 3\nValueError: no')
    assert line
    assert (line.level, line.text) == ("ERROR", "ValueError: no")
    assert line.below == ("Traceback (most recent call last):", '  File "main.py", line 3')


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("START RequestId: 8cdb Version: $LATEST", None),
        ("END RequestId: 8cdb", None),
        ("", None),
        ('{"_aws":{"Timestamp":1},"CommandsPublished":[1.0]}', None),
        ("REPORT RequestId: 8cdb\tDuration: 36 ms\tBilled Duration: 36 ms", "answered in 36 ms"),
        ("printed", "printed"),
        ('{"not": json', '{"not": json'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_what_frames_a_call_is_left_out(message: str, text: str | None) -> None:
    line = parse(message)
    assert (line and line.text) == text


@pytest.mark.parametrize(
    ("level", "shown"), [("", False), ("INFO", False), ("WARN", True), ("WARNING", True), ("CRITICAL", True)]
)
def test_a_level_is_a_lowest_one(level: str, *, shown: bool) -> None:
    assert LogLine(level, "text").is_at_least("WARNING") is shown
    assert LogLine(level, "text").is_at_least("DEBUG")
