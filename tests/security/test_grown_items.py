"""Limits hold for what an item becomes, and a grown item makes nothing fail for the others of its tenant."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import computed_field

from runtime import CommandModule, CqrsApp, CqrsModel, InvalidInputError, module_routes
from runtime.entry.http.json_format import dumps
from runtime.store.answer_size import MAX_ANSWER, MOST_GROWTH, PAGE_BYTES, answer_bytes, answer_size
from runtime.store.codec import opened, sealed
from runtime.store.item_size import item_size
from runtime.store.port import Delete
from runtime.store.values import Place
from runtime.testing import MemoryApp
from tests.faults.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.testing.requests import Client

PK = "DOC#acme"
PART = "x" * 90_000
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    doc = CommandModule("doc")
    hits = {"items": [{"n": n, "text": PART} for n in range(100)], "total": 100}
    routes = module_routes(doc, prefix="/docs", type="DOC", search=lambda query: _hits(hits, query))
    with MemoryApp(CqrsApp(modules=[doc], routes=routes), bucket_name="attributes") as found:
        yield found


def _hits(hits: Any, query: Any) -> Any:
    return hits | {"items": hits["items"][: query.page_size]}


@pytest.fixture
def client(memory: MemoryApp) -> Client:
    return memory.client(tenant="acme", user="ann")


def send(client: Client, method: str, target: str, body: Any = None, **options: Any) -> Any:
    """A request whose target has its query in it."""
    path, _, query = target.partition("?")
    params = dict(part.split("=") for part in query.split("&")) if query else {}
    return client.request(method, path, body, params=params, **options)


def create(client: Client, sk: str, **attributes: Any) -> None:
    body = {"sk": sk, "version": 0, "name": "n", "attributes": attributes}
    assert send(client, "POST", "/docs?mode=sync", body).status == 201


def grow(client: Client, sk: str, parts: int, *, start: int = 0) -> Any:
    """Patch by patch, each well within the limit of a body."""
    for number in range(start, start + parts):
        change = {"attributes": {f"part{number}": PART}}
        answer = send(client, "PATCH", f"/docs/{sk}?mode=sync", change, headers={"If-Match": "*"})
        if answer.status != 200:
            break
    return answer


def allow(memory: MemoryApp, limit: int) -> None:
    """Another limit: as an item may have become large under an earlier release."""
    memory.app.use(_with(memory, limit))


def _with(memory: MemoryApp, limit: int) -> Any:
    memory.resources.settings = replace(memory.resources.settings, item_limit=limit)
    memory.resources.__dict__.pop("large_attributes", None)
    return memory.resources


def pages(client: Client, path: str) -> list[list[str]]:
    """The sort keys on each page, in their order."""
    found, start = [], ""
    while True:
        answer = send(client, "GET", f"{path}{start}")
        assert answer.status == 200, answer.text
        assert answer_bytes(answer.text) <= MAX_ANSWER
        found.append([item["sk"] for item in answer.json()["items"]])
        if "lastSk" not in answer.json():
            return found
        start = f"&startFromSk={answer.json()['lastSk']}"


# What an item becomes


def test_an_item_does_not_grow_beyond_its_limit(memory: MemoryApp, client: Client) -> None:
    create(client, "A1")
    answer = grow(client, "A1", 20)
    assert (answer.status, [error["field"] for error in answer.json()["errors"]]) == (400, ["attributes"])
    assert "ITEM_SIZE_LIMIT is 1048576" in answer.text
    before = memory.rows("doc", "command"), dict(memory.resources.objects)
    assert grow(client, "A1", 1, start=50).status == 400
    assert (memory.rows("doc", "command"), memory.resources.objects) == before
    assert send(client, "GET", "/docs/A1").status == 200


@pytest.mark.parametrize("way", ["PUT", "bulk", "partial", "with retry", "change", "async"])
def test_nor_by_any_other_way(memory: MemoryApp, way: str) -> None:
    commands, me = memory.app.modules["doc"].commands, memory.user("ann", tenant="acme")
    large = {f"part{n}": PART for n in range(15)}
    state = {"pk": PK, "sk": "A1", "code": "c", "name": "n", "type": "DOC", "attributes": large}
    memory.resources.settings = replace(memory.resources.settings, request_body_limit=10**7)
    memory.app.use(memory.resources)
    client = memory.client(tenant="acme", user="ann")
    body = {"name": "n", "attributes": large, "version": 0}
    if way == "PUT":
        answer = send(client, "PUT", "/docs/A1", body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "attributes")
    elif way == "bulk":
        (result,) = send(client, "POST", "/docs/bulk", [body]).json()["items"]
        assert (result["status"], result["problem"]["errors"][0]["field"]) == (400, "attributes")
    else:
        create(client, "A2")
        call = {
            "partial": lambda: commands.publish_partial_update_sync(
                {"pk": PK, "sk": "A2", "version": 1, "attributes": large}, invoke_context=me
            ),
            "with retry": lambda: commands.publish_with_retry(
                (PK, "A3"), lambda _: {**state, "sk": "A3"}, invoke_context=me
            ),
            "change": lambda: commands.publish_change(
                (PK, "A2"), lambda found: found.replace(attributes=large), invoke_context=me
            ),
            "async": lambda: commands.publish_async({**state, "version": 0}, invoke_context=me),
        }[way]  # fmt: skip
        with pytest.raises(InvalidInputError, match="attributes: would take"):
            call()


def test_what_became_too_large_under_another_limit_can_be_cut_down_and_deleted(
    memory: MemoryApp, client: Client
) -> None:
    create(client, "A1")
    grow(client, "A1", 8)
    allow(memory, 300_000)
    assert send(client, "PATCH", "/docs/A1?mode=sync", {"name": "m"}, headers={"If-Match": "*"}).status == 200
    assert grow(client, "A1", 1, start=50).status == 400
    cut = send(
        client,
        "PATCH",
        "/docs/A1?mode=sync",
        {"attributes": {"part0": None}},
        headers={**MERGE, "If-Match": "*"},
    )
    assert cut.status == 200
    assert send(client, "DELETE", "/docs/A1?mode=sync", headers={"If-Match": "*"}).status == 200
    assert send(client, "GET", "/docs/A1").status == 404


# Lists


def test_a_list_ends_by_bytes(client: Client) -> None:
    wanted = [f"A{number:02}" for number in range(12)]
    for sk in wanted:
        create(client, sk)
        assert grow(client, sk, 8).status == 200
    for query in ("limit=100", "limit=100&order=desc", "limit=5", "skPrefix=A&limit=100"):
        found = pages(client, f"/docs?{query}")
        order = sorted(wanted, reverse="desc" in query)
        assert [sk for page in found for sk in page] == order
        assert all(found)


def test_one_item_that_no_answer_holds_is_named_and_the_others_are_listed(
    memory: MemoryApp, client: Client
) -> None:
    allow(memory, 20 * 1024 * 1024)
    for sk in ("A", "B", "C"):
        create(client, sk, text="small")
    assert grow(client, "B", 75).status == 200
    answer = send(client, "GET", "/docs?limit=100")
    assert [item["sk"] for item in answer.json()["items"]] == ["A", "C"]
    assert answer.json()["tooLarge"] == ["B"]
    assert send(client, "GET", "/docs/B").json()["type"].endswith("answer-too-large")
    listed = memory.app.modules["doc"].data.list_items_by_pk(
        PK, invoke_context=memory.user("ann", tenant="acme")
    )
    assert [item.sk for item in listed.items] == ["A"]
    assert listed.last_sk == "A"
    assert send(client, "DELETE", "/docs/B?mode=sync", headers={"If-Match": "*"}).status == 200
    assert "B" not in [sk for page in pages(client, "/docs?limit=100") for sk in page]


def test_ones_own_new_items_take_half_a_page_at_the_most(memory: MemoryApp) -> None:
    commands, me = memory.app.modules["doc"].commands, memory.user("ann", tenant="acme")
    client = memory.client(tenant="acme", user="ann")
    large = {f"part{n}": PART for n in range(9)}
    state = {"pk": PK, "code": "c", "name": "n", "type": "DOC", "version": 0, "attributes": large}
    for number in range(5):
        commands.publish_sync({**state, "sk": f"A{number}"}, invoke_context=me)
    for number in range(5):
        memory.clock.advance(seconds=1)
        commands.publish_async({**state, "sk": f"B{number}"}, invoke_context=me)
    first, *rest = pages(client, "/docs?limit=100")
    assert first[:2] == ["B4", "B3"]
    assert [sk for sk in (*first, *(sk for page in rest for sk in page)) if sk.startswith("A")] == [
        f"A{number}" for number in range(5)
    ]
    memory.deliver()
    found = [sk for page in pages(client, "/docs?limit=100") for sk in page]
    assert found == [f"{kind}{number}" for kind in "AB" for number in range(5)]


class Doubled(CqrsModel):
    text: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def again(self) -> str:
        """What takes room in an answer without being stored."""
        return self.text


def test_what_a_model_makes_of_its_fields_counts() -> None:
    doc: CommandModule[Any] = CommandModule("doc", attributes=Doubled)
    app = CqrsApp(modules=[doc], routes=module_routes(doc, prefix="/docs", type="DOC"))
    with MemoryApp(app, bucket_name="attributes") as memory:
        me = memory.user("ann", tenant="acme")
        for number in range(8):
            state = {"pk": PK, "sk": f"A{number}", "code": "c", "name": "n", "type": "DOC", "version": 0}
            attributes = {"text": "x" * 500_000}
            doc.commands.publish_sync({**state, "attributes": attributes}, invoke_context=me)
        found = pages(memory.client(tenant="acme", user="ann"), "/docs?limit=100")
        assert [sk for page in found for sk in page] == [f"A{number}" for number in range(8)]


# History, bulk answers, searches


def test_a_page_of_the_history_ends_by_bytes(client: Client) -> None:
    create(client, "A1")
    grow(client, "A1", 10)
    for number in range(12):
        change = {"attributes": {"n": number}}
        assert send(client, "PATCH", "/docs/A1?mode=sync", change, headers={"If-Match": "*"}).status == 200
    versions, start, count = [], 0, 0
    while True:
        answer = send(client, "GET", f"/docs/A1/history?limit=100&startFromVersion={start}")
        assert answer.status == 200
        versions += [item["version"] for item in answer.json()["items"]]
        count += 1
        if "lastVersion" not in answer.json():
            break
        start = answer.json()["lastVersion"]
    assert versions == list(range(1, 23))
    assert count > 3


def test_the_history_is_that_of_the_present_life(memory: MemoryApp, client: Client) -> None:
    create(client, "A1", life=1)
    grow(client, "A1", 2)
    module = memory.app.modules["doc"]
    for table in (module.tables.data, module.tables.command):  # both have expired, the history has not
        for row in memory.store.rows(table):
            memory.store.write(Delete(place=Place(table, row["pk"], row["sk"])))
    create(client, "A1", life=2)
    assert send(client, "GET", "/docs/A1/history").json() == {"items": []}
    assert send(client, "PATCH", "/docs/A1?mode=sync", {"name": "m"}, headers={"If-Match": "*"}).status == 200
    assert [item["attributes"] for item in send(client, "GET", "/docs/A1/history").json()["items"]] == [
        {"life": 2}
    ]


def test_a_bulk_answer_has_a_size() -> None:
    doc = CommandModule("doc")
    app = CqrsApp(modules=[doc], routes=module_routes(doc, prefix="/docs", type="DOC", bulk_limit=10_000))
    with MemoryApp(app, request_body_limit=10**7) as memory:
        wrong = {f"{'k' * 150}{n}": 1 for n in range(50)}
        body = [{"sk": f"A{n}", **wrong} for n in range(900)] + [
            {"sk": f"B{n}", "version": 0, "name": "n", "attributes": {}} for n in range(20)
        ]
        answer = send(memory.client(tenant="acme", user="ann"), "POST", "/docs/bulk", body)
        assert answer.status == 207
        assert answer_bytes(answer.text) <= MAX_ANSWER
        items = answer.json()["items"]
        assert [item["status"] for item in items] == [400] * 900 + [202] * 20
        assert "errors" in items[0]["problem"]
        assert set(items[899]["problem"]) <= {"type", "title", "status", "written"}


def test_a_search_answers_with_what_fits_and_says_what_does_not(client: Client) -> None:
    answer = send(client, "GET", "/docs/search?pageSize=100")
    assert answer.status == 200
    assert answer_bytes(answer.text) <= MAX_ANSWER
    assert len(answer.json()["items"]) + answer.json()["leftOut"] == 100
    assert "leftOut" not in send(client, "GET", "/docs/search?pageSize=20").json()


# The measure

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.text(max_size=20),
        st.integers(-(10**37), 10**37),
        st.decimals(
            allow_nan=False, allow_infinity=False, min_value=Decimal(-(10**20)), max_value=10**20, places=5
        ),
        st.sampled_from([Decimal("1E125"), Decimal("-1E-130"), "\0" * 9, '"' * 9, "\U0001f600", "\u8a9e"]),
        st.binary(max_size=20),
        st.sets(st.text(max_size=5), min_size=1, max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=scaled(30, 300), deadline=None)
def test_the_measure_is_what_an_answer_takes(value: Any) -> None:
    column = sealed(value, path="attributes")
    measured, real = answer_size(column), answer_bytes(dumps(opened(column)))
    assert real <= measured <= real + 12 * (1 + len(json.dumps(value, default=str)))
    assert measured <= MOST_GROWTH * item_size({"attributes": column})


def test_a_page_with_ones_own_items_in_it_fits() -> None:
    assert PAGE_BYTES * 3 // 2 < MAX_ANSWER
