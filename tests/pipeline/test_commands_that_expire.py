"""Commands expire one by one, the first of them first: what is left of them still tells where to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import StoreRefusedError, StoreUnavailableError, VersionConflictError, reconcile, redrive
from runtime.model.status import FINISHED
from runtime.pipeline import reconcile as reconciling
from runtime.pipeline.apply import apply
from runtime.store.port import Delete, Set
from runtime.store.values import Place
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = 3600


@pytest.fixture(params=["workflow", "inline"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(mode=request.param, handlers=[One()])
    lab.keep_for("command", 30)
    yield lab
    lab.clock.stop()


def gone(lab: Lab, *versions: int) -> None:
    """Retention has taken some commands, and not yet the others."""
    for version in versions:
        lab.store.write(Delete(place=lab.context.command_place(KEY, version)))


def expired(lab: Lab, last: int, *, without: int = 0) -> None:
    """An item of so many versions whose time is over, and so are its first commands."""
    for version in range(last):
        values = {"ttl": int(lab.clock.seconds()) + HOUR} if version == last - 1 else {}
        lab.publish(version, values=values)
        lab.settle()
    lab.clock.advance(hours=2)
    lab.store.expire()
    gone(lab, *range(1, without + 1))
    assert lab.row("data") is None


def attempt(lab: Lab, version: int, **options: Any) -> str:
    try:
        return f"version {lab.publish(version, **options).version}"
    except VersionConflictError:
        return "conflict"


@pytest.mark.parametrize("without", [0, 1, 2, 8, 9, 11])
@pytest.mark.parametrize("order", [[0, -1, 12], [-1, 12, 0], [12, 0, -1]])
def test_all_who_publish_want_the_same_version(lab: Lab, order: list[int], without: int) -> None:
    expired(lab, 12, without=without)
    kept = {version: lab.row("command", f"A1@{version}") for version in range(1, 13)}
    states = {version: lab.row("history", f"A1@{version}") for version in range(1, 13)}
    first = attempt(lab, order[0], values={"name": "anew"})
    assert first == "version 13"
    others = [attempt(lab, version) for version in order[1:]]
    assert others == ["version 14" if version == -1 else "conflict" for version in order[1:]]
    lab.settle()
    assert lab.row("data")["version"] == (14 if -1 in order[1:] else 13)
    assert {version: lab.row("command", f"A1@{version}") for version in range(1, 13)} == kept
    assert {version: lab.row("history", f"A1@{version}") for version in range(1, 13)} == states


def test_where_no_command_is_left_a_life_begins_at_1(lab: Lab) -> None:
    expired(lab, 3, without=3)
    assert attempt(lab, 0) == "version 1"
    lab.settle()
    assert lab.row("data")["version"] == 1


@pytest.mark.parametrize(
    "error", [StoreRefusedError("DynamoDB", "AccessDenied"), StoreUnavailableError("DynamoDB", "Timeout")]
)
def test_where_nobody_knows_whether_commands_expire_they_are_looked_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    expired(lab, 3, without=1)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(lab.context.retention, "calculate_ttl", fail)
    assert attempt(lab, 0) == "version 4"


@pytest.mark.parametrize("version", [-1, 10])
def test_a_version_that_is_under_way_when_its_item_expires_is_not_passed_over(lab: Lab, version: int) -> None:
    for number in range(9):
        lab.publish(number, values={"ttl": int(lab.clock.seconds()) + HOUR})
        lab.settle()
    lab.publish(9, values={"name": "under way"})
    lab.clock.advance(hours=2)
    lab.store.expire()
    gone(lab, *range(1, 9))
    assert attempt(lab, version, values={"name": "next"}) == "version 11"
    lab.settle()
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (11, "next")
    assert [lab.status(number) for number in (10, 11)] == [FINISHED] * 2
    assert lab.row("history", "A1@10")["name"] == "under way"


@pytest.mark.parametrize("without", [0, 3, 8])
def test_a_repair_shows_all_that_is_left(lab: Lab, without: int) -> None:
    handler: Any = lab.module.handler("One").handler
    handler.fails_at = set(range(9, 13))
    expired(lab, 12, without=without)
    handler.fails_at = set()
    for dry_run in (True, False):
        repaired = redrive(lab.module, KEY, "One", dry_run=dry_run, invoke_context=lab.user())
        assert repaired.done == (9, 10, 11, 12)
    assert [lab.status(version) for version in (9, 10, 11, 12)] == [FINISHED] * 4
    assert "parkedVersion" not in lab.cursor("One")


class TestWhatWasApplied:
    """Told by a column of the command that says until when its data row is kept."""

    @pytest.mark.parametrize("sync", [True, False])
    def test_it_does_not_come_back_under_another_setting(self, lab: Lab, *, sync: bool) -> None:
        lab.keep_for("data", 1)
        lab.publish(0, sync=sync)
        lab.settle()
        lab.clock.advance(days=2)
        lab.store.expire()
        lab.keep_for("data", 30)
        assert lab.row("data") is None
        assert reconcile(lab.module, invoke_context=lab.admin()).found == ()
        assert lab.row("data") is None

    @pytest.mark.parametrize("sync", [True, False])
    def test_a_row_that_is_gone_before_its_time_comes_back_for_the_rest_of_it(
        self, lab: Lab, *, sync: bool
    ) -> None:
        lab.keep_for("data", 10)
        lab.publish(0, sync=sync)
        lab.settle()
        before = lab.row("data")
        lab.store.write(Delete(place=lab.context.data_place(KEY)))
        lab.clock.advance(days=2)
        lab.keep_for("data", 1)
        assert reconcile(lab.module, invoke_context=lab.admin()).applied == 1
        assert lab.row("data") == before

    @pytest.mark.parametrize("sync", [True, False])
    def test_a_status_of_the_services_own_says_nothing_of_it(self, lab: Lab, *, sync: bool) -> None:
        lab.publish(0, sync=sync, values={"ttl": int(lab.clock.seconds()) + HOUR})
        records = list(lab.records)
        lab.settle()
        lab.module.commands.update_status((KEY.pk, "A1@1"), "invoice:SENT", invoke_context=lab.user())
        lab.clock.advance(hours=2)
        lab.store.expire()
        lab.deliver(records)
        lab.run()
        assert reconcile(lab.module, invoke_context=lab.admin()).found == ()
        assert lab.row("data") is None
        assert attempt(lab, 0) == "version 2"

    def test_it_keeps_the_services_own_status_when_the_row_is_made_anew(self, lab: Lab) -> None:
        lab.publish(0)
        lab.settle()
        lab.module.commands.update_status((KEY.pk, "A1@1"), "invoice:SENT", invoke_context=lab.user())
        lab.store.write(Delete(place=lab.context.data_place(KEY)))
        lab.clock.advance(hours=2)
        assert reconcile(lab.module, invoke_context=lab.admin()).applied == 1
        assert lab.row("data")["version"] == 1
        assert lab.status(1) == "invoice:SENT"

    @pytest.mark.parametrize("version", [-1, 1])
    def test_a_row_that_somebody_has_taken_away_has_not_expired(self, lab: Lab, version: int) -> None:
        """So the life goes on, and does not depend on who comes first: a publish, or a sweep."""
        lab.publish(0)
        lab.settle()
        lab.store.write(Delete(place=lab.context.data_place(KEY)))
        assert attempt(lab, 0) == "conflict"
        assert attempt(lab, version, values={"name": "next"}) == "version 2"
        reconcile(lab.module, invoke_context=lab.admin())
        lab.settle()
        data = lab.row("data")
        assert (data["version"], data["name"]) == (2, "next")
        assert data["lifeId"] == lab.row("command", "A1@1")["publishId"]

    def test_a_sweep_that_is_overtaken_by_the_end_of_a_life_brings_nothing_back(
        self, lab: Lab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It finds a version that was not applied; before it applies it, that is done, and has expired."""
        lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
        find, done = reconciling.find_unfinished, []

        def overtaken(*arguments: Any, **options: Any) -> Any:
            found = find(*arguments, **options)
            if not done:
                done.append(found)
                lab.settle()
                lab.clock.advance(hours=2)
                lab.store.expire()
            return found

        monkeypatch.setattr(reconciling, "find_unfinished", overtaken)
        lab.clock.advance(minutes=30)
        reconcile(lab.module, invoke_context=lab.admin())
        assert len(done[0][0]) == 1
        assert lab.row("data") is None
        assert attempt(lab, 0) == "version 2"


