"""A read model and its cursor in one SQL transaction: each event changes the read model exactly once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    NestedTransaction,
    RootTransaction,
    StaticPool,
    String,
    Table,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from runtime.errors import ConfigurationError, ReadModelUnavailableError
from runtime.event_store.aggregates.aggregate import Aggregate, create_aggregate
from runtime.event_store.commands.commands import create_commands
from runtime.event_store.domain import create_domain
from runtime.event_store.events.event import Event
from runtime.event_store.feed.cursors import CursorKey
from runtime.event_store.feed.drain import drain
from runtime.event_store.providers.memory_provider import MemoryProvider
from runtime.pipeline.catch_up import Outcome
from runtime.sql import SqlCursors
from tests.event_store.feed.lab import KEY, Lab, View, key
from tests.faults.scale import scaled
from tests.support.clock import CLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from runtime.event_store.commits.commit import Commit
    from runtime.event_store.events.recorded import EventMeta
    from runtime.event_store.feed.cursors import Cursors

_METADATA = MetaData()
_COUNTS = Table(
    "event_counts",
    _METADATA,
    Column("pk", String(200), primary_key=True),
    Column("events", Integer, nullable=False),
)


class Crash(BaseException):
    """Stands for the end of a process."""


class Counter(View):
    """A read model that is wrong as soon as an event is shown once too often, or too seldom."""

    def __init__(self, cursors: SqlCursors) -> None:
        super().__init__()
        self.sql = cursors
        self.after: Callable[[Commit, int], object] = lambda _commit, _version: None

    def show(self, commit: Commit, version: int, *, generation: int) -> bool | None:
        self.before(commit, version)
        if not commit.closes:
            self.add(self.sql.connection(), commit.key.pk)
        self.after(commit, version)
        return super().show(commit, version, generation=generation)

    def add(self, connection: Connection, pk: str) -> None:
        mine = update(_COUNTS).where(_COUNTS.c.pk == pk).values(events=_COUNTS.c.events + 1)
        if connection.execute(mine).rowcount == 0:
            connection.execute(insert(_COUNTS).values(pk=pk, events=1))


@pytest.fixture
def cursors(engine: Engine) -> Iterator[SqlCursors]:
    """Of an engine with one connection, as functions have it, which nobody waits for: turns take turns."""
    one = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0)
    made = SqlCursors(one)
    made.metadata.drop_all(one)
    _METADATA.drop_all(one)
    _METADATA.create_all(one)
    made.create_tables()
    made.create_tables()  # they are there already
    yield made
    one.dispose()


@pytest.fixture
def view(cursors: SqlCursors) -> Counter:
    return Counter(cursors)


@pytest.fixture
def lab(cursors: SqlCursors, view: Counter) -> Lab:
    protocol: Cursors = cursors
    return Lab(view, cursors=protocol)


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.pk: row.events for row in connection.execute(select(_COUNTS))}


def test_a_batch_changes_the_read_model_once_however_often_it_comes(engine: Engine, lab: Lab) -> None:
    for number in range(12):
        lab.append(key(number), "a", "b")
        lab.append(key(number))
    for _ in range(3):
        assert lab.deliver(lab.all_records) == []
    assert counts(engine) == {key(number).pk: 3 for number in range(12)}
    assert lab.cursor(key(5)).version == 3


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_crash_between_the_view_and_the_cursor_undoes_both(
    engine: Engine, lab: Lab, view: Counter, *, exclusive: bool
) -> None:
    view.exclusive = exclusive
    lab.append()
    lab.append()
    lab.deliver()
    lab.append(KEY, "a", "b")

    def die(_commit: Commit, version: int) -> None:
        if version == 4:
            raise Crash

    view.after = die
    with CLOCK:
        with pytest.raises(Crash):
            lab.turn()
        assert counts(engine) == {KEY.pk: 2}
        assert lab.cursor().version == 2
        view.after = lambda _commit, _version: None
        CLOCK.advance(100)  # a turn that was claimed is over
        assert lab.turn().outcome is Outcome.DONE
    assert counts(engine) == {KEY.pk: 4}


def test_a_crash_at_the_commit_undoes_both(engine: Engine, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.append()

    def die(_self: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(RootTransaction, "commit", die)
        with pytest.raises(Crash):
            lab.turn()
    assert (counts(engine), lab.cursor().version) == ({}, None)
    assert lab.turn().outcome is Outcome.DONE
    assert counts(engine) == {KEY.pk: 1}


def test_a_connection_that_breaks_undoes_both(engine: Engine, lab: Lab, view: Counter) -> None:
    """As it does when the process is killed: nobody says rollback."""
    lab.append()
    lab.append()

    def cut(_commit: Commit, version: int) -> None:
        if version == 2:
            found = view.sql.connection().connection.dbapi_connection
            assert found is not None
            found.close()

    view.after = cut
    assert lab.deliver() == ["1", "2"]
    assert (counts(engine), lab.cursor().version) == ({}, None)
    view.after = lambda _commit, _version: None
    assert lab.deliver(lab.all_records) == []
    assert counts(engine) == {KEY.pk: 2}


def test_an_event_that_fails_is_undone_alone(engine: Engine, lab: Lab, view: Counter) -> None:
    lab.append(KEY, "a", "b", "a")
    view.fails = lambda _commit, version: version == 2
    drained = lab.turn()
    assert str(drained.error) == "the read model does not take it"
    assert counts(engine) == {KEY.pk: 1}
    cursor = lab.cursor()
    assert (cursor.version, cursor.resume, cursor.failed_version, cursor.failed_error) == (
        1,
        1,
        2,
        "RuntimeError: the read model does not take it",
    )
    view.fails = lambda _commit, _version: False
    assert lab.turn().outcome is Outcome.DONE
    assert counts(engine) == {KEY.pk: 3}
    assert lab.cursor().failed_version is None


def test_a_statement_that_fails_is_undone_alone(engine: Engine, lab: Lab, view: Counter) -> None:
    """PostgreSQL takes no further statement in a transaction after one that failed: there is a savepoint."""
    lab.append()
    lab.append()

    def twice(_commit: Commit, version: int) -> None:
        if version == 2:
            view.sql.connection().execute(insert(_COUNTS).values(pk=KEY.pk, events=7))

    view.after = twice
    assert type(lab.turn().error).__name__ == "IntegrityError"
    assert (counts(engine), lab.cursor().version) == ({KEY.pk: 1}, 1)


@pytest.mark.parametrize("exclusive", [False, True])
def test_what_the_database_refuses_at_the_commit_is_undone_counted_and_parked(
    engine: Engine, *, exclusive: bool
) -> None:
    """A constraint that is checked at the end: the callbacks have worked, and the turn has not."""
    one = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=5)
    if engine.dialect.name == "sqlite":
        event.listen(one, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    metadata = MetaData()
    Table("event_owners", metadata, Column("id", Integer, primary_key=True, autoincrement=False))
    owner = ForeignKey("event_owners.id", deferrable=True, initially="DEFERRED")
    owned = Table(
        "event_owned", metadata, Column("version", Integer, primary_key=True), Column("owner", owner)
    )
    metadata.drop_all(one)
    metadata.create_all(one)
    sql = SqlCursors(one)
    sql.metadata.drop_all(one)
    sql.create_tables()
    view = View()
    view.exclusive = exclusive
    view.before = lambda _commit, version: sql.connection().execute(
        insert(owned).values(version=version, owner=7)
    )
    protocol: Cursors = sql
    lab = Lab(view, cursors=protocol)
    lab.append()
    lab.append()
    with CLOCK:
        assert lab.deliver(lab.all_records) == ["1", "2"]
        assert lab.cursor().version is None
        for _ in range(11):
            CLOCK.advance(61)
            lab.deliver(lab.all_records)
        assert [pk for pk, _ in lab.parked] == [KEY.pk]
    view.before = lambda _commit, _version: None
    done = lab.repair()
    assert (done.done, done.parked_version, lab.cursor().version) == ((1, 2), None, 2)
    one.dispose()


def test_a_database_that_is_gone_when_a_callback_begins_or_ends_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.append()

    def fail(*_: object) -> None:
        gone = Exception("server closed the connection")
        raise OperationalError(None, None, gone)

    for kind, what in ((Connection, "begin_nested"), (NestedTransaction, "commit")):
        with monkeypatch.context() as patch:
            patch.setattr(kind, what, fail)
            with pytest.raises(ReadModelUnavailableError, match="busy or out of reach"):
                lab.turn()
    assert lab.turn().outcome is Outcome.DONE


def test_a_pool_of_one_connection_for_all_threads_is_used_by_one_at_a_time() -> None:
    """As of a database in memory: two turns in one transaction would undo, or commit, each other's work."""
    one = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    _METADATA.create_all(one)
    sql = SqlCursors(one)
    sql.create_tables()
    view = Counter(sql)
    protocol: Cursors = sql
    lab = Lab(view, cursors=protocol)
    for number in range(12):
        lab.append(key(number), "a", "b")
    view.fails = lambda commit, version: version == 2 and commit.key == key(5)
    assert lab.deliver(lab.all_records) == ["6"]
    view.fails = lambda _commit, _version: False
    assert lab.deliver(lab.all_records) == []
    assert counts(one) == {key(number).pk: 2 for number in range(12)}
    one.dispose()


