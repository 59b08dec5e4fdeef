from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Match, Template

from constructs_lib import CqrsApi, Identity, InvalidPropsError, RealtimeApi
from tests.constructs.conftest import stable
from tests.constructs.functions import imported_function, new_function

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

ROUTE = "AWS::ApiGatewayV2::Route"


def new_api(stack: cdk.Stack, **props: Any) -> CqrsApi:
    return CqrsApi(stack, "Api", function=new_function(stack), identity=Identity(stack, "Identity"), **props)


def routes(stack: cdk.Stack) -> dict[str, dict[str, Any]]:
    found = Template.from_stack(stack).find_resources(ROUTE).values()
    return {route["Properties"]["RouteKey"]: route["Properties"] for route in found}


def test_minimal(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    new_api(stack)
    assert stable(stack) == template_snapshot


def test_everything(stack: cdk.Stack, template_snapshot: SnapshotAssertion) -> None:
    api = new_api(
        stack,
        cors_origins=["https://app.example.com"],
        throttle_rate=10,
        throttle_burst=20,
        log_retention=logs.RetentionDays.ONE_WEEK,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    api.add_public_route("/health")
    assert stable(stack) == template_snapshot


def test_every_route_asks_for_a_token_of_the_identity(stack: cdk.Stack) -> None:
    new_api(stack)
    found = routes(stack)
    assert {route["AuthorizationType"] for route in found.values()} == {"JWT"}
    Template.from_stack(stack).has_resource_properties(
        "AWS::ApiGatewayV2::Authorizer",
        {
            "AuthorizerType": "JWT",
            "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": {
                "Audience": [{"Ref": "IdentityClient148304DC"}],
                "Issuer": Match.object_like({"Fn::Join": Match.any_value()}),
            },
        },
    )


def test_preflights_are_left_to_api_gateway(stack: cdk.Stack) -> None:
    new_api(stack, cors_origins=["https://app.example.com"])
    methods = {key.split()[0] for key in routes(stack)}
    # A route for OPTIONS, or for ANY method, would meet the authorizer, and a preflight has no token.
    assert methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    (api,) = Template.from_stack(stack).find_resources("AWS::ApiGatewayV2::Api").values()
    cors = api["Properties"]["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://app.example.com"]
    assert set(cors["AllowMethods"]) == methods
    assert "authorization" in cors["AllowHeaders"]


def test_other_origins_are_refused_by_default(stack: cdk.Stack) -> None:
    new_api(stack)
    (api,) = Template.from_stack(stack).find_resources("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api["Properties"]


def test_requests_are_throttled_and_logged_without_personal_data(stack: cdk.Stack) -> None:
    new_api(stack)
    (stage,) = Template.from_stack(stack).find_resources("AWS::ApiGatewayV2::Stage").values()
    settings = stage["Properties"]["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (500, 1000)
    fields = json.loads(stage["Properties"]["AccessLogSettings"]["Format"])
    assert {"requestId", "status", "routeKey"} <= set(fields)
    assert not [value for value in fields.values() if "identity" in value or "email" in value]
    Template.from_stack(stack).has_resource_properties("AWS::Logs::LogGroup", {"RetentionInDays": 30})


def test_one_permission_lets_this_api_call_the_function(stack: cdk.Stack) -> None:
    new_api(stack)
    Template.from_stack(stack).resource_count_is("AWS::Lambda::Permission", 1)


def test_a_public_route_is_public_and_the_others_stay_closed(stack: cdk.Stack) -> None:
    new_api(stack).add_public_route("/health")
    types = {key: route["AuthorizationType"] for key, route in routes(stack).items()}
    assert [key for key, kind in types.items() if kind == "NONE"] == ["GET /health", "HEAD /health"]


def test_a_public_route_may_have_other_methods(stack: cdk.Stack) -> None:
    new_api(stack).add_public_route("/hooks/chat", methods=[apigatewayv2.HttpMethod.POST])
    assert routes(stack)["POST /hooks/chat"]["AuthorizationType"] == "NONE"


def test_a_path_without_a_slash_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="path must begin with '/', got 'health'; write '/health'"):
        new_api(stack).add_public_route("health")


def test_another_authorizer_takes_the_place_of_the_identity(stack: cdk.Stack) -> None:
    other = authorizers.HttpJwtAuthorizer("Other", "https://issuer.example.com", jwt_audience=["api"])
    CqrsApi(stack, "Api", function=new_function(stack), authorizer=other)
    Template.from_stack(stack).has_resource_properties(
        "AWS::ApiGatewayV2::Authorizer", {"JwtConfiguration": {"Issuer": "https://issuer.example.com"}}
    )


def test_an_api_without_an_identity_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="identity must be given, got None"):
        CqrsApi(stack, "Api", function=new_function(stack))


def test_identity_and_authorizer_exclude_each_other(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="identity and authorizer exclude each other"):
        new_api(stack, authorizer=apigatewayv2.HttpNoneAuthorizer())


def test_an_existing_api_gets_the_routes(stack: cdk.Stack) -> None:
    brought = apigatewayv2.HttpApi.from_http_api_attributes(
        stack, "Mine", http_api_id="abc", api_endpoint="https://abc.example.com"
    )
    api = CqrsApi(
        stack,
        "Api",
        function=imported_function(stack, "api"),
        identity=Identity(stack, "Identity"),
        http_api=brought,
    )
    assert {route["ApiId"] for route in routes(stack).values()} == {"abc"}
    assert api.url == "https://abc.example.com"
    Template.from_stack(stack).resource_count_is("AWS::ApiGatewayV2::Stage", 0)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        (
            {"cors_origins": ["*"]},
            r"cors_origins has no effect on a resource that http_api brings, got \['\*'\]",
        ),
        ({"throttle_rate": 5}, "throttle_rate has no effect .* got 5"),
        ({"user_claim": "user_id"}, "user_claim has no effect .* got 'user_id'"),
    ],
)
def test_props_of_an_existing_api_are_refused(stack: cdk.Stack, props: dict[str, Any], message: str) -> None:
    brought = apigatewayv2.HttpApi.from_http_api_attributes(stack, "Mine", http_api_id="abc")
    with pytest.raises(InvalidPropsError, match=message):
        new_api(stack, http_api=brought, **props)


