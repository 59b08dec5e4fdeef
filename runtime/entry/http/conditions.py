"""Conditional requests (RFC 9110): an entity tag is the version of an aggregate in quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.errors import (
    CqrsError,
    FieldProblem,
    InvalidInputError,
    InvalidVersionError,
    VersionConflictError,
)
from runtime.model.keys import VERSION_FIRST, VERSION_LATEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

__all__ = [
    "Expected",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "entity_tag",
    "is_unmodified",
    "refuse_conditions",
]

_TAG: Final = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")


class PreconditionFailedError(CqrsError):
    """The state is not the one that the request is for. Nothing was written."""

    status = 412
    code = "precondition-failed"


class PreconditionRequiredError(CqrsError):
    """The request does not say which version it is for. Nothing was written."""

    status = 428
    code = "precondition-required"


def entity_tag(version: int) -> str:
    """The value of the header ``ETag``.

    >>> entity_tag(3)
    '"3"'
    """
    return f'"{version}"'


def is_unmodified(headers: Mapping[str, str], version: int) -> bool:
    """Whether the caller has this version already: 304.

    Raises:
        InvalidInputError: ``If-None-Match`` is no list of entity tags.
    """
    header = headers.get("if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or str(version) in {tag for _, tag in _tags("if-none-match", header)}


def refuse_conditions(headers: Mapping[str, str], message: str) -> None:
    """Refuse conditions of a request that would not heed them.

    Args:
        headers: Its headers, names in lower case.
        message: Why, and what to do.

    Raises:
        InvalidInputError: There is one.
    """
    if problems := [FieldProblem(name, message) for name in ("if-match", "if-none-match") if name in headers]:
        raise InvalidInputError(problems)


@dataclass(frozen=True, slots=True)
class Expected:
    """The version that a write is to build on, and how the caller said it.

    As a context manager it turns a conflict into 412 where the caller gave a condition.

    Attributes:
        version: 0 to create, N to build on version N, -1 for whatever is the latest.
        conditional: Whether a header said it.
        pk: Key of the aggregate that it is the version of; a conflict over another one, which the write
            depends on, stays what it is. None: there is no other one.
    """

    version: int
    conditional: bool
    pk: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str], version: int | None) -> Expected:
        """What ``If-Match``, ``If-None-Match`` and a version in the body or query say together.

        Raises:
            PreconditionRequiredError: None of them is there.
            PreconditionFailedError: ``If-Match`` has a tag that no version has.
            InvalidInputError: They contradict each other, or one is malformed.
        """
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if match is not None and none_match is not None:
            raise InvalidInputError(
                [FieldProblem("if-none-match", "must not come together with If-Match; leave one out")]
            )
        if match is not None:
            found = _version_in(match)
        elif none_match is not None:
            if none_match.strip() != "*":
                raise InvalidInputError(
                    [
                        FieldProblem(
                            "if-none-match", "must be * in a write: there must not be such an item yet"
                        )
                    ]
                )
            found = VERSION_FIRST
        elif version is not None:
            return cls(version, conditional=False)
        else:
            msg = (
                'say which version this is for: If-Match: "N" with the ETag of the last read, '
                "If-None-Match: * to create, or the field version"
            )
            raise PreconditionRequiredError(msg)
        if version not in {None, found}:
            raise InvalidInputError(
                [FieldProblem("version", "must be the version of the header If-Match; leave one out")]
            )
        return cls(found, conditional=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.conditional and self._is_about(error):
            raise _failed() from error

    def _is_about(self, error: BaseException | None) -> bool:
        if isinstance(error, VersionConflictError):
            return self.pk is None or error.pk == self.pk
        return isinstance(error, InvalidVersionError)


def _version_in(header: str) -> int:
    if header.strip() == "*":
        return VERSION_LATEST
    tags = _tags("if-match", header)
    if len(tags) > 1:
        raise InvalidInputError(
            [FieldProblem("if-match", "must be one entity tag: a write builds on one version")]
        )
    weak, tag = tags[0]
    if weak or not _VERSION.fullmatch(tag):
        raise _failed()
    return int(tag)


def _tags(field: str, header: str) -> list[tuple[bool, str]]:
    tags = []
    for part in header.split(","):
        tag = _TAG.fullmatch(part)
        if tag is None:
            raise InvalidInputError([FieldProblem(field, 'must be entity tags in quotes, such as "3", or *')])
        tags.append((tag[1] is not None, tag[2]))
    return tags


def _failed() -> PreconditionFailedError:
    return PreconditionFailedError("the item is not at that version; read it and decide again")