def test_what_fails_is_counted_parked_and_redriven(engine: Engine, lab: Lab, view: Counter) -> None:
    lab.append()
    lab.append()
    view.fails = lambda _commit, version: version == 2
    with CLOCK:
        for _ in range(11):
            CLOCK.advance(10)
            lab.deliver(lab.all_records)
        assert (lab.cursor().parked_version, lab.parked) == (2, [(KEY.pk, 2)])
        page = lab.cursors.parked()
        assert [(one.handler, one.generation, one.pk, one.parked_version) for one in page.cursors] == [
            ("view", 1, KEY.pk, 2)
        ]
        lab.append()
        assert lab.deliver() == []
        failed = lab.repair()
        assert (failed.done, failed.parked_version) == ((), 2)
        view.fails = lambda _commit, _version: False
        done = lab.repair()
    assert (done.done, done.parked_version) == ((2, 3), None)
    assert counts(engine) == {KEY.pk: 3}
    assert (lab.cursor().version, lab.cursor().parked_version) == (3, None)


def test_what_is_shown_once_more_to_see_whether_the_view_works_changes_nothing(
    engine: Engine, lab: Lab, view: Counter
) -> None:
    """Three events that it does not take, and nothing else to go by."""
    lab.append(key(99))
    lab.deliver()
    before = lab.cursor(key(99))
    for number in range(3):
        lab.append(key(number))
    view.fails = lambda commit, _version: commit.key != key(99)
    with CLOCK:
        for _ in range(30):
            CLOCK.advance(5)
            lab.deliver(lab.all_records)
    assert len(lab.parked) == 3
    assert view.versions(key(99)).count(1) > 1
    assert counts(engine) == {key(99).pk: 1}
    assert lab.cursor(key(99)) == before
    # Another process knows of none, and finds one.
    assert lab.cursors.some_seen("view", 1) == [key(99).pk]
    assert lab.cursors.some_seen("view", 2) == lab.cursors.some_seen("other", 1) == []


