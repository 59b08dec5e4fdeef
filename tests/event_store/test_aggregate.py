from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from runtime.errors import ConfigurationError, InvalidInputError, UnreadableEventError
from runtime.event_store.address import Key
from runtime.event_store.aggregates.aggregate import Aggregate, Persist, create_aggregate
from runtime.event_store.aggregates.immutable import handed_out, is_immutable
from runtime.event_store.commits.commit import StoredEvent
from runtime.event_store.commits.commit_json import events_json
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event, event_type, name_of
from runtime.event_store.events.event_types import EventTypes
from runtime.event_store.events.recorded import EventMeta
from runtime.event_store.providers.memory_provider import MemoryProvider
from tests.event_store.blog import (
    Blog,
    Post,
    PostArchived,
    PostCreated,
    User,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserEvent,
    fold_post,
    fold_user,
    post,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ValueT = TypeVar("ValueT")

KEY = Key("users", "u1", "acme")
META = EventMeta(
    stream="users",
    aggregate_id="u1",
    version=1,
    tenant="acme",
    timestamp=datetime(2026, 11, 29, tzinfo=UTC),
    event_type="created",
)


# Events


def test_an_event_is_frozen_and_has_a_name() -> None:
    created = UserCreated(name="Ann")
    assert (name_of(created), name_of(UserCreated), name_of(PostArchived)) == ("created",) * 2 + (
        "postArchived",
    )
    with pytest.raises(ValueError, match="frozen"):
        created.name = "Eve"  # type: ignore[misc]


def test_the_name_is_by_default_that_of_the_class() -> None:
    class Renamed(Event):
        pass

    assert name_of(Renamed) == "Renamed"


class Changed(Event, Generic[ValueT], type="changed", aliases=("moved",)):
    to: ValueT


def test_what_is_made_of_a_generic_event_has_a_name_made_of_its_name() -> None:
    assert (name_of(Changed), name_of(Changed[int]), name_of(Changed[str])) == (
        "changed",
        "changed[int]",
        "changed[str]",
    )
    types = EventTypes("s", [Changed[int], Changed[str]], {})
    stored, _ = types.stored(Changed[int](to=1))
    assert stored == StoredEvent("changed[int]", {"to": 1})
    assert types.read(StoredEvent("moved[str]", {"to": "x"}), KEY, 1) == Changed[str](to="x")


def test_event_type_stands_above_dataclass() -> None:
    with pytest.raises(
        ConfigurationError, match=r"@event_type\('x'\) must stand above @dataclass, and Late is no"
    ):

        @event_type("x")
        class Late:
            pass


def test_what_is_stored_is_the_event_and_is_read_again() -> None:
    stored, again = user.types.stored(UserCreated(name="Ann"))
    assert stored == StoredEvent("created", {"name": "Ann"}, 0)
    assert again == UserCreated(name="Ann") == user.types.read(stored, KEY, 1)
    stored, again = post.types.stored(PostCreated(user_id="u1", content="hi"))
    assert stored.body == {"user_id": "u1", "content": "hi"}
    assert post.types.read(stored, KEY, 1) == again


class Colour(Enum):
    RED = "red"


class Rich(Event, type="rich"):
    amount: Decimal
    at: datetime
    day: date
    who: UUID
    colour: Colour
    tags: frozenset[str]
    pair: tuple[int, str]
    raw: bytes
    alias: int = Field(alias="theAlias")

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", strict=True)


def test_rich_types_are_read_again_as_what_they_were() -> None:
    rich = Rich(
        amount=Decimal("1.10"),
        at=datetime(2026, 11, 29, tzinfo=UTC),
        day=date(2026, 11, 29),
        who=UUID(int=7),
        colour=Colour.RED,
        tags=frozenset({"a", "b"}),
        pair=(1, "x"),
        raw=b"\xff\x00",
        theAlias=3,
    )
    types = EventTypes("s", [Rich], {})
    stored, again = types.stored(rich)
    assert again == rich == types.read(stored, KEY, 1)
    assert stored.body["theAlias"] == 3
    assert stored.body["amount"] == "1.10"


class Loose(Event):
    value: Any


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1: "x"}, float("nan"), float("inf"), {"a"}, object(), Decimal(1)],
    ids=["tuple", "number as key", "nan", "infinite", "set", "object", "decimal"],
)
def test_what_would_be_read_again_as_something_else_is_refused(value: object) -> None:
    with pytest.raises(
        InvalidInputError, match=r"events\.Loose.*(read again as something else|cannot be stored)"
    ):
        EventTypes("s", [Loose], {}).stored(Loose(value=value))


