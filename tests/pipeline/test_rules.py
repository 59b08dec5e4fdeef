"""A module's rules hold whatever way a command comes in, and the rows show it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from pydantic import Field

from runtime import (
    Change,
    CommandModel,
    CommandModule,
    ConfigurationError,
    CorruptRowError,
    CqrsApp,
    CqrsModel,
    DataSyncHandler,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    ItemCommand,
    RuleFailedError,
    RuleViolationError,
    State,
    StoreUnavailableError,
    UnreadableRowError,
    UserContext,
    VersionConflictError,
    module_routes,
)
from runtime.store.codec import row_of
from runtime.store.port import Put
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.commands.decide import Decision

PK, SK = "INVOICE#acme", "A1"
Verdict = Literal["accept", "refuse", "change"]


class Invoice(CqrsModel):
    total: int = 0
    note: str | None = None
    checked_by: str | None = None


STATE = {"pk": PK, "sk": SK, "code": SK, "name": "n", "type": "INVOICE"}


@dataclass
class Judge:
    """A rule that says what it is told to, and remembers what it was asked."""

    verdict: Verdict = "accept"
    asked: list[Change[Invoice]] = field(default_factory=list)

    def __call__(self, change: Change[Invoice]) -> Decision[Invoice]:
        self.asked.append(change)
        if self.verdict == "refuse":
            return FieldProblem("attributes.total", "is not wanted")
        if self.verdict == "change":
            checked = change.after.attributes.model_copy(update={"checked_by": change.user.user_id})
            return change.after.replace(attributes=checked, name="checked")
        return None


class Charge(CqrsModel):
    total: int


class Visit(CqrsModel):
    """A body that may be left empty: what is not in it is made."""

    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    fee: int = Field(default_factory=lambda: VISIT)


#: What a visit adds.
VISIT = 1000


def visit(invoice: State[Invoice], body: Visit, _user: UserContext) -> State[Invoice]:
    total = invoice.attributes.total + body.fee
    return invoice.replace(attributes=invoice.attributes.model_copy(update={"total": total}))


def charge(invoice: State[Invoice], body: Charge, _user: UserContext) -> State[Invoice]:
    return invoice.replace(attributes=invoice.attributes.model_copy(update={"total": body.total}))


class Service:
    """A module with rules, in memory."""

    def __init__(self, *rules: Any, model: Any = Invoice, **options: Any) -> None:
        self.module: CommandModule[Any] = CommandModule("invoice", attributes=model, decide=rules, **options)
        commands = {"charge": ItemCommand(charge, body=Charge), "visit": ItemCommand(visit, body=Visit)}
        routes = [module_routes(self.module, prefix="/invoices", type="INVOICE", commands=commands)]
        self.items = self.module.service(type="INVOICE")
        self.memory = MemoryApp(CqrsApp(modules=[self.module], routes=routes))
        self.client = self.memory.client(tenant="acme", user="ann")
        self.user = self.memory.user("ann", tenant="acme")

    def rows(self) -> str:
        kinds = ("command", "data", "history")
        return json.dumps([self.memory.rows("invoice", kind) for kind in kinds], default=str)

    def latest(self) -> dict[str, Any]:
        """The latest version as it is stored, in the command and in the data row."""
        command = max(self.memory.rows("invoice", "command"), key=lambda row: int(row["version"]))
        self.memory.deliver()
        (data,) = self.memory.rows("invoice", "data")
        for name in ("version", "name", "attributes", "isDeleted"):
            assert data.get(name) == command.get(name)
        return data


@contextmanager
def service(*rules: Any, **options: Any) -> Iterator[Service]:
    made = Service(*rules, **options)
    try:
        yield made
    finally:
        made.memory.close()


# Each way in gets the service, the version to build on, and the total to be.
def http(
    method: str, path: str = "", mode: str = "async", headers: dict[str, str] | None = None
) -> Callable[[Service, int, int], None]:
    def call(service: Service, version: int, total: int) -> None:
        body: Any = {"version": version, "name": "n", "attributes": {"total": total}}
        params: dict[str, Any] = {"mode": mode}
        if not path:
            body["sk"] = SK
        if path == "/bulk":
            body = [body | {"sk": SK}]
        if method == "PATCH":
            del body["name"]
        if method == "DELETE":
            body, params = None, params | {"version": version}
        answer = service.client.request(method, f"/invoices{path}", body, params=params, headers=headers)
        found = answer.json() if answer.text else None
        if path == "/bulk":
            found = found["items"][0]
            status, found = found["status"], found.get("problem")
        else:
            status = answer.status
        if status == 422:
            assert (found["type"], found["written"]) == ("urn:problem-type:cqrs:rule-violation", "nothing")
            raise RuleViolationError([FieldProblem(**error) for error in found["errors"]])
        assert status in {200, 201, 202}, found

    return call


def whole(operation: str) -> Callable[[Service, int, int], None]:
    def call(service: Service, version: int, total: int) -> None:
        publish = getattr(service.module.commands, operation)
        command = {**STATE, "version": version, "attributes": {"total": total}}
        assert publish(command, invoke_context=service.user) is not None

    return call


def partial(operation: str) -> Callable[[Service, int, int], None]:
    def call(service: Service, version: int, total: int) -> None:
        publish = getattr(service.module.commands, operation)
        command = {"pk": PK, "sk": SK, "version": version, "attributes": {"total": total}}
        assert publish(command, invoke_context=service.user) is not None

    return call


def with_retry(*, sync: bool) -> Callable[[Service, int, int], None]:
    def call(service: Service, _version: int, total: int) -> None:
        def change(_latest: Any) -> dict[str, Any]:
            return {**STATE, "attributes": {"total": total}}

        publish = service.module.commands.publish_with_retry
        assert publish((PK, SK), change, sync=sync, invoke_context=service.user) is not None

    return call


def command(mode: str, name: str = "charge") -> Callable[[Service, int, int], None]:
    def call(service: Service, version: int, total: int) -> None:
        params = {"mode": mode, "version": version}
        body = {} if name == "visit" else {"total": total}
        answer = service.client.post(f"/invoices/{SK}/{name}", body, params=params)
        if answer.status == 422:
            assert answer.json()["written"] == "nothing"
            raise RuleViolationError([FieldProblem(**error) for error in answer.json()["errors"]])
        assert answer.status in {200, 202}

    return call


def by_change(service: Service, _version: int, total: int) -> None:
    def change(state: State[Invoice]) -> State[Invoice]:
        return charge(state, Charge(total=total), UserContext(None, None, ""))

    publish = service.module.commands.publish_change
    assert publish((PK, SK), change, invoke_context=service.user) is not None


def items(method: str, *, sync: bool = False, function: bool = False) -> Callable[[Service, int, int], None]:
    """A call of what a service is made of that is written by hand."""

    def call(service: Service, version: int, total: int) -> None:
        arguments: dict[str, Any] = {"version": version, "sync": sync, "invoke_context": service.user}
        what: tuple[Any, ...] = ()
        if method == "create":
            what = ({"total": total},)
            arguments |= {"sk": SK, "name": "n"}
            del arguments["version"]
        elif method in {"put", "replace"}:
            what = (SK, {"total": total})
            arguments["name"] = "n"
        elif method == "change" and function:
            what = (SK, lambda state: charge(state, Charge(total=total), UserContext(None, None, "")))
        elif method == "change":
            what = (SK, {"attributes": {"total": total}})
        else:
            what = (SK,)
        assert getattr(service.items, method)(*what, **arguments) is not None

    return call


def duplicate(service: Service, _version: int, _total: int) -> None:
    assert service.module.commands.duplicate((PK, SK), invoke_context=service.user) is not None


Way = tuple[str, "Callable[[Service, int, int], None]"]

#: Ways that say the whole state: they create, update, and bring back what was deleted.
WHOLE: dict[str, Callable[[Service, int, int], None]] = {
    "POST": http("POST"),
    "POST, sync": http("POST", mode="sync"),
    "PUT": http("PUT", f"/{SK}"),
    "PUT, sync": http("PUT", f"/{SK}", mode="sync"),
    "bulk": http("POST", "/bulk"),
    "bulk, sync": http("POST", "/bulk", mode="sync"),
    "publish_async": whole("publish_async"),
    "publish_sync": whole("publish_sync"),
    "publish_with_retry": with_retry(sync=False),
    "publish_with_retry, sync": with_retry(sync=True),
    "items.put": items("put"),
    "items.put, sync": items("put", sync=True),
}
MERGE = {"content-type": "application/merge-patch+json"}
#: Ways that need something to build on.
LATER: dict[str, Callable[[Service, int, int], None]] = {
    "PATCH": http("PATCH", f"/{SK}"),
    "PATCH, sync": http("PATCH", f"/{SK}", mode="sync"),
    "merge patch": http("PATCH", f"/{SK}", headers=MERGE),
    "merge patch, sync": http("PATCH", f"/{SK}", mode="sync", headers=MERGE),
    "DELETE": http("DELETE", f"/{SK}"),
    "DELETE, sync": http("DELETE", f"/{SK}", mode="sync"),
    "publish_partial_update_async": partial("publish_partial_update_async"),
    "publish_partial_update_sync": partial("publish_partial_update_sync"),
    "a command": command("async"),
    "a command, sync": command("sync"),
    "a command with defaults": command("async", "visit"),
    "a command with defaults, sync": command("sync", "visit"),
    "items.replace": items("replace"),
    "items.replace, sync": items("replace", sync=True),
    "items.change": items("change"),
    "items.change, sync": items("change", sync=True),
    "items.change by a function": items("change", function=True),
    "items.change by a function, sync": items("change", sync=True, function=True),
    "items.delete": items("delete"),
    "items.delete, sync": items("delete", sync=True),
    "publish_change": by_change,
    "duplicate": duplicate,
}
#: Ways that need that there is nothing yet.
FIRST = {"items.create": items("create"), "items.create, sync": items("create", sync=True)}
#: Ways that need something that is deleted.
BACK = {"items.restore": items("restore"), "items.restore, sync": items("restore", sync=True)}
WAYS = WHOLE | FIRST | LATER | BACK
NEEDS_ONE_THAT_IS_THERE = {*LATER} - {
    "duplicate",
    "publish_partial_update_async",
    "publish_partial_update_sync",
}


def fits(way: str, expected: Expected) -> bool:
    """Whether a way may be taken from there."""
    if way in FIRST:
        return not expected.version
    if way in BACK:
        return expected.is_deleted
    if way in LATER and not expected.version:
        return False
    return not (expected.is_deleted and way in NEEDS_ONE_THAT_IS_THERE)


@dataclass
class Expected:
    """What the item has to be."""

    version: int = 0
    total: int = 0
    name: str = ""
    checked_by: str | None = None
    is_deleted: bool = False


def step(  # noqa: PLR0917 - what is done, and what is known
    service: Service, judge: Judge, expected: Expected, way: str, verdict: Verdict, total: int
) -> Expected:
    """Take one way with one verdict; what the item has to be after it."""
    judge.verdict, judge.asked, before = verdict, [], service.rows()
    try:
        WAYS[way](service, expected.version, total)
        refused = None
    except RuleViolationError as error:
        refused = error
    (change,) = judge.asked
    # What it was asked about.
    found = change.before
    if expected.version == 0:
        assert found is None
    else:
        assert found is not None
        assert (found.version, found.name, found.is_deleted) == (
            expected.version,
            expected.name,
            expected.is_deleted,
        )
        assert (found.attributes.total, found.attributes.checked_by) == (expected.total, expected.checked_by)
    is_deletion = way.startswith(("DELETE", "items.delete"))
    keeps = is_deletion or way == "duplicate" or way in BACK
    is_partial = keeps or (way in LATER and not way.startswith("items.replace"))
    if way.startswith("a command with defaults"):
        total = expected.total + VISIT
    wanted = Expected(
        version=expected.version + 1,
        total=expected.total if keeps else total,
        name=expected.name if is_partial else "n",
        checked_by=expected.checked_by if is_partial else None,
        is_deleted=is_deletion or (is_partial and expected.is_deleted and way not in BACK),
    )
    assert (change.after.version, change.after.is_deleted) == (wanted.version, wanted.is_deleted)
    operation = "update"
    if expected.version == 0:
        operation = "create"
    elif expected.is_deleted != wanted.is_deleted:
        operation = "delete" if wanted.is_deleted else "restore"
    assert change.operation == operation
    # And what came of it.
    if verdict == "refuse":
        assert refused is not None
        assert [problem.field for problem in refused.problems] == ["attributes.total"]
        assert service.rows() == before
        return expected
    assert refused is None
    if verdict == "change":
        wanted.name, wanted.checked_by = "checked", "ann"
    return wanted


def check_rows(service: Service, expected: Expected) -> None:
    if not expected.version:
        assert service.memory.rows("invoice", "command") == []
        return
    row = service.latest()
    attributes = row["attributes"]
    assert (row["version"], row["name"], bool(row.get("isDeleted"))) == (
        expected.version,
        expected.name,
        expected.is_deleted,
    )
    assert (attributes["total"], attributes.get("checkedBy")) == (expected.total, expected.checked_by)


@pytest.mark.parametrize("verdict", ["accept", "refuse", "change"])
@pytest.mark.parametrize("way", WAYS)
def test_a_rule_holds_on_every_way_in(way: str, verdict: Verdict) -> None:
    judge = Judge()
    with service(judge) as made:
        expected = Expected()
        if way in LATER or way in BACK:
            expected = step(made, judge, expected, "publish_async", "accept", 1)
        else:
            expected = step(made, judge, expected, way, verdict, 1)
            check_rows(made, expected)
            if not expected.version:
                expected = step(made, judge, expected, "publish_sync", "accept", 1)
        if way in BACK:
            expected = step(made, judge, expected, "DELETE", "accept", 0)
        if way not in FIRST:
            expected = step(made, judge, expected, way, verdict, 2)
        check_rows(made, expected)
        if not expected.is_deleted:
            expected = step(made, judge, expected, "DELETE", "accept", 0)
        if way in WHOLE:  # it is back
            expected = step(made, judge, expected, way, verdict, 3)
            check_rows(made, expected)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*WAYS]), st.sampled_from(["accept", "refuse", "change"]), st.booleans()),
        max_size=8,
    )
)
def test_before_is_always_what_the_next_version_builds_on(steps: list[tuple[str, Verdict, bool]]) -> None:
    judge = Judge()
    with service(judge) as made:
        expected = Expected()
        note(repr(steps))
        for number, (way, verdict, delivers) in enumerate(steps):
            if not fits(way, expected):
                continue
            expected = step(made, judge, expected, way, verdict, number + 1)
            if delivers:
                made.memory.deliver()
        check_rows(made, expected)


# What a rule may say.
def _problems(_change: Change[Invoice]) -> Iterator[FieldProblem]:
    yield FieldProblem("attributes.total", "one")
    yield FieldProblem("name", "two")


def _raises_problems(_change: Change[Invoice]) -> None:
    raise RuleViolationError([FieldProblem("attributes.total", "one")])


def _forbids(change: Change[Invoice]) -> None:
    if "cashier" not in change.user.tenant_roles:
        msg = "only cashiers may"
        raise ForbiddenError(msg)


def _is_busy(_change: Change[Invoice]) -> None:
    service = "DynamoDB"
    raise StoreUnavailableError(service, "Throttling")


@pytest.mark.parametrize(
    ("rule", "status", "kind", "fields"),
    [
        (_problems, 422, "rule-violation", ["attributes.total", "name"]),
        (_raises_problems, 422, "rule-violation", ["attributes.total"]),
        (_forbids, 403, "forbidden", []),
        (_is_busy, 503, "unavailable", []),
        ("tests.pipeline.test_rules:_raises_problems", 422, "rule-violation", ["attributes.total"]),
    ],
)
def test_a_refusal_names_the_fields_and_writes_nothing(
    rule: Any, status: int, kind: str, fields: list[str]
) -> None:
    with service(rule) as made:
        answer = made.client.post("/invoices", {"version": 0, "name": "n", "attributes": {}})
        problem = answer.json()
        assert (answer.status, problem["type"]) == (status, f"urn:problem-type:cqrs:{kind}")
        assert [error["field"] for error in problem.get("errors", ())] == fields
        assert problem["written"] == "nothing"
        assert made.memory.rows("invoice", "command") == []


def _raises(_change: Change[Invoice]) -> None:
    message = "secret-text"
    raise LookupError(message)


def _claims_to_have_written(_change: Change[Invoice]) -> None:
    class StrangeError(RuleViolationError):
        written = "everything"

    raise StrangeError([FieldProblem("x", "secret-text")])


def _returns_text(_change: Change[Invoice]) -> Any:
    return "no"


def _returns_texts(_change: Change[Invoice]) -> Any:
    return ["no"]


def _returns_another(change: Change[Invoice]) -> Any:
    other = change.after.replace()
    object.__setattr__(other, "key", other.key._replace(sk="other"))
    return other


def _changes_in_place(change: Change[Invoice]) -> None:
    change.after.attributes.total = 99


async def _is_awaited(_change: Change[Invoice]) -> None: ...


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize(
    "rule",
    [
        _raises,
        _claims_to_have_written,
        _returns_text,
        _returns_texts,
        _returns_another,
        _changes_in_place,
        lambda change: _is_awaited(change),  # noqa: PLW0108 - given as it is, it is refused at the start
    ],
)
def test_a_rule_that_fails_says_that_nothing_was_written_and_no_text(rule: Any) -> None:
    with service(rule) as made:
        answer = made.client.put("/invoices/A1", {"version": 0, "name": "n", "attributes": {"total": 1}})
        assert (answer.status, answer.json()["written"]) == (500, "nothing")
        assert "secret-text" not in answer.text
        assert rule.__name__ not in answer.text
        command = {**STATE, "version": 0, "attributes": {"total": 1}}
        with pytest.raises(RuleFailedError, match=rule.__name__) as caught:
            made.module.commands.publish_sync(command, invoke_context=made.user)
        assert "secret-text" not in str(caught.value)
        assert made.memory.rows("invoice", "command") == []


def test_rules_are_asked_in_order_and_get_what_the_one_before_made() -> None:
    def double(change: Change[Invoice]) -> State[Invoice]:
        total = change.after.attributes.total * 2
        return change.after.replace(attributes=change.after.attributes.model_copy(update={"total": total}))

    def limit(change: Change[Invoice]) -> FieldProblem | None:
        too_much = change.after.attributes.total > 10
        return FieldProblem("attributes.total", "must be at most 10") if too_much else None

    def in_place(change: Change[Invoice]) -> State[Invoice]:
        change.after.attributes.note = f"is {change.after.attributes.total}"
        return change.after

    with service(double, limit, in_place) as made:
        call = whole("publish_async")
        call(made, 0, 5)
        attributes = made.memory.rows("invoice", "command")[0]["attributes"]
        assert (attributes["total"], attributes["note"]) == (10, "is 10")
        with pytest.raises(RuleViolationError):
            call(made, 1, 6)
        # A state that comes out as it was changes nothing.
        command = {**STATE, "version": 1, "attributes": {"total": 5}}
        assert made.module.commands.publish_async(command, invoke_context=made.user) is None


def test_what_changes_nothing_is_not_asked_about() -> None:
    judge = Judge()
    with service(judge) as made:
        call = whole("publish_async")
        call(made, 0, 1)
        judge.asked, judge.verdict = [], "refuse"
        command = {**STATE, "version": 1, "attributes": {"total": 1}}
        assert made.module.commands.publish_async(command, invoke_context=made.user) is None
        assert judge.asked == []


def test_a_repeated_publish_is_not_asked_about_again() -> None:
    judge = Judge()
    with service(judge) as made:
        publish, command = (
            made.module.commands.publish_async,
            {**STATE, "version": 0, "attributes": {"total": 1}},
        )
        first = publish(command, invoke_context=made.user, publish_id="p")
        judge.verdict = "refuse"
        again = publish(command, invoke_context=made.user, publish_id="p")
        assert first is not None
        assert again is not None
        assert (again.version, len(judge.asked)) == (first.version, 1)


def test_a_retry_asks_anew_with_the_fresh_state() -> None:
    seen: list[tuple[int, int]] = []

    def watch(change: Change[Invoice]) -> FieldProblem | None:
        before = change.before
        seen.append((before.version, before.attributes.total) if before else (0, 0))
        if len(seen) == 2:  # somebody else is faster, while the first attempt is decided
            whole("publish_async")(made, 1, 50)
        if change.after.attributes.total > 55:
            return FieldProblem("attributes.total", "is too much")
        return None

    def add(latest: Any) -> dict[str, Any]:
        return {**STATE, "attributes": {"total": latest.attributes.total + 1}}

    with service(watch) as made:
        retry = made.module.commands.publish_with_retry
        whole("publish_async")(made, 0, 1)
        done = retry((PK, SK), add, invoke_context=made.user)
        assert done is not None
        assert (done.version, done.attributes.total) == (3, 51)
        assert seen == [(0, 0), (1, 1), (1, 1), (2, 50)]


def test_an_expired_item_begins_anew() -> None:
    judge = Judge()
    with service(judge) as made:
        ttl = int(made.memory.clock.now().timestamp()) + 3600
        command = {**STATE, "version": 0, "ttl": ttl, "attributes": {"total": 1}}
        made.module.commands.publish_sync(command, invoke_context=made.user)
        assert judge.asked[0].after.ttl == ttl
        made.memory.clock.advance(hours=2)
        made.memory.expire()
        made.module.commands.publish_sync(
            {**STATE, "version": -1, "attributes": {"total": 1}}, invoke_context=made.user
        )
        assert (judge.asked[1].before, judge.asked[1].operation) == (None, "create")


def test_a_ttl_that_a_rule_gives_is_checked_and_kept() -> None:
    given: list[int] = []

    def keep_for_a_while(change: Change[Invoice]) -> State[Invoice]:
        return change.after.replace(ttl=given[0])

    with service(keep_for_a_while, min_ttl=timedelta(hours=1)) as made:
        now = int(made.memory.clock.now().timestamp())
        given[:] = [now + 60]
        with pytest.raises(InvalidInputError, match="ttl"):
            whole("publish_sync")(made, 0, 1)
        given[:] = [now + 7200]
        whole("publish_sync")(made, 0, 1)
        assert made.memory.rows("invoice", "data")[0]["ttl"] == now + 7200


def test_a_state_that_the_model_refuses_is_refused_by_field() -> None:
    def spoil(change: Change[Invoice]) -> State[Invoice]:
        broken = change.after.attributes.model_copy(update={"total": "many"})
        return change.after.replace(attributes=broken)

    with service(spoil) as made, pytest.raises(InvalidInputError) as caught:
        whole("publish_async")(made, 0, 1)
    assert [problem.field for problem in caught.value.problems] == ["attributes.total"]


# Rows that the model of today does not accept.
class Strict(CqrsModel):
    total: int
    needed: str


def _store(made: Service, attributes: dict[str, Any]) -> None:
    """Store version 1, as another release wrote it."""
    names = {"sk": SK, "code": SK, "name": "n", "type": "INVOICE", "id": f"{PK}#{SK}", "tenantCode": "acme"}
    row = row_of({**names, "pk": PK, "version": 1, "cpk": PK, "csk": f"{SK}@1", "attributes": attributes})
    command = row | {"sk": f"{SK}@1", "status": "finish:FINISHED"}
    made.memory.store.write(Put(table=made.module.tables.data, row=row))
    made.memory.store.write(Put(table=made.module.tables.command, row=command))
    made.memory.deliver(lose=[f"{SK}@1"])


def test_what_cannot_be_read_can_be_deleted_and_rules_that_need_not_look_hold() -> None:
    looked: list[Any] = []
    roles: list[str] = []

    def only_admins(change: Change[Strict]) -> None:
        if change.operation == "delete" and "admin" not in roles:
            msg = "only admins delete"
            raise ForbiddenError(msg)

    def looks(change: Change[Strict]) -> FieldProblem | None:
        looked.append(change)
        assert change.before is not None
        return FieldProblem("attributes.total", "is there") if change.before.attributes.total else None

    with service(only_admins, looks, model=Strict) as made:
        _store(made, {"total": 1})
        path, params = f"/invoices/{SK}", {"mode": "sync", "version": 1}
        assert made.client.delete(path, params=params).status == 403
        # To mend it, the rule would have to know what it was.
        body = {"version": 1, "name": "n", "attributes": {"total": 2, "needed": "x"}}
        mended = made.client.put(path, body, params={"mode": "sync"})
        assert (mended.status, mended.json()["type"]) == (500, "urn:problem-type:cqrs:unreadable-row")
        roles.append("admin")
        assert made.client.delete(path, params=params).status == 200
        assert len(looked) == 2
        assert isinstance(looked[1].before.held.error, CorruptRowError)
        (row,) = made.memory.rows("invoice", "data")
        assert (row["isDeleted"], row["attributes"]) == (True, {"total": 1})


def test_a_rule_that_knows_of_it_lets_what_cannot_be_read_be_mended() -> None:
    def looks(change: Change[Strict]) -> None:
        try:
            assert change.before is None or change.before.attributes
        except UnreadableRowError:
            return

    with service(looks, model=Strict) as made:
        _store(made, {"total": 1})
        body = {"version": 1, "name": "n", "attributes": {"total": 2, "needed": "x"}}
        assert made.client.put(f"/invoices/{SK}", body, params={"mode": "sync"}).status == 200


def test_a_change_of_a_rules_keeps_what_the_model_does_not_know() -> None:
    judge = Judge(verdict="change")
    with service(judge) as made:
        _store(made, {"total": 1, "note": "x", "newer": {"field": 1}})
        partial("publish_partial_update_sync")(made, 1, 2)
        attributes = made.latest()["attributes"]
        assert attributes == {"total": 2, "note": "x", "newer": {"field": 1}, "checkedBy": "ann"}


class Sink(DataSyncHandler):
    def up(self, command: CommandModel[Any]) -> None:
        """Keep nothing."""


def test_a_module_without_data_rows_has_rules_as_well() -> None:
    judge = Judge()
    options: dict[str, Any] = {"disable_default_handler": True, "data_sync_handlers": [Sink]}
    with service(judge, **options) as made:
        whole("publish_async")(made, 0, 1)
        made.memory.deliver()
        made.memory.clock.advance(days=9999)  # the commands expire, and what is kept of them stays
        made.memory.expire()
        judge.verdict = "change"
        partial("publish_partial_update_async")(made, -1, 2)
        before = judge.asked[-1].before
        assert before is not None
        assert (before.key, before.version, before.attributes.total) == ((PK, SK), 1, 1)
        row = max(made.memory.rows("invoice", "command"), key=lambda found: int(found["version"]))
        assert (row["version"], row["attributes"]["checkedBy"]) == (2, "ann")
        by_change(made, 2, 3)
        assert judge.asked[-1].after.attributes.total == 3


class Picky(Sink):
    def problems(self, command: CommandModel[Any]) -> list[FieldProblem]:
        return [FieldProblem("name", "is not taken")] if command.name == "checked" else []


def test_handlers_are_asked_about_what_the_rules_have_left() -> None:
    judge = Judge()
    with service(judge, ask_handlers=True, data_sync_handlers=[Picky]) as made:
        whole("publish_async")(made, 0, 1)
        judge.verdict = "change"
        with pytest.raises(InvalidInputError, match="name: is not taken"):
            whole("publish_async")(made, 1, 2)
        assert len(made.memory.rows("invoice", "command")) == 1


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({"is_deleted": True}, {"isDeleted": True}),
        ({"seq": 7, "code": "c"}, {"seq": 7, "code": "c"}),
        ({"attributes": {"total": 9}}, {"attributes": {"total": 9}}),
    ],
)
def test_any_field_of_the_next_state_may_be_another(fields: Any, row: dict[str, Any]) -> None:
    with service(lambda change: change.after.replace(**fields)) as made:
        whole("publish_sync")(made, 0, 1)
        stored = made.latest()
        stored["attributes"] = {"total": stored["attributes"]["total"]}
        assert {name: stored[name] for name in row} == row


@pytest.mark.parametrize("fields", [{"key": None}, {"nonsense": 1}])
def test_what_a_state_does_not_have_cannot_be_changed(fields: Any) -> None:
    with service(lambda change: change.after.replace(**fields)) as made, pytest.raises(RuleFailedError):
        whole("publish_sync")(made, 0, 1)


def test_large_attributes_are_read_when_a_rule_looks_at_them() -> None:
    looks: list[int] = []

    def look(change: Change[Invoice]) -> None:
        if looks and change.before:
            looks.append(len(change.before.attributes.note or ""))

    with service(look) as made:
        size = 600_000
        command = {**STATE, "version": 0, "attributes": {"total": 1, "note": "x" * size}}
        made.module.commands.publish_sync(command, invoke_context=made.user)
        assert len(made.memory.resources.objects) == 1
        update = {"pk": PK, "sk": SK, "version": -1, "name": "other"}
        looks.append(0)
        made.module.commands.publish_partial_update_sync(update, invoke_context=made.user)
        made.module.commands.publish_change(
            (PK, SK), lambda state: state.replace(name="third"), invoke_context=made.user
        )
        deleted = {"pk": PK, "sk": SK, "version": -1, "isDeleted": True}
        made.module.commands.publish_partial_update_sync(deleted, invoke_context=made.user)
        assert looks == [0, size, size, size]
        found = made.module.data.get_item((PK, SK), invoke_context=made.user)
        assert found is not None
        assert (found.name, found.version, len(found.attributes.note)) == ("third", 4, size)


def _to_cents(attributes: dict[str, Any]) -> dict[str, Any]:
    """Schema 2 has cents."""
    return {**attributes, "total": attributes["total"] * 100}


@pytest.mark.parametrize("way", ["PATCH", "DELETE", "duplicate", "a command", "PUT"])
@pytest.mark.parametrize("verdict", ["accept", "change"])
def test_rules_see_rows_of_an_older_schema_in_the_one_of_today(way: str, verdict: Verdict) -> None:
    judge = Judge(verdict)
    with service(judge, upcasters=[_to_cents]) as made:
        _store(made, {"total": 1})
        WAYS[way](made, 1, 500)
        (change,) = judge.asked
        assert change.before is not None
        assert change.before.attributes.total == 100
        wanted = 100 if way in {"DELETE", "duplicate"} else 500
        assert change.after.attributes.total == wanted
        made.memory.deliver()
        found = made.module.data.get_item((PK, SK), invoke_context=made.user)
        assert found is not None
        checked = "ann" if verdict == "change" else None
        assert (found.version, found.attributes.total, found.attributes.checked_by) == (2, wanted, checked)


def test_a_module_without_a_model_has_rules_as_well() -> None:
    def count(change: Change[dict[str, Any] | None]) -> State[dict[str, Any] | None]:
        attributes = change.after.attributes or {}
        return change.after.replace(attributes={**attributes, "count": len(attributes)})

    with service(count, model=None) as made:
        whole("publish_sync")(made, 0, 1)
        assert made.latest()["attributes"] == {"total": 1, "count": 1}
        partial("publish_partial_update_sync")(made, 1, 5)
        assert made.latest()["attributes"] == {"total": 5, "count": 2}


def test_roles_are_those_in_the_tenant_of_the_item() -> None:
    seen: list[tuple[str | None, tuple[str, ...]]] = []

    def watch(change: Change[Invoice]) -> None:
        seen.append((change.user.tenant_code, change.user.tenant_roles))

    with service(watch) as made:
        boss = made.memory.user("boss", tenant="other", roles=["approver"], global_roles=["system_admin"])
        command = {**STATE, "version": 0, "attributes": {}}
        made.module.commands.publish_async(command, invoke_context=boss)
        assert seen == [("acme", ("system_admin",))]


@pytest.mark.parametrize("rule", ["no path", 5, "x.y:not an identifier"])
def test_what_can_be_no_rule_is_refused_when_the_module_is_made(rule: Any) -> None:
    with pytest.raises(ConfigurationError, match="a rule must be a function or its import path"):
        CommandModule("invoice", decide=[rule])


def _two(change: Change[Invoice], more: object) -> None: ...


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (lambda: None, r"a rule is called with \(change\), and <lambda>\(\) cannot be"),
        (_two, r"called with \(change\), and _two\(change, more\) cannot be"),
        (_is_awaited, "a rule must be a plain function"),
        (Judge, None),  # a class is called, too
        (print, None),
    ],
)
def test_a_rule_that_could_not_be_called_is_refused_when_the_module_is_made(
    rule: Any, text: str | None
) -> None:
    if text is None:
        CommandModule("invoice", decide=[rule])
        return
    with pytest.raises(ConfigurationError, match=text):
        CommandModule("invoice", decide=[rule])


def test_one_that_is_imported_is_checked_when_it_is_first_asked() -> None:
    with service(f"{__name__}:_two") as made:
        with pytest.raises(ConfigurationError, match=r"_two\(change, more\) cannot be"):
            whole("publish_async")(made, 0, 1)
        assert made.memory.rows("invoice", "command") == []


def test_an_upcaster_that_could_not_be_called_is_refused_when_the_module_is_made() -> None:
    with pytest.raises(
        ConfigurationError, match=r"called with \(attributes\), and <lambda>\(one, two\) cannot be"
    ):
        CommandModule("invoice", upcasters=[lambda one, two: one])  # type: ignore[misc, arg-type] # noqa: ARG005


@pytest.mark.parametrize("problem", [("x", 5), (None, "m"), ("x", b"m"), ("x", None)])
def test_a_problem_that_could_not_be_told_fails_where_it_is_made(problem: Any) -> None:
    def rule(_change: Change[Invoice]) -> FieldProblem:
        return FieldProblem(*problem)

    with service(rule) as made:
        answer = made.client.put(f"/invoices/{SK}", {"version": 0, "name": "n", "attributes": {}})
        assert (answer.status, answer.json()["written"]) == (500, "nothing")
        with pytest.raises(RuleFailedError, match="raised TypeError") as caught:
            whole("publish_async")(made, 0, 1)
        assert "of a FieldProblem must be a text" in str(caught.value.__cause__)


def test_states_are_equal_where_they_say_the_same() -> None:
    seen: list[State[Invoice]] = []

    def look(change: Change[Invoice]) -> None:
        seen.append(change.after)

    with service(look) as made:
        whole("publish_async")(made, 0, 1)
        whole("publish_async")(made, 1, 2)
        made.module.commands.publish_change((PK, SK), seen.append, invoke_context=made.user)
        first, second, again = seen
        assert second == again
        assert hash(second) == hash(again)
        assert first != second
        for other in (
            {"attributes": Invoice(total=9)},
            {"attributes": None},
            {"name": "m"},
            {"ttl": 5},
            {"is_deleted": True},
        ):
            assert second != second.replace(**other), other  # type: ignore[arg-type]
        assert second == second.replace(attributes=Invoice(total=2))
        assert second != object()


def test_a_conflict_comes_before_the_rules() -> None:
    judge = Judge()
    with service(judge) as made:
        whole("publish_async")(made, 0, 1)
        judge.verdict = "refuse"
        with pytest.raises(VersionConflictError):
            whole("publish_async")(made, 0, 2)
