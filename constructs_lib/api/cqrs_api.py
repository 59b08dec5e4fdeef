"""The HTTP API in front of the api function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import Duration, Names, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.api.access_log import AccessLog
from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.function_elsewhere import WHERE_IT_RUNS
from constructs_lib.functions.gateway_timeout import warn_if_outlives_gateway
from constructs_lib.functions.log_groups import vended_log_group
from constructs_lib.props.acknowledge import acknowledge
from constructs_lib.props.checks import check_range, refuse_props_of_brought
from constructs_lib.props.environments import check_environment, check_region_is_known
from constructs_lib.props.strict_props import strict_props
from runtime.contract import Claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import aws_cloudwatch as cloudwatch
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_lambda as lambda_

    from constructs_lib.api.identity import Identity

__all__ = ["CqrsApi"]

_NAME_LENGTH: Final = 128
# Not ANY: it would match OPTIONS as well, and the authorizer would refuse the browser's
# preflight, which carries no token. Without an OPTIONS route API Gateway answers it itself.
_METHODS: Final = (
    apigatewayv2.HttpMethod.GET,
    apigatewayv2.HttpMethod.HEAD,
    apigatewayv2.HttpMethod.POST,
    apigatewayv2.HttpMethod.PUT,
    apigatewayv2.HttpMethod.PATCH,
    apigatewayv2.HttpMethod.DELETE,
)


class CqrsApi(Construct):
    """An HTTP API that hands every request with a valid token to one function.

    Each route asks for a JWT of the identity's client; a request without one never
    reaches the function. Requests are logged and throttled.

    Example:
        >>> api = CqrsApi(self, "Api", function=api_function, identity=identity)
        >>> api.add_public_route("/health")

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        function: Function that answers every request, within 30 seconds: an HTTP API waits no longer.
        identity: Users whose tokens are accepted. The services take ID tokens only: an access
            token names neither tenant nor roles. Defaults to none: then ``authorizer`` is
            needed.
        authorizer: What decides instead of ``identity``, such as a JWT authorizer for another
            issuer. Defaults to the users of ``identity``.
        user_claim: What the issuer calls the claim that says who the user is, for the access log. Give
            what ``USER_CLAIM`` has. A name with other characters than letters, digits and ``_`` is
            left out of the log: API Gateway has no variable for it. Defaults to "sub".
        http_api: An existing API to add the routes to; its stage, logs, throttling and
            CORS are its own. Defaults to a new one.
        cors_origins: Origins of web pages that may call the API, such as
            "https://app.example.com"; "*" for all. Defaults to none.
        throttle_rate: Requests per second over all callers. Defaults to 500.
        throttle_burst: Requests at once, above the rate. Defaults to 1000.
        log_retention: How long access log lines are kept. Defaults to 1 month.
        removal_policy: What happens to the log group when it leaves the stack. Defaults to
            RETAIN.
        encryption_key: Customer managed key of the access log; its policy gets what CloudWatch Logs
            needs. Defaults to the key that CloudWatch Logs owns.

    Raises:
        InvalidPropsError: Not exactly one of ``identity`` and ``authorizer`` is given, a
            number is out of range, or a property configures an API that was brought.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lambda_.IFunction,
        identity: Identity | None = None,
        authorizer: apigatewayv2.IHttpRouteAuthorizer | None = None,
        user_claim: str | None = None,
        http_api: apigatewayv2.IHttpApi | None = None,
        cors_origins: Sequence[str] = (),
        throttle_rate: int | None = None,
        throttle_burst: int | None = None,
        log_retention: logs.RetentionDays | None = None,
        removal_policy: RemovalPolicy | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        check_range("throttle_rate", throttle_rate, minimum=1, hint="requests per second")
        check_range("throttle_burst", throttle_burst, minimum=1, hint="requests at once")
        warn_if_outlives_gateway(function)
        check_environment("function", function, self, hint=WHERE_IT_RUNS)
        if identity is not None:
            check_region_is_known(
                "identity", identity.user_pool, self, hint="or import it: Identity.from_user_pool_id(...)"
            )
        self.authorizer = _authorizer(self, identity, authorizer, http_api)
        self.stage: apigatewayv2.HttpStage | None = None
        self.log_group: logs.LogGroup | None = None
        if http_api is None:
            self.http_api: apigatewayv2.IHttpApi = apigatewayv2.HttpApi(
                self,
                "HttpApi",
                # CDK would take the id, which is the same for every service of an account.
                api_name=Stack.of(self).stack_name,
                create_default_stage=False,
                # A route of the service's own is private, too, unless its author says otherwise.
                default_authorizer=self.authorizer,
                cors_preflight=_cors(cors_origins) if cors_origins else None,
            )
            self.log_group = vended_log_group(
                self,
                "apis",
                retention=log_retention or logs.RetentionDays.ONE_MONTH,
                encryption_key=encryption_key,
                removal_policy=removal_policy or RemovalPolicy.RETAIN,
            )
            self.stage = apigatewayv2.HttpStage(
                self,
                "Stage",
                http_api=self.http_api,
                auto_deploy=True,
                detailed_metrics_enabled=True,
                throttle=apigatewayv2.ThrottleSettings(
                    rate_limit=throttle_rate or 500, burst_limit=throttle_burst or 1000
                ),
                access_log_settings=AccessLog(
                    self.log_group,
                    user_claim or Claim.USER,
                    by_function=isinstance(authorizer, authorizers.HttpLambdaAuthorizer),
                ),
            )
        else:
            refuse_props_of_brought(
                "http_api",
                user_claim=user_claim,
                cors_origins=cors_origins or None,
                throttle_rate=throttle_rate,
                throttle_burst=throttle_burst,
                log_retention=log_retention,
                removal_policy=removal_policy,
                encryption_key=encryption_key,
            )
            check_environment("http_api", http_api, self)
            self.http_api = http_api
        self._routed = self._routed_api(identity)
        # One permission for the API instead of one for each route.
        self._integration = integrations.HttpLambdaIntegration(
            "Integration", function, scope_permission_to_route=False
        )
        for path in ("/", "/{proxy+}"):
            self._add_routes(path, _METHODS, self.authorizer)

    @property
    def url(self) -> str:
        """Where the API answers: ends in a slash where its stage was made here."""
        return self.stage.url if self.stage else self.http_api.api_endpoint

    def add_public_route(
        self,
        path: str,
        *,
        methods: Sequence[apigatewayv2.HttpMethod] = (
            apigatewayv2.HttpMethod.GET,
            apigatewayv2.HttpMethod.HEAD,
        ),
    ) -> None:
        """Let anybody call ``methods`` of ``path``, without a token.

        Args:
            path: Path from the root, such as "/health".
            methods: HTTP methods that need no token. Defaults to GET and HEAD.

        Raises:
            InvalidPropsError: ``path`` does not begin with a slash.

        """
        if not path.startswith("/"):
            msg = f"path must begin with '/', got {path!r}; write '/{path}'"
            raise InvalidPropsError(msg)
        for route in self._add_routes(path, methods, apigatewayv2.HttpNoneAuthorizer()):
            acknowledge(route, "public on purpose: add_public_route", "AwsSolutions-APIG4")

    def metric_requests(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Requests, summed over ``period`` (5 minutes)."""
        return self._metric("Count", "Sum", period)

    def metric_client_errors(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Answers with a 4xx status, summed over ``period`` (5 minutes)."""
        return self._metric("4xx", "Sum", period)

    def metric_server_errors(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Answers with a 5xx status, summed over ``period`` (5 minutes)."""
        return self._metric("5xx", "Sum", period)

    def metric_latency(self, *, period: Duration | None = None) -> cloudwatch.IMetric:
        """Milliseconds from request to answer, 99th percentile over ``period`` (5 minutes)."""
        return self._metric("Latency", "p99", period)

    def _routed_api(self, identity: Identity | None) -> apigatewayv2.IHttpApi:
        """The API, as this stack sees it where the users are of this stack and the API is not.

        CDK makes an authorizer where the API is, whose stack would then wait for this one.
        """
        if identity is None or not _is_authorized_here(self, self.http_api, identity):
            return self.http_api
        return apigatewayv2.HttpApi.from_http_api_attributes(
            self, "Routed", http_api_id=self.http_api.api_id, api_endpoint=self.http_api.api_endpoint
        )

    def _metric(self, name: str, statistic: str, period: Duration | None) -> cloudwatch.IMetric:
        return self.http_api.metric(name, statistic=statistic, period=period)

    def _add_routes(
        self,
        path: str,
        methods: Sequence[apigatewayv2.HttpMethod],
        authorizer: apigatewayv2.IHttpRouteAuthorizer,
    ) -> list[apigatewayv2.HttpRoute]:
        return [
            apigatewayv2.HttpRoute(
                self,
                f"{method.name}{path}",
                http_api=self._routed,
                route_key=apigatewayv2.HttpRouteKey.with_(path, method),
                integration=self._integration,
                authorizer=authorizer,
            )
            for method in methods
        ]


def _is_authorized_here(scope: Construct, http_api: apigatewayv2.IHttpApi, identity: Identity) -> bool:
    stack = Stack.of(scope)
    return Stack.of(identity.user_pool_client) is stack and Stack.of(http_api) is not stack


def _authorizer(
    scope: Construct,
    identity: Identity | None,
    authorizer: apigatewayv2.IHttpRouteAuthorizer | None,
    http_api: apigatewayv2.IHttpApi | None,
) -> apigatewayv2.IHttpRouteAuthorizer:
    if authorizer is not None:
        if identity is not None:
            msg = f"identity and authorizer exclude each other, got both ({identity.node.path}); give one"
            raise InvalidPropsError(msg)
        return authorizer
    if identity is None:
        msg = (
            "identity must be given, got None; pass an Identity, or an authorizer "
            "(HttpNoneAuthorizer() makes every route public)"
        )
        raise InvalidPropsError(msg)
    return authorizers.HttpUserPoolAuthorizer(
        "Authorizer",
        identity.user_pool,
        user_pool_clients=[identity.user_pool_client],
        user_pool_region=identity.region,
        # Its name is its own within the API, which several stacks may share.
        authorizer_name=(
            Names.unique_resource_name(scope, max_length=_NAME_LENGTH)
            if http_api is not None and _is_authorized_here(scope, http_api, identity)
            else None
        ),
    )


def _cors(origins: Sequence[str]) -> apigatewayv2.CorsPreflightOptions:
    return apigatewayv2.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[apigatewayv2.CorsHttpMethod[method.name] for method in _METHODS],
        allow_headers=[
            "authorization",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
            "x-tenant-code",
        ],
        expose_headers=["etag", "location"],
        max_age=Duration.hours(1),
    )
