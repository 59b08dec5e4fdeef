"""A function that was made elsewhere, as the parts of a service see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import jsii
from aws_cdk import Annotations, Aspects, IAspect, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from constructs_lib.errors import InvalidPropsError
from constructs_lib.functions.features_text import check_feature, features_text
from constructs_lib.functions.modules_text import modules_text
from constructs_lib.props.acknowledge import flat
from constructs_lib.props.known_properties import known_properties
from constructs_lib.tables.naming import table_name, table_name_prefix
from runtime.contract import Env

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_iam as iam
    from constructs import IConstruct
    from typing_extensions import TypeIs

    from constructs_lib.parts import ServiceFunctions

__all__ = ["BroughtFunction", "behind", "is_own_function"]

_ID: Final = "CqrsVariables"
#: What says for which service a function works, and as what.
_OF_ONE_SERVICE: Final = (Env.NODE_ENV, Env.APP_NAME, Env.FUNCTION)
#: The tables of a module, by the names of its settings and the ends of the tables' names.
_TABLES: Final = ("command", "data", "history", "events")


class BroughtFunction(Construct):
    """What a function of one's own is told by the parts that are connected to it.

    It is a child of the function, so that each part finds what others have told. Variables that the
    function sets itself stay as they are. Where variables cannot be set, as of a function that was
    imported, synthesis says which it needs, and their values.

    Args:
        function: The function; an alias or a version stands for the function behind it.

    Raises:
        InvalidPropsError: The function has no role that is known: rights would go nowhere.

    """

    def __init__(self, function: lambda_.IFunction) -> None:
        role = function.role
        if role is None:
            msg = (
                f"a function must have a role that is known, got {function.node.path} without; "
                "import it with from_function_attributes(role=...)"
            )
            raise InvalidPropsError(msg)
        super().__init__(cast("Construct", function), _ID)
        self.function = function
        self.role: iam.IRole = role
        self._theirs = _variables_of(function)
        self._of_one_service: dict[str, str] = {}
        self._modules: dict[str, Mapping[str, Any]] = {}
        self._tables: dict[str, list[set[str]]] = {}
        self._features: dict[str, Mapping[str, Any]] = {}
        self._untold: dict[str, str] = {}
        Aspects.of(self).add(_UntoldVariables(self))

    @classmethod
    def of(cls, function: lambda_.IFunction) -> BroughtFunction:
        """Give what is known of ``function``; the same for all who ask."""
        holder = behind(function)
        known = holder.node.try_find_child(_ID)
        return known if isinstance(known, cls) else cls(holder)

    def sets(self, variable: str) -> bool:
        """Whether the function sets a variable itself."""
        return variable in self._theirs

    def set_variable(self, variable: str, value: str) -> None:
        """Tell the function, unless it sets the variable itself.

        Args:
            variable: Name of the variable.
            value: Its value; it goes before one that was told earlier.

        Raises:
            InvalidPropsError: It says for which service the function works, or as what, and another one
                has said something else.

        """
        known = self._of_one_service.get(variable, value)
        if known != value and not self.sets(variable):
            msg = (
                f"{variable} of {self.function.node.path} must be the same for all that use it, got "
                f"{value!r} beside {known!r}: it would work as the last one said, for that one only; bring "
                f"a function for each service, or set {variable} in its own environment"
            )
            raise InvalidPropsError(msg)
        if variable in _OF_ONE_SERVICE:
            self._of_one_service[variable] = value
        if self.sets(variable):
            return
        if isinstance(self.function, lambda_.Function | lambda_.SingletonFunction):
            self.function.add_environment(variable, value)
        else:
            self._untold[variable] = value

    def add_module(
        self, name: str, settings: Mapping[str, Any], tables: Mapping[str, str] | None = None
    ) -> None:
        """Tell the function of a module, beside those that it knows.

        Args:
            name: The module.
            settings: How it is processed, and its tables.
            tables: Names of its tables as they are known at synthesis, where ``settings`` refer to them.

        Raises:
            InvalidPropsError: It knows a module of that name with other tables.

        """
        self._check_tables(name, settings, tables or {})
        self._modules[name] = settings
        self.set_variable(Env.MODULES, modules_text(self, self._modules))

    def add_feature(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell the function that the deployment has a feature, beside those that it knows.

        Args:
            name: The feature.
            settings: What of it is not by convention.

        Raises:
            InvalidPropsError: It knows something else of this feature.

        """
        check_feature(self, self._features, name, settings)
        self._features[name] = settings
        self.set_variable(Env.FEATURES, features_text(self, self._features))

    def _check_tables(self, module: str, settings: Mapping[str, Any], names: Mapping[str, str]) -> None:
        """Compare names: a service leaves out those of its convention, another part refers to them."""
        env_name, app_name = map(self._of_one_service.get, (Env.NODE_ENV, Env.APP_NAME))
        prefix = table_name_prefix(env_name, app_name, module) if env_name and app_name else None
        known = self._tables.setdefault(module, [set() for _ in _TABLES])
        for earlier, table in zip(known, _TABLES, strict=True):
            usual = {table_name(prefix, table)} if prefix else set()
            told = {mapping[table] for mapping in (settings, names) if table in mapping} or usual
            if earlier and told and not earlier & told:
                msg = (
                    f"modules of {self.function.node.path} must have different names, got two of the name "
                    f"{module!r} with different tables; give one of them another module_name, or bring a "
                    "function for each"
                )
                raise InvalidPropsError(msg)
            earlier.update(told)

    @property
    def untold(self) -> dict[str, str]:
        """The variables that it needs and could not be told, as a person may write them."""
        resolve = Stack.of(self).resolve
        return {name: flat(resolve(value)) for name, value in self._untold.items()}


@jsii.implements(IAspect)
class _UntoldVariables:
    """Says at synth which variables a function needs, once all parts are connected."""

    def __init__(self, brought: BroughtFunction) -> None:
        self._brought = brought

    def visit(self, node: IConstruct) -> None:  # noqa: ARG002 - jsii asks for this name
        if untold := self._brought.untold:
            values = ", ".join(f"{name}={value}" for name, value in untold.items())
            Annotations.of(self._brought.function).add_warning_v2(
                "cqrs:untoldVariables",
                "variables of this function cannot be set here, as it was imported; "
                f"set them where it is defined: {values}",
            )


def is_own_function(functions: ServiceFunctions | lambda_.IFunction) -> TypeIs[lambda_.IFunction]:
    """Whether a part was given a function of one's own, not the functions of a service.

    Raises:
        InvalidPropsError: ``functions`` is neither.

    """
    if hasattr(functions, "function_arn"):
        return True
    if not hasattr(functions, "add_module"):
        function = getattr(functions, "function", None)
        hint = "pass its function" if hasattr(function, "function_arn") else "pass one of these"
        msg = f"connect takes CqrsFunctions or a Lambda function, got {type(functions).__name__}; {hint}"
        raise InvalidPropsError(msg)
    return False


def behind(function: lambda_.IFunction) -> lambda_.IFunction:
    """Give the function whose configuration has the variables: not an alias or a version of it."""
    if isinstance(function, lambda_.Alias):
        return function.version.lambda_
    return function.lambda_ if isinstance(function, lambda_.Version) else function


def _variables_of(function: lambda_.IFunction) -> set[str]:
    """The variables that a function sets itself."""
    known = known_properties(function, lambda_.CfnFunction) or {}
    return set((known.get("environment") or {}).get("variables") or {})
