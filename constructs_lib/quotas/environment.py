"""How large the environment variables of a function are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_lambda as lambda_

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import stack_of
from constructs_lib.props.tokens import is_unresolved
from constructs_lib.quotas.resolved import properties_of
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MOST_BYTES", "check_environment", "may_be_too_large"]

#: Of a function's variables together: Lambda measures them as the JSON text that they are sent in.
MOST_BYTES: Final = 4096

#: What CloudFormation puts behind the name of a stack and a logical id.
_RANDOM: Final = len("-1A2B3C4D5E6F7")
#: The longest start of an ARN, or of the URL of a queue.
_PREFIX: Final = len("arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:123456789012:")
_PSEUDO: Final = {"AWS::Region": 16, "AWS::AccountId": 12, "AWS::Partition": 10, "AWS::URLSuffix": 16}
_LONGEST_STACK_NAME: Final = 128
_LONGEST_TOKEN: Final = 400
#: Texts in which a reference is a name, and not an ARN or URL.
_NAMES: Final = (Env.MODULES, "_NAME")


def may_be_too_large(variables: Mapping[str, str]) -> bool:
    """Tell whether it is worth the time to ask the CDK how large ``variables`` are.

    As if every letter had to be escaped, and every token were the longest ARN that there is.
    """
    texts = [text for variable in variables.items() for text in variable]
    return sum(2 * len(text) + 8 + _LONGEST_TOKEN * text.count("${Token[") for text in texts) > MOST_BYTES


def check_environment(function: lambda_.Function) -> None:
    """Refuse more variables than a function may have.

    Names that are made at deployment are counted as long as they can get: ``stack-logicalid-random``.

    Raises:
        InvalidPropsError: The variables would be larger than Lambda allows.

    """
    variables = _variables(function)
    sizes = {name: _size(name, value, _LONGEST_STACK_NAME) for name, value in variables.items()}
    if sum(sizes.values()) + 1 > MOST_BYTES:  # else the name of the stack need not be asked for
        stack_name = stack_of(function).stack_name
        known = len(stack_name) if not is_unresolved(stack_name) else _LONGEST_STACK_NAME
        sizes = {name: _size(name, value, known) for name, value in variables.items()}
    total = sum(sizes.values()) + 1  # the braces, and one comma less than variables
    if total > MOST_BYTES:
        largest = max(sizes, key=lambda name: sizes[name])
        msg = (
            f"the environment of {function.node.path} must have at most {MOST_BYTES} bytes, got {total} in "
            f"{len(sizes)} variables, names that are made at deployment counted as long as they can get; the "
            f"largest is {largest} with {sizes[largest]}; {_way_out(largest, variables[largest])}"
        )
        raise InvalidPropsError(msg)


def _way_out(name: str, value: object) -> str:
    if name != Env.MODULES:
        return "put large values into a parameter, a secret (functions.add_secret) or a file of the code"
    if isinstance(value, str):
        return "split the service by module, into several with an app_name each"
    return (
        "give the tables names that the functions need not be told (table_name_prefix="
        "'{env_name}-{app_name}-{module_name}'), or split the service by module"
    )


def _variables(function: lambda_.Function) -> Mapping[str, Any]:
    resource = function.node.default_child
    if not isinstance(resource, lambda_.CfnFunction):
        return {}
    (properties,) = properties_of(stack_of(function), [resource])
    found: Mapping[str, Any] = (properties.get("environment") or {}).get("variables") or {}
    return found


def _size(name: str, value: object, stack_name: int) -> int:
    """Bytes of ``"name":"value",``."""
    prefix = 0 if name.endswith(_NAMES) else _PREFIX
    return len(name) + len('"":"",') + _length(value, stack_name + _RANDOM, prefix)


def _length(value: Any, made: int, prefix: int) -> int:  # noqa: ANN401 - any CloudFormation expression
    match value:
        case str():
            length = len(json.dumps(value, ensure_ascii=False).encode()) - 2
        case {"Ref": name} if name in _PSEUDO:
            length = _PSEUDO[name]
        case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
            length = made + 1 + len(name) + prefix
        case {"Fn::ImportValue": export}:
            length = _length(export, made, prefix) + _RANDOM + prefix
        case {"Fn::Join": [separator, parts]}:
            between = len(separator) * (len(parts) - 1)
            length = between + sum(_length(part, made, prefix) for part in parts)
        case _:
            length = len(json.dumps(value, default=str))
    return length
