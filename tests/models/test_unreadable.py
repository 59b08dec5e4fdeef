"""Rows that the model of today cannot read never stand in the way of others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import (
    AfterValidator,
    Field,
    FutureDate,
    FutureDatetime,
    PastDate,
    computed_field,
    create_model,
    model_validator,
)

from runtime import (
    CommandModule,
    CqrsApp,
    CqrsModel,
    DataSyncHandler,
    InvalidInputError,
    UnreadableRowError,
    clock,
    erase,
    module_routes,
)
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.store.codec import sealed
from runtime.store.port import Delete, Put
from runtime.store.values import Place
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import CommandModel

PK = "ITEM#acme"
SYNC = {"mode": "sync"}
START = datetime.fromisoformat("2026-01-01T12:00:00+00:00")


def _not_past(moment: datetime) -> datetime:
    if moment <= clock.now():
        message = "is over"
        raise ValueError(message)
    return moment


class Wide(CqrsModel):
    count: int = 0
    until: datetime = START + timedelta(days=9999)


class Narrow(CqrsModel):
    count: int = Field(0, le=10)
    until: Annotated[datetime, AfterValidator(_not_past)] = START + timedelta(days=9999)

    @model_validator(mode="after")
    def _broken(self) -> Narrow:
        if self.count == 7:
            raise LookupError(self.count)  # a bug of the user's, of any type
        return self


class Shown(DataSyncHandler):
    """A read model."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def up(self, command: CommandModel[Any]) -> None:
        sk = command.sk.partition("@")[0]
        if command.is_deleted:
            self.rows.pop(sk, None)
        else:
            self.rows[sk] = command.attributes.count

    def down(self, command: CommandModel[Any]) -> None:
        self.rows.pop(command.sk.partition("@")[0], None)


class Service:
    """A module whose model becomes another one."""

    def __init__(self) -> None:
        self.shown = Shown()
        self.memory = MemoryApp(self.app(Wide))
        self.client = self.memory.client(tenant="acme")
        self.user = self.memory.user(tenant="acme")

    def app(self, model: Any) -> CqrsApp:
        self.module: CommandModule[Any] = CommandModule(
            "item", attributes=model, data_sync_handlers=[self.shown]
        )
        return CqrsApp(
            modules=[self.module], routes=[module_routes(self.module, prefix="/items", type="ITEM")]
        )

    def deploy(self, model: Any) -> None:
        """Let the tables be those of another release."""
        store = self.memory.store
        self.memory.close()
        self.memory = MemoryApp(self.app(model))
        self.memory.clock.advance(days=1)
        for table in (
            self.module.tables.command,
            self.module.tables.data,
            self.module.tables.history,
            self.module.tables.sync,
        ):
            for row in store.rows(table):
                self.memory.store.write(Put(table=table, row=row))
        # They were delivered long ago.
        self.memory.deliver(lose=[row["sk"] for row in store.rows(self.module.tables.command)])
        self.client = self.memory.client(tenant="acme")
        self.user = self.memory.user(tenant="acme")

    def put(self, sk: str, version: int = 0, **attributes: Any) -> None:
        body = {"sk": sk, "version": version, "name": sk, "attributes": attributes}
        assert self.client.post("/items", body, params=SYNC).status in {200, 201}


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    made.put("a", count=1)
    made.put("b", count=2)
    made.put("b", 1, count=11)  # too many for the next release
    made.put("c", count=7)
    made.put("d", until=(START + timedelta(hours=1)).isoformat())
    made.put("e", count=3)
    made.deploy(Narrow)
    yield made
    made.memory.close()


def test_a_list_has_the_others_and_says_which(service: Service) -> None:
    page = service.client.get("/items").json()
    assert [item["sk"] for item in page["items"]] == ["a", "e"]
    assert [(row["sk"], row["version"], row["problems"][0]["field"]) for row in page["unreadable"]] == [
        ("b", 2, "attributes.count"),
        ("c", 1, "attributes"),
        ("d", 1, "attributes.until"),
    ]
    for listing in (service.module.data, service.module.repository):
        found = listing.list_items_by_pk(PK, invoke_context=service.user)
        assert [item.sk for item in found.items] == ["a", "e"]
        assert [row.sk for row in found.unreadable or ()] == ["b", "c", "d"]


def test_pages_go_on_behind_it(service: Service) -> None:
    seen, start = [], {}
    while True:
        page = service.client.get("/items", params={"limit": 1, **start}).json()
        seen += [item["sk"] for item in [*page["items"], *page.get("unreadable", ())]]
        if "lastSk" not in page:
            break
        start = {"startFromSk": page["lastSk"]}
    assert seen == ["a", "b", "c", "d", "e"]


def test_iterating_gives_the_others_and_ends_with_an_error(service: Service) -> None:
    seen: list[str] = []
    rows = service.module.data.iterate_items_by_pk(PK, invoke_context=service.user)
    with pytest.raises(UnreadableRowError, match="and 2 more rows") as caught:
        seen.extend(item.sk for item in rows)
    assert seen == ["a", "e"]
    assert (caught.value.sk, caught.value.others) == ("b", ((PK, "c"), (PK, "d")))


