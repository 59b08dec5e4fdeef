"""Walking through values by the shape of their type."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from runtime.model.shape import Choice, Items, Leaf, Map, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.model.shape import Field, Shape

__all__ = ["changed_at", "chosen", "without_computed"]


def changed_at(shape: Shape, value: Any, change: Callable[[Leaf, Any], Any]) -> Any:  # noqa: ANN401, PLR0911 - one case a shape
    """A value as it is stored or shown, with each of its leaves as ``change`` makes it."""
    shape = shape.real()
    match shape:
        case Leaf():
            return change(shape, value)
        case Record() if isinstance(value, dict):
            return {
                name: changed_at(shape.names[name].shape, inner, change) if name in shape.names else inner
                for name, inner in value.items()
            }
        case Map() if isinstance(value, dict):
            return {name: changed_at(shape.value, inner, change) for name, inner in value.items()}
        case Items() if isinstance(value, list | tuple | deque):
            found = [changed_at(shape.of(index), inner, change) for index, inner in enumerate(value)]
            return tuple(found) if isinstance(value, tuple) else found
        case Items() if isinstance(value, set | frozenset):
            return type(value)(changed_at(shape.of(0), inner, change) for inner in value)
        case Choice():
            if isinstance(value, dict):
                option = chosen(shape, value)
                return value if option is None else changed_at(option, value, change)
            for option in shape.options:
                value = changed_at(option, value, change)
    return value


def without_computed(shape: Shape, value: Any) -> Any:  # noqa: ANN401
    """A value as it is stored, without computed fields."""
    shape = shape.real()
    match shape:
        case Record() if isinstance(value, dict):
            return {
                name: without_computed(shape.names[name].shape, inner) if name in shape.names else inner
                for name, inner in value.items()
                if name in shape.names or name not in shape.computed
            }
        case Map() if isinstance(value, dict):
            return {name: without_computed(shape.value, inner) for name, inner in value.items()}
        case Items() if isinstance(value, list):
            return [without_computed(shape.of(index), inner) for index, inner in enumerate(value)]
        case Choice() if isinstance(value, dict):
            option = chosen(shape, value)
            return value if option is None else without_computed(option, value)
        case Choice() if isinstance(value, list):
            option = next((o for o in shape.options if isinstance(o.real(), Items)), None)
            return value if option is None else without_computed(option, value)
    return value


def chosen(shape: Choice, *values: Mapping[str, Any]) -> Shape | None:
    """The option of a union that dictionaries are of; None where it has none for dictionaries.

    The tag decides, where there is one; else which option knows most of the names.

    Args:
        shape: The union.
        *values: The dictionaries, the one that counts most first. Each further one is what the
            others would be merged into.
    """
    if shape.tag is not None and (tagged := shape.by_tag(*values)) is not None:
        return tagged
    options = [option.real() for option in shape.options]
    nested = [chosen(o, *values) if isinstance(o, Choice) else o for o in options]
    fit = [option for option in nested if isinstance(option, Record | Map)]
    ranked = sorted(fit, key=lambda option: [*(_misfit(option, v) for v in values), _lack(option, values)])
    return ranked[0] if ranked else None


def _misfit(option: Shape, value: Mapping[str, Any]) -> float:
    """How many names of a dictionary are none of a record's, or have what it never has there."""
    if not isinstance(option, Record):
        return 0.75  # a mapping takes any name; but a record that knows them all comes first
    unknown = sum(name not in option.names and name not in option.computed for name in value)
    wrong = sum(_is_other(field, value) for field in option.fields)
    return (0.5 * unknown if option.allows_extras else unknown) + 2.0 * wrong


def _is_other(field: Field, value: Mapping[str, Any]) -> bool:
    """Whether a field that is always the same one text has another one."""
    shape = field.shape.real()
    if not isinstance(shape, Leaf) or shape.kind != "literal":
        return False
    expected = shape.schema["schema"]["expected"]
    return any(name in value and value[name] not in expected for name in field.spellings)


def _lack(option: Shape, values: Sequence[Mapping[str, Any]]) -> int:
    """How many fields that a record must have are in none of the dictionaries."""
    if not isinstance(option, Record):
        return 0
    names = {option.names[name].name for value in values for name in value if name in option.names}
    return sum(field.is_required and field.name not in names for field in option.fields)
