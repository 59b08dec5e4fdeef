from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field

from runtime import CqrsModel, InvokeContext, erase
from runtime.errors import (
    ForbiddenError,
    InvalidInputError,
    InvalidVersionError,
    VersionConflictError,
)
from runtime.store.port import Delete, Put
from runtime.store.values import Place
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, in_memory, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

PUBLISH = ("publish", "publish_sync")


@pytest.mark.parametrize("publish", PUBLISH)
class TestEveryPublish:
    def test_creates_version_1(self, service: Service, publish: str) -> None:
        command = getattr(service, publish)()
        assert (command.version, command.sk, command.id) == (1, "A1@1", f"{PK}#A1")
        assert (command.created_by, command.created_ip, command.request_id) == ("u1", "192.0.2.1", "req-1")

    def test_create_over_an_existing_aggregate_conflicts(self, service: Service, publish: str) -> None:
        getattr(service, publish)()
        with pytest.raises(VersionConflictError):
            getattr(service, publish)(name="other")

    def test_update_of_an_older_version_conflicts(self, service: Service, publish: str) -> None:
        getattr(service, publish)()
        getattr(service, publish)(version=1)
        with pytest.raises(VersionConflictError):
            getattr(service, publish)(version=1, name="late")

    def test_an_older_version_conflicts_even_when_nothing_would_change(
        self, service: Service, publish: str
    ) -> None:
        getattr(service, publish)()
        getattr(service, publish)(version=1)
        with pytest.raises(VersionConflictError):
            getattr(service, publish)(version=1, **same_as(service, "A1@1"))

    def test_update_of_a_version_that_never_was_is_a_bad_request(
        self, service: Service, publish: str
    ) -> None:
        with pytest.raises(InvalidVersionError, match="must be equal to the latest version"):
            getattr(service, publish)(version=5)

    def test_no_change_is_none_and_writes_nothing(self, service: Service, publish: str) -> None:
        getattr(service, publish)()
        before = service.everything()
        assert getattr(service, publish)(version=1, **same_as(service, "A1@1")) is None
        assert service.everything() == before

    def test_latest_builds_on_whatever_is_there(self, service: Service, publish: str) -> None:
        for version in range(1, 12):
            command = getattr(service, publish)(version=-1, name=f"n{version}")
            assert command.version == version
        service.apply(11)
        check_invariants(service)

    def test_a_version_is_found_when_its_command_has_expired(self, service: Service, publish: str) -> None:
        service.publish()
        service.apply(1)
        service.client.delete_item(
            TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@1"}}
        )
        assert getattr(service, publish)(version=1).version == 2
        with pytest.raises(VersionConflictError):
            getattr(service, publish)(version=0)

    def test_an_older_version_conflicts_even_when_the_command_of_the_latest_has_expired(
        self, service: Service, publish: str
    ) -> None:
        """Only the data row tells of the latest version, which is one ahead of the caller's."""
        service.publish_sync()
        service.publish_sync(version=1)
        service.client.delete_item(
            TableName=service.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "A1@2"}}
        )
        before = service.everything()
        with pytest.raises(VersionConflictError):
            getattr(service, publish)(version=1, name="late")
        assert service.everything() == before

    @pytest.mark.parametrize(("status", "is_taken"), [(None, True), ("finish:FINISHED", False)])
    def test_a_command_of_an_earlier_life_makes_way_once_it_is_finished(
        self, service: Service, publish: str, status: str | None, *, is_taken: bool
    ) -> None:
        """The data row and the first command of a life have expired; its second command is still there."""
        service.publish_sync()
        service.publish(version=1, name="of the earlier life")
        orphan = service.image(2) | ({"status": status} if status else {})
        for table, sk in (("data", "A1"), ("command", "A1@1"), ("command", "A1@2")):
            service.quiet.write(Delete(place=Place(getattr(service.tables, table), PK, sk)))
        service.publish_sync()
        service.quiet.write(Put(table=service.tables.command, row=orphan))
        if is_taken:
            with pytest.raises(VersionConflictError):
                getattr(service, publish)(version=1, name="of this life")
            assert service.image(2) == orphan
        else:
            assert getattr(service, publish)(version=1, name="of this life").version == 2
            assert service.image(2)["name"] == "of this life"

    @on_dynamodb
    @pytest.mark.parametrize("ryw", [True, False])
    def test_a_lost_answer_is_not_a_conflict(
        self, make_service: Callable[..., Service], publish: str, *, ryw: bool
    ) -> None:
        service = make_service(ryw=ryw)
        lose_first_write(service)
        assert getattr(service, publish)().version == 1
        assert len([name for name in service.wire.names() if is_write(name)]) == 2

    @in_memory
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"version": "1"}, "version"),
            ({"version": 1.0}, "version"),
            ({"version": -2}, "version"),
            ({"version": True}, "version"),
            ({"version": None}, "version"),
            ({"name": None}, "name"),
            ({"pk": ""}, "pk"),
            ({"sk": ""}, "sk"),
            ({"sk": "A1@3"}, "sk"),
            ({"sk": "x" * 1100}, "sk"),
            ({"pk": "x" * 2049}, "pk"),
            ({"nmae": "typo"}, "nmae"),
            ({"tenantCode": "other"}, "tenantCode"),
            ({"attributes": {"n": float("nan")}}, "attributes.n"),
            ({"attributes": {"deep": [{"x": object()}]}}, "attributes.deep[0].x"),
            ({"attributes": {"s": set()}}, "attributes.s"),
            ({"attributes": "text"}, "attributes"),
        ],
    )
    def test_bad_input_names_the_field_and_writes_nothing(
        self, service: Service, publish: str, change: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(InvalidInputError, match=re.escape(field)) as caught:
            getattr(service, publish)(**change)
        assert field in {problem.field for problem in caught.value.problems}
        assert not any(service.everything().values())

    @in_memory
    def test_a_key_of_another_tenant_is_refused(self, service: Service, publish: str) -> None:
        with pytest.raises(ForbiddenError):
            getattr(service, publish)(pk="TODO#globex")
        assert service.rows(service.tables.command) == []

    @in_memory
    def test_nobody_asking_is_refused(self, service: Service, publish: str) -> None:
        method = getattr(service.module.commands, {"publish": "publish_async"}.get(publish, publish))
        with pytest.raises(InvalidInputError, match="invoke_context"):
            method(service.command())


def test_publish_async_leaves_data_to_the_pipeline(service: Service) -> None:
    service.publish()
    assert service.row("data", "A1") is None
    assert "status" not in (service.row("command", "A1@1") or {})


def test_publish_sync_writes_command_data_and_history(service: Service) -> None:
    service.publish_sync()
    service.publish_sync(version=1)
    check_invariants(service)
    command = service.row("command", "A1@2") or {}
    assert (command["status"], command["syncMode"]) == ("finish:FINISHED", "SYNC")


def test_publish_sync_applies_what_is_pending_first(service: Service) -> None:
    service.publish()
    service.publish(version=1)
    assert service.publish_sync(version=2).version == 3
    check_invariants(service)


@pytest.mark.parametrize("publish", ["publish", "publish_sync"])
def test_a_create_that_another_one_overtakes_is_a_conflict(service: Service, publish: str) -> None:
    """Between its read and its write the aggregate is created, and the command is finished."""

    def overtake(call: Call) -> None:
        if call.writes:
            service.steps.before = lambda _call: None
            service.publish_sync(name="first")

    service.steps.before = overtake
    with pytest.raises(VersionConflictError):
        getattr(service, publish)(name="second")
    assert (service.row("command", "A1@1") or {})["name"] == "first"


def test_publish_sync_that_meets_the_next_life_of_its_aggregate_writes_nothing(service: Service) -> None:
    """The data row has the version that it was read with, but is another one."""
    service.publish_sync(name="of the first life")

    def begin_anew(call: Call) -> None:
        if call.writes:
            service.steps.before = lambda _call: None
            erase(service.module, (PK, "A1"))
            service.publish_sync(name="of the second life")

    service.steps.before = begin_anew
    with pytest.raises(VersionConflictError):
        service.publish_sync(version=1, name="of the first life, too late")
    assert (service.row("data", "A1") or {})["name"] == "of the second life"
    assert service.row("command", "A1@2") is None


def test_publish_sync_after_a_command_that_another_writer_left_half_done(service: Service) -> None:
    """A writer that inserts its synchronous command first may die before it writes the data."""
    service.publish()
    service.set("command", "A1@1", syncMode="SYNC")
    assert service.publish_sync(version=1).version == 2
    check_invariants(service)


class Product(CqrsModel):
    unit_price: Decimal
    released: date | None = None
    seen_at: datetime | None = None
    tags: set[str] = Field(default_factory=set)


def test_typed_attributes_are_validated_and_come_back_typed(make_service: Callable[..., Service]) -> None:
    service = make_service(attributes=Product)
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    attributes = {"unitPrice": Decimal("12.50"), "released": date(2026, 1, 1), "seen_at": moment}
    service.publish_sync(attributes=attributes)
    read = service.module.data.get_item((PK, "A1"))
    assert read is not None
    assert read.attributes == Product.model_validate(attributes)
    with pytest.raises(InvalidInputError, match=r"attributes\.unitPrice"):
        service.publish_sync("A2", attributes={"unitPrice": "many"})


def test_plain_attributes_keep_their_types(service: Service) -> None:
    attributes = {
        "n": 1,
        "f": 0.1,
        "d": Decimal("1.25"),
        "b": b"\x00\xff",
        "s": {"a", "b"},
        "none": None,
        "deep": [{"flag": False, "none": None}],
        "empty": {},
        "text": "",
    }
    service.publish_sync(attributes=attributes)
    read = service.module.data.get_item((PK, "A1"))
    assert read is not None
    assert read.attributes == attributes | {"f": Decimal("0.1")}


def test_a_role_that_crosses_tenants_may(service: Service) -> None:
    admin = service.user(tenant="ops", roles='[{"tenant": "", "role": "system_admin"}]')
    assert service.module.commands.publish_async(service.command(), invoke_context=admin)


@in_memory
def test_a_tenant_from_the_header_alone_is_not_enough(service: Service) -> None:
    stranger = InvokeContext(claims={"sub": "u2"}, headers={"x-tenant-code": "acme"})
    with pytest.raises(ForbiddenError):
        service.module.commands.publish_async(service.command(), invoke_context=stranger)


def same_as(service: Service, sk: str) -> dict[str, Any]:
    row = service.row("command", sk) or {}
    return {"name": row["name"], "attributes": row["attributes"]}


def lose_first_write(service: Service) -> None:
    """The first write succeeds, but its answer gets lost: the SDK sends it again."""
    lost: list[str] = []

    def lose(call: Call) -> bool:
        if lost or not is_write(call.name):
            return False
        lost.append(call.name)
        return True

    service.wire.lose_answers(lose)


def is_write(name: str) -> bool:
    return "Write" in name or "Put" in name
