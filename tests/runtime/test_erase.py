"""Erasing an aggregate for good: handlers first, everything after, and again after a crash."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, ForbiddenError, InvalidInputError, ItemNotFoundError, erase
from runtime.errors import VersionConflictError
from runtime.store.port import Delete
from tests.runtime.test_handlers import Recorder
from tests.runtime.test_repair import execution
from tests.support.service import PK, Service, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel
    from tests.support.wire import Call

KEY = (PK, "A1")


class Store(Recorder):
    """A store that can forget."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[tuple[str, Any]] = []
        self.broken = False

    def down(self, command: CommandModel[Any]) -> None:
        if self.broken:
            message = "the store is down"
            raise RuntimeError(message)
        self.forgotten.append((command.sk, command.attributes))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def service(make_service: Callable[..., Service], store: Store) -> Service:
    service = make_service(handlers=[store])
    fill(service)
    return service


def fill(service: Service, versions: int = 3) -> None:
    """The aggregate to erase, and two that look like it and are to stay."""
    for sk in ("A1", "A1@x", "A10"):
        for version in range(versions if sk == "A1" else 2):
            service.publish_sync(sk, version)


def keys(service: Service) -> set[str]:
    tables = (getattr(service.tables, kind) for kind in ("command", "data", "history", "sync"))
    return {row["sk"] for table in tables for row in service.rows(table)}


def test_nothing_is_left_of_it_and_all_of_the_others(service: Service, store: Store) -> None:
    outcome = erase(service.module, KEY)
    assert (outcome.handlers, outcome.rows) == (("Store",), 3 + 1 + 2 + 1)
    assert store.forgotten == [("A1@3", {"title": "t2"})]
    assert keys(service) == {
        *("A10", "A10@1", "A10@2", "Store#A10"),
        *("A1@x", "A1@x@1", "A1@x@2", "Store#A1@x"),
    }
    assert service.module.data.get_item(KEY) is None


def test_its_large_attributes_go_too(make_service: Callable[..., Service], bucket: str, store: Store) -> None:
    service = make_service(handlers=[store], bucket_name=bucket, attribute_limit=100)
    service.publish_sync(attributes={"text": "x" * 500})
    service.publish_sync("B1", attributes={"text": "y" * 500})
    assert erase(service.module, KEY).objects == 1
    assert store.forgotten == [("A1@1", {"text": "x" * 500})]
    assert service.resources.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    kept = service.module.data.get_item((PK, "B1"))
    assert kept is not None
    assert kept.attributes == {"text": "y" * 500}


def test_a_handler_that_fails_keeps_everything(service: Service, store: Store) -> None:
    before = keys(service)
    store.broken = True
    with pytest.raises(RuntimeError):
        erase(service.module, KEY)
    assert keys(service) == before
    store.broken = False
    assert erase(service.module, KEY).handlers == ("Store",)


@in_memory
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_erasure_that_crashed_is_done_again(service: Service, store: Store, moment: str) -> None:
    for point in count():
        left = [point]

        def crash(call: Call, left: list[int] = left) -> None:
            if call.writes:
                left[0] -= 1
                if left[0] == -1:
                    message = "killed"
                    raise KeyboardInterrupt(message)

        setattr(service.steps, moment, crash)
        try:
            erase(service.module, KEY)
        except KeyboardInterrupt:
            with suppress(ItemNotFoundError):  # killed after the last write
                erase(service.module, KEY)
        assert {version for version, _ in store.forgotten} == {"A1@3"}
        assert not {"A1", "A1@1", "A1@2", "A1@3", "Store#A1"} & keys(service)
        # The mark says that they were told; killed before it is there, they are told again.
        assert len(store.forgotten) == (2 if point == 0 and moment == "before" else 1)
        if left[0] >= 0:
            break
        setattr(service.steps, moment, lambda _call: None)
        store.forgotten.clear()
        for version in range(3):
            service.publish_sync("A1", version)
    assert point == 6  # the mark, two of history, the cursor, two commands, the data row, the last command


def test_a_late_delivery_brings_nothing_back(service: Service, store: Store) -> None:
    image = service.image(3)
    erase(service.module, KEY)
    service.apply(3)
    service.apply(3, images={3: image})
    assert service.row("data", "A1") is None
    assert store.seen.count("A1@3") == 1


def test_it_can_be_made_anew(service: Service) -> None:
    erase(service.module, KEY)
    assert service.publish_sync().version == 1


def test_with_the_commands_expired_the_data_row_tells(service: Service, store: Store) -> None:
    for version in (1, 2, 3):
        key = {"pk": {"S": PK}, "sk": {"S": f"A1@{version}"}}
        service.client.delete_item(TableName=service.tables.command, Key=key)
    erase(service.module, KEY)
    assert store.forgotten == [("A1@3", {"title": "t2"})]


def test_a_module_without_handlers(make_service: Callable[..., Service]) -> None:
    service = make_service(modules={"todo": {}})
    fill(service)
    assert erase(service.module, KEY).handlers == ()
    assert {row["sk"] for row in service.rows(service.tables.data)} == {"A10", "A1@x"}


def test_a_module_without_data_rows(make_service: Callable[..., Service], store: Store) -> None:
    service = make_service(handlers=[store], disable_default_handler=True)
    service.publish_sync()
    erase(service.module, KEY)
    assert store.forgotten == [("A1@1", {"title": "t0"})]
    assert keys(service) == set()


@pytest.mark.parametrize("applied", [False, True])
def test_what_is_on_its_way_is_not_erased(service: Service, store: Store, *, applied: bool) -> None:
    service.publish(version=3)
    if applied:
        service.apply(4)
    with pytest.raises(BadRequestError, match="version 4 is still on its way"):
        erase(service.module, KEY)
    assert store.forgotten == []
    execution(service, 4)
    assert erase(service.module, KEY).handlers == ("Store",)


def test_what_was_published_since_an_erasure_broke_off_is_not_erased_on_its_way(
    service: Service, store: Store
) -> None:
    def crash(call: Call) -> None:
        if len(call.writes) > 1:
            message = "killed"
            raise KeyboardInterrupt(message)

    service.steps.before = crash
    with pytest.raises(KeyboardInterrupt):
        erase(service.module, KEY)
    service.steps.before = lambda _call: None
    service.publish(version=3)
    with pytest.raises(BadRequestError, match="version 4 is still on its way"):
        erase(service.module, KEY)
    execution(service, 4)
    erase(service.module, KEY)
    assert [version for version, _ in store.forgotten] == ["A1@3", "A1@4"]
    assert not {"A1", "A1@3", "A1@4"} & keys(service)


def test_a_publish_in_between_is_not_lost_unseen(service: Service) -> None:
    def publish(call: Call) -> None:
        if [write.place.table for write in call.writes if isinstance(write, Delete)] == [service.tables.sync]:
            service.steps.before = lambda _call: None
            service.publish_sync(version=-1, name="in between")

    service.steps.before = publish
    with pytest.raises(VersionConflictError):
        erase(service.module, KEY)
    assert (service.row("data", "A1") or {})["name"] == "in between"
    erase(service.module, KEY)
    assert "A1" not in keys(service)


def test_what_is_not_there_is_not_erased(service: Service) -> None:
    with pytest.raises(ItemNotFoundError, match="nothing to erase"):
        erase(service.module, (PK, "Z9"))
    with pytest.raises(InvalidInputError, match="sk: must not end in @"):
        erase(service.module, (PK, "A1@3"))
    before = keys(service)
    with pytest.raises(ForbiddenError):
        erase(service.module, KEY, invoke_context=service.user(tenant="globex"))
    assert keys(service) == before
