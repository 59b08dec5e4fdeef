"""What users of a Cognito pool may write about themselves, and who may make users.

AWS: an app client's `WriteAttributes` is "the list of user attributes that you want your app
client to have write access to", and `AllowAdminCreateUserOnly` says that "only the
administrator is allowed to create user profiles" (the reference pages of
`CreateUserPoolClient` and `AdminCreateUserConfigType`). `SignUp` and `UpdateUserAttributes`
answer anything else with `NotAuthorizedException`.

Stock stores both and heeds neither.
"""

from __future__ import annotations

from typing import Any

from ministack.services import cognito

from ..patching import replace

__all__ = ["apply"]


def apply() -> None:
    """Refuse what the pool and its client do not allow."""

    def sign_up(data: dict[str, Any]) -> Any:
        client_id = data.get("ClientId")
        pool = next((found for found in cognito._user_pools.values() if client_id in found["_clients"]), None)
        if pool is None:
            return stock_sign_up(data)
        if (pool.get("AdminCreateUserConfig") or {}).get("AllowAdminCreateUserOnly"):
            return _refusal("SignUp is not permitted for this user pool")
        return _unwritable(pool, client_id, data) or stock_sign_up(data)

    def update(data: dict[str, Any]) -> Any:
        token = data.get("AccessToken", "")
        _, pool = cognito._user_pool_for_access_token(token)
        client_id = cognito._token_claims(token).get("client_id")
        return (_unwritable(pool, client_id, data) if pool else None) or stock_update(data)

    stock_sign_up = replace(
        cognito, "_sign_up", sign_up, holding=('attrs = data.get("UserAttributes", [])', "UNCONFIRMED")
    )
    stock_update = replace(
        cognito, "_update_user_attributes", update, holding=('data.get("UserAttributes", [])',)
    )


def _unwritable(pool: dict[str, Any], client_id: str | None, data: dict[str, Any]) -> Any:
    client = pool["_clients"].get(client_id) or {}
    allowed = client.get("WriteAttributes")
    names = {attribute["Name"] for attribute in data.get("UserAttributes") or ()}
    if allowed and not names <= set(allowed):
        return _refusal("A client attempted to write unauthorized attribute")
    return None


def _refusal(message: str) -> Any:
    return cognito.error_response_json("NotAuthorizedException", message, 400)
