"""Whose events: the stream, the aggregate's id and its tenant, and the partition key that they make."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from runtime.errors import FieldProblem, InvalidInputError
from runtime.model.keys import KEY_SEPARATOR, check_new_key, lower_case_tenant

__all__ = ["STREAM_NAME", "Key", "check_stream_name", "is_unicode"]

STREAM_NAME: Final = re.compile(r"[^#\s][^#\n\r]{0,99}")
"""What a stream may be called: it begins the partition key, and a `#` ends it there."""


class Key(NamedTuple):
    """Whose events.

    Two tenants may have aggregates with the same id: they have nothing to do with each other.

    Attributes:
        stream: Name of the stream: the kind of aggregate.
        aggregate_id: Id of the aggregate within the stream and tenant. It may have a ``#`` in it.
        tenant: Code of the tenant, in lower case.
    """

    stream: str
    aggregate_id: str
    tenant: str

    @property
    def pk(self) -> str:
        """The partition key of the aggregate's rows: the tenant is its last segment, as in every table."""
        return f"{self.stream}{KEY_SEPARATOR}{self.aggregate_id}{KEY_SEPARATOR}{self.tenant}"

    @classmethod
    def of_pk(cls, pk: str) -> Key:
        """The key whose partition key is ``pk``.

        Raises:
            InvalidInputError: It cannot be one.
        """
        stream, _, rest = pk.partition(KEY_SEPARATOR)
        aggregate_id, _, tenant = rest.rpartition(KEY_SEPARATOR)
        if not (stream and aggregate_id and tenant):
            message = f"must be stream#id#tenant, got {pk!r}"
            raise InvalidInputError([FieldProblem("pk", message)])
        return cls(stream, aggregate_id, tenant)

    @classmethod
    def checked(cls, stream: str, aggregate_id: object, tenant: object) -> Key:
        """A key of what a caller gives; the tenant becomes lower case, as it is compared everywhere.

        Raises:
            InvalidInputError: The id or the tenant is no text, empty or too long, or the tenant has a ``#``.
        """
        if not (isinstance(aggregate_id, str) and isinstance(tenant, str)) or (
            not aggregate_id or not tenant or KEY_SEPARATOR in tenant
        ):
            raise InvalidInputError(_problems(aggregate_id, tenant))
        return _checked(stream, aggregate_id, tenant)


@lru_cache(maxsize=1000)  # a command asks for the same aggregate several times, and so do the next ones
def _checked(stream: str, aggregate_id: str, tenant: str) -> Key:
    key = Key(stream, aggregate_id, lower_case_tenant(tenant))
    try:
        check_new_key(key.pk, "0")
    except InvalidInputError as error:
        is_tenant = len(tenant) > len(aggregate_id) if is_unicode(key.pk) else not is_unicode(tenant)
        field = "tenant" if is_tenant else "aggregate_id"
        raise InvalidInputError(
            [FieldProblem(field, problem.message) for problem in error.problems]
        ) from None
    return key


def _problems(aggregate_id: object, tenant: object) -> list[FieldProblem]:
    problems = [
        FieldProblem(name, f"must be text and not empty, got {value!r}")
        for name, value in (("aggregate_id", aggregate_id), ("tenant", tenant))
        if not isinstance(value, str) or not value
    ]
    if isinstance(tenant, str) and KEY_SEPARATOR in tenant:
        problems.append(FieldProblem("tenant", f"must have no {KEY_SEPARATOR} in it, got {tenant!r}"))
    return problems


def check_stream_name(stream: object) -> str:
    """A stream's name, if it can be one.

    Raises:
        ValueError: It cannot; the text says what is wrong.
    """
    if not isinstance(stream, str) or not STREAM_NAME.fullmatch(stream) or not is_unicode(stream):
        msg = (
            f"a stream's name must be text of at most 100 characters, with no {KEY_SEPARATOR}, no line "
            f"break, no space in front and no lone surrogate, got {stream!r}"
        )
        raise ValueError(msg)
    return stream


def is_unicode(text: str) -> bool:
    """Whether a text can be written: a lone surrogate, half of a character, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
