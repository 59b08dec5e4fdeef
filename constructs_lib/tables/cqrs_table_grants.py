"""Permissions on the tables of a `CqrsTable`, by intent."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from constructs_lib.props.grants import (
    READ_WITH_KEY,
    WRITE_WITH_KEY,
    allow_key,
    allow_reads,
    allow_writes,
    combined,
)
from runtime import contract

__all__ = ["CqrsTableGrants"]

_LOOK_UP = ("dynamodb:GetItem", "dynamodb:BatchGetItem")
_READ = (*_LOOK_UP, "dynamodb:Query")
_CHECK = "dynamodb:ConditionCheckItem"


class CqrsTableGrants:
    """Least-privilege permissions on the tables of a module, by intent.

    Each permission includes the use of a table's customer managed key, where it has one.
    Only those for operators allow a scan: `replay`, `inspect` and `reconcile`. A transaction
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
        self._command = command_table
        self._data = data_table
        self._history = history_table
        self._cursors = sync_table
        self._has_open_index = has_open_index

    def publish(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` append commands and look up the state that they build on.

        This is enough for asynchronous publishing. A synchronous publish also processes
        the command: give `apply` as well.
        """
        return combined(
            # Without a data row, the commands that are kept tell where to go on.
            self._write_commands(grantee, *_LOOK_UP, "dynamodb:Query", "dynamodb:PutItem"),
            # A command of a life that has ended makes way: that there is no data row of it is checked.
            allow_reads(grantee, self._data, *_LOOK_UP, _CHECK),
            *self._read_cursors(grantee),
        )

    def read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` read commands, the latest state and former versions by key."""
        return combined(
            self._read_commands(grantee, *_READ),
            allow_reads(grantee, self._data, *_READ),
            allow_reads(grantee, self._history, *_READ),
            *self._read_cursors(grantee),
        )

    def apply(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` process commands: write data and history, keep status and cursors."""
        return combined(
            self._write_commands(grantee, *_LOOK_UP, "dynamodb:UpdateItem", _CHECK),
            allow_writes(grantee, self._data, *_LOOK_UP, "dynamodb:PutItem"),
            allow_writes(grantee, self._history, "dynamodb:PutItem"),
            *self._move_cursors(grantee),
        )

    def replay(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` feed every row to the data sync handlers again: scan data, keep cursors.

        The commands that no handler is behind any more get their final status.
        """
        return combined(
            allow_reads(grantee, self._data, "dynamodb:Scan", "dynamodb:BatchGetItem", _CHECK),
            self._write_commands(grantee, "dynamodb:BatchGetItem", "dynamodb:UpdateItem"),
            *self._move_cursors(grantee),
        )

    def inspect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` look, as operators do: versions, state and cursors of any aggregate."""
        cursors = self._cursors
        return combined(
            self._read_commands(grantee, "dynamodb:Query", "dynamodb:DescribeTable"),
            allow_reads(grantee, self._data, *_LOOK_UP),
            allow_reads(grantee, self._history, "dynamodb:Query"),
            *([allow_reads(grantee, cursors, "dynamodb:BatchGetItem", "dynamodb:Scan")] if cursors else []),
        )

    def repair(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` run a parked handler again, pass a version over, or drop one that is gone."""
        cursors = self._cursors
        return combined(
            self._write_commands(
                grantee, "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", _CHECK
            ),
            allow_reads(grantee, self._data, *_LOOK_UP, _CHECK),
            *self._move_cursors(grantee),
            *([allow_writes(grantee, cursors, "dynamodb:DeleteItem")] if cursors else []),
        )

    def reconcile(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` find commands that nobody has finished, and finish them."""
        return combined(
            self._write_commands(
                grantee,
                "dynamodb:Scan",
                *_LOOK_UP,
                "dynamodb:Query",
                "dynamodb:UpdateItem",
                _CHECK,
            ),
            allow_writes(grantee, self._data, *_LOOK_UP, "dynamodb:PutItem"),
            allow_writes(grantee, self._history, "dynamodb:PutItem"),
            *self._find_open(grantee),
            *self._move_cursors(grantee),
        )

    def erase(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let ``grantee`` delete aggregates for good. No function of the service has this.

        Large attributes take `AttributesBucket.grants.collect` as well, and read-your-writes takes
        `SessionTable.grants.erase`.
        """
        mark, delete = "dynamodb:UpdateItem", "dynamodb:DeleteItem"
        cursors = self._cursors
        return combined(
            self._write_commands(grantee, "dynamodb:Query", "dynamodb:GetItem", mark, delete),
            allow_writes(grantee, self._data, "dynamodb:GetItem", mark, delete),
            allow_writes(grantee, self._history, "dynamodb:Query", delete),
            *([allow_writes(grantee, cursors, "dynamodb:Query", delete)] if cursors else []),
        )

    def _read_commands(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        key = allow_key(grantee, self._command.encryption_key, *READ_WITH_KEY)
        return combined(self._on_commands(grantee, *actions), *key)

    def _write_commands(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        key = allow_key(grantee, self._command.encryption_key, *WRITE_WITH_KEY)
        return combined(self._on_commands(grantee, *actions), *key)

    def _on_commands(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Let ``grantee`` do ``actions`` on the table; its own method allows them on every index as well."""
        return iam.Grant.add_to_principal_or_resource(
            grantee=grantee,
            actions=list(actions),
            resource_arns=[self._command.table_arn],
            resource=self._command,  # type: ignore[arg-type] # tables have policies, ITableV2 hides it
            resource_self_arns=["*"],
        )

    def _find_open(self, grantee: iam.IGrantable) -> list[iam.Grant]:
        """Let ``grantee`` look up what is under way, where there is an index of it."""
        if not self._has_open_index:
            return []
        index = f"{self._command.table_arn}/index/{contract.OPEN_INDEX}"
        return [
            iam.Grant.add_to_principal(grantee=grantee, actions=["dynamodb:Query"], resource_arns=[index])
        ]

    def _read_cursors(self, grantee: iam.IGrantable) -> list[iam.Grant]:
        """Let ``grantee`` see how far a module is that keeps no data rows, where only cursors say so."""
        cursors = self._cursors
        return [allow_reads(grantee, cursors, "dynamodb:BatchGetItem")] if cursors else []

    def _move_cursors(self, grantee: iam.IGrantable) -> list[iam.Grant]:
        cursors = self._cursors
        actions = ("dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
        return [allow_writes(grantee, cursors, *actions)] if cursors else []
