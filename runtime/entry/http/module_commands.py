"""Commands with a name of their own, as routes of a module: ``POST /invoices/{sk}/pay``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Generic, overload

from aws_lambda_powertools.event_handler import Response  # noqa: TC002 - Powertools reads the annotations
from pydantic import BaseModel
from typing_extensions import TypeVar

from runtime.entry.http.conditions import Expected
from runtime.entry.http.module_bodies import Receipt  # noqa: TC001
from runtime.entry.http.module_endpoint import OF_CHANGE, Mode, ModuleEndpoint, ModuleRoute
from runtime.entry.http.module_writes import ACCEPTED, ModeParameter, VersionParameter, answer
from runtime.errors import ConfigurationError, FieldProblem, InvalidInputError
from runtime.generics import AttributesT
from runtime.identity.user import user_in
from runtime.imports import FunctionReference
from runtime.model.keys import VERSION_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from runtime.commands.decide import Decision
    from runtime.commands.state import State
    from runtime.identity.user import UserContext

__all__ = ["ItemCommand", "check_commands", "command_routes"]

BodyT = TypeVar("BodyT", default=None)

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PROBLEMS: Final = {
    403: "Not allowed",
    404: "There is no such item",
    409: "Somebody else was faster: read the item and decide again",
    412: "The item is not at the version of If-Match",
    422: "A rule refuses it, or the Idempotency-Key was used for another request",
}


class ItemCommand(Generic[AttributesT, BodyT]):
    """What `module_routes` make a route of its own of: something that is done with one item.

    Example:
        >>> class Payment(CqrsModel):
        ...     amount: int
        >>> def pay(invoice: State[Invoice], payment: Payment, user: UserContext) -> State[Invoice]:
        ...     paid = invoice.attributes.model_copy(update={"paid": payment.amount})
        ...     return invoice.replace(attributes=paid)
        >>> module_routes(invoice, ..., commands={"pay": ItemCommand(pay, body=Payment)})

    Args:
        function: Gets the latest `State` of the item, the body, and who asks. Returns the next state,
            made by `State.replace`; `FieldProblem` to refuse (422); None to leave the item as it
            is. It is called again where somebody else was faster, so it must have no effect of its
            own. Or its import path.
        body: Model of the body; a field ``version`` in it is the version to build on. Default: the
            request has none, and the function gets None.
        roles: Roles of which a caller needs one; none for everybody in the tenant. Default: as to publish.
        summary: What it does, for the OpenAPI document. Default: the function's first line of
            documentation, or the command's name.

    Raises:
        ConfigurationError: The function cannot be one or takes something else, or the body is no model.
    """

    @overload
    def __init__(
        self: ItemCommand[AttributesT, None],
        function: Callable[[State[AttributesT], None, UserContext], Decision[AttributesT]],
        *,
        body: None = None,
        roles: Collection[str] | None = None,
        summary: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[State[AttributesT], BodyT, UserContext], Decision[AttributesT]],
        *,
        body: type[BodyT],
        roles: Collection[str] | None = None,
        summary: str | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self: ItemCommand[Any, Any],
        function: str,
        *,
        body: type[BaseModel] | None = None,
        roles: Collection[str] | None = None,
        summary: str | None = None,
    ) -> None: ...

    def __init__(
        self,
        function: Callable[..., Any] | str,
        *,
        body: Any = None,
        roles: Collection[str] | None = None,
        summary: str | None = None,
    ) -> None:
        self.reference = FunctionReference.of(function, "a command", ("state", "body", "user"), yields=True)
        if body is not None and not (isinstance(body, type) and issubclass(body, BaseModel)):
            msg = f"the body of the command {self.reference.name} must be a pydantic model, got {body!r}"
            raise ConfigurationError(msg)
        if isinstance(roles, str):
            msg = f"the roles of the command {self.reference.name} must be a list of names, got {roles!r}"
            raise ConfigurationError(msg)
        self.body = body
        self.roles = None if roles is None else tuple(roles)
        self._summary = summary

    def summary(self, name: str) -> str:
        """What it does, in a line."""
        text = None if isinstance(self.reference.source, str) else self.reference.source.__doc__
        first = (text or "").strip().partition("\n")[0].removesuffix(".")
        return self._summary or first or name.replace("-", " ").replace("_", " ").capitalize()


def check_commands(commands: Mapping[str, ItemCommand[Any, Any]], taken: Collection[str]) -> list[str]:
    """What is wrong with commands, and with their names beside those of the module's other routes."""
    problems = []
    for name, command in commands.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(
                f"commands: a name must have lower-case letters, digits, - and _, such as 'pay', got {name!r}"
            )
        elif name in taken:
            problems.append(
                f"commands: {name!r} is a route of every module; give the command another name than "
                f"{', '.join(taken)}"
            )
        if not isinstance(command, ItemCommand):
            problems.append(f"commands: {name!r} must be an ItemCommand, got {command!r}")
    return problems


