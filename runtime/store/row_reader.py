"""Rows as models, with their attributes in them wherever they are kept; and attributes as columns."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from runtime.errors import (
    CorruptRowError,
    CqrsError,
    FieldProblem,
    InvalidInputError,
    UnreadableRowError,
    UpcastError,
)
from runtime.generics import AttributesT
from runtime.log import logger
from runtime.model.attributes_type import attributes_type
from runtime.model.differences import differences
from runtime.model.json_text import dumps
from runtime.model.models import CommandModel, DataListModel, DataModel, UnreadableRow
from runtime.model.rows import version_of
from runtime.model.validation import field_problems
from runtime.store.answer_size import PAGE_BYTES, answer_bytes, answer_size
from runtime.store.attribute_json import as_stored
from runtime.store.codec import opened, opened_row, sealed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runtime.model.schema import Schema
    from runtime.store.attributes import LargeAttributes
    from runtime.store.values import Row, Value

__all__ = ["UNREAD", "Readable", "RowReader", "Written"]

_COLUMN: Final = "attributes"
_ModelT = TypeVar("_ModelT", CommandModel[Any], DataModel[Any])


class _Unread:
    """The kind of `UNREAD`."""


UNREAD: Final = _Unread()
"""In place of attributes that have to be read from their row."""


@dataclass(frozen=True, slots=True)
class Written:
    """Attributes as they will be stored.

    Attributes:
        column: The column; None where there are none.
        attributes: What is read of it, or `UNREAD`.
    """

    column: Value
    attributes: Any


@dataclass(frozen=True, slots=True)
class Readable(Generic[AttributesT]):
    """Rows, as far as the model of today accepts them.

    Attributes:
        items: Those that it accepts.
        unreadable: The others; None where there are none.
        last: The last one of the rows.
    """

    items: list[DataModel[AttributesT]]
    unreadable: list[UnreadableRow] | None
    last: Row | None = None


class RowReader(Generic[AttributesT]):
    """Makes models of a module's rows. Large attributes cost one call each.

    Args:
        large_attributes: Where attributes are that are too large for a row.
        schema: Schema versions of the attributes.
        attributes: Type of the attributes: a pydantic model, or ``dict[str, Any]``.
        module: Logical name of the module, for errors.
    """

    def __init__(
        self,
        large_attributes: LargeAttributes,
        schema: Schema,
        attributes: Any,  # noqa: ANN401 - a type
        module: str = "",
    ) -> None:
        self._large_attributes = large_attributes
        self._schema = schema
        self._attributes = attributes
        self._type = attributes_type(attributes)
        self._module = module

    def command(self, row: Row, attributes: Any = UNREAD) -> CommandModel[AttributesT]:  # noqa: ANN401
        """The command in a row of the command table.

        Args:
            row: The row.
            attributes: Its attributes, where they are known.

        Raises:
            UnreadableRowError: Today's model does not accept it.
        """
        return self._model(self._command_model, row, attributes)

    def data(self, row: Row) -> DataModel[AttributesT]:
        """The state in a row of the data or history table.

        Raises:
            UnreadableRowError: Today's model does not accept it.
        """
        return self._model(self._data_model, row, UNREAD)

    def readable(self, rows: Iterable[Row]) -> Readable[AttributesT]:
        """The states in rows, and which rows do not fit the model: one of them never hides the others."""
        items: list[DataModel[AttributesT]] = []
        unreadable: list[UnreadableRow] = []
        for row in rows:
            try:
                items.append(self.data(row))
            except (CorruptRowError, UpcastError) as error:
                logger.warning("row cannot be read", error=type(error).__name__)
                unreadable.append(unreadable_row(row, error))
        return Readable(items, unreadable or None)

    def any_command(self, row: Row) -> CommandModel[AttributesT]:
        """The command in a row, also in one that the model does not accept.

        For what must go on whatever the model has become: deleting, erasing, and the answer to a
        publish that has left the attributes alone. Then they are a dictionary, as they are stored.
        """
        return self._model(self._command_model, row, self.any_attributes(row))

    def attributes(self, row: Row) -> AttributesT:
        """The attributes of a row, whatever else is in it.

        Raises:
            UnreadableRowError: Today's model does not accept them.
        """
        found: AttributesT = self._read(row, self.values(row).get(_COLUMN))
        return found

    def any_attributes(self, row: Row) -> Any:  # noqa: ANN401 - of the model, or not
        """The attributes of a row; a dictionary, as they are stored, where the model does not accept them."""
        with suppress(CorruptRowError, UpcastError):
            return self._read(row, self.values(row).get(_COLUMN))
        with suppress(CorruptRowError):
            return opened(self._large_attributes.load(row).get(_COLUMN))
        return None

    def stored_attributes(self, row: Row) -> dict[str, Any]:
        """The attributes of a row in DynamoDB's own JSON, whatever the model says of them.

        Of a reference that leads to nothing, the reference.
        """
        with suppress(CorruptRowError):
            row = self._large_attributes.load(row)
        return as_stored(row.get(_COLUMN))

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
        unreadable: list[UnreadableRow] = []
        too_large: list[str] = []
        for row in first:
            item, size = self._sized(row)
            if used + size <= limit // 2:
                used += size
                _add(item, items, unreadable)
        new = len(items) + len(unreadable)
        for row in rows:
            item, size = self._sized(row)
            if max_bytes is not None and size > limit:
                too_large.append(row["sk"])
            elif len(items) + len(unreadable) > new and used + size > limit:
                last_sk = before
                break
            else:
                used += size
                _add(item, items, unreadable)
            before = row["sk"]
        return DataListModel(
            items=items, last_sk=last_sk, unreadable=unreadable or None, too_large=too_large or None
        )

    def fitting(self, rows: Iterable[Row], max_bytes: int) -> Readable[AttributesT]:
        """The first of ``rows`` that together take ``max_bytes`` in an answer; one at least."""
        items: list[DataModel[AttributesT]] = []
        unreadable: list[UnreadableRow] = []
        used, last = 0, None
        for row in rows:
            item, size = self._sized(row)
            used += size
            if last is not None and used > max_bytes:
                break
            _add(item, items, unreadable)
            last = row
        return Readable(items, unreadable or None, last)

    def _sized(self, row: Row) -> tuple[DataModel[AttributesT] | UnreadableRow, int]:
        """The state in a row, or that it cannot be read; and about how many bytes it takes in an answer."""
        try:
            loaded = self._large_attributes.load(row)
            item = self.data(loaded)
        except (CorruptRowError, UpcastError) as error:
            logger.warning("row cannot be read", error=type(error).__name__)
            problem = unreadable_row(row, error)
            return problem, answer_bytes(problem.model_dump_json(by_alias=True))
        if problems := self._not_shown(item.attributes):
            problem = unreadable_row(row, self._unreadable(row, problems))
            return problem, answer_bytes(problem.model_dump_json(by_alias=True))
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
        if not is_current and isinstance(attributes := values.get(_COLUMN), dict):
            values[_COLUMN] = self._schema.upcast(row, attributes)
        if _COLUMN in values:
            values[_COLUMN] = self._type.without_computed(values[_COLUMN])
        return values

    def contents(self, row: Row) -> Iterator[Any]:
        """The attributes of a row as Python values, in each form that says the same.

        As they are stored; of an older schema, as upcast; and as the model writes them.
        """
        row = self._large_attributes.load(row)
        if self._schema.is_current(row):
            yield opened(row.get(_COLUMN))
            if self._type.is_free:
                return
        values = self.values(row).get(_COLUMN)
        yield opened(sealed(values, path=_COLUMN))
        if self._type.is_free:
            return
        try:
            yield opened(self._column(self._type.read({} if values is None else values)))
        except (ValidationError, CqrsError):
            return  # what does not fit the model is not what it writes
        except Exception:  # noqa: BLE001 - of the model's own validators
            return

    def written(self, attributes: Any, values: Any = UNREAD) -> Written:  # noqa: ANN401 - of the model
        """Attributes as a column, once it is sure that the model reads from it what it is given here.

        Args:
            attributes: The attributes, of the module's type.
            values: What is to be stored of them, where that is more than the model itself writes. What
                they lack, and the model makes up, is stored as it is in ``attributes``: once, for good.

        Raises:
            InvalidInputError: A value cannot be stored, would not be accepted when it is read, or
                would be read as something else.
        """
        if self._type.is_free:
            column = None if attributes is None else sealed(attributes, path=_COLUMN)
            return Written(column, opened(column))
        if attributes is None:
            attributes = self._of_nothing()
        if values is UNREAD:
            return self._read_back(attributes, self._column(attributes))
        if self._type.makes_up:
            values = self._type.completed(values, self.stored(attributes))
        try:
            return self._read_back(attributes, sealed(values, path=_COLUMN))
        except InvalidInputError:
            # A validator may make up what is missing, too.
            whole = self._type.completed(values, self.stored(attributes), all_fields=True)
            if whole == values:
                raise
            return self._read_back(attributes, sealed(whole, path=_COLUMN))

    def _read_back(self, attributes: Any, column: Value) -> Written:  # noqa: ANN401 - of the model
        try:
            found = self._type.read(opened(column))
        except ValidationError as error:
            refused = [
                FieldProblem(problem.field, f"would not be accepted when it is read back: {problem.message}")
                for problem in field_problems(error, prefix=f"{_COLUMN}.")
            ]
            raise InvalidInputError(refused) from error
        problems = [*differences(self._type.shape, attributes, found, self._any_column)]
        problems = problems or self._not_shown(found)
        if problems:
            raise InvalidInputError(problems)
        return Written(column, found)

    def checked(self, values: Any) -> Any:  # noqa: ANN401
        """Attributes of the module's type, of what is stored with a change in it.

        Raises:
            InvalidInputError: The model does not accept them, by the rules that hold today.
        """
        try:
            return self._type.checked({} if values is None else values)
        except ValidationError as error:
            raise InvalidInputError(field_problems(error, prefix=f"{_COLUMN}.")) from error

    def check_today(self, attributes: Any) -> None:  # noqa: ANN401 - of the model
        """Refuse attributes that the rules of today do not allow, however they were made.

        Raises:
            InvalidInputError: The model does not accept what is written of them, or takes it for
                something else, such as another option of a union.
        """
        if self._type.is_free or attributes is None:
            return
        found = self.checked(self.stored(attributes))
        if problems := [*differences(self._type.shape, attributes, found, self._any_column)]:
            raise InvalidInputError(problems)

    def kept(self, raw: Any, old: Any, new: Any) -> Any:  # noqa: ANN401 - stored values
        """What is to be stored of changed attributes, with what the model does not know of them.

        Args:
            raw: What is stored before.
            old: What the model writes of that.
            new: What the model writes of the new ones.
        """
        return new if self._type.is_free else self._type.kept(raw, old, new)

    def _not_shown(self, attributes: Any) -> list[FieldProblem]:  # noqa: ANN401 - of the model
        """What of the computed fields, which are not stored, no answer could have in it."""
        if not self._type.has_computed:
            return []
        names = getattr(type(attributes), "model_computed_fields", {})
        parts = {f"{_COLUMN}.{field.alias or name}": name for name, field in names.items()}
        for path, name in [*parts.items(), (_COLUMN, None)]:
            try:
                dumps(attributes if name is None else getattr(attributes, name))
            except Exception as error:  # noqa: BLE001 - of the user's own property
                message = f"has a computed value that no answer can show ({type(error).__name__})"
                return [FieldProblem(path, message)]
        return []

    def stored(self, attributes: Any) -> Any:  # noqa: ANN401
        """Attributes as the values that will be read of their column."""
        return opened(self._column(attributes))

    def _of_nothing(self) -> Any:  # noqa: ANN401
        try:
            return self._type.read({})
        except ValidationError as error:
            raise InvalidInputError(field_problems(error, prefix=f"{_COLUMN}.")) from error

    def _column(self, attributes: Any) -> Value:  # noqa: ANN401
        return sealed(self._type.plain(attributes), path=_COLUMN, typed=True)

    @staticmethod
    def _any_column(value: Any) -> Value:  # noqa: ANN401
        return sealed(value, path=_COLUMN, typed=True)

    def _model(self, model: type[_ModelT], row: Row, attributes: Any) -> _ModelT:  # noqa: ANN401
        if attributes is UNREAD:
            values = self.values(row)
            attributes = self._read(row, values.pop(_COLUMN, None))
        else:
            values = opened_row({name: column for name, column in row.items() if name != _COLUMN})
        try:
            found = model.model_validate(values)
        except ValidationError as error:
            raise self._unreadable(row, field_problems(error)) from error
        if attributes is not None:
            found.attributes = attributes
        return found

    def _read(self, row: Row, raw: Any) -> Any:  # noqa: ANN401
        if raw is None and self._type.is_free:
            return None
        try:
            return self._type.read({} if raw is None else raw)
        except ValidationError as error:
            if raw is None:
                return None  # of another writer, or of before attributes were required
            problems = field_problems(error, prefix=f"{_COLUMN}.")
        except CqrsError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a validator of the model raises
            # Not chained: what it says may quote the attributes.
            message = f"a validator of the model raised {type(error).__name__}"
            problems = [FieldProblem(_COLUMN, message)]
        raise self._unreadable(row, problems)

    def _unreadable(self, row: Row, problems: list[FieldProblem]) -> UnreadableRowError:
        return UnreadableRowError(self._module, str(row.get("pk")), str(row.get("sk")), problems)

    @cached_property
    def _command_model(self) -> type[CommandModel[AttributesT]]:
        return cast("type[CommandModel[AttributesT]]", CommandModel.__class_getitem__(self._attributes))

    @cached_property
    def _data_model(self) -> type[DataModel[AttributesT]]:
        return cast("type[DataModel[AttributesT]]", DataModel.__class_getitem__(self._attributes))


def unreadable_row(row: Row, error: CqrsError) -> UnreadableRow:
    """What a list says of a row that cannot be read."""
    problems = (
        list(error.problems)
        if isinstance(error, UnreadableRowError)
        else [FieldProblem(_COLUMN, "cannot be brought to the model of today, or are not in the bucket")]
    )
    try:
        version: int | None = version_of(row)
    except CorruptRowError:
        version = None
    return UnreadableRow(pk=str(row["pk"]), sk=str(row["sk"]), version=version, problems=problems)


def _add(
    item: DataModel[AttributesT] | UnreadableRow,
    items: list[DataModel[AttributesT]],
    unreadable: list[UnreadableRow],
) -> None:
    if isinstance(item, UnreadableRow):
        unreadable.append(item)
    else:
        items.append(item)
