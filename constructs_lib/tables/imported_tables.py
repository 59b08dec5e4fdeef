"""The tables of a module that exist elsewhere, by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.imported_names import check_stream_arn, check_table_name
from constructs_lib.props.lookups import is_known
from constructs_lib.tables import naming
from constructs_lib.tables.imported_table import imported_table

if TYPE_CHECKING:
    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["ImportedTables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTables:
    """Finds the tables of one module.

    Attributes:
        scope: Parent construct.
        construct_id: Id of the module's construct within it.
        prefix: Start of their names; None where each one has its own.
        encryption_key: Customer managed key of the tables.
    """

    scope: Construct
    construct_id: str
    prefix: str | None
    encryption_key: kms.IKey | None

    def table(self, suffix: str, given: str | None, *, stream_arn: str | None = None) -> dynamodb.ITableV2:
        """Give a table.

        Args:
            suffix: How its name ends by the convention.
            given: Its name. None: that by the prefix.
            stream_arn: ARN of its stream.

        Raises:
            InvalidPropsError: It has no name, a name or ARN cannot be one, or the stream is that of another
                table.

        """
        naming.check_table_name_prefix(self.prefix)
        name = given or (naming.table_name(self.prefix, suffix) if self.prefix else None)
        prop = f"{suffix}_table_name"
        if name is None:
            msg = f"{prop} must be given without table_name_prefix, got neither; give one of the two"
            raise InvalidPropsError(msg)
        check_table_name(prop, name)
        _check_stream_of(f"{suffix}_table_stream_arn", f"{suffix} table", name, stream_arn)
        return imported_table(
            self.scope,
            f"Imported{self.construct_id}{suffix.capitalize()}",
            name,
            encryption_key=self.encryption_key,
            stream_arn=stream_arn,
        )


def _check_stream_of(prop: str, what: str, table_name: str, stream_arn: str | None) -> None:
    """Refuse the stream of another table, whose rows would be lost in this module.

    Args:
        prop: Name of the property with the ARN.
        what: The table in words, such as "command table".
        table_name: Its name.
        stream_arn: What was given.

    Raises:
        InvalidPropsError: It is no ARN of a stream, or of that of another table.

    """
    check_stream_arn(prop, stream_arn)
    if stream_arn is None or not is_known(stream_arn) or not is_known(table_name):
        return
    if f":table/{table_name}/stream/" not in stream_arn:
        msg = (
            f"{prop} must be of the {what} {table_name!r}, got {stream_arn!r}; "
            "'aws dynamodb describe-table' calls it LatestStreamArn"
        )
        raise InvalidPropsError(msg)
