"""HTTP for masters, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.entry.http.features.guarded_route import guarded_route
from runtime.entry.http.features.master_data_routes import bulk_route, data_routes
from runtime.entry.http.features.master_setting_routes import setting_routes
from runtime.entry.http.route_table import MadeRouter, add_route, prefix_problems
from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler.api_gateway import Router

    from runtime.features.masters.master_module import MasterModule

__all__ = ["master_routes"]


def master_routes(master: MasterModule, *, prefix: str = "/api") -> Router:
    """Routes of settings and of rows of code tables, with the paths of the reference system.

    =========================  ==================================================================
    ``/master-setting``        GET ``/list``, ``/{code}``, ``/detail/{id}``; POST, ``/common``, ``/tenant``,
                               ``/group``, ``/user``, ``/bulk``, ``/check-exist/{code}``; PATCH and DELETE
                               ``/{pk}/{sk}``; PUT and DELETE ``/{id}``
    ``/master-data``           GET, ``/list``, ``/detail/{id}``, ``/{pk}/{sk}``; POST, ``/create``, ``/bulk``,
                               ``/check-exist/{settingCode}/{code}``; PUT and DELETE ``/{pk}/{sk}``, ``/{id}``
    ``/master-bulk``           POST: settings and rows in one list
    =========================  ==================================================================

    Members of a tenant read; who may write see `MasterModule`. An id is ``pk#sk``, with ``#`` escaped in a
    path. Making the routes touches neither the network nor the environment.

    Example:
        >>> app = CqrsApp(modules=[], features=[master], routes=[master_routes(master)])

    Args:
        master: The feature.
        prefix: First part of the paths.

    Raises:
        ConfigurationError: The prefix cannot be one.
    """
    if problems := prefix_problems(prefix, "/api"):
        raise ConfigurationError("; ".join(problems))
    router = MadeRouter(f"master_routes at {prefix}", prefix)
    for route in [*setting_routes(master), *data_routes(master), bulk_route(master)]:
        add_route(router, route, guarded_route(route, master.name), owner=master.name, summary=route.summary)
    return router
