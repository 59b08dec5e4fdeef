"""A service whose users are known to another issuer than Cognito."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_appsync as appsync
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from constructs_lib import CqrsModule, CqrsStack, Identity, InvalidPropsError, RealtimeApi
from runtime.contract import Env

if TYPE_CHECKING:
    from pathlib import Path

    from aws_cdk import aws_apigatewayv2 as apigatewayv2

ISSUER = "https://shop.eu.auth0.com/"
CLAIMS = {
    Env.TENANT_CLAIM: "https://shop.example.com/org",
    Env.ROLES_CLAIM: "https://shop.example.com/roles",
    Env.USER_CLAIM: "user_id",
}


def shop(
    app: cdk.App, authorizer: apigatewayv2.IHttpRouteAuthorizer | None = None, **props: Any
) -> CqrsStack:
    other = authorizers.HttpJwtAuthorizer("Auth0", ISSUER, jwt_audience=["shop"])
    return CqrsStack(
        app,
        "Shop",
        app_name="shop",
        modules=[CqrsModule("order")],
        code=lambda_.Code.from_inline("app = None"),
        handler="index.app",
        alarm_emails=["on-call@example.com"],
        authorizer=authorizer or other,
        **props,
    )


def test_every_route_asks_for_a_token_of_the_issuer_and_there_is_no_pool(app: cdk.App) -> None:
    stack = shop(app, environment=CLAIMS)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::Cognito::UserPool", 0)
    (authorizer,) = template.find_resources("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["Properties"]["JwtConfiguration"] == {"Audience": ["shop"], "Issuer": ISSUER}
    routes = template.find_resources("AWS::ApiGatewayV2::Route").values()
    assert {route["Properties"]["AuthorizationType"] for route in routes} == {"JWT"}
    assert not any("UserPool" in name for name in template.to_json()["Outputs"])
    functions = template.find_resources("AWS::Lambda::Function").values()
    variables = [function["Properties"]["Environment"]["Variables"] for function in functions]
    (api,) = [found for found in variables if found[Env.FUNCTION] == "api"]
    assert {name: api[name] for name in CLAIMS} == CLAIMS
    assert not any("COGNITO" in name for found in variables for name in found)


@pytest.mark.parametrize(
    ("claim", "by_function", "variable"),
    [
        (None, False, "$context.authorizer.claims.sub"),
        ("", False, "$context.authorizer.claims.sub"),
        ("user_id", False, "$context.authorizer.claims.user_id"),
        ("user_id", True, "$context.authorizer.user_id"),
        (None, True, "$context.authorizer.sub"),
        # Names that API Gateway has no variable for: no user is better than somebody else.
        ("https://shop.example.com/user", False, None),
        ("cognito:username", False, None),
        ('a", "b": "$context.identity.sourceIp', False, None),
    ],
)
def test_the_access_log_has_the_user_whom_the_functions_know(
    app: cdk.App,
    claim: str | None,
    by_function: bool,  # noqa: FBT001 - a parameter
    variable: str | None,
) -> None:
    function = lambda_.Function.from_function_arn(
        cdk.Stack(app, "Other"), "F", "arn:aws:lambda:eu-west-1:111122223333:function:who"
    )
    who = authorizers.HttpLambdaAuthorizer("Who", function) if by_function else None
    environment = {} if claim is None else {Env.USER_CLAIM: claim}
    template = Template.from_stack(shop(app, who, environment=environment))
    (stage,) = template.find_resources("AWS::ApiGatewayV2::Stage").values()
    fields = json.loads(stage["Properties"]["AccessLogSettings"]["Format"])
    assert fields.get("user") == variable
    assert "$context.requestId" in fields.values()


def test_the_users_of_such_a_stack_are_not_there(app: cdk.App) -> None:
    with pytest.raises(InvalidPropsError, match="the stack has an authorizer"):
        _ = shop(app).identity


def test_a_lambda_authorizer_may_decide(app: cdk.App) -> None:
    function = lambda_.Function.from_function_arn(
        cdk.Stack(app, "Other"), "F", "arn:aws:lambda:eu-west-1:111122223333:function:who"
    )
    template = Template.from_stack(shop(app, authorizers.HttpLambdaAuthorizer("Who", function)))
    routes = template.find_resources("AWS::ApiGatewayV2::Route").values()
    assert {route["Properties"]["AuthorizationType"] for route in routes} == {"CUSTOM"}


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"password_auth": True}, "password_auth has no effect on a resource that authorizer brings"),
        ({"realtime": True}, "realtime must be a RealtimeApi where authorizer is given, got True"),
    ],
)
def test_what_needs_a_pool_is_refused(app: cdk.App, props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPropsError, match=message):
        shop(app, **props)


def test_two_kinds_of_users_are_refused(app: cdk.App) -> None:
    identity = Identity(cdk.Stack(app, "Users"), "Identity")
    with pytest.raises(InvalidPropsError, match="identity and authorizer exclude each other"):
        shop(app, identity=identity)


def test_users_of_another_issuer_may_listen(app: cdk.App) -> None:
    messages = cdk.Stack(app, "Messages")
    kinds = appsync.AppSyncAuthorizationType
    api = appsync.EventApi.from_event_api_attributes(
        messages,
        "Api",
        api_id="abc",
        http_dns="abc.appsync-api.eu-west-1.amazonaws.com",
        realtime_dns="abc.appsync-realtime-api.eu-west-1.amazonaws.com",
        auth_provider_types=[kinds.OIDC, kinds.IAM],
    )
    realtime = RealtimeApi(
        messages,
        "Realtime",
        event_api=api,
        tenant_claim=CLAIMS[Env.TENANT_CLAIM],
        roles_claim=CLAIMS[Env.ROLES_CLAIM],
    )
    shop(app, realtime=realtime)
    (namespace,) = Template.from_stack(messages).find_resources("AWS::AppSync::ChannelNamespace").values()
    assert namespace["Properties"]["SubscribeAuthModes"] == [{"AuthType": "OPENID_CONNECT"}]
    assert f"claims[{json.dumps(CLAIMS[Env.TENANT_CLAIM])}]" in namespace["Properties"]["CodeHandlers"]


def test_the_names_of_the_claims_reach_the_subscriptions(app: cdk.App, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = None\n", encoding="utf-8")
    stack = CqrsStack(
        app,
        "Own",
        app_name="shop",
        modules=[CqrsModule("order")],
        code=tmp_path,
        realtime=True,
        environment={Env.TENANT_CLAIM: "custom:org"},
    )
    (namespace,) = Template.from_stack(stack).find_resources("AWS::AppSync::ChannelNamespace").values()
    code = namespace["Properties"]["CodeHandlers"]
    assert 'claims["custom:org"]' in code
    assert 'claims["custom:roles"]' in code
    assert 'claims["custom:tenant"]' not in code
