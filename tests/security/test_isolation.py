"""No request reads or writes outside of its caller's tenant, or tells what is there."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runtime.entry.http.module_routes import _NAMES as ROUTE_NAMES
from tests.faults.scale import scaled
from tests.security.attacks import attacks, look_alikes, malformed_claims
from tests.security.posts import STREAM
from tests.security.requests import friendly
from tests.security.target import ADMIN, MARKER, MODULES, UNLISTED, claims_of, plant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.security.target import Answer, Route, Target

VICTIM = "kiss"
#: The victim has the first, and has never had the other.
THERE, NOT_THERE = "A1", "B7"
#: What everybody may read.
COMMON = "C1"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^\"]*")
_REQUEST_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module", autouse=True)
def planted(target: Target) -> None:
    plant(target, VICTIM, THERE)
    plant(target, "common", COMMON, marker="for-all")


def seen(answer: Answer, sk: str) -> tuple[int, str]:
    """What an answer tells, apart from the key that was asked for."""
    headers = {name: value for name, value in sorted(answer.headers.items()) if name != "Date"}
    text = _REQUEST_ID.sub("ID", _TIME.sub("TIME", f"{headers} {answer.text}"))
    return answer.status, text.replace(sk, "SK")


class Watch:
    """The rows of everybody, before and after attacks."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = target.rows()

    def check(self, own: set[str]) -> None:
        """What was there is as it was, and what is new is the attackers' own."""
        after = self._target.rows()
        assert [key for key, row in self._before.items() if after.get(key) != row] == []
        strangers = [
            key
            for key, row in after.items()
            if key not in self._before
            and not (
                key[1].rpartition("#")[2] in own
                and row.get("tenantCode", {"S": own_of(key)}) == {"S": own_of(key)}
            )
        ]
        assert strangers == []


def own_of(key: tuple[str, str, str]) -> str:
    return key[1].rpartition("#")[2]


def run(target: Target, route: Route, claims: Any, own: str, module: str, *, part: int, step: int) -> int:
    """Every ``step``-th attack on a route; how many requests that were."""
    kind = {"orders": "ORDER", "posts": STREAM}.get(route.path.split("/")[1], module.upper())
    there, not_there = (
        list(attacks(friendly(target, route, sk, own, module), kind, VICTIM, own, sk))
        for sk in (THERE, NOT_THERE)
    )
    chosen = range((zlib.crc32(str(route).encode()) + part) % step, len(there), step)
    for index in chosen:
        (name, first), (_, second) = there[index], not_there[index]
        told = []
        for request, sk in ((first, THERE), (second, NOT_THERE)):
            answer = request.send(target, claims)
            assert answer.status < 500, (name, answer.status, answer.text)
            assert MARKER not in f"{answer.headers} {answer.text}", (name, answer.text)
            told.append(seen(answer, sk))
        assert told[0] == told[1], f"{name}: an item that exists is answered otherwise than one that does not"
    return 2 * len(chosen)


def each_route(target: Target) -> Iterator[tuple[Route, str]]:
    for route in target.routes:
        for module in MODULES[:3] if "name" in route.names else MODULES[:1]:
            yield route, module


def misleading(own: str) -> dict[str, Any]:
    """One of the malformed claims, another one on each route."""
    claims = list(malformed_claims(VICTIM, own).values())
    return claims[zlib.crc32(own.encode()) % len(claims)]


#: Who attacks, given a tenant of their own: their claims, and into how many parts their attacks are divided.
ATTACKERS: dict[str, tuple[Callable[[str], Any], int]] = {
    "another tenant": (claims_of, 3),
    "an administrator of another tenant": (
        lambda own: claims_of(own, {"tenant": own, "role": "system_admin"}),
        8,
    ),
    "another role in the tenant": (lambda own: claims_of(own, {"tenant": VICTIM, "role": "admin"}), 8),
    "an access token": (
        lambda _own: {
            **claims_of(VICTIM, ADMIN),
            "token_use": "access",
            "client_id": "app",
            "scope": "openid",
        },
        8,
    ),
    "claims that mislead": (lambda own: claims_of(own) | misleading(own), 8),
    "no tenant": (lambda _own: claims_of(None), 4),
    "nobody": (lambda _own: None, 8),
}
#: In the short form some attacks on each route, other ones on the next; in the complete form all of them.
PARTS = [(who, part) for who, (_, parts) in ATTACKERS.items() for part in range(scaled(1, parts))]


@pytest.mark.parametrize(("who", "part"), PARTS)
def test_no_attack_leaks(target: Target, who: str, part: int) -> None:
    make, step = ATTACKERS[who]
    watch = Watch(target)
    own: set[str] = set()
    count = 0
    for index, (route, module) in enumerate(each_route(target)):
        tenant = f"{who.replace(' ', '-')}-{part}-{index}"
        claims = make(tenant)
        own |= {tenant} if claims and claims.get("custom:tenant") == tenant else set()
        count += run(target, route, claims, tenant, module, part=part, step=step)
    watch.check(own)
    print(f"{count} requests of {who}, part {part + 1} of {step}")  # noqa: T201 - shown with -s
    assert count > 8000 / step


