"""What a grant allows is what the runtime calls on the wire: nothing is missing, nothing is left over."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from constructs_lib import CqrsTable, MasterDataTable, SessionTable
from runtime import DataSyncHandler, drop, erase, redrive, skip
from runtime.commands.collect import collect_large_attributes
from runtime.contract import OPEN_INDEX
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.entry.worker import Worker
from runtime.model.keys import DetailKey
from runtime.pipeline.apply import apply
from runtime.pipeline.drain import CommandVersions
from runtime.pipeline.reconcile import heal
from runtime.store.codec import image_row
from tests.constructs.conftest import new_app, permissions
from tests.support.counter import Given
from tests.support.service import PK, TENANT, Service, make_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from constructs_lib.local import Emulator
    from runtime import CommandModel
    from tests.support.wire import Call

Used = dict[str, set[str]]

MODULE = ("command", "data", "history", "sync")
OPEN = f"command/index/{OPEN_INDEX}"
KEY = (PK, "A1")
WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


class Store(DataSyncHandler):
    """A store that takes everything."""

    def up(self, command: CommandModel[Any]) -> None:
        """Take a version."""


@pytest.fixture
def make_service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Service]]:
    """Services with tables of their own, master data included."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, emulator.environment[name])
    made: list[str] = []

    def make(**options: Any) -> Service:
        app_name = f"p{uuid.uuid4().hex[:8]}"
        names = [*(f"todo-{kind}" for kind in MODULE), "session", "master-data"]
        make_tables(emulator, f"local-{app_name}", names)
        made.extend(f"local-{app_name}-{name}" for name in names)
        return Service(emulator, app_name, master_data_override=f"local-{app_name}-master-data", **options)

    yield make
    client = emulator.client("dynamodb")
    for name in made:
        client.delete_table(TableName=name)


@pytest.fixture
def plain(make_service: Callable[..., Service]) -> Service:
    return make_service()


@pytest.fixture
def synced(make_service: Callable[..., Service]) -> Service:
    return make_service(handlers=[Store])


@pytest.fixture
def handlers_only(make_service: Callable[..., Service]) -> Service:
    """A module whose handlers' stores are its only read models: no data rows, no history."""
    return make_service(handlers=[Store], disable_default_handler=True)


def used(service: Service) -> Used:
    """The permissions that the calls since the last time needed, by kind of table."""
    found: Used = {}
    for call in service.wire.calls:
        for table, action in needed(call) if call.service == "dynamodb" else ():
            _stage, _app, name = table.split("-", 2)
            found.setdefault(name.removeprefix("todo-"), set()).add(f"dynamodb:{action}")
    service.wire.clear()
    return found


def needed(call: Call) -> list[tuple[str, str]]:
    match call.operation:
        case "TransactWriteItems":
            writes = [write for item in call.parameters["TransactItems"] for write in item.items()]
            return [(request["TableName"], WRITES[kind]) for kind, request in writes]
        case "BatchGetItem":
            return [(table, call.operation) for table in call.parameters["RequestItems"]]
        case operation:
            index = f"/index/{name}" if (name := call.parameters.get("IndexName")) else ""
            return [(f"{call.parameters['TableName']}{index}", operation)]


def together(*parts: Used, kinds: tuple[str, ...] = MODULE) -> Used:
    return {
        kind: set().union(*(part.get(kind, set()) for part in parts))
        for kind in kinds
        if any(kind in part for part in parts)
    }


def allowed(construct: type[Any], intent: str, **props: Any) -> Used:
    """What a grant allows, by kind of table."""
    stack = cdk.Stack(new_app(), "Test")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    getattr(construct(stack, "Todo", **props).grants, intent)(role)
    found = {}
    for name, actions in permissions(stack).items():
        table, slash, index = name.partition("/")
        found[table[4:-8].lower() + slash + index] = actions
    return found


def publish(service: Service) -> Used:
    """Publish in every asynchronous way; the calls that were needed for it."""
    service.publish()
    service.publish(version=-1, name="of the latest")
    for _ in range(2):
        service.module.commands.publish_async(
            service.command(version=2), invoke_context=service.user(), publish_id="once"
        )
    service.module.commands.duplicate((PK, "A1@3"), invoke_context=service.user())
    service.module.commands.publish_numbered(
        Given(1), lambda _number: service.command("N1"), invoke_context=service.user()
    )
    return used(service)


def publish_anew(service: Service) -> Used:
    """Publish where a command of an earlier life, whose data row has expired, has the version."""
    service.publish_sync("E1")
    service.publish_sync("E1", 1)
    for kind, sk in (("command", "E1@1"), ("data", "E1")):
        key = {"pk": {"S": PK}, "sk": {"S": sk}}
        service.client.delete_item(TableName=getattr(service.tables, kind), Key=key)
    used(service)
    service.publish("E1")
    service.publish("E1", 1)
    return used(service)


