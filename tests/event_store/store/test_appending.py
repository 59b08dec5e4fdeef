"""What becomes of an append whose answer is lost, or whose store is busy: it is done once, or it is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runtime.errors import (
    ContentionError,
    InvalidInputError,
    OutcomeUnknownError,
    StoreRefusedError,
    StoreUnavailableError,
)
from runtime.event_store.provider import AppendRefusedError
from runtime.store.port import ConditionFailedError, Put
from tests.event_store.store.lab import KEY, Lab, commit, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

OTHER = KEY._replace(aggregate_id="u2")


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, in seconds; no time passes."""
    found: list[float] = []
    monkeypatch.setattr("runtime.backoff.time.sleep", found.append)
    return found


@pytest.fixture
def lab() -> Lab:
    return Lab()


def unknown() -> OutcomeUnknownError:
    return OutcomeUnknownError("the store", "no answer")


def busy() -> StoreUnavailableError:
    return StoreUnavailableError("the store", "busy")


def fail(*errors: Exception | None) -> Callable[[Call], None]:
    """Raise these, one at each write; then nothing."""
    left = list(errors)

    def interfere(call: Call) -> None:
        error = left.pop(0) if call.operation == "write" and left else None
        if error is not None:
            raise error

    return interfere


def test_an_append_is_one_write(lab: Lab) -> None:
    lab.append(3)
    assert lab.calls() == ["write"]
    lab.provider.append([commit(4)], unmoved={OTHER: 0}, command=record())
    assert lab.calls() == ["write"]


def test_a_conflict_is_one_write_too(lab: Lab) -> None:
    lab.append(1)
    lab.calls()
    with pytest.raises(AppendRefusedError):
        lab.provider.append([commit(1)])
    assert lab.calls() == ["write"]


def test_an_answer_that_was_lost_after_it_was_done(lab: Lab) -> None:
    lab.wire.after = fail(unknown())
    (made,) = lab.append(2)
    assert lab.calls() == ["write", "write"]
    assert list(lab.provider.read(KEY)) == [made]


def test_an_answer_that_was_lost_before_it_was_done(lab: Lab) -> None:
    lab.wire.before = fail(unknown(), busy(), unknown())
    (made,) = lab.append(2)
    assert list(lab.provider.read(KEY)) == [made]


def test_a_transaction_whose_answer_was_lost(lab: Lab) -> None:
    lab.wire.after = fail(unknown(), unknown())
    both = [commit(1), commit(1, key=OTHER)]
    lab.provider.append(both, unmoved={KEY._replace(aggregate_id="u3"): 0}, command=record())
    assert [list(lab.provider.read(one.key)) for one in both] == [both[:1], both[1:]]


def test_somebody_else_is_faster_after_an_answer_was_lost(lab: Lab) -> None:
    """Nothing of ours is there, so ours was not done, and cannot be any more."""
    rival = commit(1)

    def interfere(call: Call) -> None:
        if call.operation == "write" and len(lab.wire.calls) == 1:
            lab.memory.write(Put(table="events", row=lab.storage.row(rival)))
            raise unknown()

    lab.wire.before = interfere
    with pytest.raises(AppendRefusedError) as refused:
        lab.append(1)
    assert refused.value.moved == {KEY: rival}


def test_a_store_that_stays_busy_has_written_nothing(lab: Lab, waits: list[float]) -> None:
    lab.wire.before = fail(*[busy()] * 99)
    with pytest.raises(StoreUnavailableError) as raised:
        lab.append(1)
    assert raised.value.written == "nothing"
    assert len(lab.calls()) == 8
    assert sum(waits) < 8


def test_a_store_that_never_answers_may_have_written(lab: Lab) -> None:
    lab.wire.before = fail(*[unknown()] * 99)
    with pytest.raises(OutcomeUnknownError):
        lab.append(1)


@pytest.mark.parametrize(
    "then", [busy(), ContentionError("others"), StoreRefusedError("the store", "denied")], ids=str
)
def test_a_lost_answer_is_not_forgotten_whatever_comes_then(lab: Lab, then: Exception) -> None:
    lab.wire.before = fail(unknown(), *[then] * 99)
    with pytest.raises(OutcomeUnknownError):
        lab.append(1)