class Several(Event):
    good: int = 1
    bad: Any = None
    worse: Any = None
    raw: bytes = b""


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"bad": (1,), "worse": {2}}, ["bad", "worse"]),
        ({"bad": "\ud800"}, ["bad"]),
        ({"worse": object(), "raw": b"\xff"}, ["worse", "raw"]),
    ],
)
def test_what_cannot_be_stored_is_refused_by_field(fields: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        EventTypes("s", [Several], {}).stored(Several(**fields))
    assert [problem.field for problem in refused.value.problems] == [
        f"events.Several.{name}" for name in named
    ]


@event_type("unequal")
@dataclass(frozen=True, eq=False)
class Unequal:
    pass


@event_type("undefined")
@dataclass(frozen=True)
class Undefined:
    what: Nobody  # type: ignore[name-defined] # noqa: F821 - that is what is wrong


def test_what_can_never_be_stored_says_why() -> None:
    with pytest.raises(
        InvalidInputError, match=r"events\.unequal: cannot be compared .*; leave eq=False away"
    ):
        EventTypes("s", [Unequal], {}).stored(Unequal())
    with pytest.raises(ConfigurationError, match=r"the event Undefined has a field, .* with no JSON form"):
        EventTypes("s", [Undefined], {}).stored(Undefined(what=1))


async def later(*_: object) -> None: ...


class Boundless(Event):
    value: float

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")


def test_a_number_that_json_has_not_is_never_stored() -> None:
    types = EventTypes("s", [Boundless], {})
    stored, _ = types.stored(Boundless(value=1.5))
    assert stored.text == '{"value":1.5}'
    stored, _ = types.stored(Boundless(value=float("inf")))
    with pytest.raises(InvalidInputError, match="JSON values"):
        events_json([stored])


def test_the_fold_sees_an_event_as_it_will_be_read_again() -> None:
    class Name(str):
        __slots__ = ()

    seen: list[type] = []

    def fold(event: UserCreated, _state: User, _meta: EventMeta) -> User:
        seen.append(type(event.name))
        return User(name=event.name)

    named = create_aggregate(stream="users", events=[UserCreated], create=User, fold=fold)
    repository = create_domain(MemoryProvider(), named, default_tenant="acme")[named]
    repository.append(repository.get_aggregate("u1"), UserCreated.model_construct(name=Name("Ann")))
    assert seen == [str]


def test_a_refusal_names_the_fields_and_none_of_the_values() -> None:
    secret: Any = 4711
    with pytest.raises(InvalidInputError) as refused:
        user.types.stored(UserCreated.model_construct(name=secret))
    assert [problem.field for problem in refused.value.problems] == ["events.created.name"]
    assert "4711" not in str(refused.value)


def test_fields_that_are_not_known_any_more_are_passed_over() -> None:
    stored = StoredEvent("created", {"name": "Ann", "phone": "1"})
    assert user.types.read(stored, KEY, 1) == UserCreated(name="Ann")


def test_an_alias_is_an_earlier_name() -> None:
    assert post.types.read(StoredEvent("archived", {}), KEY, 1) == PostArchived()
    assert post.types.class_of("archived") is PostArchived
    assert post.types.names_of(PostArchived) == {"archived", "postArchived"}
    assert post.types.stored(PostArchived())[0].type == "postArchived"


def upcasting(*steps: Callable[[dict[str, Any]], dict[str, Any]]) -> Aggregate[Any, User]:
    return create_aggregate(
        stream="users", events=[UserCreated], create=User, fold=fold_user, upcasters={"created": list(steps)}
    )


def test_upcasters_bring_a_body_to_the_newest_schema_step_by_step() -> None:
    types = upcasting(
        lambda body: {"first": body["n"], "last": "Doe"},
        lambda body: {"name": f"{body['first']} {body['last']}"},
    ).types
    assert types.read(StoredEvent("created", {"n": "Ann"}, 0), KEY, 1) == UserCreated(name="Ann Doe")
    assert types.read(StoredEvent("created", {"first": "Ann", "last": "Ray"}, 1), KEY, 1).name == "Ann Ray"
    assert types.read(StoredEvent("created", {"name": "Ann"}, 2), KEY, 1).name == "Ann"
    assert types.stored(UserCreated(name="Ann"))[0].schema == 2


def test_what_is_stored_is_not_changed_by_an_upcaster() -> None:
    def rename(body: dict[str, Any]) -> dict[str, Any]:
        body["name"] = body.pop("n").pop()
        return body

    stored = StoredEvent("created", {"n": ["Ann"]}, 0)
    for _ in range(2):
        assert upcasting(rename).types.read(stored, KEY, 1).name == "Ann"


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (
            StoredEvent("gone", {}),
            r"event 7 of users#u1#acme is stored as 'gone', which is no event .*aliases",
        ),
        (
            StoredEvent("created", {"name": "x"}, 3),
            r"has the schema 3, and this code knows 1; deploy the release",
        ),
        (
            StoredEvent("created", {"name": 4711}, 1),
            r"not accepted by UserCreated: created.name: .*add an upcaster",
        ),
        (
            StoredEvent("created", {"boom": 1}),
            r"the upcaster 0 of 'created' raised KeyError for event 7.*; mend it",
        ),
        (
            StoredEvent("created", {"n": object()}),
            r"not accepted by UserCreated: created: PydanticSerializationError; add an upcaster",
        ),
        (
            StoredEvent("created", {"n": None}),
            r"the upcaster 0 of 'created' must return a dict, got NoneType",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_do(stored: StoredEvent, message: str) -> None:
    def step(body: dict[str, Any]) -> dict[str, Any]:
        return {"name": body["n"]} if body["n"] else None  # type: ignore[return-value]

    with pytest.raises(UnreadableEventError, match=message) as unreadable:
        upcasting(step).types.read(stored, KEY, 7)
    assert "4711" not in str(unreadable.value)


class Checked(Event):
    name: str
    by_email: dict[str, int] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        if name == "Ann-Secret":
            raise LookupError(name)
        if "Secret" in name:
            msg = f"{name} is none of ours"
            raise ValueError(msg)
        return name


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "Ann-Secret"}, r"not accepted by Checked: Checked: LookupError; add an upcaster"),
        ({"name": "Secret"}, r"not accepted by Checked: Checked\.name: value_error; add an upcaster"),
        ({"name": "x", "by_email": {"Secret": "no"}}, r"Checked\.by_email: int_parsing; add an upcaster"),
    ],
)
def test_what_a_class_says_of_a_stored_event_is_not_told(body: dict[str, Any], message: str) -> None:
    types = EventTypes("s", [Checked], {})
    with pytest.raises(UnreadableEventError, match=message) as unreadable:
        types.read(StoredEvent("Checked", body), KEY, 7)
    assert "Secret" not in str(unreadable.value)
    assert unreadable.value.__cause__ is None


