from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cognito as cognito
from aws_cdk.assertions import Template

from constructs_lib import Identity, InvalidPropsError
from tests.constructs.conftest import stable, warnings_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

POOL = "AWS::Cognito::UserPool"
CLIENT = "AWS::Cognito::UserPoolClient"


def resource(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    (found,) = Template.from_stack(stack).find_resources(kind).values()
    return dict(found)


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Identity(stack, "Identity")
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    Identity(
        stack,
        "Identity",
        mfa=cognito.Mfa.REQUIRED,
        self_sign_up=True,
        password_min_length=20,
        password_auth=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    assert stable(stack) == template_snapshot
    assert warnings_of(stack) == ["cqrs:destroyableUsers"]


def test_logical_ids_are_a_contract(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    template = Template.from_stack(stack)
    assert set(template.find_resources(POOL)) == {"IdentityUserPool96FE3B9B"}
    assert set(template.find_resources(CLIENT)) == {"IdentityClient148304DC"}


def test_users_carry_a_tenant_and_roles(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    schema = {a["Name"]: a for a in resource(stack, POOL)["Properties"]["Schema"]}
    assert {name: a["Mutable"] for name, a in schema.items()} == {"tenant": True, "roles": True}


def test_users_can_read_but_never_write_their_tenant_and_roles(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    client = resource(stack, CLIENT)["Properties"]
    assert {"custom:tenant", "custom:roles"} <= set(client["ReadAttributes"])
    assert client["WriteAttributes"], "an empty list would mean all of them"
    assert not [name for name in client["WriteAttributes"] if name.startswith("custom:")]


def test_the_client_has_no_secret_and_never_sends_the_password(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    client = resource(stack, CLIENT)["Properties"]
    assert client["GenerateSecret"] is False
    assert set(client["ExplicitAuthFlows"]) == {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["AllowedOAuthFlowsUserPoolClient"] is False


def test_sending_the_password_is_a_choice(stack: cdk.Stack) -> None:
    Identity(stack, "Identity", password_auth=True)
    assert "ALLOW_USER_PASSWORD_AUTH" in resource(stack, CLIENT)["Properties"]["ExplicitAuthFlows"]


def test_passwords_are_long_and_mixed(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    policy = resource(stack, POOL)["Properties"]["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] == 12
    assert all(policy[f"Require{what}"] for what in ("Lowercase", "Uppercase", "Numbers", "Symbols"))


def test_the_second_factor_is_an_app_and_no_message_costs_money(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    pool = resource(stack, POOL)["Properties"]
    assert pool["MfaConfiguration"] == "OPTIONAL"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    assert "SmsConfiguration" not in pool
    assert pool["UserPoolTier"] == "ESSENTIALS"


def test_without_a_second_factor(stack: cdk.Stack) -> None:
    Identity(stack, "Identity", mfa=cognito.Mfa.OFF)
    assert resource(stack, POOL)["Properties"]["MfaConfiguration"] == "OFF"


def test_only_administrators_make_users(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    assert resource(stack, POOL)["Properties"]["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}


def test_users_are_not_deleted_by_accident(stack: cdk.Stack) -> None:
    Identity(stack, "Identity")
    pool = resource(stack, POOL)
    assert pool["DeletionPolicy"] == pool["UpdateReplacePolicy"] == "Retain"
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"
    assert warnings_of(stack) == []


def test_an_existing_pool_and_client_are_used(stack: cdk.Stack) -> None:
    pool = cognito.UserPool.from_user_pool_id(stack, "Pool", "eu-west-1_abc")
    client = cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "abc")
    made = Identity(stack, "Identity", user_pool=pool, user_pool_client=client)
    assert (made.user_pool, made.user_pool_client) == (pool, client)
    assert "Resources" not in stable(stack)


def test_an_existing_pool_gets_a_client(stack: cdk.Stack) -> None:
    pool = cognito.UserPool.from_user_pool_id(stack, "Pool", "eu-west-1_abc")
    Identity(stack, "Identity", user_pool=pool)
    assert resource(stack, CLIENT)["Properties"]["UserPoolId"] == "eu-west-1_abc"


@pytest.mark.parametrize(
    ("props", "message"),
    [
        (
            {"mfa": cognito.Mfa.REQUIRED},
            "mfa has no effect on a resource that user_pool brings, got 'REQUIRED'",
        ),
        ({"self_sign_up": True}, "self_sign_up has no effect .* got True"),
        ({"password_min_length": 9}, "password_min_length has no effect .* got 9"),
        ({"removal_policy": cdk.RemovalPolicy.DESTROY}, "removal_policy has no effect .* got DESTROY"),
    ],
)
def test_props_of_an_existing_pool_are_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    pool = cognito.UserPool.from_user_pool_id(stack, "Pool", "eu-west-1_abc")
    with pytest.raises(InvalidPropsError, match=message):
        Identity(stack, "Identity", user_pool=pool, **props)


def test_a_client_without_its_pool_is_refused(stack: cdk.Stack) -> None:
    client = cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "abc")
    with pytest.raises(InvalidPropsError, match="user_pool must be given with user_pool_client, got None"):
        Identity(stack, "Identity", user_pool_client=client)


def test_short_passwords_are_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="password_min_length must be from 8 to 99, got 6"):
        Identity(stack, "Identity", password_min_length=6)
