"""What was erased is gone wherever it stood, whatever interrupts it, and no key becomes free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import clock
from runtime.errors import ContentionError, StoreUnavailableError
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.provider import AppendRefusedError
from runtime.store.codec import opened_row
from tests.event_store.store.lab import KEY, Lab, closing, commit, record
from tests.event_store.store.test_commit_row import noise

if TYPE_CHECKING:
    from tests.support.wire import Call

WHO = "Ann-Secret"
METADATA = dict.fromkeys(("correlation", "causation", "source", "command", "of their own"), WHO)
OTHER = KEY._replace(aggregate_id="u2")


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.backoff.time.sleep", lambda _seconds: None)


def filled() -> Lab:
    """An aggregate with all that there can be of one, and one beside it."""
    lab = Lab(feed=True, aggregates=True, limit=4096)
    more: dict[str, Any] = {"user_id": WHO, "metadata": METADATA, "state": {"name": WHO}, "fold": "1"}
    texts = [WHO, WHO + "word " * 400, WHO + noise(6000)]
    for version, text in enumerate(texts, 1):
        made = commit(version, body={"text": text}, must_keep_state=True, **more)
        lab.provider.append([made], command=record(f"c-{version}"))
    lab.provider.append([commit(4)], command=record("kept", is_kept=True))
    lab.append(1, key=OTHER)
    assert {"events", "zipped"} <= {name for row in lab.rows() for name in row}
    return lab


def everything(lab: Lab) -> str:
    """All that is stored, as text."""
    content = [lab.bucket.get(f"s3://memory/{found.key}")[0].decode() for found in lab.bucket.objects("")]
    return repr([opened_row(row) for row in lab.rows()]) + repr(content)


def test_nothing_is_left_of_what_was_said() -> None:
    lab = filled()
    others = [row for row in lab.rows() if row["pk"] == OTHER.pk]
    keys = [(row["pk"], row["sk"]) for row in lab.rows()]
    assert WHO in everything(lab)
    assert lab.provider.erase(KEY, closing()) == 4
    assert WHO not in everything(lab)
    # No row is gone: an append goes by its key being free.
    assert {(row["pk"], row["sk"]) for row in lab.rows()} >= set(keys)
    assert [row for row in lab.rows() if row["pk"] == OTHER.pk] == others
    blanked = [row for row in lab.rows() if row["pk"] == KEY.pk and row["sk"] < "0000000005"]
    for row in blanked:
        assert set(row) == {"pk", "sk", "last", "at", "types", "events", "erasedAt", "feed", "feedAt"}
    assert lab.provider.command(KEY, "kept") is None
    lab.memory.expire()
    assert not [row for row in lab.rows() if row["sk"].startswith("command#")]


def test_it_goes_without_deleting_a_row() -> None:
    lab = filled()
    lab.calls()
    lab.provider.erase(KEY, closing())
    kinds = {type(write).__name__ for call in lab.wire.calls for write in call.writes}
    assert kinds == {"Put", "Set"}


def test_interrupted_anywhere_it_is_done_by_the_next_call() -> None:
    lab = filled()
    lab.calls()
    lab.provider.erase(KEY, closing())
    calls = len(lab.calls())
    assert calls > 10
    for moment in range(calls):
        lab = filled()
        lab.calls()

        def interrupt(call: Call, lab: Lab = lab, moment: int = moment) -> None:  # noqa: ARG001
            if len(lab.wire.calls) > moment:
                raise StoreUnavailableError(*("the store", "out of reach"))

        lab.wire.before = interrupt
        with pytest.raises(StoreUnavailableError) as interrupted:
            lab.provider.erase(KEY, closing())
        is_closed = any(row.get("closes") for row in lab.rows())
        assert interrupted.value.written == ("something" if is_closed else "nothing")
        lab.wire.before = lambda _call: None
        lab.provider.erase(KEY, closing())
        assert WHO not in everything(lab)
        assert [(c.closes, c.is_erased) for c in lab.provider.read(KEY)] == [
            *[(False, True)] * 4,
            (True, False),
        ]


def test_from_its_first_write_on_it_is_erased_for_everybody() -> None:
    lab = filled()
    lab.calls()
    lab.provider.erase(KEY, closing())
    first, *_ = [write for call in lab.wire.calls for write in call.writes]
    assert first.row["closes"] is True  # type: ignore[union-attr]
    with pytest.raises(AppendRefusedError) as refused:
        lab.provider.append([commit(5)])
    winner = refused.value.moved[KEY]
    assert winner
    assert winner.closes


def test_what_is_appended_meanwhile_is_erased_too() -> None:
    lab = filled()
    lab.calls()

    def interfere(call: Call) -> None:
        if call.operation == "write" and len(lab.wire.calls) == 2:
            lab.another().append([commit(5, body={"text": WHO})])

    lab.wire.before = interfere
    assert lab.provider.erase(KEY, closing()) == 5
    assert WHO not in everything(lab)


def test_a_record_that_expires_meanwhile_is_forgotten_already(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = filled()
    now = clock.seconds() + 2 * 24 * 60 * 60
    monkeypatch.setattr("runtime.clock._source", lambda: now)

    def expire(call: Call) -> None:
        if call.writes and str(getattr(call.writes[0], "place", "")).find("command#") > 0:
            lab.memory.expire()

    lab.wire.before = expire
    assert lab.provider.erase(KEY, closing()) == 4
    assert WHO not in everything(lab)


def test_one_that_is_appended_to_without_end_is_told() -> None:
    lab = filled()
    rivals = iter(range(5, 1000))

    def interfere(call: Call) -> None:
        puts = [write for write in call.writes if getattr(write, "row", {}).get("closes")]
        if puts:
            lab.another().append([commit(next(rivals))])

    lab.wire.before = interfere
    with pytest.raises(ContentionError, match="nothing was erased"):
        lab.provider.erase(KEY, closing())


def test_an_unused_id_can_be_closed() -> None:
    lab = Lab()
    assert lab.provider.erase(KEY, closing()) == 0
    assert [(c.first, c.closes) for c in lab.provider.read(KEY)] == [(1, True)]


def test_a_blanked_event_is_read_with_its_type_and_nothing_else() -> None:
    lab = Lab()
    lab.append(2)
    lab.provider.erase(KEY, closing())
    first = next(iter(lab.provider.read(KEY)))
    assert first.events == (StoredEvent("happened", {}), StoredEvent("happened", {}))
    assert (first.append_id, first.is_erased) == ("", True)
