"""Whether a publish would change anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runtime.store.codec import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.store.values import Row

__all__ = ["is_unchanged"]

_COMPARED: Final = ("id", "code", "name", "tenantCode", "type", "isDeleted", "seq")


def is_unchanged(stored: Row, command: Row, contents: Callable[[Row], Iterable[Any]]) -> bool:
    """Whether ``command`` says nothing that ``stored`` does not say already.

    A field that is absent, one that is null and a flag that is false are the same thing.
    Retention is not content, so ``ttl`` does not count.

    Args:
        stored: The command or data row of the version that is built on.
        command: What the caller publishes, with its attributes in it.
        contents: The attributes of the stored row, in each form that says the same.
    """
    if any(_said(opened(stored.get(name))) != _said(opened(command.get(name))) for name in _COMPARED):
        return False
    if "attributes" in stored and stored["attributes"] == command.get("attributes"):
        return True
    wanted = _said(opened(command.get("attributes")))
    # Last, since large attributes have to be fetched.
    return any(_said(form) == wanted for form in contents(stored))


def _said(value: Any) -> Any:  # noqa: ANN401 - any value
    """What a value says: a flag that is false, like null, says nothing."""
    return None if value is False else _nested(value)


def _nested(value: Any) -> Any:  # noqa: ANN401
    # Inside attributes a flag that is false is a value of its own, and never the number 0.
    if isinstance(value, bool):
        return ("flag", value)
    if isinstance(value, dict):
        fields = {name: _nested(inner) for name, inner in value.items()}
        return {name: inner for name, inner in fields.items() if inner is not None}
    return [_nested(inner) for inner in value] if isinstance(value, list) else value
