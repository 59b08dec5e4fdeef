"""The mark on a body that is a part of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

__all__ = ["PART", "PartOf"]

#: Where something stands of which only a part may be given; the OpenAPI document does not show it.
PART: Final = "x-cqrs-part"


class PartOf:
    """Annotates a dictionary which is a part of a model, for its schema: it is checked later, as a whole.

    Args:
        kind: The model, or another type.
    """

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 - a type
        self._kind = kind

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema of the model, marked."""
        whole: Any = getattr(self._kind, "__pydantic_core_schema__", None)
        return {PART: handler(schema if whole is None else whole)}
