"""The library says its name and version to AWS, in each call of every client that it makes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from runtime import Resources, Settings
from runtime.clients.user_agent import user_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_EXECUTION_ENV", "AWS_SDK_UA_APP_ID"):
        monkeypatch.delenv(name, raising=False)
    user_agent.cache_clear()
    yield
    user_agent.cache_clear()


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert user_agent().split()[0] == f"{project['name']}/{project['version']}"


def test_the_runtime_of_lambda_and_the_id_of_the_app_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "my shop\r\nX-Header: 1")
    assert user_agent().split()[2:] == ["exec-env/AWS_Lambda_python3.13", "app/my-shop--X-Header--1"]


@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
def test_each_call_says_it_once(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    said: list[str] = []

    def send(request: Any, **_: Any) -> AWSResponse:
        said.append(request.headers["User-Agent"].decode())
        return AWSResponse(request.url, 400, HTTPHeaders(), _Nothing())

    variable = {"dynamodb": "DYNAMODB", "sqs": "SQS"}[service]
    client = Resources(Settings(regions={variable: "eu-central-1"})).client(service)
    client.meta.events.register("before-send", send)
    call = client.list_tables if service == "dynamodb" else client.list_queues
    for _ in range(2):
        with pytest.raises(client.exceptions.ClientError):
            call()
    assert said[0] == said[1]
    assert said[0].startswith(f"{user_agent()} Botocore/")


class _Nothing:
    def stream(self) -> Iterator[bytes]:
        yield b"{}"
