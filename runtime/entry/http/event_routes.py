"""HTTP for the commands and the events of an aggregate, in one line."""

from __future__ import annotations

from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from runtime.entry.http.event_commands import command_problems, command_routes, path_name
from runtime.entry.http.event_endpoint import EventEndpoint
from runtime.entry.http.event_reads import events_route, state_route
from runtime.entry.http.route_table import MadeRouter, add_route, prefix_problems
from runtime.errors import ConfigurationError
from runtime.identity.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.entry.http.module_endpoint import ModuleRoute
    from runtime.event_store.commands.commands import Commands

__all__ = ["event_routes"]


def event_routes(
    commands: Commands[Any, Any],
    *,
    prefix: str,
    events: bool = False,
    names: Mapping[type[Any], str] = MappingProxyType({}),
    without: Collection[type[Any]] = (),
    read_roles: Collection[str] = (),
    write_roles: Collection[str] = (),
    command_roles: Mapping[type[Any], Collection[str]] = MappingProxyType({}),
) -> Router:
    """Routes to execute the commands of an aggregate, and to read it.

    ===========  =================================  =====================================================
    *a command*  POST ``{prefix}/{id}/{command}``   the body is the command; answers with the new version
    get          GET ``{prefix}/{id}``              the state, with the version as its ETag
    events       GET ``{prefix}/{id}/events``       a page of events, where ``events`` asks for it
    ===========  =================================  =====================================================

    A command is called by the name of its class: ``CreateUser`` is ``create-user``. The aggregate is the one
    of the caller's own tenant; a caller whose role crosses tenants may name another one in the header
    ``x-tenant-code``. ``If-Match`` says which version the caller has decided on, ``If-None-Match: *`` that
    there must be none; an ``Idempotency-Key`` makes a repeated command one for a day. What a command handler
    refuses (`CommandError`) is 422, with its code as the type of the problem. Making the routes touches
    neither the network nor the environment.

    Example:
        >>> app = CqrsApp(modules=[blog], routes=[event_routes(user_commands, prefix="/users")])

    Args:
        commands: The commands, all of them registered.
        prefix: First part of the paths, such as ``/users``.
        events: Whether there is a route for the events. They tell more than the state does: also what it has
            been, and who changed it. Default: there is none.
        names: What commands are called in paths: ``{CreateUser: "create"}``. Default: by their classes.
        without: Commands that are not for clients, such as those of reactions. Default: none.
        read_roles: Roles of which a caller needs one to read. Default: everybody in the tenant.
        write_roles: Roles of which a caller needs one to execute commands. Default: everybody in the tenant.
        command_roles: The same for single commands, in place of ``write_roles``:
            ``{DisableUser: ["admin"]}``.

    Raises:
        ConfigurationError: No command is registered yet, two have one name, one cannot be a body, or an
            argument cannot work.
    """
    endpoint = EventEndpoint(commands=commands, prefix=prefix)
    offered = {
        command: names.get(command, path_name(command))
        for command in commands.handlers
        if command not in without
    }
    _check(endpoint, offered, {"names": names, "without": without, "command_roles": command_roles})
    read, write = _roles(read_roles, "read_roles"), _roles(write_roles, "write_roles")
    of_commands = {
        command: _roles(found, f"command_roles of {command.__name__}")
        for command, found in command_roles.items()
    }
    routes = [*command_routes(endpoint, offered, of_commands, write), state_route(endpoint, read)]
    if events:
        routes.append(events_route(endpoint, read))
    router = MadeRouter(f"event_routes of {endpoint.repository.aggregate.stream!r} at {prefix}", prefix)
    for route in routes:
        add_route(router, route, _guarded(endpoint, route), owner=endpoint.owner, summary=route.summary)
    return router


def _guarded(endpoint: EventEndpoint, route: ModuleRoute) -> Callable[..., Any]:
    """The route's function, after the check of the roles."""

    @contextmanager
    def guard() -> Iterator[None]:
        endpoint.check_roles(route.roles)
        yield

    return guarded(route.function, guard)


def _check(
    endpoint: EventEndpoint,
    offered: Mapping[type[Any], str],
    arguments: Mapping[str, Collection[type[Any]]],
) -> None:
    problems = prefix_problems(endpoint.prefix, "/users")
    known = endpoint.commands.handlers
    if not known:
        problems.append(
            f"no command is registered for {endpoint.repository.aggregate.stream!r} yet; import the file "
            "with its @commands.on(...) before the routes are made"
        )
    for argument, classes in arguments.items():
        problems += [
            f"{argument}: {command!r} is none of the commands {', '.join(one.__name__ for one in known)}"
            for command in classes
            if command not in known
        ]
    problems += command_problems(offered)
    if problems:
        raise ConfigurationError("; ".join(problems))


def _roles(roles: Collection[str], argument: str) -> tuple[str, ...]:
    if isinstance(roles, str):
        msg = f"{argument} must be a list of names, got {roles!r}"
        raise ConfigurationError(msg)
    return tuple(roles)