def test_a_skip_is_noted(engine: Engine, lab: Lab, view: Counter) -> None:
    lab.append()
    lab.append()
    view.fails = lambda _commit, version: version == 1
    with CLOCK:
        for _ in range(11):
            CLOCK.advance(10)
            lab.deliver(lab.all_records)
        assert lab.repair(skipping=True).skipped == 1
    assert (counts(engine), lab.cursor().version) == ({KEY.pk: 1}, 2)


def test_turns_at_once_change_the_read_model_once(engine: Engine, lab: Lab) -> None:
    """Several processes, each with its own connections: whoever is second finds it done."""
    engines = [create_engine(engine.url) for _ in range(4)]
    views = [Counter(SqlCursors(one)) for one in engines]
    for _ in range(scaled(3, 20)):
        lab.append(KEY, "a", "b")
        with ThreadPoolExecutor(len(views)) as pool:
            turns = [pool.submit(come_to_the_end, lab, view) for view in views]
            assert [turn.result() for turn in turns] == [lab.versions[KEY]] * len(views)
        assert counts(engine) == {KEY.pk: lab.versions[KEY]}
    for one in engines:
        one.dispose()


def come_to_the_end(lab: Lab, view: Counter) -> int | None:
    whose = CursorKey(view.name, 1, KEY)
    for _ in range(50):
        try:
            row = view.sql.rows([whose])[whose]
            if row.cursor.version == lab.versions[KEY]:
                break
            drain(lab.provider, view, whose, lab.versions[KEY], row)
        except ReadModelUnavailableError:
            continue  # SQLite: the database is locked
    return view.sql.rows([whose])[whose].cursor.version


