"""What the function projector runs: two read models, a reaction, and the handler of a service."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from library import (
    BookAcquired,
    BookLent,
    BookReturned,
    CountLoan,
    Notice,
    book,
    domain,
    notices,
    reader_commands,
)
from stores import note, shelve, try_again

from runtime import DurableEventBus, create_service

if TYPE_CHECKING:
    from runtime import DomainEvent, EventMeta

#: Queries look at it, and it fails as often as an event says.
catalogue = domain.create_handler("catalogue", [book], attempts=2)
#: It is built anew by a test, and nothing fails at it.
ledger = domain.create_handler("ledger", [book])
#: Counts what a reader has borrowed.
loans = domain.create_handler("loans", [book], reaction=True, attempts=2)


@catalogue.handle(book, BookAcquired)
def add(book_id: str, event: BookAcquired, meta: EventMeta) -> None:
    tries = try_again(meta.event_id)
    if tries <= event.fails:
        message = f"try {tries} of {meta.event_id} fails: {event.title}"
        raise RuntimeError(message)
    shelve(meta.tenant, book_id, event.title)
    note("catalogue", f"{book_id}@{meta.version}")


@catalogue.handle(book, BookLent)
@catalogue.handle(book, BookReturned)
def move(book_id: str, _event: object, meta: EventMeta) -> None:
    note("catalogue", f"{book_id}@{meta.version}")


@ledger.handle(book, BookAcquired)
@ledger.handle(book, BookLent)
@ledger.handle(book, BookReturned)
def enter(book_id: str, _event: object, meta: EventMeta) -> None:
    note(f"ledger {meta.generation}", f"{book_id}@{meta.version}")


@loans.handle(book, BookLent)
def count(book_id: str, event: BookLent, meta: EventMeta) -> None:
    """The command's id is made of the event: a process that dies behind it counts nothing twice."""
    tries = try_again(f"loans {meta.event_id}")
    if tries <= event.fails:
        message = f"try {tries} of {meta.event_id} fails"
        raise RuntimeError(message)
    reader_commands.execute(event.reader, CountLoan(book=book_id), command_id=meta.command_id_for(loans.name))
    if tries <= event.dies:
        os._exit(1)


class Board:
    """Notes notices, in the process that dispatched them, or else by the stream."""

    name = "posted"
    bookmark = "board"

    def handle(self, event: DomainEvent[Notice]) -> None:
        notice = f"{event.aggregate_id}@{event.version}"
        tries = try_again(f"board {notice}")
        if tries <= event.payloads.dies:
            os._exit(1)
        if tries <= event.payloads.fails:
            message = f"try {tries} of {notice} fails: {event.payloads.text}"
            raise RuntimeError(message)
        note("board", notice)


_board = Board()
_bus = DurableEventBus(notices, domain=domain)
service = create_service(event_store=notices, event_bus=_bus, event_handlers=[_board])
(board,) = _bus.event_handlers([_board])
