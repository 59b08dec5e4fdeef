"""Whose tokens the deployed API takes, and what they are good for."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.e2e.forger import Forger, claims_in, header_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.deployment import Deployment

VICTIM = "globex"
FORGED = {"custom:tenant": VICTIM, "custom:roles": '[{"tenant":"","role":"system_admin"}]'}


@pytest.fixture(scope="module")
def forger(deployment: Deployment) -> Forger:
    return Forger(deployment.emulator, deployment.outputs["UserPoolId"], deployment.token)


def refused(deployment: Deployment, token: str, tenant: str = "acme") -> httpx.Response:
    """The answer to a read and a write with ``token``; neither is done."""
    sk = f"T{uuid.uuid4().hex[:10]}"
    body = {"sk": sk, "version": 0, "name": "n", "attributes": {}}
    answers = [
        deployment.request("POST", "/notes?mode=sync", token=token, json=body),
        deployment.request("GET", "/notes", token=token),
        deployment.request("GET", "/openapi.json", token=token),
    ]
    assert deployment.row("note", "data", sk) is None
    assert tenant not in answers[1].text
    assert len({answer.status_code for answer in answers[:2]}) == 1
    return answers[1]


def test_the_forger_can_make_a_good_token(deployment: Deployment, forger: Forger) -> None:
    """So what is refused below is refused for what is wrong with it."""
    assert deployment.request("GET", "/notes", token=forger.signed()).status_code == 200


BAD: dict[str, Callable[[Forger], str]] = {
    "expired": lambda f: f.signed(exp=int(time.time()) - 5),
    "not valid yet": lambda f: f.signed(nbf=int(time.time()) + 3600),
    "issued in the future": lambda f: f.signed(iat=int(time.time()) + 3600),
    "for another app": lambda f: f.signed(aud="another"),
    "for nobody": lambda f: f.signed(aud=None),
    "of another issuer": lambda f: f.signed(iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_evil"),
    "of no issuer": lambda f: f.signed(iss=None),
    "an unknown key": lambda f: f.signed(header={"kid": "unknown"}),
    "no key": lambda f: f.signed(header={"kid": None}),
    "a file as key": lambda f: f.signed(header={"kid": "../../../dev/null"}),
    "a statement as key": lambda f: f.signed(header={"kid": "x' UNION SELECT 'secret"}),
    "a key of one's own": lambda f: f.tampered(**FORGED),
    "unsigned": lambda f: f.unsigned("none", **FORGED),
    "unsigned, spelled otherwise": lambda f: f.unsigned("nOnE", **FORGED),
    "unsigned, with a signature": lambda f: f.unsigned("none", "AAAA", **FORGED),
    "without a signature": lambda f: f.unsigned("RS256", **FORGED),
    "signed with the public key": lambda f: f.with_public_key_as_secret(**FORGED),
    "tampered": lambda f: f.tampered(**FORGED),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(deployment: Deployment, forger: Forger, name: str) -> None:
    assert refused(deployment, BAD[name](forger)).status_code == 401


def test_a_token_without_its_parts_is_refused(deployment: Deployment) -> None:
    header, claims, signature = deployment.token.split(".")
    for token in (
        "x",
        ".",
        "..",
        header,
        f"{header}.{claims}",
        f"{header}.{claims}.{signature}.x",
        "x" * 20_000,
    ):
        assert refused(deployment, token).status_code in {401, 431}


@pytest.fixture
def cognito(deployment: Deployment) -> Any:
    return deployment.emulator.client("cognito-idp")


@pytest.fixture
def other_client(deployment: Deployment, cognito: Any) -> Iterator[str]:
    """Another app of the same user pool."""
    pool = deployment.outputs["UserPoolId"]
    made = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="other", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )
    client = made["UserPoolClient"]["ClientId"]
    yield client
    cognito.delete_user_pool_client(UserPoolId=pool, ClientId=client)


@pytest.fixture
def other_pool(cognito: Any) -> Iterator[tuple[str, str]]:
    """A user pool of somebody else's, where they are users of any tenant they like."""
    schema = [{"Name": "tenant", "AttributeDataType": "String", "Mutable": True}]
    pool = cognito.create_user_pool(PoolName="other", Schema=schema, UsernameAttributes=["email"])[
        "UserPool"
    ]["Id"]
    made = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="other", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )
    yield pool, made["UserPoolClient"]["ClientId"]
    cognito.delete_user_pool(UserPoolId=pool)


def test_a_token_of_another_app_is_refused(deployment: Deployment, other_client: str) -> None:
    tokens = deployment.tokens("acme", client=other_client)
    for kind in ("IdToken", "AccessToken"):
        assert refused(deployment, tokens[kind]).status_code == 401


def test_a_token_of_another_pool_is_refused(deployment: Deployment, other_pool: tuple[str, str]) -> None:
    pool, client = other_pool
    tokens = deployment.tokens("acme", pool=pool, client=client)
    assert claims_in(tokens["IdToken"])["custom:tenant"] == "acme"
    for kind in ("IdToken", "AccessToken", "RefreshToken"):
        assert refused(deployment, tokens[kind]).status_code == 401


def test_an_access_token_names_neither_tenant_nor_roles(deployment: Deployment) -> None:
    """The authorizer lets it pass, as API Gateway's does; the library says what is wrong with it."""
    token = deployment.tokens("acme")["AccessToken"]
    assert "custom:tenant" not in claims_in(token)
    header = {"x-tenant-code": "acme"}
    for method, path, body in (
        ("GET", "/notes", None),
        ("GET", "/notes/A1", None),
        ("POST", "/notes", {"sk": "X1", "version": 0, "name": "n", "attributes": {}}),
        ("POST", "/notes/bulk", [{"sk": "X1", "version": 0, "name": "n", "attributes": {}}]),
        ("PUT", "/notes/resync", {}),
        ("POST", "/note/read", {"pk": "NOTE#acme", "sk": "X1"}),
        ("POST", "/note/read", {"pk": "NOTE#common", "sk": "X1"}),
    ):
        for headers in ({}, header, {"x-tenant-code": "common"}):
            answer = deployment.request(method, path, token=token, headers=headers, json=body)
            assert answer.status_code == 403, (path, answer.text)
            assert "access token" in answer.json()["detail"]
    assert deployment.row("note", "command", "X1@1") is None


