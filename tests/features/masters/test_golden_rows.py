"""Rows of the reference system: read, continued and written, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime.store.codec import opened_row, row_of
from runtime.store.port import Put
from tests.features.masters.lab import PK, MasterLab
from tests.features.masters.support import ADMIN, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

#: As its packages write a row of a code table, and the schema that its screens make.
COLUMNS = {
    "type": "MASTER",
    "version": 3,
    "tenantCode": "acme",
    "createdAt": "2026-05-01T10:00:00+09:00",
    "createdBy": "u1",
    "createdIp": "127.0.0.1",
    "updatedAt": "2026-05-01T10:00:00+09:00",
    "updatedBy": "u1",
    "updatedIp": "127.0.0.1",
    "requestId": "r1",
    "status": "finish:FINISHED",
    "settingCode": "colour",  # its commands carry it by mistake
}
ATTRIBUTES = {"hex": "#f00", "seq": 5}
FIELDS: list[dict[str, Any]] = [
    {
        "physicalName": name,
        "name": name,
        "description": "",
        "dataType": kind,
        "defaultValue": "",
        "isRequired": name != "seq",
        "isShowedOnList": True,
        "uiComponent": "string",
        "min": "",
        "max": "",
        "length": "255" if kind == "string" else "",
    }
    for name, kind in (("code", "string"), ("name", "string"), ("seq", "number"), ("hex", "string"))
]


def their_row(sk: str, code: str, attributes: Any, **columns: Any) -> dict[str, Any]:
    key = {"pk": PK, "sk": sk, "id": f"{PK}#{sk}", "code": code, "name": code.title()}
    return {**COLUMNS, **key, "cpk": PK, "csk": f"{sk}@3", "attributes": attributes, **columns}


@pytest.fixture
def theirs(lab: MasterLab) -> MasterLab:
    context = lab.master.module.context
    rows: Iterable[dict[str, Any]] = (
        their_row("MASTER_SETTING#colour", "colour", {"description": "", "fields": FIELDS}),
        their_row("colour#red", "red", ATTRIBUTES, seq=5),
        their_row("colour#tan", "tan", {"hex": "#d2b"}, seq=2),
        their_row("colour#odd", "odd", {"hex": "#333"}, seq="first", isDeleted=True),
        their_row("colour#old", "old", {"hex": "#111"}, seq=9, isDeleted=True),
    )
    for row in rows:
        command = {key: value for key, value in row.items() if key not in {"cpk", "csk"}}
        command["sk"] = f"{row['sk']}@3"
        for table, put in ((context.tables.data, row), (context.tables.command, command)):
            context.store.write(Put(table=table, row=row_of(put)))
    return lab


def test_theirs_are_read(theirs: MasterLab) -> None:
    rows = theirs.data.rows("colour", invoke_context=ADMIN)
    assert [(row.code, row.seq, row.version) for row in rows] == [("tan", 2, 3), ("red", 5, 3)]
    assert theirs.data.get_detail("colour", "red", invoke_context=ADMIN).attributes == ATTRIBUTES
    assert theirs.data.check_schema("colour", FIELDS, invoke_context=ADMIN) == []


def test_theirs_are_continued_and_ours_are_like_theirs(theirs: MasterLab) -> None:
    assert theirs.data.upsert("colour", "red", "Red", invoke_context=ADMIN).outcome == "unchanged"
    patched = theirs.data.update("colour", "red", {"attributes": {"hex": "#e00"}}, invoke_context=ADMIN)
    assert patched is not None
    assert (patched.version, patched.seq, patched.attributes) == (4, 5, {"hex": "#e00", "seq": 5})
    made = theirs.data.create("colour", "new", "New", attributes={"hex": "#222"}, invoke_context=ADMIN)
    assert made.seq == 10  # behind all of theirs, the deleted one among them
    again = theirs.data.create("colour", "old", "Old", attributes={"hex": "#111"}, invoke_context=ADMIN)
    assert (again.version, again.seq) == (4, 11)
    ours = theirs.rows()["colour#new"]
    theirs_like = opened_row(row_of(their_row("colour#tan", "tan", {}, seq=2)))
    beyond = {"settingCode", "status", "createdIp", "updatedIp"}  # nobody's address in this test
    assert set(theirs_like) - beyond <= set(ours)
    for column in ("pk", "type", "tenantCode", "cpk"):
        assert ours[column] == theirs_like[column]
    assert (ours["id"], ours["csk"].partition("@")[0], ours["attributes"]) == (
        "MASTER#acme#colour#new", "colour#new", {"hex": "#222"},
    )  # fmt: skip


def test_a_row_that_is_there_says_that_it_is_not_deleted(lab: MasterLab) -> None:
    """To their service, only a row with ``isDeleted === false`` is there; it overwrites any other."""
    lab.data.create("size", "s", "S", invoke_context=ADMIN)
    lab.data.upsert_bulk([{"settingCode": "size", "code": "m", "name": "M"}], invoke_context=ADMIN)
    lab.data.update("size", "m", {"name": "Medium"}, invoke_context=ADMIN)
    lab.data.formats.upsert("invoice", {"format": "%%no%%"}, invoke_context=ROOT, tenant_code="acme")
    keys = {"size#s", "size#m", "MASTER_DATA#invoice"}
    for table in ("data", "command"):
        found = {sk: row for sk, row in lab.rows(table).items() if sk.split("@")[0] in keys}
        assert {sk.split("@")[0] for sk in found} == keys
        assert {sk: row.get("isDeleted") for sk, row in found.items()} == dict.fromkeys(found, False)
    lab.data.delete("size", "s", invoke_context=ADMIN)
    lab.data.create("size", "s", "S", invoke_context=ADMIN)
    assert lab.rows()["size#s"]["isDeleted"] is False
