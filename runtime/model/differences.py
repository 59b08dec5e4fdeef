"""Where what would be read back differs from what was given."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, RootModel

from runtime.errors import FieldProblem
from runtime.model.shape import Choice, Field, Free, Items, Map, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.model.shape import Shape

__all__ = ["differences"]

_EXCLUDED: Final = (
    "is excluded from what is written, so that it would be lost; leave it out, or remove exclude=True"
)
_OTHER: Final = "would be read back as another value; its validators and serializers must keep what they made"
_MISSING: Final = object()


def differences(  # noqa: C901, PLR0912 - one case a shape
    shape: Shape,
    given: Any,  # noqa: ANN401
    found: Any,  # noqa: ANN401
    column: Callable[[Any], Any],
    path: str = "attributes",
) -> Iterator[FieldProblem]:
    """Each place where two values of a type differ in what they say.

    What only says the same in another way does not count: a time without an offset is one in UTC,
    and a number is a number.

    Args:
        shape: Shape of the type.
        given: The value that is to be written.
        found: The value that would be read.
        column: What is stored of a value.
        path: Where they are.
    """
    if type(given) is type(found) and _equal(given, found):
        return
    if isinstance(given, RootModel) and type(given) is type(found):
        given, found = given.root, found.root
    shape = shape.real()
    if isinstance(shape, Choice):
        if not _is_one_kind(given, found):
            yield FieldProblem(path, _of_other_type(given, found))
            return
        shape = _option(shape, given)
    if isinstance(shape, Free):
        # Of any type: what is stored is read as it is, such as a date as text. Its keys must be text.
        shape = _like(given)
    match shape:
        case Record():
            yield from _of_record(shape, given, found, column, path)
        case Map() if isinstance(given, dict) and isinstance(found, dict):
            if len(given) != len(found) or given.keys() != found.keys():
                yield FieldProblem(path, "has keys that would be read back as others; use text for keys")
                return
            for key, value in given.items():
                yield from differences(shape.value, value, found[key], column, f"{path}.{key}")
        case Items() if _is_row(given) and _is_row(found) and len(given) == len(found):
            for index, (one, other) in enumerate(zip(given, found, strict=True)):
                yield from differences(shape.of(index), one, other, column, f"{path}.{index}")
        case Free() if column(given) == column(found):
            return
        case _ if not _is_same(given, found, column):
            yield FieldProblem(path, _OTHER if type(given) is type(found) else _of_other_type(given, found))


def _of_record(
    shape: Record,
    given: Any,  # noqa: ANN401
    found: Any,  # noqa: ANN401
    column: Callable[[Any], Any],
    path: str,
) -> Iterator[FieldProblem]:
    if type(given) is not type(found):
        yield FieldProblem(path, _of_other_type(given, found))
        return
    for field in shape.fields:
        one, other = _value(given, field), _value(found, field)
        place = f"{path}.{field.stored}"
        if field.is_excluded:
            is_set = not isinstance(given, BaseModel) or field.name in given.model_fields_set
            if is_set and not _equal(one, other):
                yield FieldProblem(place, _EXCLUDED)
        elif (one is _MISSING) is not (other is _MISSING):
            yield FieldProblem(place, _OTHER)
        else:
            yield from differences(field.shape, one, other, column, place)
    extras, read = getattr(given, "__pydantic_extra__", None), getattr(found, "__pydantic_extra__", None)
    if extras != read:
        for name in {**(extras or {}), **(read or {})}:
            pair = (extras or {}).get(name, _MISSING), (read or {}).get(name, _MISSING)
            if _MISSING in pair or not _is_same(*pair, column):
                yield FieldProblem(f"{path}.{name}", _OTHER)


def _like(value: object) -> Shape:
    """The shape of a value that may be anything."""
    if isinstance(value, dict):
        return Map(Free(), Free())
    return Items(list, rest=Free()) if isinstance(value, list | tuple) else Free()


def _value(record: Any, field: Field) -> Any:  # noqa: ANN401
    if isinstance(record, dict):
        return record.get(field.name, _MISSING)
    return getattr(record, field.name, _MISSING)


def _equal(one: Any, other: Any) -> bool:  # noqa: ANN401
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - of the user's own type
        return False


def _is_row(value: object) -> bool:
    return not isinstance(value, str | bytes | set | frozenset | dict) and hasattr(value, "__len__")


def _is_same(given: Any, found: Any, column: Callable[[Any], Any]) -> bool:  # noqa: ANN401
    """Whether two values without places in them say the same."""
    if _equal(given, found):
        return True
    if type(given) is type(found) and not _is_time(given):
        # What has no notion of being equal is as its own validator has made it.
        return "__eq__" not in {name for base in type(given).__mro__[:-1] for name in vars(base)}
    return bool(column(given) == column(found))


def _is_time(value: object) -> bool:
    return isinstance(value, datetime)


def _is_one_kind(given: object, found: object) -> bool:
    numbers = int | float | Decimal
    both_numbers = isinstance(given, numbers) and isinstance(found, numbers)
    are_flags = isinstance(given, bool), isinstance(found, bool)
    return type(given) is type(found) or (both_numbers and are_flags[0] == are_flags[1])


def _option(shape: Choice, given: object) -> Shape:
    """The option that a value is of."""
    for option in shape.options:
        real = option.real()
        if isinstance(real, Choice):
            real = _option(real, given).real()
        match real:
            case Record() if real.cls is not None and type(given) is real.cls:
                return real
            case Map() if isinstance(given, dict):
                return real
            case Items() if type(given) is real.make:
                return real
    return shape


def _of_other_type(given: object, found: object) -> str:
    return (
        f"would be read back as {type(found).__name__}, not as the {type(given).__name__} that it is; "
        "give the types of a union something that tells them apart, such as a discriminator"
    )
