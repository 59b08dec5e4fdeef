"""What one item of a search is: by what the function says that it returns, and in an answer."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, create_model
from pydantic.errors import PydanticUndefinedAnnotation
from typing_extensions import is_typeddict

from runtime.model.item_list import ItemList
from runtime.model.models import CqrsModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["item_of", "items_reader"]


def item_of(search: object) -> Any:  # noqa: ANN401 - a type
    """``Found`` of a function that returns ``ItemList[Found]``; Any where nothing is to be learned.

    Such as of a function that is imported at the first search, one without annotations, or with
    some that mean nothing at run time, and of types that pydantic does not know.
    """
    try:
        returned = get_type_hints(search, include_extras=True).get("return")
    except (NameError, TypeError, AttributeError, SyntaxError):
        return Any
    if get_origin(returned) is not ItemList:
        return Any
    (item,) = get_args(returned)
    if isinstance(item, TypeVar):
        return Any
    try:
        TypeAdapter(list[item])  # type: ignore[valid-type]
    except (PydanticUserError, PydanticUndefinedAnnotation):
        return Any
    return item


def items_reader(item: Any) -> Callable[[Iterable[Any]], list[Any]]:  # noqa: ANN401 - a type
    """A function that reads what a search has found into ``item``, as the document says of it.

    Where that is a dataclass or a `TypedDict`, its names are those that it has in the document: what
    is no model has its names of the model around it.
    """
    around: Any = create_model("Found", __base__=CqrsModel, items=(list[item], ...))
    is_named_by_others = is_dataclass(item) or is_typeddict(item)

    def read(found: Iterable[Any]) -> list[Any]:
        made: Any = around.model_validate({"items": list(found)}, from_attributes=True)
        items: list[Any] = made.model_dump(by_alias=True)["items"] if is_named_by_others else made.items
        return items

    return read