def test_a_class_that_fails_to_read_what_was_written_is_no_reason_for_its_own_error() -> None:
    with pytest.raises(InvalidInputError, match=r"events\.Checked: cannot be read again \(LookupError\)"):
        EventTypes("s", [Checked], {}).stored(Checked.model_construct(name="Ann-Secret"))


@event_type("texted")
@dataclass(frozen=True)
class Texted:
    text: str


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"events\.texted"):
        EventTypes("s", [Texted], {}).stored(Texted("\ud800"))


class Opaque:
    pass


@event_type("opened")
@dataclass(frozen=True)
class Opened:
    what: Opaque


def test_a_class_of_events_or_states_that_has_no_json_form_is_told_as_such() -> None:
    with pytest.raises(ConfigurationError, match=r"Opened.*has a field.*no JSON form"):
        EventTypes("s", [Opened], {}).stored(Opened(Opaque()))
    with pytest.raises(ConfigurationError, match=r"Opened.*has a field.*no JSON form"):
        EventTypes("s", [Opened], {}).read(StoredEvent("opened", {}), KEY, 1)
    aggregate: Any = create_aggregate(
        stream="s",
        events=[UserCreated],
        create=Opaque,
        fold=lambda _event, state, _meta: state,
        persist=Persist("1"),
    )
    repository = create_domain(MemoryProvider(), aggregate, default_tenant="acme")[aggregate]
    with pytest.raises(ConfigurationError, match=r"state of 's'.*no JSON form"):
        aggregate.kept(Opaque())
    # Without kept states it works all the same.
    repository.append(repository.get_aggregate("1"), UserCreated(name="Ann"))
    assert repository.get_aggregate("1").version == 1


# Aggregates that cannot be


class CreatedToo(Event, type="created"):
    pass


class Nothing:
    pass


@dataclass(frozen=True)
class NoName:
    pass


class Child(UserCreated, type="archived"):
    pass


