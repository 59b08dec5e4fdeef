"""How a part of a service and the functions of the service meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from constructs_lib.props.strict_props import strict_dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_cdk import aws_iam as iam
    from aws_cdk import aws_lambda as lambda_

__all__ = ["DataAccess", "Part", "ServiceFunctions"]


@strict_dataclass
@dataclass(frozen=True)
class DataAccess:
    """How a function reaches what tenants keep, in tables and in the attributes bucket.

    Attributes:
        grantee: Who is given the rights: the function, or a role that it assumes for a tenant.
        own_objects: Names of the objects that it may read and write, with wildcards. Defaults to
            all.
        common_objects: Names of further ones that it may read. Defaults to none.

    """

    grantee: iam.IGrantable
    own_objects: tuple[str, ...] = ("*",)
    common_objects: tuple[str, ...] = ()


class ServiceFunctions(Protocol):
    """The functions of a service, as its parts see them. `CqrsFunctions` is one."""

    @property
    def app_name(self) -> str:
        """Name of the service."""

    @property
    def env_name(self) -> str:
        """Name of the environment, such as "prod"."""

    @property
    def api(self) -> lambda_.IFunction:
        """Answers HTTP requests: publishes and reads."""

    @property
    def has_commands(self) -> bool:
        """Whether the service has modules of commands; the next three may be missing where it has none."""

    @property
    def stream(self) -> lambda_.IFunction:
        """Starts the processing of new commands."""

    @property
    def worker(self) -> lambda_.IFunction:
        """Applies commands and runs data sync handlers."""

    @property
    def notifier(self) -> lambda_.IFunction:
        """Tells clients."""

    @property
    def operator(self) -> lambda_.IFunction:
        """Repairs what the others did not finish."""

    @property
    def projector(self) -> lambda_.IFunction | None:
        """Runs event handlers; None where no module has any."""

    def find(self, kind: str) -> lambda_.IFunction | None:
        """The function of a `runtime.contract.FunctionKind`; None where the service has none of it."""

    def data_access(self, function: lambda_.IFunction) -> DataAccess:
        """How ``function`` reaches what tenants keep."""

    def set_variable(self, variable: str, value: str, *functions: lambda_.IFunction) -> None:
        """Set an environment variable of ``functions``, except where one that was brought sets it itself."""

    def add_module(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function of a module: how it is processed, and its tables."""

    def add_feature(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function that the deployment has a feature, and what of it is not by convention."""

    def add_applier(self, function: lambda_.IFunction) -> None:
        """Count ``function`` among those that apply commands."""

    def for_each_applier(self, give: Callable[[lambda_.IFunction], None]) -> None:
        """Call ``give`` with each function that applies commands, also with those added later."""


class Part(Protocol):
    """A part of a service that gives the functions what they need to use it.

    The parts of this library also take a function of one's own: ``part.connect(my_function)``.
    """

    def connect(self, functions: ServiceFunctions) -> None:
        """Grant the functions what they do with this part, and tell them where it is."""
