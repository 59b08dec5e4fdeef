"""Which errors mean that the same request may succeed later."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

from runtime import VersionConflictError
from runtime.entry.http.problems import problem_of
from runtime.pipeline.apply import ApplyContentionError
from runtime.store.dynamodb import ConditionFailedError, TransactionFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "http://db.internal:5432/secret"


def answered(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "PutItem",
    )


def cancelled(codes: Sequence[str]) -> TransactionFailedError:
    return TransactionFailedError(codes, [None] * len(codes))


@pytest.mark.parametrize(
    "error",
    [
        answered("ProvisionedThroughputExceededException"),
        answered("ThrottlingException"),
        answered("RequestLimitExceeded"),
        answered("TransactionInProgressException"),
        answered("SlowDown", 503),
        answered("SomethingNew", 500),
        cancelled(["None", "TransactionConflict"]),
        cancelled(["ThrottlingError", "None"]),
        ConnectTimeoutError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        ApplyContentionError("busy"),
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


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (answered("ValidationException"), 500),
        (answered("AccessDeniedException"), 500),
        (answered("ResourceNotFoundException"), 500),
        (cancelled(["TransactionConflict", "ValidationError"]), 500),
        (ConditionFailedError(None), 500),
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
