"""Errors that only HTTP knows."""

from __future__ import annotations

from runtime.errors import CqrsError, FieldProblem, InvalidInputError

__all__ = [
    "AnswerTooLargeError",
    "BodyTooLargeError",
    "PreconditionFailedError",
    "PreconditionRequiredError",
]


class PreconditionFailedError(CqrsError):
    """The state is not the one that the request is for. Nothing was written."""

    status = 412
    code = "precondition-failed"


class PreconditionRequiredError(CqrsError):
    """The request does not say which version it is for. Nothing was written."""

    status = 428
    code = "precondition-required"


class BodyTooLargeError(InvalidInputError):
    """The body has more bytes than ``REQUEST_BODY_SIZE_LIMIT`` allows. It was not read."""

    status = 413
    code = "body-too-large"

    def __init__(self, limit: int, size: int) -> None:
        super().__init__([FieldProblem("body", f"must be at most {limit} bytes, got {size}")])


class AnswerTooLargeError(InvalidInputError):
    """The answer is larger than Lambda passes on. Nothing was written: it is an answer to a GET."""

    code = "answer-too-large"

    def __init__(self, limit: int, size: int) -> None:
        message = f"would make an answer of {size} bytes, and {limit} is the most; ask for fewer items"
        super().__init__([FieldProblem("limit", message)])
