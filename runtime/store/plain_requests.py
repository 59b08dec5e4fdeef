"""Requests to DynamoDB as `json` writes them.

The store makes them in the very form in which DynamoDB wants them. botocore goes through all of a request
by the model of the service, to find the binary values in it, and looks for the names of tables that say
whose they are; together that is a fifth of what a call takes. So what botocore would go through is put
aside when everybody else has seen it, and written as it is, both by the events that botocore has for that.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final

from runtime.store.plain_answers import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["write_plainly"]

_PUT_ASIDE: Final = "cqrs_request"
#: A table by its ARN may be another account's, with an endpoint of its own: botocore finds it.
_SIGN_OF_ARN: Final = b'"arn:'
#: What botocore must find all the same, to look for the names of tables in it.
_LEFT: Final[Mapping[str, dict[str, Any]]] = {"BatchGetItem": {"RequestItems": {}}}


def write_plainly(client: DynamoDBClient) -> None:
    """Let a client write requests by `json`. Once is as good as twice.

    Args:
        client: A boto3 client of DynamoDB that does not validate its parameters: it would find none.
    """
    events = client.meta.events
    # Behind what others do to the parameters: botocore calls the handlers of the shortest name last.
    events.register_last("before-parameter-build", _put_aside, unique_id="cqrs-put-aside")
    for operation in OPERATIONS:
        # In front of what others do to the request that was made of them.
        event = f"before-call.dynamodb.{operation}"
        events.register_first(event, _write, unique_id=f"cqrs-plain-requests-{operation}")


def _put_aside(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - botocore's events
    if model.name not in OPERATIONS:
        return
    body = _ENCODER.encode(params).encode()
    if _SIGN_OF_ARN not in body:
        context[_PUT_ASIDE] = params, params.copy(), body
        params.clear()
        params.update(_LEFT.get(model.name, {}))


def _write(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - botocore's events
    aside = context.pop(_PUT_ASIDE, None)
    if aside is not None:
        emptied, whole, params["body"] = aside
        emptied.update(whole)  # who traces the call reads them when it is over


def _as_base64(value: Any) -> str:  # noqa: ANN401 - whatever JSON has no form for
    return b64encode(value).decode()


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_as_base64)
