"""Read models in SQLite: one that fails or dies as often as a command says, one that does not, and books."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from store_file import STORE_FILE

from runtime import DataSyncHandler

if TYPE_CHECKING:
    from runtime import CommandModel


GATE_SECONDS = 45.0  # less than the function's timeout


class SteadyStore(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        note(type(self).__name__, command.sk)


class FlakyStore(SteadyStore):
    def up(self, command: CommandModel[Any]) -> None:
        tries = try_again(command.sk)
        attributes = command.attributes or {}
        if tries <= int(attributes.get("dies", 0)):
            os._exit(1)
        if tries > 1 and attributes.get("held"):
            wait_for_gate(command.sk)
        if tries <= int(attributes.get("fails", 0)):
            message = f"try {tries} of {command.sk} fails: {command.name} {command.attributes}"
            raise RuntimeError(message)
        super().up(command)


def note_told(sk: str) -> None:
    """Note of which command the notifier was told."""
    note("told", sk)


def note(store: str, sk: str) -> None:
    """Note what a store was shown."""
    with closing(connect()) as database, database:
        database.execute("INSERT INTO seen VALUES (?, ?)", (store, sk))


def try_again(sk: str) -> int:
    """Count a try; how many there have been."""
    with closing(connect()) as database, database:
        database.execute("INSERT INTO tried VALUES (?)", (sk,))
        (tries,) = database.execute("SELECT COUNT(*) FROM tried WHERE sk = ?", (sk,)).fetchone()
    return int(tries)


def shelve(tenant: str, book: str, title: str) -> None:
    """Keep the title of a book, however often it is told."""
    with closing(connect()) as database, database:
        database.execute("INSERT OR REPLACE INTO books VALUES (?, ?, ?)", (tenant, book, title))


def titles(tenant: str) -> dict[str, str]:
    """The titles of a tenant's books, by id."""
    with closing(connect()) as database:
        return dict(database.execute("SELECT book, title FROM books WHERE tenant = ?", (tenant,)).fetchall())


def wait_for_gate(sk: str) -> None:
    """Hold a command that is tried again, until a test has seen what it wants to see meanwhile."""
    deadline = time.monotonic() + GATE_SECONDS
    while time.monotonic() < deadline:
        with closing(connect()) as database:
            if database.execute("SELECT 1 FROM gates WHERE sk = ?", (sk,)).fetchone():
                return
        time.sleep(0.05)


def connect() -> sqlite3.Connection:
    database = sqlite3.connect(STORE_FILE, timeout=10)
    database.execute("CREATE TABLE IF NOT EXISTS seen (store TEXT, sk TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS tried (sk TEXT)")
    database.execute("CREATE TABLE IF NOT EXISTS gates (sk TEXT)")
    key = "PRIMARY KEY (tenant, book)"
    database.execute(f"CREATE TABLE IF NOT EXISTS books (tenant TEXT, book TEXT, title TEXT, {key})")
    return database
