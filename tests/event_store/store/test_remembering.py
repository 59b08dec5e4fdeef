"""What a provider in memory remembers of its rows is never told in place of what they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from runtime.errors import CorruptRowError
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.commits.commit_json import events_json, events_of
from runtime.event_store.providers.remembering import RememberingStorage
from tests.event_store.store.lab import KEY, Lab, commit

if TYPE_CHECKING:
    from runtime.store.values import Row


def storage_of(lab: Lab) -> RememberingStorage:
    return RememberingStorage(lab.storage.store, lab.storage.tables, lab.storage.large)


@pytest.fixture
def storage() -> RememberingStorage:
    return storage_of(Lab())


def test_a_row_is_read_once(storage: RememberingStorage) -> None:
    row = storage.row(commit(1))
    assert storage.commit(dict(row)) is storage.commit(dict(row))


@pytest.mark.parametrize(
    "change",
    [{"append": "other"}, {"by": "u-2"}, {"events": '[["b",{}]]'}, {"at": "2020-01-01T00:00:00.000000Z"}],
)
def test_a_row_that_says_something_else_is_read_anew(storage: RememberingStorage, change: Row) -> None:
    row = storage.row(commit(1))
    first = storage.commit(row)
    changed = row | change
    assert storage.commit(changed) == Lab().storage.commit(changed) != first


def test_a_row_that_makes_no_sense_any_more_is_refused(storage: RememberingStorage) -> None:
    row = storage.row(commit(1))
    storage.commit(row)
    with pytest.raises(CorruptRowError):
        storage.commit(row | {"events": "["})


def test_what_is_forgotten_is_read_anew(storage: RememberingStorage) -> None:
    row = storage.row(commit(1))
    first = storage.commit(row)
    storage.forget(row)
    assert storage.commit(row) is not first


def test_events_of_the_bucket_are_asked_for_each_time() -> None:
    lab = Lab(limit=600)
    storage = storage_of(lab)
    row = storage.row(
        replace(commit(1), events=(StoredEvent("a", {"text": "".join(map(str, range(2000)))}),))
    )
    assert storage.commit(row) == storage.commit(row)
    storage.large.delete_all(KEY.pk)
    with pytest.raises(CorruptRowError, match="not in the bucket"):
        storage.commit(row)


def test_events_come_with_the_text_of_their_bodies() -> None:
    events = (
        StoredEvent("a", {"é": [1, {"b": "]"}]}),
        StoredEvent('"]', {}, 3),
        StoredEvent("c", {"n": 1.5}),
    )
    found = events_of(events_json(events))
    assert found == events
    assert [event.text for event in found] == ['{"é":[1,{"b":"]"}]}', "{}", '{"n":1.5}']
    assert events_json(found) == events_json(events)


@pytest.mark.parametrize("text", ['[ ["a", {"b": 1}], ["c", {}, 2] ]', ' [["a",{"b":1}],["c",{},2]]'])
def test_events_that_were_written_in_another_way_are_read_too(text: str) -> None:
    assert events_of(text) == (StoredEvent("a", {"b": 1}), StoredEvent("c", {}, 2))


@pytest.mark.parametrize(
    "text", ["", "[", "[[", '[["a",{}]', '[["a",{}]]x', '[["a",{}],]', '[["a",{} {}]]', '{"a":1']
)
def test_what_are_no_events_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="char"):
        events_of(text)


def test_an_event_with_another_body_has_no_text() -> None:
    (event,) = events_of('[["a",{"b":1}]]')
    other = replace(event, body={"b": 2})
    assert other.text is None
    assert events_json((other,)) == '[["a",{"b":2}]]'


def test_an_equal_commit_of_another_time_is_another_one(storage: RememberingStorage) -> None:
    one = commit(1)
    later = replace(one, at=one.at + timedelta(microseconds=1))
    storage.commit(storage.row(one))
    assert storage.commit(storage.row(later)).at == later.at
