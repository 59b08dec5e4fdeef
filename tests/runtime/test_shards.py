"""Items of one tenant and type, spread over several partition keys."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    CqrsModel,
    ForbiddenError,
    InvalidInputError,
    InvokeContext,
    ItemNotFoundError,
    module_routes,
)
from runtime.model.shards import shard_of
from runtime.queries.pending import Merged
from runtime.queries.shards import joined
from runtime.testing import MemoryApp
from tests.support.service import on_dynamodb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.service import Service

SHARDS = 8


class Click(CqrsModel):
    count: int = 0


click = CommandModule("click", attributes=Click)
clicks = click.service(type="CLICK", shards=SHARDS)
plain = click.service(type="CLICK")
app = CqrsApp(modules=[click], routes=[module_routes(click, prefix="/clicks", type="CLICK", shards=SHARDS)])


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    with MemoryApp(app) as memory:
        yield memory


def listed(**options: Any) -> list[str]:
    """Sort keys of all pages, one after the other."""
    found: list[str] = []
    start = None
    while True:
        page = clicks.list(start_from_sk=start, **options)
        found += [item.sk for item in page.items]
        if page.last_sk is None:
            return found
        assert start is None or (page.last_sk > start) == (options.get("order", "asc") == "asc")
        start = page.last_sk


def test_the_keys_of_a_tenant_are_spread_and_say_whose_they_are(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        for number in range(200):
            clicks.create(Click(), sk=f"{number:04}", sync=True)
    pks = [row["pk"] for row in memory.rows("click", "data")]
    assert set(pks) == {f"CLICK#{shard:02}#acme" for shard in range(SHARDS)}
    assert max(map(pks.count, pks)) < 2 * len(pks) / SHARDS


def test_an_item_is_found_changed_deleted_and_has_its_history(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        clicks.create(Click(count=1), sk="A1")
        assert clicks.get("A1").attributes.count == 1  # their own write, not applied yet
        clicks.change("A1", {"attributes": {"count": 2}}, sync=True)
        assert [state.version for state in click.history.list_versions(clicks.key("A1"))] == [1]
        clicks.delete("A1", sync=True)
        with pytest.raises(ItemNotFoundError):
            clicks.get("A1")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_are_by_sort_key_over_all_shards(memory: MemoryApp, order: str, limit: int) -> None:
    keys = [f"K{number:03}" for number in range(40)]
    with memory.acting_as("ann", tenant="acme"):
        for sk in keys:
            clicks.create(Click(), sk=sk, sync=True)
        assert listed(limit=limit, order=order) == (keys if order == "asc" else keys[::-1])
        assert listed(limit=limit, order=order, sk_prefix="K01") == [
            sk for sk in (keys if order == "asc" else keys[::-1]) if sk.startswith("K01")
        ]
    with memory.acting_as("eve", tenant="other"):
        assert listed(limit=limit) == []


@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["create", "apply", "delete"])), max_size=40),
    st.integers(1, 9),
)
def test_a_list_over_shards_is_that_of_one_partition(steps: list[tuple[int, str]], limit: int) -> None:
    """Whatever is pending, applied or deleted: all that is there, once, and in order but for what is new."""
    with MemoryApp(app) as memory, memory.acting_as("ann", tenant="acme"):
        there: set[str] = set()
        for number, step in steps:
            sk = f"{number:02}"
            if step == "delete" and sk in there:
                clicks.delete(sk)
                there.remove(sk)
            elif step != "delete" and sk not in there:
                clicks.put(sk, Click(count=number), version=-1, sync=step == "apply")
                there.add(sk)
        found = listed(limit=limit)
        assert sorted(found) == sorted(there)
        memory.deliver()
        assert listed(limit=limit) == sorted(there)


@pytest.mark.parametrize(("order", "ends", "shown"), [("asc", "3", ["1", "2"]), ("desc", "7", ["9", "8"])])
def test_a_page_goes_no_further_than_where_a_shard_may_have_more(
    order: Any, ends: str, shown: list[str]
) -> None:
    """A shard's page may be short: of what was deleted a moment ago, and of large rows."""
    short = (Merged((), []), ends)
    whole = (Merged((), [{"sk": sk} for sk in (*shown, "5")]), None)
    merged, last_sk = joined([short, whole], 10, order)
    assert ([row["sk"] for row in merged.rows], last_sk) == (shown, ends)


