"""Two calls that make routes for one path: refused, as the second ones would not be asked."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import BaseModel

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    Event,
    MemoryProvider,
    create_aggregate,
    create_commands,
    create_domain,
    event_routes,
    module_routes,
)
from runtime.entry.http.api import HttpApi
from runtime.entry.http.overlaps import _meet
from runtime.entry.http.resolver import Resolver
from tests.support.http_events import http_event

if TYPE_CHECKING:
    from runtime import Aggregate


class Said(Event, type="said"):
    pass


class Say(BaseModel):
    pass


def of_events(stream: str, prefix: str, **options: Any) -> Any:
    aggregate: Aggregate[Said, dict[str, Any]] = create_aggregate(
        stream=stream, events=[Said], create=dict, fold=lambda _event, state, _meta: state
    )
    commands = create_commands(create_domain(MemoryProvider(), aggregate)[aggregate])
    commands.on(Say)(lambda _command, _current: Said())
    return event_routes(commands, prefix=prefix, **options)


def of_items(name: str, prefix: str, **options: Any) -> Any:
    return module_routes(CommandModule(name), prefix=prefix, type=name.upper(), **options)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (
            of_events("users", "/users"),
            of_events("people", "/users"),
            "both answer POST /users/<id>/say; give one of them another prefix, or leave routes out",
        ),
        (
            of_items("order", "/things"),
            of_items("note", "/things"),
            "module_routes of 'order' at /things and module_routes of 'note' at /things both answer",
        ),
        (
            of_items("order", "/things"),
            of_events("things", "/things"),
            "of 'order' at /things and event_routes of 'things' at /things both answer GET /things/<sk>",
        ),
        # A sort key may have slashes.
        (
            of_items("order", "/shop"),
            of_events("items", "/shop/items"),
            "both answer GET /shop/<sk>/history and /shop/items/<id>",
        ),
        # An id that is the word which the others begin with.
        (
            of_events("users", "/users"),
            of_items("stat", "/users/stats"),
            "both answer GET /users/<id> and /users/stats",
        ),
        (
            of_events("users", "/users", events=True),
            of_events("posts", "/users/posts"),
            "both answer GET /users/<id>/events and /users/posts/<id>",
        ),
        # One aggregate, two calls: with other roles, say.
        (
            of_events("users", "/users", write_roles=["admin"]),
            of_events("users", "/users"),
            "event_routes of 'users' at /users and event_routes of 'users' at /users both answer",
        ),
    ],
    ids=["two streams", "two modules", "both kinds", "below items", "a word", "below events", "twice"],
)
def test_one_path_is_answered_by_one(one: Any, other: Any, told: str) -> None:
    for routes in ([one, other], [one, Router(), other]):
        with pytest.raises(ConfigurationError) as raised:
            HttpApi(routes)
        assert told in str(raised.value)
    with pytest.raises(ConfigurationError, match="both answer"):
        HttpApi([other, one])


@pytest.mark.parametrize(
    "routes",
    [
        [
            of_events("users", "/users"),
            of_events("posts", "/posts", events=True),
            of_items("order", "/orders"),
        ],
        [of_events("users", "/users"), of_events("people", "/users2")],
        [of_events("users", "/users"), of_events("posts", "/users/posts")],
        [of_items("order", "/a/orders"), of_items("note", "/b/orders")],
        # Each of them makes what the other one does not.
        [of_items("order", "/orders", only=["list", "get"]), of_items("order", "/orders", only=["publish"])],
    ],
    ids=["apart", "a longer word", "below", "behind", "shared"],
)
def test_what_no_request_fits_twice_is_taken(routes: list[Any]) -> None:
    HttpApi(routes)
    HttpApi([*routes, routes[0]])  # the same one


def test_a_route_of_ones_own_stands_before_a_made_one() -> None:
    mine = Router()

    @mine.get("/users/<user_id>")
    def get(user_id: str) -> dict[str, str]:
        return {"mine": user_id}

    users = of_events("users", "/users")

    @users.get("/users/<user_id>/more")  # type: ignore[untyped-decorator]
    def more(user_id: str) -> dict[str, str]:
        return {"more": user_id}

    api = HttpApi([mine, users, of_events("mores", "/users/u1/more")])
    for path, body in (("/users/u1", {"mine": "u1"}), ("/users/u1/more", {"more": "u1"})):
        assert json.loads(api.handle(http_event("GET", path), None)["body"]) == body


def test_the_app_says_it_where_it_serves_http() -> None:
    app = CqrsApp(modules=[], routes=[of_events("users", "/u"), of_events("posts", "/u")])
    with pytest.raises(ConfigurationError, match="event_routes of 'users' at /u and event_routes of 'posts'"):
        app(http_event("GET", "/u/1"), None)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "users",
        "/users/",
        "//users",
        "/a//b",
        "/<tenant>/users",
        "/{tenant}/users",
        "/users?all",
        "/users#1",
        "/us ers",
        "/us%20ers",
        "/../users",
        "/users/.",
        "/c++",
        "/users\n",
        None,
    ],
)
def test_a_prefix_that_no_path_has_is_refused(prefix: Any) -> None:
    for make in (of_events, of_items):
        with pytest.raises(ConfigurationError, match="prefix must begin with a slash and not end with one"):
            make("users", prefix)


@pytest.mark.parametrize("prefix", ["/v1.0/users", "/Users_2", "/a-b/~me", "/...", "/bücher"])
def test_a_prefix_of_plain_words_is_taken(prefix: str) -> None:
    claims = {"sub": "u", "custom:tenant": "acme"}
    request = http_event("POST", f"{prefix}/u1/say", claims=claims)
    answer = HttpApi([of_events("users", prefix)]).handle(request, None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"id": "u1", "version": 1})


def test_overlaps_are_what_the_resolver_would_find() -> None:
    words = ("a", "b", "<id>", "<sk>")
    patterns = [
        pattern
        for length in (1, 2, 3)
        for pattern in itertools.product(words, repeat=length)
        if pattern.count("<sk>") <= 1 and pattern.count("<id>") <= 1
    ]
    paths = ["/".join(path) for length in range(1, 6) for path in itertools.product("abc", repeat=length)]
    fits = {
        pattern: {path for path in paths if Resolver._compile_regex("/".join(pattern)).match(path)}  # noqa: SLF001
        for pattern in patterns
    }
    for one, other in itertools.product(patterns, repeat=2):
        assert _meet(one, other) == bool(fits[one] & fits[other]), (one, other)
