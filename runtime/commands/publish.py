"""How a checked command gets into the tables: the one way that every publish goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime import metrics
from runtime.clients.notifications import waited_for
from runtime.commands.base import read_base
from runtime.commands.command_row import Draft
from runtime.commands.plan import Planner
from runtime.commands.publish_record import LABEL, publish_once, recorded, unchanged_outcome
from runtime.errors import CqrsError, VersionConflictError
from runtime.log import error_fields, logger
from runtime.model.keys import VERSION_FIRST, check_new_key
from runtime.model.rows import PUBLISH_ID, key_of, life_of, was_applied
from runtime.model.status import HANDLERS_STARTED, is_final
from runtime.pipeline.finish import finish, finish_all, hand_over, run_handlers
from runtime.pipeline.transactions import COMMAND
from runtime.store.port import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.commands.base import Base
    from runtime.commands.plan import Plan, Request
    from runtime.model.keys import DetailKey
    from runtime.module_context import ModuleContext
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = ["Publisher", "Repeated"]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What an earlier publish with the same id has come to.

    Attributes:
        draft: The command that it made; None where it changed nothing.
    """

    draft: Draft | None


class Publisher:
    """Writes the commands of one module.

    Attributes:
        planner: Decides what they are.
    """

    def __init__(self, context: ModuleContext) -> None:
        self._context = context
        self.planner = Planner(context)

    def publish(
        self, request: Request, draft: Callable[[Base], Draft | None], *, even_unchanged: bool = False
    ) -> Draft | None:
        """Write the next version of an aggregate.

        Args:
            request: Which aggregate, on what, for whom.
            draft: Makes the caller's part of the row, given the version it builds on; None for none.
            even_unchanged: Write a version that says the same as the one before.

        Returns:
            The command row, with its attributes where they are known; or None when it would
            change nothing.
        """
        with waited_for():
            return self._publish(request, draft, even_unchanged=even_unchanged)

    def repeated(self, request: Request) -> Repeated | None:
        """What an earlier call with the same publish id has come to, or None. One read."""
        once = publish_once(self._context, request.key, request.publish_id)
        if once is None:
            return None
        with waited_for():
            return self.repeated_by(request, self._context.store.get(once.place))

    def repeated_by(self, request: Request, row: Row | None) -> Repeated | None:
        """What an earlier publish with the same id has come to, with its handlers run.

        Args:
            request: The publish.
            row: The record of its id, as it was read; None where there is none.
        """
        context = self._context
        earlier = recorded(publish_once(context, request.key, request.publish_id), row)
        if earlier is None:
            return None
        command = context.store.get(context.command_place(request.key, earlier.version))
        if command is None or not earlier.is_about(command):
            return None  # erased since, or of an earlier life
        earlier.done.check_same_call(request.fingerprint)
        if earlier.is_unchanged:
            return Repeated(None)
        self.finish_repeated(command, sync=request.sync)
        return Repeated(Draft(command))

    def left(self, request: Request, base: Base, stale: Row | None = None) -> Draft | None:
        """Record that a publish has changed nothing, so that its repeat does not later on.

        One write, of a publish with an id.

        Args:
            request: The publish.
            base: What it has left as it was.
            stale: The record that stands there, and says nothing any more.

        Returns:
            What the very same call, made at the same time, has published meanwhile; or None.
        """
        context, row = self._context, base.row
        once = publish_once(context, request.key, request.publish_id)
        if once is None or row is None:
            return None
        try:
            with waited_for():
                context.store.write(once.write(request.fingerprint, unchanged_outcome(row), stale))
        except ConditionFailedError as failure:
            first = self.repeated_by(request, failure.rows.get(LABEL))
            return None if first is None else first.draft
        return None

    def check(self, request: Request) -> None:
        """Refuse what is refused whatever is stored.

        Raises:
            CqrsError: It is.
        """
        context = self._context
        # A function of one's own finishes nothing that it publishes asynchronously, and needs no handlers.
        if request.sync or context.settings.function is not None:
            context.check_handlers()
        if request.version == VERSION_FIRST:
            check_new_key(*request.key)

    def write(self, plan: Plan, also: Sequence[Write] = ()) -> Draft | None:
        """Write what was decided, and let the handlers of a synchronous publish see it.

        Args:
            plan: What was decided.
            also: What is written in the same transaction, each with a label of its own.

        Returns:
            The command; or what the same call, made at the same time, has come to.

        Raises:
            ConditionFailedError: A condition of ``also`` does not hold; or the plan was made without
                looking, and there is something with its key. Nothing was written.
            VersionConflictError: The version is taken.
        """
        first = self._insert(plan, also)
        if first is not None:
            return first.draft
        self.written(plan)
        return plan.draft

    def written(self, plan: Plan) -> None:
        """Do what comes after the transaction of a plan."""
        metrics.count(metrics.COMMANDS_PUBLISHED, self._context.name)
        if plan.request.sync:
            self.handle(plan.request.key, plan.row, notify=plan.request.notify)

    def handle(self, key: DetailKey, row: Row, *, notify: bool = True) -> None:
        """Run the data sync handlers, or leave them to an execution, and finish."""
        context = self._context
        if not context.handlers:
            if notify:
                context.notifier.command_status(context.tables.command, row, row["status"])
            return
        handled = run_handlers(context, key, row["version"], row, owner=row[PUBLISH_ID])
        try:
            finish_all(context, [command for command in handled.shown if command["sk"] != row["sk"]])
            if not handled.pending:
                finish(context, row, notify=notify)
        except CqrsError:
            hand_over(context, key, row, context.handler_names)
        if handled.pending:
            hand_over(context, key, row, handled.pending)

    def finish_repeated(self, command: Row, *, sync: bool) -> None:
        """Go on where an earlier call with the same id may have died: between its commit and its handlers."""
        if sync and not is_final(command.get("status")):
            self.handle(key_of(command), command)

    def _publish(
        self, request: Request, draft: Callable[[Base], Draft | None], *, even_unchanged: bool
    ) -> Draft | None:
        context = self._context
        self.check(request)
        once = publish_once(context, request.key, request.publish_id)
        found = read_base(context, request.key, request.version, once.place if once else None)
        first = self.repeated_by(request, found.also)
        if first is not None:
            return first.draft
        plan = self.planner.plan(request, found, draft, once=once, even_unchanged=even_unchanged)
        if plan is None:
            return self.left(request, found.base(), found.also)
        return self.write(plan)

    def _insert(self, plan: Plan, also: Sequence[Write], in_place_of: Row | None = None) -> Repeated | None:
        """Write a plan, unless its version is taken; or give what the same call has come to."""
        context, request, row = self._context, plan.request, plan.row
        try:
            context.store.write(*plan.writes(context, in_place_of), *also)
        except ConditionFailedError as failure:
            first = self.repeated_by(request, failure.rows.get(LABEL))
            if first is not None:
                return first
            taken = failure.rows.get(COMMAND)
            # An attempt that succeeded while its answer got lost finds its own row: that is success.
            if taken is None or taken.get(PUBLISH_ID) != row[PUBLISH_ID]:
                if plan.is_assumed or any(write.label in failure.rows for write in also):
                    raise
                if in_place_of is not None or not self._may_replace(taken, row):
                    raise VersionConflictError(*request.key, row["version"] - 1) from None
                return self._insert(plan, also, taken)
        if in_place_of is not None and not request.sync:
            self._ring(request.key, row)
        return None

    def _may_replace(self, taken: Row | None, row: Row) -> bool:
        """Whether the command that has a version is one of another life that nobody is at work on.

        A life ends with its data row, by its time to live; its commands may have longer to go. A
        module without data rows keeps the last command for ever: there no life ends but by erasure.
        """
        if taken is None or not self._context.keeps_data:
            return False
        own, its = life_of(row), life_of(taken)
        if own is None or own == its:
            return False
        status = taken.get("status")
        # One with a status of its user's own gets no final one any more.
        if was_applied(taken):
            return status != HANDLERS_STARTED
        return its is not None and is_final(status)

    def _ring(self, key: DetailKey, row: Row) -> None:
        """Start the execution of a command that took another one's place: streams tell of new rows."""
        context = self._context
        try:
            context.workflow.start(context.name, context.tables.command, key, row)
        except CqrsError as error:
            # It is in the index of what is under way, and finished from there.
            logger.warning("workflow not started", **error_fields(error))
