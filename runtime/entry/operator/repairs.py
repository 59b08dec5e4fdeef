"""Repairs that operators ask for: of one parked handler, or of everything."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.contract import NO_MODULE
from runtime.errors import CqrsError
from runtime.log import error_fields, log_context, logger
from runtime.pipeline import reconcile as reconciling
from runtime.pipeline import repair
from runtime.pipeline.resync import feed_page, handlers_named

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.entry.operator.arguments import Arguments
    from runtime.entry.operator.scope import Scope
    from runtime.module import CommandModule
    from runtime.pipeline.repair import Repaired

__all__ = ["drop", "heal", "reconcile", "redrive", "resync", "skip"]

_QUARTER_OF_AN_HOUR: Final = 900  # seconds
_TEN_MINUTES: Final = 600


def redrive(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Run a parked handler from its parked version on; see `runtime.redrive`."""
    return _repair(repair.redrive, scope, arguments)


def skip(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Pass over the version that a handler is parked at; see `runtime.skip`."""
    return _repair(repair.skip, scope, arguments)


def drop(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Delete the cursor of a handler that the module does not have any more; see `runtime.drop`."""
    return _repair(repair.drop, scope, arguments)


def heal(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Finish what is under way for too long, in every module; see `runtime.heal`.

    What the schedule asks for. A module that cannot be looked at is reported, and does not stop
    the others. The metric ``Heals`` counts the looks after which nothing was left to repair; one after
    which something was, or that broke off, writes a 0.
    """
    older_than = timedelta(seconds=arguments.seconds("olderThan", _TEN_MINUTES))
    is_whole = False
    try:
        modules = [_healed(name, module, older_than) for name, module in scope.modules.items()]
        is_whole = not any(module.get("error") or module.get("failed") for module in modules)
    finally:
        metrics.count(metrics.HEALS, NO_MODULE, int(is_whole), is_heartbeat=True)
    return {"modules": modules}


def _healed(name: str, module: CommandModule[Any], older_than: timedelta) -> dict[str, Any]:
    try:
        done = reconciling.heal(module, older_than=older_than)
    except CqrsError as error:
        with log_context(module=name):
            logger.error("module not healed", **error_fields(error))
        return {"name": name, "error": type(error).__name__}
    failed = [{**one.key._asdict(), "version": one.version, "error": one.error} for one in done.failed]
    return {"name": name, "lookedAt": done.looked_at, "healed": done.healed, "failed": failed}


def _repair(do: Callable[..., Repaired], scope: Scope, arguments: Arguments) -> dict[str, Any]:
    dry_run = arguments.flag("dryRun")
    done = do(arguments.module(scope.modules), arguments.key(), arguments.text("handler"), dry_run=dry_run)
    return {
        "handler": done.handler,
        "done": list(done.done),
        "skipped": done.skipped,
        "parkedVersion": done.parked_version,
        "error": done.error,
        "dryRun": dry_run,
    }


def reconcile(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Finish what nobody has finished, on one page of a module's commands; see `runtime.reconcile`."""
    scan = arguments.scan()
    page = reconciling.reconcile(
        arguments.module(scope.modules),
        older_than=timedelta(seconds=arguments.seconds("olderThan", _QUARTER_OF_AN_HOUR)),
        dry_run=arguments.flag("dryRun"),
        segment=scan.segment,
        total_segments=scan.total_segments,
        resume_from=arguments.optional_text("resumeToken"),
        limit=scan.limit,
        trust_finished=arguments.flag("trustFinished"),
    )
    return {
        "found": [
            {
                **command.key._asdict(),
                "version": command.version,
                "problem": command.problem,
                "status": command.status,
                "createdAt": command.created_at,
            }
            for command in page.found
        ],
        "applied": page.applied,
        "handled": page.handled,
        "finished": page.finished,
        "handedOver": page.handed_over,
        "failed": [{**one.key._asdict(), "version": one.version, "error": one.error} for one in page.failed],
        "scanned": page.scanned,
        "resumeToken": page.resume_token,
    }


def resync(scope: Scope, arguments: Arguments) -> dict[str, Any]:
    """Feed one page of a module's data rows to its handlers; see `CommandService.re_sync_data`."""
    context = arguments.module(scope.modules).context
    handlers = handlers_named(context, arguments.names("handlers"))
    scan, dry_run = arguments.scan(), arguments.flag("dryRun")
    if not handlers:
        return {"rows": 0, "scanned": 0, "resumeToken": None}
    unseen_only = arguments.flag("unseenOnly")
    page = feed_page(context, handlers, scan, dry_run=dry_run, unseen_only=unseen_only)
    failed = [{**one.key._asdict(), "handler": one.handler, "error": one.error} for one in page.failed]
    return {
        "rows": page.rows,
        "scanned": page.scanned,
        "resumeToken": page.resume_token,
        **({"failed": failed} if failed else {}),
    }