def test_whoever_meets_a_claim_leaves_the_version(cursors: SqlCursors) -> None:
    whose = CursorKey("view", 1, KEY)
    mine, other = (cursors.rows([whose])[whose] for _ in range(2))
    assert mine.claim("me/1", 60)
    assert not other.claim("you/1", 60)
    other.read()
    assert other.leave(3)
    assert not mine.release("me/1", 2)
    assert mine.cursor.wanted == 3
    assert mine.release("me/1", 3)
    assert (cursors.rows([whose])[whose].cursor.version, mine.cursor.claim) == (3, None)


def test_a_claimed_turn_goes_on_to_what_others_want(engine: Engine, lab: Lab, view: Counter) -> None:
    view.exclusive = True
    lab.append()
    lab.append()
    lab.deliver()
    lab.append()
    begin = type(lab.cursors.rows([CursorKey("view", 1, KEY)])[CursorKey("view", 1, KEY)]).claim
    met: list[Outcome | None] = []

    def claim(self: Any, *arguments: Any, **options: Any) -> bool:
        taken = begin(self, *arguments, **options)
        if not met:
            met.append(None)
            lab.append()
            met.append(lab.turn().outcome)
        return taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.sql.cursor_row.SqlCursorRow.claim", claim)
        assert lab.turn(version=3).outcome is Outcome.DONE
    assert met == [None, Outcome.LEFT]
    assert (counts(engine), lab.cursor().version, lab.cursor().wanted) == ({KEY.pk: 4}, 4, None)


def test_a_handler_is_registered_once(cursors: SqlCursors) -> None:
    assert cursors.read_handler("view") is None
    assert cursors.write_handler("view", {"revision": "a", "live": 1}, revision=None)
    assert not cursors.write_handler("view", {"revision": "b", "live": 1}, revision=None)
    assert cursors.write_handler("view", {"revision": "c", "live": 2}, revision="a")
    assert not cursors.write_handler("view", {"revision": "d", "live": 3}, revision="a")
    assert cursors.read_handler("view") == {"revision": "c", "live": 2}


def test_the_connection_is_for_callbacks(cursors: SqlCursors) -> None:
    with pytest.raises(ConfigurationError, match="is for callbacks"):
        cursors.connection()


def test_a_callback_must_not_commit(lab: Lab, view: Counter) -> None:
    lab.append()
    view.after = lambda _commit, _version: view.sql.connection().commit()
    with pytest.raises(ConfigurationError, match="has ended the transaction"):
        lab.turn()
    view.after = lambda _commit, _version: None
    assert lab.turn().outcome is Outcome.DONE


