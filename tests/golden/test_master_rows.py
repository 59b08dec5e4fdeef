"""Masters that the other framework shares: its rows, read and gone on with, and ours beside them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import InvalidInputError, InvokeContext, RowExistsError
from runtime.store.codec import decoded
from runtime.store.port import Put
from tests.features.masters.support import THEME, Theme, made
from tests.features.tenants.support import KINDS
from tests.golden.our_stories import masters
from tests.golden.test_our_rows import shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.features.masters.master_module import MasterModule

PK = "MASTER#mbc"
CLERK = InvokeContext(
    claims={"sub": "u1", "custom:tenant": "mbc", "custom:roles": '[{"tenant": "mbc", "role": "clerk"}]'}
)
ADMIN = InvokeContext(
    claims={"sub": "u2", "custom:tenant": "mbc", "custom:roles": '[{"tenant": "", "role": "system_admin"}]'}
)
#: What says who wrote a row and when.
FLEETING = {"createdAt", "updatedAt", "createdIp", "updatedIp", "requestId", "source"}
#: Columns of ours, by table.
MORE = {
    "command": {"publishId", "lifeId", "appliedTtl", "syncMode", "status", "source"},
    "data": {"lifeId"},
    "history": {"lifeId"},
}
#: Columns that their commands carry by mistake.
STRAY = {"settingCode", "cpk", "csk"}


@cache
def golden(kind: str, module: str = "master") -> dict[tuple[str, str], Any]:
    content = json.loads((Path(__file__).parent / f"{module}-rows.json").read_text())
    return {(row["pk"]["S"], row["sk"]["S"]): row for row in content[f"local-t-{module}-{kind}"]}


@cache
def answer(asked: str) -> Any:
    content = json.loads((Path(__file__).parent / "master-rows.json").read_text())
    return next(each["answer"] for each in content["answers"] if each["asked"] == asked)


@pytest.fixture(autouse=True)
def credentials() -> None:
    """None: all of it is in memory."""


@pytest.fixture
def master() -> Iterator[MasterModule]:
    """Masters with their rows, those of their tenants among them."""
    master, memory = made()
    with memory:
        for module, kinds in (("master", KINDS), ("tenant", ("data",))):
            for kind in kinds:
                table = getattr(memory.app.modules[module].tables, kind)
                for row in golden(kind, module).values():
                    memory.store.write(Put(table=table, row=decoded(row)))
        yield master


def stored(master: MasterModule, kind: str, sk: str, pk: str = PK) -> Any:
    rows = master.resources.store.rows(getattr(master.module.tables, kind))  # type: ignore[attr-defined]
    return next(row for row in rows if (row["pk"], row["sk"]) == (pk, sk))


# Theirs, to us


def test_theirs_are_resolved_and_the_deleted_do_not_count(master: MasterModule) -> None:
    found = master.settings.get_setting(THEME, invoke_context=CLERK)
    assert found == Theme(rows=3, colour="b", page_title="p")
    # They themselves answer with the deleted one.
    assert answer("get after user deleted")["settingValue"] == {"rows": 5}


def test_theirs_are_changed_and_created_again_on_their_versions(master: MasterModule) -> None:
    settings = master.settings
    changed = settings.update_setting((PK, "MASTER_SETTING#theme"), value={"rows": 9}, invoke_context=ADMIN)
    assert (changed.version, changed.name, changed.attributes) == (2, "Theirs", {"rows": 9, "colour": "b"})
    again = settings.create_user_setting(THEME, {"rows": 8}, user_id="u1", invoke_context=ADMIN)
    assert again.version == 3
    with pytest.raises(RowExistsError):
        settings.create_tenant_setting(THEME, {"rows": 8}, tenant_code="mbc", invoke_context=ADMIN)


def test_a_setting_that_lost_its_name_is_changed(master: MasterModule) -> None:
    """Their update takes the name away where it gives none."""
    key = (PK, "MASTER_SETTING#nameless")
    assert "name" not in golden("data")[key]
    changed = master.settings.update_setting(key, value={"rows": 3}, invoke_context=ADMIN)
    assert (changed.version, changed.attributes) == (3, {"rows": 3})


def test_their_rows_of_code_tables_are_read(master: MasterModule) -> None:
    found = master.data.rows("colour", invoke_context=ADMIN)
    # Their update takes the number away where it gives none, so red is the last.
    assert [(row.code, row.seq, row.version, row.name) for row in found] == [
        ("blue", 5, 3, "Blue again"),
        ("red", None, 3, "Darker red"),
    ]
    shown = {row["code"]: row for row in answer("list colours")["items"]}
    assert {row.code: row.attributes for row in found} == {
        code: row["attributes"] for code, row in shown.items() if not row["isDeleted"]
    }
    sizes = master.data.rows("size", invoke_context=ADMIN)
    assert [(row.code, row.seq) for row in sizes] == [("b2", 1), ("b1", 2), ("b3", 2), ("b4", 3), ("b5", 4)]
    assert answer("red is there") is master.data.check_exist_code("colour", "red", invoke_context=ADMIN)
    assert answer("green is there") is master.data.check_exist_code("colour", "green", invoke_context=ADMIN)


def test_we_go_on_with_their_rows_of_code_tables(master: MasterModule) -> None:
    assert golden("command")[PK, "colour#blue@2"].keys() >= STRAY
    red = master.data.update("colour", "red", {"attributes": {"x": 1}}, invoke_context=ADMIN)
    assert red is not None
    assert (red.version, red.name, red.attributes) == (4, "Darker red", {"dark": True, "hex": "f00", "x": 1})
    assert master.data.delete("colour", "blue", invoke_context=ADMIN).version == 4
    assert master.data.create("colour", "green", "Green", invoke_context=ADMIN).version == 3
    assert master.data.create("size", "xl", "XL", invoke_context=ADMIN).seq == 5
    for sk in ("colour#red@4", "colour#blue@4", "colour#green@3"):
        assert not STRAY & stored(master, "command", sk).keys()


def test_their_schemas_hold_our_rows(master: MasterModule) -> None:
    for attributes in ({}, {"hex": "1234567"}):
        with pytest.raises(InvalidInputError, match=r"attributes\.hex"):
            master.data.create("shape", "ball", "Ball", attributes=attributes, invoke_context=ADMIN)
    assert (
        master.data.create("shape", "box", "Box", attributes={"hex": "fff"}, invoke_context=ADMIN).version
        == 4
    )


# Ours, to them


def test_ours_have_the_columns_and_types_of_theirs() -> None:
    compared = 0
    for kind in KINDS:
        for row in masters()[f"local-t-master-{kind}"]:
            theirs = golden(kind).get((row["pk"]["S"], row["sk"]["S"]))
            if theirs is None:
                continue
            compared += 1
            # A NULL says what an absent column says; numbers of rows are given by us where they give none.
            expected = {name: value for name, value in theirs.items() if "NULL" not in value}
            left = set(expected) - STRAY if kind == "command" else set(expected)
            at = (kind, row["sk"]["S"])
            assert left - {"source"} <= set(row), at
            assert set(row) - set(expected) - MORE[kind] <= {"seq", "name"}, at
            for name in left & set(row) - {"attributes"}:
                assert shape(row[name]) == shape(expected[name]), (at, name)
            for name in ("id", "code", "type", "tenantCode", "createdBy"):
                assert row[name] == expected[name], (at, name)
    assert compared >= 20
