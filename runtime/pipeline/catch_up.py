"""How a parked handler catches up.

The handler stays parked meanwhile, so whatever stops it half-way leaves it where an
operator can see it, and it can be done again. It is unparked in a transaction that holds
only while no later version has been applied: a version that met a parked handler is never
left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.commands.base_version import read_latest
from runtime.errors import BadRequestError, FieldProblem, InvalidInputError, ItemNotFoundError
from runtime.log import logger
from runtime.model.keys import add_sort_key_version
from runtime.model.rows import version_of
from runtime.model.status import FINISHED
from runtime.pipeline.cursor import Cursor, CursorStore
from runtime.pipeline.finish import behind, finish
from runtime.pipeline.settle import settle_versions
from runtime.store.dynamodb import Read, TransactionFailedError, wire_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from runtime.model.handlers import HandlerReference
    from runtime.model.keys import DetailKey
    from runtime.module import CommandModule
    from runtime.store.codec import Item

__all__ = ["CatchUp", "CatchUpContentionError", "Repaired"]

_WINDOW: Final = 25
_MAX_ROUNDS: Final = 100
_MAX_ERROR: Final = 2000
_MAX_SKIPPED_ERROR: Final = 500
_NOT_THERE: Final = "attribute_not_exists(pk)"
_NO_VERSION: Final = "attribute_not_exists(#v)"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did.

    Attributes:
        handler: Name of the handler.
        done: Versions that it has seen now, in order.
        skipped: Version that was passed over, or None.
        parked_version: Version that it is parked at again, or None when it is not parked.
        error: Why it is parked again, or None.
    """

    handler: str
    done: tuple[int, ...]
    skipped: int | None
    parked_version: int | None
    error: str | None


class CatchUpContentionError(Exception):
    """The aggregate moved on for as long as the repair tried. Safe to repeat: it stays parked."""


class _OvertakenError(Exception):
    """Somebody else has moved the cursor since it was read."""


class _FailedError(Exception):
    """The handler fails, and is parked again."""

    def __init__(self, version: int, error: str) -> None:
        super().__init__(error)
        self.version = version
        self.error = error


