"""What goes in comes out: by Python and over HTTP, for models of any shape."""

from __future__ import annotations

import json
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import REMOVE, CommandModule, CqrsApp, DataSyncHandler, InvalidInputError, module_routes
from runtime.entry.http.json_format import dumps
from runtime.testing import MemoryApp
from tests.faults.scale import scaled
from tests.models.generated import attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import CommandModel, CqrsModel
    from runtime.testing.requests import Answer, Client

PK = "ITEM#acme"
KEY = (PK, "A1")
STATE = {"pk": PK, "sk": "A1", "code": "A1", "name": "one", "type": "ITEM"}
SYNC = {"mode": "sync"}

each_model = settings(
    max_examples=scaled(15, 60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Shown(DataSyncHandler):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.last: CommandModel[Any] | None = None

    def up(self, command: CommandModel[Any]) -> None:
        self.last = command


@contextmanager
def service(model: type[CqrsModel]) -> Iterator[tuple[CommandModule[Any], MemoryApp, Shown]]:
    shown = Shown()
    module = CommandModule("item", attributes=model, data_sync_handlers=[shown])
    app = CqrsApp(modules=[module], routes=[module_routes(module, prefix="/items", type="ITEM")])
    with MemoryApp(app) as memory:
        yield module, memory, shown


@each_model
@given(value=attributes())
def test_what_is_published_is_read_everywhere(value: CqrsModel) -> None:
    with service(type(value)) as (module, memory, shown):
        me = memory.user("ann", tenant="acme")
        published = module.commands.publish_sync(
            {**STATE, "version": 0, "attributes": value}, invoke_context=me
        )
        assert published is not None
        assert published.attributes == value
        assert shown.last is not None
        assert shown.last.attributes == value
        item = module.data.get_item(KEY, consistent=True, invoke_context=me)
        assert item is not None
        assert item.attributes == value
        (listed,) = module.repository.list_items_by_pk(PK, invoke_context=me).items
        assert listed.attributes == value
        # The same once more changes nothing, as it was read and as it was given.
        for same in (value, item.attributes):
            again = {**STATE, "version": 1, "attributes": same}
            assert module.commands.publish_sync(again, invoke_context=me) is None


@each_model
@given(value=attributes())
def test_a_put_of_what_get_shows_changes_nothing(value: CqrsModel) -> None:
    with service(type(value)) as (module, memory, _):
        client = memory.client(tenant="acme", user="ann")
        me = memory.user("ann", tenant="acme")
        module.commands.publish_sync({**STATE, "version": 0, "attributes": value}, invoke_context=me)
        shown = attributes_in(client.get("/items/A1"))
        body = {"version": 1, "name": "one", "attributes": shown}
        assert send(client, "PUT", "/items/A1", body).status == 204
        # And where something else changes, these do not.
        assert send(client, "PUT", "/items/A1", body | {"name": "two"}).status == 200
        state = module.data.get_item(KEY, consistent=True, invoke_context=me)
        assert state is not None
        assert state.attributes == value
        bulk = send(client, "POST", "/items/bulk", [body | {"sk": "A1", "version": 2, "name": "two"}])
        assert [found["status"] for found in bulk.json()["items"]] == [204]


@each_model
@given(value=attributes(), data=st.data())
def test_a_partial_update_of_one_field_leaves_the_others(value: CqrsModel, data: st.DataObject) -> None:
    model = type(value)
    fields = model.model_fields
    name = data.draw(st.sampled_from(sorted(fields)))
    spelled = data.draw(st.sampled_from([name, fields[name].alias or name]))
    with service(model) as (module, memory, _):
        client = memory.client(tenant="acme", user="ann")
        me = memory.user("ann", tenant="acme")
        module.commands.publish_sync({**STATE, "version": 0, "attributes": value}, invoke_context=me)
        before = memory.rows("item", "data")[0]["attributes"]
        # The same value, by Python and as JSON, in either spelling.
        own = {spelled: value.model_dump(round_trip=True)[name]}
        change = {"pk": PK, "sk": "A1", "version": 1, "attributes": own}
        module.commands.publish_partial_update_sync(change, invoke_context=me)
        (row,) = memory.rows("item", "data")
        assert row["attributes"] == before
        shown = attributes_in(client.get("/items/A1"))
        if not has_computed(shown):
            body = {"attributes": {spelled: shown[fields[name].alias or name]}, "version": row["version"]}
            assert send(client, "PATCH", "/items/A1", body).status == 204
        renamed = {"pk": PK, "sk": "A1", "version": row["version"], "name": "two"}
        module.commands.publish_partial_update_sync(renamed, invoke_context=me)
        (row,) = memory.rows("item", "data")
        assert (row["name"], row["attributes"]) == ("two", before)
        deleted = client.delete("/items/A1", params=SYNC | {"version": row["version"]})
        assert deleted.status == 200


@each_model
@given(value=attributes(), typo=st.text("abcxyz", min_size=4, max_size=6))
def test_an_unknown_field_of_a_partial_update_is_refused(value: CqrsModel, typo: str) -> None:
    with service(type(value)) as (module, memory, _):
        me = memory.user("ann", tenant="acme")
        module.commands.publish_sync({**STATE, "version": 0, "attributes": value}, invoke_context=me)
        change = {"pk": PK, "sk": "A1", "version": 1, "attributes": {typo: 1}}
        if type(value).model_config["extra"] == "allow":
            published = module.commands.publish_partial_update_sync(change, invoke_context=me)
            assert published is not None
            assert published.attributes.model_extra == {**(value.model_extra or {}), typo: 1}
            return
        for unknown in (1, REMOVE, {"deep": None}):
            own = change | {"attributes": {typo: unknown}}
            with pytest.raises(InvalidInputError) as caught:
                module.commands.publish_partial_update_sync(own, invoke_context=me)
            assert [problem.field for problem in caught.value.problems] == [f"attributes.{typo}"]
        assert memory.rows("item", "data")[0]["version"] == 1


def attributes_in(answer: Answer) -> Any:
    """As a client with exact numbers reads them."""
    return json.loads(answer.text, parse_float=Decimal)["attributes"]


def send(client: Client, method: str, path: str, body: Any) -> Answer:
    return client.request(method, path, content=dumps(body), params=SYNC)


def has_computed(shown: Any) -> bool:
    return "grossPrice" in dumps(shown)
