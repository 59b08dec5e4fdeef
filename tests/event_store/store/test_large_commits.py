"""Large commits are in the attributes bucket, and nobody who reads them notices."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Settings
from runtime.errors import ConfigurationError, CorruptRowError, InvalidInputError
from runtime.event_store.commits.large_events import LargeEvents
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.dynamo_provider import DynamoProvider
from runtime.model.keys import DetailKey
from runtime.store.codec import sealed
from runtime.store.memory import MemoryStore
from runtime.store.port import Set
from runtime.store.values import Place
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock
from tests.event_store.store.lab import EVENTS, KEY, Lab, NoBucket, closing, commit, record
from tests.event_store.store.test_commit_row import noise

if TYPE_CHECKING:
    from runtime.event_store.commits.commit import Commit

LIMIT = 4096
NOW = timedelta(0)


@pytest.fixture
def lab() -> Lab:
    return Lab(limit=LIMIT)


def large(first: int, *, seed: int = 0, **more: Any) -> Commit:
    return commit(first, body={"text": noise(6000, seed)}, **more)


def objects(lab: Lab) -> list[str]:
    return [found.key for found in lab.bucket.objects("")]


def test_large_events_are_in_the_bucket_and_are_read_from_there(lab: Lab) -> None:
    made = [large(1), commit(2), large(3, seed=1)]
    for one in made:
        lab.provider.append([one])
    assert list(lab.provider.read(KEY)) == made
    assert list(lab.provider.read_back(KEY)) == made[::-1]
    assert (
        list(lab.provider.everything(["users"], segment=0, total_segments=1, start=None, limit=9)[0]) == made
    )
    first, second, third = lab.rows()
    assert {first["events"], third["events"]} == {f"s3://memory/{key}" for key in objects(lab)}
    assert first["types"] == sealed({"happened"}, path="")
    assert second["events"].startswith("[[")


def test_the_object_is_json_and_is_in_the_folder_of_its_tenant(lab: Lab) -> None:
    lab.provider.append([large(1)])
    (key,) = objects(lab)
    assert key.startswith(f"ddb/{EVENTS}/acme/")
    content, content_type = lab.bucket.get(lab.rows()[0]["events"])
    assert json.loads(content) == [["happened", {"text": noise(6000)}]]
    assert content_type == "application/json"


def test_the_object_is_there_before_the_row(lab: Lab) -> None:
    seen: list[int] = []
    lab.wire.before = lambda call: seen.append(len(objects(lab))) if call.operation == "write" else None
    lab.provider.append([large(1)])
    assert seen == [1]


def test_a_state_is_kept_beside_events_in_the_bucket(lab: Lab) -> None:
    lab.provider.append([large(1, state={"n": 1}, fold="1")])
    assert [found.state for found in lab.provider.read_back(KEY)] == [{"n": 1}]


def test_a_loser_is_told_a_winner_that_is_large(lab: Lab) -> None:
    winner = large(1)
    lab.provider.append([winner])
    with pytest.raises(AppendRefusedError) as refused:
        lab.provider.append([commit(1)])
    assert refused.value.moved == {KEY: winner}


def test_an_object_that_is_gone_is_told_with_its_key(lab: Lab) -> None:
    lab.provider.append([large(1)])
    (key,) = objects(lab)
    lab.bucket.delete([key])
    with pytest.raises(CorruptRowError, match=rf"0000000001 are not in the bucket; restore {key}"):
        list(lab.provider.read(KEY))


def test_the_objects_of_an_erased_aggregate_go(lab: Lab) -> None:
    other = KEY._replace(aggregate_id="u2")
    lab.provider.append([large(1)])
    lab.provider.append([large(1, key=other)])
    with pytest.raises(AppendRefusedError):
        lab.provider.append([large(1, seed=5)])  # it leaves an object that no row refers to
    assert len(objects(lab)) == 3
    assert lab.provider.erase(KEY, closing()) == 1
    assert len(objects(lab)) == 1
    assert [found.types for found in lab.provider.read(KEY)] == [("happened",), ()]
    assert next(iter(lab.provider.read(other))).events[0].body == {"text": noise(6000)}


def test_what_cannot_be_read_any_more_is_erased_all_the_same(lab: Lab) -> None:
    lab.provider.append([large(1)])
    lab.append(2, after=1)
    lab.bucket.delete(objects(lab))
    place = Place(EVENTS, KEY.pk, "0000000002")
    lab.store.write(Set(place=place, columns={"events": "no JSON"}))
    assert lab.provider.erase(KEY, closing()) == 2
    assert [found.types for found in lab.provider.read(KEY)] == [("happened",), ("happened",) * 2, ()]


# Collecting


def test_objects_that_no_commit_refers_to_are_collected(lab: Lab) -> None:
    lab.provider.append([large(1)])
    with pytest.raises(AppendRefusedError):
        lab.provider.append([large(1, seed=5)])
    kept = lab.rows()[0]["events"].removeprefix("s3://memory/")
    named: list[str] = []
    dry = lab.provider.collect_large_events(older_than=NOW, dry_run=True, on_object=named.append)
    assert (dry.deleted, dry.kept, len(objects(lab))) == (1, 1, 2)
    found = lab.provider.collect_large_events(older_than=NOW)
    assert (found.deleted, found.kept) == (1, 1)
    assert objects(lab) == [kept]
    assert named != [kept]


def test_a_young_object_may_be_about_to_be_referred_to(lab: Lab) -> None:
    lab.provider.append([large(1)])
    with pytest.raises(AppendRefusedError):
        lab.provider.append([large(1, seed=5)])
    assert lab.provider.collect_large_events().deleted == 0


def test_without_a_bucket_there_is_nothing_to_collect() -> None:
    with pytest.raises(ConfigurationError, match="S3_BUCKET_NAME"):
        Lab(bucket=NoBucket()).provider.collect_large_events()


# As it is deployed


def test_the_settings_of_a_deployment_say_what_is_large_and_where_it_goes() -> None:
    clock = Clock()
    settings = Settings(
        modules={"blog": {"kind": "events", "events": "e", "sync_table": "s"}},
        bucket_name="attributes",
        attribute_limit=LIMIT,
    )
    resources = MemoryResources(settings, MemoryStore(clock=clock.seconds), clock)
    provider = DynamoProvider("blog", resources)
    made = large(1)
    provider.append([made])
    assert list(provider.read(KEY)) == [made]
    ((bucket, key),) = resources.objects
    assert (bucket, key.split("/")[:3]) == ("attributes", ["ddb", "e", "acme"])
    assert provider.collect_large_events(older_than=NOW).kept == 1
    provider.erase(KEY, closing())
    assert resources.objects == {}


def test_a_row_may_never_be_larger_than_dynamodb_takes() -> None:
    assert LargeEvents(Lab().bucket, EVENTS, 10**9).limit == 400 * 1024


def test_many_commits_that_are_large_together_fit_into_one_transaction() -> None:
    lab = Lab()
    keys = [KEY._replace(aggregate_id=f"{number}") for number in range(60)]
    body = {"text": noise(95_000)}
    appended = [commit(1, key=key, body=body) for key in keys]
    lab.provider.append(appended, unmoved={KEY: 0}, command=record())
    assert [list(lab.provider.read(key)) for key in keys] == [[one] for one in appended]
    assert len(list(lab.bucket.objects(""))) == len(keys)


def test_few_that_are_not_stay_in_their_rows() -> None:
    lab = Lab()
    keys = [KEY._replace(aggregate_id=f"{number}") for number in range(3)]
    lab.provider.append([commit(1, key=key, body={"text": noise(95_000)}) for key in keys])
    assert not list(lab.bucket.objects(""))


def test_without_a_bucket_what_is_too_large_for_one_transaction_is_refused() -> None:
    lab = Lab(bucket=NoBucket())
    keys = [KEY._replace(aggregate_id=f"{number}") for number in range(14)]
    body = {"text": noise(390_000)}
    with pytest.raises(InvalidInputError, match=r"take \d+ bytes of one transaction, and 4 MB are allowed"):
        lab.provider.append([commit(1, key=key, body=body) for key in keys])
    assert not lab.rows()


def test_an_object_that_is_no_text_is_told_with_its_key(lab: Lab) -> None:
    lab.append(1, body={"text": noise(6000)})
    (found,) = lab.bucket.objects("")
    lab.bucket.put(found.key, b"\xff", "application/json", DetailKey(KEY.pk, ""))
    with pytest.raises(CorruptRowError, match=found.key):
        list(lab.provider.read(KEY))