def run_worker(service: Service, action: str, version: int, **extra: Any) -> None:
    task = {"module": "todo", "pk": PK, "sk": "A1", "version": version, **extra}
    Worker({"todo": service.module}).run({"action": action, "input": task})


def test_publish(
    make_service: Callable[..., Service], plain: Service, synced: Service, handlers_only: Service
) -> None:
    alone = make_service(ryw=False)
    calls = together(
        *(publish(service) for service in (plain, synced, handlers_only, alone)), publish_anew(plain)
    )
    assert calls == allowed(CqrsTable, "publish", data_sync=True)


@pytest.fixture
def bucket(emulator: Emulator) -> Iterator[str]:
    client, name = emulator.client("s3"), f"attributes-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    yield name
    for found in client.list_objects_v2(Bucket=name).get("Contents", ()):
        client.delete_object(Bucket=name, Key=found["Key"])
    client.delete_bucket(Bucket=name)


def test_read(make_service: Callable[..., Service], bucket: str, handlers_only: Service) -> None:
    large = make_service(bucket_name=bucket, attribute_limit=1000)
    large.publish("B1", attributes={"title": "t" * 1000})
    for service in (large, handlers_only):
        publish(service)
        module, user = service.module, service.user()
        module.repository.get_item(KEY, invoke_context=user)
        module.repository.list_items_by_pk(PK, invoke_context=user)
        module.data.get_item(KEY, invoke_context=user)
        module.data.list_items_by_pk(PK, invoke_context=user)
        module.history.get_item(KEY, 1, invoke_context=user)
        module.history.list_versions(KEY, invoke_context=user)
        module.history.as_of(KEY, version=1, invoke_context=user)
        module.commands.get_item((PK, "A1@1"), invoke_context=user)
        module.commands.get_latest_item(KEY, invoke_context=user)
        module.commands.get_next_command((PK, "A1@1"), invoke_context=user)
    collect_large_attributes(large.module, older_than=timedelta(0), dry_run=True)
    assert together(used(large), used(handlers_only)) == allowed(CqrsTable, "read", data_sync=True)


def test_apply(plain: Service, synced: Service) -> None:
    for service in (plain, synced):
        publish(service)
        service.apply(1, images={1: service.image(1)})
        run_worker(service, "apply", 4)
    for version in range(1, 4):
        run_worker(synced, "handle", version, handler="Store")
    run_worker(synced, "park", 4, handler="Store", error="TimeoutError")
    run_worker(synced, "finish", 4, results=[{"handler": "Store", "outcome": "parked"}])
    run_worker(synced, "fail", 4, error="TimeoutError")
    plain.module.commands.update_status((PK, "A1@4"), "mine:DONE", invoke_context=plain.user())
    plain.module.history.publish(KEY, invoke_context=plain.user())
    plain.module.commands.update_ttl((PK, "A1@4"), invoke_context=plain.user())
    assert together(used(plain), used(synced)) == allowed(CqrsTable, "apply", data_sync=True)


def test_publish_and_apply_are_enough_for_a_synchronous_publish(synced: Service) -> None:
    publish(synced)
    for version in range(1, 5):
        synced.apply(version)
        run_worker(synced, "handle", version, handler="Store")
    used(synced)
    synced.publish_sync(version=4)
    calls = together(used(synced))
    grants = [allowed(CqrsTable, intent, data_sync=True) for intent in ("publish", "apply")]
    assert {kind for kind in calls if not calls[kind] <= together(*grants)[kind]} == set()


