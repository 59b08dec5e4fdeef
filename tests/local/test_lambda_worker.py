from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.functions import ROLE, Function, archive
from tests.support.polling import wait_until

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

FAILS_ON_REQUEST = """
    import os

    class PreviousVersionPending(Exception):
        pass

    def refuse():
        raise PreviousVersionPending("version 3 first")

    def handler(event, context):
        if event == "fail":
            refuse()
        return os.getpid()
"""

SLOW = """
    import os, pathlib, time

    def handler(event, context):
        began = pathlib.Path(event)
        began.write_text(str(os.getpid()))
        time.sleep(2)
        return "old code"
"""
NEW = "def handler(event, context): return 'new code'"

SILENT = """
    def handler(event, context):
        return event
"""


@pytest.fixture(scope="module")
def failing(emulator: Emulator) -> Function:
    return Function(emulator, FAILS_ON_REQUEST)


def test_an_error_has_the_name_of_its_class_its_message_and_its_trace(failing: Function) -> None:
    answer = failing("fail")

    assert failing.error == "Unhandled"
    assert answer["errorType"] == "PreviousVersionPending"
    assert answer["errorMessage"] == "version 3 first"
    assert [frame.split(", in ")[1].split("\n")[0] for frame in answer["stackTrace"]] == ["handler", "refuse"]
    assert answer["requestId"]


def test_a_worker_outlives_an_error(failing: Function) -> None:
    before = failing("work")
    failing("fail")

    assert failing("work") == before


def test_step_functions_retries_and_catches_by_the_name_of_the_error(emulator: Emulator) -> None:
    definition, outcome = _retry_by_name(emulator)

    assert outcome["status"] == "SUCCEEDED", definition
    assert json.loads(outcome["output"]) == "caught by name"


def test_a_call_of_a_silent_handler_does_not_wait_for_its_log(emulator: Emulator) -> None:
    assert _fastest_call(emulator) < 0.045


def test_a_log_has_all_lines_of_its_own_invocation_and_of_no_other(emulator: Emulator) -> None:
    chatty = Function(
        emulator,
        """
        import sys

        def handler(event, context):
            for number in range(200):
                print(event, number)
            sys.stderr.write("no newline at the end")
        """,
    )
    chatty("first")
    chatty("second")

    lines = base64.b64decode(chatty.log or "").decode().splitlines()
    assert lines == [*(f"second {number}" for number in range(200)), "no newline at the end"]


def test_a_module_that_cannot_be_imported_is_named(emulator: Emulator) -> None:
    answer = Function(emulator, "import not_there")()

    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert answer["errorMessage"] == "Unable to import module 'index': No module named 'not_there'"


def test_a_result_that_is_not_json_is_a_marshal_error(emulator: Emulator) -> None:
    answer = Function(emulator, "def handler(event, context): return {1, 2}")()

    assert answer["errorType"] == "Runtime.MarshalError"


def test_a_handler_that_takes_too_long_is_stopped_and_the_next_call_works(emulator: Emulator) -> None:
    sleepy = Function(
        emulator,
        """
        import time

        def handler(event, context):
            if event == "sleep":
                time.sleep(30)
            return "awake"
        """,
        timeout=1,
    )

    assert sleepy("sleep")["errorType"] == "Sandbox.Timedout"
    assert sleepy("work") == "awake"


def test_a_handler_that_ends_its_process_is_an_error_and_the_next_call_works(emulator: Emulator) -> None:
    quitter = Function(
        emulator,
        """
        import os

        def handler(event, context):
            if event == "quit":
                os._exit(1)
            return "here"
        """,
    )

    assert quitter("quit")["errorType"] == "Runtime.ExitError"
    assert quitter("work") == "here"


@pytest.mark.parametrize("deleted", [False, True], ids=["new code", "deleted"])
def test_what_runs_is_done_when_its_function_changes(
    emulator: Emulator, tmp_path: Path, *, deleted: bool
) -> None:
    slow, answer, process = _changed_while_it_runs(emulator, tmp_path / "began", deleted=deleted)

    assert (answer, slow.error) == ("old code", None)
    wait_until(lambda: not Path(f"/proc/{process}").exists(), seconds=5)
    if not deleted:
        assert slow("anything") == "new code"


def test_gap_stock_kills_what_runs_when_its_function_changes(stock: Emulator, tmp_path: Path) -> None:
    slow, answer, _ = _changed_while_it_runs(stock, tmp_path / "began")

    assert (slow.error, answer["errorType"]) == ("Unhandled", "Runtime.HandlerError")


def test_gap_stock_names_every_error_the_same(stock: Emulator) -> None:
    assert Function(stock, FAILS_ON_REQUEST)("fail")["errorType"] == "Runtime.HandlerError"
    _, outcome = _retry_by_name(stock)
    assert outcome["status"] == "FAILED"


def test_gap_stock_kills_a_worker_after_an_error(stock: Emulator) -> None:
    failing = Function(stock, FAILS_ON_REQUEST)
    before = failing("work")
    failing("fail")

    assert failing("work") != before


def test_gap_stock_waits_for_the_log_of_a_silent_handler(stock: Emulator) -> None:
    assert _fastest_call(stock) > 0.050


def _changed_while_it_runs(
    emulator: Emulator, began: Path, *, deleted: bool = False
) -> tuple[Function, Any, int]:
    """The function, the answer of a call that ran when it was changed, and the process that had run it."""
    slow = Function(emulator, SLOW)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(slow, str(began))
        process = int(wait_until(lambda: began.exists() and began.read_text()))
        if deleted:
            slow.client.delete_function(FunctionName=slow.name)
        else:
            slow.client.update_function_code(FunctionName=slow.name, ZipFile=archive({"index.py": NEW}))
        return slow, call.result(), process


def _fastest_call(emulator: Emulator) -> float:
    silent = Function(emulator, SILENT)
    silent()
    times = []
    for _ in range(10):
        started = time.perf_counter()
        silent()
        times.append(time.perf_counter() - started)
    return min(times)


def _retry_by_name(emulator: Emulator) -> tuple[dict, dict]:
    """An execution whose task fails twice by one name, which is retried, then by another, which is caught."""
    function = Function(
        emulator,
        """
        class PreviousVersionPending(Exception):
            pass

        class Poisoned(Exception):
            pass

        calls = []

        def handler(event, context):
            calls.append(event)
            raise Poisoned("three") if len(calls) == 3 else PreviousVersionPending("one, two")
        """,
    )
    definition = {
        "StartAt": "Work",
        "QueryLanguage": "JSONata",
        "States": {
            "Work": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": function.arn, "Payload": "{% $states.input %}"},
                "Retry": [
                    {"ErrorEquals": ["PreviousVersionPending"], "IntervalSeconds": 1, "MaxAttempts": 5},
                ],
                "Catch": [{"ErrorEquals": ["Poisoned"], "Next": "Caught"}],
                "End": True,
            },
            "Caught": {"Type": "Pass", "Output": "caught by name", "End": True},
        },
    }
    states = emulator.client("stepfunctions")
    machine = states.create_state_machine(
        name=f"retry-{function.name}",
        definition=json.dumps(definition),
        roleArn=ROLE,
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine)["executionArn"]

    def ended() -> dict | None:
        outcome = states.describe_execution(executionArn=execution)
        return outcome if outcome["status"] != "RUNNING" else None

    return definition, wait_until(ended)
