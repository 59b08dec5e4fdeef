from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ConfigurationError, InvalidInputError, clock
from runtime.errors import CqrsError, ForbiddenError, StoreRefusedError, StoreUnavailableError
from runtime.model.keys import DetailKey
from runtime.pipeline.finish import finish
from runtime.store.codec import encoded, row_of
from tests.runtime.test_handlers import Recorder, handle
from tests.support.service import PK, Service, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

DAY = 86_400


@pytest.fixture
def service(make_service: Callable[..., Service], master: str) -> Service:
    return make_service(master_data_override=master)


def days_left(row: dict[str, Any] | None) -> int | None:
    ttl = (row or {}).get("ttl")
    return round((int(ttl) - time.time()) / DAY) if ttl is not None else None


def configure(service: Service, **days: int) -> None:
    for kind, number in days.items():
        service.module.ttl.set_ttl_configuration(kind, number, "acme")


def test_each_kind_of_row_has_its_own(service: Service) -> None:
    configure(service, command=1, data=2, history=3)
    service.publish()
    assert days_left(service.row("command", "A1@1")) is None
    service.publish(version=1)
    service.apply(2)
    assert days_left(service.row("command", "A1@1")) == 1
    assert days_left(service.row("command", "A1@2")) == 1
    assert days_left(service.row("data", "A1")) == 2
    assert days_left(service.row("history", "A1@1")) == 3


def test_a_synchronous_command_is_finished_at_once(service: Service) -> None:
    configure(service, command=1, data=2)
    service.publish_sync()
    assert days_left(service.row("data", "A1")) == 2


def test_a_command_is_kept_until_its_handlers_have_seen_it(
    make_service: Callable[..., Service], master: str
) -> None:
    service = make_service(master_data_override=master, handlers=[Recorder])
    configure(service, command=1)
    service.publish()
    service.apply(1)
    assert days_left(service.row("command", "A1@1")) is None
    handle(service, 1)
    service.publish_sync(version=1)
    assert days_left(service.row("command", "A1@2")) == 1


def test_the_head_is_the_last_version_in_whatever_order_commands_are_finished(
    make_service: Callable[..., Service], master: str
) -> None:
    """Without data rows, what the next version builds on is kept beside the cursors."""
    service = make_service(master_data_override=master, handlers=[Recorder], disable_default_handler=True)
    configure(service, command=1)
    for version in range(2):
        service.publish(version=version)
    handle(service, 2)
    for version in (2, 1):
        assert finish(service.context, service.image(version))
        assert days_left(service.row("command", f"A1@{version}")) == 1
        head = service.quiet.get(service.context.head_place(DetailKey(PK, "A1"))) or {}
        assert (head["version"], head["name"]) == (2, "after 1")


def test_what_the_caller_says_wins(service: Service) -> None:
    configure(service, data=2)
    service.publish_sync(ttl=4_000_000_000)
    assert (service.row("data", "A1") or {})["ttl"] == 4_000_000_000


def test_a_no_op_stays_a_no_op(service: Service) -> None:
    configure(service, command=1, data=2, history=3)
    service.publish_sync()
    row = service.row("data", "A1") or {}
    assert service.publish(version=1, name=row["name"], attributes=row["attributes"]) is None


def test_the_configuration_is_read_once(service: Service) -> None:
    configure(service, command=1, data=2, history=3)
    service.steps.clear()
    for version in range(3):
        service.publish(version=version)
    service.apply(3)
    read = [
        place.table
        for call in service.steps.calls
        if call.operation == "batch_get"
        for place in call.parameters["arguments"][0]
    ]
    assert read.count(service.resources.settings.master_data_table) == 3  # rows, in one call


@in_memory
@pytest.mark.usefixtures("master")
def test_a_thousand_tenants_are_remembered(service: Service) -> None:
    """Each publish of a tenant that was here before takes two calls, however many others were."""
    tenants = [f"tenant{number}" for number in range(1000)]

    def publish(tenant: str, version: int) -> None:
        service.module.commands.publish_sync(
            service.command(version=version) | {"pk": f"TODO#{tenant}"},
            invoke_context=service.user(tenant=tenant),
        )

    for tenant in tenants:
        publish(tenant, 0)
    service.steps.clear()
    for tenant in tenants:
        publish(tenant, 1)
    assert service.steps.names() == ["store:batch_get", "store:write"] * 1000
    service.steps.clear()
    publish("another", 0)
    assert service.steps.names() == ["store:batch_get", "store:batch_get", "store:write"]


def test_update_ttl_gives_the_version_before_its_time(service: Service) -> None:
    service.publish_sync()
    service.publish_sync(version=1)
    configure(service, command=5)
    found = service.module.commands.update_ttl((PK, "A1@2"))
    assert found is not None
    assert found.version == 1
    assert days_left(service.row("command", "A1@1")) == 5
    assert days_left(service.row("command", "A1@2")) is None
    assert service.module.commands.update_ttl((PK, "A1@1")) is None