def test_replay(parked: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    parked.publish("B1")
    parked.apply(1, sk="B1")
    # As where somebody else had a turn since the page was read: the rows are read again.
    monkeypatch.setattr(CommandVersions, "take_state", lambda versions, *_: versions.read_state())
    used(parked)
    parked.module.commands.re_sync_data()  # one that is parked, and one that it has never seen
    assert together(used(parked)) == allowed(CqrsTable, "replay", data_sync=True)


@pytest.fixture
def parked(synced: Service) -> Service:
    """The handler is parked at the only version."""
    synced.publish()
    park(synced)
    used(synced)
    return synced


def park(service: Service, version: int = 1) -> None:
    for action in ("apply", "park"):
        run_worker(service, action, version, handler="Store", error="TimeoutError")
    run_worker(service, "finish", version, results=[{"handler": "Store", "outcome": "parked"}])


def operate(service: Service, operation: str, **arguments: Any) -> None:
    """Run an operation that must not fail."""
    scope = Scope({"todo": service.module}, service.resources)
    answer = Operator(scope).run({"operation": operation, **arguments})
    assert "error" not in answer
    assert not answer.get("failed")


def test_inspect(parked: Service) -> None:
    operate(parked, "modules")
    operate(parked, "parked", module="todo")
    operate(parked, "behind", module="todo")
    operate(parked, "show", module="todo", pk=PK, sk="A1")
    assert together(used(parked)) == allowed(CqrsTable, "inspect", data_sync=True)


def test_repair(parked: Service, handlers_only: Service) -> None:
    parked.publish(version=1)
    run_worker(parked, "apply", 2)
    for version in range(2):
        handlers_only.publish(version=version)
    handlers_only.module.ttl.set_ttl_configuration("command", 1, TENANT)
    park(handlers_only, 2)  # before it has seen any
    for service in (parked, handlers_only):
        used(service)
        skip(service.module, KEY, "Store", dry_run=True)
        redrive(service.module, KEY, "Store")
    park_again(parked)
    parked.client.delete_item(TableName=parked.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    redrive(parked.module, KEY, "Store")  # its data row has expired
    with_gone_handler(parked)
    drop(parked.module, KEY, "Gone")
    assert together(used(parked), used(handlers_only)) == allowed(CqrsTable, "repair", data_sync=True)


def park_again(service: Service) -> None:
    calls = list(service.wire.calls)
    service.publish(version=2)
    run_worker(service, "apply", 3)
    run_worker(service, "park", 3, handler="Store", error="TimeoutError")
    service.wire.calls[:] = calls


def with_gone_handler(service: Service) -> None:
    row = service.item("sync", "Store#A1") | {"sk": {"S": "Gone#A1"}, "parkedVersion": {"N": "3"}}
    service.client.put_item(TableName=service.tables.sync, Item=row)


def test_reconcile(plain: Service, synced: Service, handlers_only: Service) -> None:
    for service in (plain, synced, handlers_only):
        for version in range(2):
            service.publish(version=version)
        used(service)
        operate(service, "reconcile", module="todo", olderThan=0)
        # Finds by the index what `reconcile` finds by a scan.
        heal(service.module, older_than=timedelta(0))
    before = used(plain)
    plain.publish("A2")
    image = image_row(plain.item("command", "A2@1"))
    used(plain)
    heal(plain.module, older_than=timedelta(0))  # what is pending without a data row may be of another life
    apply(plain.context, DetailKey(PK, "A2"), 1, images={1: image})  # as one that was overtaken goes on
    plain.client.delete_item(TableName=plain.tables.data, Key={"pk": {"S": PK}, "sk": {"S": "A1"}})
    operate(plain, "reconcile", module="todo", olderThan=0)
    calls = together(before, used(plain), used(synced), used(handlers_only), kinds=(*MODULE, OPEN))
    assert calls == allowed(CqrsTable, "reconcile", data_sync=True)


def test_erase(plain: Service, synced: Service) -> None:
    for service in (plain, synced):
        for version in range(2):
            service.publish(version=version)
        operate(service, "reconcile", module="todo", olderThan=0)
        used(service)
        erase(service.module, KEY)
    calls = [used(plain), used(synced)]
    synced.publish_sync("B1")
    synced.client.delete_item(TableName=synced.tables.command, Key={"pk": {"S": PK}, "sk": {"S": "B1@1"}})
    used(synced)
    erase(synced.module, (PK, "B1"))  # its commands have expired
    calls.append(used(synced))
    assert together(*calls) == allowed(CqrsTable, "erase", data_sync=True)
    (sessions,) = together(*calls, kinds=("session",)).values()
    assert [sessions] == list(allowed(SessionTable, "erase").values())


def test_track(plain: Service) -> None:
    publish(plain)
    used(plain)
    plain.publish(version=4)
    plain.module.repository.get_item(KEY, invoke_context=plain.user())
    plain.module.repository.list_items_by_pk(PK, invoke_context=plain.user())
    plain.module.sessions.get("u1", KEY)
    plain.module.sessions.list_by_user("u1", TENANT)
    plain.module.sessions.delete("u1", DetailKey(*KEY))
    calls = together(used(plain), kinds=("session",))
    assert list(calls.values()) == list(allowed(SessionTable, "track").values())


def test_forget(plain: Service, synced: Service) -> None:
    plain.publish()
    synced.publish()
    used(plain)
    used(synced)
    run_worker(plain, "apply", 1)
    for action in ("apply", "handle", "finish"):
        run_worker(synced, action, 1, handler="Store", results=[{"handler": "Store", "outcome": "done"}])
    for service in (plain, synced):
        calls = together(used(service), kinds=("session",))
        assert list(calls.values()) == list(allowed(SessionTable, "forget").values())


def test_settings_of_tenants(plain: Service) -> None:
    for change, intent in ((False, "read"), (True, "write")):
        if change:
            plain.module.ttl.set_ttl_configuration("data", 7, TENANT)
        plain.module.ttl.get_ttl_configuration("data", TENANT)
        (calls,) = together(used(plain), kinds=("master-data",)).values()
        assert [calls] == list(allowed(MasterDataTable, intent).values())
