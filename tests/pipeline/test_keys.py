"""Every key that publish accepts can be applied, handled, parked, redriven, shown, swept and erased."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import InvalidInputError, erase, reconcile, redrive
from runtime.entry.operator.operator import Operator
from runtime.entry.operator.scope import Scope
from runtime.model.keys import DetailKey
from runtime.model.status import FINISHED, HANDLERS_FAILED, HANDLERS_STARTED
from runtime.store.port import Put
from tests.faults.scale import scaled
from tests.pipeline.lab import Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME = "L" * 100
Longest = type(LONGEST_NAME, (One,), {})

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
LONG = st.integers(880, 1024).map(lambda size: "k" * size)
WIDE = st.integers(290, 310).map(lambda size: "語" * size)
SORT_KEYS = st.one_of(
    TEXT, LONG, WIDE, st.sampled_from(["..", ".", "a#b@c", "a@", "@1x", "a b", "%", "A1@publish#0"])
)


def handler(lab: Lab) -> Any:
    return lab.module.handler(LONGEST_NAME).handler


@given(sk=SORT_KEYS, pk=st.one_of(st.just("TODO#acme"), st.just("T" * 2000 + "#acme")))
@settings(max_examples=scaled(20, 150), deadline=None)
def test_whatever_publish_accepts_goes_all_the_way(sk: str, pk: str) -> None:
    lab = Lab(handlers=[Longest()])
    key = DetailKey(pk, sk)
    try:
        try:
            lab.publish(0, sk, values={"pk": pk}, publish_id="id-1")
            refused = []
        except InvalidInputError as error:
            refused = [problem.field for problem in error.problems]
        if refused:
            assert refused == ["sk"]
            assert lab.left() == {}
            return
        handler(lab).fails_at = {1}
        lab.settle()
        assert lab.store.get(lab.context.command_place(key, 1))["status"] == HANDLERS_FAILED  # type: ignore[index]
        handler(lab).fails_at = set()
        assert redrive(lab.module, key, LONGEST_NAME, invoke_context=lab.user()).done == (1,)
        lab.publish(1, sk, values={"pk": pk}, sync=True)
        assert handler(lab).versions(sk) == [1, 2]
        operator = Operator(Scope({"todo": lab.module}, lab.resources))
        shown = operator.run({"operation": "show", "module": "todo", "pk": pk, "sk": sk})
        assert [version["status"] for version in shown["versions"]] == [FINISHED, FINISHED]
        assert reconcile(lab.module, older_than=timedelta(0), invoke_context=lab.admin()).failed == ()
        lab.module.commands.re_sync_data(invoke_context=lab.admin())
        assert len(lab.module.history.list_versions(key, invoke_context=lab.user())) == 1
        assert lab.module.repository.get_item(key, invoke_context=lab.user()).version == 2  # type: ignore[union-attr]
        erase(lab.module, key, invoke_context=lab.user())
        assert lab.left() == {}
    finally:
        lab.clock.stop()


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(handlers=[Longest()])
    yield lab
    lab.clock.stop()


def test_a_long_key_of_an_earlier_release_stops_no_sweep(lab: Lab) -> None:
    """Earlier releases took 1013 bytes, for which there is no cursor."""
    sk = "k" * 1013
    lab.publish(0)
    row = {**lab.row("command", "A1@1"), "sk": f"{sk}@1", "publishId": "of old"}
    row.pop("lifeId")
    lab.store.write(Put(table=lab.context.tables.command, row=row))
    page = reconcile(lab.module, older_than=timedelta(0), invoke_context=lab.admin())
    assert [failed.key.sk for failed in page.failed] == [sk]
    assert lab.status(1) == FINISHED
    pages: list[Any] = []
    lab.module.commands.re_sync_data(invoke_context=lab.admin(), on_page=pages.append)
    assert lab.module.data.get_item(("TODO#acme", "A1"), invoke_context=lab.user()) is not None


@pytest.mark.parametrize("status", [FINISHED, HANDLERS_STARTED, HANDLERS_FAILED])
def test_a_long_key_of_an_earlier_release_is_shown_and_erased_and_names_the_field_in_a_repair(
    lab: Lab, status: str
) -> None:
    """Cases 06 and 12 of an attack: what operators can do about it."""
    sk = "k" * 1013
    lab.publish(0)
    lab.settle()
    for table, suffix in (("command", "@1"), ("data", "")):
        row = {**lab.row(table, f"A1{suffix}"), "sk": f"{sk}{suffix}", "status": status}
        lab.store.write(Put(table=getattr(lab.context.tables, table), row=row))
    operator = Operator(Scope({"todo": lab.module}, lab.resources))
    about = {"module": "todo", "pk": "TODO#acme", "sk": sk}
    shown = operator.run({"operation": "show", **about})
    assert [cursor["version"] for cursor in shown["cursors"]] == [None]
    refused = operator.run({"operation": "redrive", **about, "handler": LONGEST_NAME})
    assert refused["error"]["type"] == "InvalidInputError"
    assert "sk: is too long for a data sync handler's cursor" in refused["error"]["message"]
    for operation in ("parked", "behind", "reconcile", "resync"):
        assert "error" not in operator.run({"operation": operation, "module": "todo"}), operation
    erase(lab.module, ("TODO#acme", sk), invoke_context=lab.user())
    assert [key for keys in lab.left().values() for key in keys if sk in key] == []
    assert lab.row("data") is not None