@dataclass(frozen=True)
class Heir(PostArchived):
    pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": "a#b"}, "a stream's name must be text of at most 100 characters, with no #.*got 'a#b'"),
        ({"stream": ""}, "a stream's name must be"),
        ({"stream": 7}, "a stream's name must be"),
        (
            {"events": [UserCreated, CreatedToo]},
            "two events .* are stored as 'created': UserCreated and CreatedToo",
        ),
        ({"events": [PostArchived, Child]}, "two events .* are stored as 'archived': PostArchived and Child"),
        ({"events": [UserCreated, UserCreated]}, "lists UserCreated twice"),
        ({"events": []}, "has no events; list their classes"),
        ({"events": [Nothing]}, r"lists <class .*Nothing'>, which is no event: inherit it from Event"),
        ({"events": [NoName]}, "which is no event"),
        ({"events": [Heir]}, "Heir, which has the name 'postArchived' from PostArchived.*one of its own"),
        ({"events": [Event]}, "Event is no event"),
        ({"events": [UserCreated(name="x")]}, "which is no event"),
        ({"upcasters": {"renamed": []}}, r"upcasters for \['renamed'\], which are none of its events"),
        (
            {"upcasters": {"created": dict}},
            "upcasters of 'created' .* must be a list of functions, got <class 'dict'>",
        ),
        ({"upcasters": {"created": [7]}}, "upcasters of 'created' .* must be a list of functions, got .7."),
        ({"upcasters": [dict]}, "upcasters of the aggregate 'users' must be a mapping"),
        ({"events": UserEvent}, "events of the aggregate 'users' must be a list of classes"),
        ({"events": UserCreated}, "events of the aggregate 'users' must be a list of classes"),
        ({"create": User()}, "create of the aggregate 'users' must be a function, got User"),
        ({"fold": None}, "fold of the aggregate 'users' must be a function, got NoneType"),
        (
            {"fold": later},
            "fold of the aggregate 'users' must be a plain function, got the coroutine function",
        ),
        (
            {"fold": lambda event: event},
            r"fold .* is called with \(event, state, meta\), and <lambda>\(event\)",
        ),
        ({"create": later}, "create of the aggregate 'users' must be a plain function, got the coroutine"),
        ({"create": UserCreated}, r"create .* is called with \(\), and UserCreated\(\*, name\) cannot be"),
        ({"upcasters": {"created": [later]}}, "an upcaster of 'created' .* must be a plain function"),
        (
            {"upcasters": {"created": [lambda: {"name": ""}]}},
            r"an upcaster of 'created' .* is called with \(body\)",
        ),
        ({"persist": "1"}, r"persist of the aggregate 'users' must be a Persist\(version=\.\.\.\), got '1'"),
        ({"stream": "\ud800"}, "a stream's name must be"),
    ],
)
def test_an_aggregate_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments = {"stream": "users", "events": [UserCreated], "create": User, "fold": fold_user, **changes}
    with pytest.raises(ConfigurationError, match=message):
        create_aggregate(**arguments)


def test_aliases_are_several_names() -> None:
    aliases: Any = "old"
    with pytest.raises(
        ConfigurationError, match=r"aliases of Renamed must be .*such as \('old',\), got 'old'"
    ):

        class Renamed(Event, aliases=aliases):
            pass

    with pytest.raises(ConfigurationError, match=r"aliases of NoName must be .*got 'old'"):
        event_type("new", aliases=aliases)(NoName)
    with pytest.raises(ConfigurationError, match=r"aliases of NoName must be .*got \('',\)"):
        event_type("new", aliases=("",))(NoName)


@pytest.mark.parametrize(
    "name", ["", 7, "x" * 256, "\ud800"], ids=["empty", "no text", "too long", "no Unicode"]
)
def test_a_name_that_events_cannot_have_is_refused_where_it_is_given(name: Any) -> None:
    expected = "must be text of 1 to 255 characters, valid Unicode"
    with pytest.raises(ConfigurationError, match=f"the name of Named {expected}, got "):

        class Named(Event, type=name):
            pass

    with pytest.raises(ConfigurationError, match=f"the name of NoName {expected}"):
        event_type(name)(NoName)
    with pytest.raises(ConfigurationError, match=r"aliases of Other must be .*such as \('old',\)"):

        class Other(Event, aliases=(name,)):
            pass


def test_a_field_must_not_take_the_place_of_what_makes_an_event() -> None:
    with (
        pytest.warns(UserWarning, match="shadows an attribute"),
        pytest.raises(ConfigurationError, match=r"Shadow has a field event_type, .* rename it"),
    ):

        class Shadow(Event, type="shadow"):
            event_type: str  # type: ignore[misc]


