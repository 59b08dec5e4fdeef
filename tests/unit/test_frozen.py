"""What is filled like any other object is, when it has its class, what the class would have made."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import ConfigurationError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.loaded import Loaded, advanced, told
from runtime.event_store.commits.commit import Commit, Known, StoredEvent, made_commit
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.frozen import unfrozen

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = Key("users", "u1", "acme")


def values_of(made: Any) -> dict[str, Any]:
    return {field.name: getattr(made, field.name) for field in fields(made)}


def test_a_commit_has_every_field_that_its_class_gives_it() -> None:
    given: dict[str, Any] = {
        "key": KEY,
        "first": 3,
        "events": (StoredEvent("a", {}),),
        "append_id": "x",
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "user_id": "u",
        "metadata": {"source": "s"},
    }
    more: dict[str, Any] = {
        "state": 1,
        "fold": "f",
        "must_keep_state": True,
        "is_erased": True,
        "closes": True,
    }
    assert values_of(made_commit(**given)) == values_of(Commit(**given))
    assert values_of(made_commit(**given, **more)) == values_of(Commit(**given, **more))
    known = Known(object(), ())
    assert made_commit(**given, known=known).known is known


def test_an_event_with_its_text_has_every_field() -> None:
    by_hand = StoredEvent("a", {"b": 1}, 2)
    for body in ({"b": 1}, None):  # None: it is read of the text
        made = StoredEvent.of_text("a", 2, '{"b":1}', body)
        assert type(made) is StoredEvent
        assert made == by_hand
        assert values_of(made) == values_of(by_hand) | {"text": '{"b":1}'}
        assert made.body is made.body


@pytest.mark.parametrize("copied", [copy, deepcopy])
def test_an_event_whose_body_was_not_read_is_copied_whole(copied: Callable[[Any], Any]) -> None:
    made = StoredEvent.of_text("a", 0, '{"b":[1]}')
    assert copied(made) == StoredEvent("a", {"b": [1]})
    assert replace(made, type="c") == StoredEvent("c", {"b": [1]})
    with pytest.raises(AttributeError, match="other"):
        _ = made.other  # type: ignore[attr-defined]


def test_what_was_loaded_has_every_field() -> None:
    provider = MemoryProvider()
    made = told(provider, KEY, 2, "state", persisted="1", commits_since_kept=4)
    proof = {"_proof": made._proof}  # noqa: SLF001 - what nobody can give
    assert made.is_proof_for(provider)
    by_hand = Loaded(KEY, 2, "state", persisted="1", commits_since_kept=4)
    assert values_of(made) == values_of(by_hand) | proof
    further = Loaded(KEY, 3, "next", persisted="1", commits_since_kept=5)
    assert values_of(advanced(made, 3, "next", 5)) == values_of(further) | proof


@pytest.mark.parametrize("made", [told(MemoryProvider(), KEY, 1, 2), StoredEvent.of_text("a", 0, "{}")])
def test_it_is_frozen_as_any_other(made: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(made)[0].name, "other")


@dataclass
class Open:
    x: int


@dataclass(frozen=True)
class WithoutSlots:
    x: int


@dataclass(frozen=True, slots=True)
class Checked:
    x: int

    def __post_init__(self) -> None:
        """Check it."""


@pytest.mark.parametrize("cls", [Open, WithoutSlots, Checked, int])
def test_another_class_has_no_such_twin(cls: type[Any]) -> None:
    with pytest.raises(ConfigurationError, match=cls.__name__):
        unfrozen(cls)