def test_a_rate_of_zero_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(InvalidPropsError, match="throttle_rate must be at least 1, got 0"):
        new_api(stack, throttle_rate=0)


def test_metrics_are_of_this_api(stack: cdk.Stack) -> None:
    api = new_api(stack)
    for metric, name in (
        (api.metric_client_errors(), "4xx"),
        (api.metric_server_errors(), "5xx"),
        (api.metric_latency(), "Latency"),
    ):
        shown = str(stack.resolve(metric.to_metric_config()))
        assert name in shown
        assert "ApiHttpApi" in shown


# --- Routes of one's own --------------------------------------------------------------------


def own_routes(stack: cdk.Stack, api: CqrsApi, **options: Any) -> None:
    integration = integrations.HttpLambdaIntegration("Own", new_function(stack, "Other"))
    api.http_api.add_routes(  # type: ignore[attr-defined] - of the HttpApi that was made here
        path="/own", methods=[apigatewayv2.HttpMethod.GET], integration=integration, **options
    )
    apigatewayv2.HttpRoute(
        stack,
        "Route",
        http_api=api.http_api,
        route_key=apigatewayv2.HttpRouteKey.with_("/route", apigatewayv2.HttpMethod.ANY),
        integration=integration,
        **options,
    )
    apigatewayv2.HttpRoute(
        stack,
        "Rest",
        http_api=api.http_api,
        route_key=apigatewayv2.HttpRouteKey.DEFAULT,
        integration=integration,
        **options,
    )


