"""Who uses a table for what: some uses are for one only, whichever constructs stand for the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from aws_cdk import Stage
from aws_cdk import aws_dynamodb as dynamodb

from constructs_lib.props.known_properties import known_properties
from constructs_lib.props.lookups import is_known

if TYPE_CHECKING:
    from constructs import IConstruct

__all__ = ["other_user"]

#: For each stage, which is deployed apart: who uses which table for what, and on whose behalf.
_USERS: Final[WeakKeyDictionary[IConstruct, dict[tuple[str | None, ...], tuple[IConstruct, object]]]] = (
    WeakKeyDictionary()
)

#: Of a table, by which its first use was noted: to ask the CDK takes nine calls of Node.js.
_IDENTITIES: Final[WeakKeyDictionary[dynamodb.ITableV2, tuple[str | None, ...]]] = WeakKeyDictionary()


def other_user(
    table: dynamodb.ITableV2, use: str, user: IConstruct, *, owner: object = None
) -> IConstruct | None:
    """Note a use of a table, and give who uses it so already, for somebody else.

    A table that the app makes and one that is imported are the same where their names are known, and
    accounts and Regions not known to differ.

    Args:
        table: The table.
        use: What for.
        user: Who uses it.
        owner: On whose behalf; the same one may use it more than once. Defaults to ``user``.

    """
    users = _USERS.setdefault(Stage.of(table) or table.node.root, {})
    owner = user if owner is None else owner
    other, its_owner = users.setdefault((use, *_identity(table)), (user, owner))
    return None if its_owner == owner else other


def _identity(table: dynamodb.ITableV2) -> tuple[str | None, ...]:
    if table not in _IDENTITIES:
        _IDENTITIES[table] = _asked_identity(table)
    return _IDENTITIES[table]


def _asked_identity(table: dynamodb.ITableV2) -> tuple[str | None, ...]:
    known = known_properties(table, dynamodb.CfnTable, dynamodb.CfnGlobalTable) or {}
    name = known.get("tableName") or table.table_name
    if not isinstance(name, str) or not is_known(name):
        return ("path", table.node.path)
    env = table.env
    return (name, *(part if is_known(part) else None for part in (env.account, env.region)))
