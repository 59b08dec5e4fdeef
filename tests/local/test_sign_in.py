from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from constructs_lib.local.errors import SignInFailedError
from constructs_lib.local.service.deployed import Api
from constructs_lib.local.service.first_call import first_call
from constructs_lib.local.service.sign_in import TestUser, sign_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from constructs_lib.local import Emulator


class Pool:
    """A user pool, and a client as it was deployed."""

    def __init__(self, emulator: Emulator, **client: Any) -> None:
        self.cognito = emulator.client("cognito-idp")
        names = ("tenant", "roles")
        made = self.cognito.create_user_pool(
            PoolName=f"pool-{uuid.uuid4().hex[:8]}",
            UsernameAttributes=["email"],
            Schema=[{"Name": name, "AttributeDataType": "String", "Mutable": True} for name in names],
        )
        self.id: str = made["UserPool"]["Id"]
        made = self.cognito.create_user_pool_client(UserPoolId=self.id, ClientName="app", **client)
        self.client_id: str = made["UserPoolClient"]["ClientId"]

    def client(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cognito.describe_user_pool_client(
            UserPoolId=self.id, ClientId=self.client_id
        )["UserPoolClient"]
        del found["LastModifiedDate"]
        return found


@pytest.fixture
def srp_only(emulator: Emulator) -> Iterator[Pool]:
    pool = Pool(
        emulator,
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        ReadAttributes=["email", "custom:tenant", "custom:roles"],
        PreventUserExistenceErrors="ENABLED",
        IdTokenValidity=1,
    )
    yield pool
    pool.cognito.delete_user_pool(UserPoolId=pool.id)


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_a_client_that_takes_no_passwords_is_as_it_was(emulator: Emulator, srp_only: Pool) -> None:
    before = srp_only.client()
    found = claims(sign_in(emulator, srp_only.id, srp_only.client_id, TestUser(roles=("admin", "boss"))))

    assert (found["email"], found["custom:tenant"], found["aud"]) == (
        "dev@example.com", "acme", srp_only.client_id,
    )  # fmt: skip
    assert json.loads(found["custom:roles"]) == [
        {"tenant": "acme", "role": "admin"},
        {"tenant": "acme", "role": "boss"},
    ]
    assert found["exp"] - found["iat"] == 3600
    assert srp_only.client() == before


def test_the_user_has_what_was_asked_for_last(emulator: Emulator, srp_only: Pool) -> None:
    first = claims(sign_in(emulator, srp_only.id, srp_only.client_id, TestUser(roles=("admin",))))
    other = claims(sign_in(emulator, srp_only.id, srp_only.client_id, TestUser(tenant="beta")))
    nobody = claims(sign_in(emulator, srp_only.id, srp_only.client_id, TestUser(tenant="")))
    bea = claims(sign_in(emulator, srp_only.id, srp_only.client_id, TestUser("bea@example.com")))

    assert first["sub"] == other["sub"] == nobody["sub"] != bea["sub"]
    assert other["custom:tenant"] == "beta"
    assert not other.get("custom:roles")
    assert not nobody.get("custom:tenant")


def test_a_client_with_a_secret_and_a_password_flow_is_signed_in_too(emulator: Emulator) -> None:
    pool = Pool(emulator, GenerateSecret=True, ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"])

    assert claims(sign_in(emulator, pool.id, pool.client_id, TestUser()))["custom:tenant"] == "acme"


def test_what_the_pool_refuses_is_said_in_one_line(emulator: Emulator, srp_only: Pool) -> None:
    with pytest.raises(SignInFailedError, match=r"^dev@example.com could not sign in to the user pool .*$"):
        sign_in(emulator, srp_only.id, "nobodys", TestUser())


def test_an_api_without_users_and_without_a_document_is_called_as_it_is(emulator: Emulator) -> None:
    gateway = emulator.client("apigatewayv2")
    api_id = gateway.create_api(Name="bare", ProtocolType="HTTP")["ApiId"]

    call = first_call(emulator, Api(api_id, emulator.http_api_url(api_id), None, ()), TestUser())

    assert call.token is None
    assert call.headers.read_text() == "content-type: application/json\n"
    assert call.curl == (f"curl -H @{call.headers} '{emulator.http_api_url(api_id)}/'",)
    call.headers.unlink()