def test_the_item_itself_is_an_error_that_says_why(service: Service) -> None:
    answer = service.client.get("/items/b")
    assert answer.status == 500
    problem = answer.json()
    assert problem["type"] == "urn:problem-type:cqrs:unreadable-row"
    assert [error["field"] for error in problem["errors"]] == ["attributes.count"]
    assert "11" not in answer.text.replace("2011", "")
    with pytest.raises(UnreadableRowError) as caught:
        service.module.data.get_item((PK, "b"), invoke_context=service.user)
    assert caught.value.__cause__ is None or "11" not in str(caught.value)


@pytest.mark.parametrize("sk", ["b", "c", "d"])
def test_it_can_be_deleted_and_its_read_model_follows(service: Service, sk: str) -> None:
    version = 2 if sk == "b" else 1
    before = next(row for row in service.memory.rows("item", "data") if row["sk"] == sk)
    assert service.client.delete(f"/items/{sk}", params=SYNC | {"version": version}).status == 200
    assert sk not in service.shown.rows
    after = next(row for row in service.memory.rows("item", "data") if row["sk"] == sk)
    assert (after["isDeleted"], after["attributes"]) == (True, before["attributes"])
    page = service.client.get("/items").json()
    assert [item["sk"] for item in page["items"]] == ["a", "e"]
    # And in the background.
    other = "c" if sk == "b" else "b"
    assert (
        service.client.delete(f"/items/{other}", params={"version": 1 if other == "c" else 2}).status == 202
    )
    service.memory.deliver()
    assert other not in service.shown.rows


def test_it_can_be_mended_and_nothing_else_of_it_changed(service: Service) -> None:
    late = {"version": 2, "name": "other"}
    answer = service.client.patch("/items/b", late, params=SYNC)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "attributes.count")
    mended = {"version": 2, "attributes": {"count": 10}}
    assert service.client.patch("/items/b", mended, params=SYNC).status == 200
    assert service.client.get("/items/b").json()["attributes"]["count"] == 10
    whole = {"version": 1, "name": "c", "attributes": {"count": 1}}
    assert service.client.put("/items/c", whole, params=SYNC).status == 200


def test_history_has_the_others(service: Service) -> None:
    service.put("b", 2, count=5)
    found = service.client.get("/items/b/history").json()
    assert [state["version"] for state in found["items"]] == [1]
    assert [row["version"] for row in found["unreadable"]] == [2]
    first = service.client.get("/items/b/history", params={"limit": 1}).json()
    assert ([state["version"] for state in first["items"]], first["lastVersion"]) == ([1], 1)
    rest = service.client.get("/items/b/history", params={"limit": 1, "startFromVersion": 1}).json()
    assert (rest["items"], [row["version"] for row in rest["unreadable"]]) == ([], [2])
    assert "lastVersion" not in rest
    states = service.module.history.list_versions((PK, "b"), invoke_context=service.user)
    assert ([state.version for state in states], len(states.unreadable or ())) == ([1], 1)


def test_a_sweep_shows_the_others_to_a_handler(service: Service) -> None:
    service.shown.rows.clear()
    for row in service.memory.store.rows(service.module.tables.sync):
        service.memory.store.write(Delete(place=Place(service.module.tables.sync, row["pk"], row["sk"])))
    failed: list[Any] = []
    admin = service.memory.user(tenant="acme", global_roles=["system_admin"])
    service.module.commands.re_sync_data(
        on_page=lambda progress: failed.extend(progress.failed), invoke_context=admin
    )
    assert service.shown.rows == {"a": 1, "e": 3}
    assert len(failed) == 3


def test_it_can_be_erased(service: Service) -> None:
    admin = service.memory.user(tenant="acme", global_roles=["system_admin"])
    erase(service.module, (PK, "b"), invoke_context=admin)
    assert "b" not in service.shown.rows
    assert "b" not in {row["sk"] for row in service.memory.rows("item", "data")}


def test_operators_see_it_raw(service: Service) -> None:
    operator = Operator(Scope({"item": service.module}, service.memory.resources))
    key = {"operation": "show", "module": "item", "pk": PK, "sk": "b"}
    shown = operator.run(key)
    assert (shown["data"]["version"], "attributes" in shown["data"]) == (2, False)
    raw = operator.run(key | {"raw": True})["data"]
    assert raw["attributes"]["M"]["count"] == {"N": "11"}
    assert [problem["field"] for problem in raw["problems"]] == ["attributes.count"]
    fine = operator.run(key | {"raw": True, "sk": "a"})["data"]
    assert (fine["attributes"]["M"]["count"], fine["problems"]) == ({"N": "1"}, [])


def test_a_duplicate_says_the_same_and_does_not_raise(service: Service) -> None:
    made = service.module.commands.duplicate((PK, "b@2"), invoke_context=service.user)
    assert made is not None
    assert made.version == 3


class Timed(CqrsModel):
    at: FutureDatetime | None = None
    day: dict[str, list[FutureDate]] = Field(default_factory=dict)


