"""Finding the routers that an app names."""

from __future__ import annotations

from importlib import import_module

from aws_lambda_powertools.event_handler.api_gateway import Router

from runtime.errors import ConfigurationError

__all__ = ["load_router"]


def load_router(source: Router | str) -> Router:
    """The router itself, or what ``"package.module:name"`` stands for.

    Raises:
        ConfigurationError: It is written otherwise, or is not a router.
    """
    found: object = source
    if isinstance(source, str):
        module, _, name = source.partition(":")
        if not module or not name.isidentifier():
            msg = f'routes are written "package.module:name", got {source!r}'
            raise ConfigurationError(msg)
        found = getattr(import_module(module), name, None)
    if not isinstance(found, Router):
        msg = f"routes must be a Powertools Router or its import path, got {source!r}, which is {found!r}"
        raise ConfigurationError(msg)
    return found
