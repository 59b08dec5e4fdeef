"""A test user: made in the user pool that an API trusts, and signed in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.local.errors import SignInFailedError
from runtime.contract import Claim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local.endpoint import Endpoint

__all__ = ["DEFAULT_TENANT", "DEFAULT_USER", "TestUser", "sign_in"]

DEFAULT_USER = "dev@example.com"
DEFAULT_TENANT = "acme"

_FLOW = "ADMIN_USER_PASSWORD_AUTH"
#: What a description of a client has, and an update of it does not take.
_NOT_OF_AN_UPDATE = {"ClientSecret", "LastModifiedDate", "CreationDate"}


@dataclass(frozen=True, slots=True)
class TestUser:
    """Who a token is for.

    Attributes:
        name: Their name, an e-mail address.
        tenant: Their tenant; empty for none.
        roles: Their roles in that tenant.
    """

    __test__ = False  # pytest takes it for tests

    name: str = DEFAULT_USER
    tenant: str = DEFAULT_TENANT
    roles: tuple[str, ...] = ()

    @property
    def attributes(self) -> dict[str, str]:
        """What the pool is told of them. Those of an earlier user of this name are overwritten."""
        roles = [{"tenant": self.tenant, "role": role} for role in self.roles]
        email = {"email": self.name, "email_verified": "true"} if "@" in self.name else {}
        return email | {Claim.TENANT: self.tenant, Claim.ROLES: json.dumps(roles) if roles else ""}

    def __str__(self) -> str:
        """The user in one line."""
        tenant = f"tenant {self.tenant}" if self.tenant else "no tenant"
        return f"{self.name}, {tenant}, {'roles ' + ', '.join(self.roles) if self.roles else 'no roles'}"


def sign_in(aws: Endpoint, pool_id: str, client_id: str, user: TestUser) -> str:
    """Make the user, or give them the tenant and roles that were asked for, and sign them in.

    Returns:
        The ID token.

    Raises:
        SignInFailedError: The pool refused it.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a deploy needs no boto3

    cognito = aws.client("cognito-idp")
    try:
        password = _make(cognito, pool_id, user)
        with _password_flow(cognito, pool_id, client_id) as secret:
            answer = cognito.admin_initiate_auth(
                UserPoolId=pool_id,
                ClientId=client_id,
                AuthFlow=_FLOW,
                AuthParameters={"USERNAME": user.name, "PASSWORD": password}
                | ({"SECRET_HASH": _secret_hash(user.name, client_id, secret)} if secret else {}),
            )
    except ClientError as error:
        message = f"{user.name} could not sign in to the user pool {pool_id}: {error}"
        raise SignInFailedError(message) from error
    if "AuthenticationResult" not in answer:
        message = (
            f"{user.name} could not sign in to the user pool {pool_id}: it asks for "
            f"{answer.get('ChallengeName')}; choose another --user"
        )
        raise SignInFailedError(message)
    return str(answer["AuthenticationResult"]["IdToken"])


def _make(cognito: Any, pool_id: str, user: TestUser) -> str:  # noqa: ANN401 - a boto3 client
    """Make the user, or change them; give them a new password, and return it."""
    attributes = [{"Name": name, "Value": value} for name, value in user.attributes.items()]
    try:
        cognito.admin_create_user(
            UserPoolId=pool_id,
            Username=user.name,
            MessageAction="SUPPRESS",
            UserAttributes=[attribute for attribute in attributes if attribute["Value"]],
        )
    except cognito.exceptions.UsernameExistsException:
        cognito.admin_update_user_attributes(
            UserPoolId=pool_id, Username=user.name, UserAttributes=attributes
        )
    # Whatever the pool asks of a password, this has it.
    password = f"{secrets.token_urlsafe(48)}-aA1"
    cognito.admin_set_user_password(UserPoolId=pool_id, Username=user.name, Password=password, Permanent=True)
    return password


@contextmanager
def _password_flow(cognito: Any, pool_id: str, client_id: str) -> Iterator[str | None]:  # noqa: ANN401 - a boto3 client
    """Let the client take a password for the time of a ``with`` block; yields its secret, if it has one.

    Most clients only take a proof of it (SRP). Afterwards the client is as it was deployed.
    """
    described = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=client_id)["UserPoolClient"]
    flows = described.get("ExplicitAuthFlows", [])
    if f"ALLOW_{_FLOW}" in flows:
        yield described.get("ClientSecret")
        return
    # An update takes back whatever it does not say; and the emulator describes as empty what is not set.
    client = {
        name: value for name, value in described.items() if name not in _NOT_OF_AN_UPDATE and value != ""
    }
    cognito.update_user_pool_client(**client | {"ExplicitAuthFlows": [*flows, f"ALLOW_{_FLOW}"]})
    try:
        yield described.get("ClientSecret")
    finally:
        cognito.update_user_pool_client(**client | {"ExplicitAuthFlows": flows})


def _secret_hash(user: str, client_id: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), f"{user}{client_id}".encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()
