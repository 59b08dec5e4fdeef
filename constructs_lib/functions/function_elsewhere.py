"""A function of another stack, used without that stack having to know of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Annotations, CfnOutput, Names
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.brought_function import BroughtFunction
from constructs_lib.functions.features_text import features_text
from constructs_lib.functions.modules_text import modules_text
from constructs_lib.functions.stack_circle import note_user
from constructs_lib.props.environments import check_environment, is_made_here, stack_of
from constructs_lib.props.stack_order import deployed_with, must_wait, waits_for
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Duration

__all__ = ["WHERE_IT_RUNS", "FunctionElsewhere", "as_used_in", "original_of", "own_function", "timeout_of"]

WHERE_IT_RUNS: Final = (
    "a function looks for its tables where it runs: make it in the account and Region of its service"
)
_LONGEST_POLICY_NAME: Final = 128


def as_used_in(
    scope: Construct, construct_id: str, name: str, function: lambda_.IFunction
) -> lambda_.IFunction:
    """Give ``function``, or what stands for it in the stack of ``scope`` where it is of another stack.

    Args:
        scope: What uses the function.
        construct_id: Id within ``scope`` of what stands for it.
        name: Name of the property that brought it.
        function: The function.

    Raises:
        InvalidPropsError: It is in another account or Region, or an alias or version of another stack.

    """
    check_environment(
        name,
        function,
        scope,
        hint=WHERE_IT_RUNS,
    )
    if _is_at_home(function, scope):
        return function
    if isinstance(function, lambda_.QualifiedFunctionBase):
        msg = (
            f"{name} must be a function where it, or its role, is of another stack, got the version or alias "
            f"{function.node.path}; bring the function, or make alias and role in {stack_of(scope).node.path}"
        )
        raise InvalidPropsError(msg)
    return FunctionElsewhere(scope, construct_id, name=name, function=function).function


def own_function(
    part: Construct, function: lambda_.IFunction, name: str = "function"
) -> BroughtFunction | FunctionElsewhere:
    """Give what tells a function of one's own of ``part``; its ``function`` is what gets the rights.

    The rights are with the function's role, unless its stack would then have to wait for itself: they
    are of the function's stack where its role is of another one, and of the part's stack where the
    function was imported into another one, or is of a stack that the part's stack waits for.

    Args:
        part: What the function uses.
        function: The function; an alias or a version stands for the function behind it.
        name: What messages call it.

    Raises:
        InvalidPropsError: The function has no role that is known.

    """
    told = BroughtFunction.of(function)
    made = told.function
    stays = is_made_here(made) and not waits_for(part, made)
    home = stack_of(made) if stays or deployed_with(made) is deployed_with(part) else stack_of(part)
    if home is not stack_of(part):
        note_user(made, part)
    if _is_at_home(made, home):
        return told
    known = home.node.try_find_child(construct_id := f"Cqrs{made.node.addr}")
    return (
        known
        if isinstance(known, FunctionElsewhere)
        else FunctionElsewhere(home, construct_id, name=name, function=made)
    )


def _is_at_home(function: lambda_.IFunction, scope: Construct) -> bool:
    """Whether what a function is granted, and what calls it, is of the stack of ``scope`` by itself."""
    role, here = function.role, deployed_with(scope)
    if is_made_here(function):
        is_near = stack_of(function) is stack_of(scope)
    else:
        is_near = role is None or deployed_with(function) is here
    return is_near and (role is None or deployed_with(role) is here or _is_immutable(role))


def original_of(function: lambda_.IFunction) -> lambda_.IFunction:
    """Give the function that ``function`` stands for: itself, unless it is of another stack."""
    if isinstance(function, lambda_.Function):  # made, not imported, as all that stand for others are
        return function
    holder = function.node.scope
    return holder.original if isinstance(holder, FunctionElsewhere) else function


def timeout_of(function: lambda_.IFunction) -> Duration | None:
    """How long a call of ``function`` may take; None where it is not known."""
    known = original_of(function)
    return known.timeout if isinstance(known, lambda_.Function) else None


class FunctionElsewhere(Construct):
    """A function of another stack of the app, as this stack sees it.

    What it may do here and what calls it from here are resources of this stack. So this stack needs
    the other one, and the other one needs nothing of this: were the permissions with the function's
    role, each would wait for the other.

    Args:
        scope: What uses the function.
        construct_id: Id within ``scope``.
        name: Name of the property that brought it.
        function: The function.

    """

    def __init__(
        self, scope: Construct, construct_id: str, *, name: str, function: lambda_.IFunction
    ) -> None:
        super().__init__(scope, construct_id)
        self.original = function
        self._name = name
        self._output: CfnOutput | None = None
        self._missing: dict[str, str] = {}
        self._modules: dict[str, Mapping[str, Any]] = {}
        self._features: dict[str, Mapping[str, Any]] = {}
        self._told = BroughtFunction.of(function)
        if is_made_here(function):
            must_wait(self, function)
        bound = isinstance(function, lambda_.Function) and function.is_bound_to_vpc
        self.function = lambda_.Function.from_function_attributes(
            self,
            "Function",
            function_arn=function.function_arn,
            role=self._role(self._told.role),
            architecture=function.architecture,
            security_group=function.connections.security_groups[0] if bound else None,
            same_environment=True,
        )

    def set_variable(self, variable: str, value: str) -> None:
        """Set an environment variable, or tell its value where only this stack will know it.

        A value that refers to a resource of this stack would make the function's stack wait for this
        one. Those are in an output, and a warning says so. What the function has by itself stays.
        """
        known = stack_of(self).resolve(value)
        if self._is_of_this_stack:
            self._told.set_variable(variable, value)
        elif isinstance(known, str):
            self._told.set_variable(variable, known)
        elif not self._told.sets(variable):
            self._leave_to_people(variable, value)

    def add_module(
        self, name: str, settings: Mapping[str, Any], tables: Mapping[str, str] | None = None
    ) -> None:
        """Tell the function of a module, beside those that it knows; see `set_variable`."""
        self._modules[name] = settings
        stack = stack_of(self)
        if self._is_of_this_stack or stack.resolve(settings) == settings:
            self._told.add_module(name, settings, tables)
        elif not self._told.sets(Env.MODULES):
            self._leave_to_people(Env.MODULES, modules_text(self, self._modules))

    def add_feature(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell the function that the deployment has a feature; see `set_variable`."""
        self._features[name] = settings
        stack = stack_of(self)
        if self._is_of_this_stack or stack.resolve(settings) == settings:
            self._told.add_feature(name, settings)
        elif not self._told.sets(Env.FEATURES):
            self._leave_to_people(Env.FEATURES, features_text(self, self._features))

    @property
    def _is_of_this_stack(self) -> bool:
        """Whether only its role is of another one."""
        return is_made_here(self.original) and stack_of(self.original) is stack_of(self)

    def _leave_to_people(self, variable: str, value: str) -> None:
        self._missing[variable] = value
        text = stack_of(self).to_json_string(self._missing)
        if self._output is None:
            self._output = self._new_output(text)
        self._output.value = text

    def _new_output(self, text: str) -> CfnOutput:
        stack = stack_of(self)
        output = CfnOutput(
            self,
            "Variables",
            value=text,
            description=f"What {self._name}, a function of another stack, needs in its environment",
        )
        Annotations.of(self).add_warning_v2(
            "cqrs:functionOfAnotherStack",
            f"{self._name} ({self.original.node.path}) is of another stack, which cannot refer to this "
            f"one: once {stack.node.path} is deployed, give it the variables that the output "
            f"{stack.resolve(output.logical_id)} names; a function made in {stack.node.path} gets them "
            "by itself",
        )
        return output

    def _role(self, role: iam.IRole) -> iam.IRole:
        """The function's role, whose policies from here on are of this stack."""
        if _is_immutable(role) or stack_of(role) is stack_of(self):
            return role
        return iam.Role.from_role_arn(
            self,
            "Role",
            self._role_arn(role) if isinstance(role, iam.Role) else role.role_arn,
            # Two stacks that use the same role must not overwrite each other's policy.
            default_policy_name=Names.unique_resource_name(self, max_length=_LONGEST_POLICY_NAME),
        )

    def _role_arn(self, role: iam.Role) -> str:
        """The ARN, of parts that CDK can take the name from; it cannot from a reference to the whole."""
        resource = role.node.default_child
        folder = resource.path if isinstance(resource, iam.CfnRole) else None
        return stack_of(self).format_arn(
            service="iam",
            region="",
            resource="role",
            resource_name="/".join(part for part in ((folder or "").strip("/"), role.role_name) if part),
        )


def _is_immutable(role: iam.IRole) -> bool:
    """Whether its owner said that CDK must not give it rights; how CDK names such a role tells."""
    parent = role.node.scope
    return role.node.id.startswith("ImmutableRole") or (
        parent is not None and parent.node.try_find_child(f"MutableRole{role.node.id}") is not None
    )
