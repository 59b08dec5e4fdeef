"""How rows of masters are published: in a pack, each row for itself, under ids of the request's key."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.commands.options import publish_id_of
from runtime.commands.packs import PackItem
from runtime.errors import ItemNotFoundError
from runtime.model.keys import get_tenant_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runtime.commands.options import PublishOptions
    from runtime.commands.tally import Tally
    from runtime.features.masters.access import MasterAccess
    from runtime.model.keys import DetailKey
    from runtime.model.models import CommandModel
    from runtime.module import CommandModule

    Command = CommandModel[Any]

__all__ = ["Published", "RowChange", "living", "no_row", "publish_rows"]


class RowChange(NamedTuple):
    """A row that is to be written.

    Attributes:
        key: Its key.
        make: Makes the next state of the latest command, which may be none; None leaves the row as it is. It
            may be called several times.
    """

    key: DetailKey
    make: Callable[[Command | None], Mapping[str, Any] | None]


class Published(NamedTuple):
    """What became of a row.

    Attributes:
        outcome: The row as it is then, or why it failed.
        command: The command that was written; None where nothing would change.
        is_new: Whether the row was not there, or not any more, when it was last looked.
    """

    outcome: Command | Exception
    command: Command | None = None
    is_new: bool = False


def publish_rows(
    module: CommandModule[Any],
    access: MasterAccess,
    changes: Sequence[RowChange],
    options: PublishOptions,
    *,
    notify: bool = True,
    tally: Tally | None = None,
) -> list[Published]:
    """Publish rows synchronously; what became of each, in their order. Two calls for a few of them.

    Args:
        module: The module of masters.
        access: Knows who writes.
        changes: The rows.
        options: See `PublishOptions`.
        notify: Whether the clients are told.
        tally: See `CommandService.publish_pack`.
    """
    commands = module.commands
    latest: dict[int, Command | None] = {}

    def item(number: int, change: RowChange, ids: ExitStack) -> PackItem[Any]:
        def made(before: Command | None) -> Mapping[str, Any] | None:
            latest[number] = before
            return change.make(before)

        writer = access.writer(get_tenant_code(change.key.pk) or "", options.get("invoke_context"))
        own: PublishOptions = {**options, "invoke_context": writer}
        own["publish_id"] = ids.enter_context(publish_id_of((commands.table_name, change.key), own))
        return PackItem(command=made, key=change.key, options=own)

    with ExitStack() as ids:
        items = [item(number, change, ids) for number, change in enumerate(changes)]
        outcomes = commands.publish_pack(items, sync=True, notify=notify, tally=tally)
    found: list[Published] = []
    for number, outcome in enumerate(outcomes):
        if outcome.error is not None:
            found.append(Published(outcome.error))
            continue
        before = latest.get(number)
        row = outcome.command or before
        # Where a repeated request has left a row as it was, nobody has looked at it.
        row = row or commands.get_latest_item(
            changes[number].key, invoke_context=options.get("invoke_context")
        )
        assert row is not None  # noqa: S101 - nothing is unchanged that was not there
        is_new = number in latest and (before is None or before.is_deleted is True)
        found.append(Published(row, outcome.command, is_new))
    return found


def living(latest: Command | None) -> Command:
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
