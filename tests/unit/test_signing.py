"""What signs calls with less to do makes the signatures that botocore makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from runtime import Resources, Settings
from runtime.clients import signing
from runtime.clients.signing import SparingSigV4Auth, sign_sparingly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = ReadOnlyCredentials("AKID", "secret", None)
SESSION = ReadOnlyCredentials("ASIA", "secret of a session", "token")
NOW = datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC)
TARGET = {"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}
REQUESTS: dict[str, Callable[[], AWSRequest]] = {
    "a call": lambda: request(data=b'{"a":1}'),
    "without a body": lambda: request(data=b""),
    "a text": lambda: request(data="ü"),
    "a file": lambda: request(data=BytesIO(b"content")),
    "another port": lambda: request(url="http://LOCALHOST:4566/", data=b"{}"),
    "the default port": lambda: request(url="https://dynamodb.eu-central-1.amazonaws.com:443/", data=b"{}"),
    "IPv6": lambda: request(url="http://[::1]:8000/", data=b"{}"),
    "a path and a query": lambda: request(url="https://example.com/a b/../c?z=1&a=%20", data=b"{}"),
    "parameters": lambda: request(params={"z": "1", "a": "ü /"}, data=b"{}"),
    "headers": lambda: request(
        headers={"x-AMZ-b": " a   b ", "Host": "other", "User-Agent": "x", "X-Amzn-Trace-Id": "1"}, data=b"{}"
    ),
    "signed before": lambda: request(
        headers={"Authorization": "old", "X-Amz-Date": "20200101T000000Z", "X-Amz-Security-Token": "old"},
        data=b"{}",
    ),
    "a date": lambda: request(headers={"Date": "then"}, data=b"{}"),
    "unsigned payload": lambda: request(context={"payload_signing_enabled": False}, data=b"{}"),
    "a digest": lambda: request(headers={"X-Amz-Content-SHA256": "abc"}, data=b"{}"),
    "a trailing checksum": lambda: request(
        context={"checksum": {"request_algorithm": {"in": "trailer"}}}, data=b"{}"
    ),
}


def request(**given: Any) -> AWSRequest:
    context = given.pop("context", {})
    headers = TARGET | given.pop("headers", {})
    made = AWSRequest(**({"method": "POST", "url": "https://example.com/"} | given), headers=headers)
    made.context.update(context)
    return made


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What time it is for botocore: the last one."""
    now = [NOW]
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now[-1])
    return now


@pytest.mark.parametrize("credentials", [KEYS, SESSION], ids=["keys", "session"])
@pytest.mark.parametrize("make", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.usefixtures("times")
def test_each_request_is_signed_as_botocore_does(
    make: Callable[[], AWSRequest], credentials: ReadOnlyCredentials
) -> None:
    signed = []
    for kind in (SigV4Auth, SparingSigV4Auth):
        one = make()
        kind(credentials, "dynamodb", "eu-central-1").add_auth(one)
        signed.append(sorted(one.headers.items()))
    assert signed[0] == signed[1]
    assert any(name == "Authorization" for name, _ in signed[0])


def test_keys_are_those_of_the_day_the_region_the_service_and_the_credentials(times: list[datetime]) -> None:
    seen = set()
    for day in range(2):
        times.append(NOW + timedelta(days=day))
        for credentials in (KEYS, SESSION):
            for service in ("dynamodb", "sqs"):
                for region in ("eu-central-1", "us-east-1"):
                    pair = []
                    for kind in (SigV4Auth, SparingSigV4Auth):
                        one = request(data=b"{}")
                        kind(credentials, service, region).add_auth(one)
                        pair.append(one.headers["Authorization"])
                    assert pair[0] == pair[1]
                    seen.add(pair[0])
    assert len(seen) == 16


def test_one_signer_signs_one_request_after_another(times: list[datetime]) -> None:
    signer = SparingSigV4Auth(KEYS, "dynamodb", "eu-central-1")
    for body in (b"1", b"2"):
        times.append(times[-1] + timedelta(seconds=1))
        ours, theirs = request(data=body), request(data=body)
        signer.add_auth(ours)
        SigV4Auth(KEYS, "dynamodb", "eu-central-1").add_auth(theirs)
        assert ours.headers["Authorization"] == theirs.headers["Authorization"]


def test_a_key_is_made_once_a_day(times: list[datetime]) -> None:
    signing.signing_key.cache_clear()
    for day in (0, 0, 1, 1):
        times.append(NOW + timedelta(days=day))
        SparingSigV4Auth(KEYS, "dynamodb", "eu-central-1").add_auth(request(data=b"{}"))
    assert signing.signing_key.cache_info().misses == 2


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client of DynamoDB that the runtime makes."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which may have found others
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return Resources(Settings(regions={"DYNAMODB": "eu-central-1"})).client("dynamodb")


def headers_sent(client: Any) -> Any:
    """The headers of a call."""
    sent: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.headers)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Body(b"{}"))

    client.meta.events.register("before-send", answer)
    client.list_tables()
    return sent[0]


@pytest.mark.usefixtures("times")
def test_the_runtimes_client_of_dynamodb_signs_so(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    add_auth = SparingSigV4Auth.add_auth

    def noted(signer: SparingSigV4Auth, one: AWSRequest) -> None:
        used.append(one)
        add_auth(signer, one)

    monkeypatch.setattr(SparingSigV4Auth, "add_auth", noted)
    assert b"AKID/20261129/eu-central-1/dynamodb/aws4_request" in headers_sent(client)["Authorization"]
    assert len(used) == 1


def test_what_is_not_to_be_signed_is_not() -> None:
    client = boto3.client(
        "dynamodb", region_name="eu-central-1", config=Config(signature_version=botocore.UNSIGNED)
    )
    sign_sparingly(client)
    client.meta.events.register_first("choose-signer.dynamodb", lambda **_: botocore.UNSIGNED)
    assert "Authorization" not in headers_sent(client)


class _Body(BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()
