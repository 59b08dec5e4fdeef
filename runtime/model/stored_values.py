"""What is stored of a value that has changed: what its type writes, and all that was there besides.

A row may have more than today's type knows, and it may lack what the type makes up when it reads it.
What is stored of a changed value keeps the one to the letter, and has the other from then on.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from runtime.model.json_values import has_typed_keys, typed_key
from runtime.model.shape import Choice, Items, Map, Record
from runtime.model.shape_walk import chosen

if TYPE_CHECKING:
    from runtime.model.shape import Field, Shape

__all__ = ["completed", "kept", "makes_up"]

#: What makes the same of nothing each time.
_EMPTY: Final = frozenset({list, dict, set, frozenset, tuple, str, int, float, bool, bytes})


def kept(shape: Shape, raw: Any, old: Any, new: Any) -> Any:  # noqa: ANN401, PLR0911 - stored values, one case a shape
    """What is to be stored of a new value: the old one's letters where both say the same.

    In an object, at any depth, what the type does not know stays. Of a list, the items stay that are
    in the new one, too.

    Args:
        shape: Shape of the type.
        raw: What is stored of the old value.
        old: What the type writes of the old value.
        new: What the type writes of the new one.
    """
    if _is_same(old, new):
        return raw
    shape = shape.real()
    match shape:
        case Choice() if isinstance(new, list):
            option = next((o for o in shape.options if isinstance(o.real(), Items)), None)
            return new if option is None else kept(option, raw, old, new)
        case Choice() if isinstance(old, dict) and isinstance(new, dict):
            return _kept_choice(shape, raw, old, new)
        case Record() if isinstance(raw, dict) and isinstance(old, dict) and isinstance(new, dict):
            return _kept_record(shape, raw, old, new)
        case Map() if isinstance(raw, dict) and isinstance(old, dict) and isinstance(new, dict):
            return _kept_map(shape, raw, old, new)
        case Items() if isinstance(raw, list) and isinstance(old, list) and isinstance(new, list):
            return _kept_items(raw, old, new)
    return new


def _kept_record(
    shape: Record, raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    spelled = {name: field for field in shape.fields for name in field.spellings}
    for name, value in raw.items():
        field = spelled.get(name)
        stored = name if field is None else field.stored
        inner = shape.extras if field is None else field.shape
        if stored in new and stored in old:
            changed = kept(inner, value, old[stored], new[stored])
            found[name if changed is value else stored] = changed
        elif stored not in new and stored not in old:
            found[name] = value
    there = {spelled[name].stored if name in spelled else name for name in raw}
    missing = {name: value for name, value in new.items() if name not in there}
    # A default that nothing has changed is not written into the row.
    return found | {n: v for n, v in missing.items() if n not in old or not _is_same(old[n], v)}


def _kept_choice(shape: Choice, raw: Any, old: dict[str, Any], new: dict[str, Any]) -> Any:  # noqa: ANN401
    was, option = chosen(shape, old), chosen(shape, new)
    if option is was and option is not None:
        return kept(option, raw, old, new)
    if isinstance(was, Record) and isinstance(option, Record) and isinstance(raw, dict):
        return {name: value for name, value in raw.items() if name not in was.names} | new
    return new


def _kept_map(shape: Map, raw: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    names = {_meant(shape, name): name for name in raw}
    found = {}
    for name, value in new.items():
        there = names.get(_meant(shape, name))
        if there is None or name not in old:
            found[name] = value
            continue
        changed = kept(shape.value, raw[there], old[name], value)
        found[there if changed is raw[there] else name] = changed
    return found


def _kept_items(raw: list[Any], old: list[Any], new: list[Any]) -> list[Any]:
    if len(raw) != len(old):
        return new
    left = [*range(len(old))]
    found = []
    for value in new:
        index = next((index for index in left if _is_same(old[index], value)), None)
        if index is None:
            found.append(value)
        else:
            left.remove(index)
            found.append(raw[index])
    return found


def completed(shape: Shape, values: Any, written: Any, *, all_fields: bool = False) -> Any:  # noqa: ANN401
    """What is to be stored, with the fields that the type would make up anew at each reading.

    Args:
        shape: Shape of the type.
        values: What is to be stored.
        written: What the type writes of what it has read of ``values``.
        all_fields: Take every field that is missing, for a type whose validators make one up.
    """
    return _Completion(all_fields=all_fields).of(shape, values, written)


class _Completion:
    def __init__(self, *, all_fields: bool) -> None:
        self._all_fields = all_fields

    def of(self, shape: Shape, values: Any, written: Any) -> Any:  # noqa: ANN401 - stored values
        shape = shape.real()
        match shape:
            case Record() if isinstance(values, dict) and isinstance(written, dict):
                return self._record(shape, values, written)
            case Map() if isinstance(values, dict) and isinstance(written, dict):
                meant = {_meant(shape, name): value for name, value in written.items()}
                of_key = {name: meant.get(_meant(shape, name), value) for name, value in values.items()}
                return {name: self.of(shape.value, value, of_key[name]) for name, value in values.items()}
            case Items():
                return self._items(shape, values, written)
            case Choice():
                option = _option(shape, written)
                return values if option is None else self.of(option, values, written)
        return values

    def _record(self, shape: Record, values: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
        spellings = {name for field in shape.fields for name in field.spellings}
        found = {
            name: value
            if name in spellings or name not in written
            else self.of(shape.extras, value, written[name])
            for name, value in values.items()
        }
        for field in shape.fields:
            if field.stored not in written:
                continue
            value = written[field.stored]
            name = next((name for name in field.spellings if name in values), None)
            if name is not None:
                found[name] = self.of(field.shape, values[name], value)
            elif self._all_fields or _is_made_up(field):
                found[field.stored] = value
        return found

    def _items(self, shape: Items, values: Any, written: Any) -> Any:  # noqa: ANN401 - stored values
        are_lists = isinstance(values, list) and isinstance(written, list)
        if not are_lists or len(values) != len(written):
            return values
        pairs = enumerate(zip(values, written, strict=True))
        return [self.of(shape.of(index), one, other) for index, (one, other) in pairs]


def _option(shape: Choice, written: Any) -> Shape | None:  # noqa: ANN401
    if isinstance(written, dict):
        return chosen(shape, written)
    if isinstance(written, list):
        return next((option for option in shape.options if isinstance(option.real(), Items)), None)
    return None


def _is_made_up(field: Field) -> bool:
    """Whether the value of a field that is missing may be another one each time."""
    if _has_factory(field):
        return True
    factory = field.schema.get("default_factory")
    is_there = factory not in _EMPTY if factory is not None else bool(field.schema.get("default"))
    # A default that was made when the module was imported is another one in another process.
    return makes_up(field.shape) and is_there


def _has_factory(field: Field) -> bool:
    factory, shape = field.schema.get("default_factory"), field.shape.real()
    is_own = isinstance(shape, Record) and factory is shape.cls  # then its fields tell
    return factory is not None and not is_own and factory not in _EMPTY


@cache
def makes_up(shape: Shape) -> bool:
    """Whether a type makes up a field somewhere that is missing in what it reads."""
    seen: set[Shape] = set()
    waiting = [shape]
    while waiting:
        found = waiting.pop().real()
        if found in seen:
            continue
        seen.add(found)
        match found:
            case Record():
                if any(_has_factory(field) for field in found.fields):
                    return True
                waiting += [field.shape for field in found.fields] + [found.extras]
            case Map():
                waiting.append(found.value)
            case Items():
                waiting += [*found.first, *([found.rest] if found.rest else [])]
            case Choice():
                waiting += found.options
    return False


def _meant(shape: Map, name: str) -> Any:  # noqa: ANN401 - a key of any type
    """What the text of a key means: it may be stored in another spelling than the model's."""
    return typed_key(shape.key, name) if has_typed_keys(shape) else name


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - stored values
    """Whether two values are stored alike; a flag is no number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
