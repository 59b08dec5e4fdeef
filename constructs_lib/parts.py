"""How a part of a service and the functions of the service meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_cdk import aws_lambda as lambda_

__all__ = ["Part", "ServiceFunctions"]


class ServiceFunctions(Protocol):
    """The functions of a service, as its parts see them. `CqrsFunctions` is one."""

    @property
    def app_name(self) -> str:
        """Name of the service."""

    @property
    def env_name(self) -> str:
        """Stage: "local", "dev", "stg" or "prod"."""

    @property
    def api(self) -> lambda_.IFunction:
        """Answers HTTP requests: publishes and reads."""

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

    def set_variable(self, variable: str, value: str, *functions: lambda_.IFunction) -> None:
        """Set an environment variable of ``functions``, except of those that were brought."""

    def add_module(self, name: str, settings: Mapping[str, Any]) -> None:
        """Tell every function of a module: how it is processed, and its tables."""

    def add_applier(self, function: lambda_.IFunction) -> None:
        """Count ``function`` among those that apply commands."""

    def for_each_applier(self, give: Callable[[lambda_.IFunction], None]) -> None:
        """Call ``give`` with each function that applies commands, also with those added later."""


class Part(Protocol):
    """A part of a service that gives the functions what they need to use it."""

    def connect(self, functions: ServiceFunctions) -> None:
        """Grant the functions what they do with this part, and tell them where it is."""