class TestRowsThatTellNoLife:
    """As the reference system and earlier releases write them."""

    @pytest.fixture(params=[("lifeId", "appliedTtl"), ("lifeId", "publishId", "appliedTtl")])
    def untold(self, lab: Lab, request: pytest.FixtureRequest) -> Lab:
        expired(lab, 4)
        for version in range(1, 5):
            place = lab.context.command_place(KEY, version)
            lab.store.write(Set(place=place, remove=request.param))
        return lab

    @pytest.mark.parametrize("version", [0, -1, 4])
    def test_none_is_applied_to_the_next_life(self, untold: Lab, version: int) -> None:
        before = untold.row("history", "A1@1")
        assert attempt(untold, version, values={"name": "anew"}) == "version 5"
        untold.settle()
        data = untold.row("data")
        assert (data["version"], data["name"], data["createdAt"]) == (5, "anew", data["updatedAt"])
        assert (untold.row("history", "A1@1"), untold.row("history", "A1@4")) == (before, None)
        handler: Any = untold.module.handler("One").handler
        assert handler.versions() == [1, 2, 3, 4, 5]

    def test_behind_a_life_that_has_begun_at_1_they_are_none_of_it(self, untold: Lab) -> None:
        """Of an earlier release, which began at 1 where the first command had expired."""
        gone(untold, 1)
        untold.module.ttl.set_ttl_configuration("command", None, "acme")
        assert attempt(untold, 0, values={"name": "anew"}) == "version 1"
        untold.settle()
        assert attempt(untold, -1, values={"name": "next"}) == "version 2"
        untold.settle()
        assert attempt(untold, 2, values={"name": "last"}) == "version 3"
        untold.settle()
        assert (untold.row("data")["version"], untold.row("data")["name"]) == (3, "last")
        handler: Any = untold.module.handler("One").handler
        assert [name for _, _, name in handler.seen[4:]] == ["anew", "next", "last"]


def counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Rows of the aggregate that are asked for, and writes."""
    counts = {"rows": 0, "writes": 0}
    batch_get, write = lab.store.batch_get, lab.store.write

    def reads(places: Any, **options: Any) -> Any:
        asked = list(places)
        counts["rows"] += sum(place.table != lab.resources.settings.master_data_table for place in asked)
        return batch_get(asked, **options)

    def writes(*all_of: Any) -> Any:
        counts["writes"] += 1
        return write(*all_of)

    monkeypatch.setattr(lab.store, "batch_get", reads)
    monkeypatch.setattr(lab.store, "write", writes)
    return counts


def test_a_life_behind_a_long_one_costs_no_more_than_another(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(mode="inline")
    first = lab.publish(0, values={"ttl": int(lab.clock.seconds()) + HOUR})
    lab.settle()
    row = lab.row("command", f"A1@{first.version}")
    for version in range(2, 1001):
        place = Place(lab.context.tables.command, KEY.pk, f"A1@{version}")
        columns = {name: value for name, value in row.items() if name not in {"pk", "sk"}}
        lab.store.write(Set(place=place, columns=columns | {"version": version}))
    lab.clock.advance(hours=2)
    lab.store.expire()
    lab.publish(-1, values={"name": "anew"})
    counts = counted(lab, monkeypatch)
    apply(lab.context, KEY, 1001)
    assert counts == {"rows": 2, "writes": 1}
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (1001, "anew")


def test_what_is_pending_when_a_long_life_expires_is_applied_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(mode="inline")
    for version in range(200):
        lab.publish(version, values={"ttl": int(lab.clock.seconds()) + HOUR})
    lab.settle()
    lab.publish(200, values={"name": "last"})
    lab.clock.advance(hours=2)
    lab.store.expire()
    counts = counted(lab, monkeypatch)
    apply(lab.context, KEY, 201)
    assert counts["writes"] == 1
    assert counts["rows"] <= 101
    assert (lab.row("data")["version"], lab.row("data")["name"]) == (201, "last")
