"""Rows as models, with their attributes in them wherever they are kept."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from runtime.generics import AttributesT
from runtime.model.models import CommandModel, DataListModel, DataModel
from runtime.store.answer_size import PAGE_BYTES, answer_bytes, answer_size
from runtime.store.codec import opened, opened_row, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.model.schema import Schema
    from runtime.store.attributes import LargeAttributes
    from runtime.store.values import Row

__all__ = ["RowReader"]


class RowReader(Generic[AttributesT]):
    """Makes models of a module's rows. Large attributes cost one call each.

    Args:
        large_attributes: Where attributes are that are too large for a row.
        schema: Schema versions of the attributes.
        attributes: Type of the attributes: a pydantic model, or ``dict[str, Any]``.
    """

    def __init__(
        self,
        large_attributes: LargeAttributes,
        schema: Schema,
        attributes: Any,  # noqa: ANN401 - a type
    ) -> None:
        self._large_attributes = large_attributes
        self._schema = schema
        self._attributes = attributes

    def command(self, row: Row) -> CommandModel[AttributesT]:
        """The command in a row of the command table."""
        return self._command_model.model_validate(self.values(row))

    def data(self, row: Row) -> DataModel[AttributesT]:
        """The state in a row of the data or history table."""
        return self._data_model.model_validate(self.values(row))

    def page(
        self,
        rows: Iterable[Row],
        last_sk: str | None,
        *,
        first: Iterable[Row] = (),
        max_bytes: int | None = None,
    ) -> DataListModel[AttributesT]:
        """A page of rows that ends where the next one does not fit; each is loaded when its turn comes.

        Args:
            rows: The rows, in their order.
            last_sk: Sort key to go on after, when all of them are on the page.
            first: Rows that come before them, in no order: as many as fit into half of the page. The
                others are not on it.
            max_bytes: Bytes that the page may take in an answer. An item that alone takes more is
                left out, and named. Default: 3.5 MB; such an item is a page of its own.
        """
        limit, used, before = max_bytes or PAGE_BYTES, 0, None
        items: list[DataModel[AttributesT]] = []
        too_large: list[str] = []
        for row in first:
            item, size = self._sized(row)
            if used + size <= limit // 2:
                used += size
                items.append(item)
        new = len(items)
        for row in rows:
            item, size = self._sized(row)
            if max_bytes is not None and size > limit:
                too_large.append(row["sk"])
            elif len(items) > new and used + size > limit:
                last_sk = before
                break
            else:
                used += size
                items.append(item)
            before = row["sk"]
        return DataListModel(items=items, last_sk=last_sk, too_large=too_large or None)

    def fitting(self, rows: Iterable[Row], max_bytes: int) -> list[DataModel[AttributesT]]:
        """The first of ``rows`` that together take ``max_bytes`` in an answer; one at least."""
        found: list[DataModel[AttributesT]] = []
        used = 0
        for row in rows:
            item, size = self._sized(row)
            used += size
            if found and used > max_bytes:
                break
            found.append(item)
        return found

    def _sized(self, row: Row) -> tuple[DataModel[AttributesT], int]:
        """The state in a row, and about how many bytes it takes in an answer."""
        loaded = self._large_attributes.load(row)
        item = self.data(loaded)
        try:
            # What the model makes of its fields counts, too.
            return item, answer_bytes(item.model_dump_json(by_alias=True, warnings=False))
        except (PydanticSerializationError, ValueError):  # bytes that are no text, say
            return item, sum(
                answer_size(value) + answer_bytes(json.dumps(name)) for name, value in loaded.items()
            )

    def values(self, row: Row) -> dict[str, Any]:
        """The columns of any row as Python values, with its attributes in the current schema.

        Raises:
            NewerSchemaError: The row has a schema that this code does not know.
            UpcastError: An upcaster failed.
        """
        is_current = self._schema.is_current(row)
        values = opened_row(self._large_attributes.load(row))
        if not is_current and isinstance(attributes := values.get("attributes"), dict):
            values["attributes"] = self._schema.upcast(row, attributes)
        return values

    def contents(self, row: Row) -> Iterator[Any]:
        """The attributes of a row as Python values, in each form that says the same.

        As they are stored; of an older schema, as upcast, and as the model writes that.
        """
        if self._schema.is_current(row):
            yield opened(self._large_attributes.load(row).get("attributes"))
            return
        values = self.values(row)
        yield _stored(values.get("attributes"))
        with suppress(ValidationError):  # what does not fit the model is not what it writes
            yield _stored(self._data_model.model_validate(values).attributes)

    @cached_property
    def _command_model(self) -> type[CommandModel[AttributesT]]:
        return cast("type[CommandModel[AttributesT]]", CommandModel.__class_getitem__(self._attributes))

    @cached_property
    def _data_model(self) -> type[DataModel[AttributesT]]:
        return cast("type[DataModel[AttributesT]]", DataModel.__class_getitem__(self._attributes))


def _stored(attributes: Any) -> Any:  # noqa: ANN401 - of the user's model
    """Attributes as they would be read back."""
    return opened(sealed(attributes, path="attributes"))