# Folds


def test_a_fold_returns_a_state_a_mapping_of_changes_or_nothing() -> None:
    created = UserCreated(name="Ann")
    assert user.next_state(User(), created, META) == User(name="Ann", enabled=True)
    assert post.next_state(Post(content="hi"), PostArchived(), META) == Post(content="hi", archived=True)
    idle = create_aggregate(stream="s", events=[UserCreated], create=User, fold=lambda *_: None)
    state = User(name="Bob")
    assert idle.next_state(state, created, META) is state


class Light(Enum):
    ON = "on"


class At(NamedTuple):
    place: str


@pytest.mark.parametrize(
    "state", [7, 1.5, "on", True, ("a",), Light.ON, At("a"), User(name="Ann"), {"name": "x"}]
)
def test_what_there_was_not_before_may_be_of_any_class(state: object) -> None:
    lamp: Aggregate[UserCreated, Any] = create_aggregate(
        stream="lamps", events=[UserCreated], create=lambda: None, fold=lambda *_: state
    )
    repository = create_domain(MemoryProvider(), lamp, default_tenant="acme")[lamp]
    first = repository.get_aggregate("1")
    assert (first.state, first.exists) == (None, False)
    second = repository.append(first, UserCreated(name="x"))
    assert repository.append(second, UserCreated(name="y")).state == state
    assert repository.get_aggregate("1").state == state


@pytest.mark.parametrize(("before", "after"), [(0, 1.5), (0.5, 1), (Light.ON, At("a")), (At("a"), Light.ON)])
def test_a_state_may_become_one_of_another_class(before: Any, after: Any) -> None:
    moving: Aggregate[UserCreated, Any] = create_aggregate(
        stream="s", events=[UserCreated], create=lambda: before, fold=lambda *_: after
    )
    found = moving.next_state(before, UserCreated(name="x"), META)
    assert (found, type(found)) == (after, type(after))


@pytest.mark.parametrize("returned", [UserCreated(name="x"), UserCreated, int, Light])
def test_neither_an_event_nor_a_class_is_a_state(returned: Any) -> None:
    wrong: Aggregate[UserCreated, Any] = create_aggregate(
        stream="s", events=[UserCreated], create=lambda: None, fold=lambda *_: returned
    )
    with pytest.raises(ConfigurationError, match="must return a NoneType, a mapping of changes or None"):
        wrong.next_state(None, UserCreated(name="x"), META)


def test_a_fold_that_returns_its_work_has_folded_nothing() -> None:
    async def send() -> User:
        return User()

    state: Any
    for state in (User(), None):
        begun: Aggregate[UserCreated, Any] = create_aggregate(
            stream="s", events=[UserCreated], create=User, fold=lambda *_: send()
        )
        with pytest.raises(ConfigurationError, match="the fold of 's' returned a coroutine, which nobody"):
            begun.next_state(state, UserCreated(name="x"), META)


@dataclass
class Counted:
    total: int = 0
    seen: int = field(init=False, default=0)


@pytest.mark.parametrize("change", [{"seen": 1}, {1: 1, "b": 2}])
def test_a_change_of_what_cannot_be_changed_is_told(change: Any) -> None:
    wrong = create_aggregate(stream="s", events=[UserCreated], create=Counted, fold=lambda *_: change)
    with pytest.raises(
        ConfigurationError, match=r"Counted has no such fields to be changed; it has \['total'\]"
    ):
        wrong.next_state(Counted(), UserCreated(name="x"), META)


class Basket(TypedDict):
    lines: list[str]
    total: int


def test_a_mapping_is_a_state_too_and_changes_are_merged_shallowly() -> None:
    basket: Aggregate[UserCreated, Basket] = create_aggregate(
        stream="baskets",
        events=[UserCreated],
        create=lambda: Basket(lines=[], total=0),
        fold=lambda event, state, _meta: {"lines": [*state["lines"], event.name]},
    )
    before = Basket(lines=["x"], total=1)
    assert basket.next_state(before, UserCreated(name="y"), META) == {"lines": ["x", "y"], "total": 1}
    assert before == {"lines": ["x"], "total": 1}


@dataclass(frozen=True)
class Draft:
    text: str = ""


@dataclass(frozen=True)
class Published:
    text: str
    by: str


