"""How rows of code tables get into the masters' module: all of them in one way."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.features.masters.data_rows import UpsertResult
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.features.masters.publish import RowChange, publish_rows
from runtime.identity.context import get_command_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.commands.options import PublishOptions
    from runtime.features.masters.access import MasterAccess
    from runtime.features.masters.publish import Published
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel
    from runtime.module import CommandModule

    _Change = Callable[[CommandModel[Any] | None, RowNumbers], Mapping[str, Any] | None]

__all__ = ["RowWrite", "RowWriter", "command_of", "state_of", "written_by"]


class RowWrite(NamedTuple):
    """One write on its way.

    Attributes:
        table: Code table of the row.
        key: Key of the row.
        change: Makes the next state of the latest one, which may be none; it may be called several times.
    """

    table: Table
    key: DetailKey
    change: _Change

    def next(self, latest: CommandModel[Any] | None, numbers: RowNumbers) -> Mapping[str, Any] | None:
        """The next state of the row.

        A row that is there says so: MBC CQRS Serverless overwrites one whose ``isDeleted`` is not false.
        """
        state = self.change(latest, numbers)
        return state if state is None else {"is_deleted": False, **state}


class RowWriter:
    """Writes rows of the masters.

    Args:
        module: The module of masters.
        access: Who may do what.
    """

    def __init__(self, module: CommandModule[Any], access: MasterAccess) -> None:
        self._module = module
        self._access = access

    def write(
        self,
        asked: Sequence[RowWrite],
        options: PublishOptions,
        *,
        counts: bool = False,
        checks: bool = True,
        notify: bool = True,
    ) -> list[UpsertResult]:
        """Write rows, each for itself; what became of them, in their order.

        Args:
            asked: The writes.
            options: See `PublishOptions`.
            counts: Whether rows may get numbers.
            checks: Whether rows are held to their schemas.
            notify: Whether the clients are told.
        """
        if not asked:
            return []
        module = self._module
        numbers = RowNumbers(module.context, (each.table for each in asked), counts=counts, checks=checks)
        own: PublishOptions = {
            "source": get_command_source(module.table_name, "MasterData", "write"),
            **options,
        }
        changes = [RowChange(each.key, partial(each.next, numbers=numbers)) for each in asked]
        published = publish_rows(module, self._access, changes, own, notify=notify, tally=numbers)
        return [_result(each.key, done) for each, done in zip(asked, published, strict=True)]


def _result(key: DetailKey, done: Published) -> UpsertResult:
    if isinstance(done.outcome, Exception):
        return UpsertResult("failed", key, error=done.outcome)
    if done.command is None:
        return UpsertResult("unchanged", key, stored=done.outcome)
    return UpsertResult("created" if done.is_new else "updated", key, done.command)


def state_of(row: CommandModel[Any]) -> dict[str, Any]:
    """What a command says of its row, for the next one."""
    return {name: getattr(row, name) for name in ("code", "name", "type", "seq", "attributes")}


def written_by(result: UpsertResult) -> CommandModel[Any] | None:
    """The command of a write; None where nothing would change.

    Raises:
        Exception: What stood in its way.
    """
    if result.error is not None:
        raise result.error
    return result.command


def command_of(result: UpsertResult) -> CommandModel[Any]:
    """The command of a write that always writes; see `written_by`."""
    command = written_by(result)
    assert command is not None  # noqa: S101 - a new row, and a deleted one, are never what was there
    return command