def test_a_callback_may_ask_for_the_generation_though_the_pool_has_one_connection(
    cursors: SqlCursors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.sql.cursors._WAIT", 0.1)
    domain = create_domain(MemoryProvider(), account, default_tenant="acme")
    commands = create_commands(domain[account])
    commands.on(Rename)(lambda command, _current: Named(name=command.name))
    model = domain.create_handler("names", [account], cursors=cursors)
    found: list[int] = []

    @model.handle(account, Named)
    def look(_aggregate_id: str, _event: Named, _meta: EventMeta) -> None:
        CLOCK.advance(31)  # what was read of the handler is too old
        found.append(model.generation)

    commands.execute("a1", Rename(name="Ann"))
    with CLOCK:
        assert model.run_once().handled == 1
    assert found == [1]


def test_the_connection_of_a_turn_is_no_other_threads(lab: Lab, view: Counter) -> None:
    """A bus, for one, calls its handlers in the context of whoever has dispatched."""
    refused: list[BaseException | None] = []

    def elsewhere(_commit: Commit, _version: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            refused.append(pool.submit(copy_context().run, view.sql.connection).exception())

    view.after = elsewhere
    lab.append()
    assert lab.turn().outcome is Outcome.DONE
    assert isinstance(refused[0], ConfigurationError)


def test_two_processes_may_make_the_tables_at_once(
    cursors: SqlCursors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says to one of them that the name of the table's type is taken."""
    create_all, calls = cursors.metadata.create_all, []

    def taken(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            own = Exception("duplicate key value violates unique constraint pg_type_typname_nsp_index")
            raise IntegrityError(None, None, own)
        create_all(*given)

    monkeypatch.setattr(cursors.metadata, "create_all", taken)
    cursors.create_tables()
    assert len(calls) == 2


def test_texts_that_databases_do_not_take_are_kept_all_the_same(lab: Lab, view: Counter) -> None:
    lab.append()

    def fail(_commit: Commit, _version: int) -> None:
        message = "half \ud800 a pair, and \0"
        raise ValueError(message)

    view.after = fail
    lab.turn()
    assert lab.cursor().failed_error == "ValueError: half � a pair, and �"


class Named(Event, type="named"):
    name: str


account: Aggregate[Named, dict[str, Any]] = create_aggregate(
    stream="accounts", events=[Named], create=dict, fold=lambda event, _state, _meta: {"name": event.name}
)


class Rename(Named, type="rename"):
    """A command: what is to be."""


def test_a_handler_of_a_domain_keeps_its_cursors_there(engine: Engine, cursors: SqlCursors) -> None:
    domain = create_domain(MemoryProvider(), account, default_tenant="acme")
    commands = create_commands(domain[account])
    commands.on(Rename)(lambda command, _current: Named(name=command.name))
    model = domain.create_handler("names", [account], cursors=cursors)
    fails = [True]

    @model.handle(account, Named)
    def count(aggregate_id: str, event: Named, meta: EventMeta) -> None:
        cursors.connection().execute(insert(_COUNTS).values(pk=f"{aggregate_id}@{meta.version}", events=1))
        if event.name == "Bob" and fails:
            message = "not yet"
            raise ValueError(message)

    commands.execute("a1", Rename(name="Ann"))
    commands.execute("a1", Rename(name="Bob"))
    with pytest.raises(ValueError, match="not yet"):
        model.run_once()
    assert counts(engine) == {"a1@1": 1}
    fails.clear()
    assert model.run_once().handled == 1
    assert counts(engine) == {"a1@1": 1, "a1@2": 1}
    assert model.run_once().handled == 0


def test_tables_that_were_not_made_are_no_outage(engine: Engine) -> None:
    sql = SqlCursors(engine, prefix="forgotten_")
    whose = CursorKey("view", 1, KEY)
    for call in (lambda: sql.rows([whose]), lambda: sql.read_handler("view")):
        with pytest.raises(ConfigurationError, match=r"call SqlCursors.create_tables\(\) once"):
            call()
    row = {"revision": "a", "live": 1}
    with pytest.raises(ConfigurationError, match="has not got their tables"):
        sql.write_handler("view", row, revision=None)


@pytest.mark.parametrize("given", ["sqlite://", None, object()])
def test_what_is_no_engine_is_refused_where_it_is_written_down(given: Any) -> None:
    with pytest.raises(
        ConfigurationError, match="takes an engine of SQLAlchemy, or a function that makes one"
    ):
        SqlCursors(given)
    with pytest.raises(ConfigurationError, match="takes an engine of SQLAlchemy"):
        SqlCursors(lambda: given).read_handler("view")


def test_an_engine_without_transactions_is_refused(engine: Engine) -> None:
    """What a callback has written would be there, and the cursor not."""
    without = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    for one in (without, engine.execution_options(isolation_level="AUTOCOMMIT")):
        with pytest.raises(ConfigurationError, match="must not have isolation_level='AUTOCOMMIT'"):
            SqlCursors(one)
    without.dispose()


@pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ", "READ UNCOMMITTED"])
def test_any_other_isolation_will_do(engine: Engine, level: str) -> None:
    if level == "REPEATABLE READ" and engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no such level")
    some = [create_engine(engine.url, isolation_level=level) for _ in range(2)]
    _METADATA.drop_all(engine)
    _METADATA.create_all(engine)
    views = [Counter(SqlCursors(one)) for one in some]
    views[0].sql.metadata.drop_all(engine)
    views[0].sql.create_tables()
    protocol: Cursors = views[0].sql
    lab = Lab(views[0], cursors=protocol)
    for _ in range(3):
        lab.append(KEY, "a", "b")
        with ThreadPoolExecutor(2) as pool:
            turns = [pool.submit(come_to_the_end, lab, view) for view in views]
            assert [turn.result() for turn in turns] == [lab.versions[KEY]] * 2
    assert counts(engine) == {KEY.pk: 6}
    for one in some:
        one.dispose()