def test_a_state_may_be_one_of_several_classes_and_is_kept_as_such() -> None:
    def fold(
        event: UserCreated | UserDisabled, state: Draft | Published, _meta: EventMeta
    ) -> Draft | Published:
        return Published(state.text, event.name) if isinstance(event, UserCreated) else Draft(state.text)

    page: Aggregate[UserCreated | UserDisabled, Draft | Published] = create_aggregate(
        stream="pages",
        events=[UserCreated, UserDisabled],
        create=Draft,
        fold=fold,
        persist=Persist("1", state=Draft | Published),
    )
    repository = create_domain(MemoryProvider(), page, default_tenant="acme")[page]
    done = repository.append(repository.get_aggregate("p"), UserCreated(name="Ann"))
    assert done.state == Published("", "Ann")
    again = repository.get_aggregate("p")
    assert (again.state, again.persisted) == (Published("", "Ann"), "1")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("text", "must return a User, a mapping of changes or None, got str"),
        (UserCreated(name="x"), "must return a User, a mapping of changes or None, got UserCreated"),
        (
            {"nam": "x"},
            r"changes \['nam'\], and User has no such fields to be changed; it has \['enabled', 'name'\]",
        ),
        (True, "got bool"),
        (User, "got "),
    ],
)
def test_what_a_fold_must_not_return_is_told(returned: Any, message: str) -> None:
    wrong = create_aggregate(stream="s", events=[UserCreated], create=User, fold=lambda *_: returned)
    with pytest.raises(ConfigurationError, match=message):
        wrong.next_state(User(), UserCreated(name="x"), META)


# Domains


def test_two_aggregates_of_a_domain_must_not_share_a_stream() -> None:
    other = create_aggregate(stream="users", events=[PostCreated], create=Post, fold=fold_post)
    with pytest.raises(ConfigurationError, match="two aggregates of the domain have the stream 'users'"):
        create_domain(MemoryProvider(), user, other)


def test_a_domain_has_aggregates() -> None:
    with pytest.raises(ConfigurationError, match="the domain has no aggregates"):
        create_domain(MemoryProvider())
    wrong: Any = "users"
    with pytest.raises(ConfigurationError, match="takes what create_aggregate returns, got str"):
        create_domain(MemoryProvider(), wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (None, "NoneType is none, as it has no append, read, "),
        (user, "Aggregate is none, as it has no append, "),
        (MemoryProvider, r"MemoryProvider is a class: call it, MemoryProvider\(\.\.\.\)"),
    ],
)
def test_a_domain_is_on_a_provider(wrong: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"create_domain takes a provider.* {message}"):
        create_domain(wrong, user)


def test_an_aggregate_that_the_domain_was_made_without_is_told() -> None:
    domain = create_domain(MemoryProvider(), user)
    assert domain[user].aggregate is user
    assert list(domain.aggregates) == ["users"]
    wrong: Any = "posts"
    for missing in (post, wrong):
        with pytest.raises(
            ConfigurationError, match=r"'posts' is no aggregate of this domain, which has \['users'\]"
        ):
            domain[missing]


# What may be handed to several


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str = ""
    inner: Any = ()


class Open(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Secretive(Frozen):
    _seen: list[int] = PrivateAttr(default_factory=list)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, True),
        (None, True),
        (Colour.RED, True),
        ((1, ("x", frozenset({2}))), True),
        ((1, [2]), False),
        (Post(), True),
        (Frozen(inner=(Post(),)), True),
        (Frozen(inner=[1]), False),
        (User(), False),
        ({}, False),
        (Nothing(), False),
        (Open(seen=[1]), False),
        (Secretive(), False),
    ],
    ids=[
        "int",
        "none",
        "enum",
        "tuple",
        "list in a tuple",
        "frozen dataclass",
        "frozen model",
        "list in a frozen model",
        "model",
        "dict",
        "object",
        "frozen model with extras",
        "frozen model with private attributes",
    ],
)
def test_only_what_is_frozen_through_and_through_is_shared(value: object, expected: bool) -> None:  # noqa: FBT001
    assert is_immutable(value) is expected
    assert (handed_out(value) is value) is expected


def test_a_state_that_cannot_be_copied_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"a state of the class dict cannot be copied \(TypeError\)"):
        handed_out({"lock": Lock()})


def test_a_public_state_of_a_frozen_class_is_shared() -> None:
    blog = Blog(cache=1)
    created = PostCreated(user_id="u1", content="hi")
    loaded = blog.posts.append(blog.posts.get_aggregate("p"), [created, PostArchived()])
    assert blog.posts.get_aggregate("p").state is loaded.state
    assert UserEnabled() == UserEnabled()
