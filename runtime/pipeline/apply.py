"""Apply: make sure that the data row has reached version N, in order, exactly once.

A stream record or a workflow execution is only a doorbell. Records come twice and in any
order, so nothing here trusts them: the data row's own version decides, in the same
transaction that advances it. Whoever comes first applies all that is missing, whoever
comes late finds it done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime import metrics
from runtime.backoff import back_off
from runtime.model.keys import DetailKey, add_sort_key_version, get_sort_key_version
from runtime.model.rows import version_of
from runtime.pipeline.transactions import advance_writes, status_update
from runtime.store.dynamodb import Read, TransactionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["Applied", "ApplyContentionError", "apply"]

_MAX_ROUNDS: Final = 20
_WINDOW: Final = 99  # commands read in one batch, beside the data row


@dataclass(frozen=True, slots=True)
class Applied:
    """What a call of `apply` found and did.

    Attributes:
        data: The data row as it is now, or None when no command was ever found.
        commands: Command rows that this call applied, in order. Empty when it came late.
    """

    data: Item | None
    commands: tuple[Item, ...]

    @property
    def version(self) -> int:
        """Version of the data row now; 0 without one."""
        return version_of(self.data)


class ApplyContentionError(Exception):
    """Other writers advanced the aggregate for as long as this one tried. Safe to retry."""


class _OvertakenError(Exception):
    """Somebody else advanced the data row after it was read."""


def apply(
    module: CommandModule[Any],
    key: DetailKey,
    version: int,
    *,
    images: Mapping[int, Item] | None = None,
) -> Applied:
    """Bring the data row of one aggregate to ``version`` or beyond.

    Two calls when only that version is missing: one read of the data row and the command,
    one transaction (data row, history row of what it replaces, status of the command).

    Args:
        module: Module of the aggregate.
        key: Key of the aggregate; the sort key without a version.
        version: Version that the doorbell rang for.
        images: Command rows that the caller has at hand, by version.

    Raises:
        ApplyContentionError: Too many concurrent writers. Nothing is half done.
    """
    run = _Run(module, key, version, dict(images or {}))
    for attempt in range(_MAX_ROUNDS):
        try:
            return run.round()
        except _OvertakenError:
            back_off(attempt, base=0.01, longest=0.5)
    msg = f"{key.pk} {key.sk} was advanced by others {_MAX_ROUNDS} times while version {version} was applied"
    raise ApplyContentionError(msg)


class _Run:
    """One call of `apply`."""

    def __init__(
        self, module: CommandModule[Any], key: DetailKey, version: int, images: dict[int, Item]
    ) -> None:
        self._module = module
        self._dynamodb = module.resources.dynamodb
        self._tables = module.tables
        self._key = key
        self._version = version
        self._images = images
        self._gone: set[int] = set()
        self._applied: list[Item] = []

    def round(self) -> Applied:
        """Read where the aggregate is, then apply what is missing, one by one."""
        data = self._read_data()
        for command in self._missing(version_of(data)):
            data = self._advance(data, command)
            self._applied.append(command)
        if self._applied:
            metrics.count(metrics.COMMANDS_APPLIED, self._module.table_name, len(self._applied))
            metrics.observe(metrics.COMMAND_LAG, self._module.table_name, _lags(self._applied))
        return Applied(data, tuple(self._applied))

    def _read_data(self) -> Item | None:
        data = Read(self._tables.data, *self._key)
        if self._version in self._images or self._version in self._gone:
            return self._dynamodb.get(data.table, data.pk, data.sk, consistent=True)
        # One call for both rows: nearly always this command is the only one missing.
        command = self._command(self._version)
        rows = self._dynamodb.batch_get([data, command])
        if command in rows:
            self._images[self._version] = rows[command]
        else:
            self._gone.add(self._version)
        return rows.get(data)

    def _missing(self, applied: int) -> Iterator[Item]:
        """Commands from the one after ``applied`` on; a row that is gone is passed over."""
        for start in range(applied + 1, self._version + 1, _WINDOW):
            window = range(start, min(start + _WINDOW, self._version + 1))
            unread = [v for v in window if v not in self._images and v not in self._gone]
            if unread:
                rows = self._dynamodb.batch_get(self._command(v) for v in unread)
                self._images |= {get_sort_key_version(read.sk): row for read, row in rows.items()}
            yield from (self._images.pop(v) for v in window if v in self._images)

    def _advance(self, data: Item | None, command: Item) -> Item:
        """Write what ``command`` makes of ``data``, and return it."""
        writes = advance_writes(self._module, data, command)
        status = status_update(self._module, command, self._module.applied_status)
        try:
            self._dynamodb.transact([*writes, status])
        except TransactionFailedError as failure:
            if failure.codes[-1] == "ConditionalCheckFailed":
                # The command was deleted after its image was taken: pass it over.
                self._gone.add(get_sort_key_version(command["sk"]["S"]))
            elif failure.codes[0] != "ConditionalCheckFailed" and not failure.may_pass_later:
                raise
            raise _OvertakenError from failure
        after: Item = writes[0]["Put"]["Item"]
        return after

    def _command(self, version: int) -> Read:
        return Read(self._tables.command, self._key.pk, add_sort_key_version(self._key.sk, version))


def _lags(commands: list[Item]) -> Iterator[float]:
    """Milliseconds since each command was published; nothing for a row that does not tell."""
    now = datetime.now(UTC)
    for command in commands:
        try:
            published = datetime.fromisoformat(command["createdAt"]["S"])
        except (KeyError, ValueError):
            continue
        published = published if published.tzinfo else published.replace(tzinfo=UTC)
        yield max((now - published).total_seconds() * 1000, 0.0)
