"""Two read models in SQLite files: one that refuses its first two calls, one that never does."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from runtime import DataSyncHandler

if TYPE_CHECKING:
    from runtime import CommandModel


class SteadyStore(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        with closing(connect()) as database, database:
            database.execute("INSERT INTO seen VALUES (?, ?)", (type(self).__name__, command.sk))


class FlakyStore(SteadyStore):
    def up(self, command: CommandModel[Any]) -> None:
        with closing(connect()) as database, database:
            database.execute("INSERT INTO tried VALUES (?)", (command.sk,))
            (tries,) = database.execute("SELECT COUNT(*) FROM tried WHERE sk = ?", (command.sk,)).fetchone()
        fails = int(command.attributes.get("fails", 0)) if command.attributes else 0
        if tries <= fails:
            message = f"try {tries} of {command.sk} fails: {command.name} {command.attributes}"
            raise ConnectionError(message)
        super().up(command)


def connect() -> sqlite3.Connection:
    database = sqlite3.connect(os.environ["STORE_FILE"], timeout=10)
    database.execute("CREATE TABLE IF NOT EXISTS seen (store TEXT, sk TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS tried (sk TEXT)")
    return database
