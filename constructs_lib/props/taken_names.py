"""Names that an account and region have once: whoever takes one that is taken is told who has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.environments import stack_of
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from constructs import Construct, IConstruct

__all__ = ["take_name"]

#: For each app, who has which name, and for whom: by account, region, kind and name.
_TAKEN: Final[WeakKeyDictionary[IConstruct, dict[tuple[str | None, ...], tuple[Construct, object]]]] = (
    WeakKeyDictionary()
)


def take_name(
    scope: Construct, kind: str, name: str, *, region: str | None = None, owner: object = None, hint: str
) -> None:
    """Take a physical name for something new; CloudFormation would fail where it is taken.

    An account or region that is left to the deployment is the same as another one that is. A name
    that is only known when the stack is deployed passes.

    Args:
        scope: The construct that makes what has the name.
        kind: What has it, such as "table".
        name: The name.
        region: Where it has the name, if not in the region of the stack.
        owner: Whom it is taken for, who may take it more than once. Defaults to ``scope``.
        hint: The end of the message: what to do instead.

    Raises:
        InvalidPropsError: Something else in the app, of the same kind, account and region, has it.

    """
    if is_unresolved(name):
        return
    stack = stack_of(scope)
    place = (_known(stack.account), region or _known(stack.region))
    taken = _TAKEN.setdefault(scope.node.root, {})
    owner = scope if owner is None else owner
    other, other_owner = taken.setdefault((*place, kind, name), (scope, owner))
    if other_owner != owner:
        where = "/".join(
            part or f"any {what}" for part, what in zip(place, ("account", "region"), strict=True)
        )
        msg = (
            f"the {kind} name {name!r} must be taken once in an account and region, got it from "
            f"{other.node.path} in the stack {stack_of(other).stack_name} and from {scope.node.path} in the "
            f"stack {stack.stack_name}, both in {where}; {hint}"
        )
        raise InvalidPropsError(msg)


def _known(value: str) -> str | None:
    return None if is_unresolved(value) else value
