"""The door through which features come into an app."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runtime.clients.resources import default_resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from runtime.clients.resources import Resources
    from runtime.event_store.event_module import EventModule
    from runtime.features.operation import Operation
    from runtime.features.triggers import Triggers
    from runtime.identity.context import InvokeContext
    from runtime.module import CommandModule
    from runtime.settings import Settings

__all__ = ["Feature"]


class Feature:
    """What a service needs beside its modules: numbers, tenants, settings, or something of your own.

    A feature of your own derives from this class and says what it has; an app takes it as
    ``CqrsApp(modules=[...], features=[billing])``. Its HTTP routes are a function that makes a router, as
    `module_routes` does: whoever wants them gives them to ``routes=``. Making a feature touches neither the
    network nor the environment.

    Example:
        >>> class Billing(Feature):
        ...     name = "billing"
        ...     modules = (CommandModule("bill"),)
        ...     operations = {"listUnpaid": Operation("billing.operations:list_unpaid", ("tenant",))}
        ...
        ...     def add_triggers(self, triggers: Triggers) -> None:
        ...         triggers.on_queue("payments", self.take_payment)

    Attributes:
        name: Name of the feature, written as that of a module is. What it measures is counted under this
            name, so no module may have it but one of the feature's own.
        modules: Modules of its own: the app serves them as it does its others.
        operations: What operators may ask of it, by a name that nothing else has: an `Operation`, or where
            to import it from, which the operator function alone does.
        part: How the feature is asked for in a stack, for errors: ``tenants=True``. Default: nothing tells.
    """

    name: str
    modules: Sequence[CommandModule[Any] | EventModule] = ()
    operations: Mapping[str, Operation | str] = MappingProxyType({})
    part: str = ""

    _resources: Resources | None = None

    @property
    def resources(self) -> Resources:
        """Settings and clients: those of the app, or where it is in none, what the environment says."""
        return self._resources or default_resources()

    @property
    def deployed(self) -> Mapping[str, Any]:
        """What the deployment says of the feature: its part of ``CQRS_FEATURES``; empty without one."""
        return self.resources.settings.features.get(self.name, MappingProxyType({}))

    def use(self, resources: Resources) -> None:
        """Work with these settings and clients, such as those of the app or of `runtime.testing`.

        A feature that keeps something which was read or made of them forgets it here.
        """
        self._resources = resources
        for module in self.modules:
            module.use(resources=resources)

    def add_triggers(self, triggers: Triggers) -> None:
        """Register handlers of queues, topics, buckets, streams, events and tasks of the feature's own.

        Called when the app is made, and again where it is to `use` other resources: what these say of names
        can be relied on.
        """

    def preload(self, function: str) -> None:
        """Import and make what a function needs while its init phase lasts; no calls.

        Args:
            function: What the function is for, as in `runtime.contract.FunctionKind`.
        """

    @property
    def guards_requests(self) -> bool:
        """Whether `admit` is asked. Default: where the class has one."""
        return type(self).admit is not Feature.admit

    def admit(self, tenant_code: str, invoke_context: InvokeContext) -> None:
        """Refuse an HTTP request of a tenant that is not to be served, by an error.

        Asked before any route of the app, also those of your own, and after the authorizer: for the tenant of
        the caller's token, and for the one that the request is about (header ``x-tenant-code``) where that
        is another one. A request of nobody, and one without a tenant, is not asked about.

        Args:
            tenant_code: The tenant, in lower case.
            invoke_context: Who asks.

        Raises:
            ForbiddenError: The tenant is not served.
        """

    def problems(self, settings: Settings) -> Iterable[str]:
        """What of the stack does not fit the feature, in sentences: a deployment ends where there are some.

        Default: a feature without modules, and with a `part`, that the stack says nothing of. The modules of
        the others are compared with the stack's in any case.
        """
        if self.part and not self.modules and self.name not in settings.features:
            yield (
                f"feature {self.name!r} is in the code, not in the stack: add {self.part} to the CqrsStack, "
                "or remove it"
            )

    def count(self, metric: str, number: int = 1) -> None:
        """Add to a metric of the feature; the tenant and keys must not be in its name."""
        from runtime import metrics  # noqa: PLC0415 - Powertools, which a function without metrics is spared

        metrics.count(metric, self.name, number)

    def observe(self, metric: str, milliseconds: Iterable[float]) -> None:
        """Add durations to a metric of the feature."""
        from runtime import metrics  # noqa: PLC0415 - as above

        metrics.observe(metric, self.name, milliseconds)
