"""Whether a publish would change anything."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.store.codec import Item

__all__ = ["is_unchanged"]

_COMPARED: Final = ("id", "code", "name", "tenantCode", "type", "isDeleted", "seq")


def is_unchanged(stored: Item, command: Item, forms: Callable[[Item], Iterable[Item]]) -> bool:
    """Whether ``command`` says nothing that ``stored`` does not say already.

    A field that is absent, one that is null and a flag that is false are the same thing.
    Retention is not content, so ``ttl`` does not count.

    Args:
        stored: The command or data row of the version that is built on.
        command: What the caller publishes, with its attributes in it.
        forms: The stored row with its attributes in it, in each form that says the same.
    """
    if any(_content(stored.get(name)) != _content(command.get(name)) for name in _COMPARED):
        return False
    wanted = _content(command.get("attributes"))
    # Last, since large attributes have to be fetched.
    return any(_content(form.get("attributes")) == wanted for form in forms(stored))


def _content(value: dict[str, Any] | None) -> Any:  # noqa: ANN401, PLR0911 - one return a wire type
    if value is None:
        return None
    ((kind, content),) = value.items()
    match kind:
        case "NULL":
            return None
        case "BOOL":
            return True if content else None
        case "N":
            return (kind, _number(content))
        case "M":
            fields = {name: _nested(v) for name, v in content.items()}
            return (kind, {name: v for name, v in fields.items() if v is not None})
        case "L":
            return (kind, [_nested(v) for v in content])
        case "NS":
            return (kind, {_number(n) for n in content})
        case "SS" | "BS":
            return (kind, set(content))
        case _:
            return (kind, content)


def _nested(value: dict[str, Any]) -> Any:  # noqa: ANN401
    # Inside attributes a flag that is false is a value of its own.
    return ("BOOL", value["BOOL"]) if "BOOL" in value else _content(value)


def _number(text: str) -> Decimal:

    return Decimal(text)
