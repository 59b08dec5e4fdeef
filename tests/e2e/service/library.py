"""A module of events: books and readers, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from runtime import (
    CommandError,
    DynamoProvider,
    Event,
    EventBuilder,
    Persist,
    create_aggregate,
    create_commands,
    create_domain,
    event_type,
    provider_event_store,
)

if TYPE_CHECKING:
    from runtime import Aggregate, EventMeta, Loaded


#: Characters of a page.
PAGE = 64


class BookAcquired(Event, type="acquired"):
    """``fails`` says how often a handler fails at it."""

    title: str
    text: str
    fails: int = 0


class BookLent(Event, type="lent"):
    """``fails`` and ``dies`` say how often a reaction fails, and how often its process dies, at it."""

    reader: str
    fails: int = 0
    dies: int = 0


class BookReturned(Event, type="returned"):
    pass


class Book(BaseModel):
    title: str = ""
    pages: int = 0
    reader: str | None = None


BookEvent = BookAcquired | BookLent | BookReturned


@event_type("joined")
@dataclass(frozen=True)
class ReaderJoined:
    name: str


@event_type("loan-counted")
@dataclass(frozen=True)
class LoanCounted:
    book: str


@dataclass(frozen=True)
class Reader:
    name: str = ""
    loans: int = 0


ReaderEvent = ReaderJoined | LoanCounted


def fold_book(event: BookEvent, state: Book, _meta: EventMeta) -> Book:
    match event:
        case BookAcquired(title=title, text=text):
            return Book(title=title, pages=len(text) // PAGE)
        case BookLent(reader=reader):
            return state.model_copy(update={"reader": reader})
        case BookReturned():
            return state.model_copy(update={"reader": None})


def fold_reader(event: ReaderEvent, state: Reader, _meta: EventMeta) -> dict[str, Any]:
    if isinstance(event, ReaderJoined):
        return {"name": event.name}
    return {"loans": state.loans + 1}


book: Aggregate[BookEvent, Book] = create_aggregate(
    stream="books",
    events=[BookAcquired, BookLent, BookReturned],
    create=Book,
    fold=fold_book,
    persist=Persist(version="1"),
)
reader: Aggregate[ReaderEvent, Reader] = create_aggregate(
    stream="readers", events=[ReaderJoined, LoanCounted], create=Reader, fold=fold_reader
)
provider = DynamoProvider("library")
domain = create_domain(provider, book, reader)
book_commands = create_commands(domain[book])
reader_commands = create_commands(domain[reader])


class Notice(BaseModel):
    """What a service dispatches; ``fails`` and ``dies`` as above."""

    text: str
    fails: int = 0
    dies: int = 0


build_notice = EventBuilder(Notice, event_name="posted", aggregate_type="notices")
notices = provider_event_store(provider, events=[build_notice])


class AcquireBook(BaseModel):
    title: str
    pages: int = 0
    fails: int = 0


class LendBook(BaseModel):
    reader: str
    fails: int = 0
    dies: int = 0


class ReturnBook(BaseModel):
    pass


class Join(BaseModel):
    name: str


class CountLoan(BaseModel):
    """For the reaction, not for clients."""

    book: str


@book_commands.on(AcquireBook)
def acquire(command: AcquireBook, current: Loaded[Book]) -> BookEvent:
    if current.exists:
        message = "there is a book with this id"
        raise CommandError(message, code="book-exists")
    # Nothing that deflates to less than half of it, and the same each time that it is decided.
    pages = (sha256(f"{command.title} {number}".encode()).hexdigest() for number in range(command.pages))
    return BookAcquired(title=command.title, text="".join(pages), fails=command.fails)


@book_commands.on(LendBook)
def lend(command: LendBook, current: Loaded[Book]) -> BookEvent:
    """Lend a book. What is read here of the reader still holds when it is stored."""
    if not current.exists or current.state.reader is not None:
        message = "the book is not there"
        raise CommandError(message, code="book-not-there")
    if not domain[reader].get_aggregate(command.reader).exists:
        message = "there is no such reader"
        raise CommandError(message, code="no-such-reader")
    return BookLent(reader=command.reader, fails=command.fails, dies=command.dies)


@book_commands.on(ReturnBook)
def give_back(_command: ReturnBook, current: Loaded[Book]) -> BookEvent | None:
    return BookReturned() if current.state.reader is not None else None


@reader_commands.on(Join)
def join(command: Join, current: Loaded[Reader]) -> ReaderEvent | None:
    return None if current.exists else ReaderJoined(name=command.name)


@reader_commands.on(CountLoan)
def count_loan(command: CountLoan, _current: Loaded[Reader]) -> ReaderEvent:
    if not domain[book].get_aggregate(command.book).exists:
        message = "there is no such book"
        raise CommandError(message, code="no-such-book")
    return LoanCounted(book=command.book)
