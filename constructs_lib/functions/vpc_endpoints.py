"""Which VPC endpoints a function needs where its subnets have no way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jsii
from aws_cdk import Annotations, Aspects, IAspect, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from constructs import Construct, IConstruct

    from constructs_lib.functions.network import Network

__all__ = ["EndpointCheck"]

_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True)
class _Service:
    """A service that functions call: its name, and the line that makes its endpoint."""

    title: str
    constant: str
    suffix: str
    is_gateway: bool = False

    @property
    def line(self) -> str:
        kind = "gateway" if self.is_gateway else "interface"
        services = f"ec2.{kind.capitalize()}VpcEndpointAwsService"
        return f'vpc.add_{kind}_endpoint("{self.title}", service={services}.{self.constant})'


# By the start of the actions that they allow. Not here: log and traces, which Lambda sends
# itself; keys, which the services use for whom they serve.
_SERVICES: Final = {
    "dynamodb": _Service("DynamoDb", "DYNAMODB", "dynamodb", is_gateway=True),
    "s3": _Service("S3", "S3", "s3", is_gateway=True),
    "states": _Service("StepFunctions", "STEP_FUNCTIONS", "states"),
    "sns": _Service("Sns", "SNS", "sns"),
    "sqs": _Service("Sqs", "SQS", "sqs"),
    "sts": _Service("Sts", "STS", "sts"),
    "secretsmanager": _Service("SecretsManager", "SECRETS_MANAGER", "secretsmanager"),
    "ssm": _Service("Ssm", "SSM", "ssm"),
    "events": _Service("EventBridge", "EVENTBRIDGE", "events"),
    "lambda": _Service("Lambda", "LAMBDA_", "lambda"),
    "kinesis": _Service("Kinesis", "KINESIS_STREAMS", "kinesis-streams"),
    "firehose": _Service("Firehose", "KINESIS_FIREHOSE", "kinesis-firehose"),
    "ses": _Service("Email", "EMAIL", "email"),
    "cognito-idp": _Service("Cognito", "COGNITO_IDP", "cognito-idp"),
    "rds-data": _Service("RdsData", "RDS_DATA", "rds-data"),
    "bedrock": _Service("Bedrock", "BEDROCK_RUNTIME", "bedrock-runtime"),
    "execute-api": _Service("ExecuteApi", "APIGATEWAY", "execute-api"),
}
# AppSync has endpoints for private APIs only, which are GraphQL: events need a way out.
_WITHOUT_ENDPOINT: Final = {"appsync": "AppSync Events"}


@jsii.implements(IAspect)
class EndpointCheck:
    """Warns at synth of endpoints that a function needs, as far as CDK knows the VPC.

    What a function calls is what its role may do, less what Lambda does in its name: reading
    streams and queues, and keeping what failed.

    Args:
        function: The function, in a VPC.
        role: Its role.
        network: Where it runs.

    """

    def __init__(self, function: lambda_.Function, role: iam.Role, network: Network) -> None:
        self._function = function
        self._roles = [role]
        self._network = network
        Aspects.of(function).add(self)

    def also_as(self, role: iam.Role) -> None:
        """Look at what ``role`` may do, too: the function assumes it."""
        self._roles.append(role)

    def visit(self, node: IConstruct) -> None:
        """Warn, once the tree is complete: CDK calls this for the function and what is in it."""
        if node is not self._function or not self._has_no_way_out():
            return
        called = self._called()
        existing = [endpoint for endpoint in _endpoints(self._function) if self._is_of_vpc(endpoint)]
        missing = [
            service
            for name, service in _SERVICES.items()
            if name in called and not any(self._serves(endpoint, service) for endpoint in existing)
        ]
        shut_off = [title for name, title in _WITHOUT_ENDPOINT.items() if name in called]
        if missing:
            self._warn(
                "cqrs:vpcEndpoints",
                "calls of this function to AWS time out: its subnets have no way out, and CDK knows of no "
                f"endpoint in {self._network.vpc.node.path} for {', '.join(s.title for s in missing)}. Add: "
                f"{'; '.join(service.line for service in missing)}",
            )
        for title in shut_off:
            self._warn(
                "cqrs:noVpcEndpoint",
                f"calls of this function to {title} time out: its subnets have no way out, and there is no "
                "endpoint for it in a VPC; give the function subnets with a NAT gateway, or vpc=False",
            )

    def _warn(self, warning_id: str, message: str) -> None:
        Annotations.of(self._function).add_warning_v2(warning_id, message)

    def _has_no_way_out(self) -> bool:
        ways_out = {
            route.route_table_id for route in _made(self._function, ec2.CfnRoute) if _leads_out(route)
        }
        return any(
            subnet.route_table.route_table_id not in ways_out
            and _is_known_to_be_shut_off(self._network.vpc, subnet)
            for subnet in self._network.subnets
        )

    def _called(self) -> set[str]:
        """The services, by the start of their actions."""
        by_lambda = self._used_by_lambda()
        return {
            action.partition(":")[0]
            for role in self._roles
            for statement in _statements(role)
            for action in _listed(statement["Action"])
            if statement.get("Effect") == "Allow"
            and action != "dynamodb:ListStreams"
            and not by_lambda.issuperset(map(str, _listed(statement.get("Resource", []))))
        }

    def _used_by_lambda(self) -> set[str]:
        """What is read, and written to, by the function's event source mappings."""
        resolve = Stack.of(self._function).resolve
        name = resolve(self._function.function_name)
        used = set()
        for mapping in _made(self._function, lambda_.CfnEventSourceMapping):
            if resolve(mapping.function_name) != name:
                continue
            used.add(str(resolve(mapping.event_source_arn)))
            config = resolve(mapping.destination_config) or {}
            if kept := (config.get("onFailure") or {}).get("destination"):
                objects = {"Fn::Join": ["", [kept, "/*"]]} if isinstance(kept, dict) else f"{kept}/*"
                used |= {str(kept), str(objects)}
        return used

    def _is_of_vpc(self, endpoint: ec2.CfnVPCEndpoint) -> bool:
        # As the token that it is: resolved, it would differ from stack to stack.
        return endpoint.vpc_id == self._network.vpc.vpc_id

    def _serves(self, endpoint: ec2.CfnVPCEndpoint, service: _Service) -> bool:
        name = str(Stack.of(endpoint).resolve(endpoint.service_name))
        if not name.replace("'", "").rstrip("]}").endswith(f".{service.suffix}"):
            return False
        if endpoint.vpc_endpoint_type == "Interface":
            return _answers_to_the_public_name(endpoint)
        routed = endpoint.route_table_ids
        if not routed or is_unresolved(routed):
            return True
        tables = [subnet.route_table.route_table_id for subnet in self._network.subnets]
        # Of a subnet that was imported, the table may not be known.
        return all(table is None or table in routed for table in tables)


