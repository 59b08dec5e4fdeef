"""The routes of rows of code tables, and of both in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from runtime import CommandModule, CqrsApp
from runtime.entry.http.features.master_routes import master_routes
from runtime.features.masters.master_module import MasterModule
from runtime.testing import MemoryApp
from tests.features.masters.support import THEME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client

DATA = "/api/master-data"
RED = {"settingCode": "colour", "code": "red", "name": "Red", "attributes": {"hex": "f00"}}
SETTING = {"code": "theme", "settingValue": {"rows": 5}}


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    master = MasterModule([THEME])
    app = CqrsApp(modules=[CommandModule("tenant")], features=[master], routes=[master_routes(master)])
    with MemoryApp(app, modes={"master": "inline"}) as made:
        yield made


@pytest.fixture
def admin(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="adam", roles=["master_admin"])


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="ann")


def test_a_row_is_made_read_changed_and_deleted(admin: Client, ann: Client) -> None:
    made = admin.post(DATA, RED)
    row = made.json()
    assert (made.status, row["id"], row["seq"]) == (201, "MASTER#acme#colour#red", 1)
    assert admin.post(DATA, RED).status == 409
    by_key = f"{DATA}/{quote(row['pk'], safe='')}/{quote(row['sk'], safe='')}"
    by_id = f"{DATA}/{quote(row['id'], safe='')}"
    assert admin.put(by_key, {"attributes": {"dark": True}}).json()["attributes"] == {
        "hex": "f00",
        "dark": True,
    }
    changed = admin.put(by_id, {"name": "Rot"}).json()
    assert (changed["name"], changed["seq"], changed["attributes"]) == (
        "Rot",
        1,
        {"hex": "f00", "dark": True},
    )
    assert admin.put(by_id, {"name": "Rot"}).json()["version"] == changed["version"]
    detail = f"{DATA}/detail/{quote(row['id'], safe='')}"
    assert ann.get(by_key).json() == ann.get(detail).json()
    assert ann.post(f"{DATA}/check-exist/colour/red").json() is True
    assert ann.post(f"{DATA}/check-exist/colour/blue").json() is False
    assert admin.delete(by_id).status == 200
    assert [ann.get(by_key).status, ann.get(detail).status, admin.delete(by_key).status] == [404, 404, 404]


def test_a_row_without_a_code_gets_one(admin: Client) -> None:
    made = admin.post(f"{DATA}/create", {"settingCode": "colour", "name": "Any"})
    assert (made.status, bool(made.json()["code"])) == (201, True)
    assert admin.post(DATA, {"settingCode": "colour", "name": "Any"}).status == 400


def test_rows_are_listed_filtered_and_counted(admin: Client, ann: Client) -> None:
    items = [{**RED, "code": f"c{number:02}", "name": f"N{number}"} for number in range(25)]
    assert {each["status"] for each in admin.post(f"{DATA}/bulk", {"items": items}).json()["items"]} == {200}
    every = ann.get(DATA, params={"settingCode": "colour"}).json()
    assert (every["total"], [row["code"] for row in every["items"]]) == (25, [f"c{n:02}" for n in range(25)])
    page = ann.get(f"{DATA}/list", params={"settingCode": "colour", "page": 2, "orderBys": "-seq"}).json()
    assert (page["total"], page["items"][0]["code"], len(page["items"])) == (25, "c14", 10)
    assert ann.get(f"{DATA}/list", params={"settingCode": "colour", "keyword": "n2"}).json()["total"] == 6
    assert ann.get(f"{DATA}/list").status == 400
    assert ann.get(f"{DATA}/list", params={"settingCode": "TTL"}).status == 400
    admin.delete(f"{DATA}/{quote('MASTER#acme#colour#c03', safe='')}")
    gone = ann.get(f"{DATA}/list", params={"settingCode": "colour", "isDeleted": "true"}).json()
    assert [row["code"] for row in gone["items"]] == ["c03"]


def test_settings_and_rows_are_given_in_one_list(admin: Client) -> None:
    items = [RED, SETTING, {**RED, "settingCode": "SEQ"}, {**RED, "code": "blue"}, {"code": "x"}, RED]
    first = admin.post("/api/master-bulk", {"items": items})
    assert first.status == 207
    results = first.json()["items"]
    assert [each["status"] for each in results] == [200, 200, 400, 200, 400, 200]
    assert [each.get("id") for each in results] == [
        "MASTER#acme#colour#red",
        "MASTER#acme#MASTER_SETTING#theme",
        None,
        "MASTER#acme#colour#blue",
        None,
        "MASTER#acme#colour#red",
    ]
    again = admin.post("/api/master-bulk", {"items": items}).json()["items"]
    assert [each["item"]["version"] for each in again if "item" in each] == [1, 1, 1, 1]
    assert admin.post("/api/master-bulk", {"items": [RED] * 101}).status == 400


ATTACKS: list[tuple[str, str, Any]] = [
    ("POST", DATA, RED),
    ("POST", DATA, {**RED, "tenantCode": "globex"}),
    ("POST", f"{DATA}/create", {**RED, "tenantCode": "GLOBEX"}),
    ("POST", DATA, {**RED, "settingCode": "MASTER_SETTING", "code": "theme"}),
    ("POST", DATA, {**RED, "settingCode": "MASTER_DATA", "code": "invoice"}),
    ("POST", f"{DATA}/bulk", {"items": [{**RED, "tenantCode": "globex"}]}),
    (
        "POST",
        "/api/master-bulk",
        {"items": [{**RED, "tenantCode": "globex"}, {**SETTING, "tenantCode": "globex"}]},
    ),
    ("PUT", f"{DATA}/MASTER%23globex/colour%23red", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23GLOBEX/colour%23red", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23acme/colour%23red", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23globex%23colour%23red", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23acme/MASTER_SETTING%23theme", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23acme/MASTER_DATA%23invoice", {"name": "x"}),
    ("PUT", f"{DATA}/MASTER%23acme/TTL%23local-test-order-command", {"attributes": {"days": 1}}),
    ("DELETE", f"{DATA}/MASTER%23globex/colour%23red", None),
    ("DELETE", f"{DATA}/MASTER%23acme%23colour%23red", None),
    ("DELETE", f"{DATA}/TENANT%23acme/MASTER", None),
    ("GET", f"{DATA}/MASTER%23globex/colour%23red", None),
    ("GET", f"{DATA}/detail/MASTER%23globex%23colour%23red", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ATTACKS)
@pytest.mark.parametrize("headers", [{}, {"x-tenant-code": "globex"}, {"x-tenant-code": "common"}])
def test_members_without_a_role_get_at_nothing(
    memory: MemoryApp, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    for tenant in ("globex", "acme"):
        other = memory.client(tenant=tenant, user="adam", roles=["master_admin"])
        other.post(DATA, {**RED, "name": "planted"})
    before = memory.rows("master", "command"), memory.rows("master", "data")
    ann = memory.client(tenant="acme", user="ann", roles=["clerk"])
    answer = ann.request(method, path, body, headers=headers)
    assert answer.status in {207, 400, 403, 404}, answer
    if answer.status == 207:
        assert {each["status"] for each in answer.json()["items"]} <= {400, 403}
    assert "planted" not in answer.text
    assert (memory.rows("master", "command"), memory.rows("master", "data")) == before
