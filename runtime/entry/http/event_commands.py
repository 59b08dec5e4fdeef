"""The commands of an aggregate as routes: ``POST /users/{id}/create-user``."""

from __future__ import annotations

import dataclasses
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from pydantic import BaseModel, TypeAdapter, ValidationError

from runtime.entry.http.conditions import Expected, PreconditionFailedError, entity_tag
from runtime.entry.http.event_bodies import AggregateReceipt
from runtime.entry.http.event_endpoint import EventEndpoint, named_as_sent, tenant_of_request
from runtime.entry.http.module_endpoint import OF_STATE, ModuleRoute
from runtime.errors import ItemNotFoundError
from runtime.model.keys import VERSION_LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["command_problems", "command_routes", "path_name"]

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")
_PROBLEMS: Final = {
    403: "Not allowed",
    409: "Somebody else was faster: read the aggregate and decide again",
    410: "The aggregate was erased",
    412: "The aggregate is not at the version of If-Match, or, with If-None-Match, it is there already",
    422: "Refused: the type of the problem says why. Or the Idempotency-Key was used for another command",
}


def path_name(command: type[Any]) -> str:
    """What a command is called in paths.

    >>> class CreateUser: ...
    >>> path_name(CreateUser)
    'create-user'
    """
    return "-".join(part for part in _WORDS.split(command.__name__) if part).lower()


def command_problems(names: Mapping[type[Any], str]) -> list[str]:
    """What is wrong with commands, and with their names."""
    problems = []
    taken: dict[str, type[Any]] = {}
    for command, name in names.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(
                f"{command.__name__}: in paths a command must have a name of lower-case letters, digits and "
                f"-, such as 'create-user', got {name!r}; choose one with names={{{command.__name__}: ...}}"
            )
        elif (other := taken.setdefault(name, command)) is not command:
            problems.append(
                f"{other.__qualname__} and {command.__qualname__} are both {name!r} in paths; choose another "
                "name for one of them with names={...}"
            )
        if not _is_body(command):
            problems.append(
                f"{command.__name__}: a command that comes over HTTP must be a pydantic model or a "
                "dataclass; make it one, or leave it out with without=[...]"
            )
    return problems


def _is_body(command: type[Any]) -> bool:
    return issubclass(command, BaseModel) or dataclasses.is_dataclass(command)


def command_routes(
    endpoint: EventEndpoint,
    names: Mapping[type[Any], str],
    roles: Mapping[type[Any], Collection[str]],
    others: tuple[str, ...],
) -> list[ModuleRoute]:
    """A route for each command.

    Args:
        endpoint: The aggregate.
        names: The commands, and what they are called in paths.
        roles: Who may execute them, where that is said of one of them.
        others: Who may execute all others.
    """
    return [
        ModuleRoute(
            name,
            "POST",
            f"/<id>/{name}",
            _function(endpoint, command),
            {200: ("Done, or nothing had to happen", AggregateReceipt)},
            tuple(roles[command]) if command in roles else others,
            summary=_summary(endpoint, command, name),
            problems=_PROBLEMS,
            headers=OF_STATE,
        )
        for command, name in names.items()
    ]


def _summary(endpoint: EventEndpoint, command: type[Any], name: str) -> str:
    """The first line of what the handler, or else the command, says of itself; or the command's name."""
    handler = endpoint.commands.handlers[command]
    own = "" if _has_made_up_text(command) else command.__doc__
    for text in (handler.__doc__, own):
        if first := (text or "").strip().partition("\n")[0].removesuffix("."):
            return first
    return name.replace("-", " ").capitalize()


def _has_made_up_text(command: type[Any]) -> bool:
    """Whether the text of a class is the signature that a dataclass gives it, or inherited."""
    text = command.__dict__.get("__doc__")
    return text is None or (dataclasses.is_dataclass(command) and text.startswith(f"{command.__name__}("))


def _function(endpoint: EventEndpoint, command: type[Any]) -> Callable[..., Any]:
    def with_body(id: str, body: object) -> Response[AggregateReceipt]:  # noqa: A002 - as in the path
        return _done(endpoint, id, body)

    def with_any_body(id: str, body: object = None) -> Response[AggregateReceipt]:  # noqa: A002
        # Made for this request: a default may be an id, or the time.
        return _done(endpoint, id, adapter.validate_python({}) if body is None else body)

    adapter = TypeAdapter(command)
    function: Callable[..., Any] = with_any_body if _takes_nothing(adapter) else with_body
    function.__annotations__["body"] = Annotated[command, Body()]  # known only now
    return function


def _takes_nothing(adapter: TypeAdapter[Any]) -> bool:
    """Whether an empty object is a command; not where something has to be said."""
    try:
        adapter.validate_python({})
    except ValidationError:
        return False
    except Exception:  # noqa: BLE001 - whatever a default raises that asks for the request: there is none yet
        return True
    return True


def _done(endpoint: EventEndpoint, aggregate_id: str, command: object) -> Response[AggregateReceipt]:
    caller = endpoint.caller()
    tenant, command_id = tenant_of_request(write=True), caller.publish_id
    with named_as_sent():
        key = endpoint.repository.key_of(aggregate_id, tenant, write=True)
    expected = _expected(caller.headers, key.pk)
    # From here on an id that is wrong is one that the command's handler has asked for.
    with expected:
        endpoint.check_reachable(aggregate_id)
        is_latest = expected.version == VERSION_LATEST
        if expected.conditional and is_latest:  # If-Match: *
            _check_there(endpoint, aggregate_id)
        loaded = endpoint.commands.execute(
            aggregate_id,
            command,
            tenant=tenant,
            expected_version=None if is_latest else expected.version,
            command_id=command_id,
            # What was sent, not what was made of it: what a default makes is another at each call.
            content=None if caller.sent is None else (caller.sent.content,),
        )
    headers = {
        "ETag": entity_tag(loaded.version),
        "Location": f"{endpoint.prefix}/{quote(loaded.aggregate_id, safe='')}",
    }
    receipt = AggregateReceipt(id=loaded.aggregate_id, version=loaded.version)
    return Response(HTTPStatus.OK, content_type="application/json", body=receipt, headers=headers)


def _expected(headers: Mapping[str, str], pk: str) -> Expected:
    """The version of the aggregate that the caller decides on, where they say one."""
    if "if-match" not in headers and "if-none-match" not in headers:
        return Expected(VERSION_LATEST, conditional=False)
    return dataclasses.replace(Expected.of(headers, None), pk=pk)


def _check_there(endpoint: EventEndpoint, aggregate_id: str) -> None:
    try:
        endpoint.load(aggregate_id, write=True)
    except ItemNotFoundError as error:
        msg = "there is no such aggregate yet; leave If-Match out to begin it"
        raise PreconditionFailedError(msg) from error