OWN = ("GET /own", "ANY /route", "$default")


def test_a_route_of_ones_own_is_private(stack: cdk.Stack) -> None:
    own_routes(stack, new_api(stack))
    found = routes(stack)
    assert {found[key]["AuthorizationType"] for key in OWN} == {"JWT"}
    assert {found[key]["AuthorizerId"]["Ref"] for key in OWN} == {
        found["GET /{proxy+}"]["AuthorizerId"]["Ref"]
    }
    Template.from_stack(stack).resource_count_is("AWS::ApiGatewayV2::Authorizer", 1)


def test_a_route_of_ones_own_is_public_where_its_author_says_so(stack: cdk.Stack) -> None:
    own_routes(stack, new_api(stack), authorizer=apigatewayv2.HttpNoneAuthorizer())
    assert {routes(stack)[key]["AuthorizationType"] for key in OWN} == {"NONE"}


def test_a_route_of_ones_own_asks_the_other_issuer(stack: cdk.Stack) -> None:
    other = authorizers.HttpJwtAuthorizer("Other", "https://issuer.example.com", jwt_audience=["shop"])
    api = CqrsApi(stack, "Api", function=new_function(stack), authorizer=other)
    own_routes(stack, api)
    found = routes(stack)
    assert {route["AuthorizationType"] for route in found.values()} == {"JWT"}
    Template.from_stack(stack).resource_count_is("AWS::ApiGatewayV2::Authorizer", 1)


def test_what_can_be_got_without_a_token_can_be_asked_for_without_one(stack: cdk.Stack) -> None:
    new_api(stack).add_public_route("/health")
    found = routes(stack)
    public = {key for key, route in found.items() if route["AuthorizationType"] == "NONE"}
    assert public == {"GET /health", "HEAD /health"}


# --- A pool of another region ---------------------------------------------------------------

ARN = "arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_AbCdEf123"
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123"


def issuer(stack: cdk.Stack) -> Any:
    (found,) = Template.from_stack(stack).find_resources("AWS::ApiGatewayV2::Authorizer").values()
    return found["Properties"]["JwtConfiguration"]["Issuer"]


@pytest.mark.parametrize("way", ["arn", "id"])
def test_the_issuer_is_where_the_pool_is(app: cdk.App, way: str) -> None:
    stack = cdk.Stack(app, "There", env=cdk.Environment(account="111122223333", region="eu-west-1"))
    imported = cognito.UserPool
    pool = (
        imported.from_user_pool_arn(stack, "Pool", ARN)
        if way == "arn"
        else imported.from_user_pool_id(stack, "Pool", ARN.rpartition("/")[2])
    )
    client = cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "abc")
    identity = Identity(stack, "Identity", user_pool=pool, user_pool_client=client)
    CqrsApi(stack, "Api", function=new_function(stack), identity=identity)
    RealtimeApi(stack, "Realtime", identity=identity)
    assert issuer(stack) == ISSUER
    (api,) = Template.from_stack(stack).find_resources("AWS::AppSync::Api").values()
    config = api["Properties"]["EventConfig"]["AuthProviders"][0]["CognitoConfig"]
    assert (config["AwsRegion"], config["UserPoolId"]) == ("us-east-1", ARN.rpartition("/")[2])


def test_the_issuer_of_a_pool_of_another_stack_is_in_its_region(app: cdk.App) -> None:
    account = "111122223333"
    users = cdk.Stack(
        app,
        "Users",
        env=cdk.Environment(account=account, region="us-east-1"),
        cross_region_references=True,
    )
    here = cdk.Stack(
        app,
        "Here",
        env=cdk.Environment(account=account, region="eu-west-1"),
        cross_region_references=True,
    )
    CqrsApi(here, "Api", function=new_function(here), identity=Identity(users, "Identity"))
    assert "https://cognito-idp.us-east-1.amazonaws.com/" in json.dumps(issuer(here))
