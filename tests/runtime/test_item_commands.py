"""Commands with a name of their own: as routes of a module, and as calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field

from runtime import (
    Change,
    CommandModule,
    ConfigurationError,
    CqrsApp,
    CqrsModel,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    ItemCommand,
    ItemNotFoundError,
    RuleFailedError,
    RuleViolationError,
    State,
    UserContext,
    VersionConflictError,
    module_routes,
)
from runtime.store.codec import row_of
from runtime.store.port import Put
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PK = "INVOICE#acme"


class Invoice(CqrsModel):
    total: int
    paid: int = 0
    paid_by: str | None = None


class Payment(CqrsModel):
    amount: int = Field(gt=0)
    version: int | None = None


#: What happens while a payment is decided, once.
MEANWHILE: list[Callable[[], None]] = []


def pay(invoice: State[Invoice], payment: Payment, user: UserContext) -> State[Invoice] | FieldProblem | None:
    """Pay a part, or all of it."""
    if MEANWHILE:
        MEANWHILE.pop()()
    paid = invoice.attributes.paid + payment.amount
    if paid > invoice.attributes.total:
        return FieldProblem("amount", f"must be at most {invoice.attributes.total - invoice.attributes.paid}")
    attributes = invoice.attributes.model_copy(update={"paid": paid, "paid_by": user.user_id})
    return invoice.replace(attributes=attributes)


def cancel(invoice: State[Invoice], _body: None, _user: UserContext) -> State[Invoice]:
    return invoice.replace(name="cancelled")


def burn(invoice: State[Invoice], _body: None, user: UserContext) -> State[Invoice]:
    if "boss" not in user.tenant_roles:
        msg = "only the boss"
        raise ForbiddenError(msg)
    return invoice.replace(is_deleted=True)


def ignore(_invoice: State[Invoice], _body: None, _user: UserContext) -> None:
    return None


def break_down(_invoice: State[Invoice], _body: None, _user: UserContext) -> None:
    message = "secret-text"
    raise LookupError(message)


def closed(change: Change[Invoice]) -> FieldProblem | None:
    if change.before and change.before.attributes.paid == change.before.attributes.total:
        return FieldProblem("attributes", "is paid: nothing changes any more")
    return None


invoice = CommandModule("invoice", attributes=Invoice, decide=[closed])
app = CqrsApp(
    modules=[invoice],
    routes=[
        module_routes(
            invoice,
            prefix="/invoices",
            type="INVOICE",
            write_roles=["clerk"],
            commands={
                "pay": ItemCommand(pay, body=Payment, roles=["cashier"]),
                "cancel": ItemCommand(cancel, summary="Cancel it"),
                "burn": ItemCommand("tests.runtime.test_item_commands:burn"),
                "ignore": ItemCommand(ignore),
                "break-down": ItemCommand(break_down),
            },
        )
    ],
)


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    MEANWHILE.clear()
    with MemoryApp(app) as memory:
        body = {"sk": "A1", "version": 0, "name": "n", "attributes": {"total": 10}}
        assert client_of(memory).post("/invoices", body).status == 202
        yield memory


def client_of(memory: MemoryApp, *roles: str, **options: Any) -> Any:
    return memory.client(tenant="acme", user="ann", roles=roles or ("clerk", "cashier"), **options)


def stored(memory: MemoryApp) -> dict[str, Any]:
    memory.deliver()
    (row,) = memory.rows("invoice", "data")
    return row


def kind(answer: Any) -> tuple[int, str]:
    return answer.status, answer.json()["type"].removeprefix("urn:problem-type:cqrs:")


def test_a_command_changes_the_item(memory: MemoryApp) -> None:
    answer = client_of(memory).post("/invoices/A1/pay", {"amount": 4})
    assert answer.status == 202
    assert (answer.headers["ETag"], answer.headers["Location"]) == ('"2"', "/invoices/A1")
    assert (answer.json()["sk"], answer.json()["version"]) == ("A1", 2)
    row = stored(memory)
    assert row["attributes"] == {"total": 10, "paid": 4, "paidBy": "ann"}
    command = max(memory.rows("invoice", "command"), key=lambda found: int(found["version"]))
    assert command["source"] == "[invoice]:ModuleRoutes.pay"


def test_mode_sync_applies_it_before_the_answer(memory: MemoryApp) -> None:
    answer = client_of(memory).post("/invoices/A1/pay", {"amount": 4}, params={"mode": "sync"})
    assert answer.status == 200
    assert memory.rows("invoice", "data")[0]["attributes"]["paid"] == 4


def test_one_without_a_body_and_what_stays_to_the_letter(memory: MemoryApp) -> None:
    memory.deliver()
    old = {"total": 5, "paid": 1, "newer": {"field": [1]}}
    row = memory.rows("invoice", "data")[0] | {"sk": "B1", "code": "B1", "attributes": old}
    memory.store.write(Put(table=invoice.tables.data, row=row_of(row)))
    client = client_of(memory)
    assert client.post("/invoices/B1/cancel").status == 202
    assert client.post("/invoices/B1/pay", {"amount": 1}).status == 202
    memory.deliver()
    found = memory.rows("invoice", "data")[1]
    assert (found["name"], found["version"]) == ("cancelled", 3)
    assert found["attributes"] == old | {"paid": 2, "paidBy": "ann"}


def test_a_refusal_names_the_field(memory: MemoryApp) -> None:
    client = client_of(memory)
    answer = client.post("/invoices/A1/pay", {"amount": 11})
    assert kind(answer) == (422, "rule-violation")
    assert [error["field"] for error in answer.json()["errors"]] == ["amount"]
    answer = client.post("/invoices/A1/pay", {"amount": 0})
    assert kind(answer) == (400, "invalid-input")
    assert [error["field"] for error in answer.json()["errors"]] == ["amount"]
    assert stored(memory)["version"] == 1


def test_the_rules_of_the_module_hold_for_commands(memory: MemoryApp) -> None:
    client = client_of(memory)
    assert client.post("/invoices/A1/pay", {"amount": 10}).status == 202
    answer = client.post("/invoices/A1/cancel")
    assert kind(answer) == (422, "rule-violation")
    assert stored(memory)["version"] == 2


def test_nothing_to_do_is_204(memory: MemoryApp) -> None:
    assert client_of(memory).post("/invoices/A1/ignore").status == 204
    assert client_of(memory).post("/invoices/A1/cancel").status == 202
    assert client_of(memory).post("/invoices/A1/cancel").status == 204


def test_a_command_that_fails_says_that_nothing_was_written(memory: MemoryApp) -> None:
    answer = client_of(memory).post("/invoices/A1/break-down")
    assert (answer.status, answer.json()["written"]) == (500, "nothing")
    assert "secret-text" not in answer.text


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}, {"If-None-Match": "*"}])
def test_an_unknown_or_deleted_item_is_404(memory: MemoryApp, headers: dict[str, str]) -> None:
    client = client_of(memory, headers=headers)
    assert kind(client.post("/invoices/none/cancel")) == (404, "not-found")
    assert client_of(memory).delete("/invoices/A1", params={"version": 1}).status == 202
    assert kind(client.post("/invoices/A1/cancel")) == (404, "not-found")
    assert stored(memory)["version"] == 2


def pay_elsewhere(memory: MemoryApp) -> None:
    assert client_of(memory).post("/invoices/A1/pay", {"amount": 5}).status == 202


def test_who_loses_a_race_decides_anew_on_the_fresh_state(memory: MemoryApp) -> None:
    MEANWHILE.append(lambda: pay_elsewhere(memory))
    assert client_of(memory).post("/invoices/A1/pay", {"amount": 4}).json()["version"] == 3
    assert stored(memory)["attributes"]["paid"] == 9


def test_a_lost_race_may_end_in_a_refusal(memory: MemoryApp) -> None:
    MEANWHILE.append(lambda: pay_elsewhere(memory))
    assert kind(client_of(memory).post("/invoices/A1/pay", {"amount": 6})) == (422, "rule-violation")
    assert stored(memory)["attributes"]["paid"] == 5


@pytest.mark.parametrize(
    ("request_of", "status"),
    [
        ({"headers": {"If-Match": '"1"'}}, 412),
        ({"params": {"version": 1}}, 409),
        ({"version": 1}, 409),
    ],
)
def test_a_version_that_the_caller_names_is_respected(
    memory: MemoryApp, request_of: dict[str, Any], status: int
) -> None:
    own = {"version": request_of.pop("version")} if "version" in request_of else {}
    client = client_of(memory)
    assert client.post("/invoices/A1/pay", {"amount": 1, **own}, **request_of).status == 202
    assert client.post("/invoices/A1/pay", {"amount": 1, **own}, **request_of).status == status
    # And there is one attempt only.
    now = {"headers": {"If-Match": '"2"'}} if status == 412 else {"params": {"version": 2}}
    MEANWHILE.append(lambda: pay_elsewhere(memory))
    assert client.post("/invoices/A1/pay", {"amount": 1}, **now).status == status
    assert stored(memory)["attributes"]["paid"] == 6


def test_versions_that_contradict_each_other_are_refused(memory: MemoryApp) -> None:
    client = client_of(memory, headers={"If-Match": '"1"'})
    answer = client.post("/invoices/A1/pay", {"amount": 1, "version": 2})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "version")
    assert kind(client.post("/invoices/A1/pay", {"amount": 1}, params={"version": 3})) == (
        400,
        "invalid-input",
    )
    never = client_of(memory).post("/invoices/A1/pay", {"amount": 1}, params={"version": 7})
    assert kind(never) == (400, "invalid-version")
    exists = client_of(memory, headers={"If-None-Match": "*"}).post("/invoices/A1/pay", {"amount": 1})
    assert kind(exists) == (412, "precondition-failed")


def test_a_request_is_done_once(memory: MemoryApp) -> None:
    client = client_of(memory, headers={"Idempotency-Key": "k"})
    first = client.post("/invoices/A1/pay", {"amount": 4}).json()
    pay_elsewhere(memory)
    assert client.post("/invoices/A1/pay", {"amount": 4}).json()["version"] == first["version"]
    assert kind(client.post("/invoices/A1/pay", {"amount": 5})) == (422, "publish-id-reused")
    assert kind(client.post("/invoices/A1/cancel")) == (422, "publish-id-reused")
    assert stored(memory)["attributes"]["paid"] == 9


def test_roles_are_each_commands_own(memory: MemoryApp) -> None:
    assert client_of(memory, "clerk").post("/invoices/A1/pay", {"amount": 1}).status == 403
    assert client_of(memory, "cashier").post("/invoices/A1/cancel").status == 403
    assert client_of(memory, "cashier").post("/invoices/A1/pay", {"amount": 1}).status == 202
    assert kind(client_of(memory, "clerk").post("/invoices/A1/burn")) == (403, "forbidden")
    assert client_of(memory, "clerk", "boss").post("/invoices/A1/burn").status == 202
    assert stored(memory)["isDeleted"] is True


def test_another_tenants_item_is_not_there(memory: MemoryApp) -> None:
    other = memory.client(tenant="other", user="eve", roles=["clerk"])
    assert kind(other.post("/invoices/A1/cancel")) == (404, "not-found")
    assert other.post("/invoices/A1/cancel", headers={"x-tenant-code": "acme"}).status == 403


@pytest.mark.parametrize("sk", ["a/b", "a/pay", "pay", "\u20ac \u3042", "x@y"])
def test_any_sort_key_has_commands(memory: MemoryApp, sk: str) -> None:
    from urllib.parse import quote  # noqa: PLC0415

    client = client_of(memory)
    body = {"sk": sk, "version": 0, "name": "n", "attributes": {"total": 3}}
    assert client.post("/invoices", body).status == 202
    answer = client.post(f"/invoices/{quote(sk, safe='')}/pay", {"amount": 1})
    assert (answer.status, answer.json().get("sk")) == (202, sk)


def test_the_document_has_it_all(memory: MemoryApp) -> None:
    document = client_of(memory).get("/openapi.json").json()
    operation = document["paths"]["/invoices/{sk}/pay"]["post"]
    assert operation["operationId"] == "invoice_pay"
    assert operation["summary"] == "Pay a part, or all of it"
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Payment")
    assert {"200", "202", "204", "403", "404", "409", "412", "422", "default"} <= set(operation["responses"])
    assert "application/problem+json" in operation["responses"]["404"]["content"]
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"sk", "mode", "version", "If-Match", "idempotency-key", "x-tenant-code"} <= names
    assert "If-None-Match" not in names
    cancelled = document["paths"]["/invoices/{sk}/cancel"]["post"]
    assert (cancelled["summary"], "requestBody" in cancelled) == ("Cancel it", False)
    assert not [name for name in operation if name.startswith("x-")]


@pytest.mark.parametrize(
    ("commands", "text"),
    [
        ({"history": ItemCommand(cancel)}, "'history' is a route of every module"),
        ({"search": ItemCommand(cancel)}, "'search' is a route of every module"),
        ({"bulk": ItemCommand(cancel)}, "'bulk' is a route of every module"),
        ({"publish": ItemCommand(cancel)}, "'publish' is a route of every module"),
        ({"Pay": ItemCommand(cancel)}, "lower-case letters, digits"),
        ({"pay/now": ItemCommand(cancel)}, "lower-case letters, digits"),
        ({"<sk>": ItemCommand(cancel)}, "lower-case letters, digits"),
        ({"": ItemCommand(cancel)}, "lower-case letters, digits"),
        ({"pay": cancel}, "must be an ItemCommand"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused_when_the_routes_are_made(commands: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        module_routes(invoice, prefix="/invoices", type="INVOICE", commands=commands)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"function": 5}, "a command must be a function or its import path"),
        ({"function": cancel, "body": dict}, "must be a pydantic model"),
        ({"function": cancel, "roles": "clerk"}, "must be a list of names"),
        (
            {"function": closed},
            r"a command is called with \(state, body, user\), and closed\(change\) cannot be",
        ),
        ({"function": lambda _state, _body: None}, r"and <lambda>\(_state, _body\) cannot be"),
        ({"function": Payment.model_copy}, r"model_copy\(self, \*, update=None, deep=False\) cannot be"),
    ],
)
def test_what_can_be_no_command_is_refused(arguments: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        ItemCommand(**arguments)


# The same by call.
def test_a_change_is_published_by_call(memory: MemoryApp) -> None:
    user = memory.user("ann", tenant="acme")

    def add(invoice: State[Invoice]) -> State[Invoice]:
        attributes = invoice.attributes
        return invoice.replace(attributes=attributes.model_copy(update={"total": attributes.total + 1}))

    publish = invoice.commands.publish_change
    done = publish((PK, "A1"), add, invoke_context=user, publish_id="p")
    assert done is not None
    assert (done.version, done.attributes.total) == (2, 11)
    again = publish((PK, "A1"), add, invoke_context=user, publish_id="p")
    assert again is not None
    assert again.version == 2
    with pytest.raises(VersionConflictError):
        publish((PK, "A1"), add, version=1, invoke_context=user)
    with pytest.raises(ItemNotFoundError):
        publish((PK, "none"), add, invoke_context=user)
    with pytest.raises(InvalidInputError, match="version"):
        publish((PK, "A1"), add, version="1", invoke_context=user)  # type: ignore[arg-type]
    with pytest.raises(RuleViolationError, match=r"attributes\.total"):
        publish((PK, "A1"), lambda _state: FieldProblem("attributes.total", "no"), invoke_context=user)
    with pytest.raises(RuleFailedError, match="must return None, problems or a state, got int"):
        publish((PK, "A1"), lambda _state: 5, invoke_context=user)  # type: ignore[arg-type, return-value]
    assert stored(memory)["version"] == 2


def test_a_change_gives_up_after_its_attempts(memory: MemoryApp) -> None:
    user = memory.user("ann", tenant="acme")
    tries: list[int] = []

    def late(invoice: State[Invoice]) -> State[Invoice]:
        tries.append(invoice.version)
        assert client_of(memory).post("/invoices/A1/pay", {"amount": 1}).status == 202
        return invoice.replace(name="late")

    with pytest.raises(VersionConflictError):
        invoice.commands.publish_change((PK, "A1"), late, attempts=3, invoke_context=user)
    assert tries == [1, 2, 3]
    assert stored(memory)["version"] == 4
