"""What an item is, and what it would become: what rules are asked about, and commands are made of."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict

from runtime.generics import AttributesT
from runtime.identity.user import UserContext, user_in
from runtime.model.keys import KEY_SEPARATOR, DetailKey, get_tenant_code
from runtime.model.rows import is_deleted, ttl_of, version_of
from runtime.store.codec import opened

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from runtime.identity.context import InvokeContext
    from runtime.store.row_reader import RowReader
    from runtime.store.values import Row

__all__ = ["Change", "Operation", "State", "StateFields", "state_of"]

Operation = Literal["create", "update", "delete", "restore"]
"""What becomes of an item: it is new, another, softly deleted, or back after that."""


class StateFields(TypedDict, Generic[AttributesT], total=False):
    """The fields of a `State` that can be others in the next one; see there."""

    code: str
    name: str
    type: str
    is_deleted: bool
    seq: int | None
    ttl: int | None
    attributes: AttributesT


class Attributes:
    """The attributes of a state: read from the row when somebody looks at them.

    Attributes:
        error: Why they could not be read, once that was tried.
    """

    def __init__(self, rows: RowReader[Any], row: Row) -> None:
        self._rows = rows
        self._row = row
        self.error: Exception | None = None
        self._found: list[Any] = []
        self._read_as: Any = None

    def value(self) -> Any:  # noqa: ANN401 - of the module's type
        """The attributes, the same object each time."""
        if not self._found:
            try:
                found = self._rows.attributes(self._row)
            except Exception as error:
                self.error = error
                raise
            self._read_as = self.plain(found)
            self._found.append(found)
        return self._found[0]

    def raw(self) -> Any:  # noqa: ANN401 - any stored value
        """What is stored of them, fields that the model does not know included."""
        return self._rows.values(self._row).get("attributes")

    def as_read(self) -> Any:  # noqa: ANN401
        """What the model writes of them."""
        self.value()
        return self._read_as

    def are_changed(self) -> bool:
        """Whether somebody has changed them in place."""
        return bool(self._found) and self.plain(self._found[0]) != self._read_as

    def plain(self, attributes: Any) -> Any:  # noqa: ANN401
        """What the model writes of some attributes."""
        return None if attributes is None else self._rows.stored(attributes)


class _Given:
    """Attributes that somebody has made."""

    error: Exception | None = None

    def __init__(self, attributes: Any) -> None:  # noqa: ANN401
        self._attributes = attributes

    def value(self) -> Any:  # noqa: ANN401
        return self._attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Generic[AttributesT]):  # noqa: PLW1641 - the dataclass makes a hash, since it is frozen
    """What an item is at one version, or is about to be.

    Attributes:
        key: Its key; the sort key without a version.
        version: Its version.
        code: Business code.
        name: Name for people.
        type: Kind of item.
        is_deleted: Whether it is softly deleted.
        seq: Sequence number, where it has one.
        ttl: When it may be deleted for good, in seconds since 1970; None for never.
        updated_by: User who published it; None where nobody signed in.

    Two are equal where all of these and the attributes are. Attributes are read for that, if need be.
    """

    key: DetailKey
    version: int
    code: str
    name: str
    type: str
    is_deleted: bool
    seq: int | None
    ttl: int | None
    updated_by: str | None
    held: Attributes | _Given = field(repr=False, compare=False)  # compared by what it holds

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        if not isinstance(other, State):
            return NotImplemented
        if any(getattr(self, one.name) != getattr(other, one.name) for one in fields(self) if one.compare):
            return False
        return self.held is other.held or bool(self.attributes == other.attributes)

    @property
    def attributes(self) -> AttributesT:
        """The item's own fields, of the module's type. They are a copy: to change them, see `replace`.

        Large ones cost one call, when they are looked at for the first time.

        Raises:
            UnreadableRowError: Today's model does not accept what is stored.
        """
        found: AttributesT = self.held.value()
        return found

    @property
    def sk(self) -> str:
        """Sort key, without a version."""
        return self.key.sk

    @property
    def tenant_code(self) -> str | None:
        """The tenant that it belongs to."""
        return get_tenant_code(self.key.pk)

    def replace(self, **fields: Unpack[StateFields[AttributesT]]) -> State[AttributesT]:
        """This state with other fields: for a rule or a command to return.

        Example:
            >>> state.replace(attributes=state.attributes.model_copy(update={"paid": True}))
        """
        values: dict[str, Any] = dict(fields)
        if "attributes" in values:
            values["held"] = _Given(values.pop("attributes"))
        return replace(self, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[AttributesT]):
    """What is about to become of an item, whatever way it came in.

    Attributes:
        before: The state that the next version builds on, pending ones included. None for a new
            item; also where one with this key was erased, or has expired. One that was deleted
            softly is there, with ``is_deleted``.
        after: The whole next state.
        invoke_context: Who asks.
    """

    before: State[AttributesT] | None
    after: State[AttributesT]
    invoke_context: InvokeContext

    @property
    def operation(self) -> Operation:
        """What becomes of the item."""
        if self.before is None:
            return "create"
        if self.before.is_deleted == self.after.is_deleted:
            return "update"
        return "delete" if self.after.is_deleted else "restore"

    @property
    def user(self) -> UserContext:
        """Who asks, with the roles and groups that they have in the item's tenant."""
        return user_in(self.after.tenant_code, self.invoke_context)


def state_of(rows: RowReader[Any], key: DetailKey, row: Row) -> State[Any]:
    """The state of an item in its command or data row, or what is kept in place of one."""
    return State(
        key=key,
        version=version_of(row),
        code=opened(row.get("code")) or key.sk,
        name=opened(row.get("name")) or "",
        type=opened(row.get("type")) or key.pk.partition(KEY_SEPARATOR)[0],
        is_deleted=is_deleted(row),
        seq=opened(row.get("seq")),
        ttl=opened(ttl_of(row)),
        updated_by=row.get("updatedBy"),
        held=Attributes(rows, row),
    )
