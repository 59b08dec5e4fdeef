"""Keys that a caller gives: whether they can be those of an aggregate, and are the caller's to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import FieldProblem, InvalidInputError
from runtime.identity.access import check_tenant
from runtime.model.keys import DetailKey, check_natural_key

if TYPE_CHECKING:
    from runtime.identity.context import InvokeContext
    from runtime.settings import Settings

__all__ = ["checked_key", "checked_pk"]


def checked_key(
    key: tuple[str, str], context: InvokeContext | None, settings: Settings, *, write: bool = False
) -> DetailKey:
    """Key of an aggregate that the caller may read, or write.

    Raises:
        InvalidInputError: It is not two texts, or cannot be the key of an aggregate.
        ForbiddenError: It belongs to another tenant.
    """
    if not (isinstance(key, tuple | list) and len(key) == len(DetailKey._fields)):
        message = f"must be a pair (pk, sk), got {type(key).__name__}"
        raise InvalidInputError([FieldProblem("key", message)])
    pk, sk = key
    _check_text("sk", sk)
    checked_pk(pk, context, settings, write=write)
    check_natural_key(pk, sk)
    return DetailKey(pk, sk)


def checked_pk(pk: str, context: InvokeContext | None, settings: Settings, *, write: bool = False) -> str:
    """Partition key that the caller may read, or write.

    Raises:
        InvalidInputError: It is not text, empty or too long.
        ForbiddenError: It belongs to another tenant.
    """
    _check_text("pk", pk)
    check_tenant(pk, context, settings, write=write)
    check_natural_key(pk, "any")
    return pk


def _check_text(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidInputError([FieldProblem(field, f"must be text, got {type(value).__name__}")])
