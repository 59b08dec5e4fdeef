"""How many policies a role has, once the CDK has split what does not fit into one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_iam as iam

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import stack_of
from constructs_lib.quotas.resolved import properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from constructs import Node

__all__ = ["FEW_MODULES", "MOST_POLICIES", "QUOTA_CONTEXT", "check_policies", "coming_policies"]

#: Managed policies of a role, as long as nobody asks AWS for more.
MOST_POLICIES: Final = 10
#: Where whoever was given more says so.
QUOTA_CONTEXT: Final = "cqrs:managedPoliciesPerRole"

#: So many fill neither a role nor a stack, and need not be counted before the app is synthesized.
FEW_MODULES: Final = 12

# As the CDK splits: its margins below 10,240 characters of inline policies, and 6,144 of a managed one.
_INLINE: Final = 10_000
_MANAGED: Final = 6_000
_STATEMENT: Final = 2_000
_ACTION: Final = 20
_ARN: Final = 150
_ARN_CONTEXT: Final = "@aws-cdk/aws-iam:arnSizeEstimate"
_OVERFLOW: Final = "OverflowPolicy"
#: In a text of which a part is known at deployment only. To ask the CDK for each would take a minute.
_UNKNOWN: Final = "${Token["


def check_policies(role: iam.Role) -> None:
    """Refuse a role with more managed policies than the quota.

    Raises:
        InvalidPropsError: There are, or will be, more.

    """
    node = role.node
    number = _given(role, node) + (_made(node) or _coming(node))
    if number <= MOST_POLICIES:
        return
    quota = node.try_get_context(QUOTA_CONTEXT)
    most = MOST_POLICIES if quota is None else int(quota)
    if number > most:
        msg = (
            f"{role.node.path} must have at most {most} managed policies, got {number}: what it may do does "
            "not fit into fewer; split the service by module, ask AWS for a higher quota of 'managed "
            f'policies attached to an IAM role\' and give it in cdk.json as the context "{QUOTA_CONTEXT}", '
            f'or, where ARNs have fewer than {_ARN} characters, give their length as "{_ARN_CONTEXT}"'
        )
        raise InvalidPropsError(msg)


def coming_policies(role: iam.Role) -> int:
    """Give the number of managed policies that the CDK will make of what does not fit into the inline one."""
    node = role.node
    return 0 if _made(node) else _coming(node)


def _coming(node: Node) -> int:
    policy = node.try_find_child("DefaultPolicy")
    if not isinstance(policy, iam.Policy):
        return 0
    arn = node.try_get_context(_ARN_CONTEXT) or _ARN
    statements = (policy.document.to_json() or {}).get("Statement", [])
    return _overflow([*_merged(statements, int(arn))])


def _made(node: Node) -> int:
    """Give the number of managed policies that the CDK has made: it counts them from 1."""
    return next(number for number in count() if node.try_find_child(f"{_OVERFLOW}{number + 1}") is None)


def _given(role: iam.Role, node: Node) -> int:
    resource = node.default_child
    if not isinstance(resource, iam.CfnRole):
        return 0
    (properties,) = properties_of(stack_of(role), [resource])
    return len(properties.get("managedPolicyArns") or [])


def _merged(statements: Sequence[Mapping[str, Any]], arn: int) -> Iterator[int]:
    """Sizes of the statements, merged as the CDK merges: first those about the same resources."""
    on: dict[frozenset[str], dict[str, None]] = {}
    for statement in statements:
        actions, targets = (dict.fromkeys(_list(statement.get(key))) for key in ("Action", "Resource"))
        if {"Sid", "Condition"} & statement.keys():
            yield _size([*actions], targets, arn) + len(str(statement.get("Condition", "")))
        else:
            on.setdefault(frozenset(targets), {}).update(actions)
    resources: dict[frozenset[str], list[dict[str, None]]] = {}
    for where, what in on.items():
        parts = resources.setdefault(frozenset(what), [])
        more = dict.fromkeys(sorted(where))
        part = next((part for part in parts if _size([*what], {**part, **more}, arn) <= _STATEMENT), None)
        if part is None:
            parts.append(more)
        else:
            part.update(more)
    for which, filled in resources.items():
        for part in filled:
            yield _size([*which], part, arn)


def _size(actions: Sequence[str], resources: Mapping[str, None], arn: int) -> int:
    def texts(key: str, values: Sequence[str], of_token: int) -> int:
        sizes = (of_token if _UNKNOWN in value else len(value) for value in values)
        return len(key) + 5 + sum(size + 3 for size in sizes)

    return (
        len('"Effect": "Allow",{}') + texts("Action", actions, _ACTION) + texts("Resource", [*resources], arn)
    )


def _overflow(sizes: Sequence[int]) -> int:
    """Give the number of managed policies beside the inline one, each filled in the order of the CDK."""
    inline, managed = 0, list[int]()
    for size in sizes:
        if inline + size < _INLINE:
            inline += size
            continue
        place = next((number for number, used in enumerate(managed) if used + size <= _MANAGED), None)
        if place is None:
            managed.append(size)
        else:
            managed[place] += size
    return len(managed)


def _list(value: str | Sequence[str] | None) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else [*value]
