"""What a feature offers operators: a function, and the arguments that it takes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from runtime.errors import ConfigurationError
from runtime.imports import FunctionReference, imported

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from runtime.store.scan import Scan

    OperationFunction = Callable[[Any, "OperationArguments"], dict[str, Any]]

__all__ = ["Operation", "OperationArguments"]

_WHAT: Final = "an operation"


class OperationArguments(Protocol):
    """What a request says beside the name of its operation; each is checked where it is asked for.

    All raise `InvalidInputError` where an argument is not what it is asked for as.
    """

    def text(self, name: str) -> str:
        """A text that is needed."""

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is left out."""

    def names(self, name: str) -> list[str] | None:
        """A list of texts, or None where it is left out."""

    def flag(self, name: str) -> bool:
        """A flag; false where it is left out."""

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds, 0 or more."""

    def optional_number(self, name: str) -> int | None:
        """A number from 1, or None where it is left out."""

    def json(self, name: str) -> Any:  # noqa: ANN401 - any JSON
        """Any value, as it was sent; None where it is left out."""

    def limit(self) -> int:
        """``limit``: how many entries a page may have."""

    def scan(self) -> Scan:
        """The page of a table that ``segment``, ``totalSegments``, ``resumeToken`` and ``limit`` ask for."""


class Operation:
    """An operation of a feature, which the operator function runs.

    Example:
        >>> Operation("billing.operations:list_invoices", ("tenant", "limit"))

    Args:
        run: Called with the feature and the `OperationArguments`; returns what JSON can hold. Or where to
            import it from, which keeps its imports out of the other functions.
        arguments: Names of the arguments that a request may have; any other one is refused.

    Raises:
        ConfigurationError: ``run`` is no function of two arguments, or ``arguments`` are no names.
    """

    def __init__(self, run: OperationFunction | str, arguments: Collection[str] = ()) -> None:
        if isinstance(arguments, str) or not all(isinstance(name, str) and name for name in arguments):
            msg = f"the arguments of an operation are names, got {arguments!r}"
            raise ConfigurationError(msg)
        self._reference = FunctionReference.of(run, _WHAT, ("feature", "arguments"))
        self.arguments = tuple(arguments)

    @classmethod
    def of(cls, source: Operation | str) -> Operation:
        """An operation as a feature declares it: itself, or where to import it from.

        Raises:
            ConfigurationError: There is none.
        """
        found: object = imported(source, _WHAT) if isinstance(source, str) else source
        if not isinstance(found, cls):
            msg = f"{_WHAT} must be an Operation or its import path, got {source!r}, which is {found!r}"
            raise ConfigurationError(msg)
        return found

    @cached_property
    def run(self) -> OperationFunction:
        """The function, imported on first use."""
        return self._reference.function
