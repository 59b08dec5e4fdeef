"""Which errors mean that the same request may succeed later, and what they say was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runtime import HandlersPendingError, ItemNotFoundError, VersionConflictError
from runtime.aws_errors import translated
from runtime.entry.http.problems import problem_of
from runtime.errors import ContentionError, CorruptRowError, PublishIdReusedError, StoreRefusedError
from runtime.store.port import ConditionFailedError

if TYPE_CHECKING:
    from runtime.entry.http.problems import Problem

URL = "http://db.internal:5432/secret"


def answered(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutItem",
    )


BUSY = [
    answered("ProvisionedThroughputExceededException"),
    answered("ThrottlingException"),
    answered("RequestLimitExceeded"),
    answered("TransactionInProgressException"),
    answered("SlowDown", 503),
    answered("SomethingNew", 500),
    ConnectTimeoutError(endpoint_url=URL),
    ReadTimeoutError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
]


def body_of(problem: Problem) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(str(problem.response().body))
    return body


@pytest.mark.parametrize(
    "error",
    [
        *(translated(error, "DynamoDB") for error in BUSY),
        *BUSY,  # of a client that a route has of its own
        ContentionError("busy"),
        OperationalError("SELECT", {}, Exception(URL)),
        PoolTimeoutError(URL),
    ],
)
def test_a_busy_service_is_a_503_that_tells_nothing_of_it(error: Exception) -> None:
    response = problem_of(error).response()
    assert response.status_code == 503
    assert int(str(response.headers["Retry-After"])) >= 1
    assert '"urn:problem-type:cqrs:unavailable"' in str(response.body)
    assert "secret" not in str(response.body)


@pytest.mark.parametrize("error", BUSY)
def test_a_write_without_an_answer_says_so(error: Exception) -> None:
    problem = problem_of(translated(error, "DynamoDB", in_doubt=True))
    assert int(problem.headers["Retry-After"]) >= 1
    body = body_of(problem)
    assert (body["status"], body["type"]) == (503, "urn:problem-type:cqrs:outcome-unknown")
    assert body["written"] == "unknown"
    assert "Idempotency-Key" in body["detail"]
    assert "secret" not in json.dumps(body)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (answered("ValidationException"), 500),
        (answered("AccessDeniedException"), 500),
        (answered("ResourceNotFoundException"), 500),
        (translated(answered("ValidationException"), "DynamoDB"), 500),
        (translated(answered("AccessDeniedException"), "DynamoDB"), 500),
        (translated(NoCredentialsError(), "DynamoDB"), 500),
        (ConditionFailedError({"data": None}), 500),
        (NoCredentialsError(), 500),
        (IntegrityError("INSERT", {}, Exception(URL)), 500),
        (KeyError("x"), 500),
        (VersionConflictError("T#a", "x", 1), 409),
    ],
)
def test_a_mistake_is_none(error: Exception, status: int) -> None:
    response = problem_of(error).response()
    assert response.status_code == status
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(
    ("error", "status", "written"),
    [
        (translated(answered("ThrottlingException"), "DynamoDB"), 503, "nothing"),
        (ContentionError("busy"), 503, "nothing"),
        (StoreRefusedError("DynamoDB", "AccessDeniedException"), 500, "nothing"),
        (CorruptRowError("version is no number"), 500, "nothing"),
        (VersionConflictError("T#a", "x", 1), 409, "nothing"),
        (ItemNotFoundError("there is no such item"), 404, "nothing"),
        (PublishIdReusedError(), 422, "nothing"),
        (HandlersPendingError("T#a", "x", 1, ["Search"]), 500, "everything"),
        (OperationalError("SELECT", {}, Exception(URL)), 503, "unknown"),
        (KeyError("x"), 500, None),
    ],
)
def test_the_document_says_what_was_written(error: Exception, status: int, written: str | None) -> None:
    body = body_of(problem_of(error))
    assert (body["status"], body.get("written")) == (status, written)


def test_a_publish_id_of_another_publish_names_the_header() -> None:
    body = body_of(problem_of(PublishIdReusedError()))
    assert body["type"] == "urn:problem-type:cqrs:publish-id-reused"
    assert "Idempotency-Key" in body["detail"]
