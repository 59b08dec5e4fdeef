"""`cqrs master`: what it shows, what it asks, and what it refuses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]

from runtime import CommandModule, CqrsApp
from runtime.entry.operator.scope import Scope
from runtime.features.masters.master_module import MasterModule
from runtime.store.codec import row_of
from runtime.store.port import Put
from runtime.testing import MemoryApp
from tests.cli.direct import Direct
from tests.features.masters.support import THEME, put_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.direct import Ended


@pytest.fixture
def master() -> MasterModule:
    return MasterModule([THEME])


@pytest.fixture
def memory(master: MasterModule) -> Iterator[MemoryApp]:
    app = CqrsApp(modules=[CommandModule("order"), CommandModule("tenant")], features=[master])
    with MemoryApp(app, modes={"master": "inline"}) as made:
        yield made


@pytest.fixture
def cqrs(memory: MemoryApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Direct:
    app = memory.app
    return Direct(
        lambda: Scope(app.modules, memory.resources, app.event_modules, app.features), monkeypatch, capsys
    )


DOCUMENT: dict[str, Any] = {
    "tenants": {
        "common": {"settings": [{"code": "theme", "settingValue": {"rows": 10}}]},
        "acme": {
            "settings": [
                {"code": "theme", "name": "Look", "settingValue": {"colour": "red"}},
                {"code": "theme", "groupId": "tokyo#sales", "settingValue": {"rows": 5}},
                {"code": "free", "settingValue": {"a": {"b": 1}, "ratio": 0.1}},
            ],
            "data": [
                {"settingCode": "colour", "code": "red", "name": "Red"},
                {
                    "settingCode": "colour",
                    "code": "blue",
                    "name": "Blue",
                    "attributes": {"hex": "00f", "share": 0.3},
                },
            ],
        },
    }
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "masters.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def test_a_document_is_shown_applied_and_then_says_nothing_new(
    cqrs: Direct, file: Path, memory: MemoryApp
) -> None:
    shown = cqrs("master", "apply", "-f", str(file))
    assert shown.code == 1
    assert 'create MASTER#acme#colour#red name: "Red"' in shown.lines
    assert memory.rows("master", "command") == []

    done = cqrs("master", "apply", "-f", str(file), "--yes", "--json")
    assert done.code == 0
    assert [change["action"] for tenant in done.json["tenants"] for change in tenant["changes"]] == [
        "create"
    ] * 6
    rows = memory.rows("master", "data")

    again = cqrs("master", "apply", "-f", str(file), "--yes")
    assert (again.code, again.out) == (0, "Everything is as the document says")
    assert memory.rows("master", "data") == rows


def test_yaml_says_the_same(cqrs: Direct, tmp_path: Path, memory: MemoryApp) -> None:
    path = tmp_path / "masters.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT))
    assert cqrs("master", "apply", "-f", str(path), "--yes").code == 0
    assert len([row for row in memory.rows("master", "data") if row.get("name")]) >= 6


def test_a_change_says_what_was_and_what_will_be(cqrs: Direct, file: Path) -> None:
    cqrs("master", "apply", "-f", str(file), "--yes")
    changed = json.loads(json.dumps(DOCUMENT))
    changed["tenants"]["acme"]["settings"][2]["settingValue"] = {"a": 2, "ratio": 0.1}
    file.write_text(json.dumps(changed))
    shown = cqrs("master", "apply", "-f", str(file))
    assert any('update MASTER#acme#MASTER_SETTING#free a: {"b": 1} -> 2' in line for line in shown.lines)


def test_what_a_document_has_not_is_deleted_only_when_asked(
    cqrs: Direct, file: Path, memory: MemoryApp, master: MasterModule
) -> None:
    cqrs("master", "apply", "-f", str(file), "--yes")
    put_row(
        memory, master.module, "MASTER#acme", "MASTER_SETTING#USER#ann#theme", {"rows": 1}, isDeleted=False
    )
    less = json.loads(json.dumps(DOCUMENT))
    del less["tenants"]["acme"]["settings"][2]
    del less["tenants"]["acme"]["data"][1]
    file.write_text(json.dumps(less))
    assert cqrs("master", "apply", "-f", str(file)).code == 0
    pruned = cqrs("master", "apply", "-f", str(file), "--prune", "--yes", "--json").json
    assert [
        (change["action"], change["id"]) for tenant in pruned["tenants"] for change in tenant["changes"]
    ] == [
        ("delete", "MASTER#acme#MASTER_SETTING#free"),
        ("delete", "MASTER#acme#colour#blue"),
    ]
    live = {
        row["sk"] for row in memory.rows("master", "data") if not row.get("isDeleted") and row.get("type")
    }
    assert {"MASTER_SETTING#USER#ann#theme", "colour#red"} <= live
    assert "colour#blue" not in live


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"tenants": {"acme": {"settings": [{"code": "TTL", "settingValue": {}}]}}}, "settings.0.code"),
        (
            {"tenants": {"acme": {"settings": [{"code": "theme", "settingValue": {"rows": "x"}}]}}},
            "settings.0",
        ),
        ({"tenants": {"acme": {"data": [{"settingCode": "SEQ", "code": "a", "name": "A"}]}}}, "data.0"),
        ({"tenants": {"acme": {"other": []}}}, "other"),
        ({"tenants": {"acme": {"settings": [{"code": "x", "settingValue": {}}] * 2}}}, "twice"),
        ({"tenants": {"a#b": {}}}, "tenantCode"),
    ],
)
def test_a_document_that_makes_no_sense_changes_nothing(
    cqrs: Direct, file: Path, memory: MemoryApp, document: Any, told: str
) -> None:
    document["tenants"] = {"zeta": {"settings": [{"code": "x", "settingValue": {}}]}, **document["tenants"]}
    file.write_text(json.dumps(document))
    ended = cqrs("master", "apply", "-f", str(file), "--yes")
    assert (ended.code, told in ended.err) == (4, True), ended
    assert memory.rows("master", "command") == []


def test_yaml_without_its_reader_says_what_to_install(
    cqrs: Direct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "masters.yaml"
    path.write_text("tenants: {}")
    monkeypatch.setitem(sys.modules, "yaml", None)
    ended = cqrs("master", "apply", "-f", str(path))
    assert (ended.code, "pip install 'cdk-cqrs[cli]'" in ended.err) == (2, True), ended
    monkeypatch.undo()
    path.write_text("tenants: [")
    assert "is no YAML" in cqrs("master", "apply", "-f", str(path)).err


HEX = {"physicalName": "hex", "name": "Hex", "dataType": "string", "length": "3", "isRequired": True}
SHARE = {"physicalName": "share", "name": "Share", "dataType": "number", "defaultValue": "1"}


def colours(*fields: Any, **rows: Any) -> dict[str, Any]:
    """A schema, and rows by their codes."""
    data = [
        {"settingCode": "colour", "code": code, "name": code, "attributes": attributes}
        for code, attributes in rows.items()
    ]
    return {"settings": [{"code": "colour", "settingValue": {"fields": [*fields]}}], "data": data}


def apply(cqrs: Direct, file: Path, *options: str, **tenants: Any) -> Ended:
    file.write_text(json.dumps({"tenants": tenants}))
    return cqrs("master", "apply", "-f", str(file), "--yes", "--json", *options)


def actions(ended: Ended) -> list[str]:
    assert ended.code == 0, ended
    return [
        f"{change['action']} {change['id'].partition('#')[2]}"
        for tenant in ended.json["tenants"]
        for change in tenant["changes"]
    ]


def test_rows_are_held_to_their_schemas_before_anything_is_written(
    cqrs: Direct, file: Path, memory: MemoryApp
) -> None:
    """In all tenants, and each bad row by its place."""
    ended = apply(
        cqrs,
        file,
        acme=colours(HEX, red={"hex": "f00"}, blue={"hex": 5}, pink={}, tan={"hex": "d2b", "x": 1}),
        globex=colours(HEX, green={"hex": "00ff00"}),
        zeta={"settings": [{"code": "free", "settingValue": {}}], "data": [{"settingCode": "TTL"}]},
    )
    assert ended.code == 4
    for told in (
        "tenant acme",
        "data.1.attributes.hex: must be text",
        "data.2.attributes.hex: is required",
        "data.3.attributes.x: is no field",
        "tenant globex",
        "data.0.attributes.hex: must have at most 3 characters",
        "tenant zeta",
        "data.0.code",
    ):
        assert told in ended.err, told
    assert "data.0.attributes" not in ended.err.partition("tenant globex")[0]
    assert memory.rows("master", "command") == []


def test_a_schema_and_its_rows_change_together(cqrs: Direct, file: Path, memory: MemoryApp) -> None:
    apply(cqrs, file, acme=colours(HEX, red={"hex": "f00"}, blue={"hex": "00f"}))
    number = {**HEX, "dataType": "number"}
    some = apply(cqrs, file, acme=colours(number, red={"hex": 1}))
    assert some.code == 4
    assert "settings.0.settingValue.fields: row blue: attributes.hex must be a number" in some.err
    assert [row["version"] for row in memory.rows("master", "data") if "version" in row] == [1, 1, 1]
    done = apply(cqrs, file, acme=colours(number, red={"hex": 1}, blue={"hex": 2}))
    assert actions(done) == [
        f"update acme#{sk}" for sk in ("MASTER_SETTING#colour", "colour#blue", "colour#red")
    ]
    pruned = apply(cqrs, file, "--prune", acme=colours(HEX, red={"hex": "f00"}))
    assert actions(pruned)[1] == "delete acme#colour#blue"


def test_what_a_schema_fills_in_is_no_change(cqrs: Direct, file: Path) -> None:
    document = colours(HEX, SHARE, red={"hex": "f00"})
    assert len(actions(apply(cqrs, file, acme=document))) == 2
    assert actions(apply(cqrs, file, acme=document)) == []


def test_rows_that_do_not_fit_and_are_not_named_stand_in_nobodys_way(
    cqrs: Direct, file: Path, memory: MemoryApp, master: MasterModule
) -> None:
    apply(cqrs, file, acme=colours(HEX))
    put_row(memory, master.module, "MASTER#acme", "colour#old", {"hex": 5}, code="old")
    assert actions(apply(cqrs, file, acme=colours(HEX, red={"hex": "f00"}))) == ["create acme#colour#red"]


def test_a_schema_is_not_pruned_from_under_its_rows(cqrs: Direct, file: Path, memory: MemoryApp) -> None:
    document = colours(HEX, red={"hex": "f00"})
    apply(cqrs, file, acme=document)
    before = memory.rows("master", "data")
    tables: list[Any] = [[], document["data"]]
    for data in tables:
        theme = [{"code": "theme", "settingValue": {}}]
        ended = apply(cqrs, file, "--prune", acme={"settings": theme, "data": data})
        assert (ended.code, "has no 'colour', whose code table has the rows red" in ended.err) == (4, True)
    assert memory.rows("master", "data") == before


def test_formats_and_retention_are_in_the_document(
    cqrs: Direct, file: Path, memory: MemoryApp, master: MasterModule
) -> None:
    table = memory.app.modules["order"].tables.command
    row = row_of({"pk": "MASTER#acme", "sk": f"TTL#{table}", "attributes": {"days": 3}})
    memory.store.write(Put(table=memory.app.modules["master"].tables.data, row=row))
    formats = [{"typeCode": "invoice", "attributes": {"format": "I%%no%%"}}, {**FORMAT, "name": "Ticket"}]
    retention: list[dict[str, Any]] = [
        {"module": "order", "kind": "command", "days": 30},
        {"module": "order", "kind": "data", "days": None},
    ]
    document: dict[str, Any] = {"formats": formats, "retention": retention}
    invoice, ticket = "acme#MASTER_DATA#invoice", "acme#MASTER_DATA#ticket"
    first = apply(cqrs, file, acme=document)
    assert actions(first) == [f"create {invoice}", f"create {ticket}", f"update acme#TTL#{table}"]
    assert first.json["tenants"][0]["changes"][2]["before"] == {"attributes": {"days": 3}}
    assert memory.app.modules["order"].ttl.get_ttl_configuration("command", "acme") == 30
    assert actions(apply(cqrs, file, "--prune", acme=document)) == []
    retention[0]["days"] = None
    assert actions(apply(cqrs, file, "--prune", acme={"retention": retention})) == [
        f"update acme#TTL#{table}"
    ]
    assert master.retention.days("order", "command", tenant_code="acme") is None
    assert actions(apply(cqrs, file, "--prune", acme={"formats": formats[:1]})) == [f"delete {ticket}"]
    assert actions(apply(cqrs, file, acme=document)) == [f"create {ticket}"]


FORMAT: dict[str, Any] = {"typeCode": "ticket", "attributes": {"format": "T%%no%%"}}


@pytest.mark.parametrize(
    ("masters", "told"),
    [
        ({"formats": [{"typeCode": "a#b", "attributes": {"format": "%%no%%"}}]}, "formats.0.typeCode"),
        ({"formats": [{"typeCode": "x", "attributes": {"format": "%%nope%%"}}]}, "formats.0.attributes"),
        ({"formats": [FORMAT, FORMAT]}, "formats.1: is there twice: formats.0 says it, too"),
        ({"retention": [{"module": "none", "kind": "data", "days": 1}]}, "retention.0.module"),
        ({"retention": [{"module": "order", "kind": "data", "days": 0}]}, "retention.0.days"),
        ({"retention": [{"module": "order", "kind": "none", "days": 1}]}, "retention.0.kind"),
        ({"retention": [{"module": "order", "kind": "data"}]}, "retention.0.days"),
    ],
)
def test_formats_and_retention_that_make_no_sense_change_nothing(
    cqrs: Direct, file: Path, memory: MemoryApp, masters: Any, told: str
) -> None:
    ended = apply(cqrs, file, acme={**masters, "settings": [{"code": "x", "settingValue": {}}]})
    assert (ended.code, told in ended.err) == (4, True), ended
    assert memory.rows("master", "command") == []


@pytest.mark.parametrize("text", ["[]", "{", '{"acme": {}}', '{"tenants": []}'])
def test_files_that_are_no_document_are_wrong_usage(cqrs: Direct, file: Path, text: str) -> None:
    file.write_text(text)
    assert cqrs("master", "apply", "-f", str(file)).code == 2
    assert cqrs("master", "apply", "-f", str(file) + ".none").code == 2
    assert cqrs.asked == []


def test_get_and_explain(cqrs: Direct, file: Path, memory: MemoryApp) -> None:
    registry = {"setting": [{"tenantRole": "clerk", "setting_groups": ["tokyo#sales"]}]}
    put_row(memory, memory.app.modules["tenant"], "TENANT#acme", "MASTER", registry)
    cqrs("master", "apply", "-f", str(file), "--yes")
    found = cqrs("master", "get", "acme", "theme", "--json").json
    assert found == {"id": "MASTER#acme#MASTER_SETTING#theme", "settingValue": {"colour": "red", "rows": 10}}
    why = cqrs("master", "explain", "acme", "theme", "--role", "clerk", "--user", "ann")
    assert why.code == 0
    assert "rows 5 group MASTER#acme#MASTER_SETTING#GROUP#tokyo#sales#theme" in why.lines
    assert 'colour "red" tenant MASTER#acme#MASTER_SETTING#theme' in why.lines
    free = {"a": {"b": 1}, "ratio": 0.1}
    assert cqrs("master", "get", "acme", "free", "--json").json["settingValue"] == free
    assert cqrs("master", "explain", "acme", "free", "--json").json["value"] == free
    assert cqrs("master", "get", "acme", "nothing").code == 4
    put_row(memory, memory.app.modules["master"], "MASTER#acme", "MASTER_SETTING#theme", {"rows": "many"})
    assert cqrs("master", "explain", "acme", "theme").code == 1


def test_retention_is_shown_and_set(cqrs: Direct, memory: MemoryApp) -> None:
    assert cqrs("master", "retention", "order", "--kind", "command", "--days", "30").code == 0
    assert memory.app.modules["order"].ttl.get_ttl_configuration("command") == 30
    shown = cqrs("master", "retention", "order", "--json").json
    assert shown["days"] == {"command": 30, "data": None, "history": None}
    assert cqrs("master", "retention", "order", "--kind", "command", "--days", "forever").code == 0
    assert cqrs("master", "retention", "order", "--json").json["days"]["command"] is None
    for days in ("0", "x", "-1"):
        assert cqrs("master", "retention", "order", "--kind", "data", f"--days={days}").code == 2
    assert cqrs("master", "retention", "order", "--kind", "data").code == 2
    assert cqrs("master", "retention", "other").code == 4
