"""A user of the service: signed in, and calling it over HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from constructs_lib.local.service.sign_in import TestUser, sign_in

if TYPE_CHECKING:
    from examples.demo.place import Place

__all__ = ["Answer", "Client"]


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
    """Ann, of the tenant acme."""

    def __init__(self, place: Place) -> None:
        self._user = TestUser("ann@example.com", "acme", place.example.roles)
        self.email = self._user.name
        self.tenant = self._user.tenant
        self._place = place
        self._url = urlsplit(place.api_url)
        self._token = self.sign_in()

    def sign_in(self) -> str:
        """A fresh id token, which the API takes for an hour."""
        outputs = self._place.outputs
        self._token = sign_in(self._place.aws, outputs["UserPoolId"], outputs["UserPoolClientId"], self._user)
        return self._token

    def send(self, method: str, path: str, body: Any = None, **more: str) -> Answer:  # noqa: ANN401 - any JSON
        """Send one request, with the token and ``more`` headers."""
        connection = HTTPConnection(self._url.hostname or "", self._url.port, timeout=30)
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json", **more}
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
