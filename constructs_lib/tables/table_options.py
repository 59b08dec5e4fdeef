"""What the new tables of a module may have beside the usual."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from constructs_lib.props.strict_props import strict_dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk import aws_dynamodb as dynamodb
    from aws_cdk import aws_kinesis as kinesis

__all__ = ["TableOptions"]


@strict_dataclass
@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What the new tables of a module have; `CqrsTable` has the same properties, and says more of each.

    Example:
        >>> CqrsModule("order", table=TableOptions(contributor_insights=True))

    Attributes:
        replicas: Other Regions with copies of the data and history tables, to read from. Defaults
            to none.
        replica_key_arns: The customer managed key of each of these Regions. Defaults to none.
        contributor_insights: Whether CloudWatch shows the most used keys. Defaults to False.
        kinesis_stream: Stream that gets every change of the data table. Defaults to none.
        warm_throughput: What command and data tables are ready for at once. Defaults to what
            DynamoDB gives a new table.
        max_write_request_units: Ceiling on writes per second of command and data tables. Defaults
            to no ceiling.
        point_in_time_recovery_days: How far back the tables can be restored, in days, from 1 to 35.
            Defaults to 35.

    """

    replicas: Sequence[dynamodb.ReplicaTableProps] = ()
    replica_key_arns: Mapping[str, str] | None = None
    contributor_insights: bool | dynamodb.ContributorInsightsMode = False
    kinesis_stream: kinesis.IStream | None = None
    warm_throughput: dynamodb.WarmThroughput | None = None
    max_write_request_units: int | None = None
    point_in_time_recovery_days: int | None = None

    def given(self) -> dict[str, Any]:
        """Give the properties that have not their default, for `CqrsTable`."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}
