"""What a handler's test gets delivered: every order and repetition that a feed is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runtime.errors import ConfigurationError, InvalidInputError
from runtime.event_store.handlers.run import Run
from runtime.testing.handler_scenario import HandlerScenario
from tests.event_store.followed import (
    ArchivePost,
    Blog,
    PostArchived,
    PostCreated,
    UserCreated,
    UserDisabled,
    post,
    user,
)

if TYPE_CHECKING:
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler

Seen = list[tuple[str, int]]


def watching(blog: Blog) -> tuple[EventHandler, Seen]:
    handler = blog.domain.create_handler("watching", [user, post])
    seen: Seen = []

    def note(aggregate_id: str, _: object, meta: EventMeta) -> None:
        seen.append((aggregate_id, meta.version))

    for stream, event in (
        (user, UserCreated),
        (user, UserDisabled),
        (post, PostCreated),
        (post, PostArchived),
    ):
        handler.handle(stream, event, note)
    return handler, seen


def given(handler: EventHandler) -> HandlerScenario:
    return (
        HandlerScenario(handler)
        .given(user, "u1", UserCreated(name="Ann"))
        .given(post, "p1", PostCreated("u1", "hi"), PostArchived())
        .given(user, "u1", UserDisabled())
        .given(post, "p2", PostCreated("u1", "hello"))
    )


def test_once_everything_comes_in_the_order_in_which_it_was_given() -> None:
    handler, seen = watching(Blog())
    assert given(handler).delivered() == Run(fetched=5, handled=5)
    assert seen == [("u1", 1), ("p1", 1), ("p1", 2), ("u1", 2), ("p2", 1)]


def test_several_times_each_turn_comes_again_from_its_beginning() -> None:
    handler, seen = watching(Blog())
    given(handler).delivered(times=2)
    assert seen[:6] == [("u1", 1), ("u1", 1), ("p1", 1), ("p1", 2), ("p1", 1), ("p1", 2)]


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_an_aggregates_events_stay_in_order_and_are_complete(seed: int) -> None:
    handler, seen = watching(Blog())
    given(handler).delivered(times=3, shuffled=True, seed=seed)
    for one, last in (("u1", 2), ("p1", 2), ("p2", 1)):
        own = [version for aggregate_id, version in seen if aggregate_id == one]
        first_times = list(dict.fromkeys(own))
        assert first_times == list(range(1, last + 1))
        assert [own.count(version) for version in first_times] == [3] * last
        assert own[-1] == last  # a repeated turn goes to its end


def test_shuffled_other_aggregates_come_between_and_one_seed_is_one_order() -> None:
    orders = []
    for seed in (0, 0, 1, 2, 3):
        handler, seen = watching(Blog())
        given(handler).delivered(times=2, shuffled=True, seed=seed)
        orders.append(tuple(seen))
    assert orders[0] == orders[1]
    assert len(set(orders)) > 2


def test_events_are_read_as_they_are_stored_and_keep_their_versions() -> None:
    handler = Blog().domain.create_handler("h", [post])
    found: list[tuple[str, PostCreated, EventMeta]] = []
    handler.handle(post, PostCreated, lambda *given: found.append(given))
    HandlerScenario(handler, tenant="other").given(post, "p1", PostCreated("u1", "hi")).delivered()
    ((aggregate_id, event, meta),) = found
    assert (aggregate_id, event, meta.tenant, meta.version, meta.generation) == (
        "p1",
        PostCreated("u1", "hi"),
        "other",
        1,
        1,
    )


def test_what_was_erased_is_told_and_not_what_it_said() -> None:
    handler, seen = watching(Blog())
    erased: list[tuple[str, int]] = []

    @handler.handle_erased(user)
    def forget(aggregate_id: str, meta: EventMeta) -> None:
        erased.append((aggregate_id, meta.version))

    scenario = given(handler)
    scenario.delivered()
    assert ("u1", 2) in seen
    seen.clear()
    scenario.given_erased(user, "u1").delivered(times=2, shuffled=True)
    assert erased == [("u1", 3), ("u1", 3)]
    assert {aggregate_id for aggregate_id, _ in seen} == {"p1", "p2"}


def test_nothing_reaches_the_domains_own_provider() -> None:
    blog = Blog()
    handler, _ = watching(blog)
    given(handler).delivered()
    assert not blog.domain[post].get_aggregate("p1").exists


def test_what_is_no_event_for_the_handler_is_passed_over() -> None:
    handler = Blog().domain.create_handler("h", [post])
    scenario = (
        HandlerScenario(handler)
        .given(post, "p1", PostCreated("u1", "hi"))
        .given(user, "u1", UserCreated(name="x"))
    )
    assert scenario.delivered() == Run(fetched=1)


def test_what_a_callback_raises_passes_through() -> None:
    handler = Blog().domain.create_handler("h", [post])
    handler.handle(post, PostCreated, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        HandlerScenario(handler).given(post, "p1", PostCreated("u1", "hi")).delivered()


def test_a_reactions_commands_work_in_the_scenario_and_repeats_change_nothing() -> None:
    blog = Blog()
    handler = blog.domain.create_handler("archivist", [user, post], reaction=True)
    archived: list[str] = []

    @handler.handle(user, UserDisabled)
    def react(aggregate_id: str, _event: UserDisabled, meta: EventMeta) -> None:
        blog.post_commands.execute(
            "p1", ArchivePost(aggregate_id), command_id=meta.command_id_for("archivist")
        )

    @handler.handle(post, PostArchived)
    def note(aggregate_id: str, _event: PostArchived, meta: EventMeta) -> None:
        archived.append(f"{aggregate_id}@{meta.version} because of {meta.causation_id}")

    scenario = (
        HandlerScenario(handler)
        .given(post, "p1", PostCreated("u1", "hi"))
        .given(user, "u1", UserCreated(name="Ann"), UserDisabled())
    )
    scenario.delivered(times=3, shuffled=True)
    assert archived == ["p1@2 because of users#u1#acme@2"] * 3


def test_who_reacts_to_itself_is_told_so() -> None:
    blog = Blog()
    handler = blog.domain.create_handler("h", [post])

    def react(aggregate_id: str, _event: object, _meta: EventMeta) -> None:
        blog.post_commands.execute(aggregate_id, ArchivePost("x"))

    handler.handle(post, PostCreated, react)
    handler.handle(post, PostArchived, react)
    with pytest.raises(ConfigurationError, match=r"h has been shown .* it reacts to itself"):
        HandlerScenario(handler).given(post, "p1", PostCreated("u1", "hi")).delivered()


def test_what_could_not_have_happened_is_refused() -> None:
    handler, _ = watching(Blog())
    with pytest.raises(InvalidInputError, match="given events"):
        HandlerScenario(handler).given(post, "p1", UserDisabled())  # type: ignore[misc]
    with pytest.raises(ConfigurationError, match="times must be a number from 1 on, got 0"):
        given(handler).delivered(times=0)
