"""Sequences over HTTP, and on the operators' side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    ContentionError,
    CqrsApp,
    RotateBy,
    SequenceModule,
    Series,
    Settings,
    StoreUnavailableError,
    sequence_routes,
)
from runtime.store.memory import MemoryStore
from runtime.testing import MemoryApp
from runtime.testing.clients import MemoryResources
from runtime.testing.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator

CLERK = ("clerk",)


class Shop:
    def __init__(self) -> None:
        self.sequences = SequenceModule(
            [
                Series("ticket", format="T%%no#:0>4%%", roles=CLERK, maximum=5),
                Series("branch", format="%%code1%%-%%no%%", codes=1, roles=CLERK),
                Series("yearly", rotate_by=RotateBy.YEARLY, roles=CLERK),
                Series("invoice", gapless=True, roles=CLERK),
                Series("logged", issue_log=True, roles=CLERK),
                Series("internal"),
            ]
        )
        self.order = CommandModule("order")
        self.app = CqrsApp(
            modules=[self.order], features=[self.sequences], routes=[sequence_routes(self.sequences)]
        )


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def memory(shop: Shop) -> Iterator[MemoryApp]:
    with MemoryApp(shop.app) as made:
        yield made


@pytest.fixture
def clerk(memory: MemoryApp) -> Any:
    return memory.client(tenant="acme", user="ann", roles=CLERK)


@pytest.fixture
def root(memory: MemoryApp) -> Any:
    return memory.client(
        tenant="home", user="root", global_roles=["system_admin"], headers={"x-tenant-code": "acme"}
    )


def test_a_number_is_taken(clerk: Any) -> None:
    answer = clerk.post("/sequences/ticket")
    assert answer.status == 201
    assert answer.json() == {
        "id": "SEQ#acme#ticket#none",
        "no": 1,
        "formattedNo": "T0001",
        "issuedAt": "2026-01-01T12:00:00.000+00:00",
        "bucket": "none",
    }
    assert clerk.get("/sequences/ticket/preview").json()["formattedNo"] == "T0002"
    assert clerk.post("/sequences/branch", {"codes": ["A"]}).json()["formattedNo"] == "A-1"
    assert clerk.get("/sequences/branch/preview", params={"code1": "A"}).json()["no"] == 2
    clerk.post("/sequences/branch", {"codes": ["B"]})
    page = clerk.get("/sequences/branch", params={"limit": 1}).json()
    assert page == {
        "items": [
            {
                "type": "branch",
                "codes": ["A"],
                "bucket": "none",
                "no": 1,
                "updatedAt": "2026-01-01T12:00:00.000+00:00",
            }
        ],
        "lastSk": "branch#A#none",
    }


def test_counters_are_listed_page_by_page(memory: MemoryApp, clerk: Any) -> None:
    codes = ["A", "A,B", "Ä b", "Z" * 64]
    for code in codes:
        clerk.post("/sequences/branch", {"codes": [code]})
    clerk.post("/sequences/ticket")
    memory.client(tenant="other", user="eve", roles=CLERK).post("/sequences/branch", {"codes": ["B"]})
    found, params = [], {"limit": 2}
    while True:
        page = clerk.get("/sequences/branch", params=params).json()
        assert len(page["items"]) <= 2
        found += [item["codes"] for item in page["items"]]
        if page.get("lastSk") is None:
            break
        params["startFromSk"] = page["lastSk"]
    assert sorted(found) == sorted([code] for code in codes)
    for start in ("ticket#none", "branch", "x" * 1025, ""):
        answer = clerk.get("/sequences/branch", params={"startFromSk": start})
        assert (answer.status, "startFromSk" in answer.json()["errors"][0]["field"]) == (400, True)


@pytest.mark.parametrize("code", ["A,B", ",", "A, B,C,D,E,F", "%2C", "ß+&=?", "\uff11\uff12"])
def test_a_preview_is_of_any_code(clerk: Any, code: str) -> None:
    assert clerk.post("/sequences/branch", {"codes": [code]}).json()["no"] == 1
    answer = clerk.get("/sequences/branch/preview", params={"code1": code})
    assert (answer.status, answer.json()["formattedNo"]) == (200, f"{code}-2")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"code2": "A"}, "code1"),
        ({"code1": "A#B"}, "code1"),
        ({"code1": ""}, "code1"),
        ({"code1": "A", "code2": "B@"}, "codes"),
        ({}, "codes"),
        ({"code1": ["A", "B"]}, "code1"),
        ({"code1": "A" * 65}, "code1"),
    ],
)
def test_a_preview_of_other_codes_is_refused(clerk: Any, params: dict[str, Any], field: str) -> None:
    answer = clerk.get("/sequences/branch/preview", params=params)
    assert answer.status == 400, answer
    assert field in answer.json()["errors"][0]["field"]


def test_a_repeated_request_has_the_number_of_the_first(memory: MemoryApp, clerk: Any) -> None:
    headers = {"idempotency-key": "mail-1"}
    first = clerk.post("/sequences/ticket", headers=headers)
    assert clerk.post("/sequences/ticket", headers=headers).json() == first.json()
    other = memory.client(tenant="acme", user="bob", roles=CLERK)
    assert other.post("/sequences/ticket", headers=headers).json()["no"] == 2  # a key is its user's own
    clerk.post("/sequences/branch", {"codes": ["A"]}, headers=headers)
    assert clerk.post("/sequences/ticket", headers=headers).json() == first.json()


def test_an_exhausted_series_is_a_conflict(clerk: Any) -> None:
    answers = [clerk.post("/sequences/ticket") for _ in range(6)]
    assert [answer.status for answer in answers] == [201] * 5 + [409]
    assert answers[-1].json()["type"].endswith("sequence-exhausted")
    assert clerk.get("/sequences/ticket/preview").status == 409


def test_a_counter_is_set_and_a_number_voided_by_who_crosses_tenants(clerk: Any, root: Any) -> None:
    assert root.put("/sequences/logged/none", {"no": 7}).json()["no"] == 7
    assert clerk.post("/sequences/logged").json()["no"] == 8
    assert root.post("/sequences/logged/8/void", {"reason": "misprint"}).status == 204
    assert root.post("/sequences/logged/9/void", {"reason": "misprint"}).status == 404
    assert root.put("/sequences/logged/none", {"no": 3}).status == 400
    assert root.put("/sequences/yearly/2027", {"no": 3}).json()["bucket"] == "2027"
    for path, body in (("/sequences/logged/none", {"no": 99}), ("/sequences/logged/8/void", {"reason": "r"})):
        send = clerk.put if path.endswith("none") else clerk.post
        assert send(path, body).status == 403
    assert clerk.get("/sequences/logged/preview").json()["no"] == 9


BAD: dict[str, tuple[str, str, Any, int, str]] = {
    "an unknown series": ("POST", "nothing", None, 404, ""),
    "a series without roles": ("POST", "internal", None, 404, ""),
    "its preview": ("GET", "internal/preview", None, 404, ""),
    "its counters": ("GET", "internal", None, 404, ""),
    "its setting": ("PUT", "internal/none", {"no": 5}, 404, ""),
    "a gapless series": ("POST", "invoice", None, 400, "type"),
    "no codes": ("POST", "branch", None, 400, "codes"),
    "a code that is two": ("POST", "branch", {"codes": ["A#B"]}, 400, "codes.0"),
    "a code of lines": ("POST", "branch", {"codes": ["A\n"]}, 400, "codes.0"),
    "a code that is a version": ("POST", "branch", {"codes": ["A@1"]}, 400, "codes.0"),
    "codes that are no list": ("POST", "branch", {"codes": "A"}, 400, "codes"),
    "too many codes": ("POST", "branch", {"codes": list("ABCDEF")}, 400, "codes"),
    "a tenant in the body": ("POST", "ticket", {"tenantCode": "other"}, 400, "tenantCode"),
    "a date in the body": ("POST", "ticket", {"date": "1999-01-01T00:00:00Z"}, 400, "date"),
    "a format in the body": ("POST", "ticket", {"format": "%%no%%"}, 400, "format"),
    "no bucket of the series": ("PUT", "yearly/none", {"no": 5}, 400, "bucket"),
    "a bucket that is two": ("PUT", "yearly/2026%23x", {"no": 5}, 400, "bucket"),
    "a number that is text": ("PUT", "yearly/2026", {"no": "5"}, 400, "no"),
    "a negative number": ("PUT", "yearly/2026", {"no": -1}, 400, "no"),
    "a huge number": ("PUT", "yearly/2026", {"no": 2**53}, 400, "no"),
    "no reason": ("POST", "logged/1/void", {"reason": ""}, 400, "reason"),
    "a reason of lines": ("POST", "logged/1/void", {"reason": "a\nb"}, 400, "reason"),
    "a void number of a series without records": ("POST", "ticket/1/void", {"reason": "r"}, 400, "type"),
    "a number in words": ("POST", "logged/one/void", {"reason": "r"}, 400, "no"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_count_nothing_and_name_the_field(memory: MemoryApp, root: Any, name: str) -> None:
    method, path, body, status, field = BAD[name]
    answer = root.request(method, f"/sequences/{path}", json=body)
    assert answer.headers["content-type"] == "application/problem+json", answer
    told = [error["field"] for error in answer.json().get("errors", [])]
    assert answer.status == status, answer.json()
    assert not field or any(field in one for one in told), answer.json()
    assert list(rows(memory)) == []


@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_a_condition_that_no_write_heeds_is_refused(memory: MemoryApp, root: Any, header: str) -> None:
    for method, path, body in (
        ("POST", "ticket", None),
        ("PUT", "ticket/none", {"no": 3}),
        ("POST", "logged/1/void", {"reason": "r"}),
    ):
        answer = root.request(method, f"/sequences/{path}", json=body, headers={header: '"1"'})
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, header)
    assert list(rows(memory)) == []


@pytest.mark.parametrize(
    "error", [StoreUnavailableError("DynamoDB", "ThrottlingException"), ContentionError("others are there")]
)
def test_whoever_finds_the_store_busy_may_come_again(
    memory: MemoryApp, clerk: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def busy(*_writes: Any) -> Any:
        raise error

    for method in ("update", "write"):
        monkeypatch.setattr(memory.resources.store, method, busy)
    for headers in ({}, {"idempotency-key": "mail-1"}):
        answer = clerk.post("/sequences/ticket", headers=headers)
        assert (answer.status, answer.json()["written"]) == (503, "nothing")
        assert int(answer.headers["retry-after"]) > 0
    assert list(rows(memory)) == []


def rows(memory: MemoryApp) -> Any:
    return memory.resources.store.rows(memory.resources.settings.sequences_table)  # type: ignore[attr-defined]


def test_who_has_no_role_of_the_series_takes_and_sees_nothing(memory: MemoryApp, clerk: Any) -> None:
    clerk.post("/sequences/ticket")
    before = list(rows(memory))
    for user in (
        memory.client(tenant="acme", user="bob"),
        memory.client(tenant="acme", user="bob", roles=["clerks", "admin"]),
        memory.client(
            tenant="acme", user="bob", claims={"custom:roles": '[{"tenant": "other", "role": "clerk"}]'}
        ),
        memory.client(user=None),
    ):
        for method, path, body in (
            ("POST", "ticket", None),
            ("GET", "ticket", None),
            ("GET", "ticket/preview", None),
            ("PUT", "ticket/none", {"no": 3}),
            ("POST", "logged/1/void", {"reason": "r"}),
        ):
            assert user.request(method, f"/sequences/{path}", json=body).status in {401, 403}
    assert list(rows(memory)) == before


def test_where_the_routes_are(shop: Shop) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        sequence_routes(shop.sequences, prefix="sequences/")
    app = CqrsApp(
        modules=[], features=[shop.sequences], routes=[sequence_routes(shop.sequences, prefix="/no")]
    )
    with MemoryApp(app) as memory:
        clerk = memory.client(tenant="acme", roles=CLERK)
        assert clerk.post("/no/ticket").status == 201
        document = clerk.get("/openapi.json").json()
        assert {path for path in document["paths"] if path.startswith("/no")} == {
            "/no/{type}",
            "/no/{type}/preview",
            "/no/{type}/{bucket}",
            "/no/{type}/{no}/void",
        }


def test_without_routes_nothing_is_there(shop: Shop) -> None:
    with MemoryApp(CqrsApp(modules=[], features=[shop.sequences])) as memory:
        assert memory.client(tenant="acme", roles=CLERK).post("/sequences/ticket").status == 404


# Operators


@pytest.fixture
def operate(shop: Shop) -> Any:
    """Asks the operator function; what it counts in is the sequences' own store."""
    settings = Settings(node_env="local", app_name="shop", function="operator")
    app = CqrsApp(
        modules=[], features=[shop.sequences], resources=MemoryResources(settings, MemoryStore(), Clock())
    )

    def ask(operation: str, **arguments: Any) -> Any:
        return json.loads(json.dumps(app({"operation": operation, **arguments}, None)))

    return ask


