"""Appending: one put, or one transaction; sent again where no answer came, and done once all the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from boto3.dynamodb.conditions import Attr

from runtime.backoff import back_off
from runtime.errors import (
    CqrsError,
    FieldProblem,
    InvalidInputError,
    OutcomeUnknownError,
    StoreUnavailableError,
)
from runtime.event_store.commits.command_row import command_in, command_put
from runtime.event_store.commits.commit_row import place_key
from runtime.event_store.provider import AppendRefusedError
from runtime.store.item_size import item_size
from runtime.store.port import Check, ConditionFailedError, Put
from runtime.store.values import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from runtime.event_store.address import Key
    from runtime.event_store.commits.commit import CommandRecord, Commit
    from runtime.event_store.providers.storage import EventStorage
    from runtime.store.port import Write
    from runtime.store.values import Row

__all__ = ["append"]

_MAX_WRITES: Final = 100
_MAX_BYTES: Final = 4 * 1024 * 1024  # of all rows of a transaction
_OTHER_BYTES: Final = 4 * 1024  # more than a guard takes, or the record of a command
_ATTEMPTS: Final = 8
_PATIENCE: Final = 10.0  # seconds after which no further attempt is begun
_FIRST_WAIT: Final = 0.02
_LONGEST_WAIT: Final = 1.0
_COMMAND: Final = "command"
_FREE: Final = Attr("pk").not_exists()


def append(
    storage: EventStorage,
    commits: Sequence[Commit],
    unmoved: Mapping[Key, int],
    command: CommandRecord | None,
) -> None:
    """See `Provider.append`.

    Raises:
        AppendRefusedError: One of the conditions does not hold.
        InvalidInputError: Something cannot be stored, or is too much for one transaction.
    """
    _Append(storage, commits, unmoved, command).run()


class _Append:
    def __init__(
        self,
        storage: EventStorage,
        commits: Sequence[Commit],
        unmoved: Mapping[Key, int],
        command: CommandRecord | None,
    ) -> None:
        self._storage = storage
        self._command = command
        if len(commits) > 1:
            _check_once([commit.key for commit in commits])
        table = storage.tables.events
        self._watched: dict[str, Key] = {}  # whose place is to be free, by the labels of the writes
        self._writes: list[Write] = []
        rows = _rows(storage, commits, len(unmoved) + (command is not None))
        self._appended = list(zip(commits, rows, strict=True))
        for number, (commit, row) in enumerate(self._appended):
            label = f"commit {number}"
            self._watched[label] = commit.key
            self._writes.append(Put(table=table, row=row, condition=_FREE, label=label))
        if unmoved:
            self._guard(unmoved, {(commit.key, commit.first - 1) for commit in commits})
        if command is not None:
            self._writes.append(command_put(table, command, _COMMAND))
        if len(self._writes) > _MAX_WRITES:
            message = f"take {len(self._writes)} rows of one transaction, and {_MAX_WRITES} are allowed"
            raise InvalidInputError([FieldProblem("commits", message)])

    def _guard(self, unmoved: Mapping[Key, int], appended: Collection[tuple[Key, int]]) -> None:
        for number, (key, version) in enumerate(unmoved.items()):
            if (key, version) in appended:
                continue  # its put says the same, and DynamoDB takes one write on a row
            place, label = (
                Place(self._storage.tables.events, key.pk, place_key(version + 1)),
                f"guard {number}",
            )
            self._watched[label] = key
            self._writes.append(Check(place=place, condition=_FREE, label=label))

    def run(self) -> None:
        storage = self._storage
        for commit, row in self._appended:
            storage.remember(commit, row)  # not behind the write: it may be erased by then, which forgets it
        try:
            self._send()
        except BaseException:
            for _, row in self._appended:
                storage.forget(row)
            raise

    def _send(self) -> None:
        began = time.monotonic()
        in_doubt: OutcomeUnknownError | None = None
        for attempt in range(_ATTEMPTS):
            try:
                self._storage.store.write(*self._writes)
            except ConditionFailedError as failure:
                if self._is_done(failure):
                    return
                # Also after an attempt without an answer: where it had been done, its own row would be there.
                refused = self._refusal(failure)
                if refused.moved or refused.command is not None or attempt == _ATTEMPTS - 1:
                    raise refused from None
                self._renew_record()
            except (OutcomeUnknownError, StoreUnavailableError) as error:
                # Sending it again is harmless, and tells what has become of it.
                in_doubt = error if isinstance(error, OutcomeUnknownError) else in_doubt
                if attempt == _ATTEMPTS - 1 or time.monotonic() - began > _PATIENCE:
                    raise in_doubt or error from error
                back_off(attempt, base=_FIRST_WAIT, longest=_LONGEST_WAIT)
            except CqrsError as error:
                raise in_doubt or error from error
            else:
                return

    def _renew_record(self) -> None:
        """Let the record be judged by the time that it is now: the one in its way has expired meanwhile."""
        if self._command is not None:
            self._writes[-1] = command_put(self._storage.tables.events, self._command, _COMMAND)

    def _is_done(self, failure: ConditionFailedError) -> bool:
        """Whether an earlier attempt has done it: all of it, as it was all or nothing."""
        is_done = False
        for write in self._writes:
            if write.label not in failure.rows or write.label not in self._watched:
                continue
            row = failure.rows[write.label]
            if row is None:
                row = failure.rows[write.label] = self._storage.store.get(_place_of(write))
            if isinstance(write, Put) and row is not None and row.get("append") == write.row["append"]:
                is_done = True
        return is_done

    def _refusal(self, failure: ConditionFailedError) -> AppendRefusedError:
        moved: dict[Key, Commit | None] = {}
        record: CommandRecord | None = None
        for label, row in failure.rows.items():
            if label in self._watched:
                moved[self._watched[label]] = self._winner(row)
            elif self._command is not None:
                record = command_in(row, self._command.key, self._command.command_id)
        return AppendRefusedError(moved, record)

    def _winner(self, row: Row | None) -> Commit | None:
        return None if row is None else self._storage.commit(row)


def _check_once(keys: Sequence[Key]) -> None:
    if len(set(keys)) < len(keys):
        twice = sorted({key.pk for key in keys if keys.count(key) > 1})
        message = f"must have one commit for each aggregate, and have several for {', '.join(twice)}"
        raise InvalidInputError([FieldProblem("commits", message)])


def _rows(storage: EventStorage, commits: Sequence[Commit], others: int) -> list[Row]:
    """The rows of commits that fit into one transaction.

    Where they are too large together, each has its share: what is beyond it goes to the bucket.

    Args:
        storage: Where the commits are to be.
        commits: The commits.
        others: How many other rows the transaction is about.

    Raises:
        InvalidInputError: They are too large, and there is no bucket.
    """
    rows = [storage.row(commit) for commit in commits]
    if len(rows) == 1:
        return rows
    room = _MAX_BYTES - others * _OTHER_BYTES
    size = sum(map(item_size, rows))
    if size <= room:
        return rows
    if not storage.large.has_bucket:
        message = (
            f"take {size} bytes of one transaction, and 4 MB are allowed; append less at once, or set "
            "S3_BUCKET_NAME"
        )
        raise InvalidInputError([FieldProblem("commits", message)])
    return [storage.row(commit, most=room // len(commits)) for commit in commits]


def _place_of(write: Write) -> Place:
    return Place(write.table, write.row["pk"], write.row["sk"]) if isinstance(write, Put) else write.place
