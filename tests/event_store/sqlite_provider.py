"""A provider as a user would write one: commits in SQLite, with nothing but the standard library.

It has what a database of one writer gives for free: transactions, and an order of all commits.
"""

# ruff: noqa: ARG002, EM101, S608 - the protocol's arguments; names; every text in a statement is of this file

from __future__ import annotations

import json
import sqlite3
import threading
import time
import zlib
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import CorruptStreamError, FieldProblem, InvalidInputError, StoreUnavailableError
from runtime.event_store.address import Key
from runtime.event_store.commits.commit import CommandRecord, Commit, Notice
from runtime.event_store.commits.commit_json import check_commit, events_json, events_of, json_text
from runtime.event_store.feed.cursors import StoreCursors
from runtime.event_store.provider import AppendRefusedError
from runtime.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runtime.event_store.events.recorded import RecordedEvent
    from runtime.event_store.feed.cursors import Cursors

__all__ = ["SqliteProvider"]

_SEGMENTS: Final = 1024  # by which the rows of a scan are told apart
_DAY: Final = 24 * 60 * 60
_LAST: Final = 2**62
_TABLES: Final = """
create table if not exists commits (
    position integer primary key autoincrement,
    stream text, aggregate text, tenant text, first integer, last integer, segment integer,
    append_id text, at text, user text, events text, metadata text, state text, fold text,
    erased integer not null default 0, closes integer not null default 0,
    unique (stream, aggregate, tenant, first)
);
create index if not exists by_stream on commits (stream, position);
create table if not exists commands (
    stream text, aggregate text, tenant text, id text, hash text, first integer, last integer, expires real,
    primary key (stream, aggregate, tenant, id)
)
"""
_COLUMNS: Final = (
    "position, stream, aggregate, tenant, first, append_id, at, user, events, metadata, state, fold, "
    "erased, closes"
)
_OF: Final = "stream = ? and aggregate = ? and tenant = ?"


