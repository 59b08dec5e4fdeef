"""What may be done with the tables of a module of events, by intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.tables.table_rights import Place, Right, allow_rights
from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_iam as iam

__all__ = ["EventStoreTableGrants"]

_GET = "dynamodb:GetItem"
_QUERY = "dynamodb:Query"
_PUT = "dynamodb:PutItem"
_UPDATE = "dynamodb:UpdateItem"
_CHECK = "dynamodb:ConditionCheckItem"


class EventStoreTableGrants:
    """Least-privilege permissions on the tables of a module of events, by intent.

    Each permission includes the use of a table's customer managed key, where it has one. None of them
    allows to delete from the events table, and only `erase` to change a row of it: that a version is
    followed by the next one is proven by the fact that no commit ever goes.

    Args:
        events_table: Where events are appended.
        sync_table: How far each event handler is.
        has_pull_index: Whether the events table has the index by which processes outside of Lambda follow.
        has_aggregates_index: Whether it has the index of a tenant's aggregates.

    """

    def __init__(
        self,
        *,
        events_table: dynamodb.ITableV2,
        sync_table: dynamodb.ITableV2,
        has_pull_index: bool = False,
        has_aggregates_index: bool = False,
    ) -> None:
        self._events = Place(events_table)
        self._feed = Place(events_table, index=contract.FEED_INDEX) if has_pull_index else None
        self._aggregates = (
            Place(events_table, index=contract.AGGREGATES_INDEX) if has_aggregates_index else None
        )
        self._cursors = Place(sync_table)

    def append(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` load aggregates and append to them: everything that a command does.

        There is no permission to update or to delete what was appended. That nobody puts another row in its
        place is for the library to see to, whose every append is on the condition that the version is free:
        AWS has no permission for that.
        """
        return allow_rights(grantee, self._append())

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` read events by aggregate, and how far handlers have come with it."""
        return allow_rights(grantee, self._read())

    def handle(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run event handlers: read what is behind a cursor, and move the cursor.

        A handler that executes commands, a reaction, takes `append` as well.
        """
        return allow_rights(grantee, self._handle())

    def pull(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run event handlers outside of Lambda: `handle`, and ask what is new.

        That is what ``pull_index`` is for.

        Raises:
            InvalidPropsError: The tables have no such index.

        """
        if self._feed is None:
            msg = (
                f"pull needs the index {contract.FEED_INDEX}, got {self._events.table.node.path} without it; "
                "give that EventStoreTable pull_index=True"
            )
            raise InvalidPropsError(msg)
        return allow_rights(grantee, self._pull())

    def rebuild(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` show all events to a handler again: `handle`, and scan."""
        return allow_rights(grantee, self._rebuild())

    def inspect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look, as operators do: events of any aggregate, cursors, what is parked."""
        return allow_rights(grantee, self._inspect())

    def repair(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run a parked handler again, with or without the event that it is parked at.

        That takes what `handle` takes, and is another intent.
        """
        return allow_rights(grantee, self._repair())

    def erase(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` blank the events of an aggregate for good. No function of the service has this.

        Rows stay, without what they said, so that nobody appends to what was erased. Large events take
        `AttributesBucket.grants.collect` as well.
        """
        return allow_rights(grantee, self._erase())

    def serve(self, grantee: iam.IGrantable, *, handlers: bool = False) -> iam.Grant:
        """Let ``grantee`` do what the api function does: `append` and `read`.

        Args:
            grantee: Who.
            handlers: Whether the module has handlers: whoever waits for one may do its work itself, so
                `handle` is part of it then.

        """
        return allow_rights(grantee, [*self._append(), *self._read(), *(self._handle() if handlers else [])])

    def project(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` do what the projector function does: `handle`, and for reactions `append`.

        Where everything fails that a handler is shown, it looks for an aggregate that the handler has seen,
        to tell an outage of the read model from events that are at fault.
        """
        look = Right(self._cursors, ("dynamodb:Scan",))
        return allow_rights(grantee, [*self._handle(), look, *self._append()])

    def operate(self, grantee: iam.IGrantable, *, handlers: bool = True) -> iam.Grant:
        """Let ``grantee`` do what the operator function does: `inspect`, and for handlers the rest.

        Args:
            grantee: Who.
            handlers: Whether the module has handlers: `repair`, `rebuild`, and for reactions that run again
                `append`. Without, what handlers have left that are gone may still be dropped.

        """
        of_handlers = [*self._repair(), *self._rebuild(), *self._append()] if handlers else self._drop()
        return allow_rights(grantee, [*self._inspect(), *of_handlers])

    def _append(self) -> list[Right]:
        # The record of a command's id is read where a command comes again.
        return [Right(self._events, (_GET, _QUERY, _PUT, _CHECK), writes=True)]

    def _read(self) -> list[Right]:
        return [
            Right(self._events, (_QUERY,)),
            *([Right(self._aggregates, (_QUERY,))] if self._aggregates else []),
            Right(self._cursors, (_GET, "dynamodb:BatchGetItem")),
        ]

    def _handle(self) -> list[Right]:
        return [
            Right(self._events, (_QUERY,)),
            Right(self._cursors, (_GET, "dynamodb:BatchGetItem", _PUT, _UPDATE), writes=True),
        ]

    def _pull(self) -> list[Right]:
        return [*self._handle(), *([Right(self._feed, (_QUERY,))] if self._feed else [])]

    def _rebuild(self) -> list[Right]:
        return [*self._handle(), Right(self._events, ("dynamodb:Scan",))]

    def _inspect(self) -> list[Right]:
        return [
            Right(self._events, (_QUERY, "dynamodb:Scan", "dynamodb:DescribeTable")),
            Right(self._cursors, (_GET, "dynamodb:BatchGetItem", "dynamodb:Scan")),
        ]

    def _repair(self) -> list[Right]:
        # Whoever comes meanwhile leaves word on the cursor's row: nothing of the events is checked.
        return self._handle()

    def _drop(self) -> list[Right]:
        return [Right(self._cursors, ("dynamodb:BatchGetItem", _UPDATE), writes=True)]

    def _erase(self) -> list[Right]:
        # A handler's progress goes on: it is told of the erasure like of an event.
        return [Right(self._events, (_QUERY, _PUT, _UPDATE), writes=True)]
