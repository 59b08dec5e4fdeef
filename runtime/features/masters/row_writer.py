"""How rows of code tables get into the masters' module: all of them in one way."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from runtime.commands.options import publish_id_of
from runtime.commands.packs import PackItem
from runtime.errors import ItemNotFoundError
from runtime.features.masters.data_rows import UpsertResult
from runtime.features.masters.numbering import RowNumbers, Table
from runtime.identity.context import get_command_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.commands.options import PublishOptions
    from runtime.features.masters.access import MasterAccess
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel
    from runtime.module import CommandModule

    _Change = Callable[[CommandModel[Any] | None, RowNumbers], Mapping[str, Any] | None]

__all__ = ["RowWrite", "RowWriter", "command_of", "living", "no_row", "state_of", "written_by"]


@dataclass(slots=True)
class RowWrite:
    """One write on its way.

    Attributes:
        table: Code table of the row.
        key: Key of the row.
        change: Makes the next state of the latest one, which may be none; it may be called several times.
        is_new: Whether the row was not there when it was last looked.
        latest: What was there then.
    """

    table: Table
    key: DetailKey
    change: _Change
    is_new: bool = False
    latest: CommandModel[Any] | None = None

    def next(self, latest: CommandModel[Any] | None, numbers: RowNumbers) -> Mapping[str, Any] | None:
        """The next state of the row.

        A row that is there says so: MBC CQRS Serverless overwrites one whose ``isDeleted`` is not false.
        """
        self.latest = latest
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
        source = get_command_source(module.table_name, "MasterData", "write")

        def item(each: RowWrite, ids: ExitStack) -> PackItem[Any]:
            writer = self._access.writer(each.table.tenant_code, options.get("invoke_context"))
            own: PublishOptions = {"source": source, **options, "invoke_context": writer}
            place = (module.commands.table_name, each.key)
            own["publish_id"] = ids.enter_context(publish_id_of(place, own))
            return PackItem(command=lambda latest: each.next(latest, numbers), key=each.key, options=own)

        with ExitStack() as ids:
            outcomes = module.commands.publish_pack(
                [item(each, ids) for each in asked], sync=True, notify=notify, tally=numbers
            )
        results: list[UpsertResult] = []
        for each, outcome in zip(asked, outcomes, strict=True):
            if outcome.error is not None:
                results.append(UpsertResult("failed", each.key, error=outcome.error))
            elif outcome.command is None:
                # Where a repeated request has left a row as it was, nobody has looked at it.
                stored = each.latest or module.commands.get_latest_item(
                    each.key, invoke_context=options.get("invoke_context")
                )
                results.append(UpsertResult("unchanged", each.key, stored=stored))
            else:
                outcome_kind: Literal["created", "updated"] = "created" if each.is_new else "updated"
                results.append(UpsertResult(outcome_kind, each.key, outcome.command))
        return results


def state_of(row: CommandModel[Any]) -> dict[str, Any]:
    """What a command says of its row, for the next one."""
    return {name: getattr(row, name) for name in ("code", "name", "type", "seq", "attributes")}


def living(latest: CommandModel[Any] | None) -> CommandModel[Any]:
    """The latest command of a row that is there.

    Raises:
        ItemNotFoundError: There is no such row, or not any more.
    """
    if latest is None or latest.is_deleted:
        raise no_row()
    return latest


def no_row() -> ItemNotFoundError:
    """What to raise where there is no row."""
    return ItemNotFoundError("there is no such row")


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
