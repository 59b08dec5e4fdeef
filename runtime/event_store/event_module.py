"""A module of events: what a stack deploys, and what the app routes records of its table to."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from runtime.clients.resources import default_resources
from runtime.contract import KIND_EVENTS, MODULE_NAME_PATTERN
from runtime.errors import ConfigurationError, ModuleMismatchError
from runtime.event_store.commits.commit_row import place_key
from runtime.imports import check_import_path, imported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.clients.resources import Resources
    from runtime.event_store.domain import Domain
    from runtime.event_store.feed.cursors import CursorKey
    from runtime.event_store.feed.processor import EventProcessor
    from runtime.event_store.handlers.handler import EventHandler
    from runtime.settings import EventTables

__all__ = ["EventModule"]

_WHAT: Final = "an event handler"


class EventModule:
    """A module of events: one events table, its domain, and the handlers that the table's stream feeds.

    Example:
        >>> blog = EventModule("blog", domain, handlers=["blog.read_models:posts_model"])
        >>> app = CqrsApp(modules=[blog], routes="blog.routes:routes")

    Args:
        name: Logical name of the module, as the stack's ``EventModule`` and the `DynamoProvider` of the
            domain have it.
        domain: The aggregates, and where their events are.
        handlers: The handlers that the function ``projector`` of the stack runs, or where to import them
            from: ``"package.module:name"``. An import path keeps what a handler imports, such as a
            database's driver, out of the functions that only append: none but projector and operator follow
            it. Default: none, so that the stack has no such function.

    Raises:
        ConfigurationError: The name cannot be one, is another one than that of the domain's provider, or
            something among the handlers is none.
    """

    kind: Final = KIND_EVENTS
    """What the module keeps; tells it from a `CommandModule` without an import."""

    def __init__(self, name: str, domain: Domain, *, handlers: Sequence[EventHandler | str] = ()) -> None:
        if not isinstance(name, str) or not re.fullmatch(MODULE_NAME_PATTERN, name):
            msg = f"the name of an EventModule must match {MODULE_NAME_PATTERN}, such as 'blog', got {name!r}"
            raise ConfigurationError(msg)
        if isinstance(handlers, str):
            msg = f"handlers of the module {name!r} must be a list, got {handlers!r}; write [{handlers!r}]"
            raise ConfigurationError(msg)
        provided = getattr(domain.context.own_provider, "module", name)
        if provided != name:
            msg = (
                f"the module {name!r} has the domain of another one: its provider is DynamoProvider"
                f"({provided!r}); give both the same name"
            )
            raise ConfigurationError(msg)
        self.name = name
        self.domain = domain
        self._given = tuple(handlers)
        self._resources: Resources | None = None
        for handler in self._given:
            if isinstance(handler, str):
                check_import_path(handler, _WHAT)
            else:
                self._check(handler, repr(handler))

    @property
    def handler_names(self) -> tuple[str, ...]:
        """What each handler is called, and of those that are import paths the path: nothing is imported."""
        return tuple(given if isinstance(given, str) else given.name for given in self._given)

    @cached_property
    def handlers(self) -> tuple[EventHandler, ...]:
        """The handlers, imported on first use.

        Raises:
            ConfigurationError: A path leads to nothing, or to no handler; two have one name; or one is of
                another domain.
        """
        found = tuple(
            self._check(imported(given, _WHAT), given) if isinstance(given, str) else given
            for given in self._given
        )
        for handler in found:
            if handler.context is not self.domain.context:
                msg = (
                    f"the handler {handler.name!r} of the module {self.name!r} is of another domain; list it "
                    "in the EventModule of that one"
                )
                raise ConfigurationError(msg)
        names = [handler.name for handler in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            msg = (
                f"two handlers of the module {self.name!r} have the name {twice[0]!r}, by which their "
                "progress is kept; rename one"
            )
            raise ConfigurationError(msg)
        return found

    @property
    def resources(self) -> Resources:
        """Settings and clients that the module works with."""
        return self._resources or default_resources()

    @property
    def tables(self) -> EventTables:
        """Physical names of the module's tables, and what the deployment says of it.

        Raises:
            ConfigurationError: The environment does not tell them.
        """
        return self.resources.settings.event_tables_of(self.name)

    def use(self, *, resources: Resources | None = None) -> None:
        """Let the module, its domain and the handlers of that work with something else.

        A provider that is not made of `Resources`, such as a `MemoryProvider`, stays as it is.

        Args:
            resources: Settings and clients, such as those of `runtime.testing`. Default: as before.
        """
        if resources is not None:
            self._resources = resources
        context = self.domain.context
        if (use := getattr(context.own_provider, "use", None)) is None:
            return
        if resources is not None:
            use(resources=resources)
        # What was read of the tables before is not true of these.
        if context.own_cache is not None:
            context.own_cache.clear()
        for handler in self.domain.handlers.values():
            handler.start_anew()

    def processor(self) -> EventProcessor:
        """What feeds the handlers from the stream of the events table.

        Raises:
            ConfigurationError: A handler cannot be imported, or the domain's provider keeps no table that has
                a stream.
        """
        from runtime.event_store.feed.processor import EventProcessor  # noqa: PLC0415 - of one function

        provider = self.domain.context.own_provider
        commit_in = getattr(provider, "commit_in", None)
        if commit_in is None:
            msg = (
                f"the module {self.name!r} cannot be fed by a stream: its domain is on a "
                f"{type(provider).__name__}; make it with DynamoProvider({self.name!r}), or let the handlers "
                "pull: run_once, start"
            )
            raise ConfigurationError(msg)
        return EventProcessor(
            self.name,
            provider,
            self.handlers,
            commit_in,
            exclusive=self.tables.is_exclusive,
            on_parked=self._tell_of_parked,
        )

    def _tell_of_parked(self, whose: CursorKey, version: int, error: Exception) -> None:
        # Never the error's text, which may quote an event.
        what = f"{whose.handler} is parked: {type(error).__name__}"
        self.resources.notifier.alarm(self.name, whose.key.pk, place_key(version), what, None)

    def check_handlers(self) -> None:
        """Refuse to pass over events that no handler would ever hear of, as the code lacks them.

        Raises:
            ModuleMismatchError: The stack says that there are handlers, and the code has none.
        """
        if self.tables.has_handlers and not self._given:
            msg = (
                f"module {self.name} was deployed with handlers=True, but the code has no handlers for it, "
                "and their events wait; give them to the EventModule, or deploy it with handlers=False"
            )
            raise ModuleMismatchError(self.name, msg)

    def _check(self, handler: object, shown: str) -> EventHandler:
        from runtime.event_store.handlers.handler import EventHandler  # noqa: PLC0415 - of modules with handlers

        if not isinstance(handler, EventHandler):
            msg = (
                f"handlers of the module {self.name!r} must be made by domain.create_handler, or import "
                f"paths of such, got {shown}, which is {type(handler).__name__}"
            )
            raise ConfigurationError(msg)
        return handler
