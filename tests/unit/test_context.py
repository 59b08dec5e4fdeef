from __future__ import annotations

import json
from typing import Any

import pytest

from runtime import (
    CommandModel,
    DataModel,
    ForbiddenError,
    InvokeContext,
    Settings,
    acting_tenant,
    get_command_source,
    get_user_context,
)
from runtime.identity.access import check_tenant


def context(tenant: str | None = "acme", roles: Any = None, **headers: str) -> InvokeContext:
    claims = {"sub": "u1"}
    if tenant:
        claims["custom:tenant"] = tenant
    if roles is not None:
        claims["custom:roles"] = roles if isinstance(roles, str) else json.dumps(roles)
    return InvokeContext(claims=claims, headers=headers)


def test_the_tenant_is_lower_case_and_the_role_is_not() -> None:
    user = get_user_context(context("ACME", [{"tenant": "Acme", "role": "Admin"}]))
    assert (user.user_id, user.tenant_code, user.tenant_role) == ("u1", "acme", "Admin")


EVERYWHERE = '[{"tenant": "", "role": "system_admin"}]'


def test_the_tenant_is_that_of_the_header_where_the_user_may_act_there() -> None:
    """What `get_user_context` says is what `acting_tenant` says, and where one refuses, both do."""
    settings = Settings()
    for claims, header, tenant in (
        ({"custom:tenant": "Acme"}, None, "acme"),
        ({"custom:tenant": "acme"}, "ACME", "acme"),
        ({"custom:tenant": "acme", "custom:roles": EVERYWHERE}, "Globex", "globex"),
        ({"custom:roles": EVERYWHERE}, "globex", "globex"),
        ({"custom:tenant": "acme", "sub": "u"}, "common", "common"),
        ({}, None, None),
    ):
        found = InvokeContext(claims=claims, headers={"x-tenant-code": header} if header else {})
        assert get_user_context(found, settings).tenant_code == tenant
        assert acting_tenant(found, settings, write=False) == tenant
    for claims, header in (
        ({"custom:tenant": "acme"}, "globex"),
        ({}, "globex"),
        ({}, "common"),
        ({"custom:tenant": "x#acme"}, None),
        ({"custom:roles": EVERYWHERE}, "x#acme"),
    ):
        found = InvokeContext(claims=claims, headers={"x-tenant-code": header} if header else {})
        for read in (get_user_context, acting_tenant):
            with pytest.raises(ForbiddenError, match="tenant"):
                read(found, settings)


@pytest.mark.parametrize(
    ("roles", "role"),
    [
        (None, ""),
        ([], ""),
        ([{"tenant": "other", "role": "admin"}], ""),
        ([{"tenant": "", "role": "a"}, {"role": "b"}], "b"),
        ([{"tenant": "", "role": "global"}, {"tenant": "acme", "role": "own"}], "own"),
        ([{"tenant": "acme", "role": "first"}, {"tenant": "acme", "role": "second"}], "first"),
    ],
)
def test_roles(roles: Any, role: str) -> None:
    assert get_user_context(context(roles=roles)).tenant_role == role


@pytest.mark.parametrize("roles", ["{", '{"tenant": ""}', "[1]", '"admin"'])
def test_a_malformed_role_claim_is_refused(roles: str) -> None:
    with pytest.raises(ForbiddenError, match="custom:roles"):
        get_user_context(context(roles=roles))


def test_an_http_event_gives_the_context() -> None:
    event = {
        "headers": {"X-Tenant-Code": "acme"},
        "requestContext": {
            "requestId": "r1",
            "http": {"sourceIp": "192.0.2.7"},
            "authorizer": {"jwt": {"claims": {"sub": "u9"}}},
        },
    }
    found = InvokeContext.from_http_event(event)
    assert (found.claims["sub"], found.headers["x-tenant-code"]) == ("u9", "acme")
    assert (found.source_ip, found.request_id) == ("192.0.2.7", "r1")


def test_an_event_without_an_authorizer_has_no_user() -> None:
    assert get_user_context(InvokeContext.from_http_event({"requestContext": {}})).user_id is None


def test_the_source_says_where_a_command_comes_from() -> None:
    assert get_command_source("todo", "TodoRoutes", "create") == "[todo]:TodoRoutes.create"


def test_every_role_in_the_tenant_counts() -> None:
    roles = [
        {"tenant": "acme", "role": "a"},
        {"role": "everywhere"},
        {"tenant": "globex", "role": "elsewhere"},
        {"tenant": "ACME", "role": "b"},
        {"tenant": "acme", "role": "a"},
        {"tenant": "acme"},
    ]
    assert get_user_context(context("Acme", roles)).tenant_roles == ("a", "everywhere", "b")
    assert get_user_context(context(None, roles)).tenant_roles == ("everywhere",)


@pytest.mark.parametrize("roles", [[{"tenant": 5, "role": "a"}], [{"role": ["a"]}]])
def test_roles_are_text(roles: Any) -> None:
    with pytest.raises(ForbiddenError, match="custom:roles"):
        get_user_context(context(roles=roles))


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (
            '[{"tenant": "acme", "groups": ["g1", "g2"]}, {"tenant": "globex", "groups": ["g3"]}]',
            ("g1", "g2"),
        ),
        ('[{"tenant": "ACME", "groups": ["g1"]}, {"tenant": "", "groups": ["g1", "all"]}]', ("g1", "all")),
        (
            '[{"tenant": "acme", "groups": ["g1", 5, ""]}, 7, {"tenant": 5, "groups": ["g"]}]',
            ("g1",),
        ),
        ("{", ()),
        ('"g1"', ()),
        ("[" * 100_000, ()),
        (None, ()),
    ],
)
def test_groups_are_read_as_far_as_they_make_sense(claim: str | None, groups: tuple[str, ...]) -> None:
    claims = {"custom:tenant": "acme"} | ({"custom:groups": claim} if claim else {})
    assert get_user_context(InvokeContext(claims=claims)).tenant_group_ids == groups


