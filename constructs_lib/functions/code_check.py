"""A deployment that fails where the code does not have the modules that the stack has."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsii
from aws_cdk import CfnResource, Duration, IStringProducer, Lazy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.code_needs import CodeNeeds
from constructs_lib.functions.cqrs_function import CqrsFunction
from constructs_lib.functions.function_defaults import FunctionDefaults
from constructs_lib.props.environments import stack_of
from constructs_lib.props.strict_props import strict_props
from runtime.contract import CHECK_FUNCTION, Env

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import IResolveContext
    from constructs import IConstruct

    from constructs_lib.functions.cqrs_functions import CqrsFunctions

__all__ = ["CodeCheck"]

_CODE: Final = Path(__file__).with_name("check_handler.py")
_OF_THE_CODE: Final = frozenset({"layers", "vpc", "vpc_subnets", "security_groups"})
# Each names a file of a layer or of the code, without which Python would not start.
_OF_A_LAYER: Final = frozenset({"AWS_LAMBDA_EXEC_WRAPPER", "LD_PRELOAD", "PYTHONHOME", "PYTHONSTARTUP"})
_TIMEOUT: Final = Duration.minutes(5)
_DIGITS: Final = 32


class CodeCheck(Construct):
    """Asks the functions, before their deployment ends, whether their code fits the stack.

    Each function that the stack has made is called once, whenever code, layers or variables of one have
    changed. One that cannot be imported, or whose modules are not those of the stack, fails the
    deployment with what it says, and CloudFormation rolls back. It knows of a function what its import
    does, and nothing of what only a request would show. Neither a rollback nor a deletion is checked.

    It waits for the endpoints, routes and rules of their VPCs, and the policies of their roles, that are
    in its stack. An import that needs more of the stack, such as a database that answers, says so:
    ``check.resource.node.add_dependency(database)``. What an import is refused is tried again for a
    minute, as a new right needs some seconds until it works.

    Example:
        >>> CodeCheck(self, "CodeCheck", functions=functions)

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``.
        functions: The functions. Those that were brought along are not called.
        defaults: What the function that asks has in common with others: Python, processor, logs, and
            variables, as a proxy or an endpoint's form concerns it too. It has none of their layers,
            nor what starts one, such as AWS_LAMBDA_EXEC_WRAPPER, and is in no VPC. Defaults to
            `FunctionDefaults`.

    Raises:
        InvalidPropsError: All functions were brought along: there is nothing to check.

    """

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: CqrsFunctions,
        defaults: FunctionDefaults | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = functions
        self._resources: tuple[list[IConstruct | None], list[IConstruct | None]] | None = None
        made = functions.made
        if not made:
            msg = (
                f"functions must have one that was made by {functions.node.path}, got only functions that "
                "were brought along; leave the CodeCheck out"
            )
            raise InvalidPropsError(msg)
        asking = CqrsFunction(
            self,
            "Asking",
            code=lambda_.Code.from_inline(_CODE.read_text(encoding="utf-8")),
            handler="index.handler",
            environment={Env.FUNCTION: CHECK_FUNCTION},
            memory_size=256,
            timeout=_TIMEOUT,
            description=f"{functions.app_name} {functions.env_name}: checks the code at deployment",
            defaults=_without_code(defaults or FunctionDefaults()),
        )
        self.function = asking.function
        """The function that asks."""
        asking.role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"],
                resources=[function.function_arn for function in made.values()],
            )
        )
        self.resource = CfnResource(
            self,
            "Check",
            type="Custom::CqrsCodeCheck",
            properties={
                "ServiceToken": asking.function.function_arn,
                "ServiceTimeout": int(_TIMEOUT.to_seconds()) + 60,
                "Functions": {kind: function.function_name for kind, function in made.items()},
            },
        )
        """What CloudFormation waits for."""
        self.resource.node.add_dependency(asking)
        CodeNeeds(self.resource, functions)
        # Another resource for other code: what is created is checked, while a rollback only deletes it.
        base = stack_of(self).get_logical_id(self.resource)
        self.resource.override_logical_id(Lazy.uncached_string(_Produced(lambda: f"{base}{self._digest()}")))

    def _digest(self) -> str:
        """Of all that the functions are: their code, variables, layers."""
        if self._resources is None:  # made by now, and asked for once: this is done for each writing
            self._resources = (
                [function.node.default_child for function in self._functions.made.values()],
                [layer.node.default_child for layer in self._functions.layers],
            )
        made, layers = self._resources
        # As for those who inherit, and the only way: `environment` of a function is empty, as jsii takes what
        # is made at synthesis for a struct, and `content` of a layer is five more calls of Node.js.
        facts: list[Any] = [
            function._cfn_properties  # noqa: SLF001
            for function in made
            if isinstance(function, lambda_.CfnFunction)
        ]
        # The reference to a layer stays the same when its content changes.
        facts += [
            layer._cfn_properties["content"]  # noqa: SLF001
            if isinstance(layer, lambda_.CfnLayerVersion)
            else None
            for layer in layers
        ]
        text = json.dumps(stack_of(self).resolve(facts), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _without_code(defaults: FunctionDefaults) -> FunctionDefaults:
    """What has nothing to do with the service's own code: with that, it might not answer either."""
    kept = {field.name: getattr(defaults, field.name) for field in fields(defaults)}
    for name in _OF_THE_CODE:
        del kept[name]
    kept["environment"] = {
        name: value for name, value in defaults.environment.items() if name not in _OF_A_LAYER
    }
    return FunctionDefaults(**kept)


@jsii.implements(IStringProducer)
class _Produced:
    """A text that is made when the template is."""

    def __init__(self, make: Callable[[], str]) -> None:
        self._make = make

    def produce(self, _context: IResolveContext) -> str:
        """Make it."""
        return self._make()
