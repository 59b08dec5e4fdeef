"""Collecting the large attributes that no row refers to any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import ConfigurationError, InvalidInputError
from runtime.commands.collect import Collected, collect_large_attributes
from runtime.store.attributes import reference_of
from tests.runtime.test_large_attributes import in_bucket, large, objects, service
from tests.support.polling import wait_until
from tests.support.service import PK, Service, on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["service"]

NOW = timedelta(0)


def test_what_a_row_refers_to_is_kept(service: Service) -> None:
    for version in range(3):
        service.publish(version=version, attributes=large(f"{version}"))
    service.apply(2)  # in history, in data, and pending
    for sk in ("A1@1", "A1@2"):
        delete(service, service.tables.command, sk)
    before = objects(service)
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=0, kept=3)
    assert objects(service) == before


def test_what_no_row_refers_to_goes(service: Service) -> None:
    for version in range(3):
        service.publish(version=version, attributes=large(f"{version}"))
    service.publish("A2", attributes=large())
    service.apply(3)
    references = [reference_of(service.image(version)) or "" for version in (1, 2, 3)]
    for version in (1, 2, 3):
        delete(service, service.tables.command, f"A1@{version}")
    delete(service, service.tables.history, "A1@1")
    gone: list[str] = []
    done = collect_large_attributes(service.module, older_than=NOW, on_object=gone.append)
    assert done == Collected(deleted=1, kept=3)
    assert references[0].endswith(gone[0])
    assert gone[0] not in objects(service)
    check_reads(service)


async def _is_awaited(_key: str) -> None: ...


def test_what_is_told_of_the_objects_works_at_once(service: Service) -> None:
    service.publish(attributes=large())
    delete(service, service.tables.command, "A1@1")
    for on_object in (_is_awaited, lambda: None):
        with pytest.raises(ConfigurationError, match=r"^on_object (must be a plain|is called with)"):
            collect_large_attributes(service.module, older_than=NOW, on_object=on_object)  # type: ignore[arg-type]
    assert len(objects(service)) == 1
    with pytest.raises(ConfigurationError, match=r"^on_object returned a coroutine"):
        collect_large_attributes(service.module, older_than=NOW, on_object=lambda key: _is_awaited(key))  # type: ignore[arg-type]  # noqa: PLW0108


def test_an_aggregate_that_is_gone_leaves_nothing(service: Service) -> None:
    service.publish_sync(attributes=large())
    delete(service, service.tables.command, "A1@1")
    delete(service, service.tables.data, "A1")
    assert collect_large_attributes(service.module, older_than=NOW).deleted == 1
    assert objects(service) == []


def test_a_young_object_is_kept(service: Service) -> None:
    service.publish(attributes=large())
    delete(service, service.tables.command, "A1@1")
    for dry_run in (True, False):
        assert collect_large_attributes(service.module, dry_run=dry_run) == Collected(deleted=0, kept=1)
    assert collect_large_attributes(service.module, older_than=timedelta(minutes=5)).deleted == 0
    assert len(objects(service)) == 1


@on_dynamodb
def test_an_object_that_is_published_again_meanwhile_is_young(service: Service) -> None:
    """It is listed while nobody refers to it, and published before it is deleted."""
    service.publish(attributes=large())
    delete(service, service.tables.command, "A1@1")
    (key,) = objects(service)
    heads: list[str] = []

    def publish_again(call: Any) -> None:
        if call.name == "s3:HeadObject":
            heads.append(call.name)
            if len(heads) == 2:
                wait_for_the_next_second()
                service.publish(attributes=large())

    service.wire.before = publish_again
    collect_large_attributes(service.module, older_than=NOW)
    service.wire.before = lambda _call: None
    assert objects(service) == [key]
    command = service.module.commands.get_item((PK, "A1@1"))
    assert command is not None


def test_a_dry_run_deletes_nothing(service: Service) -> None:
    service.publish(attributes=large())
    delete(service, service.tables.command, "A1@1")
    named: list[str] = []
    done = collect_large_attributes(service.module, older_than=NOW, dry_run=True, on_object=named.append)
    assert done == Collected(deleted=1, kept=0)
    assert objects(service) == named


def test_objects_of_others_are_kept(service: Service, bucket: str) -> None:
    prefix = f"ddb/{service.tables.command}"
    names = [
        f"{prefix}/{PK}/A1@1/01M7YFBQ20WV631PVCFKTRATAB.json",
        f"{prefix}/acme/{'0' * 32}/{'0' * 64}.json",
        f"{prefix}-of-another/acme/{'0' * 32}/{'0' * 64}.json",
        "reports/2026.csv",
    ]
    for name in names:
        in_bucket(service).put_object(Bucket=bucket, Key=name, Body=b"{}")
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=0, kept=2)
    assert sorted(objects(service)) == sorted(names)


def test_a_key_too_long_for_metadata_is_kept(service: Service) -> None:
    service.publish("s" * 900, pk=f"{'p' * 900}#acme", attributes=large())
    service.client.delete_item(
        TableName=service.tables.command,
        Key={"pk": {"S": f"{'p' * 900}#acme"}, "sk": {"S": f"{'s' * 900}@1"}},
    )
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=0, kept=1)
    assert len(objects(service)) == 1


def test_keys_with_any_characters_are_found_again(service: Service) -> None:
    for sk in ("USER#ä@x.com", "USER#ä", "a/b", "\U0001f600"):
        service.publish(sk, attributes=large())
        service.apply(1, sk)
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=0, kept=4)
    delete(service, service.tables.command, "USER#ä@1")
    delete(service, service.tables.data, "USER#ä")
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=1, kept=3)


def test_more_rows_than_one_page_holds(service: Service) -> None:
    """A page of a query holds 1 MB, before any filter; sort keys compare as text."""
    for version in range(13):
        attributes = large() if version == 8 else {"lines": ["x" * 1024] * 90, "n": version}
        service.publish(version=version, attributes=attributes)
    assert collect_large_attributes(service.module, older_than=NOW) == Collected(deleted=0, kept=1)


def test_bad_input_is_refused(service: Service, make_service: Callable[..., Service]) -> None:
    with pytest.raises(InvalidInputError, match="older_than: must not be negative"):
        collect_large_attributes(service.module, older_than=-timedelta(seconds=1))
    with pytest.raises(ConfigurationError, match="S3_BUCKET_NAME is not set"):
        collect_large_attributes(make_service().module)


def delete(service: Service, table: str, sk: str) -> None:
    service.client.delete_item(TableName=table, Key={"pk": {"S": PK}, "sk": {"S": sk}})


def check_reads(service: Service) -> None:
    for row in service.rows(service.tables.data):
        assert service.module.data.get_item((row["pk"], row["sk"]))
    for row in service.rows(service.tables.history):
        assert service.module.history.get_item((row["pk"], "A1"), int(row["version"]))


def wait_for_the_next_second() -> None:
    """S3 tells the time of an object in whole seconds."""
    start = datetime.now(UTC)
    wait_until(lambda: datetime.now(UTC).replace(microsecond=0) > start)
