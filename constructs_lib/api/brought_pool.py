"""A user pool that was brought: whether its users can be those of a service, as far as CDK knows."""

from __future__ import annotations

from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_cognito as cognito

from constructs_lib.errors import InvalidPropsError
from constructs_lib.props.known_properties import known_properties

__all__ = ["check_pool"]

_ATTRIBUTES: Final = ("tenant", "roles")


def check_pool(pool: cognito.IUserPool, client: cognito.IUserPoolClient | None) -> None:
    """Refuse a pool without the attributes that a new client reads, or a client of another pool.

    Args:
        pool: The pool that was brought.
        client: Its client, where that was brought too: a trigger of the pool may make up the claims.

    Raises:
        InvalidPropsError: The two do not fit each other, or Cognito would refuse the client.

    """
    known = known_properties(pool, cognito.CfnUserPool)
    if known is not None and client is None:
        kinds = {given.get("name"): given.get("attributeDataType") for given in known.get("schema") or []}
        wrong = [name for name in _ATTRIBUTES if kinds.get(name) != "String"]
        if wrong:
            msg = (
                f"user_pool must have the custom attributes tenant and roles, both strings, got "
                f"{pool.node.path} without {' and '.join(wrong)}; add custom_attributes={{"
                + ", ".join(f"{name!r}: StringAttribute(mutable=True)" for name in wrong)
                + "}"
            )
            raise InvalidPropsError(msg)
    of_client = known_properties(client, cognito.CfnUserPoolClient) if client is not None else None
    if known is not None and of_client is not None and client is not None:
        its_own = Stack.of(client).resolve(of_client["userPoolId"])
        if Stack.of(client) is Stack.of(pool) and its_own != Stack.of(pool).resolve(pool.user_pool_id):
            msg = (
                f"user_pool_client must be a client of user_pool, got {client.node.path}, which is not one "
                f"of {pool.node.path}; bring the pool that it was made for"
            )
            raise InvalidPropsError(msg)