def test_what_the_store_refuses_is_not_sent_again(lab: Lab) -> None:
    lab.wire.before = fail(*[StoreRefusedError("the store", "denied")] * 99)
    with pytest.raises(StoreRefusedError):
        lab.append(1)
    assert lab.calls() == ["write"]


def test_no_attempt_is_begun_after_ten_seconds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 4.0, 8.0, 12.0])
    clock = SimpleNamespace(monotonic=lambda: next(times))
    monkeypatch.setattr("runtime.event_store.providers.appending.time", clock)
    lab.wire.before = fail(*[busy()] * 99)
    with pytest.raises(StoreUnavailableError):
        lab.append(1)
    assert len([call for call in lab.wire.calls if call.operation == "write"]) == 3


def test_a_row_that_did_not_come_back_is_read(lab: Lab) -> None:
    (winner,) = lab.append(1)

    def forget(call: Call) -> None:
        if call.operation == "write":
            raise ConditionFailedError({"commit 0": None})

    lab.wire.before = forget
    lab.provider.append([winner])  # its own
    with pytest.raises(AppendRefusedError) as refused:
        lab.provider.append([commit(1)])
    assert refused.value.moved == {KEY: winner}


def test_a_transaction_has_at_most_100_rows(lab: Lab) -> None:
    keys = [KEY._replace(aggregate_id=f"{number}") for number in range(101)]
    lab.provider.append([commit(1, key=key) for key in keys[:100]])
    for options in (
        {"commits": [commit(2, key=key) for key in keys]},
        {"commits": [commit(2, key=keys[0])], "unmoved": dict.fromkeys(keys[1:], 1)},
        {"commits": [commit(2, key=key) for key in keys[:100]], "command": record()},
    ):
        arguments: dict[str, Any] = dict(options)
        commits = arguments.pop("commits")
        if len(commits) == 1:
            lab.provider.append(commits, unmoved=dict.fromkeys(keys[1:100], 1))
            arguments["command"] = record()
            commits = [commit(3, key=keys[0])]
        with pytest.raises(InvalidInputError, match="100 are allowed"):
            lab.provider.append(commits, **arguments)


def test_a_guard_at_a_version_in_the_way_of_an_append_is_no_write_of_its_own(lab: Lab) -> None:
    lab.provider.append([commit(1)], unmoved={KEY: 0})
    assert len(lab.wire.calls[0].writes) == 1


# Records of commands


def test_a_record_is_forgotten_after_a_day_and_its_place_taken(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("runtime.clock._source", lambda: now)
    lab.provider.append([commit(1)], command=record())
    now += 24 * 60 * 60
    assert lab.provider.command(KEY, "c-1") == record()
    with pytest.raises(AppendRefusedError):
        lab.provider.append([commit(2)], command=record())
    now += 2  # DynamoDB deletes it hours later
    assert lab.provider.command(KEY, "c-1") is None
    again = replace(record(), first=2, last=2)
    lab.provider.append([commit(2)], command=again)
    assert lab.provider.command(KEY, "c-1") == again


def test_a_record_that_expires_while_it_is_in_the_way_is_in_nobodys_way(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("runtime.clock._source", lambda: now)
    lab.provider.append([commit(1)], command=record())
    now += 24 * 60 * 60

    def go_on(_call: Call) -> None:
        nonlocal now
        now += 1

    lab.wire.before = go_on
    again = replace(record(), first=2, last=2)
    lab.provider.append([commit(2)], command=again)
    assert lab.provider.command(KEY, "c-1") == again


def test_a_record_that_is_kept_has_no_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr("runtime.clock._source", lambda: now)
    kept = record(is_kept=True)
    lab.provider.append([commit(1)], command=kept)
    now += 10**9
    assert lab.provider.command(KEY, "c-1") == kept
    assert lab.memory.expire() == 0
    with pytest.raises(AppendRefusedError) as refused:
        lab.provider.append([commit(2)], command=kept)
    assert (refused.value.moved, refused.value.command) == ({}, kept)


@pytest.mark.parametrize("command_id", ["", "x" * 2301, "\ud800", 7])
def test_a_command_id_that_cannot_be_one_is_refused(lab: Lab, command_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="command_id"):
        lab.provider.append([commit(1)], command=record(command_id))
    with pytest.raises(InvalidInputError, match="command_id"):
        lab.provider.command(KEY, command_id)
    assert lab.rows() == []
