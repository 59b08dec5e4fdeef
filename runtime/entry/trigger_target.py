"""Where an app's own trigger goes: a handler, and the functions of the stack that may take it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from runtime.contract import Env, FunctionKind
from runtime.errors import ConfigurationError, UnknownTriggerError
from runtime.imports import check_done, check_function, check_import_path, imported

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Route = Callable[[dict[str, Any]], Any]

__all__ = ["TriggerTarget"]

_KINDS: Final = tuple(value for name, value in vars(FunctionKind).items() if name.isupper())
_TAKES: Final = ("event",)


class TriggerTarget:
    """A handler, imported on first use where it is a path.

    Args:
        source: The handler, or where to import it from.
        trigger: What it handles, for errors: "SQS 'orders'".
        functions: Kinds of the functions that may take the trigger, as in `FunctionKind`.
        owner: Name of the feature whose trigger it is. Default: the app's own.

    Raises:
        ConfigurationError: The handler is none, would only begin its work, or takes something else; or a
            kind is unknown.
    """

    def __init__(
        self, source: Route | str, trigger: str, functions: Collection[str], *, owner: str | None = None
    ) -> None:
        self._what = f"the handler of {trigger}"
        if isinstance(source, str):
            check_import_path(source, self._what)
        elif not callable(source):
            msg = f"{self._what} must be a function or its import path, got {source!r}"
            raise ConfigurationError(msg)
        else:
            check_function(source, self._what, _TAKES)
        if isinstance(functions, str) or not functions or not set(functions) <= set(_KINDS):
            msg = f"functions must be names among {', '.join(_KINDS)}, got {functions!r}"
            raise ConfigurationError(msg)
        self._source = source
        self._functions = tuple(functions)
        self.owner = owner

    def check_taken_by(self, kind: str | None, what: str) -> None:
        """Refuse a trigger in a function that is for something else.

        Args:
            kind: What the function is for; None for nothing in particular: it takes them all.
            what: The trigger, for the error.

        Raises:
            UnknownTriggerError: It is for other functions.
        """
        if kind is not None and kind not in self._functions:
            msg = (
                f"{what} is for the {' and '.join(self._functions)} function; this one is for something "
                f"else: {Env.FUNCTION} is {kind!r}. If it is to come here, register it with "
                f"functions=[{kind!r}]"
            )
            raise UnknownTriggerError(msg)

    @cached_property
    def function(self) -> Route:
        """Calls the handler, and gives what it returns.

        Where that is its work, which nobody would do, the call raises `ConfigurationError`: the trigger has
        to come again.

        Raises:
            ConfigurationError: What was imported is no function, would only begin its work, or takes
                something else.
        """
        handler, what = self._handler(), self._what

        def handle(event: dict[str, Any]) -> Any:  # noqa: ANN401 - the handler's result
            result = handler(event)
            if result is not None:
                check_done(result, what)
            return result

        return handle

    def _handler(self) -> Route:
        if not isinstance(self._source, str):
            return self._source
        found: Any = imported(self._source, self._what)
        if not callable(found):
            msg = f"{self._source} is no function, got {found!r}"
            raise ConfigurationError(msg)
        check_function(found, self._what, _TAKES)
        return found  # type: ignore[no-any-return]
