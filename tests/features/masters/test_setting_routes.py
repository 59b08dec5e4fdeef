"""The routes of settings: the paths and the answers of the reference system, and who may what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from runtime import CommandModule, CqrsApp
from runtime.entry.http.features.master_routes import master_routes
from runtime.features.masters.master_module import MasterModule
from runtime.testing import MemoryApp
from tests.features.masters.support import THEME, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    master = MasterModule([THEME, WHOLE])
    app = CqrsApp(modules=[CommandModule("tenant")], features=[master], routes=[master_routes(master)])
    with MemoryApp(app, modes={"master": "inline"}) as made:
        yield made


@pytest.fixture
def admin(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="adam", roles=["master_admin"])


@pytest.fixture
def ann(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="ann")


@pytest.fixture
def root(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="root", global_roles=["system_admin"])


SETTINGS = "/api/master-setting"
THEME_BODY = {"code": "theme", "name": "Theme", "settingValue": {"rows": 5}}


def path_of(answer: Any) -> str:
    row = answer.json()
    return f"{SETTINGS}/{quote(row['pk'], safe='')}/{quote(row['sk'], safe='')}"


def test_a_setting_is_made_read_changed_and_deleted(admin: Client, ann: Client) -> None:
    assert ann.get(f"{SETTINGS}/theme").status == 404
    made = admin.post(SETTINGS, THEME_BODY)
    assert made.status == 201
    assert made.json()["id"] == "MASTER#acme#MASTER_SETTING#theme"
    assert made.json()["requestId"]
    assert admin.post(f"{SETTINGS}/tenant", THEME_BODY).status == 409
    found = ann.get(f"{SETTINGS}/theme")
    assert (found.status, found.json()) == (
        200,
        {"id": "MASTER#acme#MASTER_SETTING#theme", "settingValue": {"rows": 5}},
    )
    assert ann.post(f"{SETTINGS}/check-exist/theme").json() is True
    assert ann.post(f"{SETTINGS}/check-exist/other").json() is False

    changed = admin.patch(path_of(made), {"settingValue": {"colour": "red"}})
    assert changed.json()["attributes"] == {"rows": 5, "colour": "red"}
    by_id = f"{SETTINGS}/{quote(made.json()['id'], safe='')}"
    assert admin.put(by_id, {"name": "Look"}).json()["name"] == "Look"
    detail = ann.get(f"{SETTINGS}/detail/{quote(made.json()['id'], safe='')}").json()
    assert (detail["name"], detail["attributes"], detail["version"]) == (
        "Look",
        {"rows": 5, "colour": "red"},
        3,
    )

    assert admin.delete(by_id).status == 200
    assert admin.delete(path_of(made)).status == 404
    assert ann.get(f"{SETTINGS}/theme").status == 404
    assert admin.patch(path_of(made), {"name": "x"}).status == 404


def test_levels_have_routes_of_their_own(admin: Client, ann: Client, root: Client) -> None:
    assert root.post(f"{SETTINGS}/common", THEME_BODY).status == 201
    assert admin.post(f"{SETTINGS}/group", {**THEME_BODY, "groupId": "tokyo#sales"}).status == 201
    mine = ann.post(f"{SETTINGS}/user", {**THEME_BODY, "userId": "ann", "settingValue": {"rows": 9}})
    assert mine.json()["sk"] == "MASTER_SETTING#USER#ann#theme"
    assert ann.get(f"{SETTINGS}/theme").json()["settingValue"] == {"rows": 9}
    for level in ("group", "user"):
        refused = admin.post(f"{SETTINGS}/{level}", THEME_BODY)
        assert (refused.status, refused.json()["errors"][0]["field"]) == (400, f"{level}Id")


def test_lists_are_filtered_sorted_and_counted(admin: Client, ann: Client) -> None:
    for number in range(25):
        admin.post(SETTINGS, {"code": f"c{number:02}", "settingValue": {"description": f"Number {number}"}})
    first = ann.get(f"{SETTINGS}/list", params={"orderBys": "code"}).json()
    assert (first["total"], [row["code"] for row in first["items"]]) == (25, [f"c{n:02}" for n in range(10)])
    third = ann.get(f"{SETTINGS}/list", params={"orderBys": ["-code"], "page": 3}).json()
    assert [row["code"] for row in third["items"]] == [f"c{n:02}" for n in reversed(range(5))]
    some = ann.get(f"{SETTINGS}/list", params={"keyword": "number 2", "code": "C2"}).json()
    assert some["total"] == 5
    admin.delete(f"{SETTINGS}/{quote('MASTER#acme#MASTER_SETTING#c01', safe='')}")
    assert ann.get(f"{SETTINGS}/list").json()["total"] == 24
    gone = ann.get(f"{SETTINGS}/list", params={"isDeleted": "true"}).json()
    assert [row["code"] for row in gone["items"]] == ["c01"]
    assert ann.get(f"{SETTINGS}/list", params={"orderBys": "attributes"}).status == 400


def test_many_are_given_each_on_its_own(admin: Client, ann: Client) -> None:
    items = [
        THEME_BODY,
        {"code": "TTL", "settingValue": {}},
        {"code": "x", "settingValue": {"a": 1}, "groupId": "g"},
        {"code": "y"},
        {"code": "z", "settingValue": {}, "tenantCode": "globex"},
        {"code": "theme", "settingValue": {"rows": "many"}},
    ]
    answer = admin.post(f"{SETTINGS}/bulk", {"items": items})
    assert answer.status == 207
    assert [each["status"] for each in answer.json()["items"]] == [200, 400, 200, 400, 403, 400]
    again = admin.post(f"{SETTINGS}/bulk", {"items": items[:1]}).json()["items"][0]["item"]
    assert (again["version"], again["attributes"]) == (1, {"rows": 5})
    assert [
        each["status"] for each in ann.post(f"{SETTINGS}/bulk", {"items": items[:1]}).json()["items"]
    ] == [403]
    assert admin.post(f"{SETTINGS}/bulk", {"items": [THEME_BODY] * 101}).status == 400


ATTACKS: list[tuple[str, str, Any]] = [
    ("POST", "", THEME_BODY),
    ("POST", "/tenant", {**THEME_BODY, "tenantCode": "globex"}),
    ("POST", "/tenant", {**THEME_BODY, "tenantCode": "GLOBEX"}),
    ("POST", "/tenant", {**THEME_BODY, "tenantCode": "common"}),
    ("POST", "/common", THEME_BODY),
    ("POST", "/group", {**THEME_BODY, "groupId": "g", "tenantCode": "globex"}),
    ("POST", "/user", {**THEME_BODY, "userId": "bob"}),
    ("POST", "/user", {**THEME_BODY, "userId": "ann", "tenantCode": "globex"}),
    ("PATCH", "/MASTER%23globex/MASTER_SETTING%23theme", {"name": "x"}),
    ("PATCH", "/MASTER%23GLOBEX/MASTER_SETTING%23theme", {"name": "x"}),
    ("PATCH", "/MASTER%23acme/MASTER_SETTING%23theme", {"name": "x"}),
    ("PATCH", "/MASTER%23common/MASTER_SETTING%23theme", {"name": "x"}),
    ("PATCH", "/MASTER%23acme/MASTER_SETTING%23USER%23bob%23theme", {"name": "x"}),
    ("PATCH", "/MASTER%23acme/TTL%23local-test-order-command", {"settingValue": {"days": 1}}),
    ("PATCH", "/TENANT%23acme/MASTER", {"settingValue": {"setting": []}}),
    ("DELETE", "/MASTER%23globex/MASTER_SETTING%23theme", None),
    ("DELETE", "/MASTER%23acme/MASTER_SETTING%23theme", None),
    ("DELETE", "/MASTER%23globex%23MASTER_SETTING%23theme", None),
    ("DELETE", "/MASTER%23acme%23colour%23red", None),
    ("PUT", "/MASTER%23globex%23MASTER_SETTING%23theme", {"name": "x"}),
    ("PUT", "/MASTER%23acme%23MASTER_SETTING%23USER%23bob%23theme", {"name": "x"}),
    ("GET", "/detail/MASTER%23globex%23MASTER_SETTING%23theme", None),
    ("GET", "/detail/MASTER%23acme%23MASTER_SETTING%23USER%23bob%23theme", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ATTACKS)
@pytest.mark.parametrize("headers", [{}, {"x-tenant-code": "globex"}, {"x-tenant-code": "common"}])
def test_members_without_a_role_get_at_nothing(
    memory: MemoryApp, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    for tenant, user in (("globex", "adam"), ("acme", "bob")):
        other = memory.client(tenant=tenant, user=user, roles=["master_admin"])
        other.post(SETTINGS, {**THEME_BODY, "settingValue": {"pageTitle": "planted"}})
        other.post(
            f"{SETTINGS}/user", {**THEME_BODY, "userId": user, "settingValue": {"pageTitle": "planted"}}
        )
    before = memory.rows("master", "command"), memory.rows("master", "data")
    ann = memory.client(tenant="acme", user="ann", roles=["clerk"])
    answer = ann.request(method, SETTINGS + path, body, headers=headers)
    assert answer.status in {400, 403, 404}, answer
    assert "planted" not in answer.text
    assert (memory.rows("master", "command"), memory.rows("master", "data")) == before


def test_nobody_gets_at_anything(memory: MemoryApp) -> None:
    nobody = memory.client(user=None, tenant=None)
    for method, path, body in [*ATTACKS, ("GET", "/list", None), ("GET", "/theme", None)]:
        assert nobody.request(method, SETTINGS + path, body).status in {400, 401, 403}
    assert memory.rows("master", "command") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**THEME_BODY, "code": "TTL"},
        {**THEME_BODY, "code": "a#b"},
        {**THEME_BODY, "name": ""},
        {**THEME_BODY, "unknown": 1},
        {**THEME_BODY, "settingValue": None},
        {**THEME_BODY, "settingValue": {"rows": "many"}},
        {**THEME_BODY, "settingValue": {"line": 1}},
        [],
        "text",
    ],
)
def test_bodies_are_refused_by_field(memory: MemoryApp, admin: Client, body: Any) -> None:
    answer = admin.post(SETTINGS, body)
    assert (answer.status, bool(answer.json()["errors"])) == (400, True)
    assert memory.rows("master", "command") == []


def test_conditions_are_refused_where_nobody_heeds_them(admin: Client) -> None:
    assert admin.post(SETTINGS, THEME_BODY, headers={"If-Match": '"1"'}).status == 400