def test_a_rule_about_the_present_is_one_of_publishing() -> None:
    """What was in the future once is read for ever; a new version has to keep the rule again."""
    module: CommandModule[Any] = CommandModule("item", attributes=Timed)
    app = CqrsApp(modules=[module], routes=[module_routes(module, prefix="/items", type="ITEM")])
    with MemoryApp(app) as memory:
        client, me = memory.client(tenant="acme"), memory.user(tenant="acme")
        past = Timed.model_construct(at=START, day={"x": [START.date()]})
        command = {
            "pk": PK,
            "sk": "a",
            "code": "a",
            "name": "a",
            "type": "ITEM",
            "version": 0,
            "attributes": past,
        }
        # Given as an instance, it is as its author has checked it: that is how time goes by here.
        assert module.commands.publish_sync(command, invoke_context=me) is not None
        shown = client.get("/items/a").json()["attributes"]
        assert shown == {"at": "2026-01-01T12:00:00.000+00:00", "day": {"x": ["2026-01-01"]}}
        (item,) = client.get("/items").json()["items"]
        assert item["attributes"] == shown
        assert client.put("/items/a", {"version": 1, "name": "a", "attributes": shown}).status == 400
        assert client.patch("/items/a", {"version": 1, "name": "b"}).status == 400
        assert client.delete("/items/a", params=SYNC | {"version": 1}).status == 200


class Ratio(CqrsModel):
    part: int
    whole: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def own_share(self) -> float:
        return self.part / self.whole if self.part else float("inf")


class Ratios(CqrsModel):
    ratios: list[Ratio] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("model", "good", "field"),
    [(Ratio, {"part": 1, "whole": 2}, "attributes.ownShare"), (Ratios, {}, "attributes")],
)
@pytest.mark.parametrize("bad", [{"part": 1, "whole": 0}, {"part": 0, "whole": 1}])
def test_what_a_computed_field_makes_of_an_item_takes_no_list_with_it(
    model: Any, good: Any, field: str, bad: Any
) -> None:
    """One that raises, or is what JSON does not have: refused at publish, and named in lists."""
    module: CommandModule[Any] = CommandModule("item", attributes=model)
    app = CqrsApp(modules=[module], routes=[module_routes(module, prefix="/items", type="ITEM")])
    with MemoryApp(app) as memory:
        client = memory.client(tenant="acme")
        bad = bad if model is Ratio else {"ratios": [bad]}
        for sk, attributes, status in (("a", good, 201), ("b", bad, 400), ("c", good, 201)):
            body = {"sk": sk, "version": 0, "name": sk, "attributes": attributes}
            answer = client.post("/items", body, params=SYNC)
            assert answer.status == status
            if status == 400:
                assert [problem["field"] for problem in answer.json()["errors"]] == [field]
        # Another release stored it, which had no such field.
        for table in (module.context.tables.data, module.context.tables.command):
            for row in list(memory.store.rows(table)):
                if row["sk"].startswith("c"):
                    changed = {**row, "attributes": sealed(bad, path="attributes")}
                    memory.store.write(Put(table=table, row=changed))
        listed = client.get("/items").json()
        assert [item["sk"] for item in listed["items"]] == ["a"]
        assert [(row["sk"], row["problems"][0]["field"]) for row in listed["unreadable"]] == [("c", field)]
        assert client.get("/items/c").status == 500
        assert client.delete("/items/c", params=SYNC | {"version": 1}).status == 200


class Planned(CqrsModel):
    day: FutureDate


class Held(CqrsModel):
    day: PastDate


class Cancelled(CqrsModel):
    why: str = ""


@pytest.mark.parametrize("other", [Cancelled, Held])
def test_time_makes_no_other_option_of_a_union_of_it(other: Any) -> None:
    model = create_model("Plan", __base__=CqrsModel, state=(Planned | other, ...))
    module: CommandModule[Any] = CommandModule("item", attributes=model)
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        me = memory.user(tenant="acme")
        command = {"pk": PK, "sk": "a", "code": "a", "name": "a", "type": "ITEM", "version": 0}
        # As its author has checked it, when it was still to come.
        planned = model.model_construct(state=Planned.model_construct(day=START.date()))
        assert module.commands.publish_sync({**command, "attributes": planned}, invoke_context=me) is not None
        found = module.data.get_item((PK, "a"), invoke_context=me)
        assert found is not None
        assert found.attributes.state == Planned.model_construct(day=START.date())
        if other is Held:  # a day that is over says the same of both
            held = {**command, "sk": "b", "attributes": {"state": {"day": START.date()}}}
            with pytest.raises(InvalidInputError, match="tells them apart"):
                module.commands.publish_sync(held, invoke_context=me)


def test_what_is_drafted_is_checked_by_the_rules_of_today() -> None:
    module: CommandModule[Any] = CommandModule("item", attributes=Narrow)
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        command = {"pk": PK, "sk": "a", "code": "a", "name": "a", "type": "ITEM", "version": 0}
        for count in (11, 7):
            with pytest.raises((InvalidInputError, LookupError)):
                module.commands.publish_sync(
                    {**command, "attributes": {"count": count}}, invoke_context=memory.user(tenant="acme")
                )
        assert memory.rows("item", "command") == []
