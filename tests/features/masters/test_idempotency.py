"""A write of masters that is repeated under its ``Idempotency-Key``: the same answer, and nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from runtime import CommandModule, CqrsApp, MasterModule, master_routes
from runtime.testing import MemoryApp
from tests.features.masters.support import THEME, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing import Client

DATA, SETTINGS = "/api/master-data", "/api/master-setting"
COLOUR = {"settingCode": "colour", "name": "Red", "attributes": {"hex": "f00"}}
SETTING = {"code": "theme", "settingValue": {"rows": 5}}
TENANT_SETTING, GROUP = f"{SETTINGS}/MASTER%23acme/MASTER_SETTING%23there", {"groupId": "g"}


def by_id(prefix: str, sk: str) -> str:
    return f"{prefix}/{quote(f'MASTER#acme#{sk}', safe='')}"


WRITES: dict[str, tuple[str, str, Any]] = {
    "common setting": ("POST", f"{SETTINGS}/common", SETTING),
    "tenant setting": ("POST", f"{SETTINGS}/tenant", SETTING),
    "group setting": ("POST", f"{SETTINGS}/group", SETTING | GROUP),
    "user setting": ("POST", f"{SETTINGS}/user", SETTING | {"userId": "ann"}),
    "setting": ("POST", SETTINGS, SETTING),
    "settings in bulk": ("POST", f"{SETTINGS}/bulk", {"items": [SETTING, SETTING | GROUP]}),
    "change of a setting": ("PATCH", TENANT_SETTING, {"settingValue": {"b": 2}}),
    "change of a setting by id": (
        "PUT",
        by_id(SETTINGS, "MASTER_SETTING#there"),
        {"settingValue": {"b": 2}},
    ),
    "a change that is none": ("PATCH", TENANT_SETTING, {"settingValue": {"a": 1}}),
    "deletion of a setting": ("DELETE", TENANT_SETTING, None),
    "deletion of a setting by id": ("DELETE", by_id(SETTINGS, "MASTER_SETTING#there"), None),
    "row": ("POST", DATA, COLOUR | {"code": "red"}),
    "row without a code": ("POST", f"{DATA}/create", COLOUR),
    "rows in bulk": (
        "POST",
        f"{DATA}/bulk",
        {"items": [COLOUR | {"code": "red"}, COLOUR | {"code": "blue"}]},
    ),
    "change of a row": ("PUT", f"{DATA}/MASTER%23acme/colour%23there", {"name": "Other", "seq": 9}),
    "change of a row by id": ("PUT", by_id(DATA, "colour#there"), {"attributes": {"x": 1}}),
    "deletion of a row": ("DELETE", f"{DATA}/MASTER%23acme/colour%23there", None),
    "deletion of a row by id": ("DELETE", by_id(DATA, "colour#there"), None),
    "bulk": ("POST", "/api/master-bulk", {"items": [COLOUR | {"code": "red"}, SETTING, {"code": 7}]}),
}


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    master = MasterModule([THEME, WHOLE])
    app = CqrsApp(modules=[CommandModule("tenant")], features=[master], routes=[master_routes(master)])
    with MemoryApp(app, modes={"master": "inline"}) as made:
        there = client(made, None)
        assert there.post(SETTINGS, {"code": "there", "settingValue": {"a": 1}}).status == 201
        assert there.post(DATA, COLOUR | {"code": "there"}).status == 201
        yield made


def client(memory: MemoryApp, key: str | None = "k", name: str = "root") -> Client:
    headers = {} if key is None else {"idempotency-key": key}
    return memory.client(tenant="acme", user=name, global_roles=["system_admin"], headers=headers)


def answered(answer: Any) -> tuple[int, Any]:
    """What an answer says, apart from the request that it is for."""
    document = answer.json()
    for item in document.get("items", []):
        item.get("problem", {}).pop("instance", None)
    return answer.status, document


def rows(memory: MemoryApp) -> list[Any]:
    return [memory.rows("master", kind) for kind in ("command", "data", "history")]


@pytest.mark.parametrize("name", WRITES)
def test_a_repeat_has_the_same_answer_whatever_others_did_since(memory: MemoryApp, name: str) -> None:
    admin = client(memory)
    first = answered(admin.request(*WRITES[name]))
    assert first[0] in {200, 201, 207}
    assert answered(admin.request(*WRITES[name])) == first
    others = client(memory, None)
    for row in memory.rows("master", "data"):
        key, is_there = f"{quote(row['pk'], safe='')}/{quote(row['sk'], safe='')}", not row.get("isDeleted")
        if row["sk"].startswith("MASTER_SETTING") and is_there:
            assert others.patch(f"{SETTINGS}/{key}", {"name": "Later"}).status == 200
        elif row["sk"].startswith("colour#") and is_there:
            assert others.put(f"{DATA}/{key}", {"name": "Later"}).status == 200
    before = rows(memory)
    again = answered(admin.request(*WRITES[name]))
    if name != "a change that is none":  # it is answered as the row is
        assert again == first
    assert rows(memory) == before


@pytest.mark.parametrize("name", [name for name, write in WRITES.items() if write[0] != "DELETE"])
def test_another_request_with_the_key_is_refused(memory: MemoryApp, name: str) -> None:
    method, path, body = WRITES[name]
    assert client(memory).request(method, path, body).status in {200, 201, 207}
    before = rows(memory)
    if "items" in body:
        items = [{**item, "name": "other"} for item in body["items"]]
        found = client(memory).request(method, path, {"items": items}).json()["items"]
        assert {one["status"] for one in found} <= {422, 400}
    else:
        other = client(memory).request(method, path, {**body, "name": "other"})
        assert (other.status, other.json()["type"]) == (422, "urn:problem-type:cqrs:publish-id-reused")
    assert rows(memory) == before


def test_each_new_row_of_a_request_has_a_code_of_its_own(memory: MemoryApp) -> None:
    for _ in range(2):
        answer = client(memory).post(f"{DATA}/bulk", {"items": [COLOUR, COLOUR]})
        ids = [item["id"] for item in answer.json()["items"]]
        assert len({*ids}) == 2
    assert len([row for row in memory.rows("master", "data") if row["sk"].startswith("colour#")]) == 3
