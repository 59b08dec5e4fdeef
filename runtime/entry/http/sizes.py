"""How large a request and an answer may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.errors import FieldProblem, InvalidInputError
from runtime.store.answer_size import MAX_ANSWER, answer_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AnswerTooLargeError", "BodyTooLargeError", "check_answer", "check_body", "fits"]

#: A character of a body becomes twelve bytes at the most.
_SURELY_FITS: Final = MAX_ANSWER // 12


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
        message = (
            f"would make an answer of {size} bytes, and {limit} is the most; ask for fewer items, "
            "or read a large one with the library"
        )
        super().__init__([FieldProblem("limit", message)])


def check_body(event: Mapping[str, Any], limit: int) -> None:
    """Refuse a body of more than ``limit`` bytes, unread.

    Raises:
        BodyTooLargeError: It has more.
    """
    body = event.get("body")
    if not body:
        return
    if event.get("isBase64Encoded"):
        size = len(body) * 3 // 4 - body[-2:].count("=")
    else:
        # No text has fewer bytes than characters: most need no second look.
        size = len(body) if len(body) > limit else len(body.encode(errors="surrogatepass"))
    if size > limit:
        raise BodyTooLargeError(limit, size)


def check_answer(event: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Refuse an answer that Lambda would refuse: the client would get a bare 500.

    What was written is written, so that only answers to a GET are looked at.

    Raises:
        AnswerTooLargeError: It is too large.
    """
    body = answer.get("body") or ""
    if len(body) <= _SURELY_FITS or event["requestContext"]["http"]["method"] != "GET":
        return
    if not fits(body):
        raise AnswerTooLargeError(MAX_ANSWER, answer_bytes(body))


def fits(body: str) -> bool:
    """Whether Lambda passes on an answer with this body."""
    return len(body) <= _SURELY_FITS or answer_bytes(body) <= MAX_ANSWER
