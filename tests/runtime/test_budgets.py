"""The budgets of the design, counted on the wire: calls, and how many must wait for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime.imports import FunctionReference
from tests.support.service import DYNAMODB, PK

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Change
    from tests.support.service import Service

STORES = (DYNAMODB,)

BATCH_GET = "dynamodb:BatchGetItem"
GET = "dynamodb:GetItem"
TRANSACT = "dynamodb:TransactWriteItems"
UPDATE = "dynamodb:UpdateItem"


@pytest.fixture
def updated(service: Service) -> Service:
    """An aggregate at version 1, applied; nothing counted yet."""
    service.publish()
    service.apply(1)
    service.wire.clear()
    return service


def test_publish_create_takes_two_round_trips(service: Service) -> None:
    service.publish()
    assert service.wire.names() == [BATCH_GET, TRANSACT]
    assert service.wire.depth() == 2


def test_publish_update_takes_two_round_trips(updated: Service) -> None:
    updated.publish(version=1)
    assert updated.wire.names() == [BATCH_GET, TRANSACT]
    assert updated.wire.depth() == 2


def test_publish_without_read_your_writes_takes_two(make_service: Callable[..., Service]) -> None:
    service = make_service(ryw=False)
    service.publish()
    assert service.wire.names() == [BATCH_GET, "dynamodb:PutItem"]


def test_publish_latest_takes_three_calls(updated: Service) -> None:
    updated.publish(version=-1, name="latest")
    assert updated.wire.names() == [GET, BATCH_GET, TRANSACT]
    assert updated.wire.depth() == 3


def test_publish_that_changes_nothing_takes_one_read(updated: Service) -> None:
    row = updated.row("data", "A1") or {}
    assert updated.publish(version=1, name=row["name"], attributes=row["attributes"]) is None
    assert updated.wire.names() == [BATCH_GET]


def test_under_a_publish_id_it_takes_one_write_more(updated: Service) -> None:
    row = updated.row("data", "A1") or {}
    command = updated.command(version=1, name=row["name"], attributes=row["attributes"])
    for repeated in (False, True):
        updated.wire.clear()
        publish = updated.module.commands.publish_async
        assert publish(command, invoke_context=updated.user(), publish_id="once") is None
        assert updated.wire.names() == [BATCH_GET, GET if repeated else "dynamodb:PutItem"]


def test_publish_sync_update_takes_two_calls(updated: Service) -> None:
    updated.publish_sync(version=1)
    assert updated.wire.names() == [BATCH_GET, TRANSACT]


def test_publish_sync_latest_takes_three_calls(updated: Service) -> None:
    updated.publish_sync(version=-1, name="latest")
    assert updated.wire.names() == [GET, BATCH_GET, TRANSACT]


def test_apply_takes_two_calls(updated: Service) -> None:
    updated.publish(version=1)
    updated.wire.clear()
    updated.apply(2)
    assert updated.wire.names() == [BATCH_GET, TRANSACT]
    assert updated.wire.depth() == 2


def test_apply_with_the_image_at_hand_takes_two_calls(updated: Service) -> None:
    updated.publish(version=1)
    image = updated.image(2)
    updated.wire.clear()
    updated.apply(2, images={2: image})
    assert updated.wire.names() == [GET, TRANSACT]


def test_duplicate_delivery_takes_one_read(updated: Service) -> None:
    updated.apply(1)
    assert updated.wire.names() == [BATCH_GET]


def test_apply_of_five_pending_versions_takes_seven_calls(updated: Service) -> None:
    for version in range(1, 6):
        updated.publish(version=version)
    updated.wire.clear()
    updated.apply(6)
    assert updated.wire.names() == [BATCH_GET, BATCH_GET, *[TRANSACT] * 5]


def test_read_with_a_pending_write_takes_two_calls(updated: Service) -> None:
    updated.publish(version=1)
    updated.wire.clear()
    updated.module.repository.get_item((PK, "A1"), invoke_context=updated.user())
    assert updated.wire.names() == [BATCH_GET, GET]


def test_read_of_an_applied_write_takes_one_call(updated: Service) -> None:
    updated.module.repository.get_item((PK, "A1"), invoke_context=updated.user())
    assert updated.wire.names() == [BATCH_GET]


QUERY = "dynamodb:Query"
KEY = (PK, "A1")


@pytest.mark.parametrize(
    ("method", "arguments", "expected"),
    [
        ("commands.publish_partial_update_async", ({"version": 1, "name": "n"},), [BATCH_GET, TRANSACT]),
        ("commands.publish_partial_update_sync", ({"version": 1, "name": "n"},), [BATCH_GET, TRANSACT]),
        (
            "commands.publish_partial_update_async",
            ({"version": -1, "name": "n"},),
            [GET, BATCH_GET, TRANSACT],
        ),
        ("commands.publish_partial_update_sync", ({"version": -1, "name": "n"},), [GET, BATCH_GET, TRANSACT]),
        ("commands.get_item", ((PK, "A1@1"),), [GET]),
        ("commands.get_item", (KEY,), [GET, BATCH_GET, GET]),
        ("commands.get_latest_item", (KEY,), [GET, BATCH_GET, GET]),
        ("commands.get_next_command", ((PK, "A1@1"),), [GET]),
        ("commands.duplicate", ((PK, "A1@1"),), [GET, BATCH_GET, TRANSACT]),
        ("commands.update_status", ((PK, "A1@1"), "x:STARTED"), [UPDATE]),
        ("commands.update_task_token", ((PK, "A1@1"), "token"), [UPDATE]),
        ("commands.update_ttl", ((PK, "A1@2"),), [UPDATE]),
        ("data.get_item", (KEY,), [GET]),
        ("data.list_items_by_pk", (PK,), [QUERY]),
        ("history.get_item", (KEY, 1), [GET]),
        ("history.list_versions", (KEY,), [QUERY]),
        ("repository.get_item", (KEY,), [BATCH_GET]),
    ],
)
def test_what_each_method_costs(
    updated: Service, method: str, arguments: tuple[object, ...], expected: list[str]
) -> None:
    service, _, name = method.partition(".")
    first, *rest = arguments
    if isinstance(first, dict):
        first = {"pk": PK, "sk": "A1", **first}
    getattr(getattr(updated.module, service), name)(first, *rest, invoke_context=updated.user())
    assert updated.wire.names("dynamodb") == expected
    assert updated.wire.depth("dynamodb") == len(expected)


def test_a_publish_that_is_retried_reads_and_writes_once_more(updated: Service) -> None:
    updated.module.commands.publish_with_retry(
        KEY, lambda _latest: updated.command(name="n"), invoke_context=updated.user()
    )
    # The latest is looked up to decide on it, then checked again where it is written.
    assert updated.wire.names() == [GET, BATCH_GET, BATCH_GET, TRANSACT]


@pytest.mark.parametrize("version", [1, -1])
def test_a_change_reads_the_state_once(updated: Service, version: int) -> None:
    updated.module.commands.publish_change(
        KEY, lambda state: state.replace(name="n"), version=version, invoke_context=updated.user()
    )
    assert updated.wire.names() == [*[GET][: version < 0], BATCH_GET, TRANSACT]


def test_rules_cost_no_call(updated: Service) -> None:
    asked: list[Any] = []

    def watch(change: Change[Any]) -> None:
        asked.append((change.before and change.before.attributes, change.after.attributes))

    module = updated.module
    module.decide = (FunctionReference.of(watch, "a rule"),)
    module.use()
    updated.publish(version=1)
    assert updated.wire.names() == [BATCH_GET, TRANSACT]
    assert len(asked) == 1
