"""Two read models: one that writes in a transaction, and one that cannot."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, String, create_engine, delete, event, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runtime import DataSyncHandler
from runtime.model.keys import remove_sort_key_version
from runtime.sql import CqrsColumns, upsert
from runtime.sql.engine import engine_options
from tests.support.checker import Seen

if TYPE_CHECKING:
    from pathlib import Path

    from runtime import CommandModel
    from tests.support.wire import Wire

__all__ = ["Journal", "Ledger"]


_DOWN = "down"


class Base(DeclarativeBase):
    pass


class TodoRow(CqrsColumns, Base):
    __tablename__ = "todo"

    title: Mapped[str | None]


class SightRow(Base):
    """What the handler was told, and committed."""

    __tablename__ = "sight"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    pk: Mapped[str] = mapped_column(String(100), index=True)
    sk: Mapped[str]
    version: Mapped[int]


class _Store(DataSyncHandler):
    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._folder = folder
        self._url = url or f"sqlite:///{folder / 'ledger.db'}"
        self.wire: Wire | None = None

    def refuse(self, pk: str, *, refused: bool) -> None:
        """Fail for a partition from now on, or no longer; in every process."""
        path = self._folder / f"{type(self).__name__}-{pk}"
        path.touch() if refused else path.unlink()

    def _check(self, command: CommandModel[Any]) -> None:
        if (self._folder / f"{type(self).__name__}-{command.pk}").exists():
            message = "the store is down"
            raise RuntimeError(message)


class Ledger(_Store):
    """SQL: the row and the note of having seen the version are committed together, or not at all."""

    @cached_property
    def _engine(self) -> Engine:
        url = make_url(self._url)
        engine = create_engine(url, **engine_options(url, 10))
        if url.get_backend_name() == "sqlite":
            event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA synchronous = OFF"))
        Base.metadata.create_all(engine)
        return engine

    def up(self, command: CommandModel[Any]) -> None:
        self._check(command)
        assert self.wire
        with self._engine.connect() as connection:
            upsert(connection, TodoRow, command, title=command.attributes["title"])
            sk = remove_sort_key_version(command.sk)
            connection.execute(
                SightRow.__table__.insert().values(pk=command.pk, sk=sk, version=command.version)  # type: ignore[attr-defined]
            )
            with self.wire.step("ledger", "Commit"):
                connection.commit()

    def down(self, command: CommandModel[Any]) -> None:
        with self._engine.begin() as connection:
            for table in (TodoRow.__table__, SightRow.__table__):
                connection.execute(delete(table).where(table.c.pk == command.pk))

    def close(self) -> None:
        self._engine.dispose()

    def seen(self, pk: str) -> list[Seen]:
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(SightRow.sk, SightRow.version).where(SightRow.pk == pk).order_by(SightRow.number)
            )
            return [Seen("Ledger", pk, row.sk, row.version) for row in rows]

    def content(self, pk: str) -> list[tuple[Any, ...]]:
        """What the store says of a partition."""
        columns = (TodoRow.sk, TodoRow.version, TodoRow.name, TodoRow.title)
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).where(TodoRow.pk == pk))]


class Journal(_Store):
    """A file that is appended to: what was written stays written, whatever becomes of the caller."""

    @property
    def _path(self) -> Path:
        return self._folder / "journal"

    def up(self, command: CommandModel[Any]) -> None:
        self._check(command)
        self._append(command.pk, remove_sort_key_version(command.sk), command.version, command.name)

    def down(self, command: CommandModel[Any]) -> None:
        self._append(command.pk, _DOWN)

    def _append(self, *entry: Any) -> None:
        assert self.wire
        with self.wire.step("journal", "Append"), self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        """Nothing is open."""

    def seen(self, pk: str) -> list[Seen]:
        return [Seen("Journal", *entry[:3]) for entry in self._entries(pk)]

    def content(self, pk: str) -> list[tuple[Any, ...]]:
        """The first entry of each version: the others say the same again."""
        return list(dict.fromkeys(tuple(entry[1:]) for entry in self._entries(pk)))

    def _entries(self, pk: str) -> list[Any]:
        if not self._path.exists():
            return []
        entries: list[Any] = []
        for entry in map(json.loads, self._path.read_text().splitlines()):
            if entry == [pk, _DOWN]:
                entries.clear()  # it begins anew
            elif entry[0] == pk:
                entries.append(entry)
        return entries
