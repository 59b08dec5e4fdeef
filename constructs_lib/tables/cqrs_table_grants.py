"""Permissions on the tables of a `CqrsTable`, by intent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs_lib.tables.table_rights import Place, Right, allow_rights
from runtime import contract

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_iam as iam

__all__ = ["CqrsTableGrants"]

_LOOK_UP = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
_READ = (*_LOOK_UP, "dynamodb:Query")
_CHECK = "dynamodb:ConditionCheckItem"


class CqrsTableGrants:
    """Least-privilege permissions on the tables of a module, by intent.

    Each permission includes the use of a table's customer managed key, where it has one.
    Only `browse` and those for operators allow a scan: `replay`, `inspect` and `reconcile`. A transaction
    needs no permission of its own: DynamoDB checks each item in it as a single read or write.

    Args:
        command_table: Where commands are appended.
        data_table: The latest states.
        history_table: Former states.
        sync_table: How far each data sync handler is. None where the module has no handlers.
        has_open_index: Whether the command table has the index over what is under way.

    """

    def __init__(
        self,
        *,
        command_table: dynamodb.ITableV2,
        data_table: dynamodb.ITableV2,
        history_table: dynamodb.ITableV2,
        sync_table: dynamodb.ITableV2 | None = None,
        has_open_index: bool = False,
    ) -> None:
        self._commands = Place(command_table)
        self._open = Place(command_table, index=contract.OPEN_INDEX) if has_open_index else None
        # The only one that others index for reads of their own.
        self._data = Place(data_table, every_index=True)
        self._history = Place(history_table)
        self._cursors = Place(sync_table) if sync_table else None

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` append commands and look up the state that they build on.

        This is enough for asynchronous publishing. A synchronous publish also processes
        the command: give `apply` as well.
        """
        return allow_rights(grantee, self._publish())

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` read commands, the latest state and former versions by key."""
        return allow_rights(grantee, self._read())

    def apply(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` process commands: write data and history, keep status and cursors."""
        return allow_rights(grantee, self._apply())

    def browse(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` list the latest states of all tenants, page by page: it is a scan.

        The functions of a service have this for modules that are about tenants themselves, no others.
        """
        return allow_rights(grantee, [Right(self._data, ("dynamodb:Scan",))])

    def take_over(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` give rows their first version that were put without a command.

        The functions of a service have this for masters: before there were any, how long rows are kept was
        put so.
        """
        return allow_rights(grantee, [Right(self._data, ("dynamodb:UpdateItem",), writes=True)])

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` feed every row to the data sync handlers again: scan data, keep cursors.

        The commands that no handler is behind any more get their final status.
        """
        return allow_rights(grantee, self._replay())

    def inspect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look, as operators do: versions, state and cursors of any aggregate."""
        return allow_rights(grantee, self._inspect())

    def repair(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run a parked handler again, pass a version over, or drop one that is gone."""
        return allow_rights(grantee, self._repair())

    def reconcile(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` find commands that nobody has finished, and finish them."""
        return allow_rights(grantee, self._reconcile())

    def serve(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` do what the api function does: `publish`, `read` and `apply`.

        Together they take a third of the room in a role that they take one by one.
        """
        return allow_rights(grantee, [*self._publish(), *self._read(), *self._apply()])

    def operate(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` do what the operator function does: `inspect`, `reconcile`, `repair`, `replay`.

        The last two are for handlers: without them there is nothing to repair or to feed again.
        """
        of_handlers = [*self._repair(), *self._replay()] if self._cursors else []
        return allow_rights(grantee, [*self._inspect(), *self._reconcile(), *of_handlers])

    def erase(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` delete aggregates for good. No function of the service has this.

        Large attributes take `AttributesBucket.grants.collect` as well, and read-your-writes takes
        `SessionTable.grants.erase`.
        """
        mark, delete = "dynamodb:UpdateItem", "dynamodb:DeleteItem"
        return allow_rights(
            grantee,
            [
                Right(self._commands, ("dynamodb:Query", "dynamodb:GetItem", mark, delete), writes=True),
                Right(self._data, ("dynamodb:GetItem", mark, delete), writes=True),
                Right(self._history, ("dynamodb:Query", delete), writes=True),
                *self._on_cursors("dynamodb:Query", delete, writes=True),
            ],
        )

    def _publish(self) -> list[Right]:
        return [
            # Without a data row, the commands that are kept tell where to go on.
            Right(self._commands, (*_LOOK_UP, "dynamodb:Query", "dynamodb:PutItem"), writes=True),
            # A command of a life that has ended makes way: that there is no data row of it is checked.
            Right(self._data, (*_LOOK_UP, _CHECK)),
            *self._read_cursors(),
        ]

    def _read(self) -> list[Right]:
        return [
            Right(self._commands, _READ),
            Right(self._data, _READ),
            Right(self._history, _READ),
            *self._read_cursors(),
        ]

    def _apply(self) -> list[Right]:
        return [
            Right(self._commands, (*_LOOK_UP, "dynamodb:UpdateItem", _CHECK), writes=True),
            Right(self._data, (*_LOOK_UP, "dynamodb:PutItem"), writes=True),
            Right(self._history, ("dynamodb:PutItem",), writes=True),
            *self._move_cursors(),
        ]

    def _replay(self) -> list[Right]:
        return [
            Right(self._data, ("dynamodb:Scan", "dynamodb:BatchGetItem", _CHECK)),
            Right(self._commands, ("dynamodb:BatchGetItem", "dynamodb:UpdateItem"), writes=True),
            *self._move_cursors(),
        ]

    def _inspect(self) -> list[Right]:
        return [
            Right(self._commands, ("dynamodb:Query", "dynamodb:DescribeTable")),
            Right(self._data, _LOOK_UP),
            Right(self._history, ("dynamodb:Query",)),
            *self._on_cursors("dynamodb:BatchGetItem", "dynamodb:Scan"),
        ]

    def _repair(self) -> list[Right]:
        look = ("dynamodb:BatchGetItem", "dynamodb:Query")
        return [
            Right(self._commands, (*look, "dynamodb:UpdateItem", _CHECK), writes=True),
            Right(self._data, (*_LOOK_UP, _CHECK)),
            *self._move_cursors(),
            *self._on_cursors("dynamodb:DeleteItem", writes=True),
        ]

    def _reconcile(self) -> list[Right]:
        find = ("dynamodb:Scan", *_LOOK_UP, "dynamodb:Query")
        return [
            Right(self._commands, (*find, "dynamodb:UpdateItem", _CHECK), writes=True),
            Right(self._data, (*_LOOK_UP, "dynamodb:PutItem"), writes=True),
            Right(self._history, ("dynamodb:PutItem",), writes=True),
            # What is under way is looked up where there is an index of it.
            *([Right(self._open, ("dynamodb:Query",))] if self._open else []),
            *self._move_cursors(),
        ]

    def _read_cursors(self) -> list[Right]:
        """See how far a module is that keeps no data rows, where only cursors say so."""
        return self._on_cursors("dynamodb:BatchGetItem")

    def _move_cursors(self) -> list[Right]:
        return self._on_cursors(
            "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", writes=True
        )

    def _on_cursors(self, *actions: str, writes: bool = False) -> list[Right]:
        return [Right(self._cursors, actions, writes=writes)] if self._cursors else []
