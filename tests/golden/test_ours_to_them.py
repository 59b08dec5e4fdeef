"""Our rows as the services of MBC CQRS Serverless took them.

``ours-to-them.json`` has the rows that they were shown, what they answered, and what they left. The rows
that we write now have to be those that were shown, and we go on with what they left.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.store.codec import decoded
from runtime.store.port import Put
from tests.features.masters.support import THEME, Theme, made
from tests.features.tenants.support import KINDS, ROOT, Registry, user
from tests.golden.our_stories import AT, ME, SERIES, everything, sequence_module
from tests.support.service import Services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import SequenceModule, TenantModule
    from runtime.features.masters.master_module import MasterModule

#: What differs each time.
FLEETING = {"createdAt", "updatedAt", "publishId", "lifeId"}


@cache
def content() -> Any:
    return json.loads((Path(__file__).parent / "ours-to-them.json").read_text())


@cache
def answer(asked: str) -> Any:
    """What they answered: a value, or the status and the message of their refusal."""
    found = next(each for each in content()["answers"] if each["asked"] == asked)
    return found["answer"] if "answer" in found else (found["status"], found["message"])


@pytest.fixture(autouse=True)
def credentials() -> None:
    """None: all of it is in memory."""


def lasting(rows: Any) -> list[dict[str, Any]]:
    found = [
        {name: list(value) if name in FLEETING else value for name, value in row.items()} for row in rows
    ]
    return sorted(found, key=lambda row: (row["pk"]["S"], row["sk"]["S"]))


# What they were shown, and what they said of it


def test_our_rows_are_those_that_they_were_shown() -> None:
    ours = everything()
    assert set(ours) == set(content()["shown"])
    for table, rows in content()["shown"].items():
        assert lasting(ours[table]) == lasting(rows), table


def test_they_found_each_of_our_settings() -> None:
    assert answer("theme by groups")["settingValue"] == {"rows": 4}
    assert answer("theme of another role")["settingValue"] == {"rows": 2, "colour": "b"}
    assert answer("theme of a user")["settingValue"] == {"rows": 5}
    assert answer("theme of another tenant")["settingValue"] == {"rows": 1, "colour": "a", "pageTitle": "p"}
    assert answer("whole")["settingValue"]["rows"] == 9
    # To them, a deleted setting is one: theirs as well as ours.
    assert answer("theme of a user who deleted it")["settingValue"] == {"rows": 6}


def test_they_found_our_rows_of_code_tables() -> None:
    listed = {row["code"]: (row.get("seq"), row["isDeleted"]) for row in answer("list colours")["items"]}
    assert listed == {"blue": (4, False), "green": (5, True), "red": (2, False)}
    assert {row["code"]: row["seq"] for row in answer("list sizes")["items"]} == {"s": 1, "m": 2, "l": 3}
    assert answer("get red")["attributes"] == {"hex": "f00", "dark": True}
    assert (answer("red is there"), answer("green is there")) == (True, False)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("whole once more", "Setting already exists: whole"),
        ("red once more", "Master data already exists"),
        ("green deleted once more", "This master data is already deleted"),
        ("mbc once more", "Tenant already exists: common"),
        ("common once more", "Tenant already exists: common"),
        ("east once more", "Tenant already exists: TENANT - sk: mbc"),
    ],
)
def test_they_took_what_is_there_for_there(asked: str, message: str) -> None:
    assert answer(asked) == (400, message)


@pytest.mark.parametrize("sk", SERIES)
def test_they_counted_on_where_we_are(sk: str) -> None:
    found = answer(f"next {sk.partition('#')[0]}")
    assert (found["id"], found["no"]) == (f"SEQ#mbc#{sk}", 4)
    shown, left = (
        next(row for row in content()[when]["local-t-sequences"] if row["sk"]["S"] == sk)
        for when in ("shown", "left")
    )
    changed = {name for name in left if left[name] != shown[name]}
    assert (set(left), changed) == (set(shown), {"seq", "requestId", "updatedAt", "updatedIp"})


def test_they_printed_by_our_format() -> None:
    assert answer("next invoice")["formattedNo"] == "INV-A-74-000001"


# What they left, to us


@pytest.fixture
def tenants() -> TenantModule:
    registry = Registry(enforce=True)
    for kind in KINDS:
        for row in content()["left"][f"local-t-tenant-{kind}"]:
            registry.store.write(Put(table=f"{registry.prefix}-tenant-{kind}", row=decoded(row)))
    return registry.tenants


@pytest.fixture
def master() -> Iterator[MasterModule]:
    master, memory = made()
    with memory:
        for module in ("master", "tenant"):
            for kind in KINDS:
                table = getattr(memory.app.modules[module].tables, kind)
                for row in content()["left"][f"local-t-{module}-{kind}"]:
                    memory.store.write(Put(table=table, row=decoded(row)))
        yield master


@pytest.fixture
def sequences() -> SequenceModule:
    services = Services()
    table = services.table()
    service = services(sequences_override=table)
    for row in content()["left"]["local-t-sequences"]:
        service.quiet.write(Put(table=table, row=decoded(row)))
    return sequence_module(service)


def test_we_go_on_with_the_tenants_they_left(tenants: TenantModule) -> None:
    mbc = tenants.get_tenant("mbc")
    assert mbc is not None
    assert (mbc.version, mbc.roles[0].setting_groups) == (4, ("tokyo#sales", "osaka", "tokyo"))
    assert tenants.add_tenant_group("mbc", "clerk", "nara").version == 5
    custom = tenants.get_tenant("custom")
    assert custom is not None
    assert (custom.roles[0].mode, custom.roles[0].setting_groups) == ("customized", ("a#b", "c"))
    assert tenants.update_tenant("gone", attributes={"x": 1}).version == 4
    assert tenants.get_tenant("named") is None
    assert tenants.create_tenant("named", "Once more", invoke_context=user("ops", ROOT)).version == 5


def test_we_go_on_with_the_masters_they_left(master: MasterModule) -> None:
    clerk = user("mbc", {"tenant": "mbc", "role": "clerk"}, name="u1")
    # The group that they deleted counts no more.
    assert master.settings.get_setting(THEME, invoke_context=clerk) == Theme(
        rows=3, colour="z", page_title="p"
    )
    third = user("mbc", {"tenant": "mbc", "role": "clerk"}, name="u3")
    assert master.settings.get_setting(THEME, invoke_context=third).rows == 66
    key = ("MASTER#mbc", "MASTER_SETTING#theme")
    assert master.settings.update_setting(key, value={"rows": 1}, invoke_context=ME).version == 3
    colours = master.data.rows("colour", invoke_context=ME)
    assert [(row.code, row.seq, row.name) for row in colours] == [
        ("red", 7, "Dark red"),
        ("green", 8, "Green again"),
    ]
    # Numbers come from a counter of ours, which theirs do not move.
    assert master.data.create("colour", "pink", "Pink", invoke_context=ME).seq == 6
    assert master.data.create("colour", "blue", "Blue", invoke_context=ME).version == 5
    box = master.data.update("shape", "box", {"name": "Box 3"}, invoke_context=ME)
    assert box is not None
    assert (box.version, box.attributes) == (3, {"hex": "def"})
    assert master.data.delete("shape", "ball", invoke_context=ME).version == 2


@pytest.mark.parametrize("sk", SERIES)
def test_we_count_on_where_they_left_off(sequences: SequenceModule, sk: str) -> None:
    type_code, *codes, _ = sk.split("#")
    item = sequences.generate_sequence_item(type_code, codes=codes, date=AT, invoke_context=ME)
    assert item.no == 5
