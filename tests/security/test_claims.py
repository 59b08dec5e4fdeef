"""Claims are read alike everywhere: one table of cases, and random ones, for Python and for JavaScript.

Whoever's claims are malformed is nobody, in their own tenant, too. `tests/constructs/test_realtime_api.py`
has the cases of channels; here are those of claims.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime import (
    CommandModule,
    CqrsApp,
    ForbiddenError,
    InvokeContext,
    Settings,
    acting_tenant,
    check_role,
    get_user_context,
    module_routes,
)
from runtime.identity.access import check_tenant
from runtime.testing import MemoryApp
from tests.support.appsync import may_subscribe, subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runtime.testing import Client

CHANNEL = "/default/acme/*"
PK = "DOC#acme"
SETTINGS = Settings()
ADMIN = [{"tenant": "", "role": "system_admin"}]


def own(roles: Any = None) -> dict[str, Any]:
    """Claims of a user of acme."""
    claims = {"sub": "u", "custom:tenant": "acme"}
    return claims if roles is None else claims | {"custom:roles": roles}


def roles(*entries: Any) -> str:
    return json.dumps(entries)


#: Claims that let their user into acme.
GOOD: dict[str, dict[str, Any]] = {
    "no roles": own(),
    "roles that are null": own() | {"custom:roles": None},
    "empty roles": own(""),
    "an empty list of roles": own("[]"),
    "white space around": own(" \t\r\n[] "),
    "a role": own(roles({"tenant": "acme", "role": "admin"})),
    "a role without a tenant": own(roles({"role": "admin"})),
    "a tenant without a role": own(roles({"tenant": "acme"})),
    "nulls in a role": own(roles({"tenant": None, "role": None})),
    "nothing in a role": own("[{}]"),
    "more in a role": own(roles({"tenant": "", "role": "admin", "since": 2026, "by": None, "is": True})),
    "a number of many digits": own(f'[{{"role": "a", "n": {"1" * 5000}}}]'),
    "a number that is too large": own('[{"role": "a", "n": 1e999}]'),
    "a key twice": own('[{"role": "a", "role": "b"}]'),
    "half of a surrogate pair": own('[{"role": "\\ud800"}]'),
    "a tenant in capitals": own() | {"custom:tenant": "ACME"},
    "an ID token": own() | {"token_use": "id"},
    "a role in acme": {"sub": "u", "custom:roles": roles({"tenant": "Acme", "role": "system_admin"})},
    "a role in every tenant": {"sub": "u", "custom:tenant": "globex", "custom:roles": roles(*ADMIN)},
    "the last of two keys": {"custom:roles": '[{"role": "a", "role": "system_admin"}]'},
    "a user that is empty": own() | {"sub": ""},
}
#: Claims that are malformed, although their user is of acme.
MALFORMED: dict[str, dict[str, Any]] = {
    "roles that are no JSON": own("{["),
    "a role in front of no JSON": own(f"{roles(*ADMIN)}]"),
    "a plain role": own("admin"),
    "roles with commas": own("[admin, user]"),
    "roles that are an object": own(json.dumps(ADMIN[0])),
    "roles that are text": own('"system_admin"'),
    "roles that are null in JSON": own("null"),
    "roles that are a number": own("1"),
    "roles that are false": own("false"),
    "a byte order mark": own(f"\ufeff{roles(*ADMIN)}"),
    "a no-break space": own(f"\u00a0{roles(*ADMIN)}"),
    "a constant of Python's": own('[{"role": "a", "n": NaN}]'),
    "another constant of Python's": own('[{"role": "a", "n": -Infinity}]'),
    "a comment": own("[/**/]"),
    "a comma too many": own("[{},]"),
    "single quotes": own("[{'role': 'a'}]"),
    "a line feed in a text": own('[{"role": "a\nb"}]'),
    "an entry that is text": own('["admin"]'),
    "an entry that is a number": own("[1]"),
    "an entry that is null": own("[null]"),
    "an entry that is a list": own('[["system_admin"]]'),
    "an entry after a good one": own(roles(*ADMIN, "admin")),
    "a tenant that is a number": own(roles({"tenant": 5, "role": "a"})),
    "a tenant that is false": own(roles({"tenant": False, "role": "system_admin"})),
    "a tenant that is a list": own(roles({"tenant": [], "role": "system_admin"})),
    "a tenant that is an object": own(roles({"tenant": {}, "role": "system_admin"})),
    "a role that is a list": own(roles({"role": ["system_admin"]})),
    "a role that is a number": own(roles({"role": 0})),
    "a role that is true": own(roles({"role": True})),
    "a list in a role": own(roles({"role": "a", "more": []})),
    "an object in a role": own(roles({"role": "a", "more": {}})),
    "too many levels": own("[" * 100_000),
    "too many levels in a role": own(f'[{{"role": "a", "more": {"[" * 5000}{"]" * 5000}}}]'),
    "roles that are a list": own(ADMIN),
    "roles that are a list of text": own([roles(*ADMIN)]),
    "an empty list as roles": own([]),
    "an object as roles": own({}),
    "false as roles": own(False),  # noqa: FBT003 - the claim
    "zero as roles": own(0),
    "a list as tenant": own() | {"custom:tenant": ["acme"]},
    "an empty list as tenant": own(roles(*ADMIN)) | {"custom:tenant": []},
    "false as tenant": own(roles(*ADMIN)) | {"custom:tenant": False},
    "a number as tenant": own(roles(*ADMIN)) | {"custom:tenant": 5},
    "an object as tenant": own(roles(*ADMIN)) | {"custom:tenant": {}},
    "a number as user": own() | {"sub": 5},
    "a list as user": own() | {"sub": ["u"]},
    "an access token": own() | {"token_use": "access"},
    "an access token with a role": own(roles(*ADMIN)) | {"token_use": "access"},
}
STRANGERS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "no tenant": {"sub": "u"},
    "an empty tenant": {"sub": "u", "custom:tenant": ""},
    "another tenant": own() | {"custom:tenant": "globex"},
    "a role elsewhere": {"custom:roles": roles({"tenant": "globex", "role": "system_admin"})},
    "another role": {"custom:roles": roles({"tenant": "acme", "role": "admin"})},
    "a tenant with a space": own() | {"custom:tenant": "acme "},
    "a tenant that ends alike": own() | {"custom:tenant": "x#acme"},
}
CASES = GOOD | MALFORMED | STRANGERS

#: Wherever Python reads claims.
READERS: dict[str, Callable[[InvokeContext], object]] = {
    "check_tenant, write": lambda context: check_tenant(PK, context, SETTINGS),
    "check_tenant, read": lambda context: check_tenant(PK, context, SETTINGS, write=False),
    "check_tenant, what is common": lambda context: check_tenant(
        "DOC#common", context, SETTINGS, write=False
    ),
    "acting_tenant": lambda context: acting_tenant(context, SETTINGS),
    "get_user_context": lambda context: get_user_context(context, SETTINGS),
    "get_user_context, outside of an app": get_user_context,
    "check_role": lambda context: check_role("", invoke_context=context, settings=SETTINGS),
}


def python_lets_in(claims: dict[str, Any]) -> bool:
    try:
        check_tenant(PK, InvokeContext(claims=claims), SETTINGS)
    except ForbiddenError:
        return False
    return True


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_claims_are_refused_wherever_python_reads_them(name: str, reader: str) -> None:
    with pytest.raises(ForbiddenError, match=r"claim|access token"):
        READERS[reader](InvokeContext(claims=MALFORMED[name]))


def test_python_and_javascript_let_the_same_people_in(tmp_path: Path) -> None:
    listening = may_subscribe(tmp_path, [subscription(CHANNEL, claims=claims) for claims in CASES.values()])
    answers = {name: (python_lets_in(CASES[name]), js) for name, js in zip(CASES, listening, strict=True)}
    assert {name for name, found in answers.items() if found != (name in GOOD, name in GOOD)} == set()


@pytest.fixture(scope="module")
def memory() -> Iterator[MemoryApp]:
    doc = CommandModule("doc")
    routes = module_routes(doc, prefix="/docs", type="DOC", search=lambda _query: {"items": []})
    with MemoryApp(CqrsApp(modules=[doc], routes=[routes])) as found:
        yield found


def every_route(client: Client) -> dict[str, int]:
    state = {"version": 0, "name": "n", "attributes": {}}
    body = state | {"sk": "1"}
    sent = [
        ("POST", "/docs", body), ("POST", "/docs/bulk", [body]), ("PUT", "/docs/1", state),
        ("PATCH", "/docs/1", {"version": 1, "name": "x"}), ("DELETE", "/docs/1", None),
        ("GET", "/docs", None), ("GET", "/docs/1", None), ("GET", "/docs/1/history", None),
        ("GET", "/docs/1/history/1", None), ("GET", "/docs/search", None), ("PUT", "/docs/resync", {}),
    ]  # fmt: skip
    params = {"version": "1"}
    return {
        f"{method} {path}": client.request(method, path, json, params=params).status
        for method, path, json in sent
    }


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_claims_are_refused_on_every_route(memory: MemoryApp, name: str) -> None:
    client = memory.client(user=None, claims=MALFORMED[name])
    assert {route: status for route, status in every_route(client).items() if status != 403} == {}
    assert memory.rows("doc", "command") == []


_NAMES = st.sampled_from(["acme", "ACME", "globex", "", "system_admin", "admin", "*", "none", "\u212a"])
_SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | _NAMES
_ANY = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["tenant", "role", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_ROLE = st.fixed_dictionaries(
    {}, optional={"tenant": _NAMES | _SCALARS, "role": _NAMES | _SCALARS, "x": _ANY}
)
_ROLES = (
    st.lists(_ROLE | _ANY, max_size=3).map(json.dumps)
    | _ANY.map(json.dumps)
    | _ANY
    | st.text(alphabet='[]{}",:antenlrousfyi_dm \n\ufeff', max_size=12)
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.just("u") | _ANY,
        "custom:tenant": _NAMES | _ANY,
        "custom:roles": _ROLES,
        "token_use": st.sampled_from(["id", "access", None, 1]),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(many=st.lists(CLAIMS, min_size=100, max_size=200))
def test_random_claims_are_read_alike(
    many: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "random-claims"
    listening = may_subscribe(folder, [subscription(CHANNEL, claims=claims) for claims in many])
    differing = [
        (claims, js) for claims, js in zip(many, listening, strict=True) if python_lets_in(claims) is not js
    ]
    assert differing == []
