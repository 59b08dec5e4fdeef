"""What an HTTP API writes down about each request."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import jsii
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs

__all__ = ["AccessLog"]

# No address and no user agent: a log is not the place for personal data.
_FIELDS: Final = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "httpMethod": "$context.httpMethod",
    "routeKey": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationLatency": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
}
#: What may stand behind a dot in a variable of API Gateway's; nothing else is documented.
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")


@jsii.implements(apigatewayv2.IAccessLogSettings)
class AccessLog:
    """JSON lines into a log group.

    Args:
        log_group: Where the lines go.
        user_claim: The claim of a token that says who the user is. One that API Gateway has no
            variable for, such as a URL, is left out.
        by_function: Whether a Lambda function decides who the user is: its context has no claims
            of a token, but the same names.
    """

    def __init__(self, log_group: logs.LogGroup, user_claim: str, *, by_function: bool) -> None:
        self._log_group = log_group
        self._fields = dict(_FIELDS)
        if _NAME.fullmatch(user_claim):
            place = "authorizer" if by_function else "authorizer.claims"
            self._fields["user"] = f"$context.{place}.{user_claim}"

    @property
    def destination(self) -> apigatewayv2.IAccessLogDestination:
        """Where the lines go."""
        return apigatewayv2.LogGroupLogDestination(self._log_group)

    @property
    def format(self) -> apigateway.AccessLogFormat:
        """What is in a line."""
        return apigateway.AccessLogFormat.custom(json.dumps(self._fields))
