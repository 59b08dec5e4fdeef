"""Every error that leaves a public call is one of ours, and what it says was written is what was written.

Each call of a service that a public call makes is refused, or goes without an answer, in turn.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CqrsError,
    HandlersPendingError,
    OutcomeUnknownError,
    StoreRefusedError,
    StoreUnavailableError,
    erase,
)
from tests.faults.scale import COMPLETE
from tests.runtime.test_erase import Store
from tests.support.service import DYNAMODB, PK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.service import Service
    from tests.support.wire import Call

STORES = (DYNAMODB,)

OPERATIONS: dict[str, Callable[[Service, str], Any]] = {
    "publish_async": lambda s, sk: s.publish(sk, 1, name="new"),
    "publish_async, latest": lambda s, sk: s.publish(sk, -1, name="new"),
    "publish_async, with an id": lambda s, sk: s.module.commands.publish_async(
        s.command(sk, 1, name="new"), invoke_context=s.user(), publish_id="id-1"
    ),
    "publish_sync": lambda s, sk: s.publish_sync(sk, 1, name="new"),
    "publish_partial_update_async": lambda s, sk: s.module.commands.publish_partial_update_async(
        {"pk": PK, "sk": sk, "version": 1, "name": "new"}, invoke_context=s.user()
    ),
    "publish_partial_update_sync": lambda s, sk: s.module.commands.publish_partial_update_sync(
        {"pk": PK, "sk": sk, "version": 1, "name": "new"}, invoke_context=s.user()
    ),
    "publish_with_retry": lambda s, sk: s.module.commands.publish_with_retry(
        (PK, sk), lambda _latest: s.command(sk, name="new"), invoke_context=s.user()
    ),
    "publish_change": lambda s, sk: s.module.commands.publish_change(
        (PK, sk), lambda found: found.replace(name="new"), invoke_context=s.user()
    ),
    "duplicate": lambda s, sk: s.module.commands.duplicate((PK, sk), invoke_context=s.user()),
    "update_status": lambda s, sk: s.module.commands.update_status(
        (PK, f"{sk}@1"), "mine:DONE", invoke_context=s.user()
    ),
    "update_task_token": lambda s, sk: s.module.commands.update_task_token(
        (PK, f"{sk}@1"), "token", invoke_context=s.user()
    ),
    "commands.get_item": lambda s, sk: s.module.commands.get_item((PK, sk), invoke_context=s.user()),
    "data.get_item": lambda s, sk: s.module.data.get_item((PK, sk), invoke_context=s.user()),
    "data.list_items_by_pk": lambda s, _: s.module.data.list_items_by_pk(PK, invoke_context=s.user()),
    "history.list_versions": lambda s, sk: s.module.history.list_versions((PK, sk), invoke_context=s.user()),
    "history.publish": lambda s, sk: s.module.history.publish((PK, sk), invoke_context=s.user()),
    "repository.get_item": lambda s, sk: s.module.repository.get_item((PK, sk), invoke_context=s.user()),
    "re_sync_data": lambda s, _: s.module.commands.re_sync_data(
        invoke_context=s.user(roles='[{"tenant": "", "role": "system_admin"}]')
    ),
    "erase": lambda s, sk: erase(s.module, (PK, sk), invoke_context=s.user()),
}
#: These do what they can and report the rest.
_REPORTING = {"re_sync_data"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.setattr("runtime.backoff.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service(handlers=[Store()])


def new(service: Service, number: int) -> str:
    """An aggregate of its own for each try."""
    sk = f"S{number}"
    service.publish_sync(sk)
    service.wire.clear()
    return sk


def attempt(service: Service, operation: str, sk: str) -> CqrsError | None:
    try:
        OPERATIONS[operation](service, sk)
    except CqrsError as error:
        return error
    return None


def calls_of(service: Service, operation: str) -> list[str]:
    """The calls of DynamoDB that an operation makes; one that is made twice in a row counts once."""
    assert attempt(service, operation, new(service, 0)) is None
    requests: list[tuple[str, str]] = []
    for call in service.wire.calls:
        request = (call.operation, str(call.parameters))
        if call.service == "dynamodb" and requests[-1:] != [request]:
            requests.append(request)
    assert requests
    return [name for name, _ in requests]


def nth(number: int) -> Callable[[Call], bool]:
    """Whether a call is the call number ``number`` of DynamoDB, or one of its repetitions."""
    seen: list[str] = []

    def is_it(call: Call) -> bool:
        if call.service != "dynamodb":
            return False
        request = f"{call.operation} {call.parameters}"
        if not seen or seen[-1] != request:
            seen.append(request)
        return len(seen) == number

    return is_it


def rows_of(service: Service, sk: str) -> list[dict[str, Any]]:
    """Every row of an aggregate."""
    return [
        row
        for kind in ("command", "data", "history")
        for row in service.rows(getattr(service.tables, kind))
        if row["sk"].partition("@")[0] == sk
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_call_that_is_refused(service: Service, operation: str) -> None:
    refusal = {"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"}
    for number, name in enumerate(calls_of(service, operation), 1):
        sk = new(service, number)
        before, is_it = rows_of(service, sk), nth(number)
        service.wire.answer(lambda call, is_it=is_it: (400, refusal) if is_it(call) else None)  # type: ignore[misc]
        error = attempt(service, operation, sk)
        service.wire.answer(lambda _call: None)
        where = f"call {number}, {name}: {error!r}"
        if operation in _REPORTING and error is None:
            continue
        assert isinstance(error, StoreRefusedError | HandlersPendingError), where
        if isinstance(error, HandlersPendingError):
            assert service.row("command", f"{sk}@2") is not None, where
        else:
            assert "AccessDenied" in str(error), where
            # An erasure says how far it came by being repeatable.
            assert operation == "erase" or rows_of(service, sk) == before, where


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("how", ["lose_answers", "time_out"] if COMPLETE else ["lose_answers"])
def test_a_call_that_gets_no_answer_after_all_tries(service: Service, operation: str, how: str) -> None:
    for number, name in enumerate(calls_of(service, operation), 1):
        sk = new(service, number)
        before = rows_of(service, sk)
        getattr(service.wire, how)(nth(number))
        error = attempt(service, operation, sk)
        getattr(service.wire, how)(lambda _call: False)
        if operation in _REPORTING and error is None:
            continue
        where = f"call {number}, {name}: {error!r}"
        assert isinstance(error, StoreUnavailableError | OutcomeUnknownError | HandlersPendingError), where
        if error.written == "nothing":
            assert operation == "erase" or rows_of(service, sk) == before, where
        if error.written == "unknown":
            assert "repeat with the same publish id" in str(error), where
