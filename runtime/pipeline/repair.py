"""Operators' repair of a parked handler: run it again, or pass a version over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.pipeline.catch_up import CatchUp, Repaired
from runtime.queries.paging import checked_key

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.module import CommandModule

__all__ = ["Repaired", "redrive", "skip"]


def redrive(
    module: CommandModule[Any],
    key: tuple[str, str],
    handler: str,
    *,
    dry_run: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Repaired:
    """Run a parked handler from its parked version on, in order, as far as versions are applied.

    It is unparked when it has caught up, and parked again at the version that fails. A
    command that no handler of the module is behind any more is finished, and its clients
    are notified. Safe while the pipeline works on the aggregate, and to be repeated.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        handler: Name of the handler's class.
        dry_run: Write nothing and call no handler: only tell what would be done.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Returns:
        What was done; look at ``parked_version``.

    Raises:
        ItemNotFoundError: The handler has seen nothing of this aggregate, and is not parked.
        BadRequestError: The handler is not parked.
        InvalidInputError: The module has no such handler, or the key cannot be one.
        ForbiddenError: The key belongs to another tenant.
    """
    settings = module.resources.settings
    repair = CatchUp(module, checked_key(key, invoke_context, settings, write=True), handler)
    return repair.plan() if dry_run else repair.run()


def skip(
    module: CommandModule[Any],
    key: tuple[str, str],
    handler: str,
    *,
    dry_run: bool = False,
    invoke_context: InvokeContext | None = None,
) -> Repaired:
    """Pass over the version that a handler is parked at, and go on like `redrive`.

    The handler's store never gets that version; the cursor row keeps it in ``skipped``,
    with the time and the error. Versions before it that the handler has not seen are run
    first: where one fails, it is parked there, and nothing is passed over.

    Args:
        module: Module of the aggregate.
        key: ``(pk, sk)``; the sort key without a version.
        handler: Name of the handler's class.
        dry_run: Write nothing and call no handler: only tell what would be done.
        invoke_context: Who asks. Default: the HTTP request that is being handled.

    Returns:
        What was done; look at ``skipped`` and ``parked_version``.

    Raises:
        ItemNotFoundError: The handler has seen nothing of this aggregate, and is not parked.
        BadRequestError: The handler is not parked.
        InvalidInputError: The module has no such handler, or the key cannot be one.
        ForbiddenError: The key belongs to another tenant.
    """
    settings = module.resources.settings
    repair = CatchUp(module, checked_key(key, invoke_context, settings, write=True), handler)
    return repair.plan(skipping=True) if dry_run else repair.run(skipping=True)
