"""How rows of masters are written: by commands of the module, at once."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from boto3.dynamodb.conditions import Attr

from runtime.commands.options import PublishOptions
from runtime.errors import FieldProblem, InvalidInputError, RowExistsError
from runtime.features.masters.keys import MASTER
from runtime.features.masters.publish import RowChange, living, publish_rows
from runtime.model.keys import generate_id, get_tenant_code
from runtime.store.port import ConditionFailedError, Set

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.features.masters.access import MasterAccess
    from runtime.identity.context import InvokeContext
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel
    from runtime.module import CommandModule
    from runtime.store.values import Value

    Command = CommandModel[dict[str, Any] | None]

__all__ = ["MasterWriter", "Row", "checked_name"]


_COLUMN: Final = "attributes"
_VALUE: Final = "settingValue"


class Row(NamedTuple):
    """A whole row that is to be written.

    Attributes:
        key: Its key.
        code: Its code.
        name: Its name. Default: the one that it has, or the code.
        attributes: What it says.
    """

    key: DetailKey
    code: str
    name: str | None
    attributes: Mapping[str, Any]


def checked_name(name: object) -> str:
    """A name for people.

    Raises:
        InvalidInputError: It is no text, or empty.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidInputError([FieldProblem("name", "must be a text that is not empty")])
    return name


class MasterWriter:
    """Writes rows: each in one call that reads and one that writes, tried again on a conflict.

    Args:
        module: The module of masters.
        access: Who may do what.
        written: Called after each write: what is remembered counts no more.
    """

    def __init__(
        self,
        module: CommandModule[dict[str, Any] | None],
        access: MasterAccess,
        written: Callable[[], None],
    ) -> None:
        self._module = module
        self._access = access
        self._written = written

    def put(self, row: Row, invoke_context: InvokeContext | None, *, must_be_new: bool = False) -> Command:
        """Write a whole row, also over one that was deleted; an unchanged one writes no version.

        Args:
            row: The row.
            invoke_context: Who asks. Default: the HTTP request that is being handled.
            must_be_new: Whether a live row is an error.

        Raises:
            RowExistsError: There is a live row, and it must be new.
        """
        return self._publish(RowChange(row.key, _replacing(row, must_be_new=must_be_new)), invoke_context)

    def put_many(
        self, rows: Sequence[Row], invoke_context: InvokeContext | None
    ) -> list[Command | Exception]:
        """Write whole rows in few calls, each for itself; each as it is then, or why it failed, in order."""
        return self._publish_all([RowChange(row.key, _replacing(row)) for row in rows], invoke_context)

    def take_over(self, key: DetailKey) -> None:
        """Give a row that was put without a command the first version, so that commands can go on from it.

        One call, and another for such a row. Those that commands have written are left alone.
        """
        context = self._module.context
        place = context.data_place(key)
        row = context.store.get(place)
        if row is None or "version" in row:
            return
        columns: dict[str, Value] = {
            "id": generate_id(*key),
            "version": 1,
            "type": MASTER,
            "tenantCode": get_tenant_code(key.pk),
        }
        is_unversioned = Attr("pk").exists() & Attr("version").not_exists()
        with suppress(ConditionFailedError):  # somebody else was first
            context.store.write(Set(place=place, columns=columns, condition=is_unversioned))

    def change(
        self,
        key: DetailKey,
        make: Callable[[Command], Mapping[str, Any]],
        invoke_context: InvokeContext | None,
    ) -> Command:
        """Change a row that is there.

        Args:
            key: Its key.
            make: Gets the row and returns the columns to set; the others stay. May be called again.
            invoke_context: Who asks. Default: the HTTP request that is being handled.

        Raises:
            ItemNotFoundError: There is no such row, or not any more.
        """

        def change(latest: Command | None) -> dict[str, Any]:
            before = living(latest)
            state = _state(key, before.code or "", before.name or "", before.attributes, before)
            return {**state, "seq": before.seq, **make(before)}

        return self._publish(RowChange(key, change), invoke_context)

    def delete(self, key: DetailKey, invoke_context: InvokeContext | None) -> Command:
        """Delete a row softly.

        Raises:
            ItemNotFoundError: There is no such row, or not any more.
        """
        return self.change(key, lambda _before: {"isDeleted": True}, invoke_context)

    def _publish(self, change: RowChange, invoke_context: InvokeContext | None) -> Command:
        done = self._publish_all([change], invoke_context)[0]
        if isinstance(done, Exception):
            raise done
        return done

    def _publish_all(
        self, changes: Sequence[RowChange], invoke_context: InvokeContext | None
    ) -> list[Command | Exception]:
        """Publish, each for itself: a pack takes two calls, where publishing the latest takes four."""
        options = PublishOptions(invoke_context=invoke_context)
        try:
            published = publish_rows(self._module, self._access, changes, options)
        finally:
            self._written()  # also where nobody knows whether it was
        return [_renamed(each.outcome) for each in published]


def _renamed(outcome: Command | Exception) -> Command | Exception:
    """What is wrong with a value, by the name that callers give it."""
    if not isinstance(outcome, InvalidInputError):
        return outcome
    problems = [
        FieldProblem(_VALUE + problem.field.removeprefix(_COLUMN), problem.message)
        if problem.field.partition(".")[0] == _COLUMN
        else problem
        for problem in outcome.problems
    ]
    return type(outcome)(problems).with_traceback(outcome.__traceback__)


def _replacing(row: Row, *, must_be_new: bool = False) -> Callable[[Command | None], dict[str, Any]]:
    def change(before: Command | None) -> dict[str, Any]:
        is_live = before is not None and not before.is_deleted
        if must_be_new and is_live:
            msg = f"there is {row.code!r} already; update it, or choose another code"
            raise RowExistsError(msg)
        kept = before.name if before is not None and is_live else None
        return _state(row.key, row.code, row.name or kept or row.code, row.attributes, before)

    return change


def _state(
    key: DetailKey,
    code: str,
    name: str,
    attributes: Mapping[str, Any] | None,
    before: Command | None,
) -> dict[str, Any]:
    return {
        "pk": key.pk,
        "sk": key.sk,
        "code": code,
        "name": name,
        "type": MASTER,
        "tenantCode": get_tenant_code(key.pk),
        "isDeleted": False,
        "version": before.version if before else 0,
        "attributes": None if attributes is None else dict(attributes),
    }
