"""A user of the service: signed in, and calling it over HTTP."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from examples.demo.place import Place

__all__ = ["Answer", "Client"]

TENANT = "acme"
_EMAIL = "ann@example.com"


@dataclass(frozen=True)
class Answer:
    """What the API answered.

    Attributes:
        status: HTTP status code.
        body: The JSON in it, or None.
        sent_at: When the request was sent, by `time.monotonic`.
        seconds: How long the answer took.
    """

    status: int
    body: Any
    sent_at: float
    seconds: float


class Client:
    """Ann, of the tenant acme, with a password that nobody needs to know."""

    def __init__(self, place: Place) -> None:
        self.email = _EMAIL
        self.tenant = TENANT
        self._cognito = place.aws.client("cognito-idp")
        self._client_id = place.outputs["UserPoolClientId"]
        self._url = urlsplit(place.api_url)
        self._password = f"{secrets.token_urlsafe(18)}-aA1"
        pool = place.outputs["UserPoolId"]
        self._cognito.admin_create_user(
            UserPoolId=pool,
            Username=_EMAIL,
            MessageAction="SUPPRESS",
            UserAttributes=[
                {"Name": "email", "Value": _EMAIL},
                {"Name": "email_verified", "Value": "true"},
                {"Name": "custom:tenant", "Value": TENANT},
            ],
        )
        self._cognito.admin_set_user_password(
            UserPoolId=pool, Username=_EMAIL, Password=self._password, Permanent=True
        )
        self._token = self.sign_in()

    def sign_in(self) -> str:
        """A fresh id token, which the API takes for an hour."""
        answer = self._cognito.initiate_auth(
            ClientId=self._client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": _EMAIL, "PASSWORD": self._password},
        )
        self._token = str(answer["AuthenticationResult"]["IdToken"])
        return self._token

    def send(self, method: str, path: str, body: Any = None) -> Answer:  # noqa: ANN401 - any JSON
        """Send one request, with the token."""
        connection = HTTPConnection(self._url.hostname or "", self._url.port, timeout=30)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        sent_at = time.monotonic()
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, self._url.path + path, text, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        seconds = time.monotonic() - sent_at
        return Answer(response.status, json.loads(content) if content else None, sent_at, seconds)
