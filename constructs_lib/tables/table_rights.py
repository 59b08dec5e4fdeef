"""Rights on tables, merged so that a role has one statement for each table.

A role is limited in size, and CDK merges what two tables have in common only where all of the actions
are the same. Three statements about each of many tables do not become one by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from constructs_lib.props.grants import READ_WITH_KEY, WRITE_WITH_KEY, allow_key, combined

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Place", "Right", "allow_rights"]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where something is allowed: a table, perhaps with its indexes, or one index of it.

    Attributes:
        table: The table.
        every_index: Whether the same is allowed on whatever indexes it has. Defaults to False.
        index: The one index that this is about. Defaults to None: the table.

    """

    table: dynamodb.ITableV2
    every_index: bool = False
    index: str | None = None

    def allow(self, grantee: iam.IGrantable, actions: Iterable[str]) -> iam.Grant:
        """Let ``grantee`` do ``actions`` here."""
        if self.every_index:
            return self.table.grant(grantee, *actions)
        # Not table.grants: those leave a place for an index, which counts where there is none, too.
        arn = self.table.table_arn
        arns = [arn if self.index is None else f"{arn}/index/{self.index}"]
        if isinstance(self.table, dynamodb.TableV2):
            # Somebody of another account has to be in the table's own policy.
            return iam.Grant.add_to_principal_or_resource(
                grantee=grantee,
                actions=[*actions],
                resource_arns=arns,
                resource=self.table,
                resource_self_arns=["*"],
            )
        return iam.Grant.add_to_principal(grantee=grantee, actions=[*actions], resource_arns=arns)


@dataclass(frozen=True, slots=True)
class Right:
    """Actions at a place, and whether they need the table's key for more than to decrypt."""

    place: Place
    actions: tuple[str, ...]
    writes: bool = False


def allow_rights(grantee: iam.IGrantable, rights: Iterable[Right]) -> iam.Grant:
    """Let ``grantee`` do what ``rights`` say, in one statement for each place."""
    actions: dict[Place, dict[str, None]] = {}
    writes: dict[Place, bool] = {}
    for right in rights:
        actions.setdefault(right.place, {}).update(dict.fromkeys(right.actions))
        writes[right.place] = writes.get(right.place, False) or right.writes
    grants: list[iam.Grant] = []
    for place, allowed in actions.items():
        grants.append(place.allow(grantee, allowed))
        if place.index is None:
            key_actions = WRITE_WITH_KEY if writes[place] else READ_WITH_KEY
            grants += allow_key(grantee, place.table.encryption_key, *key_actions)
    return combined(*grants)
