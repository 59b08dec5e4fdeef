"""The first call of a service that was deployed: its URL, a token, and lines to paste into a shell."""

from __future__ import annotations

import json
import os
import shlex
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from constructs_lib.local.service.openapi_sample import Sample, samples_of
from constructs_lib.local.service.sign_in import TestUser, sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from constructs_lib.local.endpoint import Endpoint
    from constructs_lib.local.service.deployed import Api

__all__ = ["FirstCall", "first_call", "write_headers"]

_DOCUMENT = "/openapi.json"
#: A cold start, on a machine that is busy.
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class FirstCall:
    """How to call an API.

    Attributes:
        url: Its base URL on this machine.
        token: An ID token of the test user, good for as long as the pool says: an hour by
            default. `None` where the API takes none of a user pool.
        headers: The file with the headers of a request, the token among them.
        curl: Lines for a shell, each a request that should be answered.
    """

    url: str
    token: str | None
    headers: Path
    curl: tuple[str, ...]


def first_call(aws: Endpoint, api: Api, user: TestUser) -> FirstCall:
    """Sign the test user in, and find out what to ask.

    Raises:
        SignInFailedError: The user could not sign in.
    """
    token = sign_in(aws, api.pool_id, api.client_ids[0], user) if api.pool_id and api.client_ids else None
    headers = write_headers(aws.run_folder / f"headers-{api.api_id}.txt", token)
    document = _document(api.url, token)
    samples = samples_of(document) if document else []
    if document and not any(sample.method == "GET" for sample in samples):
        samples.insert(0, Sample("GET", _DOCUMENT))
    lines = [_curl(api.url, headers, sample) for sample in samples or [Sample("GET", "/")]]
    return FirstCall(api.url, token, headers, tuple(lines))


def write_headers(file: Path, token: str | None) -> Path:
    """Write the file that curl reads: a token is too long for a line that people read."""
    lines = ["content-type: application/json", *([f"authorization: Bearer {token}"] if token else [])]
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as written:  # noqa: PTH123 - nobody else reads it, from the first byte on
        written.write("\n".join(lines) + "\n")
    return file


def _document(url: str, token: str | None) -> dict[str, Any] | None:
    """The API's own description; `None` where it has none to show."""
    request = urllib.request.Request(url + _DOCUMENT)  # noqa: S310 - the emulator's own URL
    if token:
        request.add_header("authorization", f"Bearer {token}")
    # No proxy has to do with what is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            found = json.loads(answer.read())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "paths" in found else None


def _curl(url: str, headers: Path, sample: Sample) -> str:
    # The URL has a $ in it, which a shell would take for a variable.
    words = ["curl", "-H", f"@{headers}", url + sample.path]
    for header in sample.headers:
        words += ["-H", header]
    if sample.body is not None:
        words += ["-d", json.dumps(sample.body, ensure_ascii=False)]
    return shlex.join(words)
