"""Settings as the other framework writes them, and ours as it reads them.

The rows are made of golden ones: each column as that framework writes it, with the keys, codes and attributes
of its package of masters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import InvokeContext, RowExistsError
from runtime.model.keys import DetailKey
from runtime.store.codec import decoded, encoded, row_of
from runtime.store.port import Put
from tests.features.masters.support import THEME, Theme, made
from tests.golden.rows import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.features.masters.master_module import MasterModule
    from runtime.testing import MemoryApp

PK = "MASTER#mbc"
CLERK = InvokeContext(
    claims={"sub": "u1", "custom:tenant": "mbc", "custom:roles": '[{"tenant": "mbc", "role": "clerk"}]'}
)
ADMIN = InvokeContext(
    claims={"sub": "u2", "custom:tenant": "mbc", "custom:roles": '[{"tenant": "", "role": "system_admin"}]'}
)

#: The user who wrote theirs, with a role of ours.
SAME = InvokeContext(
    claims={
        "sub": "u1",
        "custom:tenant": "mbc",
        "custom:roles": '[{"tenant": "mbc", "role": "master_admin"}]',
    }
)


@pytest.fixture
def master() -> Iterator[MasterModule]:
    master, memory = made()
    with memory:
        load(memory)
        yield master


def theirs(kind: str, pk: str, sk: str, **columns: Any) -> Any:
    """A row in the wire format, of the golden one of the first version."""
    golden = rows(f"todo-{kind}")["TODO#mbc", "A1@1" if kind == "command" else "B1"]
    own = {
        "pk": pk,
        "sk": sk,
        "id": f"{pk}#{sk.split('@', maxsplit=1)[0]}",
        "type": pk.split("#", maxsplit=1)[0],
    }
    own |= {
        "tenantCode": pk.split("#")[1],
        "code": sk.rsplit("#", maxsplit=1)[-1],
        "name": "Theirs",
        "version": "1",
    }
    wire: dict[str, Any] = {name: {"S": value} for name, value in own.items()}
    wire["version"] = {"N": "1"}
    if kind == "data":
        wire |= {"cpk": {"S": pk}, "csk": {"S": f"{sk}@1"}}
    return {**golden, **wire, "isDeleted": {"BOOL": False}, **columns}


def value(**fields: Any) -> Any:
    return {"M": encoded(row_of(fields))}


def load(memory: MemoryApp) -> None:
    gone = {"BOOL": True}
    registry = {"tenantRole": {"S": "clerk"}, "setting_groups": {"L": [{"S": "tokyo#sales"}, {"S": "tokyo"}]}}
    setting = {"M": {"setting": {"L": [{"M": {**registry, "setting_groups_mode": {"S": "auto"}}}]}}}
    key = "MASTER_SETTING#"
    stored = {
        "master": [
            theirs(
                "data", "MASTER#common", f"{key}theme", attributes=value(rows=1, colour="a", pageTitle="p")
            ),
            theirs("data", PK, f"{key}theme", attributes=value(rows=2, colour="b")),
            theirs("data", PK, f"{key}GROUP#tokyo#theme", attributes=value(rows=3)),
            theirs("data", PK, f"{key}GROUP#tokyo#sales#theme", attributes=value(rows=4), isDeleted=gone),
            theirs("data", PK, f"{key}USER#u1#theme", attributes=value(rows=5), isDeleted=gone),
        ],
        "tenant": [theirs("data", "TENANT#mbc", "MASTER", attributes=setting)],
    }
    for module, found in stored.items():
        for row in found:
            memory.store.write(Put(table=memory.app.modules[module].tables.data, row=decoded(row)))
    # Their commands have a column that nobody needs.
    stray = theirs("command", PK, f"{key}theme@1", attributes=value(rows=2), settingCode={"S": "theme"})
    memory.store.write(Put(table=memory.app.modules["master"].tables.command, row=decoded(stray)))


def test_theirs_are_resolved_and_the_deleted_do_not_count(master: MasterModule) -> None:
    found = master.settings.get_setting(THEME, invoke_context=CLERK)
    assert found == Theme(rows=3, colour="b", page_title="p")


def test_theirs_are_changed_and_created_again_on_their_versions(master: MasterModule) -> None:
    changed = master.settings.update_setting(
        (PK, "MASTER_SETTING#theme"), value={"rows": 9}, invoke_context=ADMIN
    )
    assert (changed.version, changed.name, changed.attributes) == (2, "Theirs", {"rows": 9, "colour": "b"})
    again = master.settings.create_user_setting(THEME, {"rows": 8}, user_id="u1", invoke_context=ADMIN)
    assert again.version == 2
    with pytest.raises(RowExistsError):
        master.settings.create_tenant_setting(THEME, {"rows": 8}, tenant_code="mbc", invoke_context=ADMIN)
    store, tables = master.resources.store, master.module.tables
    commands = {row["sk"]: row for row in store.rows(tables.command) if row["pk"] == PK}  # type: ignore[attr-defined]
    assert "settingCode" in commands["MASTER_SETTING#theme@1"]
    assert "settingCode" not in commands["MASTER_SETTING#theme@2"]


def test_ours_have_what_theirs_have(master: MasterModule) -> None:
    expected = theirs("data", PK, "MASTER_SETTING#GROUP#osaka#theme", attributes=value(rows=7))
    master.settings.create_group_setting(
        THEME, {"rows": 7}, group_id="osaka", name="Theirs", invoke_context=SAME
    )
    key = DetailKey(PK, "MASTER_SETTING#GROUP#osaka#theme")
    stored = master.resources.store.get(master.module.context.data_place(key))
    ours = encoded(stored or {})
    fleeting = {"createdAt", "updatedAt", "createdIp", "updatedIp", "requestId", "ttl", "csk", "seq"}
    assert {name: one for name, one in expected.items() if name not in fleeting} == {
        name: one for name, one in ours.items() if name not in fleeting | {"lifeId"}
    }
