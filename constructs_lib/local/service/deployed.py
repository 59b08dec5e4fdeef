"""What is deployed to an emulator: stacks, their HTTP APIs and their functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local.endpoint import Endpoint

__all__ = ["Api", "Function", "Stack", "stacks_of"]

_TOOLKIT = "CDKToolkit"


@dataclass(frozen=True, slots=True)
class Api:
    """An HTTP API.

    Attributes:
        api_id: Its id.
        url: The URL that answers on this machine, without a slash at the end.
        pool_id: The user pool whose tokens it takes; `None` where it takes others, or none.
        client_ids: The clients of that pool.
    """

    api_id: str
    url: str
    pool_id: str | None
    client_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function.

    Attributes:
        label: What it is for (`api`, `worker`), else its logical id.
        logical_id: Its name in the template.
        name: Its name on AWS.
        log_group: Where it logs to.
    """

    label: str
    logical_id: str
    name: str
    log_group: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that was deployed.

    Attributes:
        name: Its name.
        status: Its status, such as `CREATE_COMPLETE`.
        apis: Its HTTP APIs.
        functions: Its functions.
    """

    name: str
    status: str
    apis: tuple[Api, ...]
    functions: tuple[Function, ...]


def stacks_of(aws: Endpoint) -> list[Stack]:
    """Every stack but the CDK's own, by name."""
    client = aws.client("cloudformation")
    found = _listed(client, "describe_stacks", "Stacks")
    functions = _functions(aws)
    stacks = []
    for stack in sorted(found, key=lambda stack: str(stack["StackName"])):
        name, status = stack["StackName"], stack["StackStatus"]
        if name == _TOOLKIT or status == "DELETE_COMPLETE":
            continue
        resources = _resources(client, name)
        apis = tuple(_api(aws, api_id) for _, api_id in resources.get("AWS::ApiGatewayV2::Api", []))
        own = tuple(
            _function(functions[physical], logical)
            for logical, physical in resources.get("AWS::Lambda::Function", [])
            if physical in functions
        )
        stacks.append(Stack(name, status, tuple(api for api in apis if api), own))
    return stacks


def _resources(client: Any, stack: str) -> dict[str, list[tuple[str, str]]]:  # noqa: ANN401 - a boto3 client
    """Logical and physical ids of a stack's resources, by their type."""
    found: dict[str, list[tuple[str, str]]] = {}
    for resource in _listed(client, "list_stack_resources", "StackResourceSummaries", StackName=stack):
        ids = resource["LogicalResourceId"], resource.get("PhysicalResourceId", "")
        found.setdefault(resource["ResourceType"], []).append(ids)
    return found


def _api(aws: Endpoint, api_id: str) -> Api | None:
    client = aws.client("apigatewayv2")
    if client.get_api(ApiId=api_id)["ProtocolType"] != "HTTP":
        return None
    for authorizer in _listed(client, "get_authorizers", "Items", ApiId=api_id):
        token = authorizer.get("JwtConfiguration") or {}
        issuer = token.get("Issuer", "")
        if "cognito-idp." in issuer:
            pool = issuer.rstrip("/").rpartition("/")[2]
            return Api(api_id, aws.http_api_url(api_id), pool, tuple(token.get("Audience", ())))
    return Api(api_id, aws.http_api_url(api_id), None, ())


def _functions(aws: Endpoint) -> dict[str, dict[str, Any]]:
    functions = _listed(aws.client("lambda"), "list_functions", "Functions")
    return {function["FunctionName"]: function for function in functions}


def _listed(client: Any, operation: str, key: str, **of: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a boto3 client
    """What all pages of an operation list under a key; nothing where it is ending, and says nothing."""
    for page in client.get_paginator(operation).paginate(**of):
        yield from page.get(key, ())


def _function(found: dict[str, Any], logical_id: str) -> Function:
    name = found["FunctionName"]
    kind = found.get("Environment", {}).get("Variables", {}).get(Env.FUNCTION)
    group = found.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}"
    return Function(kind or logical_id, logical_id, name, group)