class SqliteProvider:
    """Commits in a file.

    Args:
        path: The file.
        page_size: How many commits are read at once.
    """

    def __init__(self, path: Path, page_size: int) -> None:
        self._path = path
        self._page_size = page_size
        self._local = threading.local()
        self._cursors = StoreCursors(MemoryStore(), "sync")
        self.errors: list[Exception] = []
        with self._transaction() as database:
            for statement in _TABLES.split(";"):
                database.execute(statement)

    def append(
        self,
        commits: Sequence[Commit],
        *,
        unmoved: Mapping[Key, int] | None = None,
        command: CommandRecord | None = None,
    ) -> None:
        for commit in commits:
            check_commit(commit)
        if len({commit.key for commit in commits}) < len(commits):
            raise InvalidInputError([FieldProblem("commits", "must be of different aggregates")])
        rows = [_row(commit) for commit in commits]
        with self._transaction() as database:
            if self._has_done(database, commits):
                return
            expected = dict(unmoved or {}) | {commit.key: commit.first - 1 for commit in commits}
            found = {key: self._at(database, key, version + 1) for key, version in expected.items()}
            moved = {key: there for key, there in found.items() if there is not None}
            record = None if command is None else self._command(database, command.key, command.command_id)
            if moved or record:
                raise AppendRefusedError(moved, record)
            for row in rows:
                marks = ", ".join("?" * len(row))
                database.execute(f"insert into commits ({', '.join(row)}) values ({marks})", [*row.values()])
            if command is not None:
                expires = None if command.is_kept else time.time() + _DAY
                values = (*command.key, command.command_id, command.fingerprint, command.first, command.last)
                database.execute("replace into commands values (?, ?, ?, ?, ?, ?, ?, ?)", [*values, expires])

    def read(self, key: Key, *, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        last = _LAST if until is None else until
        done, expected = after, 1 if after <= 0 else None
        while done < last:
            # Also the one that `after` is in the middle of.
            commits = self._commits(f"{_OF} and last > ? and first <= ? order by first", [*key, done, last])
            for commit in commits:
                if expected not in (None, commit.first):
                    raise _missing(key, expected)
                if expected is None and commit.first > done + 1:
                    raise _missing(key, done + 1)
                done, expected = commit.last, commit.last + 1
                yield commit
            if len(commits) < self._page_size:
                return

    def read_back(self, key: Key, *, until: int | None = None, likely: int = 4) -> Iterator[Commit]:
        behind, before = _LAST if until is None else until + 1, None
        while behind > 1:
            commits = self._commits(
                f"{_OF} and first < ? order by first desc", [*key, behind], min(likely, self._page_size)
            )
            for commit in commits:
                if before not in (None, commit.last + 1):
                    raise _missing(key, commit.last + 1)
                behind = before = commit.first
                yield commit
            if not commits:
                break
        if before not in (None, 1):
            raise _missing(key, 1)

    def command(self, key: Key, command_id: str) -> CommandRecord | None:
        with self._transaction() as database:
            return self._command(database, key, command_id)

    def erase(self, key: Key, closing: Commit) -> int:
        blanked = 0
        with self._transaction() as database:
            commits = self._commits(f"{_OF} order by first", [*key], _LAST)
            for commit in commits:
                if not commit.is_erased and not commit.closes:
                    events = json.dumps([[event.type] for event in commit.events])
                    database.execute(
                        "update commits set events = ?, append_id = '', user = null, metadata = '{}', "
                        f"state = null, fold = null, erased = 1 where {_OF} and first = ?",
                        [events, *key, commit.first],
                    )
                    blanked += 1
            database.execute(f"delete from commands where {_OF}", [*key])
        if not commits or not commits[-1].closes:
            last = commits[-1].last if commits else 0
            self.append([replace(closing, key=key, first=last + 1)])
        return blanked

    def notices(self, streams: Sequence[str], after: str | None, limit: int) -> Sequence[Notice]:
        if limit < 1 or not (after or "0").isdecimal():
            raise InvalidInputError([FieldProblem("after", f"must be a position, got {after!r}")])
        marks = ", ".join("?" * len(streams))
        condition = f"stream in ({marks}) and position > ? order by position"
        found = []
        with self._transaction() as database:
            for row in self._rows(database, condition, [*streams, int(after or 0)], limit):
                commit = _commit(row)
                types = None if commit.closes else commit.types
                found.append(Notice(commit.key, commit.last, str(row["position"]), types, commit))
        return found

    def everything(
        self, streams: Sequence[str], *, segment: int, total_segments: int, start: str | None, limit: int
    ) -> tuple[Sequence[Commit], str | None]:
        if not 0 <= segment < total_segments:
            raise InvalidInputError([FieldProblem("segment", f"must be 0 to {total_segments - 1}")])
        marks = ", ".join("?" * len(streams))
        begin = json.loads(start) if start else ["", "", "", 0]
        commits = self._commits(
            f"segment % ? = ? and stream in ({marks}) and (stream, aggregate, tenant, first) > (?, ?, ?, ?) "
            "order by stream, aggregate, tenant, first",
            [total_segments, segment, *streams, *begin],
            limit,
        )
        if len(commits) < limit:
            return commits, None
        return commits, json.dumps([*commits[-1].key, commits[-1].first])

    def cursors(self) -> Cursors:
        return self._cursors

    def on_error(
        self, error: Exception, stream: str, bookmark: str, event: RecordedEvent[Any] | None
    ) -> None:
        self.errors.append(error)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction, with a connection of its own; whatever goes wrong in it undoes all of it."""
        current: sqlite3.Connection | None = getattr(self._local, "database", None)
        if current is not None:  # of this thread, around this one
            yield current
            return
        try:
            with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
                database.row_factory = sqlite3.Row
                database.execute("begin immediate")
                self._local.database = database
                try:
                    yield database
                except BaseException:
                    database.execute("rollback")
                    raise
                finally:
                    self._local.database = None
                database.execute("commit")
        except sqlite3.Error as error:
            raise StoreUnavailableError("SQLite", type(error).__name__) from error

    def _has_done(self, database: sqlite3.Connection, commits: Sequence[Commit]) -> bool:
        """Whether an earlier call, whose answer was lost, has done all of it."""
        found = ((commit, self._at(database, commit.key, commit.first)) for commit in commits)
        return any(there is not None and there.append_id == commit.append_id for commit, there in found)

    def _rows(
        self, database: sqlite3.Connection, condition: str, values: Sequence[Any], limit: int
    ) -> list[sqlite3.Row]:
        select = f"select {_COLUMNS} from commits where {condition} limit ?"
        return database.execute(select, [*values, limit]).fetchall()

    def _commits(self, condition: str, values: Sequence[Any], limit: int | None = None) -> list[Commit]:
        with self._transaction() as database:
            return [_commit(row) for row in self._rows(database, condition, values, limit or self._page_size)]

    def _at(self, database: sqlite3.Connection, key: Key, version: int) -> Commit | None:
        rows = self._rows(database, f"{_OF} and first = ?", [*key, version], 1)
        return _commit(rows[0]) if rows else None

    def _command(self, database: sqlite3.Connection, key: Key, command_id: str) -> CommandRecord | None:
        found = database.execute(
            f"select hash, first, last, expires from commands where {_OF} and id = ?",
            [*key, command_id],
        ).fetchone()
        if found is None or (found["expires"] or _LAST) < time.time():
            return None
        return CommandRecord(
            key=key,
            command_id=command_id,
            fingerprint=found["hash"],
            first=found["first"],
            last=found["last"],
            is_kept=found["expires"] is None,
        )


def _missing(key: Key, version: int) -> CorruptStreamError:
    return CorruptStreamError(f"{key.pk} has no version {version}, and a later one")


def _row(commit: Commit) -> dict[str, Any]:
    return {
        "stream": commit.key.stream,
        "aggregate": commit.key.aggregate_id,
        "tenant": commit.key.tenant,
        "first": commit.first,
        "last": commit.last,
        "segment": zlib.crc32(commit.key.pk.encode()) % _SEGMENTS,
        "append_id": commit.append_id,
        "at": commit.at.astimezone(UTC).isoformat(),
        "user": commit.user_id,
        "events": events_json(commit.events),
        "metadata": json_text(dict(commit.metadata), "metadata"),
        "state": None if commit.fold is None else json_text(commit.state, "state"),
        "fold": commit.fold,
        "closes": commit.closes,
    }


def _commit(row: sqlite3.Row) -> Commit:
    return Commit(
        key=Key(row["stream"], row["aggregate"], row["tenant"]),
        first=row["first"],
        events=events_of(row["events"]),
        append_id=row["append_id"],
        at=datetime.fromisoformat(row["at"]),
        user_id=row["user"],
        metadata=json.loads(row["metadata"]),
        state=None if row["state"] is None else json.loads(row["state"]),
        fold=row["fold"],
        is_erased=bool(row["erased"]),
        closes=bool(row["closes"]),
    )
