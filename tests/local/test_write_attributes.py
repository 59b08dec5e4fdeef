from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from constructs_lib.local import Emulator

PASSWORD = uuid.uuid4().hex + "aA1!"
OWN = [{"Name": "name", "Value": "Ann"}]
TENANT = [{"Name": "custom:tenant", "Value": "globex"}]


class Pool:
    """A user pool whose client may write ``name``."""

    def __init__(self, emulator: Emulator, *, closed: bool) -> None:
        self.cognito: Any = emulator.client("cognito-idp")
        self.pool = self.cognito.create_user_pool(
            PoolName=f"p{uuid.uuid4().hex}",
            Schema=[{"Name": "tenant", "AttributeDataType": "String", "Mutable": True}],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": closed},
        )["UserPool"]["Id"]
        self.client = self.cognito.create_user_pool_client(
            UserPoolId=self.pool,
            ClientName="c",
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
            WriteAttributes=["name", "email"],
        )["UserPoolClient"]["ClientId"]

    def sign_up(self, attributes: Any) -> None:
        name = uuid.uuid4().hex
        self.cognito.sign_up(
            ClientId=self.client, Username=name, Password=PASSWORD, UserAttributes=attributes
        )

    def signed_in(self) -> str:
        name = uuid.uuid4().hex
        self.cognito.admin_create_user(UserPoolId=self.pool, Username=name, MessageAction="SUPPRESS")
        self.cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=name, Password=PASSWORD, Permanent=True
        )
        answer = self.cognito.initiate_auth(
            ClientId=self.client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
        )
        token: str = answer["AuthenticationResult"]["AccessToken"]
        return token

    def change(self, attributes: Any) -> None:
        self.cognito.update_user_attributes(AccessToken=self.signed_in(), UserAttributes=attributes)


def test_users_write_what_their_client_may(emulator: Emulator) -> None:
    pool = Pool(emulator, closed=False)
    pool.sign_up(OWN)
    pool.change(OWN)
    for write in (pool.sign_up, pool.change):
        with pytest.raises(ClientError, match=r"NotAuthorizedException.*unauthorized attribute"):
            write(OWN + TENANT)


def test_only_administrators_make_users_where_the_pool_says_so(emulator: Emulator) -> None:
    with pytest.raises(ClientError, match=r"NotAuthorizedException.*not permitted"):
        Pool(emulator, closed=True).sign_up(OWN)


def test_gap_stock_lets_everybody_write_everything(stock: Emulator) -> None:
    pool = Pool(stock, closed=True)
    pool.sign_up(TENANT)
    pool.change(TENANT)
