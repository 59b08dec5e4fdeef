"""What a provider of events must do, as tests: one class that every provider passes, whoever wrote it.

Inherit it in a test file, say how a provider is made, and run it with pytest or with any runner that calls
methods whose names begin with ``test_``. It imports no test framework and uses plain assertions.

What evtstore's providers do is in it, and the opposite of what they were found to do wrong; and what only
threads show: one winner a version, no gap, all or nothing.
"""

# ruff: noqa: D102, PLR2004, S101 - tests assert, expect literals, and have names for documentation

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from runtime.errors import CorruptStreamError, InvalidInputError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commits.commit import CommandRecord, Commit, StoredEvent
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import event_type
from runtime.event_store.provider import AppendRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from runtime.event_store.commits.commit import Notice
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.event_store.provider import Provider

__all__ = ["ProviderContract"]

_THREADS: Final = 16
_BODY: Final = {
    "text": "Zoë ☃ \U0001f600 \u0000",
    "empty": "",
    "whole": 2**60,
    "negative": -1,
    "exact": 0.1,
    "flag": True,
    "nothing": None,
    "list": [1, "a", None, [], {}],
    "map": {"type": "of its own", "schema": 7},
}


@event_type("happened")
@dataclass(frozen=True)
class _Happened:
    version: int


