"""Which version of an aggregate a user published last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from runtime import clock
from runtime.identity.context import InvokeContext
from runtime.model.keys import DetailKey
from runtime.queries.sessions import SessionService
from runtime.settings import Settings
from runtime.store.memory import MemoryStore
from runtime.store.port import Put
from runtime.store.values import Place

KEY = DetailKey("TODO#acme", "A1")
ME = InvokeContext(claims={"sub": "u1"})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def service(store: MemoryStore, seconds: int | None = 300) -> SessionService:
    settings = Settings(session_table_override="session", ryw_session_seconds=seconds)
    context: Any = SimpleNamespace(name="todo", store=store, settings=settings)
    return SessionService(context)


def test_a_session_is_about_one_command_of_one_life(store: MemoryStore) -> None:
    sessions = service(store)
    write = sessions.write_of(ME, KEY, 2, "p2")
    assert write is not None
    store.write(write)
    session = sessions.get("u1", KEY)
    assert session is not None
    assert (session.version, session.publish_id, session.keys) == (2, "p2", (KEY,))
    assert session.is_about({"publishId": "p2"})
    assert not session.is_about({"publishId": "that of a later life"})
    assert not session.is_about({})


def test_a_session_of_the_reference_system_is_about_whatever_has_its_version(store: MemoryStore) -> None:
    row = {"pk": "u1#acme", "sk": "todo#TODO#acme#A1", "version": 2, "ttl": int(clock.seconds()) + 60}
    store.write(Put(table="session", row=row))
    (session,) = service(store).list_by_user("u1", "acme")
    assert (session.keys, session.publish_id) == ((KEY,), None)
    assert session.is_about({"publishId": "any"})
    assert session.is_about({})


@pytest.mark.parametrize(
    "columns", [{}, {"version": "2"}, {"version": True}, {"ttl": "soon"}, {"ttl": None}, {"ttl": 1}]
)
def test_a_row_that_says_nothing_or_is_over_is_no_session(
    store: MemoryStore, columns: dict[str, Any]
) -> None:
    row = {"pk": "u1#acme", "sk": "todo#TODO#acme#A1", "version": 2, **columns}
    store.write(Put(table="session", row=row))
    sessions = service(store)
    assert sessions.get("u1", KEY) is None
    assert sessions.list_by_user("u1", "acme") == []


def test_where_the_sessions_of_an_aggregate_are(store: MemoryStore) -> None:
    sessions = service(store)
    sk = "todo#TODO#acme#A1"
    assert sessions.places_of(["u1", "u2", "u1", ""], KEY) == [
        Place("session", "u1#acme", sk),
        Place("session", "u2#acme", sk),
    ]
    assert sessions.places_of(["u1"], DetailKey("TODO", "A1")) == []
    assert service(store, None).places_of(["u1"], KEY) == []


def test_a_partition_key_that_no_session_can_have_has_none(store: MemoryStore) -> None:
    pk = f"{'p' * 2000}#acme"
    sessions = service(store)
    assert sessions.place(ME, DetailKey(pk, "A1")) is None
    assert sessions.list_by_user("u1", "acme", pk=pk) == []


def test_a_session_that_is_deleted_is_gone(store: MemoryStore) -> None:
    sessions = service(store)
    sessions.put("u1", KEY, 3)
    assert sessions.get("u1", KEY) is not None
    sessions.delete("u1", KEY)
    assert sessions.get("u1", KEY) is None