def test_the_owner_gets_what_the_attacks_are_after(target: Target) -> None:
    """The requests are good ones: what the attacks miss is there, and each route takes its request."""
    showing = set()
    for route, module in each_route(target):
        mine = friendly(target, route, THERE, VICTIM, module)
        reader = claims_of(VICTIM, ADMIN, user="reader")
        if route.method != "GET":
            own = f"owner-{len(showing)}-{route.method.lower()}-{module}-{zlib.crc32(str(route).encode())}"
            plant(target, own, THERE, modules=[route.path.split("/")[1].removesuffix("s"), module])
            mine = friendly(target, route, THERE, own, module)
            reader = claims_of(own, ADMIN, user="reader")
        if module == "task" or route.path.startswith("/orders"):
            mine = replace(mine, query={})  # its handlers have not seen what was planted
            mine = mine.with_fields(sync=False) if "sync" in (mine.body or ()) else mine
        answer = mine.send(target, reader)
        assert answer.status < 300, (str(route), answer.text)
        if MARKER in answer.text:
            showing.add(route.path)
    assert {path for path in showing if path.startswith("/orders")} == {
        "/orders",
        "/orders/search",
        "/orders/{sk}",
        "/orders/{sk}/history",
        "/orders/{sk}/history/{version}",
    }
    assert {path for path in showing if path.startswith("/posts")} == {"/posts/{id}", "/posts/{id}/events"}
    assert "/{name}/read" in showing


@pytest.mark.parametrize("tenant", ["kiss", "caf\u00e9", "\u00e5re", "\u03b1\u03c3"])
def test_a_tenant_that_looks_alike_is_another_one(target: Target, tenant: str) -> None:
    if tenant != VICTIM:
        plant(target, tenant, THERE)
    watch = Watch(target)
    twins = look_alikes(tenant)
    for twin in twins.values():
        for route, module in each_route(target):
            if route.method != "GET" and "name" not in route.names:
                continue  # these make the key of the token's tenant as the readers do
            request = friendly(target, route, THERE, tenant, module)
            answer = request.send(target, claims_of(twin))
            assert answer.status < 500, (twin, str(route), answer.text)
            assert MARKER not in answer.text, (twin, str(route))
            if route.method != "GET":
                assert answer.status == 403, (twin, str(route))
    watch.check({*twins.values()})


def test_case_alone_makes_no_other_tenant(target: Target) -> None:
    """Tenants are compared in lower case: KISS in a token is kiss, as the reference system has it."""
    answer = target.send("GET", f"/notes/{THERE}", claims_of(VICTIM.upper()))
    assert MARKER in answer.text


def test_what_is_common_is_read_only(target: Target) -> None:
    watch = Watch(target)
    header = {"x-tenant-code": "common"}
    read = 0
    for route, module in each_route(target):
        request = friendly(target, route, COMMON, "common", module)
        for claims in (claims_of("globex"), claims_of("common"), claims_of(None)):
            answer = request.plus(headers=header).send(target, claims)
            if route.method == "GET" or route.path.endswith("/read"):
                assert answer.status == 200, (str(route), answer.text)
                read += 1
            else:
                statuses = [item["status"] for item in answer.json.get("items", [answer.json])]
                assert statuses == [403], (str(route), answer.text)
        assert request.plus(headers=header).send(target, None).status in {403, 404}
    watch.check(set())
    assert read > 30


def test_a_page_goes_on_where_it_ended_in_ones_own_tenant_only(target: Target) -> None:
    plant(target, "pages", "A1", "A2", "A3")
    mine = claims_of("pages", user="someone")
    last = target.send("GET", "/notes?limit=2", mine).json["lastSk"]
    assert last == "A2"
    rest = target.send("GET", f"/notes?startFromSk={last}", mine).json
    assert [item["pk"] for item in rest["items"]] == ["NOTE#pages"]
    stolen = target.send("GET", f"/notes?startFromSk={last}", claims_of("thief")).json
    assert stolen == {"items": []}


def test_a_repeated_idempotency_key_is_another_users_and_tenants_own(target: Target) -> None:
    body = {"sk": "I1", "version": 0, "name": "n", "attributes": {}}
    header = {"Idempotency-Key": "shared"}
    answers = [
        target.send("POST", "/notes", claims_of(tenant, user=user), headers=header, body=body)
        for tenant, user in (("one", "u1"), ("two", "u2"), ("two", "u1"), ("one", "u1"), ("two", "u3"))
    ]
    # The third has the first one's user id and the second one's tenant: there is an item already.
    assert [answer.status for answer in answers] == [202, 202, 409, 202, 409]
    assert answers[3].json["id"] == "NOTE#one#I1"


@pytest.mark.parametrize("name", malformed_claims(VICTIM, "own"))
def test_claims_that_mislead_open_nothing(target: Target, name: str) -> None:
    """Each of them on a read, a write and a list; on every route in turn above."""
    watch = Watch(target)
    own = f"misled-{zlib.crc32(name.encode())}"
    claims = claims_of(own) | malformed_claims(VICTIM, own)[name]
    body = {"sk": THERE, "version": 3, "name": "forged", "attributes": {}}
    for header in ({}, {"x-tenant-code": VICTIM}, {"x-tenant-code": own}):
        for method, path in (
            ("GET", f"/notes/{THERE}"),
            ("GET", "/notes"),
            ("POST", "/notes"),
            ("DELETE", f"/notes/{THERE}?version=3"),
        ):
            answer = target.send(
                method, path, claims, headers=header, body=body if method == "POST" else None
            )
            assert (answer.status < 500, MARKER in answer.text) == (True, False), (path, answer.text)
            if header.get("x-tenant-code") == VICTIM:
                assert answer.status in {403, 404}, (method, path, answer.text)
    watch.check({own})


def test_every_route_is_attacked(target: Target) -> None:
    names = {route.operation["operationId"] for route in target.routes}
    made = {f"order_{name}" for name in ROUTE_NAMES}
    assert made <= names
    of_events = {f"{STREAM}_{name}" for name in ("get", "events", "write-post", "clear-post")}
    assert of_events <= names
    assert {path for _, path in UNLISTED} & {route.path for route in target.routes} == set()
