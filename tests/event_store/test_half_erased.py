"""Whoever erases an aggregate may die at any call: from its first write on, nothing of it is given out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import AggregateErasedError, StoreUnavailableError
from runtime.event_store.aggregates.aggregate import Persist, create_aggregate
from runtime.event_store.dispatch.store import provider_event_store
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from tests.event_store.store.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.event_store.aggregates.loaded import Loaded
    from tests.support.wire import Call

WHO = "Ann-Secret"
_EVENTS = 5


class Named(Event, type="named"):
    name: str


class Site:
    """An aggregate with all that there can be of one, and those who may read it."""

    def __init__(self, *, persist: Persist | None = None, page_size: int | None = None) -> None:
        self.lab = Lab(aggregates=True, limit=4096, page_size=page_size)
        aggregate = create_aggregate(
            stream="users",
            events=[Named],
            create=lambda: {"name": ""},
            fold=lambda event, _state, _meta: {"name": event.name},
            persist=persist,
        )
        self.repository = create_domain(self.lab.provider, aggregate, default_tenant="acme")[aggregate]
        first: Loaded[dict[str, str]] = self.repository.get_aggregate("u1")
        self.stale = first
        loaded = self.repository.append(first, Named(name=WHO), command_id="c")
        for _ in range(_EVENTS - 2):
            loaded = self.repository.append(loaded, Named(name=WHO))
        self.repository.append(loaded, Named(name=WHO + "x" * 5000))
        self.lab.calls()

    def erase_and_die_at(self, call: int) -> bool:
        """Whether it came to an end before that call."""

        def die(_: Call) -> None:
            if len(self.lab.wire.calls) > call:
                raise StoreUnavailableError(*("the store", "out of reach"))

        self.lab.calls()
        self.lab.wire.before = die
        try:
            self.repository.erase("u1")
        except StoreUnavailableError:
            return False
        finally:
            self.lab.wire.before = lambda _call: None
        return True

    @property
    def has_begun(self) -> bool:
        return any(row.get("closes") for row in self.lab.rows())

    def readers(self) -> dict[str, Callable[[], Any]]:
        """Everybody who is given something of it."""
        repository, provider = self.repository, self.lab.provider
        spans: list[dict[str, int]] = [
            {},
            *({"until": until} for until in range(1, _EVENTS + 3)),
            *({"after": after} for after in range(1, _EVENTS)),
            *({"after": 1, "until": until} for until in range(2, _EVENTS + 2)),
        ]
        return {
            "now": lambda: repository.get_aggregate("u1"),
            **{
                f"as it was at {version}": lambda version=version: repository.get_aggregate(  # type: ignore[misc]
                    "u1", at_version=version
                )
                for version in range(1, _EVENTS + 1)
            },
            **{f"events {span}": lambda span=span: list(repository.events("u1", **span)) for span in spans},  # type: ignore[misc]
            "the first event": lambda: next(repository.events("u1")),
            "what a repeated command made": lambda: repository.append(
                self.stale, Named(name=WHO), command_id="c"
            ),
            "a service": lambda: provider_event_store(provider, tenant="acme").get_events("users", "u1"),
        }


@pytest.mark.parametrize("page_size", [None, 1])
@pytest.mark.parametrize("persist", [None, Persist("1", every=2)], ids=["folded", "kept"])
def test_from_the_first_write_on_nothing_of_it_is_given_out(
    persist: Persist | None, page_size: int | None
) -> None:
    begun = 0
    for call in range(100):
        site = Site(persist=persist, page_size=page_size)
        is_over = site.erase_and_die_at(call)
        for name, read in site.readers().items():
            if site.has_begun:
                with pytest.raises(AggregateErasedError):
                    pytest.fail(f"{name} after {call} calls: {read()}")
            else:
                assert WHO in repr(read()), name
        begun += site.has_begun
        if is_over:
            break
    assert is_over
    assert begun > _EVENTS  # it has died between any two of them


def test_a_reader_that_has_begun_is_given_nothing_that_it_reads_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.event_store.aggregates.rehydrate._AHEAD", 2)
    site = Site(page_size=1)
    events = site.repository.events("u1")
    given = [next(events), next(events)]
    assert [one.meta.version for one in given] == [1, 2]
    site.erase_and_die_at(3)
    assert site.has_begun
    assert WHO in repr(site.lab.rows())  # not blanked yet
    with pytest.raises(AggregateErasedError):
        next(events)
