"""How a handler pulls: in which order bells ring, what stays open, and what the bookmark says meanwhile."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import BadRequestError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import Commit, Notice, StoredEvent
from runtime.event_store.feed.pull import Bell, Pull, Pulled, Rung, is_outage
from runtime.event_store.handlers.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def key(aggregate_id: str) -> Key:
    return Key("doors", aggregate_id, "acme")


@dataclass
class Feed:
    """A provider of notices and a ringer: it fails where it is told to, and remembers what rang."""

    with_commits: bool = True
    notices: list[Notice] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    rang: list[tuple[str, int]] = field(default_factory=list)
    prepared: list[list[str]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    parked: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    counted: list[str] = field(default_factory=list)
    parks_after: int = 99
    bookmark: list[str] = field(default_factory=list)

    def append(self, *ids: str, event: str = "opened") -> None:
        for one in ids:
            version = self.versions[one] = self.versions.get(one, 0) + 1
            commit = Commit(
                key=key(one), first=version, events=(StoredEvent(event, {}),), append_id="", at=NOON
            )
            position = f"{len(self.notices) + 1:04}"
            told = commit if self.with_commits else None
            self.notices.append(Notice(key(one), version, position, (event,), told))

    def fetch(self, after: str | None, limit: int) -> list[Notice]:
        return [notice for notice in self.notices if notice.position > (after or "")][: min(limit, 4)]

    def minds(self, _: str, types: Sequence[str] | None) -> bool:
        return types is None or "opened" in types

    def generations(self) -> Sequence[int]:
        return (1,)

    def begin(self, bells: Iterable[Bell]) -> None:
        self.prepared.append(list(dict.fromkeys(bell.key.aggregate_id for bell in bells)))

    def ring(self, bell: Bell) -> Rung:
        one = bell.key.aggregate_id
        until = bell.version if bell.commits else self.versions[one]
        self.rang.append((one, until))
        if one in self.taken:
            return Rung(Run(), is_open=True)
        if one in self.broken:
            return Rung(Run(fetched=1, failed=1), ValueError(one), is_open=True)
        new = range(self.done.get(one, 0), until)
        self.done[one] = until
        return Rung(Run(fetched=len(new), handled=len(new)))

    def settle(self, rungs: Sequence[Rung]) -> list[Rung]:
        return [rung if rung.error is None or is_outage(rungs) else self._counted(rung) for rung in rungs]

    def _counted(self, rung: Rung) -> Rung:
        self.counted.append(str(rung.error))
        if self.counted.count(str(rung.error)) < self.parks_after:
            return rung
        return Rung(rung.run + Run(parked=1))

    def read(self) -> str:
        return self.bookmark[-1] if self.bookmark else ""

    def write(self, position: str) -> None:
        self.bookmark.append(position)

    def pull(self) -> Pull:
        return Pull("h", self.fetch, self, self)


def run(pull: Pull, **given: Any) -> Pulled:
    return pull.run(before=lambda: None, after=lambda _: None, **given)


def test_pages_are_handled_until_one_is_empty_and_hooks_are_called_for_each() -> None:
    feed = Feed()
    feed.append("a", "b", "c", "a", "b")
    calls: list[Any] = []
    pulled = feed.pull().run(before=lambda: calls.append("start"), after=calls.append)
    assert calls == ["start", Run(4, 4), "start", Run(1, 1), "start", Run()]
    assert pulled == Pulled(Run(5, 5))
    assert feed.bookmark[-1] == "0005"


def test_a_provider_may_repeat_what_it_has_told_last() -> None:
    class Repeats(Feed):
        def fetch(self, after: str | None, limit: int) -> list[Notice]:
            return [one for one in self.notices if one.position >= (after or "")][: min(limit, 4)]

    feed = Repeats()
    feed.append("a", "b", "c", "d", "e", "f")
    pull = feed.pull()
    assert run(pull).run.handled == 6
    assert run(pull).run.handled == 0
    feed.append("a")
    assert run(pull).run.handled == 1
    assert feed.done == {"a": 2, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}


def test_what_is_passed_over_is_fetched_and_moves_the_position_and_costs_nothing() -> None:
    feed = Feed()
    feed.append("a", "b", event="closed")
    feed.append("c")
    assert run(feed.pull()).run == Run(fetched=3, handled=1)
    assert feed.rang == [("c", 1)]
    assert feed.bookmark[-1] == "0003"


def test_commits_that_come_along_are_shown_in_their_order_between_aggregates_too() -> None:
    feed = Feed()
    feed.append("a", "a", "b", "a")
    run(feed.pull())
    assert feed.rang == [("a", 2), ("b", 1), ("a", 3)]
    assert feed.prepared[0] == ["a", "b"]


def test_without_commits_an_aggregate_of_a_page_is_read_once() -> None:
    feed = Feed(with_commits=False)
    feed.append("a", "b", "a", "a")
    assert run(feed.pull()).run == Run(fetched=4, handled=4)
    assert feed.rang == [("a", 3), ("b", 1)]


def test_who_fails_stays_behind_and_the_others_go_on() -> None:
    feed = Feed(broken={"a"})
    feed.append("a", "b", "a", "c", "b")
    pull = feed.pull()
    pulled = run(pull)
    assert str(pulled.error) == "a"
    assert not pulled.is_outage
    assert (pulled.run.handled, pulled.run.failed) == (3, 1)
    assert feed.done == {"b": 2, "c": 1}
    assert feed.rang.count(("a", 1)) == 1
    assert len([one for one, _ in feed.rang if one == "a"]) == 1  # once a run, whatever comes behind it
    assert feed.read() == ""  # whoever begins anew finds it again

    feed.broken.clear()
    assert run(pull).run == Run(fetched=2, handled=2)
    assert feed.done["a"] == 2
    assert feed.read() == "0005"


def test_another_process_begins_where_something_was_left_open() -> None:
    feed = Feed(broken={"b"})
    feed.append("a", "a", "a", "a", "b", "c")
    run(feed.pull())
    assert feed.read() == "0004"
    feed.broken.clear()
    run(feed.pull())
    assert feed.done == {"a": 4, "b": 1, "c": 1}
    assert feed.read() == "0006"


def test_a_parked_aggregate_holds_nobody_up_and_raises_nothing() -> None:
    feed = Feed(broken={"a"}, parks_after=2)
    feed.append("a", "b")
    pull = feed.pull()
    assert run(pull).error is not None
    pulled = run(pull)
    assert (pulled.error, pulled.run.parked) == (None, 1)
    assert feed.read() == "0002"
    assert run(pull).run == Run()


def test_a_turn_that_somebody_else_has_is_waited_for() -> None:
    feed = Feed(taken={"a"})
    feed.append("a", "b")
    pull = feed.pull()
    pulled = run(pull)
    assert (pulled.error, pulled.run.failed, feed.counted) == (None, 0, [])
    assert feed.read() == ""
    feed.taken.clear()
    run(pull, only_due=True)
    assert feed.done == {"a": 1, "b": 1}


def test_when_nobody_succeeds_nothing_is_counted_and_the_run_ends() -> None:
    feed = Feed(broken={"a", "b", "c"}, parks_after=1)
    feed.append("a", "b", "c", "a", "d")
    pull = feed.pull()
    pulled = run(pull)
    assert pulled.is_outage
    assert str(pulled.error) == "a"
    assert feed.counted == []
    assert feed.read() == ""
    assert "d" not in feed.done

    feed.broken.clear()
    run(pull)
    assert feed.done == {"a": 2, "b": 1, "c": 1, "d": 1}
    assert feed.read() == "0005"


def test_two_that_fail_are_no_outage() -> None:
    feed = Feed(broken={"a", "b"})
    feed.append("a", "b")
    assert not run(feed.pull()).is_outage
    assert feed.counted == ["a", "b"]


def test_three_that_are_poisoned_do_not_keep_later_events_from_anybody() -> None:
    feed = Feed(broken={"a", "b", "c"})
    feed.append("a", "b", "c", "a", "d", "e", "f", "g", "h")
    pull = feed.pull()
    run(pull)
    run(pull)
    assert feed.done == {"d": 1, "e": 1, "f": 1, "g": 1, "h": 1}


def test_what_failed_is_left_alone_until_it_is_due() -> None:
    feed = Feed(broken={"a"})
    feed.append("a", "b")
    pull = feed.pull()
    run(pull, retry_after=3600)
    feed.append("a", "c")
    run(pull, only_due=True)
    assert [one for one, _ in feed.rang] == ["a", "b", "c"]
    feed.broken.clear()
    run(pull)  # by hand it is always tried
    assert feed.done == {"a": 2, "b": 1, "c": 1}


def test_with_very_much_open_nothing_new_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.event_store.feed.pull._MAX_OPEN", 2)
    feed = Feed(broken={"a", "b"})
    feed.append("a", "b", "c", "c", "d")
    pull = feed.pull()
    run(pull)
    assert "d" not in feed.done
    feed.broken.clear()
    run(pull)
    run(pull)
    assert feed.done == {"a": 1, "b": 1, "c": 2, "d": 1}


def test_runs_do_not_overlap() -> None:
    feed = Feed()
    feed.append("a")
    pull = feed.pull()
    meeting = threading.Barrier(2)
    met: list[bool] = []

    def before() -> None:
        try:
            meeting.wait(0.05)  # nobody comes; were there somebody, both would be inside at once
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    threads = [threading.Thread(target=pull.run, kwargs={"before": before, "after": id}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(met) == 3
    assert not any(met)
    assert feed.rang == [("a", 1)]


def test_a_callback_that_runs_its_own_handler_is_refused_instead_of_waiting_for_ever() -> None:
    feed = Feed()
    pull = feed.pull()
    inners: list[Callable[[], Any]] = [lambda: run(pull), pull.forget, lambda: pull.move("1")]
    for inner in inners:
        with pytest.raises(BadRequestError, match="handler h: a callback or a hook must not run"):
            pull.run(before=inner, after=lambda _: None)
    run(pull)  # and the turn is free again


def test_the_position_can_be_asked_for_moved_and_forgotten() -> None:
    feed = Feed()
    pull = feed.pull()
    assert pull.position() == ""
    feed.append("a", "b")
    pull.move("0001")
    assert (pull.position(), feed.read()) == ("0001", "0001")
    run(pull)
    assert feed.done == {"b": 1}
    feed.write("0000")
    assert pull.position() == "0002"
    pull.forget()
    assert pull.position() == "0000"
    run(pull)
    assert feed.done == {"a": 1, "b": 1}


def test_a_hook_that_raises_ends_the_run_and_nothing_is_lost() -> None:
    feed = Feed()
    feed.append("a")
    pull = feed.pull()

    def fail(_: Run) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pull.run(before=lambda: None, after=fail)
    assert feed.done == {"a": 1}
    assert run(pull).run == Run()
