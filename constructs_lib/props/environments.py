"""Accounts and Regions: what was brought from another one, and cannot be used from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast
from weakref import WeakKeyDictionary, WeakSet, ref

from aws_cdk import Resource, Stack, Stage

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.tokens import is_unresolved

if TYPE_CHECKING:
    from aws_cdk import IResource
    from constructs import IConstruct

__all__ = ["BY_NAME", "check_environment", "check_region_is_known", "is_made_here", "stack_of"]


BY_NAME: Final = (
    "functions find their tables by name where they run: make them in the account and Region of the service"
)
_HINT: Final = "make it in the account and Region of what uses it"

# What constructs are does not change, and to ask for it is a call of Node.js, for each pair of them.
_MADE_HERE: Final[WeakSet[IConstruct]] = WeakSet()
_STACKS: Final[WeakKeyDictionary[IConstruct, ref[Stack]]] = WeakKeyDictionary()


def check_environment(
    name: str,
    brought: IConstruct,
    user: IConstruct,
    *,
    hint: str = _HINT,
    account_may_differ: bool = False,
    region_may_differ: bool = False,
) -> None:
    """Refuse a resource of another account or Region than that of what uses it.

    What is not known is taken for the same, except between two stacks of the app: there CDK refuses
    to refer from one that knows where it is to one that does not.

    Args:
        name: Name of the property, or what it is in words.
        brought: The resource, or a construct with resources in it.
        user: What has to reach it.
        hint: The end of the message: what to do instead. Defaults to saying where it must be.
        account_may_differ: Whether one that was imported may be of another account, whose owner lets
            this one use it. Defaults to False.
        region_may_differ: Whether it may be in another Region, if both are known. Defaults to False.

    Raises:
        InvalidPropsError: They are in different accounts, Regions or stages.

    """
    is_ours, theirs, owner = is_made_here(brought), stack_of(brought), stack_of(user)
    if is_ours and theirs is owner and is_made_here(user):
        return  # what one stack makes is in one place; to ask for that takes the most of a synthesis
    _check_stage(name, brought, user)
    there, here = _place(brought), _place(user)
    other_account = _differ(there[0], here[0]) and (is_ours or not account_may_differ)
    other_region = _differ(there[1], here[1]) and not region_may_differ
    if other_account or other_region:
        msg = (
            f"{name} must be in the account and Region of {owner.node.path}, {_said(here)}, "
            f"got {brought.node.path} in {_said(there)}; {hint}"
        )
        raise InvalidPropsError(msg)
    if is_ours and _knows(theirs) != _knows(owner):
        msg = (
            f"{name} must be of a stack with the same env as {owner.node.path}, {_said(here)}, "
            f"got {brought.node.path} in {_said(there)}; "
            "give both stacks the same env=Environment(account=..., region=...)"
        )
        raise InvalidPropsError(msg)


def check_region_is_known(name: str, brought: IConstruct, user: IConstruct, *, hint: str) -> None:
    """Refuse a resource of another account or Region where one of the two stacks does not know its own.

    Raises:
        InvalidPropsError: CDK could not refer from one to the other.

    """
    _check_stage(name, brought, user)
    theirs, ours = stack_of(brought), stack_of(user)
    same = (theirs.account, theirs.region) == (ours.account, ours.region)
    if is_made_here(brought) and not same and not (all(_knows(theirs)) and all(_knows(ours))):
        msg = (
            f"{name} of another account or Region needs stacks that know theirs, got {brought.node.path} "
            f"in {_said(_place(brought))} for {ours.node.path} in {_said(_place(user))}; "
            f"give both an env, {hint}"
        )
        raise InvalidPropsError(msg)


def is_made_here(brought: IConstruct) -> bool:
    """Whether a resource is in a template of this app, or a construct holds such resources."""
    if brought in _MADE_HERE:
        return True
    is_made = not Resource.is_resource(brought) or bool(Resource.is_owned_resource(brought))
    if is_made:
        _MADE_HERE.add(brought)
    return is_made


def stack_of(construct: IConstruct) -> Stack:
    """Give the stack that ``construct`` is in: what is in one stays there, so that it is asked for once."""
    known = _STACKS.get(construct)
    stack = known() if known is not None else None
    if stack is None:
        stack = Stack.of(construct)
        _STACKS[construct] = ref(stack)
    return stack


def _check_stage(name: str, brought: IConstruct, user: IConstruct) -> None:
    """Refuse what another stage, or another app, makes: the two are deployed apart."""
    if is_made_here(brought) and Stage.of(brought) is not Stage.of(user):
        msg = (
            f"{name} must be of the same app and stage as {stack_of(user).node.path}, "
            f"got {brought.node.path}; make it in that stage, or import it by name, ARN or id"
        )
        raise InvalidPropsError(msg)


def _place(construct: IConstruct) -> tuple[str, str]:
    if Resource.is_resource(construct):
        env = cast("IResource", construct).env
        return env.account, env.region
    stack = stack_of(construct)
    return stack.account, stack.region


def _differ(theirs: str, ours: str) -> bool:
    return not is_unresolved(theirs) and not is_unresolved(ours) and theirs != ours


def _knows(stack: Stack) -> tuple[bool, bool]:
    return not is_unresolved(stack.account), not is_unresolved(stack.region)


def _said(place: tuple[str, str]) -> str:
    account, region = ("unknown" if is_unresolved(value) else value for value in place)
    return f"{account}/{region}"
