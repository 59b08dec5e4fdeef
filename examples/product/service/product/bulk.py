"""Many products in one request: each is published or refused on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from product.bodies import BulkItem, BulkResult
from product.service import products
from runtime import FieldProblem, InvalidInputError, require_invoke_context
from runtime.entry.http.problems import problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from product.service import Mode

__all__ = ["publish"]

_MOST = 100


def publish(items: Sequence[Any], *, mode: Mode) -> list[BulkResult]:
    """Publish products one after the other. One that is refused does not stop the others.

    Raises:
        InvalidInputError: There is none, or there are more than 100.
        ForbiddenError: The caller has no tenant.
    """
    if not 1 <= len(items) <= _MOST:
        message = f"must be a list of 1 to {_MOST} products, got {len(items)}"
        raise InvalidInputError([FieldProblem("body", message)])
    products.tenant(write=True)  # refused once, not for each item
    return [_publish(index, item, mode) for index, item in enumerate(items)]


def _publish(index: int, item: Any, mode: Mode) -> BulkResult:  # noqa: ANN401 - unchecked JSON
    try:
        checked = _checked(item)
        # One key of the request, one publish of each item: the same items again publish nothing.
        key = require_invoke_context().publish_id
        publish_id = f"{key}:{index}" if key else None
        sync, name, attributes = mode == "sync", checked.name, checked.attributes
        if checked.version:
            code, version = checked.code or "", checked.version
            found = products.replace(
                code, attributes, version=version, name=name, sync=sync, publish_id=publish_id
            )
        else:
            found = products.create(attributes, sk=checked.code, name=name, sync=sync, publish_id=publish_id)
    except Exception as error:  # noqa: BLE001 - what was published before it stays, and has to be told
        problem = problem_of(error)
        return BulkResult(index=index, status=problem.status, problem=problem.document())
    if found is None:
        return BulkResult(index=index, status=204, code=checked.code, version=checked.version)
    applied = 200 if checked.version else 201
    status = applied if mode == "sync" else 202
    return BulkResult(index=index, status=status, code=found.code, version=found.version)


def _checked(item: Any) -> BulkItem:  # noqa: ANN401 - unchecked JSON
    try:
        checked = BulkItem.model_validate(item)
    except ValidationError as error:
        raise InvalidInputError(
            [
                FieldProblem(".".join(str(part) for part in found["loc"]) or "body", found["msg"])
                for found in error.errors(include_url=False, include_input=False, include_context=False)
            ]
        ) from error
    if checked.version and not checked.code:
        raise InvalidInputError([FieldProblem("code", "is required with a version: which product is it?")])
    return checked