class ProviderContract:
    """What every provider does. Inherit it, and say how one is made.

    Example:
        >>> class TestMyProvider(ProviderContract):
        ...     def make_provider(self) -> Provider:
        ...         return MyProvider(page_size=1)

    Each test asks for one provider and has streams of its own, so providers may share their tables. Read with
    small pages once: most of what goes wrong with a store goes wrong between two pages.

    Attributes:
        appends: How many appends the tests with 16 threads make. Less is less sharp, and faster.
        has_order: Whether notices come in the order of the appends, each once.
    """

    appends: int = 64
    has_order: bool = False

    def make_provider(self) -> Provider:
        """A provider. It may have commits in it, and other tests' providers may be on the same store."""
        raise NotImplementedError

    # Appending and reading

    def test_an_unused_id_has_nothing(self) -> None:
        provider = self.make_provider()
        key = _key()
        assert list(provider.read(key)) == []
        assert list(provider.read_back(key)) == []
        assert list(provider.read(key, after=3)) == []
        assert list(provider.read_back(key, until=3)) == []
        assert provider.command(key, "c") is None

    def test_what_was_appended_is_read_again(self) -> None:
        provider = self.make_provider()
        key = _key()
        commit = Commit(
            key=key,
            first=1,
            events=(StoredEvent("created", dict(_BODY)), StoredEvent("renamed", {}, 3)),
            append_id=uuid.uuid4().hex,
            at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
            user_id="user-1",
            metadata={"correlation": "r-1", "source": "here"},
        )
        provider.append([commit])
        (found,) = provider.read(key)
        assert found == commit
        assert (found.first, found.last, found.types) == (1, 2, ("created", "renamed"))
        assert list(provider.read_back(key)) == [commit]

    def test_a_state_is_kept_with_the_events(self) -> None:
        provider = self.make_provider()
        key = _key()
        commit = replace(
            _commit(key, 1), state={"name": "Ann", "tags": [1, None]}, fold="2", must_keep_state=True
        )
        provider.append([commit])
        assert [(c.state, c.fold) for c in provider.read_back(key)] == [
            ({"name": "Ann", "tags": [1, None]}, "2")
        ]

    def test_events_are_in_the_order_of_their_versions(self) -> None:
        provider = self.make_provider()
        key = _key()
        commits = _appended(provider, key, 3, 1, 2, 1, 1, 4)
        assert list(provider.read(key)) == commits
        assert list(provider.read_back(key)) == commits[::-1]
        assert list(provider.read_back(key, likely=1)) == commits[::-1]
        assert [commit.last for commit in commits] == [3, 4, 6, 7, 8, 12]

    def test_many_commits_are_read_in_pages(self) -> None:
        provider = self.make_provider()
        key = _key()
        commits = _appended(provider, key, *[1] * 30)
        assert list(provider.read(key)) == commits
        assert list(provider.read_back(key)) == commits[::-1]

    def test_more_than_nine_versions_are_in_order(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 5, 4, 1, 90, 1)
        assert [commit.first for commit in provider.read(key)] == [1, 6, 10, 11, 101]

    def test_reading_may_begin_behind_a_version(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 3, 1, 2, 1)  # 1-3, 4, 5-6, 7

        def firsts(after: int, until: int | None = None) -> list[int]:
            return [commit.first for commit in provider.read(key, after=after, until=until)]

        assert firsts(0) == [1, 4, 5, 7]
        assert firsts(3) == [4, 5, 7]
        assert firsts(4) == [5, 7]
        assert firsts(6) == [7]
        assert firsts(7) == []
        assert firsts(8) == []
        # In the middle of a commit, that one comes first, as a whole.
        assert firsts(1) == [1, 4, 5, 7]
        assert firsts(5) == [5, 7]
        assert firsts(0, 2) == [1]
        assert firsts(0, 4) == [1, 4]
        assert firsts(3, 5) == [4, 5]
        assert firsts(5, 6) == [5]
        assert firsts(3, 3) == []
        assert firsts(4, 2) == []
        assert firsts(0, 0) == []
        assert firsts(0, 99) == [1, 4, 5, 7]

    def test_reading_back_may_begin_at_a_version(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 3, 1, 2, 1)

        def firsts(until: int, likely: int = 4) -> list[int]:
            return [commit.first for commit in provider.read_back(key, until=until, likely=likely)]

        for likely in (1, 4):
            assert firsts(7, likely) == [7, 5, 4, 1]
            assert firsts(99, likely) == [7, 5, 4, 1]
            assert firsts(6, likely) == [5, 4, 1]
            assert firsts(5, likely) == [5, 4, 1]
            assert firsts(2, likely) == [1]
            assert firsts(0, likely) == []

    def test_reading_may_end_before_the_end(self) -> None:
        provider = self.make_provider()
        key = _key()
        commits = _appended(provider, key, *[1] * 8)
        assert next(iter(provider.read(key))) == commits[0]
        assert next(iter(provider.read_back(key, likely=1))) == commits[-1]

    def test_what_was_appended_while_it_was_read_may_come_and_leaves_no_gap(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, *[1] * 4)
        found = []
        for commit in provider.read(key):
            found.append(commit.first)
            if commit.first == 2:
                _appended(provider, key, 1, after=4)
        assert found in ([1, 2, 3, 4], [1, 2, 3, 4, 5])

    def test_the_same_id_in_another_stream_or_tenant_is_another_aggregate(self) -> None:
        provider = self.make_provider()
        key = _key()
        others = [
            key._replace(tenant="other"),
            key._replace(stream=_stream()),
            key._replace(aggregate_id=key.aggregate_id + "0"),
            key._replace(aggregate_id=f"{key.aggregate_id}#x"),
        ]
        _appended(provider, key, 1, 1)
        for other in others:
            assert list(provider.read(other)) == []
            assert list(provider.read_back(other)) == []
            provider.append([_commit(other, 1)])
        assert [commit.first for commit in provider.read(key)] == [1, 2]
        for other in others:
            assert [commit.key for commit in provider.read(other)] == [other]

    def test_an_id_may_have_any_text(self) -> None:
        # In one stream: a database that minds neither case nor accents, nor spaces at the end, mixes them up.
        provider = self.make_provider()
        stream = _stream()
        names = ("a b", "a/b", "ä☃", "a#b#c", "'; --", "%", "_", "\\", ":", "0000000001", "1")
        alike = ("A", "a", "a ", "á", "a\u0301", "\uff41", "ss", "ß", "i", "\u0131", "a\u0000")
        keys = [Key(stream, name, "acme") for name in (*names, *alike)]
        for key in keys:
            provider.append([_commit(key, 1)])
        for key in keys:
            assert [commit.key for commit in provider.read(key)] == [key]

    def test_what_was_appended_is_nobodys_to_change(self) -> None:
        provider = self.make_provider()
        key = _key()
        body: dict[str, Any] = {"list": [1], "map": {"a": 1}}
        metadata = {"correlation": "r-1"}
        event = StoredEvent("created", body)
        provider.append([replace(_commit(key, 1), events=(event,), metadata=metadata)])
        body["list"].append(2)
        body["map"]["a"] = body["new"] = 2
        metadata["correlation"] = "r-2"
        (found,) = provider.read(key)
        assert dict(found.events[0].body) == {"list": [1], "map": {"a": 1}}
        assert dict(found.metadata) == {"correlation": "r-1"}

    def test_what_cannot_be_stored_is_refused_by_its_field(self) -> None:
        provider = self.make_provider()
        key = _key()
        good = _commit(key, 1)
        event = StoredEvent("created", {})
        wrong: dict[str, Commit] = {
            "first": replace(good, first=0),
            "events": replace(good, events=()),
            "events[0].type": replace(good, events=(replace(event, type=""),)),
            "append_id": replace(good, append_id=""),
            "at": replace(good, at=datetime(2026, 1, 1)),  # noqa: DTZ001 - that is what is wrong
            "metadata": replace(good, metadata={"correlation": 1}),  # type: ignore[dict-item]
        }
        for field, commit in wrong.items():
            error = _raised(InvalidInputError, lambda commit=commit: provider.append([commit]))  # type: ignore[misc]
            assert [problem.field for problem in error.problems] == [field]
        for body in ({"x": object()}, {"x": float("nan")}, {"x": {1, 2}}, {"x": "\ud800"}):
            commit = replace(good, events=(StoredEvent("created", body),))
            _raised(InvalidInputError, lambda commit=commit: provider.append([commit]))  # type: ignore[misc]
        assert list(provider.read(key)) == []

    # Conditions

    def test_a_version_is_won_once_and_the_loser_is_told_the_winner(self) -> None:
        provider = self.make_provider()
        key = _key()
        winner = _commit(key, 1, 2)
        provider.append([winner])
        refused = _refused(provider, [_commit(key, 1)])
        assert refused.command is None
        assert list(refused.moved) == [key]
        assert refused.moved[key] in (winner, None)
        assert list(provider.read(key)) == [winner]

    def test_an_append_whose_answer_was_lost_is_done_once(self) -> None:
        provider = self.make_provider()
        key = _key()
        first, second = _commit(key, 1, 2), _commit(key, 3)
        provider.append([first])
        provider.append([first])
        provider.append([second])
        provider.append([first])  # also when others have appended since
        assert list(provider.read(key)) == [first, second]
        assert [n.version for n in _notices(provider, key.stream)].count(2) == 1 or not self.has_order

    def test_all_events_of_an_append_are_stored_or_none(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 1)
        bad = replace(
            _commit(key, 2, 3),
            events=(StoredEvent("a", {}), StoredEvent("b", {"x": object()}), StoredEvent("c", {})),
        )
        _raised(InvalidInputError, lambda: provider.append([bad]))
        assert [commit.last for commit in provider.read(key)] == [1]

    def test_several_aggregates_are_appended_to_all_or_nothing(self) -> None:
        provider = self.make_provider()
        one, two, three = _key(), _key(), _key()
        _appended(provider, two, 1)
        together = [_commit(one, 1), _commit(two, 2, 2), _commit(three, 1)]
        provider.append(together)
        for commit in together:
            assert next(iter(provider.read_back(commit.key))) == commit
        late = [_commit(one, 2), _commit(two, 2), _commit(three, 1)]
        refused = _refused(provider, late)
        assert set(refused.moved) == {two, three}
        assert refused.moved[two] in (together[1], None)
        assert [commit.last for commit in provider.read(one)] == [1]

    def test_several_appends_whose_answer_was_lost_are_done_once(self) -> None:
        provider = self.make_provider()
        one, two = _key(), _key()
        together = [_commit(one, 1), _commit(two, 1, 2)]
        record = _record(one)
        for _ in range(2):
            provider.append(together, unmoved={_key(): 0}, command=record)
        _appended(provider, two, 1, after=2)
        provider.append(together, command=record)
        assert list(provider.read(one)) == together[:1]
        assert [commit.last for commit in provider.read(two)] == [2, 3]

    def test_an_aggregate_has_one_commit_in_an_append(self) -> None:
        provider = self.make_provider()
        key = _key()
        _raised(InvalidInputError, lambda: provider.append([_commit(key, 1), _commit(key, 2)]))
        assert list(provider.read(key)) == []

    def test_a_guard_holds_while_the_aggregate_has_not_moved(self) -> None:
        provider = self.make_provider()
        key, guarded, unused = _key(), _key(), _key()
        _appended(provider, guarded, 2)
        provider.append([_commit(key, 1)], unmoved={guarded: 2, unused: 0, key: 0})
        moved = _appended(provider, guarded, 3, after=2)
        refused = _refused(provider, [_commit(key, 2)], unmoved={guarded: 2, unused: 0})
        assert list(refused.moved) == [guarded]
        assert refused.moved[guarded] in (moved[0], None)
        assert [commit.last for commit in provider.read(key)] == [1]
        provider.append([_commit(key, 2)], unmoved={guarded: 5})
        _refused(provider, [_commit(unused, 1)], unmoved={key: 0})

    def test_appending_nothing_does_nothing(self) -> None:
        provider = self.make_provider()
        provider.append([])
        assert _notices(provider, _stream()) == []

    def test_of_16_threads_one_wins_each_version(self) -> None:
        provider = self.make_provider()
        key = _key()
        won: list[Commit] = []
        conflicts: list[AppendRefusedError] = []

        def write(_: int) -> None:
            last = 0
            # Each one tries for the first version, however fast the others are.
            while last == 0 or len(won) < self.appends:
                commit = _commit(key, last + 1, len(won) % 3 + 1)
                try:
                    provider.append([commit])
                except AppendRefusedError as refused:
                    conflicts.append(refused)
                    winner = refused.moved[key]
                    last = winner.last if winner else _last(provider, key)
                    if winner is not None:
                        assert winner.first == commit.first
                else:
                    won.append(commit)
                    last = commit.last

        _in_threads(write)
        commits = list(provider.read(key))
        assert sorted(won, key=lambda commit: commit.first) == commits
        assert len({commit.append_id for commit in commits}) == len(commits) >= self.appends
        assert conflicts

    def test_of_16_threads_none_makes_a_gap_with_a_version_that_it_guessed(self) -> None:
        # As a domain does it: a number is believed when the provider says that it is the last one.
        provider = self.make_provider()
        key = _key()
        appended: list[Commit] = []

        def guess(number: int) -> None:
            for step in range(self.appends // _THREADS + 1):
                expected = (number * 7 + step) % 12 if step else 0
                if _last(provider, key) != expected:
                    continue
                try:
                    commit = _commit(key, expected + 1, number % 2 + 1)
                    provider.append([commit])
                except AppendRefusedError:
                    continue
                appended.append(commit)

        _in_threads(guess)
        assert sorted(appended, key=lambda commit: commit.first) == list(provider.read(key))

    def test_of_16_threads_that_append_to_two_aggregates_none_does_half(self) -> None:
        provider = self.make_provider()
        keys = [_key(), _key()]
        done: list[int] = []

        def both(number: int) -> None:
            order = keys if number % 2 else keys[::-1]
            while len(done) < self.appends // 4:
                versions = {key: _last(provider, key) for key in order}
                try:
                    provider.append([_commit(key, version + 1) for key, version in versions.items()])
                except AppendRefusedError:
                    continue
                done.append(1)

        _in_threads(both)
        assert _last(provider, keys[0]) == _last(provider, keys[1]) == len(done)

    # What must never be read as if nothing were wrong

    def test_a_stream_with_a_gap_is_never_read_as_a_whole_one(self) -> None:
        provider = self.make_provider()
        beginning, middle = _key(), _key()
        _appended(provider, middle, 2, 1)
        for commit in (_commit(beginning, 2), _commit(middle, 6)):
            try:
                provider.append([commit])
            except (AppendRefusedError, InvalidInputError):
                continue  # stricter than asked: nothing behind a gap is taken
            for read in (provider.read, provider.read_back):
                _raised(CorruptStreamError, lambda read=read, key=commit.key: list(read(key)))  # type: ignore[misc]
        assert [commit.first for commit in provider.read(middle, until=3)] == [1, 3]

    # Commands

    def test_what_a_command_has_done_is_recorded_with_its_events(self) -> None:
        provider = self.make_provider()
        key = _key()
        record = _record(key)
        provider.append([_commit(key, 1, 2)], command=record)
        assert provider.command(key, record.command_id) == record
        assert provider.command(key, "another") is None
        assert provider.command(_key(), record.command_id) is None

    def test_a_command_is_recorded_once(self) -> None:
        provider = self.make_provider()
        key = _key()
        record = _record(key)
        provider.append([_commit(key, 1, 2)], command=record)
        again = replace(record, first=3, last=3, fingerprint="another")
        refused = _refused(provider, [_commit(key, 3)], command=again)
        assert refused.command == record
        assert refused.moved == {}
        assert _last(provider, key) == 2
        other = _key()  # the same id for another aggregate is another command
        provider.append([_commit(other, 1)], command=replace(record, key=other, last=1))

    def test_a_refused_append_records_no_command(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 1)
        record = _record(key)
        refused = _refused(provider, [_commit(key, 1)], command=record)
        assert (set(refused.moved), refused.command) == ({key}, None)
        assert provider.command(key, record.command_id) is None

    def test_a_record_may_be_kept(self) -> None:
        provider = self.make_provider()
        key = _key()
        record = replace(_record(key), is_kept=True, command_id="h:posts#p#1#t@7 ☃" + "x" * 300)
        provider.append([_commit(key, 1, 2)], command=record)
        assert provider.command(key, record.command_id) == record

    def test_a_record_is_no_event(self) -> None:
        provider = self.make_provider()
        key = _key()
        provider.append([_commit(key, 1, 2)], command=_record(key))
        assert [commit.last for commit in provider.read(key)] == [2]
        assert [commit.last for commit in provider.read_back(key)] == [2]
        assert {notice.version for notice in _notices(provider, key.stream)} == {2}
        assert [commit.last for commit in self._everything(provider, key.stream, 1)] == [2]

    # Erasing

    def test_what_was_erased_says_nothing_any_more(self) -> None:
        provider = self.make_provider()
        key, other = _key(), _key()
        secret = replace(
            _commit(key, 1, 2),
            events=(StoredEvent("b", {"name": "Ann"}), StoredEvent("a", {"name": "Bob"}, 2)),
            user_id="user-1",
            metadata={"correlation": "r-1"},
            state={"name": "Ann"},
            fold="1",
            must_keep_state=True,
        )
        record = _record(key)
        provider.append([secret], command=record)
        _appended(provider, key, 1, after=2)
        kept = _appended(provider, other, 1)
        assert provider.erase(key, _closing(key)) == 2
        first, second, last = provider.read(key)
        assert [(commit.first, commit.last) for commit in (first, second, last)] == [(1, 2), (3, 3), (4, 4)]
        assert first.types == ("b", "a")
        assert all(event.body == {} for event in first.events)
        assert (first.is_erased, second.is_erased, last.is_erased) == (True, True, False)
        assert (last.closes, last.user_id, last.events) == (True, "eraser", ())
        for commit in (first, second):
            assert (commit.user_id, dict(commit.metadata), commit.state, commit.fold) == (
                None,
                {},
                None,
                None,
            )
            assert commit.append_id == ""
        assert provider.command(key, record.command_id) is None
        assert list(provider.read(other)) == kept

    def test_erasing_again_goes_on_and_does_nothing_twice(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 1, 2)
        assert provider.erase(key, _closing(key)) == 2
        before = list(provider.read(key))
        assert provider.erase(key, _closing(key)) == 0
        assert list(provider.read(key)) == before

    def test_nobody_appends_to_what_was_erased(self) -> None:
        provider = self.make_provider()
        key = _key()
        first = _appended(provider, key, 1)[0]
        provider.erase(key, _closing(key))
        refused = _refused(provider, [_commit(key, 2)])
        winner = refused.moved[key]
        assert winner is None or winner.closes
        _refused(provider, [replace(_commit(key, 1), append_id=uuid.uuid4().hex)])
        assert first.events[0].body
        _refused(provider, [_commit(_key(), 1)], unmoved={key: 1})

    def test_the_end_of_an_erased_aggregate_is_told(self) -> None:
        provider = self.make_provider()
        key = _key()
        _appended(provider, key, 1)
        provider.erase(key, _closing(key))
        assert 2 in {notice.version for notice in _notices(provider, key.stream)}
        for notice in _notices(provider, key.stream):
            # What closes an aggregate is for every handler, whatever types it goes by.
            assert notice.version != 2 or notice.types is None
        assert [commit.closes for commit in self._everything(provider, key.stream, 1)] == [False, True]

    # Notices

    def test_of_an_empty_stream_nothing_is_told_and_the_first_event_is_not_missed(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        assert list(provider.notices([stream], None, 10)) == []
        key = Key(stream, "1", "acme")
        provider.append([_commit(key, 1)])
        (notice,) = provider.notices([stream], None, 10)
        assert (notice.key, notice.version) == (key, 1)

    def test_every_commit_is_told(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        keys = [Key(stream, str(number), "acme") for number in range(4)]
        for key in keys:
            _appended(provider, key, 2, 1)
        for limit in (1, 4, 1000):
            notices = _notices(provider, stream, limit)
            assert {(n.key, n.version) for n in notices} == {(key, v) for key in keys for v in (2, 3)}
            if self.has_order:
                assert [(n.key, n.version) for n in notices] == [(key, v) for key in keys for v in (2, 3)]
        for notice in notices:
            assert notice.types is None or set(notice.types) == {"happened"}
            assert notice.commit is None or notice.commit.key == notice.key

    def test_what_is_behind_a_position_is_told(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        key = Key(stream, "1", "acme")
        _appended(provider, key, 1, 1, 1)
        position = list(provider.notices([stream], None, 1000))[-1].position
        assert isinstance(position, str)
        assert not self.has_order or list(provider.notices([stream], position, 1000)) == []
        _appended(provider, key, 1, 1, after=3)
        found = list(provider.notices([stream], position, 1000))
        assert {4, 5} <= {notice.version for notice in found}
        assert not self.has_order or [notice.version for notice in found] == [4, 5]
        # A position is text, and nobody's but the one that it was given to: another provider goes on as well.
        again = self.make_provider()
        if list(again.read(key)):
            assert {4, 5} <= {notice.version for notice in again.notices([stream], position, 1000)}

    def test_only_the_streams_that_were_asked_for_are_told(self) -> None:
        provider = self.make_provider()
        streams = [_stream() for _ in range(3)]
        for stream in streams:
            _appended(provider, Key(stream, "1", "acme"), 1)
        longer = Key(f"{streams[0]}s", "1", "acme")
        _appended(provider, longer, 1)
        assert {n.key.stream for n in provider.notices(streams[:2], None, 1000)} == set(streams[:2])
        assert list(provider.notices([], None, 1000)) == []

    def test_no_more_than_the_limit_is_told(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        _appended(provider, Key(stream, "1", "acme"), *[1] * 5)
        assert len(list(provider.notices([stream], None, 3))) == 3
        _raised(InvalidInputError, lambda: provider.notices([stream], None, 0))

    def test_a_position_that_nobody_gave_is_refused(self) -> None:
        provider = self.make_provider()
        _raised(InvalidInputError, lambda: provider.notices([_stream()], "no position", 10))

    def test_nothing_is_left_out_while_16_threads_append(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        each = max(self.appends // _THREADS, 2)
        heard: set[tuple[str, int]] = set()
        done = threading.Event()

        def listen() -> None:
            after: str | None = None
            while True:
                is_last = done.is_set()
                found = list(provider.notices([stream], after, 7))
                heard.update((notice.key.aggregate_id, notice.version) for notice in found)
                if is_last and (not found or found[-1].position == after):
                    return
                after = found[-1].position if found else after

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            _in_threads(lambda number: _appended(provider, Key(stream, str(number), "acme"), *[1] * each))
        finally:
            done.set()
            listener.join()
        assert heard == {(str(number), version + 1) for number in range(_THREADS) for version in range(each)}

    # Everything

    def test_a_scan_finds_each_commit_once(self) -> None:
        provider = self.make_provider()
        stream, other = _stream(), _stream()
        keys = [Key(stream, str(number), "acme") for number in range(9)]
        expected = [commit for key in keys for commit in _appended(provider, key, 2, 1, 1)]
        _appended(provider, Key(other, "1", "acme"), 1)
        for segments, limit in ((1, 1000), (3, 1000), (4, 2)):
            found = self._everything(provider, stream, segments, limit)
            assert sorted(found, key=lambda c: (c.key, c.first)) == expected
            by_key: dict[Key, list[int]] = {}
            for commit in found:
                by_key.setdefault(commit.key, []).append(commit.first)
            assert all(firsts == [1, 3, 4] for firsts in by_key.values())

    def test_an_aggregate_is_in_one_segment_of_a_scan(self) -> None:
        provider = self.make_provider()
        stream = _stream()
        for number in range(9):
            _appended(provider, Key(stream, str(number), "acme"), 1, 1)
        segments = [
            {commit.key for commit in _segment(provider, stream, segment, 3, 1000)} for segment in range(3)
        ]
        assert sum(map(len, segments)) == 9
        assert len(set.union(*segments)) == 9

    def test_a_scan_begins_and_ends_with_nothing(self) -> None:
        provider = self.make_provider()
        assert self._everything(provider, _stream(), 2) == []

    def test_a_segment_that_cannot_be_is_refused(self) -> None:
        provider = self.make_provider()
        _raised(
            InvalidInputError,
            lambda: provider.everything([_stream()], segment=2, total_segments=2, start=None, limit=10),
        )

    # The progress of handlers

    def test_what_a_handler_has_seen_it_is_not_shown_again(self) -> None:
        provider = self.make_provider()
        key = _key()
        name = f"handler-{uuid.uuid4().hex[:12]}"
        shown: list[tuple[str, int]] = []
        broken: list[int] = []
        aggregate: Aggregate[_Happened, dict[str, Any]] = create_aggregate(
            stream=key.stream, events=[_Happened], create=dict, fold=lambda *_: None
        )

        def note(aggregate_id: str, event: _Happened, _meta: EventMeta) -> None:
            if event.version in broken:
                raise ValueError(event.version)
            shown.append((aggregate_id, event.version))

        def handler() -> EventHandler:
            """As another process makes it."""
            made = create_domain(provider, aggregate).create_handler(name, [aggregate])
            made.handle(aggregate, _Happened, note)
            return made

        _appended(provider, key, 2, 1)
        assert handler().run_once().handled == 3
        assert handler().run_once().handled == 0
        other = key._replace(aggregate_id="other")
        _appended(provider, other, 1)
        _appended(provider, key, 2, after=3)
        broken.append(5)
        failed = _raised(ValueError, handler().run_once)
        assert failed.args == (5,)
        broken.clear()
        assert handler().run_once().handled == 1
        mine = [version for aggregate_id, version in shown if aggregate_id == key.aggregate_id]
        assert mine == [1, 2, 3, 4, 5]
        assert shown.count(("other", 1)) == 1

    def test_what_is_known_of_a_handler_is_changed_by_one_at_a_time(self) -> None:
        provider = self.make_provider()
        name = f"handler-{uuid.uuid4().hex[:12]}"
        assert provider.cursors().read_handler(name) is None
        made: list[str] = []

        def make(number: int) -> None:
            columns = {"position": f"p-{number}", "newest": number, "revision": f"r-{number}"}
            if provider.cursors().write_handler(name, columns, revision=None):
                made.append(f"r-{number}")

        _in_threads(make)
        (revision,) = made
        found = provider.cursors().read_handler(name)
        assert found is not None
        assert found["revision"] == revision
        after = {"position": "p", "revision": "after"}  # a whole row: what it does not say is gone
        assert not provider.cursors().write_handler(name, after, revision="another")
        assert provider.cursors().write_handler(name, after, revision=revision)
        late = {"position": "q", "revision": "late"}
        assert not provider.cursors().write_handler(name, late, revision=revision)
        assert dict(provider.cursors().read_handler(name) or {}) == after

    # Errors of handlers

    def test_an_error_of_a_handler_is_taken_and_raises_nothing(self) -> None:
        provider = self.make_provider()
        provider.on_error(ValueError("no"), "posts, users", "model", None)

    def _everything(self, provider: Provider, stream: str, segments: int, limit: int = 1000) -> list[Commit]:
        return [
            commit
            for segment in range(segments)
            for commit in _segment(provider, stream, segment, segments, limit)
        ]


def _stream() -> str:
    return f"stream-{uuid.uuid4().hex[:12]}"


def _key() -> Key:
    return Key(_stream(), uuid.uuid4().hex[:12], "acme")


def _commit(key: Key, first: int, events: int = 1) -> Commit:
    return Commit(
        key=key,
        first=first,
        events=tuple(StoredEvent("happened", {"version": first + number}) for number in range(events)),
        append_id=uuid.uuid4().hex,
        at=datetime.now(UTC),
        user_id=str(uuid.uuid4()),
        metadata={"correlation": str(uuid.uuid4()), "source": "contract", "of its own": "kept"},
    )


def _closing(key: Key) -> Commit:
    return replace(_commit(key, 1), events=(), closes=True, user_id="eraser")


def _record(key: Key) -> CommandRecord:
    return CommandRecord(key=key, command_id=uuid.uuid4().hex, fingerprint="f" * 64, first=1, last=2)


def _appended(provider: Provider, key: Key, *events: int, after: int = 0) -> list[Commit]:
    commits = []
    for number in events:
        commits.append(_commit(key, after + 1, number))
        provider.append(commits[-1:])
        after += number
    return commits


def _last(provider: Provider, key: Key) -> int:
    return next((commit.last for commit in provider.read_back(key, likely=1)), 0)


def _notices(provider: Provider, stream: str, limit: int = 1000) -> list[Notice]:
    """All notices of a stream, asked for as a handler does."""
    found: dict[str, Notice] = {}
    after: str | None = None
    while new := [one for one in provider.notices([stream], after, limit) if one.position not in found]:
        found |= {notice.position: notice for notice in new}
        after = new[-1].position
    return list(found.values())


def _segment(
    provider: Provider, stream: str, segment: int, total_segments: int, limit: int
) -> Iterable[Commit]:
    start: str | None = None
    while True:
        commits, start = provider.everything(
            [stream], segment=segment, total_segments=total_segments, start=start, limit=limit
        )
        for commit in commits:
            assert isinstance(commit, Commit)
            yield commit
        if start is None:
            return


def _refused(provider: Provider, commits: Sequence[Commit], **options: Any) -> AppendRefusedError:  # noqa: ANN401
    return _raised(AppendRefusedError, lambda: provider.append(commits, **options))


_E = TypeVar("_E", bound=Exception)


def _raised(kind: type[_E], call: Callable[[], object]) -> _E:
    try:
        result = call()
    except kind as error:
        return error
    msg = f"expected {kind.__name__}, got {result!r}"
    raise AssertionError(msg)


def _in_threads(work: Callable[[int], object]) -> None:
    barrier = threading.Barrier(_THREADS)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(run, range(_THREADS)))