def test_operators_see_and_set_counters(operate: Any, shop: Shop) -> None:
    shop.sequences.generate_sequence_item("logged", tenant_code="acme")
    shop.sequences.generate_sequence_item("branch", tenant_code="acme", codes=["A"])
    listed = operate("listSequences", tenant="acme", limit=1)
    assert [(one["codes"], one["no"]) for one in listed["counters"]] == [(["A"], 1)]
    assert listed["lastSk"] == "branch#A#none"
    rest = operate("listSequences", tenant="acme", startFromSk=listed["lastSk"])
    assert ([one["type"] for one in rest["counters"]], rest["lastSk"]) == (["logged"], None)
    assert "error" in operate("listSequences", tenant="acme", type="logged", startFromSk=listed["lastSk"])
    asked = {"tenant": "acme", "type": "logged"}
    assert operate("showSequence", **asked)["counter"]["no"] == 1
    assert operate("showSequence", **asked, bucket="none")["counter"]["no"] == 1
    assert operate("showSequence", tenant="other", type="logged") == {"counter": None}
    assert operate("setSequence", **asked, no=4)["counter"]["no"] == 4
    assert operate("listSequenceGaps", **asked) == {
        "gaps": [{"first": 2, "last": 4, "reason": "set from 1 to 4 by system"}],
        "hasMore": False,
    }
    branch = {"tenant": "acme", "type": "branch", "codes": ["A"]}
    assert operate("setSequence", **branch, no=9)["counter"]["no"] == 9
    for bad in ({"no": 3}, {"no": "7"}, {"no": 7, "bucket": "2026"}, {"no": 7, "dryRun": True}, {}):
        assert "error" in operate("setSequence", **{**asked, **bad})
    assert operate("showSequence", **asked)["counter"]["no"] == 4
