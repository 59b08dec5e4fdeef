"""The checker itself: it finds each kind of damage, and nothing where all is well."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.checker import Accepted, Seen, violations
from tests.support.rows import Rows, assert_same_end

if TYPE_CHECKING:
    from collections.abc import Callable

PK, SK, TOP = "TODO#acme", "A1", 3


def command(version: int) -> dict[str, Any]:
    return {
        "pk": PK,
        "sk": f"{SK}@{version}",
        "id": f"{PK}#{SK}",
        "code": SK,
        "name": f"after {version - 1}",
        "version": version,
        "tenantCode": "acme",
        "type": "TODO",
        "attributes": {"title": f"t{version}"},
        "createdAt": f"2026-01-0{version}",
        "createdBy": f"u{version}",
        "updatedAt": f"2026-01-0{version}",
        "updatedBy": f"u{version}",
        "publishId": f"p{version}",
        "status": "finish:FINISHED",
    } | ({"seq": 7} if version == 1 else {})


def state(version: int) -> dict[str, Any]:
    row = command(version)
    del row["publishId"], row["status"]
    first = {"createdAt": "2026-01-01", "createdBy": "u1"}
    return row | first | {"sk": SK, "cpk": PK, "csk": f"{SK}@{version}"}


def sound() -> Rows:
    return Rows(
        command={(PK, f"{SK}@{v}"): command(v) for v in range(1, TOP + 1)},
        data={(PK, SK): state(TOP)},
        history={(PK, f"{SK}@{v}"): state(v) | {"sk": f"{SK}@{v}"} for v in range(1, TOP)},
        sync={(PK, f"H#{SK}"): {"pk": PK, "sk": f"H#{SK}", "version": TOP}},
    )


ACCEPTED = [Accepted(PK, SK, v, f"after {v - 1}") for v in range(1, TOP + 1)]
SEEN = [Seen("H", PK, SK, v) for v in range(1, TOP + 1)]


def found(rows: Rows, accepted: list[Accepted] = ACCEPTED, seen: list[Seen] = SEEN) -> set[str]:
    """The invariants that are broken."""
    problems = violations(rows, accepted=accepted, seen=seen, handlers=["H"], all_known=True)
    return {problem.split()[0] for problem in problems}


def test_nothing_is_found_where_all_is_well() -> None:
    assert found(sound()) == set()
    again = [*SEEN[:2], *SEEN]
    assert found(sound(), seen=again) == set(), "a version may be seen twice"


def at(rows: Rows, table: str, sk: str) -> dict[str, Any]:
    row: dict[str, Any] = getattr(rows, table)[PK, sk]
    return row


def park(rows: Rows, version: int) -> None:
    rows.sync[PK, "H#A1"] = {"pk": PK, "sk": "H#A1", "version": version - 1, "parkedVersion": version}
    for late in range(version, TOP + 1):
        at(rows, "command", f"A1@{late}")["status"] = "sync_data:FAILED"


def test_what_is_visibly_parked_or_failed_is_not_lost() -> None:
    rows = sound()
    park(rows, 2)
    assert found(rows, seen=SEEN[:1]) == set()
    rows = sound()
    at(rows, "command", "A1@3")["status"] = "transform_data:FAILED"
    rows.data[PK, SK] = state(2)
    del rows.history[PK, "A1@2"]
    rows.sync[PK, "H#A1"]["version"] = 2
    assert found(rows, seen=SEEN[:2]) == set()


def test_a_version_that_was_skipped_is_not_missed() -> None:
    rows = sound()
    rows.sync[PK, "H#A1"]["skipped"] = [{"version": 2}]
    assert found(rows, seen=[SEEN[0], SEEN[2]]) == set()


def lose_command(rows: Rows) -> None:
    del rows.command[PK, "A1@3"]


def lose_doorbell(rows: Rows) -> None:
    rows.data[PK, SK] = state(2)
    del rows.history[PK, "A1@2"]
    del at(rows, "command", "A1@3")["status"]


DAMAGES: list[tuple[set[str], Callable[[Rows], Any]]] = [
    ({"I1", "I2"}, lose_command),
    ({"I1", "I2"}, lose_doorbell),
    ({"I1"}, lambda rows: at(rows, "command", "A1@3").update(status="sync_data:STARTED")),
    ({"I1"}, lambda rows: at(rows, "command", "A1@2").pop("status")),
    ({"I1"}, lambda rows: at(rows, "command", "A1@2").update(status="sync_data:FAILED")),
    ({"I1"}, lambda rows: rows.sync.clear()),
    ({"I1"}, lambda rows: at(rows, "sync", "H#A1").update(version=2)),
    ({"I1"}, lambda rows: (park(rows, 2), at(rows, "command", "A1@3").update(status="finish:FINISHED"))),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(name="other")),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(seq=7)),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(createdAt="2026-01-03")),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(createdBy="u3")),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(updatedBy="u1")),
    ({"I2"}, lambda rows: at(rows, "data", "A1").update(status="finish:FINISHED")),
    ({"I2"}, lambda rows: at(rows, "command", "A1@3").update(dataTtl=5)),
    ({"I1", "I2"}, lambda rows: rows.command.pop((PK, "A1@1"))),
    ({"I2"}, lambda rows: rows.data.update({(PK, "B1"): state(1) | {"sk": "B1"}})),
    ({"I3"}, lambda rows: rows.history.pop((PK, "A1@1"))),
    ({"I3"}, lambda rows: at(rows, "history", "A1@2").update(attributes={"title": "t3"})),
    ({"I3"}, lambda rows: at(rows, "history", "A1@2").update(createdAt="2026-01-02")),
    ({"I3"}, lambda rows: rows.history.update({(PK, "A1@3"): state(3) | {"sk": "A1@3"}})),
    ({"I4"}, lambda rows: [at(rows, t, s).update(name="loser") for t, s in LATEST]),
]
LATEST = (("command", "A1@3"), ("data", "A1"))


@pytest.mark.parametrize(("broken", "damage"), DAMAGES)
def test_each_damage_is_found(broken: set[str], damage: Callable[[Rows], Any]) -> None:
    rows = sound()
    damage(rows)
    assert found(rows) == broken


def test_two_winners_and_one_that_nobody_told_of_are_found() -> None:
    assert found(sound(), [*ACCEPTED, ACCEPTED[2]]) == {"I4"}
    assert found(sound(), ACCEPTED[:2]) == {"I4"}


@pytest.mark.parametrize("order", [[1, 3, 2], [2, 1, 3], [1, 3], [2, 3], [1, 2], []])
def test_a_handler_out_of_order_or_left_out_is_found(order: list[int]) -> None:
    assert found(sound(), seen=[SEEN[version - 1] for version in order]) == {"I5"}


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("command", {"status": "sync_data:STARTED"}),
        ("data", {"name": "x"}),
        ("history", {"seq": 1}),
        ("sync", {"version": 2}),
        ("command", {"ttl": 1}),
    ],
)
def test_another_end_is_found_and_other_times_are_none(table: str, change: dict[str, Any]) -> None:
    rows = sound()
    for row in rows.command.values():
        row |= {"createdAt": "later", "publishId": "x"}
    assert_same_end(rows, sound())
    damaged = deepcopy(rows)
    next(iter(getattr(damaged, table).values())).update(change)
    with pytest.raises(AssertionError, match=f"I6 {table}"):
        assert_same_end(damaged, sound())
