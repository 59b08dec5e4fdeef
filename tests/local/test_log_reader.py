from __future__ import annotations

import time
from typing import TYPE_CHECKING

from constructs_lib.local.logs.log_reader import LogReader
from constructs_lib.local.service.deployed import Function as Deployed
from tests.support.functions import Function

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

SOURCE = """
def handler(event, context):
    print(event)
    print(event)
    if event == "fail":
        raise ValueError("no")
"""


def test_what_is_new_is_read_once_with_a_traceback_in_one_piece(emulator: Emulator) -> None:
    function = Function(emulator, SOURCE)
    deployed = Deployed("worker", "Worker", function.name, f"/aws/lambda/{function.name}")
    reader = LogReader(emulator)

    def read() -> list[str]:
        messages = [entry.message for entry in reader.read([deployed])]
        return [message for message in messages if " RequestId: " not in message]

    assert read() == []  # it has never been called
    function("one")
    assert read() == ["one", "one"]
    assert read() == []
    function("two")
    function("fail")
    two, again, fail, failing, trace = read()
    assert (two, again, fail, failing) == ("two", "two", "fail", "fail")
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("\nValueError: no")
    assert read() == []
    assert LogReader(emulator, since=int(time.time() * 1000) + 60_000).read([deployed]) == []
