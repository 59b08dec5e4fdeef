"""Reads of one's own writes after the item has expired: it is gone for its author as for everybody else."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runtime import BadRequestError, CommandModel, reconcile
from runtime.store.port import Delete, Put
from runtime.store.values import Place
from tests.pipeline.lab import KEY, Lab, One

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLERS: dict[str, list[Any]] = {"handler": [One], "none": []}


@pytest.fixture(params=["handler", "none"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = Lab(handlers=[handler() for handler in HANDLERS[request.param]])
    yield lab
    lab.clock.stop()


def search(lab: Lab, user: str) -> list[str]:
    """What a list from another store shows, which has nothing of the item yet, or any more."""

    def item(command: CommandModel[Any], _before: Any) -> dict[str, Any]:
        return {"id": command.id, "name": command.name}

    listing = lab.module.repository.list_items(
        lambda: {"items": [], "total": 0}, transform_command=item, invoke_context=lab.user(user)
    )
    return [found["name"] for found in listing.items]


def shown(lab: Lab, user: str = "ann") -> tuple[list[str], list[str], list[str]]:
    """What a user sees of the item: by its key, in the list, in a search."""
    repository, context = lab.module.repository, lab.user(user)
    item = repository.get_item(KEY, invoke_context=context)
    listed = repository.list_items_by_pk(KEY.pk, invoke_context=context).items
    return [item.name] if item else [], [row.name for row in listed], search(lab, user)


def soon(lab: Lab) -> int:
    return int(lab.clock.seconds()) + 60


def expire(lab: Lab) -> None:
    lab.clock.advance(seconds=90)
    lab.store.expire()
    assert lab.row("data") is None


@pytest.mark.parametrize("is_finished", [True, False])
def test_an_item_that_has_expired_is_gone_for_its_author_too(lab: Lab, *, is_finished: bool) -> None:
    lab.publish(0, values={"name": "short-lived", "ttl": soon(lab)})
    lab.deliver()
    if is_finished:
        lab.run()
    else:
        _apply_alone(lab)
    expire(lab)
    assert shown(lab) == shown(lab, "bob") == ([], [], [])
    change = {**KEY._asdict(), "version": 1, "name": "x"}
    with pytest.raises(BadRequestError, match="item not found"):
        lab.module.commands.publish_partial_update_sync(change, invoke_context=lab.user())


def _apply_alone(lab: Lab) -> None:
    """It is applied; its handlers have not seen it."""
    lab.work({"action": "apply", "input": {"module": "todo", **KEY._asdict(), "version": 1}})


def test_what_is_pending_is_shown_to_its_author(lab: Lab) -> None:
    lab.publish(0, values={"name": "new"})
    assert shown(lab) == (["new"], ["new"], ["new"])
    lab.deliver()
    _apply_alone(lab)
    assert shown(lab)[:2] == shown(lab, "bob")[:2] == (["new"], ["new"])


def test_an_update_that_was_pending_when_its_item_expired_is_shown(lab: Lab) -> None:
    lab.publish(0, values={"ttl": soon(lab)})
    lab.settle()
    lab.publish(1, values={"name": "pending"})
    expire(lab)
    assert shown(lab) == (["pending"], ["pending"], ["pending"])


def test_what_another_life_has_left_behind_is_not_shown(lab: Lab) -> None:
    lab.publish(0, values={"name": "behind"})
    behind = lab.row("command", "A1@1")
    lab.records.clear()
    lab.store.write(Delete(place=Place(lab.context.tables.command, KEY.pk, "A1@1")))
    lab.clock.advance(seconds=1)
    lab.publish(0, values={"name": "winner", "ttl": soon(lab)}, invoke_context=lab.user("bob"))
    lab.settle()
    lab.store.write(Put(table=lab.context.tables.command, row=behind | {"sk": "A1@2", "version": 2}))
    lab.module.sessions.put("ann", KEY, 2, publish_id=behind["publishId"])
    assert shown(lab) == (["winner"], ["winner"], [])
    reconcile(lab.module, older_than=timedelta(0), invoke_context=lab.admin())
    expire(lab)
    assert shown(lab) == ([], [], [])


@pytest.mark.parametrize("how", ["get", "list"])
def test_what_is_applied_between_two_reads_is_shown(
    lab: Lab, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data row is read, then it is applied, then the command is read: it has not expired."""
    lab.publish(0, values={"name": "new"})
    lab.deliver()
    read = {"get": lab.store.get, "list": lab.store.batch_get}
    is_done = []

    def late(*arguments: Any, **options: Any) -> Any:
        if not is_done:
            is_done.append(True)
            _apply_alone(lab)
        return read[how](*arguments, **options)

    monkeypatch.setattr(lab.store, "get" if how == "get" else "batch_get", late)
    repository, me = lab.module.repository, lab.user()
    if how == "get":
        item = repository.get_item(KEY, invoke_context=me)
        assert item is not None
    else:
        (item,) = repository.list_items_by_pk(KEY.pk, invoke_context=me).items
    assert item.name == "new"


def test_a_module_without_data_rows_shows_its_authors_what_they_wrote() -> None:
    lab = Lab(handlers=[One()], keeps_data=False)
    try:
        lab.publish(0, values={"name": "kept in no row"})
        lab.settle()
        item = lab.module.repository.get_item(KEY, invoke_context=lab.user())
        assert item is not None
        assert item.name == "kept in no row"
    finally:
        lab.clock.stop()
