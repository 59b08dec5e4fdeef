"""What some tables of a module have beside the usual: copies in other Regions, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aws_cdk import Stack
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.checks import check_range
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_cdk import aws_kinesis as kinesis
    from aws_cdk import aws_kms as kms
    from constructs import Construct

__all__ = ["NO_EXTRAS", "TableExtras", "as_struct", "check_replicas", "check_warm_throughput"]

_Struct = TypeVar("_Struct")

#: What a new on-demand table is ready for; DynamoDB takes no less.
_READS: Final = 12_000
_WRITES: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TableExtras:
    """See `CqrsTable`, whose properties these are."""

    replicas: Sequence[dynamodb.ReplicaTableProps] = ()
    replica_key_arns: Mapping[str, str] | None = None
    contributor_insights: bool | dynamodb.ContributorInsightsMode = False
    kinesis_stream: kinesis.IStream | None = None
    warm_throughput: dynamodb.WarmThroughput | None = None

    @property
    def table_props(self) -> dict[str, Any]:
        """What CDK's table is told, and only that: an older CDK does not know each of them."""
        props: dict[str, Any] = {
            "replicas": list(self.replicas) or None,
            "contributor_insights_specification": self._insights,
            "kinesis_stream": self.kinesis_stream,
            "warm_throughput": self.warm_throughput,
        }
        return {name: value for name, value in props.items() if value is not None}

    @property
    def _insights(self) -> dynamodb.ContributorInsightsSpecification | None:
        if not self.contributor_insights:
            return None
        mode = None if self.contributor_insights is True else self.contributor_insights
        return dynamodb.ContributorInsightsSpecification(enabled=True, mode=mode)


NO_EXTRAS: Final = TableExtras()


def as_struct(struct: Callable[..., _Struct], value: Any) -> _Struct:  # noqa: ANN401 - a struct, or a dict for one
    """Give what CDK takes as a struct, or as a dict in its place, as the struct."""
    return struct(**value) if isinstance(value, dict) else value


def check_replicas(
    scope: Construct,
    replicas: Sequence[dynamodb.ReplicaTableProps],
    encryption_key: kms.IKey | None,
    replica_key_arns: Mapping[str, str] | None,
) -> None:
    """Refuse Regions that cannot have a copy, or whose key is not known.

    Raises:
        InvalidPropsError: The stack's own region is not known, or is among them, one is twice, or keys
            and Regions do not match.

    """
    own = Stack.of(scope).region
    regions = [replica.region for replica in replicas]
    if regions and is_unresolved(own):
        msg = (
            f"replicas needs a stack with a known region, got {regions} in a stack without one; "
            "give the stack env=Environment(region=...)"
        )
        raise InvalidPropsError(msg)
    for number, region in enumerate(regions):
        if region == own or region in regions[:number] or is_unresolved(region):
            msg = (
                f"replicas must be other Regions than the stack's, {own}, each of them once, got {regions}; "
                f"leave {region!r} out"
            )
            raise InvalidPropsError(msg)
    wanted = set(regions) if encryption_key else set()
    if set(replica_key_arns or {}) != wanted:
        msg = (
            f"replica_key_arns must be for the Regions of replicas where encryption_key is given, that is "
            f"{sorted(wanted)}, got {sorted(replica_key_arns or {})}; a key works in its own Region only"
        )
        raise InvalidPropsError(msg)


def check_warm_throughput(value: dynamodb.WarmThroughput | None) -> None:
    """Refuse less than what a new table is ready for anyway.

    Raises:
        InvalidPropsError: A number is below that.

    """
    hint = "a new table is ready for that much; leave it out"
    if value is not None:
        reads, writes = value.read_units_per_second, value.write_units_per_second
        check_range("warm_throughput.read_units_per_second", reads, minimum=_READS, hint=hint)
        check_range("warm_throughput.write_units_per_second", writes, minimum=_WRITES, hint=hint)
