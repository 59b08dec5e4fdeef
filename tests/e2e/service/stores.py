"""Two read models in SQLite: one that fails or dies as often as a command says, one that never does."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from main import STORE_FILE
from runtime import DataSyncHandler

if TYPE_CHECKING:
    from runtime import CommandModel


GATE_SECONDS = 45.0  # less than the function's timeout


class SteadyStore(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        with closing(connect()) as database, database:
            database.execute("INSERT INTO seen VALUES (?, ?)", (type(self).__name__, command.sk))


class FlakyStore(SteadyStore):
    def up(self, command: CommandModel[Any]) -> None:
        with closing(connect()) as database, database:
            database.execute("INSERT INTO tried VALUES (?)", (command.sk,))
            (tries,) = database.execute("SELECT COUNT(*) FROM tried WHERE sk = ?", (command.sk,)).fetchone()
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
    with closing(connect()) as database, database:
        database.execute("INSERT INTO seen VALUES ('told', ?)", (sk,))


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
    return database
