"""A service that is written by hand: items by sort key, in the tenant of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runtime import (
    CommandModule,
    ConfigurationError,
    CqrsApp,
    CqrsModel,
    FieldProblem,
    ForbiddenError,
    InvalidInputError,
    InvalidVersionError,
    ItemNotFoundError,
    PublishIdReusedError,
    RuleViolationError,
    State,
    VersionConflictError,
)
from runtime.testing import MemoryApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Invoice(CqrsModel):
    total: int
    note: str | None = None


invoice = CommandModule("invoice", attributes=Invoice)
invoices = invoice.service(type="INVOICE")
app = CqrsApp(modules=[invoice])


@pytest.fixture
def memory() -> Iterator[MemoryApp]:
    with MemoryApp(app) as memory:
        yield memory


def rows(memory: MemoryApp) -> list[tuple[str, str, int]]:
    return [(row["pk"], row["sk"], row["attributes"]["total"]) for row in memory.rows("invoice", "command")]


def test_an_item_from_its_first_day_to_its_last(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        made = invoices.create(Invoice(total=1), sk="A1", name="First")
        assert made is not None
        assert (made.version, made.attributes.total, made.name, made.code) == (1, 1, "First", "A1")
        assert made.source == "[invoice]:ModuleService.create"
        assert invoices.get("A1").attributes.total == 1
        changed = invoices.change("A1", {"attributes": {"note": "x"}})
        assert changed is not None
        assert changed.attributes == Invoice(total=1, note="x")
        replaced = invoices.replace("A1", Invoice(total=2), version=2, name="Next", sync=True)
        assert replaced is not None
        assert (replaced.version, replaced.attributes.note, replaced.name) == (3, None, "Next")
        assert invoices.replace("A1", Invoice(total=2), version=3, name="Next") is None
        assert invoices.exists("A1")
        assert invoices.delete("A1") is not None
        assert not invoices.exists("A1")
        with pytest.raises(ItemNotFoundError):
            invoices.get("A1")
        restored = invoices.restore("A1")
        assert restored is not None
        assert restored.version == 5
        assert restored.source == "[invoice]:ModuleService.restore"
        assert invoices.restore("A1") is None
        assert invoices.get("A1").attributes.total == 2
        assert [state.version for state in invoice.history.list_versions(invoices.key("A1"))] == [1, 2]
    memory.deliver()
    (row,) = memory.rows("invoice", "data")
    assert (row["pk"], row["version"], row.get("isDeleted")) == ("INVOICE#acme", 5, False)


def test_a_new_item_gets_a_sort_key_that_sorts_by_time(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        keys = []
        for total in (1, 2):
            made = invoices.create({"total": total}, sync=True)
            assert made is not None
            keys.append(made.sk.partition("@")[0])
            assert made.name == made.code == keys[-1]
        assert [len(key) for key in keys] == [26, 26]
        assert [item.sk for item in invoices.list().items] == sorted(keys)


def test_a_list_has_what_is_there_page_by_page(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        for sk in ("a1", "a2", "a3", "b1"):
            invoices.create({"total": 1}, sk=sk, sync=True)
        invoices.delete("a2", sync=True)
        page = invoices.list(limit=2)
        assert ([item.sk for item in page.items], page.last_sk) == (["a1"], "a2")
        assert [item.sk for item in invoices.list(start_from_sk=page.last_sk).items] == ["a3", "b1"]
        assert [item.sk for item in invoices.list(sk_prefix="a", order="desc").items] == ["a3", "a1"]
        assert [item.sk for item in invoices.list(include_deleted=True).items] == ["a1", "a2", "a3", "b1"]


def test_a_change_may_be_a_function(memory: MemoryApp) -> None:
    def add(state: State[Invoice]) -> State[Invoice] | FieldProblem:
        if state.attributes.total > 1:
            return FieldProblem("attributes.total", "is enough")
        return state.replace(attributes=Invoice(total=state.attributes.total + 1))

    with memory.acting_as("ann", tenant="acme"):
        invoices.create({"total": 1}, sk="A1")
        done = invoices.change("A1", add)
        assert done is not None
        assert done.attributes.total == 2
        with pytest.raises(RuleViolationError):
            invoices.change("A1", add)
        with pytest.raises(VersionConflictError):
            invoices.change("A1", add, version=1)


WRITES: dict[str, Callable[[str, int], Any]] = {
    "replace": lambda sk, version: invoices.replace(sk, Invoice(total=9), version=version),
    "change": lambda sk, version: invoices.change(sk, {"name": "x"}, version=version),
    "change by a function": lambda sk, version: invoices.change(
        sk, lambda state: state.replace(name="x"), version=version
    ),
    "delete": lambda sk, version: invoices.delete(sk, version=version),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_builds_on_what_is_not_there_says_so(
    memory: MemoryApp, write: Callable[[str, int], Any]
) -> None:
    with memory.acting_as("ann", tenant="acme"):
        invoices.create({"total": 1}, sk="A1")
        invoices.change("A1", {"name": "x2"})
        before = rows(memory)
        with pytest.raises(ItemNotFoundError):
            write("none", 1)
        with pytest.raises(VersionConflictError):
            write("A1", 1)
        with pytest.raises(InvalidVersionError):
            write("A1", 7)
        with pytest.raises(VersionConflictError):
            invoices.create({"total": 1}, sk="A1")
        with pytest.raises(ItemNotFoundError):
            invoices.restore("none")
        assert rows(memory) == before


def test_a_request_is_done_once(memory: MemoryApp) -> None:
    for _ in range(2):
        with memory.acting_as("ann", tenant="acme", headers={"Idempotency-Key": "k1"}):
            made = invoices.create({"total": 1})
            assert made is not None
    sk = made.sk.partition("@")[0]
    for _ in range(2):
        with memory.acting_as("ann", tenant="acme", headers={"Idempotency-Key": "k2"}):
            gone = invoices.delete(sk)
            assert gone is not None
            assert gone.version == 2
    with (
        memory.acting_as("ann", tenant="acme", headers={"Idempotency-Key": "k2"}),
        pytest.raises(PublishIdReusedError),
    ):
        invoices.change(sk, {"name": "x"})
    with memory.acting_as("ann", tenant="acme", headers={"Idempotency-Key": "k1"}):
        other = invoices.create({"total": 1}, publish_id="another")
        assert other is not None
        assert other.sk != made.sk
    assert len(rows(memory)) == 3


def test_the_tenant_is_that_of_the_request(memory: MemoryApp) -> None:
    with memory.acting_as("ann", tenant="acme"):
        invoices.create({"total": 1}, sk="A1", sync=True)
    with memory.acting_as("eve", tenant="other"):
        assert not invoices.exists("A1")
        assert invoices.list().items == []
        with pytest.raises(ItemNotFoundError):
            invoices.delete("A1")
    with memory.acting_as("eve", tenant="other", headers={"x-tenant-code": "acme"}):
        for call in (
            invoices.tenant,
            invoices.list,
            lambda: invoices.get("A1"),
            lambda: invoices.delete("A1"),
            lambda: invoices.create({"total": 2}, sk="B1"),
        ):
            with pytest.raises(ForbiddenError):
                call()
    boss = memory.user(
        "boss", tenant="home", global_roles=["system_admin"], headers={"x-tenant-code": "acme"}
    )
    assert invoices.pk(invoke_context=boss) == "INVOICE#acme"
    assert invoices.get("A1", invoke_context=boss).attributes.total == 1
    assert invoices.change("A1", {"name": "x"}, invoke_context=boss) is not None
    with memory.acting_as("nobody"), pytest.raises(ForbiddenError, match="names no tenant"):
        invoices.create({"total": 1})
    with pytest.raises(InvalidInputError, match="invoke_context"):
        invoices.get("A1")
    assert {pk for pk, _, _ in rows(memory)} == {"INVOICE#acme"}


def test_what_is_common_is_read_by_everybody_and_written_by_few() -> None:
    with MemoryApp(app, common_tenant_codes=("common",)) as memory:
        boss = memory.user(
            "boss", tenant="home", global_roles=["system_admin"], headers={"x-tenant-code": "common"}
        )
        invoices.create({"total": 1}, sk="A1", sync=True, invoke_context=boss)
        with memory.acting_as("ann", tenant="acme", headers={"x-tenant-code": "common"}):
            assert invoices.get("A1").attributes.total == 1
            with pytest.raises(ForbiddenError):
                invoices.delete("A1")


@pytest.mark.parametrize("kind", ["", "INVOICE#"])
def test_a_type_that_can_be_none_is_refused(kind: str) -> None:
    with pytest.raises(ConfigurationError, match="type must be the kind of the items"):
        invoice.service(type=kind)
