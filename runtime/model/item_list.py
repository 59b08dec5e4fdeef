"""What a query of an external store found, and what a list of it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runtime.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ItemList", "field_of"]

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class ItemList(Generic[ItemT]):
    """Items of an external store.

    Attributes:
        items: One page of them.
        total: How many there are in all, or None when nobody counted.
    """

    items: Sequence[ItemT]
    total: int | None

    @classmethod
    def of(cls, found: Any, *, with_ids: bool) -> ItemList[Any]:  # noqa: ANN401 - checked here
        """What a query returned, whether as an object or as a mapping.

        Args:
            found: What the query returned.
            with_ids: Whether each item must have an id.

        Raises:
            ConfigurationError: It has no items, or items without an id.
        """
        items, total = field_of(found, "items"), field_of(found, "total")
        # A mapping's `items` is a method where it is not a key.
        if items is None or callable(items) or isinstance(items, str | Mapping):
            msg = f"query must return an object or a mapping with items and total, got {type(found).__name__}"
            raise ConfigurationError(msg)
        if not (total is None or isinstance(total, int)):
            msg = f"query must return total as an int or None, got {type(total).__name__}"
            raise ConfigurationError(msg)
        listing = cls(list(items), total)
        if with_ids and any(field_of(item, "id") is None for item in listing.items):
            msg = "query must return items with an id, as key or attribute: that of their command"
            raise ConfigurationError(msg)
        return listing


def field_of(item: Any, name: str) -> Any:  # noqa: ANN401 - an item of the caller's
    """Key of a mapping, or attribute of an object; None where it has none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