def test_update_ttl_leaves_an_unfinished_command_alone(service: Service) -> None:
    configure(service, command=5)
    service.publish()
    service.publish(version=1)
    assert service.module.commands.update_ttl((PK, "A1@2")) is None
    assert days_left(service.row("command", "A1@1")) is None


@pytest.mark.parametrize("days", ["7", 0, -1, 1.5, True, None, {}])
def test_a_row_that_makes_no_sense_keeps_for_ever(service: Service, master: str, days: Any) -> None:
    key = {"pk": "MASTER#acme", "sk": f"TTL#{service.tables.data}"}
    service.client.put_item(TableName=master, Item=encoded(row_of({**key, "attributes": {"days": days}})))
    service.publish_sync()
    assert days_left(service.row("data", "A1")) is None


def test_a_table_that_is_not_there_warns_once(
    make_service: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    service = make_service(master_data_override="nowhere")
    for version in range(3):
        service.publish_sync(version=version)
    assert caplog.text.count("no master data table") == 1
    assert days_left(service.row("data", "A1")) is None


def settings_fail(service: Service, master: str, error: Exception | None, *, tenant: str = "acme") -> None:
    """From now on nobody comes by the settings of a tenant; with None they are there again."""

    def fail(call: Call) -> None:
        places = call.parameters["arguments"][0] if call.operation == "batch_get" else ()
        if error and any((place.table, place.pk) == (master, f"MASTER#{tenant}") for place in places):
            raise error

    service.steps.before = fail


@in_memory
def test_what_could_not_be_read_is_not_remembered(
    service: Service, master: str, caplog: pytest.LogCaptureFixture
) -> None:
    configure(service, data=2, command=3, history=4)
    settings_fail(service, master, StoreUnavailableError("STS", "Throttling"))
    service.publish_sync()
    assert days_left(service.row("data", "A1")) is None
    assert caplog.text.count("out of reach") == 1
    settings_fail(service, master, None)
    service.publish_sync(version=1)
    assert days_left(service.row("data", "A1")) == 2


REFUSALS: dict[str, CqrsError] = {
    "another tenant's": ForbiddenError("the request names no tenant"),
    "no request": ConfigurationError("here is none"),
    "no permission": StoreRefusedError("DynamoDB", "AccessDeniedException"),
    "no role": StoreRefusedError("STS", "AccessDenied"),
}


@in_memory
@pytest.mark.parametrize("error", REFUSALS.values(), ids=REFUSALS)
def test_what_may_not_be_read_is_told_and_not_taken_for_no_setting(
    service: Service, master: str, error: CqrsError
) -> None:
    configure(service, data=2)
    settings_fail(service, master, error)
    with pytest.raises(type(error)):
        service.publish_sync()
    assert service.row("data", "A1") is None
    with pytest.raises(type(error)):
        service.module.ttl.get_ttl_configuration("data", "acme")
    settings_fail(service, master, None)
    assert service.module.ttl.get_ttl_configuration("data", "acme") == 2


@in_memory
def test_update_ttl_takes_no_ttl_away_because_the_settings_are_out_of_reach(
    service: Service, master: str
) -> None:
    configure(service, command=5)
    for version in range(2):
        service.publish_sync(version=version)
    configure(service, command=5)  # forgets what was read
    settings_fail(service, master, StoreUnavailableError("STS", "Throttling"))
    with pytest.raises(StoreUnavailableError):
        service.module.commands.update_ttl((PK, "A1@2"))
    assert days_left(service.row("command", "A1@1")) == 5


@in_memory
def test_a_setting_that_is_forgotten_as_it_is_asked_for_is_read_again(service: Service) -> None:
    """The time is over between two looks at what is remembered."""
    configure(service, data=2)
    ttl, seconds = service.module.ttl, itertools.count(0, 150)
    clock.set_source(lambda: float(next(seconds)))
    try:
        assert [ttl.get_ttl_configuration("data", "acme") for _ in range(20)] == [2] * 20
    finally:
        clock.set_source()


@in_memory
@pytest.mark.parametrize("days", [0, -1, 36_501, True])
def test_a_setting_out_of_range_is_refused(service: Service, days: int) -> None:
    with pytest.raises(InvalidInputError, match="days"):
        service.module.ttl.set_ttl_configuration("data", days, "acme")


@in_memory
def test_an_unknown_kind_is_refused(service: Service) -> None:
    with pytest.raises(InvalidInputError, match="kind"):
        service.module.ttl.calculate_ttl("log")


def test_without_a_table_there_is_nothing_to_set(make_service: Callable[..., Service]) -> None:
    with pytest.raises(ConfigurationError, match="MASTER_DATA_TABLE_NAME"):
        make_service().module.ttl.set_ttl_configuration("data", 1)
