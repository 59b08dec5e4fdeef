"""Many rows in one call: how many calls it takes, two at once, and a process that dies at each call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModel,
    CommandModule,
    DataSyncHandler,
    ForbiddenError,
    InvalidInputError,
    OutcomeUnknownError,
)
from runtime.features.masters.rows_of_table import TableRows
from tests.features.masters.lab import PK, MasterLab
from tests.features.masters.support import ADMIN, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.wire import Call

in_memory = pytest.mark.parametrize("make_lab", ["memory"], indirect=True)
on_dynamodb = pytest.mark.parametrize("make_lab", ["dynamodb"], indirect=True)

FIELDS = [
    {"physicalName": "hex", "name": "Hex", "dataType": "string", "isRequired": True, "isShowedOnList": True}
]


def row(number: int, **options: Any) -> dict[str, Any]:
    said = {"settingCode": "colour", "code": f"c{number:03}", "name": f"Name {number}"}
    return {**said, "attributes": {"hex": "#000"}, **options}


def colours(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {sk: row for sk, row in rows.items() if sk.startswith("colour#")}


def test_each_row_has_its_outcome_in_their_order(lab: MasterLab) -> None:
    lab.upsert(row(1), row(2))
    given: list[Any] = [
        row(3),
        row(2, seq=9),
        row(1),
        row(4, seq="x"),
        row(5, settingCode="TTL"),
        "nonsense",
        row(6, tenantCode="other"),
        row(7, colour="red"),
        row(3, name="Again"),
        row(8),
    ]
    results = lab.data.upsert_bulk(given, invoke_context=ADMIN)
    outcomes = [result.outcome for result in results]
    assert outcomes == ["created", "updated", "unchanged", *["failed"] * 5, "updated", "created"]
    kinds = [type(result.error) for result in results[3:8]]
    assert kinds == [
        InvalidInputError,
        InvalidInputError,
        InvalidInputError,
        ForbiddenError,
        InvalidInputError,
    ]
    problems = [getattr(result.error, "problems", ()) for result in results[3:8]]
    assert [found[0].field for found in problems if found] == ["seq", "settingCode", "item", "colour"]
    seqs = {sk: row["seq"] for sk, row in colours(lab.rows()).items()}
    assert sorted(seqs.values()) == sorted(set(seqs.values()))
    assert seqs["colour#c002"] == 9
    assert seqs["colour#c008"] > 9
    assert len(lab.rows("command")) == 6


@in_memory
def test_what_is_no_bulk_request_is_refused_as_a_whole(lab: MasterLab) -> None:
    with pytest.raises(InvalidInputError, match="100 rows at most"):
        lab.upsert(*(row(number) for number in range(101)))
    with pytest.raises(InvalidInputError, match="publish_id"):
        lab.data.upsert_bulk([row(1)], publish_id="x", invoke_context=ADMIN)
    assert lab.rows() == {}
    assert lab.upsert() == []


@on_dynamodb
def test_100_rows_take_six_calls_at_most(make_lab: Callable[[], MasterLab]) -> None:
    lab = make_lab()
    lab.master.settings.create_tenant_setting("colour", {"fields": FIELDS}, invoke_context=ADMIN)
    read, write = "dynamodb:BatchGetItem", "dynamodb:TransactWriteItems"

    def calls(rows: list[dict[str, Any]], outcome: str) -> list[str]:
        lab.wire.clear()
        assert set(lab.upsert(*rows)) == {outcome}
        return sorted(lab.wire.names())

    first = [row(number) for number in range(100)]
    # What the greatest number of the table is, is looked up once in its life.
    assert calls(first, "created") == [read] * 2 + ["dynamodb:Query"] + [write] * 3
    assert calls([row(number) for number in range(100, 200)], "created") == [read] * 2 + [write] * 3
    assert calls([row(number, name="new") for number in range(100)], "updated") == [read] * 2 + [write] * 4
    later = [row(number, seq=number + 1000) for number in range(100)]
    assert calls(later, "updated") == [read] * 2 + [write] * 4
    assert calls(later, "unchanged") == [read] * 2
    seqs = [row["seq"] for row in colours(lab.rows()).values()]
    assert len(set(seqs)) == 200


@in_memory
def test_tables_and_tenants_have_counters_of_their_own(lab: MasterLab) -> None:
    rows = [
        {"settingCode": f"t{number % 4}", "code": f"c{number}", "name": "x", "tenantCode": tenant}
        for number in range(12)
        for tenant in ("acme", "other")
    ]
    results = lab.data.upsert_bulk(rows, invoke_context=ROOT)
    assert {result.outcome for result in results} == {"created"}
    for tenant in ("acme", "other"):
        for number in range(4):
            found = TableRows.read(
                lab.master.module.context, f"MASTER#{tenant}", f"t{number}#", consistent=True
            )
            assert [row.seq for row in found] == [1, 2, 3]


@in_memory
def test_numbers_go_on_behind_those_that_are_chosen_in_the_same_request(lab: MasterLab) -> None:
    """Also where the table has no counter yet: no later row gets a number that was chosen."""
    assert lab.upsert(row(1, seq=3), row(2), row(3), row(4, seq=-1)) == ["created"] * 4
    assert lab.upsert(row(5)) == ["created"]
    assert [row["seq"] for row in colours(lab.rows()).values()] == [3, 4, 5, -1, 6]


@in_memory
def test_a_row_that_cannot_be_stored_uses_up_no_number(lab: MasterLab) -> None:
    """It is refused when its number is given already; with a counter, and without one."""
    for first in (1, 5):
        bad = row(first + 1, attributes={"share": float("nan")})
        assert lab.upsert(row(first), bad, row(first + 2), row(first + 3)) == [
            "created",
            "failed",
            "created",
            "created",
        ]
    assert [row["seq"] for row in colours(lab.rows()).values()] == [1, 2, 3, 4, 5, 6]
    assert lab.rows()["SEQ#colour"]["seq"] == 6


def test_two_bulk_upserts_at_once(lab: MasterLab) -> None:
    """They share half of their rows: each row is created once, and no number is given twice."""
    other = lab.again()
    batches = (
        (lab, [row(number, name="left") for number in range(60)]),
        (other, [row(number, name="right") for number in range(30, 90)]),
    )
    with ThreadPoolExecutor(2) as pool:
        outcomes = [*pool.map(lambda batch: batch[0].upsert(*batch[1]), batches)]
    found = colours(lab.rows())
    assert len(found) == 90
    assert len({row["seq"] for row in found.values()}) == 90
    assert sum(kinds.count("created") for kinds in outcomes) == 90
    assert sum(kinds.count("updated") for kinds in outcomes) == 30
    versions = sorted(row["version"] for row in found.values())
    assert versions == [1] * 60 + [2] * 30
    assert lab.rows()["SEQ#colour"]["seq"] == max(row["seq"] for row in found.values())


class Died(BaseException):
    """The process is gone: nothing catches it."""


@in_memory
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_process_that_dies_at_any_call_is_repeated(make_lab: Callable[[], MasterLab], side: str) -> None:
    """120 writes: several transactions. What a repeat finds is left, and keeps its number."""

    def rows() -> list[dict[str, Any]]:
        return [row(number, name="new") for number in range(90)]

    whole = make_lab()
    whole.upsert(*(row(number) for number in range(20)))
    whole.steps.clear()
    whole.upsert(*rows())
    calls = len(whole.steps.names())
    assert calls >= 4
    for death in range(calls):
        lab = make_lab()
        lab.upsert(*(row(number) for number in range(20)))
        dying, seen = lab.again(), [0]

        def die(_call: Call, seen: list[int] = seen, death: int = death) -> None:
            seen[0] += 1
            if seen[0] == death + 1:
                raise Died

        setattr(dying.steps, side, die)
        with pytest.raises(Died):
            dying.upsert(*rows())
        there = colours(lab.rows())
        outcomes = lab.again().upsert(*rows())
        found = colours(lab.rows())
        assert {"failed"}.isdisjoint(outcomes)
        assert len(found) == 90
        assert {row["name"] for row in found.values()} == {"new"}
        assert sorted(row["seq"] for row in found.values()) == [*range(1, 91)]
        assert all(found[sk]["seq"] == row["seq"] for sk, row in there.items())
        # Every version has its command, and no row has one too many.
        assert sorted(row["version"] for row in found.values()) == [1] * 70 + [2] * 20
        assert len(lab.rows("command")) == 110
        assert len(lab.rows("history")) == 20
        assert lab.rows()["SEQ#colour"]["seq"] == 90


@in_memory
def test_a_lost_answer_is_told_and_counts_nothing_twice(lab: MasterLab) -> None:
    lab.upsert(row(0))

    def lose(call: Call) -> None:
        if call.operation == "write":
            service = "dynamodb"
            raise OutcomeUnknownError(service, "timeout")

    lab.steps.after = lose
    results = lab.data.upsert_bulk([row(1), row(2)], invoke_context=ADMIN)
    assert [getattr(result.error, "written", None) for result in results] == ["unknown"] * 2
    lab.steps.after = lambda _call: None
    assert lab.upsert(row(1), row(2), row(3)) == ["unchanged", "unchanged", "created"]
    assert sorted(row["seq"] for row in colours(lab.rows()).values()) == [1, 2, 3, 4]


@in_memory
def test_handlers_are_shown_rows_and_no_counters(lab: MasterLab) -> None:
    seen: list[str] = []

    class Projection(DataSyncHandler):
        def up(self, command: CommandModel[Any]) -> None:
            seen.append(command.sk)

        def down(self, command: CommandModel[Any]) -> None: ...

    lab.upsert(row(1), row(2))
    settings = lab.resources.settings
    lab.resources.settings = replace(settings, modules={"master": {"sync": True}})
    module = CommandModule("master", data_sync_handlers=[Projection()], resources=lab.resources)
    shown: list[Any] = []
    module.commands.re_sync_data(on_page=shown.append)
    assert seen == ["colour#c001@1", "colour#c002@1"]
    assert [page.failed for page in shown] == [()]


@in_memory
def test_an_asynchronous_command_that_is_pending_comes_first(lab: MasterLab) -> None:
    """The next state is built on it, whoever published it."""
    lab.upsert(row(1))
    lab.master.module.commands.publish_partial_update_async(
        {"pk": PK, "sk": "colour#c001", "version": 1, "seq": 77, "attributes": {"hex": "#fff"}},
        invoke_context=ADMIN,
    )
    assert lab.upsert(row(1, name="new", attributes=None), row(2)) == ["updated", "created"]
    found = colours(lab.rows())
    assert (found["colour#c001"]["seq"], found["colour#c001"]["version"]) == (77, 3)
    assert found["colour#c001"]["attributes"] == {"hex": "#fff"}


@pytest.mark.parametrize("others", [1, 50], ids=["the same row", "another row"])
def test_a_row_that_is_written_alone_is_numbered_in_its_own_transaction(lab: MasterLab, others: int) -> None:
    """What is pending has deleted it; and somebody else is always there between its reads and its write."""
    state = {"pk": PK, "sk": "colour#c001", "code": "c001", "name": "gone", "type": "MASTER", "version": 0}
    lab.master.module.commands.publish_async({**state, "isDeleted": True}, invoke_context=ADMIN)
    lab.upsert(row(9))
    other, names = lab.again(), iter(("first", "second"))

    def between(call: Call) -> None:
        # The first transaction fails of the pending command; the next two of what comes between.
        name = next(names, None) if call.operation == "write" else None
        if name == "second":
            assert other.upsert(row(others, name="theirs")) == ["created"]

    lab.steps.before = between
    assert lab.upsert(row(1, name="ours")) == ["updated" if others == 1 else "created"]
    found = colours(lab.rows())
    assert {sk: row["seq"] for sk, row in found.items()} == (
        {"colour#c009": 1, "colour#c001": 2}
        if others == 1
        else {"colour#c009": 1, "colour#c050": 2, "colour#c001": 3}
    )
    assert found["colour#c001"]["name"] == "ours"
    assert lab.rows()["SEQ#colour"]["seq"] == max(row["seq"] for row in found.values())


@in_memory
def test_a_patch_is_made_anew_on_what_came_between(lab: MasterLab) -> None:
    lab.upsert(row(1))
    pending = {"pk": PK, "sk": "colour#c001", "version": 1, "attributes": {"pending": 1}}
    lab.master.module.commands.publish_partial_update_async(pending, invoke_context=ADMIN)
    other, names = lab.again(), iter(("first", "second"))

    def between(call: Call) -> None:
        if call.operation == "write" and next(names, None) == "second":
            other.data.update("colour", "c001", {"attributes": {"theirs": 2}}, invoke_context=ADMIN)

    lab.steps.before = between
    lab.data.update("colour", "c001", {"attributes": {"ours": 3}}, invoke_context=ADMIN)
    found = colours(lab.rows())["colour#c001"]
    assert found["attributes"] == {"hex": "#000", "pending": 1, "theirs": 2, "ours": 3}