def test_a_refresh_token_is_no_token_for_the_api(deployment: Deployment) -> None:
    """AWS encrypts it, so its authorizer cannot read it; the emulator's names no tenant."""
    answer = refused(deployment, deployment.tokens("acme")["RefreshToken"])
    assert answer.status_code in {401, 403}


def test_a_user_without_a_tenant_has_no_items(deployment: Deployment) -> None:
    token = deployment.tokens(None)["IdToken"]
    for headers in ({}, {"x-tenant-code": "acme"}, {"x-tenant-code": ""}):
        assert deployment.request("GET", "/notes", token=token, headers=headers).status_code == 403
    for pk in ("NOTE#acme", "NOTE#", "NOTE", "#", "##"):
        answer = deployment.request("POST", "/note/read", token=token, json={"pk": pk, "sk": "A1"})
        assert answer.status_code == 403, pk
        body = {"pk": pk, "sk": "A1", "code": "c", "name": "n", "type": "NOTE", "version": 0}
        assert deployment.request("POST", "/note/publish", token=token, json=body).status_code == 403, pk


def test_a_token_is_taken_from_its_header_only(deployment: Deployment) -> None:
    token = deployment.token
    for name in ("token", "access_token", "id_token", "authorization", "Authorization", "jwt"):
        assert httpx.get(deployment.url + "/notes", params={name: token}).status_code == 401
        assert httpx.get(deployment.url + "/notes", params={name: f"Bearer {token}"}).status_code == 401
    assert (
        httpx.get(deployment.url + "/notes", cookies={"authorization": f"Bearer {token}"}).status_code == 401
    )
    for name in ("x-authorization", "proxy-authorization", "x-amzn-oidc-data", "x-id-token"):
        assert httpx.get(deployment.url + "/notes", headers={name: f"Bearer {token}"}).status_code == 401
    for scheme in ("Basic", "Digest", "AWS4-HMAC-SHA256", "Bearer Bearer"):
        answer = httpx.get(deployment.url + "/notes", headers={"authorization": f"{scheme} {token}"})
        assert answer.status_code == 401, scheme


def test_two_tokens_are_not_two_tenants(deployment: Deployment) -> None:
    """With a good and a bad token the caller is the good one's user, or nobody."""
    sk = f"T{uuid.uuid4().hex[:10]}"
    body = {"sk": sk, "version": 0, "name": "n", "attributes": {}}
    deployment.request("POST", "/notes?mode=sync", json=body)
    other = deployment.sign_in(VICTIM)
    good, bad = f"Bearer {other}", "Bearer a.b.c"
    for values in ((good, bad), (bad, good), (good, good)):
        answer = httpx.get(
            deployment.url + f"/notes/{sk}", headers=[("authorization", value) for value in values]
        )
        assert answer.status_code in {400, 401, 404}


# Who may say what a user is


def test_users_cannot_change_their_tenant_or_roles(deployment: Deployment, cognito: Any) -> None:
    tokens = deployment.tokens("acme")
    for name, value in FORGED.items():
        with pytest.raises(ClientError) as caught:
            cognito.update_user_attributes(
                AccessToken=tokens["AccessToken"], UserAttributes=[{"Name": name, "Value": value}]
            )
        assert caught.value.response["Error"]["Code"] == "NotAuthorizedException"
    cognito.update_user_attributes(
        AccessToken=tokens["AccessToken"], UserAttributes=[{"Name": "name", "Value": "Ann"}]
    )
    fresh = cognito.initiate_auth(
        ClientId=deployment.outputs["UserPoolClientId"],
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": tokens["RefreshToken"]},
    )["AuthenticationResult"]["IdToken"]
    claims = claims_in(fresh)
    assert (claims["custom:tenant"], claims.get("custom:roles")) == ("acme", None)


@pytest.mark.parametrize("attributes", [{}, FORGED])
def test_nobody_signs_up_by_themselves(
    deployment: Deployment, cognito: Any, attributes: dict[str, str]
) -> None:
    name = f"{uuid.uuid4().hex}@example.com"
    with pytest.raises(ClientError) as caught:
        cognito.sign_up(
            ClientId=deployment.outputs["UserPoolClientId"],
            Username=name,
            Password=uuid.uuid4().hex + "aA1!",
            UserAttributes=[
                {"Name": key, "Value": value} for key, value in ({"email": name} | attributes).items()
            ],
        )
    assert caught.value.response["Error"]["Code"] == "NotAuthorizedException"


def test_the_clients_of_the_pool_write_neither(deployment: Deployment, cognito: Any) -> None:
    """What AWS goes by: the list of what the client may write, and who may make users."""
    pool, client = deployment.outputs["UserPoolId"], deployment.outputs["UserPoolClientId"]
    found = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
    assert "custom:tenant" in found["ReadAttributes"]
    assert set(found["WriteAttributes"]) & {"custom:tenant", "custom:roles"} == set()
    assert found["WriteAttributes"]  # an empty list would be all of them
    config = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]["AdminCreateUserConfig"]
    assert config["AllowAdminCreateUserOnly"] is True


def test_the_keys_of_a_token_are_the_pools(deployment: Deployment) -> None:
    assert header_in(deployment.token)["alg"] == "RS256"
