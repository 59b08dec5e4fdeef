"""Rights on tables, merged so that a role has one statement for each table.

A role is limited in size, and CDK merges what two tables have in common only where all of the actions
are the same. Three statements about each of many tables do not become one by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jsii
from aws_cdk import IStableStringProducer, Lazy
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.props.grants import READ_WITH_KEY, WRITE_WITH_KEY, allow_key, allow_on_table, combined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_cdk import aws_iam as iam

__all__ = ["Place", "Right", "allow_rights"]


class Place:
    """Where something is allowed: a table, perhaps with its indexes, or one index of it.

    Its copies in other Regions are no part of it: nothing of this library writes there.

    Args:
        table: The table.
        every_index: Whether the same is allowed on whatever indexes it has. Defaults to False.
        index: The one index that this is about. Defaults to None: the table.

    """

    def __init__(
        self, table: dynamodb.ITableV2, *, every_index: bool = False, index: str | None = None
    ) -> None:
        self.table = table
        self.index = index
        self._is_imported_with_indexes = every_index and not isinstance(table, dynamodb.TableV2)
        arn = table.table_arn
        self._arns = [arn if index is None else f"{arn}/index/{index}"]
        if every_index and isinstance(table, dynamodb.TableV2):
            # One token for all grants: CDK merges what names the same resources.
            self._arns.append(Lazy.string(_IndexesOf(table)))

    def allow(self, grantee: iam.IGrantable, actions: Iterable[str]) -> iam.Grant:
        """Let ``grantee`` do ``actions`` here."""
        if self._is_imported_with_indexes:
            # Only CDK knows which indexes were imported; of copies it knows none.
            return self.table.grant(grantee, *actions)
        return allow_on_table(grantee, self.table, actions, self._arns)


@jsii.implements(IStableStringProducer)
class _IndexesOf:
    """All indexes of a table, also those that it gets later; nothing where it has none at the end."""

    def __init__(self, table: dynamodb.TableV2) -> None:
        self._table = table

    def produce(self) -> str | None:
        return f"{self._table.table_arn}/index/*" if jsii.get(self._table, "hasIndex") else None


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
