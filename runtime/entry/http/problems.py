"""Errors as problem documents (RFC 9457): what went wrong, without a value of the input."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from runtime.aws_errors import RETRY_AFTER_SECONDS
from runtime.entry.http.crash import log_crash
from runtime.entry.http.json_format import dumps
from runtime.entry.http.unavailable import is_unavailable
from runtime.errors import (
    AggregateErasedError,
    CommandReusedError,
    CqrsError,
    FieldProblem,
    GapError,
    HandlersPendingError,
    InvalidInputError,
    ModuleMismatchError,
    NewerSchemaError,
    OutcomeUnknownError,
    ReadModelBehindError,
    RuleViolationError,
    StoreUnavailableError,
    UnreadableRowError,
    VersionConflictError,
)
from runtime.identity.context import current_invoke_context
from runtime.log import logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROBLEM_JSON", "Problem", "problem_of"]

PROBLEM_JSON: Final = "application/problem+json"
_TYPE_PREFIX: Final = "urn:problem-type:cqrs:"
_MAX_ERRORS: Final = 50
_MAX_NAME: Final = 200
_MAX_MESSAGE: Final = 500
_SOURCES: Final = ("body", "query", "path", "header", "cookie")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document.

    Attributes:
        status: HTTP status code.
        detail: What happened, for the caller to read. None when there is nothing to tell.
        code: Stable name of the kind of problem; None when the status code says it all.
        errors: The fields that are wrong. The document has the first 50 of them.
        written: What was written: "nothing", "everything", "something" or "unknown". None where
            nobody can tell.
        headers: Further headers of the response.
    """

    status: int
    detail: str | None = None
    code: str | None = None
    errors: Sequence[FieldProblem] = ()
    written: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response[str]:
        """The document as a response; ``instance`` is the id of the request."""
        context = current_invoke_context()
        body = dumps(self.document(context.request_id if context else None))
        return Response(self.status, content_type=PROBLEM_JSON, body=body, headers=dict(self.headers))

    def document(self, instance: str | None = None) -> dict[str, Any]:
        """The members of the document."""
        members: dict[str, Any] = {
            "type": f"{_TYPE_PREFIX}{self.code}" if self.code else "about:blank",
            "title": self._title(),
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            # Names come from the client: what it sent must not come back, and many times as long.
            "errors": [
                {"field": _cut(error.field, _MAX_NAME), "message": _cut(error.message, _MAX_MESSAGE)}
                for error in self.errors[:_MAX_ERRORS]
            ]
            or None,
            "written": self.written,
        }
        return {name: value for name, value in members.items() if value is not None}

    def _title(self) -> str:
        if self.code:
            return self.code.replace("-", " ").capitalize()
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "Error"


def problem_of(error: Exception) -> Problem:  # noqa: PLR0911 - one return a kind
    """What the caller is told about ``error``; what they must not be told goes to the log."""
    match error:
        case RequestValidationError():
            problems = [_field_problem(found) for found in error.errors()]
            return problem_of(InvalidInputError(problems))
        case ReadModelBehindError():
            return _behind(error)
        case CqrsError() if (detail := _detail(error)) is not None:
            if isinstance(error, ModuleMismatchError):  # its text is ours, and names no value
                logger.error("request failed", reason=str(error))
            problems = (
                list(error.problems) if isinstance(error, InvalidInputError | UnreadableRowError) else []
            )
            return Problem(
                status=error.status, code=error.code, detail=detail, errors=problems, written=error.written
            )
        case ServiceError():
            return Problem(status=int(error.status_code), detail=str(error.msg))
    log_crash(error)
    if isinstance(error, StoreUnavailableError | OutcomeUnknownError):
        return _unavailable(error.code, error.written)
    if is_unavailable(error):
        return _unavailable("unavailable", "unknown")
    written = error.written if isinstance(error, CqrsError) else None
    return Problem(status=HTTPStatus.INTERNAL_SERVER_ERROR, written=written)


def _behind(error: ReadModelBehindError) -> Problem:
    """What is told of a read model that does not show a version yet. It is no error of the service's."""
    why = "try again"
    if error.parked_version is not None:
        logger.warning("read model is parked", handler=error.handler, parked_version=error.parked_version)
        why = "somebody has to look at it"
    return Problem(
        status=error.status,
        code=error.code,
        detail=f"the read model does not show version {error.version} yet; {why}",
        written=error.written,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _unavailable(code: str, written: str) -> Problem:
    what = "nothing was written" if written == "nothing" else "the request may have been done"
    return Problem(
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        code=code,
        detail=f"a service behind this one is busy or out of reach, and {what}; try again, and with the "
        "same Idempotency-Key where there is one",
        written=written,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}\u2026"


def _detail(error: CqrsError) -> str | None:  # noqa: PLR0911 - one return a kind
    # The messages name keys and values, for the log of whoever calls the library from Python.
    match error:
        case InvalidInputError():
            is_rule = isinstance(error, RuleViolationError)
            return "a rule of the service refuses it" if is_rule else "one or more fields are wrong"
        case GapError():
            return f"it has only come to version {error.last}; read it and decide again"
        case VersionConflictError():
            return f"there is a later version than {error.version}; read it and decide again"
        case HandlersPendingError():
            return f"version {error.version} is committed, but not in every read model yet; do not repeat it"
        case ModuleMismatchError():
            return f"the module {error.module!r} is not deployed as the code needs it"
        case CommandReusedError():
            return "the Idempotency-Key was used for another command; give each command a key of its own"
        case AggregateErasedError():
            return "it was erased, and its id cannot be used again"
        case UnreadableRowError():
            return "what is stored does not fit the model of today; it can still be deleted"
        case NewerSchemaError():
            return "a newer release wrote the item; try again when it is deployed everywhere"
        case _:
            return str(error) if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else None


def _field_problem(found: Mapping[str, Any]) -> FieldProblem:
    """What Powertools found, with the field's path as the client wrote it."""
    source, *path = (str(part) for part in found["loc"])
    name = ".".join(path if source in _SOURCES and path else (source, *path))
    if found["type"] == "union_tag_invalid":  # the one message that repeats what was sent
        return FieldProblem(name, f"Input should have one of the tags {found['ctx']['expected_tags']}")
    return FieldProblem(name, str(found["msg"]))