def command_routes(
    endpoint: ModuleEndpoint[Any], commands: Mapping[str, ItemCommand[Any, Any]], roles: tuple[str, ...]
) -> list[ModuleRoute]:
    """A route for each command."""
    return [_route(endpoint, name, command, roles) for name, command in commands.items()]


def _route(
    endpoint: ModuleEndpoint[Any], name: str, command: ItemCommand[Any, Any], roles: tuple[str, ...]
) -> ModuleRoute:
    def with_body(
        sk: str, body: BaseModel, mode: ModeParameter = "async", version: VersionParameter = None
    ) -> Response[Receipt]:
        return _done(endpoint, name, command, sk, body, mode, version)

    def without_body(
        sk: str, mode: ModeParameter = "async", version: VersionParameter = None
    ) -> Response[Receipt]:
        return _done(endpoint, name, command, sk, None, mode, version)

    function: Callable[..., Any] = without_body
    if command.body is not None:
        with_body.__annotations__["body"] = command.body  # known only now
        function = with_body
    return ModuleRoute(
        name,
        "POST",
        f"/<sk>/{name}",
        function,
        ACCEPTED,
        roles if command.roles is None else command.roles,
        summary=command.summary(name),
        problems=_PROBLEMS,
        headers=OF_CHANGE,
    )


def _done(  # noqa: PLR0917 - the parts of one request
    endpoint: ModuleEndpoint[Any],
    name: str,
    command: ItemCommand[Any, Any],
    sk: str,
    body: BaseModel | None,
    mode: Mode,
    version: int | None,
) -> Response[Receipt]:
    caller = endpoint.caller()
    publish_id = endpoint.publish_id()
    endpoint.check_reachable(sk, publish_id)
    expected = _expected(caller.headers, body, version)
    user = user_in(endpoint.items.tenant(write=True), caller)

    def change(state: State[Any]) -> Any:  # noqa: ANN401 - checked by who asks
        return command.reference.function(state, body, user)

    change.__qualname__ = command.reference.name
    with expected:
        published = endpoint.items.change(
            sk,
            change,
            version=expected.version,
            sync=mode == "sync",
            source=endpoint.source(name),
            publish_id=publish_id,
        )
    return answer(endpoint, published, mode, expected)


def _expected(headers: Mapping[str, str], body: BaseModel | None, version: int | None) -> Expected:
    """The version that the caller builds on, where they say one: in a header, the query or the body."""
    own = getattr(body, "version", None)
    if isinstance(own, int) and not isinstance(own, bool):
        if version not in {None, own} and body is not None and "version" in body.model_fields_set:
            raise InvalidInputError(
                [FieldProblem("version", "must be the version of the query; leave one out")]
            )
        version = own if version is None else version
    if version is None and "if-match" not in headers and "if-none-match" not in headers:
        return Expected(VERSION_LATEST, conditional=False)
    return Expected.of(headers, version)
