"""Attributes that are too large for a row: through the whole pipeline, kept in S3."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ConfigurationError, CorruptRowError, DataSyncHandler, InvalidInputError
from runtime.store.attributes import reference_of
from runtime.store.item_size import MAX_ITEM_BYTES
from tests.runtime.test_handlers import handle
from tests.support.checker import check_invariants
from tests.support.service import PK, Service, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import CommandModel

KEY = (PK, "A1")
NOW = timedelta(0)


def large(title: str = "t", kilobytes: int = 300) -> dict[str, Any]:
    return {"title": title, "lines": ["x" * 1024] * kilobytes}


@pytest.fixture
def service(make_service: Callable[..., Service], bucket: str) -> Service:
    return make_service(bucket_name=bucket)


class Recorder(DataSyncHandler):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def up(self, command: CommandModel[Any]) -> None:
        self.seen.append(command.attributes)


def in_bucket(service: Service) -> Any:
    return service.resources.client("s3")


def objects(service: Service) -> list[str]:
    bucket = service.resources.settings.bucket_name
    found = in_bucket(service).list_objects_v2(Bucket=bucket)
    return [each["Key"] for each in found.get("Contents", ())]


class TestThePipeline:
    def test_every_read_has_the_attributes_in_it(
        self, make_service: Callable[..., Service], bucket: str
    ) -> None:
        recorder = Recorder()
        service = make_service(bucket_name=bucket, handlers=[recorder])
        module, states = service.module, [large(title) for title in ("one", "two", "three")]
        for version, state in enumerate(states):
            assert service.publish(version=version, attributes=state).attributes == state
        pending = module.repository.get_item(KEY, invoke_context=service.user())
        assert pending is not None
        assert pending.attributes == states[2]
        service.apply(3)
        for version in (1, 2, 3):
            handle(service, version)
        data = module.data.get_item(KEY)
        listed = module.data.list_items_by_pk(PK).items
        assert data is not None
        assert [data.attributes, *(item.attributes for item in listed)] == [states[2]] * 2
        assert recorder.seen == states
        history = [module.history.get_item(KEY, version) for version in (1, 2)]
        assert [item.attributes for item in history if item] == states[:2]
        command = module.commands.get_item((PK, "A1@2"))
        assert command is not None
        assert command.attributes == states[1]
        assert len(objects(service)) == 3
        check_invariants(service)

    def test_data_and_history_refer_to_the_object_of_their_command(self, service: Service) -> None:
        for version in range(2):
            service.publish(version=version, attributes=large(f"{version}"))
        service.apply(2)
        commands = [reference_of(service.image(version)) for version in (1, 2)]
        assert None not in commands
        assert reference_of(service.raw("history", "A1@1")) == commands[0]
        assert reference_of(service.raw("data", "A1")) == commands[1]

    def test_a_synchronous_publish_does_the_same(self, service: Service) -> None:
        for version in range(2):
            service.publish_sync(version=version, attributes=large(f"{version}"))
        check_invariants(service)
        assert reference_of(service.raw("data", "A1")) == reference_of(service.image(2))
        data = service.module.data.get_item(KEY)
        assert data is not None
        assert data.attributes == large("1")

    @pytest.mark.parametrize("method", ["publish_partial_update_async", "publish_partial_update_sync"])
    def test_a_partial_update_merges_into_what_is_in_the_bucket(self, service: Service, method: str) -> None:
        service.publish_sync(attributes=large("one"))
        change = {"pk": PK, "sk": "A1", "version": 1, "attributes": {"title": "two"}}
        command = getattr(service.module.commands, method)(change, invoke_context=service.user())
        assert command.attributes == large("two")
        service.apply(2)
        check_invariants(service)

    @on_dynamodb
    def test_a_page_of_the_history_fetches_no_more_than_itself(self, service: Service) -> None:
        for version in range(4):
            service.publish_sync(version=version, attributes=large(f"t{version}"))
        service.wire.clear()
        page = service.module.history.list_versions(KEY, after=1, limit=1, invoke_context=service.user())
        assert [(state.version, state.attributes["title"]) for state in page] == [(2, "t1")]
        assert service.wire.names("s3") == ["s3:GetObject"]

    def test_a_row_moves_to_the_bucket_and_back(self, service: Service) -> None:
        for version, attributes in enumerate([{"title": "small"}, large(), {"title": "small"}]):
            service.publish(version=version, attributes=attributes)
        service.apply(3)
        assert [bool(reference_of(service.image(version))) for version in (1, 2, 3)] == [False, True, False]
        data = service.module.data.get_item(KEY)
        assert data is not None
        assert data.attributes == {"title": "small"}

    @on_dynamodb
    @pytest.mark.parametrize("publish", ["publish", "publish_sync"])
    def test_the_same_again_changes_nothing(self, service: Service, publish: str) -> None:
        service.publish_sync(name="same", attributes=large())
        service.wire.clear()
        assert getattr(service, publish)(version=1, name="same", attributes=large()) is None
        assert "s3:PutObject" not in service.wire.names()

    @on_dynamodb
    def test_a_small_row_costs_no_call(self, service: Service) -> None:
        service.publish(attributes=large(kilobytes=50))
        service.apply(1)
        service.module.data.get_item(KEY)
        assert service.wire.names("s3") == []

    def test_the_whole_row_counts_and_not_the_attributes_alone(self, service: Service) -> None:
        service.publish("A1", name="n" * 60 * 1024, attributes=large(kilobytes=60))
        assert reference_of(service.image(1)) is not None


class TestContent:
    def test_the_same_content_is_one_object(self, service: Service) -> None:
        for version, attributes in enumerate(
            [large("one"), large("two"), dict(reversed(large("one").items()))]
        ):
            service.publish(version=version, attributes=attributes)
        assert reference_of(service.image(1)) == reference_of(service.image(3))
        assert len(objects(service)) == 2

    def test_aggregates_share_no_object(self, service: Service) -> None:
        for sk in ("A1", "A2"):
            service.publish(sk, attributes=large())
        assert len(objects(service)) == 2

    def test_every_type_survives(self, service: Service) -> None:
        attributes = large() | {
            "bytes": b"\x00\xff",
            "texts": {"a", "b"},
            "numbers": {1, Decimal("2.5")},
            "blobs": {b"a", b"\xff"},
            "digits": Decimal("0.12345678901234567890123456789012345678"),
            "huge": 10**125,
            "none": None,
            "empty": {"list": [], "map": {}, "text": ""},
            "odd": "\x00 \u2028 \U0001f600 \"'\\",
        }
        moment = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
        service.publish_sync(attributes=attributes | {"moment": moment})
        data = service.module.data.get_item(KEY)
        assert data is not None
        assert data.attributes == attributes | {"moment": moment.isoformat()}

    def test_an_object_of_the_reference_system_is_read_compared_and_updated(
        self, service: Service, bucket: str
    ) -> None:
        """Plain JSON under a key of its own making, and rows that refer to it by their own bucket's name."""
        attributes = {"lines": ["x" * 1024] * 200, "n": 1, "price": 12.5, "none": None}
        key = f"ddb/local-t-todo-command/{PK}/A1@1/01M7YFBQ20WV631PVCFKTRATAB.json"
        in_bucket(service).put_object(Bucket=bucket, Key=key, Body=json.dumps(attributes).encode())
        service.publish_sync(name="same", attributes={"n": 0})
        for table, sk in ((service.tables.command, "A1@1"), (service.tables.data, "A1")):
            service.set(table, sk, attributes=f"s3://their-bucket/{key}")
        data = service.module.data.get_item(KEY)
        assert data is not None
        assert data.attributes == attributes
        assert service.publish(version=1, name="same", attributes=attributes) is None
        change = {"pk": PK, "sk": "A1", "version": 1, "attributes": {"n": 2}}
        command = service.module.commands.publish_partial_update_async(change, invoke_context=service.user())
        assert command is not None
        assert command.attributes == attributes | {"n": 2}
        service.apply(2)
        old = service.module.history.get_item(KEY, 1)
        assert old is not None
        assert old.attributes == attributes

    @pytest.mark.parametrize("tenant", ["acme/../b", "..", "t" * 1500, "é 😀", "a\x00b"])
    def test_a_tenant_of_any_characters_has_a_place(self, service: Service, tenant: str) -> None:
        command = service.command(pk=f"TODO#{tenant}", attributes=large())
        service.module.commands.publish_sync(command, invoke_context=service.user(tenant=tenant))
        data = service.module.data.get_item((f"TODO#{tenant}", "A1"))
        assert data is not None
        assert data.attributes == large()
        (key,) = objects(service)
        # What S3 takes, and what no URL normalises away.
        assert key.isascii()
        assert key.isprintable()
        assert len(key) <= 1024
        assert len(key.split("/")) == 5
        assert ".." not in key


