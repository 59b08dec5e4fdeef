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
    def of(cls, found: Any) -> ItemList[Any]:  # noqa: ANN401 - checked here
        """What a query returned, whether as an object or as a mapping.

        Raises:
            ConfigurationError: It has no ``items``.
        """
        items = field_of(found, "items")
        # A mapping's `items` is a method where it is not a key.
        if items is None or callable(items) or isinstance(items, str | Mapping):
            msg = f"query must return an object or a mapping with items and total, got {type(found).__name__}"
            raise ConfigurationError(msg)
        return cls(list(items), field_of(found, "total"))


def field_of(item: Any, name: str) -> Any:  # noqa: ANN401 - an item of the caller's
    """Key of a mapping, or attribute of an object; None where it has none."""
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)
