"""Loading what is named by an import path: ``"package.module:name"``."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FunctionReference",
    "check_done",
    "check_function",
    "check_import_path",
    "check_plain_function",
    "imported",
    "name_of",
]


def name_of(function: object) -> str:
    """Name of a function, or of the class of what is called like one, for people."""
    name: str = getattr(function, "__qualname__", type(function).__qualname__)
    return name


def check_import_path(path: str, what: str) -> str:
    """Give the name in an import path, without importing anything.

    Args:
        path: The path.
        what: What it should lead to, for the error: "a data sync handler".

    Raises:
        ConfigurationError: It is not written ``"package.module:name"``.
    """
    module, _, name = path.partition(":")
    if not module or not name.isidentifier():
        msg = f'{what} is written "package.module:name", got {path!r}'
        raise ConfigurationError(msg)
    return name


def imported(path: str, what: str) -> Any:  # noqa: ANN401 - whatever the path leads to
    """Give what an import path leads to.

    Raises:
        ConfigurationError: The path is malformed, or leads to no module, or to one without such a name.
        ImportError: The module raises this itself.
    """
    name = check_import_path(path, what)
    place = path.partition(":")[0]
    try:
        module = import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{place}.".startswith(f"{error.name}."):
            raise  # of what the module imports
        msg = f"{path} leads to nothing: there is no {error.name!r}; {what} is expected there"
        raise ConfigurationError(msg) from error
    if not hasattr(module, name):
        msg = f"{path} leads to nothing: {module.__name__} has no {name!r}; {what} is expected there"
        raise ConfigurationError(msg)
    return getattr(module, name)


def check_plain_function(function: Callable[..., Any], what: str, *, yields: bool = False) -> None:
    """Refuse a function that would only begin its work when it is called.

    Args:
        function: The function.
        what: What it is to be, for the error: "a route".
        yields: Whether what it returns is gone through, so that it may be a generator.

    Raises:
        ConfigurationError: It is no function, or is a coroutine function or a generator.
    """
    if not callable(function):
        msg = f"{what} must be a function, got {type(function).__name__}"
        raise ConfigurationError(msg)
    name = getattr(function, "__name__", type(function).__name__)
    for called in (function, type(function).__call__):
        if inspect.iscoroutinefunction(called):
            msg = f"{what} must be a plain function, got the coroutine function {name}; leave async away"
            raise ConfigurationError(msg)
        if inspect.isasyncgenfunction(called) or (inspect.isgeneratorfunction(called) and not yields):
            fix = "async" if yields else "yield"
            msg = f"{what} must be a plain function, got the generator {name}; leave {fix} away"
            raise ConfigurationError(msg)


def check_function(
    function: Callable[..., Any], what: str, takes: tuple[str, ...], *, yields: bool = False
) -> None:
    """Refuse a function that cannot be called as it is to be, before the first request finds out.

    Args:
        function: The function. One that does not say what it takes is taken as it is.
        what: What it is to be, for the error: "a command".
        takes: Names of what it is called with, by position.
        yields: Whether what it returns is gone through, so that it may be a generator.

    Raises:
        ConfigurationError: It is no function, takes something else, or is a coroutine function or a
            generator.
    """
    check_plain_function(function, what, yields=yields)
    try:
        # What a decorator gives is called, not what it is around.
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*takes)
    except TypeError:
        name = getattr(function, "__name__", type(function).__name__)
        msg = (
            f"{what} is called with ({', '.join(takes)}), and {name}{_names(signature)} cannot be; give it "
            "parameters for these"
        )
        raise ConfigurationError(msg) from None


def check_done(result: object, what: str) -> None:
    """Refuse that a function has returned what it was to do, instead of having done it.

    A function that `check_function` takes for a plain one may do so: ``lambda event: send(event)``, where
    ``send`` is a coroutine function.

    Args:
        result: What it returned.
        what: What it is, for the error: "the callback of 'created'".

    Raises:
        ConfigurationError: It is a coroutine, or something else that is to be awaited, or a generator.
    """
    if result is None:
        return
    if inspect.iscoroutine(result):
        result.close()  # or Python warns of it as well
    elif not (inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result)):
        return
    msg = (
        f"{what} returned a {type(result).__name__}, which nobody awaits or goes through; it must have done "
        "its work when it returns"
    )
    raise ConfigurationError(msg)


def _names(signature: inspect.Signature) -> str:
    """The parameters of a function without their types."""
    empty = inspect.Parameter.empty
    plain = [found.replace(annotation=empty) for found in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=empty))


@dataclass(frozen=True)
class FunctionReference:
    """A function, or where to import it from when it is first called.

    Attributes:
        source: What was given.
        what: What it is, for errors: "an upcaster".
        takes: Names of what it is called with, for errors. Default: that is not checked.
        yields: Whether what it returns is gone through, so that it may be a generator.
    """

    source: Callable[..., Any] | str
    what: str
    takes: tuple[str, ...] = ()
    yields: bool = False

    @classmethod
    def of(
        cls,
        source: Callable[..., Any] | str,
        what: str,
        takes: tuple[str, ...] = (),
        *,
        yields: bool = False,
    ) -> FunctionReference:
        """Reference to a function.

        Raises:
            ConfigurationError: ``source`` can be none, or cannot be called with what it is to take.
        """
        if isinstance(source, str):
            with suppress(ConfigurationError):
                check_import_path(source, what)
                return cls(source, what, takes, yields)
        elif callable(source):
            if takes:
                check_function(source, what, takes, yields=yields)
            return cls(source, what, takes, yields)
        msg = f'{what} must be a function or its import path, such as "package.module:name", got {source!r}'
        raise ConfigurationError(msg)

    @property
    def name(self) -> str:
        """Its name, for people."""
        if isinstance(self.source, str):
            return self.source
        return name_of(self.source)

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The function itself, imported on first use.

        Raises:
            ConfigurationError: It cannot be imported, is no function, or cannot be called with what
                it is to take.
        """
        found = imported(self.source, self.what) if isinstance(self.source, str) else self.source
        if not callable(found):
            kind = self.what.partition(" ")[2]
            msg = f"the {kind} {self.source} is no function, got {found!r}"
            raise ConfigurationError(msg)
        function: Callable[..., Any] = found
        if self.takes:
            check_function(function, self.what, self.takes, yields=self.yields)
        return function