def test_an_access_token_names_neither_tenant_nor_roles() -> None:
    claims = {"sub": "u1", "token_use": "access", "custom:tenant": "acme"}
    access = InvokeContext(claims=claims, headers={"x-tenant-code": "acme"})
    for read in (get_user_context, acting_tenant):
        with pytest.raises(ForbiddenError, match="send the ID token"):
            read(access)
    assert get_user_context(InvokeContext(claims=claims | {"token_use": "id"})).tenant_code == "acme"


OTHERS = Settings(
    tenant_claim="https://x.io/org", roles_claim="roles", user_claim="uid", groups_claim="teams"
)


def test_another_issuer_has_other_names_for_the_claims() -> None:
    roles = '[{"tenant": "acme", "role": "admin"}]'
    teams = '[{"tenant": "acme", "groups": ["clerks"]}]'
    claims = {
        "https://x.io/org": "Acme",
        "roles": roles,
        "uid": "u7",
        "teams": teams,
        "sub": "auth0|1",
        "x": 1,
    }
    event = {"requestContext": {"authorizer": {"jwt": {"claims": claims}}}}
    found = InvokeContext.from_http_event(event, OTHERS)
    user = get_user_context(found)
    assert (user.user_id, user.tenant_code, user.tenant_roles) == ("u7", "acme", ("admin",))
    assert user.tenant_group_ids == ("clerks",)
    assert found.claims["x"] == 1


def test_a_claim_of_another_issuer_that_has_our_name_says_nothing() -> None:
    mine = {"custom:tenant": "acme", "custom:roles": EVERYWHERE, "sub": "u", "custom:groups": "[]"}
    event = {"requestContext": {"authorizer": {"jwt": {"claims": mine}}}}
    found = InvokeContext.from_http_event(event, OTHERS)
    assert found.claims == {}
    swapped = Settings(tenant_claim="sub", user_claim="custom:tenant")
    user = get_user_context(InvokeContext.from_http_event(event, swapped))
    assert (user.tenant_code, user.user_id) == ("u", "acme")


def test_a_lambda_authorizer_says_who_it_is() -> None:
    event = {"requestContext": {"authorizer": {"lambda": {"sub": "u", "custom:tenant": "acme"}}}}
    assert get_user_context(InvokeContext.from_http_event(event)).tenant_code == "acme"


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"headers": None, "requestContext": None},
        {"headers": [], "requestContext": []},
        {"headers": {"a": None, "B": 1}, "requestContext": {"authorizer": None, "http": None}},
        {"requestContext": {"authorizer": {"jwt": None, "lambda": None}}},
        {"requestContext": {"authorizer": {"jwt": {"claims": None}}}},
        {"requestContext": {"authorizer": {"jwt": {"claims": "x"}, "lambda": 1}}},
        {"requestContext": {"authorizer": {"iam": {"userId": "x"}}}},
    ],
)
def test_what_is_missing_or_null_names_nobody(event: dict[str, Any]) -> None:
    found = InvokeContext.from_http_event(event)
    assert found.claims == {}
    assert dict(found.headers) in ({}, {"b": "1"})
    assert get_user_context(found).user_id is None


ROW = {
    "pk": "ORDER#acme",
    "sk": "A1@2",
    "tenantCode": "globex",  # what a caller has said; the key decides
    "createdBy": "u1",
    "createdIp": "192.0.2.1",
    "updatedBy": "u2",
    "updatedIp": "192.0.2.2",
    "requestId": "r-1",
}


def test_work_in_the_background_is_for_whoever_wrote_the_row() -> None:
    found = InvokeContext.of_row(ROW)
    assert found == InvokeContext(
        claims={"sub": "u2", "custom:tenant": "acme"}, source_ip="192.0.2.2", request_id="r-1"
    )
    user = get_user_context(found)
    assert (user.user_id, user.tenant_code, user.tenant_roles) == ("u2", "acme", ())
    assert found.publish_id is None
    check_tenant("INVOICE#acme", found, Settings())
    for foreign in ("ORDER#globex", "ORDER#common", "ORDER"):
        with pytest.raises(ForbiddenError):
            check_tenant(foreign, found, Settings())


@pytest.mark.parametrize("model", [CommandModel[dict[str, Any]], DataModel[dict[str, Any]]])
def test_it_is_so_with_a_model_of_the_row(model: type[CommandModel[Any] | DataModel[Any]]) -> None:
    fields = {**ROW, "id": "i", "version": 2, "code": "c", "name": "n", "type": "ORDER", "attributes": {}}
    assert InvokeContext.of_row(model.model_validate(fields)) == InvokeContext.of_row(ROW)


def test_a_row_that_does_not_tell_is_nobodys() -> None:
    made = InvokeContext.of_row({"pk": "ORDER#acme", "createdBy": "u1", "updatedBy": None, "requestId": ""})
    assert made == InvokeContext(claims={"sub": "u1", "custom:tenant": "acme"})
    assert InvokeContext.of_row({"pk": "ORDER", "createdBy": 5}) == InvokeContext()