class CatchUp:
    """One repair of one handler and aggregate.

    Args:
        module: Module of the aggregate.
        key: Key of the aggregate; the sort key without a version.
        handler: Name of the handler's class.

    Raises:
        InvalidInputError: The module has no such handler.
    """

    def __init__(self, module: CommandModule[Any], key: DetailKey, handler: str) -> None:
        self._module = module
        self._dynamodb = module.resources.dynamodb
        self._reference = _reference(module, handler)
        self._key = key
        self._cursors = CursorStore(self._dynamodb, module.tables.sync)
        self._done: list[int] = []
        self._skipped: int | None = None

    def run(self, *, skipping: bool = False) -> Repaired:
        """Catch up; with ``skipping``, without the version that the handler is parked at.

        Raises:
            ItemNotFoundError: The handler has seen nothing of this aggregate, and is not parked.
            BadRequestError: The handler is not parked.
            CatchUpContentionError: Others moved its cursor for as long as this tried.
        """
        cursor = self._parked()
        to_skip = cursor.parked_version if skipping else None
        # A handler that cannot even be loaded is no reason to park anew.
        _ = self._reference.handler
        for _ in range(_MAX_ROUNDS):
            if cursor.parked_version is None:
                return self._outcome(None, None)  # somebody else has come to the end
            try:
                self._catch_up(cursor, cursor.parked_version, to_skip)
            except _OvertakenError:
                cursor = Cursor.of(self._row())
            except _FailedError as failure:
                return self._outcome(failure.version, failure.error)
            else:
                return self._outcome(None, None)
        msg = f"others moved the cursor of {self._reference.name} {_MAX_ROUNDS} times; repair it again"
        raise CatchUpContentionError(msg)

    def plan(self, *, skipping: bool = False) -> Repaired:
        """What `run` would do if no version failed and none arrived. It refuses what `run` refuses."""
        cursor = self._parked()
        parked = cursor.parked_version or 0
        last, _ = self._applied(parked)
        self._skipped = parked if skipping else None
        commands = self._commands(self._first(cursor, parked), last)
        self._done = [v for v, command in commands if command is not None and v != self._skipped]
        return self._outcome(parked, cursor.parked_error)

    def _outcome(self, parked: int | None, error: str | None) -> Repaired:
        return Repaired(self._reference.name, tuple(self._done), self._skipped, parked, error)

    def _catch_up(self, cursor: Cursor, parked: int, to_skip: int | None) -> None:
        """Show the handler what it has missed, then unpark it."""
        # A repair that broke off may have shown versions whose status still says that they failed.
        settle_versions(self._module, self._key, parked, cursor.version or 0)
        last, unmoved = self._applied(parked)
        for version, command in self._commands(self._first(cursor, parked), last):
            if version == to_skip and version == parked:
                error = (cursor.parked_error or "")[:_MAX_SKIPPED_ERROR]
                self._expect(self._cursors.skip_parked(self._key, self._reference.name, parked, error))
                self._skipped = version
            elif command is None:
                continue  # gone: expired, or migrated
            else:
                self._show(command, version, parked)
            if command is not None:
                self._heal(command)
        unpark = self._cursors.unparking(
            self._key, self._reference.name, parked, max(last, cursor.version or 0)
        )
        try:
            self._dynamodb.transact([unpark, unmoved])
        except TransactionFailedError as failure:
            if "ConditionalCheckFailed" not in failure.codes:
                raise
            raise _OvertakenError from failure

    def _show(self, command: Item, version: int, parked: int) -> None:
        try:
            self._reference.handler.up(self._module.rows.command(command))
        except Exception as problem:
            logger.warning("handler fails again", handler=self._reference.name, error=type(problem).__name__)
            error = f"{type(problem).__name__}: {problem}"[:_MAX_ERROR]
            self._expect(self._cursors.park_again(self._key, self._reference.name, parked, version, error))
            raise _FailedError(version, error) from problem
        self._expect(self._cursors.advance_parked(self._key, self._reference.name, parked, version))
        self._done.append(version)

    def _heal(self, command: Item) -> None:
        """Finish a command that this handler was the last to be behind."""
        if not behind(self._module, command, [reference.name for reference in self._module.handlers]):
            finish(self._module, command)

    def _first(self, cursor: Cursor, parked: int) -> int:
        """First version that the handler has not seen."""
        if cursor.version is not None:
            return cursor.version + 1
        # New to the aggregate, it starts where the commands before it were finished without it.
        first = parked
        while first > 1:
            row = self._dynamodb.get(*self._command(first - 1), consistent=True)
            if row is None or row.get("status", {}).get("S") == FINISHED:
                break
            first -= 1
        return first

    def _applied(self, parked: int) -> tuple[int, dict[str, Any]]:
        """Last version that handlers may see, and the check that there is no later one yet."""
        if self._module.disable_default_handler:
            version = max(read_latest(self._module, self._key).version, parked)
            return version, _check(Read(*self._command(version + 1)), {"ConditionExpression": _NOT_THERE})
        data = Read(self._module.tables.data, *self._key)
        version = version_of(self._dynamodb.get(data.table, data.pk, data.sk, consistent=True))
        unmoved: dict[str, Any] = {"ConditionExpression": _NO_VERSION}
        if version:
            unmoved = {
                "ConditionExpression": "#v = :v",
                "ExpressionAttributeValues": {":v": {"N": str(version)}},
            }
        return max(version, parked), _check(data, unmoved | {"ExpressionAttributeNames": {"#v": "version"}})

    def _commands(self, first: int, last: int) -> Iterator[tuple[int, Item | None]]:
        """The commands of these versions; None for one that is gone."""
        for start in range(first, last + 1, _WINDOW):
            window = range(start, min(start + _WINDOW, last + 1))
            reads = {version: Read(*self._command(version)) for version in window}
            rows = self._dynamodb.batch_get(reads.values())
            yield from ((version, rows.get(read)) for version, read in reads.items())

    def _parked(self) -> Cursor:
        cursor = Cursor.of(self._row())
        if cursor.parked_version is None and cursor.version is None:
            msg = f"{self._reference.name} has seen no version of this aggregate, and is not parked there"
            raise ItemNotFoundError(msg)
        if cursor.parked_version is None:
            msg = f"{self._reference.name} is not parked: it has seen version {cursor.version}"
            raise BadRequestError(msg)
        return cursor

    def _row(self) -> Item | None:
        read = self._cursors.read(self._key, self._reference.name)
        return self._dynamodb.get(read.table, read.pk, read.sk, consistent=True)

    def _command(self, version: int) -> tuple[str, str, str]:
        return self._module.tables.command, self._key.pk, add_sort_key_version(self._key.sk, version)

    @staticmethod
    def _expect(moved: bool) -> None:  # noqa: FBT001 - the answer of a write
        if not moved:
            raise _OvertakenError


def _reference(module: CommandModule[Any], name: str) -> HandlerReference:
    for reference in module.handlers:
        if reference.name == name:
            return reference
    known = [reference.name for reference in module.handlers]
    message = f"{name!r} is no handler of {module.table_name}; known are {sorted(known)}"
    raise InvalidInputError([FieldProblem("handler", message)])


def _check(row: Read, condition: Mapping[str, Any]) -> dict[str, Any]:
    return {"ConditionCheck": {"TableName": row.table, "Key": wire_key(row.pk, row.sk), **condition}}
