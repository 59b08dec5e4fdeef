"""A month's bill of a workload, item by item.

What one update takes is counted on the wire by `tests/runtime/test_budgets.py`,
`tests/runtime/test_handlers.py` and `tests/e2e/test_pipeline.py`; `tests/cost` holds the numbers here
against the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from constructs_lib.cost import prices
from constructs_lib.cost.workload import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.cost.prices import Price
    from constructs_lib.cost.workload import Workload

__all__ = ["Bill", "Item", "bill", "transitions"]

_GB: Final = 1_000_000_000
_SECONDS: Final = 30.4 * 24 * 3600  # in a month
#: Records that a call of the stream function and of the notifier takes on average.
_BATCH: Final = 10
_MEMORY: Final = 512 / 1024  # GB
_EXPRESS_MEMORY: Final = 64 / 1024  # GB, the least
_EXPRESS_STEP: Final = 0.1  # seconds, to which a duration is rounded up
_LOG_OF_A_CALL: Final = 1_000  # bytes: platform start and report, and the metrics that are written as lines
_LOG_OF_A_REQUEST: Final = 500  # bytes of the access log
_LOG_OF_A_STATE: Final = 1_500  # bytes: entered, scheduled, started, succeeded, left
_SAMPLE: Final = 0.05  # of the calls beside the first of each second
#: Lambda asks a queue with 5 pollers, for 20 seconds each.
_POLLS: Final = _SECONDS / 20 * 5
_HEALING: Final = _SECONDS / 300
_SETTINGS_KEPT: Final = 300.0  # seconds in an instance
_ALARMS: Final = 23
_ALARMS_OF_A_MODULE: Final = 9
_COLD: Final = 0.01  # of the requests; AWS says "under 1 % of invocations"
_METRICS: Final = 1
_METRICS_OF_A_MODULE: Final = 3


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a bill.

    Attributes:
        what: What is billed.
        amount: How much of it in the month.
        unit: Of what.
        dollars: What it costs.
    """

    what: str
    amount: float
    unit: str
    dollars: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What a month costs.

    Attributes:
        mode: The way of the commands.
        items: The lines, in the order of the way.
    """

    mode: Mode
    items: tuple[Item, ...]

    @property
    def dollars(self) -> float:
        """All of it."""
        return sum(item.dollars for item in self.items)


def bill(workload: Workload, mode: Mode) -> Bill:
    """Give the bill of a month, at the list prices of `constructs_lib.cost.prices`."""
    return Bill(mode, tuple(_items(workload, mode)))


def transitions(handlers: int) -> int:
    """Billed state transitions of a standard execution: its start, and each state that it enters."""
    start, apply = 1, 1
    if not handlers:
        return start + apply
    choice, run_handlers, finish = 1, 1, 1
    return start + apply + choice + run_handlers + handlers + finish


def _items(workload: Workload, mode: Mode) -> Iterator[Item]:
    yield from _step_functions(workload, mode)
    yield from _tables(workload, mode)
    yield from _bucket(workload)
    yield from _calls(workload, mode)
    yield from _telling(workload)
    yield from _watching(workload, mode)
    yield from _idle()


def _item(what: str, amount: float, unit: str, price: Price) -> Item:
    return Item(what, amount, unit, price.of(amount))


def _executes(workload: Workload, mode: Mode) -> bool:
    return mode is not Mode.INLINE or workload.handlers > 0


def _step_functions(workload: Workload, mode: Mode) -> Iterator[Item]:
    number = workload.commands_per_month
    if not _executes(workload, mode):
        return
    if mode is not Mode.EXPRESS:
        yield _item(
            "Step Functions: state transitions",
            number * transitions(workload.handlers),
            "transitions",
            prices.TRANSITION,
        )
        return
    yield _item("Step Functions: express executions", number, "executions", prices.EXPRESS_REQUEST)
    # The handlers of a command run side by side.
    steps = 3 if workload.handlers else 1
    seconds = ceil(steps * workload.milliseconds / 1000 / _EXPRESS_STEP) * _EXPRESS_STEP
    yield _item(
        "Step Functions: their duration", number * seconds * _EXPRESS_MEMORY, "GB·s", prices.EXPRESS_DURATION
    )


def _tables(workload: Workload, mode: Mode) -> Iterator[Item]:
    number, handlers = workload.commands_per_month, workload.handlers
    row = ceil(workload.row_size / 1_024)
    # A write in a transaction takes two units a KB: command and session; data, history and the command's
    # status, which rewrites it. The index of what is under way gets an entry, and loses it.
    publish, apply, index = 2 * row + 2, 6 * row, 2
    # The claim and the cursor of each handler; then the status, which apply has left to Finish.
    turns = handlers * 2 + (row if handlers else 0)
    yield _item(
        "DynamoDB: writes", number * (publish + apply + index + turns), "write units", prices.WRITE_UNIT
    )
    block = ceil(workload.row_size / 4_096)
    # The command, its successor, which is not there, and the data row; the data row, and the command where
    # the stream has not brought it; cursor, data row and command for each handler, and to finish the command
    # and its cursors; data row and session.
    asked = block + 1 + block
    applied = block * (1 if mode is Mode.INLINE else 2)
    handled = handlers * (1 + 2 * block) + (block + 1 if handlers else 0)
    reads = workload.reads_per_command * (block + 1)
    settings = 0.0
    if workload.settings:
        instances = max(1.0, number / _SECONDS * workload.milliseconds / 1000)
        settings = min(number, workload.tenants * instances * _SECONDS / _SETTINGS_KEPT) / number
    yield _item(
        "DynamoDB: reads, consistent",
        number * (asked + applied + handled + reads + settings),
        "read units",
        prices.READ_UNIT,
    )
    kept: float = number * workload.keep_months * 2 * workload.row_size
    kept += _aggregates(workload) * workload.row_size
    yield _item(f"DynamoDB: storage, {_months(workload)}", kept / _GB, "GB", prices.TABLE_STORAGE)
    yield _item("DynamoDB: backups to any point in time", kept / _GB, "GB", prices.TABLE_BACKUP)


def _aggregates(workload: Workload) -> float:
    return workload.commands_per_month * workload.keep_months / workload.updates_per_aggregate


def _months(workload: Workload) -> str:
    return f"{workload.keep_months} months kept" if workload.keep_months > 1 else "1 month kept"


def _bucket(workload: Workload) -> Iterator[Item]:
    if not workload.is_off_loaded:
        return
    number = workload.commands_per_month
    yield _item("S3: large attributes, written", number, "objects", prices.OBJECT_PUT)
    if workload.reads_per_command:
        yield _item(
            "S3: large attributes, read", number * workload.reads_per_command, "objects", prices.OBJECT_GET
        )
    yield _item(
        f"S3: storage, {_months(workload)}",
        number * workload.keep_months * workload.size / _GB,
        "GB",
        prices.OBJECT_STORAGE,
    )


def _requests(workload: Workload) -> float:
    return workload.commands_per_month * (1 + workload.reads_per_command)


def _lambda_calls(workload: Workload, mode: Mode) -> float:
    """Count the calls: api for each request, stream and notifier for each batch, worker for each task."""
    number = workload.commands_per_month
    tasks = 0
    if _executes(workload, mode):
        tasks = 1 + (workload.handlers + 1 if workload.handlers else 0)
    return _requests(workload) + number * (2 / _BATCH + tasks)


def _calls(workload: Workload, mode: Mode) -> Iterator[Item]:
    yield _item("HTTP API", _requests(workload), "requests", prices.API_REQUEST)
    calls = _lambda_calls(workload, mode)
    yield _item("Lambda: calls", calls, "calls", prices.LAMBDA_REQUEST)
    yield _item(
        f"Lambda: time, arm64, 512 MB, {workload.milliseconds} ms a call",
        calls * _MEMORY * workload.milliseconds / 1000,
        "GB·s",
        prices.LAMBDA_DURATION,
    )
    if workload.snap_start:
        yield _item("Lambda: snapshot of the api function", _SECONDS * _MEMORY, "GB·s", prices.SNAPSHOT)
        restored = _requests(workload) * _COLD * _MEMORY
        yield _item("Lambda: starts from it, 1 % of the requests", restored, "GB", prices.SNAPSHOT_RESTORE)
    if workload.users:
        yield _item("Cognito: users who sign in", workload.users, "users", prices.USER)


def _telling(workload: Workload) -> Iterator[Item]:
    number = workload.commands_per_month
    yield _item("SNS: a status each", number, "messages", prices.TOPIC_REQUEST)
    # Received and deleted in batches; beside them the questions of who waits.
    yield _item(
        "SQS: sent, received, deleted", number * (1 + 2 / _BATCH) + _POLLS, "requests", prices.QUEUE_REQUEST
    )


def _watching(workload: Workload, mode: Mode) -> Iterator[Item]:
    number = workload.commands_per_month
    log = _lambda_calls(workload, mode) * _LOG_OF_A_CALL + _requests(workload) * _LOG_OF_A_REQUEST
    if workload.log_states and _executes(workload, mode):
        log += number * transitions(workload.handlers) * _LOG_OF_A_STATE
    yield _item("CloudWatch: logs", log / _GB, "GB", prices.LOG)
    if workload.tracing:
        # The request is one trace, the way from the stream to the notifier another.
        traces = _requests(workload) + number
        recorded = min(traces, traces * _SAMPLE + _SECONDS)
        yield _item("X-Ray: sampled traces", recorded, "traces", prices.TRACE)
    if workload.monitoring:
        alarms = _ALARMS + _ALARMS_OF_A_MODULE * workload.modules
        yield _item("CloudWatch: alarms", alarms, "alarms", prices.ALARM)
        yield _item("CloudWatch: dashboard", 1, "dashboard", prices.DASHBOARD)
    metrics = _METRICS + _METRICS_OF_A_MODULE * workload.modules
    yield _item("CloudWatch: metrics of the functions", metrics, "metrics", prices.METRIC)


def _idle() -> Iterator[Item]:
    yield _item("Lambda: the schedule that heals", _HEALING, "calls", prices.LAMBDA_REQUEST)
    yield _item("KMS: key of the topics", 1, "key", prices.KEY)