def test_what_is_new_comes_first_the_newest_before_the_others(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        clicks.create(Click(), sk="5", sync=True)
        for sk in ("7", "3"):
            memory.clock.advance(seconds=1)
            clicks.create(Click(), sk=sk)
        assert [item.sk for item in clicks.list(limit=10).items] == ["3", "7", "5"]


def test_routes_take_shards_too(memory: MemoryApp) -> None:
    ann = memory.client(user="ann", tenant="acme")
    for number in range(12):
        assert (
            ann.post("/clicks", {"sk": f"{number:02}", "name": "n", "version": 0, "attributes": {}}).status
            == 202
        )
    memory.deliver()
    first = ann.get("/clicks", params={"limit": "5"}).json()
    assert [item["sk"] for item in first["items"]] == ["00", "01", "02", "03", "04"]
    rest = ann.get("/clicks", params={"startFromSk": first["lastSk"], "limit": "50"}).json()
    assert [item["sk"] for item in rest["items"]] == [f"{number:02}" for number in range(5, 12)]
    assert ann.get("/clicks/03").status == 200
    assert memory.client(user="eve", tenant="other").get("/clicks/03").status == 404


def test_a_new_sort_key_is_the_same_one_in_a_repeat(memory: MemoryApp) -> None:
    ann = memory.client(user="ann", tenant="acme")
    repeat = {"Idempotency-Key": "a-key-of-one-request"}
    first, second = (
        ann.post("/clicks", {"name": "n", "version": 0, "attributes": {}}, headers=repeat).json()
        for _ in range(2)
    )
    assert first["sk"] == second["sk"]
    assert len(memory.rows("click", "command")) == 1


def test_another_tenants_shard_is_refused(memory: MemoryApp) -> None:
    me = InvokeContext(claims={"sub": "ann", "custom:tenant": "acme"})
    with memory, pytest.raises(ForbiddenError):
        click.repository.list_items_by_pks(["CLICK#00#acme", "CLICK#01#other"], invoke_context=me)


@on_dynamodb
@pytest.mark.parametrize("shards", [1, 4])
def test_a_page_is_two_queries_for_each_shard_all_at_once(
    make_service: Callable[..., Service], shards: int
) -> None:
    service = make_service()
    service.wire.clear()
    meet = threading.Barrier(2 * shards, timeout=60)
    service.wire.before = lambda _call: meet.wait()  # type: ignore[assignment, return-value]
    service.module.service(type="TODO", shards=shards).list(limit=20, invoke_context=service.user())
    assert service.wire.names() == ["dynamodb:Query"] * 2 * shards


@pytest.mark.parametrize("pks", [[], "CLICK#00#acme"])
def test_a_list_of_no_partition_is_refused(memory: MemoryApp, pks: Any) -> None:
    me = InvokeContext(claims={"sub": "ann", "custom:tenant": "acme"})
    with memory, pytest.raises(InvalidInputError, match="pks"):
        click.repository.list_items_by_pks(pks, invoke_context=me)


@pytest.mark.parametrize("shards", [0, 101, -1, 1.5, True, "8"])
def test_a_number_that_there_cannot_be_is_refused(shards: Any) -> None:
    with pytest.raises(ConfigurationError, match="shards must be 1 to 100"):
        click.service(type="CLICK", shards=shards)


def test_there_is_no_one_partition_key(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        assert plain.pk() == "CLICK#acme"
        assert plain.pks() == ("CLICK#acme",)
        with pytest.raises(ConfigurationError, match="8 shards"):
            clicks.pk()


@pytest.mark.parametrize(("sk", "shard"), [("A1", 1), ("ключ", 10), ("", 0)])
def test_the_shard_of_a_key_is_for_ever(sk: str, shard: int) -> None:
    """With another one, what is stored would not be found."""
    assert shard_of(sk, 16) == shard
