"""Kinds of models: those that simply work, those that are refused at once, and those by the value."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations
from enum import Enum, IntFlag
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    RootModel,
    Secret,
    SecretStr,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)
from typing_extensions import TypedDict

from runtime import (
    CommandInputModel,
    CommandModule,
    ConfigurationError,
    CqrsApp,
    CqrsModel,
    InvalidInputError,
    module_routes,
)
from runtime.store.codec import sealed
from runtime.store.port import Put
from runtime.testing import MemoryApp
from tests.models.test_round_trips import KEY, PK, STATE, SYNC, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime import InvokeContext


class Plain(BaseModel):
    order_no: str = Field(validation_alias="orderNo")


class Serialized(CqrsModel):
    order_no: str = Field(serialization_alias="OrderNumber")


class OnlyByPath(BaseModel):
    city: str = Field(validation_alias=AliasPath("address", "city"))


class Optional(BaseModel):
    """Would be lost without a word."""

    order_no: str = Field("", validation_alias="orderNo")


class Excluded(CqrsModel):
    pin: str = Field(exclude=True)


class Hidden(CqrsModel):
    token: SecretStr


class Iterated(CqrsModel):
    parts: Iterable[int]


class Called(CqrsModel):
    back: Callable[[int], int]


class Own:
    """Nothing that pydantic knows."""


class Arbitrary(CqrsModel):
    own: Own


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str


class SetOfModels(CqrsModel):
    parts: set[Frozen] = Field(default_factory=set)


class SecretNumber(CqrsModel):
    pin: Secret[int]


class AnyClass(CqrsModel):
    kind: type


class Pairs(CqrsModel):
    by_pair: dict[tuple[int, int], str] = Field(default_factory=dict)


class ByModel(CqrsModel):
    by_part: dict[Frozen, str] = Field(default_factory=dict)


class InOrder(CqrsModel):
    steps: OrderedDict[str, int] = Field(default_factory=OrderedDict)


class Twice(CqrsModel):
    one: int = Field(alias="same")
    two: int = Field(alias="same")


@pytest.mark.parametrize(
    ("model", "field", "fix"),
    [
        (Plain, "attributes.order_no", "alias="),
        (Serialized, "attributes.order_no", "alias="),
        (OnlyByPath, "attributes.city", "alias="),
        (Optional, "attributes.order_no", "alias="),
        (Excluded, "attributes.pin", "exclude=True"),
        (Hidden, "attributes.token", "serializer"),
        (Iterated, "attributes.parts", "list"),
        (Called, "attributes.back", "name"),
        (Arbitrary, "attributes.own", "PlainSerializer"),
        (SetOfModels, "attributes.parts", "list"),
        (SecretNumber, "attributes.pin", "serializer"),
        (AnyClass, "attributes.kind", "name"),
        (Pairs, "attributes.by_pair", "text"),
        (ByModel, "attributes.by_part", "text"),
        (InOrder, "attributes.steps", "list"),
        (Twice, "attributes.two", "alias"),
        (Own, "attributes", "PlainSerializer"),
        (SecretStr, "attributes", "serializer"),
    ],
)
def test_a_model_that_can_never_work_is_refused_when_the_module_is_made(
    model: Any, field: str, fix: str
) -> None:
    in_a_list: Any = (
        model if field == "attributes" else create_model("Outer", inner=(list[model] | None, None))
    )
    for one in (model, in_a_list):
        with pytest.raises(ConfigurationError, match="can never store") as caught:
            CommandModule("item", attributes=one)
        place = field if one is model else field.replace("attributes", "attributes.inner[]")
        assert place in str(caught.value)
        assert fix in str(caught.value)


class Choices(BaseModel):
    order_no: str = Field(validation_alias=AliasChoices("orderNo", "order_no"))


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    order_no: str = Field(validation_alias="orderNo")


class Kept(CqrsModel):
    """Excluded, and there without being given."""

    title: str
    cache: dict[str, int] = Field(default_factory=dict, exclude=True)
    _seen_at: datetime = PrivateAttr(default_factory=lambda: datetime.now(UTC))


class OpenSecret(CqrsModel):
    token: SecretStr

    @field_serializer("token")
    def _token(self, token: SecretStr) -> str:
        return token.get_secret_value()


class Converted(CqrsModel):
    own: Annotated[
        Own,
        BeforeValidator(lambda value: value if isinstance(value, Own) else Own()),
        PlainSerializer(lambda _own: "own"),
    ]


@pytest.mark.parametrize(
    ("model", "attributes"),
    [
        (Choices, {"orderNo": "7"}),
        (ByName, {"orderNo": "7"}),
        (Kept, {"title": "t"}),
        (OpenSecret, {"token": "s"}),
        (Converted, {"own": "x"}),
    ],
)
def test_a_way_back_makes_it_work(model: type[BaseModel], attributes: dict[str, Any]) -> None:
    with publishing(model) as (module, me):
        first = module.commands.publish_sync(
            {**STATE, "version": 0, "attributes": attributes}, invoke_context=me
        )
        assert first is not None
        again = {**STATE, "version": 1, "attributes": first.attributes}
        assert module.commands.publish_sync(again, invoke_context=me) is None


class Rate(Enum):
    LOW = 0.1
    HIGH = 2.0


class Planet(Enum):
    EARTH = (0.1, b"\xff", (1, 2))
    MARS = ("red",)


class Seal(Enum):
    WAX = b"\xff"
    NONE = None


class Since(Enum):
    FIRST = date(2026, 1, 1)
    THEN = datetime(2026, 1, 1, 5, tzinfo=UTC)


class Rights(IntFlag):
    READ = 1
    WRITE = 2


class StrictRate(CqrsModel):
    model_config = ConfigDict(strict=True)

    value: Rate


class StrictRights(CqrsModel):
    model_config = ConfigDict(strict=True)

    value: Rights


class Keys(CqrsModel):
    by_rate: dict[Rate, int] = Field(default_factory=dict)
    by_number: dict[Literal[1, 2], int] = Field(default_factory=dict)
    by_flag: dict[Literal[True], int] = Field(default_factory=dict)
    by_rights: dict[Rights, int] = Field(default_factory=dict)
    by_seal: dict[Seal, int] = Field(default_factory=dict)


Point = Annotated[
    Own,
    BeforeValidator(lambda value: value if isinstance(value, Own) else Own()),
    PlainSerializer(lambda _own: "own"),
]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        (Rate, 0.1),
        (Rate, 2),
        (Planet, [0.1, "/w==", [1, 2]]),
        (Seal, "/w=="),
        (Seal, None),
        (Since, "2026-01-01"),
        (Since, "2026-01-01T05:00:00.000+00:00"),
        (Rights, 3),
        (StrictRate, {"value": 0.1}),
        (StrictRights, {"value": 3}),
        (Literal[b"\xff", "x", 1], "/w=="),
        (Literal[Rate.LOW, "x"], 0.1),
        (Rate | str, 0.1),
        (Planet | int | None, ["red"]),
        (list[Planet], [["red"]]),
        (set[Rate], [0.1]),
        (set[tuple[int | None, str]], [[1, "a"], [None, "b"]]),
        (Keys, {"byRate": {"0.1": 1}, "byNumber": {"2": 1}, "byFlag": {"true": 1}, "byRights": {"3": 1}}),
        (Counter[str], {"a_b": 2}),
        (Counter[int], {"7": 2}),
        (Hashable, "x"),
        (Collection[int], [1, 2]),
        (Point, "own"),
        (dict[str, Point], {"a_b": "own"}),
    ],
)
def test_what_has_a_form_in_json_is_taken_in_it_and_in_the_description(kind: Any, shown: Any) -> None:
    model = create_model("Holder", __base__=CqrsModel, value=(kind, ...))
    with service(model) as (module, memory, _):
        client = memory.client(tenant="acme")
        body = {"sk": "A1", "version": 0, "name": "one", "attributes": {"value": shown}}
        answer = client.post("/items", body, params=SYNC)
        assert answer.status == 201, answer.text
        item = client.get("/items/A1").json()
        found = item["attributes"]["value"]
        assert {**found, **shown} == found if isinstance(shown, dict) else found == shown
        again = {"version": 1, "name": "one", "attributes": item["attributes"]}
        assert client.put("/items/A1", again, params=SYNC).status == 204
        assert client.patch("/items/A1", again, params=SYNC).status == 204
        state = module.data.get_item(KEY, consistent=True, invoke_context=memory.user(tenant="acme"))
        assert state is not None
        typed = model.model_construct(value=state.attributes.value)  # type: ignore[attr-defined]
        command = {**STATE, "version": 1, "attributes": typed}
        assert module.commands.publish_sync(command, invoke_context=memory.user(tenant="acme")) is None
        document = client.get("/openapi.json").json()
        (name,) = (name for name in document["components"]["schemas"] if name.startswith("DataModel_"))
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        assert [error.message for error in Draft202012Validator(schema).iter_errors(item)] == []


class Kind(CqrsModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(CqrsModel):
    kind: Literal["dog"] = "dog"
    is_good: bool = True


class Named(TypedDict, total=False):
    first_name: str
    born_on: date


@dataclass
class Weighed:
    weight: Decimal
    seal: bytes = b""


@pytest.mark.parametrize(
    ("model", "attributes", "change", "after"),
    [
        (Kind | Dog, {"kind": "dog"}, {"isGood": False}, {"kind": "dog", "isGood": False}),
        (
            Annotated[Kind | Dog, Field(discriminator="kind")],
            {"kind": "cat"},
            {"kind": "dog", "is_good": False},
            {"kind": "dog", "isGood": False},
        ),
        (
            Named,
            {"first_name": "Ann"},
            {"born_on": "2000-01-02"},
            {"firstName": "Ann", "bornOn": "2000-01-02"},
        ),
        (Weighed, {"weight": 2}, {"seal": "/w=="}, {"weight": 2, "seal": "/w=="}),
        (dict[str, Kind], {"my_cat": {}}, {"my_cat": {"lives": 8}}, {"my_cat": {"kind": "cat", "lives": 8}}),
        (RootModel[dict[str, int]], {"a_b": 1}, {"a_b": 2}, {"a_b": 2}),
        (RootModel[Kind], {}, {"lives": 1}, {"kind": "cat", "lives": 1}),
        (dict, {"a_b": 1}, {"a_b": 2}, {"a_b": 2}),
    ],
)
def test_attributes_need_not_be_one_model(model: Any, attributes: Any, change: Any, after: Any) -> None:
    module: CommandModule[Any] = CommandModule("item", attributes=model)
    app = CqrsApp(modules=[module], routes=[module_routes(module, prefix="/items", type="ITEM")])
    with MemoryApp(app) as memory:
        client = memory.client(tenant="acme")
        body = {"sk": "A1", "version": 0, "name": "one", "attributes": attributes}
        assert client.post("/items", body, params=SYNC).status == 201
        answer = client.patch("/items/A1", {"version": 1, "attributes": change}, params=SYNC)
        assert answer.status == 200, answer.text
        shown = client.get("/items/A1").json()["attributes"]
        assert shown == after
        assert (
            client.put("/items/A1", {"version": 2, "name": "one", "attributes": shown}, params=SYNC).status
            == 204
        )
        assert len(client.get("/items").json()["items"]) == 1
        assert client.delete("/items/A1", params=SYNC | {"version": 2}).status == 200


def test_a_list_as_attributes_survives_a_deletion() -> None:
    with service(RootModel[list[int]]) as (module, memory, _):
        me = memory.user("ann", tenant="acme")
        module.commands.publish_sync({**STATE, "version": 0, "attributes": [1, 2]}, invoke_context=me)
        module.commands.publish_partial_update_sync(
            {"pk": PK, "sk": "A1", "version": 1, "isDeleted": True}, invoke_context=me
        )
        assert memory.rows("item", "data")[0]["attributes"] == [1, 2]


class Prefixed(CqrsModel):
    code: str

    @field_validator("code")
    @classmethod
    def _prefix(cls, code: str) -> str:
        return f"X{code}"


class Either(CqrsModel):
    when: date | str


class Midnight(CqrsModel):
    at: date | datetime


class Doubled(CqrsModel):
    one: Annotated[int, AfterValidator(lambda number: number * 2)]


class Shaped(CqrsModel):
    price: Decimal

    @field_serializer("price")
    def _price(self, price: Decimal) -> str:
        return f"EUR {price}"


class Sub(Dog):
    more: int = 1


class Pets(CqrsModel):
    pet: Kind | Dog | None = None
    keys: dict[int | str, int] = Field(default_factory=dict)
    pin: str = Field("", exclude=True)
    free: Any = None


@pytest.mark.parametrize(
    ("model", "attributes", "field"),
    [
        (Prefixed, {"code": "a"}, "attributes.code"),
        (Either, {"when": date(2026, 1, 1)}, "attributes.when"),
        (Midnight, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, "attributes.at"),
        (Doubled, {"one": 1}, "attributes.one"),
        (Shaped, {"price": 1}, "attributes.price"),
        (Pets, {"pet": Sub()}, "attributes.pet"),
        (Pets, {"keys": {1: 1}}, "attributes.keys"),
        (Pets, {"pin": "1234"}, "attributes.pin"),
        (Pets, {"free": {1: 2}}, "attributes.free"),
        (Pets, {"free": SecretStr("s")}, "attributes.free"),
        (Kind, Kind.model_construct(lives="many"), "attributes.lives"),
        (Kind, Kind.model_construct(lives="8"), "attributes.lives"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused_by_field(
    model: type[BaseModel], attributes: Any, field: str
) -> None:
    with publishing(model) as (module, me):
        for publish in (module.commands.publish_async, module.commands.publish_sync):
            with pytest.raises(InvalidInputError, match=r"read back|be lost|be stored") as caught:
                publish({**STATE, "version": 0, "attributes": attributes}, invoke_context=me)
            assert [problem.field for problem in caught.value.problems] == [field]
        assert module.commands.get_item(KEY, invoke_context=me) is None


class Lenient(CqrsModel):
    count: int = 0
    colour: Literal["red"] | None = None
    at: datetime | None = None
    free: Any = None


@pytest.mark.parametrize(
    "attributes",
    [
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 - without an offset: in UTC, as documented
        {"free": date(2026, 1, 1)},
        {"free": (1, [timedelta(1)])},
        {"free": {"deep": {date(2026, 1, 1)}}},
    ],
)
def test_what_only_says_the_same_in_another_way_is_taken(attributes: dict[str, Any]) -> None:
    with publishing(Lenient) as (module, me):
        command = {**STATE, "version": 0, "attributes": attributes}
        assert module.commands.publish_sync(command, invoke_context=me) is not None


class Total(CqrsModel):
    model_config = ConfigDict(extra="forbid")

    net_price: int
    lines: list[Total] = Field(default_factory=list)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def gross_price(self) -> int:
        return self.net_price * 2


class Loose(Total):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize("model", [Total, Loose])
def test_computed_fields_are_computed_when_they_are_read(model: type[Total]) -> None:
    with service(model) as (module, memory, shown):
        client = memory.client(tenant="acme")
        me = memory.user("ann", tenant="acme")
        body = {
            "sk": "A1",
            "version": 0,
            "name": "one",
            "attributes": {"netPrice": 1, "lines": [{"netPrice": 5}]},
        }
        assert client.post("/items", body, params=SYNC).status == 201
        assert "grossPrice" not in str(memory.rows("item", "data"))
        seen = client.get("/items/A1").json()["attributes"]
        assert seen == {
            "netPrice": 1,
            "lines": [{"netPrice": 5, "lines": [], "grossPrice": 10}],
            "grossPrice": 2,
        }
        # A PATCH of what it depends on shows the new value; what is computed cannot be set.
        assert (
            client.patch("/items/A1", {"version": 1, "attributes": {"netPrice": 4}}, params=SYNC).status
            == 200
        )
        assert client.get("/items/A1").json()["attributes"]["grossPrice"] == 8
        assert shown.last is not None
        assert shown.last.attributes.gross_price == 8
        answer = client.patch("/items/A1", {"version": 2, "attributes": {"grossPrice": 1}}, params=SYNC)
        assert answer.json()["errors"][0]["field"] == "attributes.grossPrice"
        # An earlier release stored it, and it was stale: it is neither read nor kept.
        context = module.context
        (row,) = memory.store.rows(context.tables.data)
        old = {**seen, "netPrice": 3, "grossPrice": 99}
        memory.store.write(put(context.tables.data, row, old))
        (item,) = client.get("/items").json()["items"]
        assert (item["attributes"]["grossPrice"], "unreadable" in item) == (6, False)
        found = module.data.get_item(KEY, invoke_context=me)
        assert found is not None
        assert found.attributes.model_extra in ({}, None)
        module.commands.publish_partial_update_sync(
            {"pk": PK, "sk": "A1", "version": 2, "attributes": {"net_price": 7}}, invoke_context=me
        )
        assert memory.rows("item", "data")[0]["attributes"] == {
            "netPrice": 7,
            "lines": [{"netPrice": 5, "lines": []}],
        }


def test_commands_as_models_are_taken_as_they_are() -> None:
    with publishing(Total) as (module, me):
        command = CommandInputModel[Total](**STATE, version=0, attributes=Total(net_price=2))
        published = module.commands.publish_sync(command, invoke_context=me)
        assert published is not None
        assert published.attributes == Total(net_price=2)


def test_what_a_model_requires_is_required() -> None:
    with publishing(Total) as (module, me):
        with pytest.raises(InvalidInputError) as caught:
            module.commands.publish_sync({**STATE, "version": 0}, invoke_context=me)
        assert [problem.field for problem in caught.value.problems] == ["attributes.netPrice"]
    with publishing(Kind) as (module, me):
        published = module.commands.publish_sync({**STATE, "version": 0}, invoke_context=me)
        assert published is not None
        assert published.attributes == Kind()


@contextmanager
def publishing(model: Any) -> Iterator[tuple[CommandModule[Any], InvokeContext]]:
    module: CommandModule[Any] = CommandModule("item", attributes=model)
    with MemoryApp(CqrsApp(modules=[module])) as memory:
        yield module, memory.user("ann", tenant="acme")


def put(table: str, row: dict[str, Any], attributes: Any) -> Any:
    return Put(table=table, row=row | {"attributes": sealed(attributes, path="attributes")})
