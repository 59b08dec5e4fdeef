"""Least privilege by tenant: who has which rights, and what does not change with it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from hypothesis import given
from hypothesis import strategies as st

from constructs_lib import CqrsFunctions, CqrsModule, CqrsStack, InvalidPropsError, Processing, TenantSessions
from runtime.contract import DIGEST_TAG, TENANT_TAG, Env
from runtime.store.bucket import digest_of, object_prefix
from tests.constructs.conftest import new_app, stable
from tests.constructs.functions import imported_function, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

SESSIONS = "FunctionsTenantSessions"


def shop(*, tenant_sessions: bool = True, **props: Any) -> CqrsStack:
    return CqrsStack(
        new_app(),
        "Shop",
        app_name="shop",
        modules=[
            CqrsModule("order", data_sync=True),
            CqrsModule("note", processing=Processing.INLINE),
        ],
        code=lambda_.Code.from_inline("app = None"),
        handler="index.app",
        python_runtime=lambda_.Runtime.PYTHON_3_13,
        master_data=True,
        tenant_sessions=tenant_sessions,
        **props,
    )


@pytest.fixture(scope="module")
def with_sessions() -> dict[str, Any]:
    return stable(shop())


@pytest.fixture(scope="module")
def without() -> dict[str, Any]:
    return stable(shop(tenant_sessions=False))


def statements(template: dict[str, Any], policy: str) -> list[dict[str, Any]]:
    (found,) = (r for name, r in template["Resources"].items() if name.startswith(policy))
    document: list[dict[str, Any]] = found["Properties"]["PolicyDocument"]["Statement"]
    return document


def rights(template: dict[str, Any], policy: str) -> set[tuple[str, str]]:
    """Each action that a policy allows, with each resource."""
    return {
        (action, json.dumps(resource))
        for statement in statements(template, policy)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_role(with_sessions: dict[str, Any], template_snapshot: SnapshotAssertion) -> None:
    found = {name: r for name, r in with_sessions["Resources"].items() if name.startswith(SESSIONS)}
    assert {r["Type"] for r in found.values()} == {"AWS::IAM::Role", "AWS::IAM::Policy"}
    assert found == template_snapshot


def test_the_rights_to_data_move_from_the_function_to_the_role(
    with_sessions: dict[str, Any], without: dict[str, Any]
) -> None:
    before = rights(without, "FunctionsApiRoleDefaultPolicy")
    of_data = {right for right in before if right[0].startswith(("dynamodb:", "s3:"))}
    own = rights(with_sessions, "FunctionsApiRoleDefaultPolicy")
    assert {action for action, _ in own - before} == {"sts:AssumeRole", "sts:TagSession"}
    assert before - own == of_data
    moved = rights(with_sessions, f"{SESSIONS}RoleDefaultPolicy")
    assert {right for right in moved if right[0].startswith("dynamodb:")} == {
        right for right in of_data if right[0].startswith("dynamodb:")
    }
    assert {action for action, _ in moved - of_data} == {"s3:GetObject", "s3:PutObject"}
    assert all("/ddb/*/" in resource for action, resource in moved if action.startswith("s3:"))


def test_nothing_else_changes(with_sessions: dict[str, Any], without: dict[str, Any]) -> None:
    """Nothing that holds data moves: an existing service may switch it on, and off."""
    before, after = without["Resources"], with_sessions["Resources"]
    assert {name for name in after if name not in before} == {n for n in after if n.startswith(SESSIONS)}
    changed = {name for name in before if before[name] != after[name]}
    assert {re.sub("[0-9A-F]{8}$", "", name) for name in changed} == {
        "FunctionsApiFunction",
        "FunctionsApiRoleDefaultPolicy",
    }
    told = {
        name
        for name, r in after.items()
        if Env.TENANT_ROLE_ARN in r.get("Properties", {}).get("Environment", {}).get("Variables", {})
    }
    assert {re.sub("[0-9A-F]{8}$", "", name) for name in told} == {"FunctionsApiFunction"}


def test_the_common_tenants_are_those_that_the_function_is_told() -> None:
    template = stable(shop(environment={Env.COMMON_TENANT_CODES: "Shared, public"}))
    policy = statements(template, f"{SESSIONS}RoleDefaultPolicy")
    keys = [
        s["Condition"]["ForAnyValue:StringNotLike"]["dynamodb:LeadingKeys"]
        for s in policy
        if "ForAnyValue:StringNotLike" in s.get("Condition", {})
    ]
    own = "*#${aws:PrincipalTag/tenant}"
    assert [listed(key) for key in keys] == [[own, "*#shared", "*#public"], [own]]
    reads = json.dumps([s for s in policy if s["Action"] == "s3:GetObject"])
    assert "/ddb/*/shared/" in reads
    assert "/ddb/*/public/" in reads
    assert "common" not in json.dumps(policy)


@pytest.mark.parametrize("code", ["", "a*", "a?", "${x}", "a/b", "a#b", "Common", "x" * 65])
def test_a_common_tenant_that_means_something_in_a_policy_is_refused(stack: cdk.Stack, code: str) -> None:
    function = new_function(stack)
    with pytest.raises(InvalidPropsError, match="common_tenant_codes must be"):
        TenantSessions(stack, "Sessions", function=function, common_tenant_codes=[code])


def test_a_function_of_ones_own_needs_a_role(stack: cdk.Stack) -> None:
    arn = "arn:aws:lambda:eu-west-1:111111111111:function:api"
    without = lambda_.Function.from_function_arn(stack, "Api", arn)
    with pytest.raises(InvalidPropsError, match="function must have a role"):
        TenantSessions(stack, "Sessions", function=without)
    sessions = TenantSessions(stack, "Others", function=imported_function(stack, "brought"))
    assert isinstance(sessions.data_access.grantee, iam.Role)


def test_a_function_that_works_for_all_tenants_is_not_the_api_function(stack: cdk.Stack) -> None:
    """Nor has it a role in common with it: sessions would take nothing from it."""
    by_lambda = iam.ServicePrincipal("lambda.amazonaws.com")
    for kind in ("stream", "worker", "notifier", "operator"):
        of_kind = cdk.Stack(stack, kind)
        role = iam.Role(of_kind, "Role", assumed_by=by_lambda)
        one, other = (new_function(of_kind, name, role=role) for name in ("One", "Other"))
        imported, again = (
            lambda_.Function.from_function_attributes(
                of_kind,
                f"Imported{number}",
                function_arn="arn:aws:lambda:eu-west-1:111111111111:function:both",
                role=iam.Role.from_role_name(of_kind, f"ImportedRole{number}", "both"),
            )
            for number in range(2)
        )
        alone, live = new_function(of_kind, "Alone"), new_function(of_kind, "Live")
        together = [
            (imported, again),
            (live, live.add_alias("live")),
            (alone.current_version, alone),
            (one, other),
            (other, other),
        ]
        for number, (api, brought) in enumerate(together):
            with pytest.raises(InvalidPropsError, match=f"^api must be a function .* got that of {kind} "):
                functions(of_kind, f"F{number}", api=api, tenant_sessions=True, **{kind: brought})
    role = iam.Role(stack, "Role", assumed_by=by_lambda)
    one, other = (new_function(stack, name, role=role) for name in ("One", "Other"))
    alone = new_function(stack, "Alone")
    functions(stack, "Without", api=one, worker=one)
    apart = functions(stack, "Apart", api=alone, worker=one, operator=other, tenant_sessions=True)
    assert apart.tenant_sessions is not None
    for same in (alone, alone.current_version, new_function(stack, "Same", role=alone.role)):
        assert apart.data_access(same).grantee is apart.tenant_sessions.role
    assert apart.data_access(one).grantee is one


def functions(stack: cdk.Stack, name: str, **props: Any) -> CqrsFunctions:
    code = lambda_.Code.from_inline("app = None")
    return CqrsFunctions(stack, name, code=code, handler="index.app", app_name="shop", **props)


# Names of objects: those of a tenant match the patterns of its own sessions, and of no other's.

CODES = st.text("aB1_.:/=+-@ ö", min_size=1, max_size=8) | st.sampled_from(
    ["acme", "acme2", "order-command/acme", "a" * 32, digest_of("köln"), "x" * 65]
)
SUBJECT = "${{aws:PrincipalTag/{}}}"


@pytest.fixture(scope="module")
def patterns(with_sessions: dict[str, Any]) -> list[str]:
    return [
        json.loads(resource)["Fn::Join"][1][1].removeprefix("/")
        for action, resource in rights(with_sessions, f"{SESSIONS}RoleDefaultPolicy")
        if action == "s3:PutObject"
    ]


def reached(name: str, tenant: str, patterns: list[str]) -> bool:
    """Whether a session of a tenant reaches an object: wildcards as IAM reads them."""
    values = {TENANT_TAG: tenant, DIGEST_TAG: digest_of(tenant)}
    for pattern in patterns:
        expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        for tag, value in values.items():
            expression = expression.replace(re.escape(SUBJECT.format(tag)), re.escape(value))
        if re.fullmatch(expression, name, re.DOTALL):
            return True
    return False


@given(tenant=CODES, owner=CODES, table=st.sampled_from(["order-command", "acme"]), sk=st.text(max_size=8))
def test_a_session_reaches_the_objects_of_its_own_tenant(
    patterns: list[str], tenant: str, owner: str, table: str, sk: str
) -> None:
    name = f"{object_prefix(table, f'ORDER#{owner}', sk)}{'0' * 64}.json"
    assert reached(name, owner, patterns)
    assert reached(name, tenant, patterns) == (tenant == owner)
