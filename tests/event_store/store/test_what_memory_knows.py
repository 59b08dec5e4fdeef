"""What the provider in memory tells of its own appends is what reading their rows gives, to the type."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Aggregate, Event, InvokeContext, MemoryProvider, create_aggregate, create_domain
from runtime.event_store.aggregates.aggregate import Persist
from runtime.event_store.commits.commit import Known, StoredEvent
from runtime.event_store.commits.commit_row import commit_in
from runtime.event_store.provider import AppendRefusedError
from runtime.event_store.providers.remembering import RememberingStorage
from runtime.identity.context import use_invoke_context
from tests.event_store.store.lab import KEY, Lab, commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime import EventMeta
    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.domain import Domain


class Priced(Event, type="priced", aliases=("costed",)):
    """Frozen through and through."""

    price: Decimal
    at: datetime
    tags: tuple[str, ...] = ()


class Listed(Event, type="listed"):
    """Frozen, with a list in it that is not."""

    items: list[int]


@dataclass(frozen=True)
class Seen:
    """All that a fold was shown."""

    shown: tuple[tuple[Any, EventMeta], ...] = ()


@dataclass(frozen=True)
class Named:
    """A state that can be kept."""

    name: str = ""


def aggregate_of(**more: Any) -> Aggregate[Priced | Listed, Seen]:
    def fold(event: Priced | Listed, state: Seen, meta: EventMeta) -> Seen:
        return Seen((*state.shown, (event, meta)))

    return create_aggregate(stream="things", events=[Priced, Listed], create=Seen, fold=fold, **more)


THING = aggregate_of()
PRICED = Priced(
    price=Decimal("1.10"), at=datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), tags=("é",)
)
EVENTS: Sequence[Any] = [PRICED, [PRICED, PRICED], Listed(items=[1])]


@pytest.fixture
def domain() -> Domain:
    return create_domain(MemoryProvider(), THING)


def appended(domain: Domain, events: Any = PRICED, aggregate: Any = THING) -> None:
    with use_invoke_context(InvokeContext(claims={"sub": "u-1", "custom:tenant": "Acme"}, request_id="r-1")):
        repository = domain[aggregate]
        repository.append(repository.get_aggregate("t1"), events, source="[here]")


def commits_of(domain: Domain) -> list[Commit]:
    provider: Any = domain.provider
    return list(provider.read(KEY._replace(stream="things", aggregate_id="t1")))


def read_anew(domain: Domain) -> list[Commit]:
    provider: Any = domain.provider
    return [commit_in(row) for row in provider.storage.commit_rows("things#t1#acme")]


def said(value: Any) -> Any:
    """A value with its types."""
    if isinstance(value, dict):
        return {name: said(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return type(value), [said(part) for part in value]
    if isinstance(value, StoredEvent):
        return [said(getattr(value, field.name)) for field in fields(value)]
    return type(value), value


@pytest.mark.parametrize("events", EVENTS)
@pytest.mark.parametrize("persist", [None, Persist("1")])
def test_a_commit_is_told_as_its_row_says_it(events: Any, persist: Persist | None) -> None:
    thing: Aggregate[Priced | Listed, Named] = create_aggregate(
        stream="things",
        events=[Priced, Listed],
        create=Named,
        fold=lambda _event, state, _meta: state,
        persist=persist,
    )
    domain = create_domain(MemoryProvider(), thing)
    appended(domain, events, thing)
    (told,), (read,) = commits_of(domain), read_anew(domain)
    for field in fields(read):
        if field.name != "known":
            assert said(getattr(told, field.name)) == said(getattr(read, field.name)), field.name


@pytest.mark.parametrize("events", EVENTS)
def test_a_fold_is_shown_what_reading_gives(domain: Domain, events: Any) -> None:
    appended(domain, events)
    shown = domain[THING].get_aggregate("t1", tenant="acme").state.shown
    other = aggregate_of()  # types of its own: it reads everything
    read = create_domain(domain.provider, other)[other].get_aggregate("t1", tenant="acme").state.shown
    assert said(shown) == said(read)
    assert [meta.user_id for _, meta in shown] == ["u-1"] * len(shown)


def test_nothing_is_read_that_was_appended_here() -> None:
    shown: list[Priced] = []

    def fold(event: Priced, state: Named, _meta: EventMeta) -> Named:
        shown.append(event)
        return state

    thing = create_aggregate(stream="things", events=[Priced], create=Named, fold=fold)
    domain = create_domain(MemoryProvider(), thing)
    appended(domain, PRICED, thing)
    domain[thing].get_aggregate("t1", tenant="acme")
    at_append, at_load = shown
    assert at_load is at_append is not PRICED


def test_an_event_that_can_be_changed_is_read_for_each() -> None:
    def fold(event: Listed, state: dict[str, Any], _meta: EventMeta) -> dict[str, Any]:
        if not state:
            return {"items": event.items}
        state["items"] += event.items  # in place: that of the first event
        return state

    thing = create_aggregate(stream="things", events=[Listed], create=dict, fold=fold)
    domain = create_domain(MemoryProvider(), thing)
    appended(domain, [Listed(items=[1]), Listed(items=[2])], thing)
    for _ in range(3):
        assert domain[thing].get_aggregate("t1", tenant="acme").state == {"items": [1, 2]}


def test_upcasters_of_another_release_see_what_is_stored(domain: Domain) -> None:
    appended(domain)
    other = aggregate_of(upcasters={"priced": [lambda body: body | {"price": "7"}]})
    shown = create_domain(domain.provider, other)[other].get_aggregate("t1", tenant="acme").state.shown
    assert shown[0][0].price == Decimal(7)


def test_a_version_in_the_middle_of_a_commit_is_folded_so_far(domain: Domain) -> None:
    appended(domain, [PRICED, PRICED, PRICED])
    assert len(domain[THING].get_aggregate("t1", tenant="acme", at_version=2).state.shown) == 2


def storage_of(lab: Lab) -> RememberingStorage:
    return RememberingStorage(lab.storage.store, lab.storage.tables, lab.storage.large)


def with_text(body: dict[str, Any], text: str, **more: Any) -> Commit:
    return replace(commit(1), events=(StoredEvent.of_text("a", 0, text, body),), **more)


def test_what_the_caller_changes_later_changes_nothing() -> None:
    storage, metadata = storage_of(Lab()), {"source": "s"}
    given = with_text({}, "{}", metadata=metadata)
    row = storage.row(given)
    storage.remember(given, row)
    metadata["source"] = "other"
    assert storage.commit(row).metadata == {"source": "s"}


def test_a_time_is_told_in_utc() -> None:
    storage = storage_of(Lab())
    given = with_text({}, "{}", at=datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))))
    row = storage.row(given)
    storage.remember(given, row)
    assert storage.commit(row).at.tzinfo is UTC


def test_an_event_without_its_text_is_read() -> None:
    storage = storage_of(Lab())
    given = replace(commit(1), events=(StoredEvent("a", {"b": (1, 2)}),))
    row = storage.row(given)
    storage.remember(given, row)
    assert storage.commit(row).events[0].body == {"b": [1, 2]}


def test_what_is_in_the_bucket_is_asked_for() -> None:
    lab = Lab(limit=600)
    storage, text = storage_of(lab), '{"b":"' + "".join(map(str, range(2000))) + '"}'
    given = with_text({"b": text[6:-2]}, text)
    row = storage.row(given)
    storage.remember(given, row)
    assert row["events"].startswith("s3://")
    assert storage.commit(row) is not storage.commit(row)


def test_an_append_that_was_refused_is_forgotten() -> None:
    lab = Lab()
    provider, storage = lab.provider, storage_of(lab)
    provider.storage = storage
    provider.append([with_text({"n": 1}, '{"n":1}', append_id="winner")])
    with pytest.raises(AppendRefusedError):
        provider.append([with_text({"n": 2}, '{"n":2}', append_id="loser")])
    assert not storage._known  # noqa: SLF001 - what was never told must not be kept
    assert [found.append_id for found in provider.read(KEY)] == ["winner"]


def test_other_types_do_not_take_what_some_have_read(domain: Domain) -> None:
    appended(domain)
    (found,) = commits_of(domain)
    assert isinstance(found.known, Known)
    assert found.known.reader is THING.types
    assert replace(found, user_id=None).known is None