def _leads_out(route: ec2.CfnRoute) -> bool:
    return route.destination_cidr_block in _EVERYWHERE or route.destination_ipv6_cidr_block in _EVERYWHERE


def _is_known_to_be_shut_off(vpc: ec2.IVpc, subnet: ec2.ISubnet) -> bool:
    """Whether a subnet without a route of this app has none: one imported as private has its own."""
    return isinstance(subnet, ec2.Subnet) or any(
        subnet.subnet_id == isolated.subnet_id for isolated in vpc.isolated_subnets
    )


def _answers_to_the_public_name(endpoint: ec2.CfnVPCEndpoint) -> bool:
    """Whether the SDK, which knows no other name, gets to an interface endpoint from within the VPC."""
    options = endpoint.dns_options
    inbound = getattr(options, "private_dns_only_for_inbound_resolver_endpoint", None)
    return endpoint.private_dns_enabled is not False and inbound != "OnlyInboundResolver"


def _endpoints(scope: Construct) -> Iterator[ec2.CfnVPCEndpoint]:
    return _made(scope, ec2.CfnVPCEndpoint)


def _made(scope: Construct, kind: type[Any]) -> Iterator[Any]:
    """All resources of a kind in the app of ``scope``."""
    return (found for found in scope.node.root.node.find_all() if isinstance(found, kind))


def _statements(role: iam.Role) -> Iterator[dict[str, Any]]:
    for found in role.node.find_all():
        if isinstance(found, iam.CfnPolicy | iam.CfnManagedPolicy):
            document = Stack.of(role).resolve(found.policy_document) or {}
            yield from (s for s in _listed(document.get("Statement", [])) if "Action" in s)


def _listed(value: Any) -> Sequence[Any]:  # noqa: ANN401 - a part of a policy
    return value if isinstance(value, list) else [value]
