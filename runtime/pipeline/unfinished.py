"""Finding commands that nobody has finished: by what the tables hold, not by what a status claims."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from runtime.commands.command_row import PUBLISH_ID
from runtime.errors import CorruptRowError
from runtime.model.keys import DetailKey, add_sort_key_version, get_sort_key_version, remove_sort_key_version
from runtime.model.rows import version_of
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED, is_of_pipeline
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.store.dynamodb import Read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["CANDIDATES", "Problem", "Unfinished", "find_unfinished"]

#: The filter of a scan that leaves out what is finished for certain.
CANDIDATES: Final[dict[str, Any]] = {
    "FilterExpression": "attribute_not_exists(#status) OR #status <> :finished",
    "ProjectionExpression": "pk, sk, createdAt",
    "ExpressionAttributeNames": {"#status": "status"},
    "ExpressionAttributeValues": {":finished": {"S": FINISHED}},
}


class Problem(StrEnum):
    """What is missing of a command."""

    NOT_APPLIED = "notApplied"
    """The data row has not reached it."""
    NOT_HANDLED = "notHandled"
    """A handler that is not parked has not seen it."""
    NOT_FINISHED = "notFinished"
    """Everybody has seen it, or is parked, and its status does not say so."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command that should have been finished by now.

    Attributes:
        key: Key of the aggregate; the sort key without a version.
        version: Version of the command.
        problem: What is missing.
        status: What its row says, or None.
        created_at: When it was published, as its row says, or None.
    """

    key: DetailKey
    version: int
    problem: Problem
    status: str | None
    created_at: str | None


def find_unfinished(
    module: CommandModule[Any], rows: Iterable[Item], before: datetime
) -> dict[DetailKey, list[Unfinished]]:
    """Those among ``rows`` of the command table that should be finished, by aggregate and in order.

    One call for each 100 rows of data, cursors and commands that are needed to tell.

    Args:
        module: Module of the commands.
        rows: Rows that passed `CANDIDATES`.
        before: Younger ones are left to the pipeline.
    """
    if module.disable_default_handler and not module.handlers:
        return {}  # nobody is to see the commands, and nobody finishes them
    versions: dict[DetailKey, list[int]] = defaultdict(list)
    for row in rows:
        sk = row["sk"]["S"]
        # Rows without a version are records of publish ids.
        if get_sort_key_version(sk) > 0 and _published_before(row, before):
            key = DetailKey(row["pk"]["S"], remove_sort_key_version(sk))
            versions[key].append(get_sort_key_version(sk))
    facts = _Facts(module, versions)
    found = {
        key: [one for version in sorted(numbers) if (one := facts.unfinished(key, version))]
        for key, numbers in versions.items()
    }
    return {key: commands for key, commands in found.items() if commands}


class _Facts:
    """What the tables hold about some aggregates."""

    def __init__(self, module: CommandModule[Any], versions: Mapping[DetailKey, Iterable[int]]) -> None:
        self._module = module
        self._store = CursorStore(module.resources.dynamodb, module.tables.sync)
        reads = [
            read
            for key, numbers in versions.items()
            for read in (
                *([] if module.disable_default_handler else [self._data(key)]),
                *(self._store.read(key, reference.name) for reference in module.handlers),
                *(self._command(key, version) for version in numbers),
            )
        ]
        # Read anew: since the scan, the pipeline may have gone on.
        self._rows = module.resources.dynamodb.batch_get(reads)

    def unfinished(self, key: DetailKey, version: int) -> Unfinished | None:
        command = self._rows.get(self._command(key, version))
        problem = self._problem(key, version, command) if command else None
        if command is None or problem is None:
            return None
        created = command.get("createdAt", {}).get("S")
        return Unfinished(key, version, problem, _status(command), created)

    def _problem(self, key: DetailKey, version: int, command: Item) -> Problem | None:
        if not self._module.disable_default_handler and not self._is_applied(key, version, command):
            return Problem.NOT_APPLIED
        cursors = [
            Cursor.of(self._rows.get(self._store.read(key, reference.name)))
            for reference in self._module.handlers
        ]
        behind = [cursor for cursor in cursors if (cursor.version or 0) < version]
        if any(cursor.parked_version is None for cursor in behind):
            return Problem.NOT_HANDLED
        final = HANDLERS_FAILED if behind else FINISHED
        status = _status(command)
        if status in {final, FINISHED} or not (status is None or is_of_pipeline(status)):
            return None
        return Problem.NOT_FINISHED

    def _is_applied(self, key: DetailKey, version: int, command: Item) -> bool:
        data = self._rows.get(self._data(key))
        if data is None and PUBLISH_ID in command:
            # The transaction that wrote this status wrote the data row, which has expired since.
            return _status(command) in {HANDLERS_STARTED, HANDLERS_FAILED}
        try:
            return version_of(data) >= version
        except CorruptRowError:
            return False  # to apply fails, which is how it gets reported

    def _data(self, key: DetailKey) -> Read:
        return Read(self._module.tables.data, *key)

    def _command(self, key: DetailKey, version: int) -> Read:
        return Read(self._module.tables.command, key.pk, add_sort_key_version(key.sk, version))


def _status(command: Item) -> str | None:
    status: str | None = command.get("status", {}).get("S")
    return status


def _published_before(row: Item, before: datetime) -> bool:
    """Whether a command is old enough; one that does not tell its age is."""
    try:
        created = datetime.fromisoformat(row["createdAt"]["S"])
    except (KeyError, ValueError):
        return True
    return (created if created.tzinfo else created.replace(tzinfo=UTC)) <= before
