"""The time to live of an item, as commands and rules see it, keep it and change it."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    Change,
    CommandModule,
    CqrsApp,
    CqrsModel,
    InvalidInputError,
    ItemCommand,
    State,
    UserContext,
    module_routes,
)
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SYNC = {"mode": "sync"}
PK = "NOTE#acme"
HOUR, DAY = 3600, 86_400


class Note(CqrsModel):
    text: str = ""


class Service:
    """Notes with a command that is given for each test."""

    def __init__(self, command: Callable[[State[Any]], Any], **options: Any) -> None:
        def run(state: State[Any], _body: None, _user: UserContext) -> Any:
            self.seen.append(state.ttl)
            return command(state)

        self.seen: list[int | None] = []
        self.module: CommandModule[Any] = CommandModule("note", attributes=Note, **options)
        routes = module_routes(
            self.module,
            prefix="/notes",
            type="NOTE",
            ttl=True,
            min_ttl=timedelta(0),
            commands={"run": ItemCommand(run)},
        )
        self.memory = MemoryApp(CqrsApp(modules=[self.module], routes=[routes]))
        self.ann = self.memory.client(tenant="acme", user="ann")
        self.start = int(self.memory.clock.seconds())

    def put(self, version: int, ttl: int | None, text: str = "a") -> int:
        body = {"version": version, "name": "n", "attributes": {"text": text}, "ttl": ttl}
        return int(self.ann.put("/notes/a", body, params=SYNC).status)

    def ttl(self) -> int | None:
        (row,) = self.memory.rows("note", "data")
        found: int | None = row.get("ttl")
        return found


@contextmanager
def service(command: Callable[[State[Any]], Any] = lambda _: None, **options: Any) -> Iterator[Service]:
    made = Service(command, **options)
    try:
        yield made
    finally:
        made.memory.close()


COMMANDS: dict[str, Callable[[State[Any]], Any]] = {
    "another name": lambda state: state.replace(name="renamed"),
    "other attributes": lambda state: state.replace(attributes=Note(text="b")),
    "deleted": lambda state: state.replace(is_deleted=True),
}


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_sees_the_time_to_live_and_keeps_it(name: str, *, settled: bool) -> None:
    with service(COMMANDS[name]) as made:
        ttl = made.start + DAY
        body = {"version": 0, "name": "n", "attributes": {"text": "a"}, "ttl": ttl}
        assert made.ann.put("/notes/a", body, params=SYNC if settled else None).status in {201, 202}
        assert made.ann.post("/notes/a/run", params=SYNC if settled else None).status in {200, 202}
        made.memory.deliver()
        assert (made.seen, made.ttl()) == ([ttl], ttl)


@pytest.mark.parametrize("before", [DAY, None])
@pytest.mark.parametrize("after", [2 * DAY, None])
def test_a_time_to_live_is_a_change_of_its_own(before: int | None, after: int | None) -> None:
    given, wanted = (None if ttl is None else ttl + 1_767_225_600 for ttl in (before, after))
    with service(lambda state: state.replace(ttl=wanted)) as made:
        assert made.put(0, given) == 201
        status = made.ann.post("/notes/a/run", params=SYNC).status
        assert (status, made.ttl()) == (204 if given == wanted else 200, wanted)


def test_a_put_that_gives_another_one_is_written_and_one_without_is_none() -> None:
    with service() as made:
        first, second = made.start + DAY, made.start + 2 * DAY
        assert [made.put(0, first), made.put(1, first), made.put(1, second)] == [201, 204, 200]
        assert made.ttl() == second
        # A whole state without one says nothing of it, as long as nothing else is new; then it lives on.
        assert made.put(2, None) == 204
        assert made.put(2, None, text="b") == 200
        assert made.ttl() is None
        # A partial update carries none over: this is how MBC CQRS Serverless has it.
        assert made.put(3, first) == 200
        assert made.ann.patch("/notes/a", {"version": 4, "name": "m"}, params=SYNC).status == 200
        assert made.ttl() is None


@pytest.mark.parametrize("operation", ["publish_partial_update_async", "publish_partial_update_sync"])
def test_a_partial_update_may_be_about_nothing_else(operation: str) -> None:
    with service() as made:
        first, second = made.start + DAY, made.start + 2 * DAY
        assert made.put(0, first) == 201
        me = made.memory.user("ann", tenant="acme")

        def update(ttl: int | None) -> Any:
            command = {"pk": PK, "sk": "a", "version": -1, "ttl": ttl}
            done = getattr(made.module.commands, operation)(command, invoke_context=me)
            made.memory.deliver()
            return done

        assert update(first) is None
        assert (update(second) is not None, made.ttl()) == (True, second)
        assert (update(None) is not None, made.ttl()) == (True, None)
        assert update(None) is None


def test_one_that_is_near_stands_in_no_commands_way_and_a_new_one_is_checked() -> None:
    wanted: list[int] = []

    def command(state: State[Any]) -> State[Any]:
        return state.replace(name=state.name + "+", **({"ttl": wanted[0]} if wanted else {}))  # type: ignore[arg-type]

    with service(command, min_ttl=timedelta(hours=1)) as made:
        ttl = made.start + 2 * HOUR
        assert made.put(0, ttl) == 201
        made.memory.clock.advance(minutes=90)
        assert made.ann.post("/notes/a/run", params=SYNC).status == 200
        assert made.ttl() == ttl
        wanted.append(ttl + 60)
        refused = made.ann.post("/notes/a/run", params=SYNC)
        assert (refused.status, [e["field"] for e in refused.json()["errors"]]) == (400, ["ttl"])
        me = made.memory.user("ann", tenant="acme")
        assert made.module.commands.duplicate((PK, "a"), invoke_context=me) is not None


def test_what_retention_gives_is_given_anew_by_each_change() -> None:
    with service(lambda state: state.replace(name=state.name + "+")) as made:
        made.module.ttl.set_ttl_configuration("data", 10, "acme")
        made.module.ttl.set_ttl_configuration("command", 1, "acme")
        assert made.put(0, None) == 201
        for _ in range(2):
            made.memory.clock.advance(days=3)
            made.memory.expire()  # the commands; what is built on is the data row
            assert made.ann.post("/notes/a/run", params=SYNC).status == 200
            assert made.ttl() == int(made.memory.clock.seconds()) + 10 * DAY


@pytest.mark.parametrize("ttl", [None, 3 * DAY])
def test_a_rule_that_takes_it_away_or_gives_another_is_obeyed(ttl: int | None) -> None:
    wanted = None if ttl is None else 1_767_225_600 + ttl

    def rule(change: Change[Any]) -> State[Any] | None:
        return None if change.operation == "create" else change.after.replace(ttl=wanted)

    with service(decide=[rule]) as made:
        first = made.start + DAY
        assert made.put(0, first) == 201
        # The client gives another one, and the rule decides.
        assert made.put(1, first + 5) == 200
        assert made.ttl() == wanted


def test_a_change_by_call_does_the_same() -> None:
    with service(min_ttl=timedelta(hours=1)) as made:
        assert made.put(0, made.start + DAY) == 201
        me = made.memory.user("ann", tenant="acme")
        change = made.module.commands.publish_change
        done = change((PK, "a"), lambda state: state.replace(ttl=None), sync=True, invoke_context=me)
        assert (done is not None, made.ttl()) == (True, None)
        with pytest.raises(InvalidInputError, match="ttl"):
            change((PK, "a"), lambda state: state.replace(ttl=5), invoke_context=me)
