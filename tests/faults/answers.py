"""What a DynamoDB in trouble answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.wire import Call

__all__ = ["TROUBLES", "first_tries", "refusal"]

_PREFIX = "com.amazonaws.dynamodb.v20120810#"
Answer = tuple[int, Any]


def refusal(code: str, status: int = 400) -> Callable[[Call], Answer | None]:
    """Refuse every kind of call."""
    return lambda _call: (status, {"__type": f"{_PREFIX}{code}", "message": "try again"})


def in_a_transaction(code: str) -> Callable[[Call], Answer | None]:
    """Refuse a transaction as a whole."""
    answer = refusal(code)
    return lambda call: answer(call) if call.operation == "TransactWriteItems" else None


def cancelled(code: str) -> Callable[[Call], Answer | None]:
    """Cancel a transaction because of its last write."""

    def answer(call: Call) -> Answer | None:
        if call.operation != "TransactWriteItems":
            return None
        others = [{"Code": "None"}] * (len(call.parameters["TransactItems"]) - 1)
        reasons = [*others, {"Code": code, "Message": "try again"}]
        name = f"{_PREFIX}TransactionCanceledException"
        return 400, {"__type": name, "message": "cancelled", "CancellationReasons": reasons}

    return answer


def unprocessed(call: Call) -> Answer | None:
    """Leave all keys of a batch unread."""
    if call.operation != "BatchGetItem":
        return None
    return 200, {"Responses": {}, "UnprocessedKeys": call.parameters["RequestItems"]}


TROUBLES: dict[str, Callable[[Call], Answer | None]] = {
    "throttled table": refusal("ProvisionedThroughputExceededException"),
    "throttled account": refusal("ThrottlingException"),
    "server error": refusal("InternalServerError", 500),
    "service unavailable": refusal("ServiceUnavailable", 503),
    "transaction in progress": in_a_transaction("TransactionInProgressException"),
    "transaction conflict": cancelled("TransactionConflict"),
    "transaction throttled": cancelled("ThrottlingError"),
    "transaction over the table's limit": cancelled("ProvisionedThroughputExceeded"),
    "unprocessed keys": unprocessed,
}


def first_tries(count: int) -> Callable[[Call], bool]:
    """Whether a call is one of the first ``count`` tries of its request."""
    seen: dict[str, int] = {}

    def is_first(call: Call) -> bool:
        if call.service != "dynamodb":
            return False
        request = f"{call.operation} {call.parameters}"
        seen[request] = seen.get(request, 0) + 1
        return seen[request] <= count

    return is_first