class TestWhatDoesNotFit:
    @pytest.mark.parametrize("publish", ["publish", "publish_sync"])
    @pytest.mark.parametrize("attributes", [None, {}, {"title": "t"}, large()])
    def test_a_row_that_nothing_makes_fit_is_refused(
        self, service: Service, publish: str, attributes: Any
    ) -> None:
        with pytest.raises(InvalidInputError, match=r"command: takes \d+ bytes without its attributes"):
            getattr(service, publish)(name="n" * MAX_ITEM_BYTES, attributes=attributes)
        assert not any(service.everything().values())
        assert objects(service) == []

    @pytest.mark.parametrize("attributes", [None, {}, {"title": "t"}])
    def test_a_row_that_fits_stays_whole_when_the_bucket_would_not_help(
        self, make_service: Callable[..., Service], attributes: Any
    ) -> None:
        service = make_service()
        service.publish_sync(name="n" * 300 * 1024, attributes=attributes)
        service.publish_sync(version=1, name="m" * 300 * 1024, attributes=attributes)
        check_invariants(service)

    @pytest.mark.parametrize("publish", ["publish", "publish_sync"])
    def test_without_a_bucket_it_is_a_configuration_error(
        self, make_service: Callable[..., Service], publish: str
    ) -> None:
        service = make_service()
        with pytest.raises(ConfigurationError, match="S3_BUCKET_NAME is not set"):
            getattr(service, publish)(attributes=large())
        assert not any(service.everything().values())

    def test_a_lost_object_is_named(self, service: Service, bucket: str) -> None:
        service.publish_sync(attributes=large())
        (key,) = objects(service)
        in_bucket(service).delete_object(Bucket=bucket, Key=key)
        with pytest.raises(CorruptRowError, match=f"{PK} A1 are not in the bucket; restore {key}"):
            service.module.data.get_item(KEY)
