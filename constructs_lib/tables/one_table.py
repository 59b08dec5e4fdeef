"""A construct that is one table, new or brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aws_cdk import RemovalPolicy
from constructs import Construct

from constructs_lib.props.imported_names import check_table_name
from constructs_lib.props.strict_props import strict_props
from constructs_lib.tables.imported_table import imported_table
from constructs_lib.tables.pk_sk_table import LONGEST_RECOVERY_DAYS, brought_or_new_table

if TYPE_CHECKING:
    from typing import Self

    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_kms as kms

__all__ = ["OneTable"]


class OneTable(Construct):
    """One DynamoDB table whose rows are kept, and can be restored to any second of the last 35 days.

    Args:
        scope: Parent construct.
        construct_id: Id within ``scope``. Part of the logical id of the table.
        table: An existing table to use. Defaults to a new table.
        table_name: Physical name of the new table. Defaults to one that CloudFormation makes.
        encryption_key: Customer managed key of the new table, for a stack whose region is
            known. The grants include its use. Defaults to the key that DynamoDB owns.
        removal_policy: What happens to the new table when it leaves the stack. RETAIN keeps it
            and protects it from deletion; RETAIN_ON_UPDATE_OR_DELETE keeps it without protection;
            DESTROY turns both off. Defaults to RETAIN.

    Raises:
        InvalidPropsError: ``table`` is given together with a property that configures it, or is not like
            such a table has to be.

    """

    _what: ClassVar[str]
    """The table in words, such as "sequences table"."""
    _expires: ClassVar[bool]
    """Whether rows of it expire by their ``ttl``."""

    @strict_props
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITableV2 | None = None,
        table_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        #: Physical name of a new table, where it was chosen.
        self._new_name = table_name if table is None else None
        self.table = brought_or_new_table(
            self,
            table,
            what=self._what,
            table_name=table_name,
            encryption_key=encryption_key,
            removal_policy=removal_policy,
            expires=self._expires,
            recovery_days=LONGEST_RECOVERY_DAYS,
        )

    @classmethod
    @strict_props
    def from_table_name(
        cls,
        scope: Construct,
        construct_id: str,
        table_name: str,
        *,
        encryption_key: kms.IKey | None = None,
    ) -> Self:
        """Use a table that exists: one of another app, or one that a deleted stack has left.

        Args:
            scope: Parent construct.
            construct_id: Id within ``scope``.
            table_name: Its name. What the table is like is not known here, and not checked.
            encryption_key: Its customer managed key; the grants include its use. Defaults to none.

        Raises:
            InvalidPropsError: ``table_name`` cannot be the name of a table.

        """
        check_table_name("table_name", table_name)
        table = imported_table(scope, f"Imported{construct_id}", table_name, encryption_key=encryption_key)
        return cls(scope, construct_id, table=table)
